import Foundation
import Sim

/// One request of a conversation.
struct ConversationTurn {
  var prompt: Int
  var output: Int
  var details: TraceDetails
}

/// The objects of one large JSON array, held one at a time: conversations as ShareGPT keeps them.
struct ObjectReader: ~Copyable {
  /// Longest conversation accepted, in bytes.
  static let maximumObject = 67_108_864

  /// Line of the last fault, or up to which the file was read, from 1.
  var lineNumber: Int { faultLine ?? currentLine }

  private var currentLine = 1
  private var faultLine: Int?
  private var source: ByteSource
  private let chunk: UnsafeMutableBufferPointer<UInt8>
  private var start = 0
  private var end = 0
  private var isOpen = false
  private var isDone = false
  private var conversations = 0
  private var object: [UInt8] = []
  private let unread: UnreadColumns

  init(path: String, unread: UnreadColumns, digesting: Bool) throws(TraceError) {
    self.unread = unread
    source = try ByteSource(path: path, digesting: digesting)
    chunk = .allocate(capacity: 262_144)
  }

  deinit { chunk.deallocate() }

  /// Digest of the file's bytes read so far, if asked for.
  var digest: SHA256? { source.digest }

  /// The turns of the next conversation that has any; `nil` at the end of the array.
  mutating func nextConversation() throws(RowFault) -> [ConversationTurn]? {
    while true {
      faultLine = nil
      guard try beginObject() else { return nil }
      let firstLine = lineNumber
      try collect()
      conversations += 1
      var parser = ConversationParser(session: conversations - 1, unread: unread)
      let fault: RowFault? = object.withUnsafeBufferPointer { bytes in
        do throws(RowFault) {
          try parser.parse(bytes)
          return nil
        } catch {
          return error
        }
      }
      if let fault {
        faultLine = firstLine + object.prefix(parser.position).count { $0 == 0x0A }
        throw fault
      }
      if !parser.turns.isEmpty { return parser.turns }
    }
  }

  /// Goes to the next object's first byte; false at the end of the file.
  private mutating func beginObject() throws(RowFault) -> Bool {
    if isDone { return false }
    if !isOpen {
      var byte = try next(skippingBlanks: true)
      // A UTF-8 byte order mark.
      if byte == 0xEF {
        _ = try next()
        _ = try next()
        byte = try next(skippingBlanks: true)
      }
      guard byte == UInt8(ascii: "[") else { throw fault(byte, "[ at the start of the file") }
      isOpen = true
    }
    var byte = try next(skippingBlanks: true)
    if byte == UInt8(ascii: "]") {
      byte = try next(skippingBlanks: true)
      guard byte == nil else { throw fault(byte, "the end of the file") }
      isDone = true
      return false
    }
    if conversations > 0 {
      guard byte == UInt8(ascii: ",") else { throw fault(byte, "a comma or ]") }
      byte = try next(skippingBlanks: true)
    }
    guard byte == UInt8(ascii: "{") else { throw fault(byte, "a conversation: {") }
    return true
  }

  /// Copies one object, whose opening brace is taken, into `object`.
  private mutating func collect() throws(RowFault) {
    object.removeAll(keepingCapacity: true)
    object.append(UInt8(ascii: "{"))
    var depth = 1
    var isInString = false
    var isEscaped = false
    while depth > 0 {
      guard let byte = try next() else { throw fault(nil, "the end of a conversation: }") }
      guard object.count < Self.maximumObject else {
        throw broken("a conversation of more than \(Self.maximumObject) bytes", "shorter conversations")
      }
      object.append(byte)
      if isEscaped {
        isEscaped = false
      } else if isInString {
        if byte == UInt8(ascii: "\\") { isEscaped = true }
        if byte == UInt8(ascii: "\"") { isInString = false }
      } else if byte == UInt8(ascii: "\"") {
        isInString = true
      } else if byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") {
        depth += 1
      } else if byte == UInt8(ascii: "}") || byte == UInt8(ascii: "]") {
        depth -= 1
      }
    }
  }

  @inline(__always)
  private mutating func next(skippingBlanks: Bool = false) throws(RowFault) -> UInt8? {
    while true {
      if start == end {
        start = 0
        do { end = try source.read(into: chunk, line: currentLine) } catch {
          throw RowFault(rethrowing: error)
        }
        if end == 0 { return nil }
      }
      let byte = chunk[start]
      start += 1
      if byte == 0x0A { currentLine += 1 }
      if skippingBlanks, byte == 0x20 || (byte >= 0x09 && byte <= 0x0D) { continue }
      return byte
    }
  }

  /// A fault after which the rest of the file means nothing: no leniency helps.
  private func broken(_ found: String, _ expected: String) -> RowFault {
    RowFault(
      rethrowing: .malformed(
        path: source.path, line: currentLine, column: nil, found: found, expected: expected))
  }

  private func fault(_ byte: UInt8?, _ expected: String) -> RowFault {
    broken(byte.map { quoted([$0]) } ?? "the end of the file", expected)
  }
}

/// One conversation turned into requests: each turn of the model answers all text before it.
///
/// A message's tokens are its `tokens` if it has that key, else ⌈ASCII characters / 4⌉ + other characters.
/// Assumed: four characters a token for English, as tokenisers of 30 to 130 thousand words have it, and about
/// one token for each other character.
struct ConversationParser {
  private(set) var turns: [ConversationTurn] = []
  /// How far the text was read.
  private(set) var position = 0
  private let session: Int
  private let unread: UnreadColumns

  init(session: Int, unread: UnreadColumns) {
    self.session = session
    self.unread = unread
  }

  private static let modelNames = ["gpt", "chatgpt", "bard", "bing", "assistant", "chatbot", "model"]

  mutating func parse(_ text: Bytes) throws(RowFault) {
    var scanner = JSONScanner(text)
    var messages: Bytes?
    var column: String?
    var preamble = 0
    var keys = ConversationKeys(unread: unread)
    do throws(JSONScanner.Fault) {
      try scanner.require(UInt8(ascii: "{"), "an object")
      if !scanner.take(UInt8(ascii: "}")) {
        repeat {
          let name = try scanner.string()
          column = String(decoding: name.prefix(40), as: UTF8.self)
          try scanner.require(UInt8(ascii: ":"), "a colon")
          let value = try scanner.value()
          if column == "system" || column == "tools" {
            // A string, or the list of tools as it stands: both come before the first message.
            if !value.isNull { preamble += Self.tokens(of: value.text) }
          } else if column != "conversations" {
            keys.meet(name, value)
          } else {
            guard messages == nil else {
              throw JSONScanner.Fault(found: "the key twice", expected: "each key once")
            }
            guard value.kind == .array else {
              throw JSONScanner.Fault(found: quoted(value.text), expected: "an array of messages")
            }
            messages = value.text
          }
        } while scanner.take(UInt8(ascii: ","))
        try scanner.require(UInt8(ascii: "}"), "a comma or }")
      }
    } catch {
      position = scanner.position
      throw RowFault(column: column, found: error.found, expected: error.expected, reason: .badJSON)
    }
    position = scanner.position
    if scanner.hasNonASCII, String(validating: text, as: UTF8.self) == nil {
      throw RowFault(
        column: column, found: "bytes that are not UTF-8", expected: "UTF-8 text", reason: .badText)
    }
    guard let messages else {
      throw RowFault(
        column: "conversations", found: "no such key", expected: "the key conversations",
        reason: .missingKey)
    }
    if let fault = keys.fault { throw fault }
    let offset = messages.baseAddress! - text.baseAddress!
    do { try read(messages, after: preamble) } catch {
      position += offset
      throw error
    }
  }

  private mutating func read(_ messages: Bytes, after preamble: Int) throws(RowFault) {
    var scanner = JSONScanner(messages)
    var context = preamble
    var column = "conversations"
    var keys = ConversationKeys(prefix: "conversations.", unread: unread)
    position = 0
    do throws(JSONScanner.Fault) {
      try scanner.require(UInt8(ascii: "["), "an array")
      if scanner.take(UInt8(ascii: "]")) { return }
      repeat {
        var speaker: Bytes?
        var tokens: Int?
        var given: Int?
        keys.begin()
        scanner.skipBlanks()
        position = scanner.position
        try scanner.require(UInt8(ascii: "{"), "a message")
        if !scanner.take(UInt8(ascii: "}")) {
          repeat {
            let name = try scanner.string()
            let key = String(decoding: name.prefix(40), as: UTF8.self)
            column = "conversations.\(key)"
            try scanner.require(UInt8(ascii: ":"), "a colon")
            let value = try scanner.value()
            guard speaker == nil || key != "from", tokens == nil || key != "value",
              given == nil || key != "tokens"
            else { throw JSONScanner.Fault(found: "the key twice", expected: "each key once") }
            switch key {
            case "from":
              guard value.kind == .string, !value.text.isEmpty else {
                throw JSONScanner.Fault(found: quoted(value.text), expected: "who speaks")
              }
              speaker = value.text
            case "value":
              guard value.kind == .string else {
                throw JSONScanner.Fault(found: quoted(value.text), expected: "a string")
              }
              tokens = Self.tokens(of: value.text)
            case "tokens":
              let digits = String(decoding: value.text, as: UTF8.self)
              guard value.kind == .number, let count = Int(digits),
                (0...RowRules.maximumTokens).contains(count)
              else {
                throw JSONScanner.Fault(
                  found: quoted(value.text),
                  expected: "a whole number of tokens from 0 to \(RowRules.maximumTokens)")
              }
              given = count
            default: keys.meet(name, value)
            }
          } while scanner.take(UInt8(ascii: ","))
          try scanner.require(UInt8(ascii: "}"), "a comma or }")
        }
        column = "conversations"
        guard let speaker else { throw JSONScanner.Fault(found: "a message without from", expected: "from") }
        guard let count = given ?? tokens else {
          throw JSONScanner.Fault(found: "a message without value", expected: "value or tokens")
        }
        try add(String(decoding: speaker, as: UTF8.self), count, &context)
      } while scanner.take(UInt8(ascii: ","))
      try scanner.require(UInt8(ascii: "]"), "a comma or ]")
    } catch {
      throw RowFault(column: column, found: error.found, expected: error.expected, reason: .badJSON)
    }
    if let fault = keys.fault { throw fault }
  }

  private mutating func add(_ speaker: String, _ tokens: Int, _ context: inout Int) throws(JSONScanner.Fault)
  {
    if Self.modelNames.contains(speaker.lowercased()), context > 0, tokens > 0 {
      var details = TraceDetails()
      details.session = session
      details.turn = turns.count + 1
      if !turns.isEmpty {
        details.prefixTokens = turns[turns.count - 1].prompt + turns[turns.count - 1].output
      }
      turns.append(ConversationTurn(prompt: context, output: tokens, details: details))
    }
    context += tokens
    guard context <= RowRules.maximumTokens else {
      throw JSONScanner.Fault(
        found: "a conversation of \(context) tokens", expected: "at most \(RowRules.maximumTokens)")
    }
  }

  /// About how many tokens a text has; an escape counts as one ASCII character.
  static func tokens(of text: Bytes) -> Int {
    var (ascii, others) = (0, 0)
    var index = 0
    while index < text.count {
      let byte = text[index]
      if byte == UInt8(ascii: "\\") {
        let isCode = index + 1 < text.count && text[index + 1] == UInt8(ascii: "u")
        if isCode { others += 1 } else { ascii += 1 }
        index += isCode ? 6 : 2
        continue
      }
      if byte < 0x80 { ascii += 1 } else if byte >= 0xC0 { others += 1 }
      index += 1
    }
    return (ascii + 3) / 4 + others
  }
}

/// The keys of a conversation or a message that are not read.
private struct ConversationKeys {
  var prefix = ""
  let unread: UnreadColumns
  /// The first fault of one.
  private(set) var fault: RowFault?
  private var met: [Int] = []

  init(prefix: String = "", unread: UnreadColumns) {
    self.prefix = prefix
    self.unread = unread
  }

  /// The next object begins.
  mutating func begin() { met.removeAll(keepingCapacity: true) }

  mutating func meet(_ name: Bytes, _ value: JSONScanner.Value) {
    guard fault == nil, !value.isNull else { return }
    do throws(RowFault) {
      let number = try unread.meet(JSONRow.text(name), value, prefix: prefix)
      if met.contains(number) { throw JSONRow.twice(name) }
      met.append(number)
    } catch { fault = error }
  }
}
