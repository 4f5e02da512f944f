import Foundation

/// A scanner for one JSON text held in memory (RFC 8259): checks all of it, keeps only slices of it.
///
/// Nothing is copied and nothing recurses, so hostile input costs no more than its length.
struct JSONScanner {
  /// Arrays and objects that may lie in each other.
  static let maximumDepth = 64

  /// A text that is no JSON.
  struct Fault: Error {
    var found: String
    var expected: String
  }

  /// A value: a slice of the text, without the quotes of a string.
  struct Value {
    enum Kind { case number, string, array, object, literal }
    var kind: Kind
    var text: Bytes

    var isNull: Bool { kind == .literal && text.first == UInt8(ascii: "n") }
  }

  private let base: UnsafePointer<UInt8>
  private let end: Int
  private(set) var position: Int
  /// Whether a byte above 127 was met, so that the text's UTF-8 has yet to be checked.
  private(set) var hasNonASCII = false

  init(_ text: Bytes, from position: Int = 0) {
    // An empty buffer may have no address; any will do, as none is read.
    base = text.baseAddress ?? UnsafePointer(bitPattern: 1)!
    end = text.count
    self.position = position
  }

  /// Passes over blanks.
  @inline(__always)
  mutating func skipBlanks() {
    while position < end, base[position] <= 0x20, Self.isBlank(base[position]) { position += 1 }
  }

  /// Whether the next byte is `byte`, after blanks; takes it if so.
  @inline(__always)
  mutating func take(_ byte: UInt8) -> Bool {
    skipBlanks()
    guard position < end, base[position] == byte else { return false }
    position += 1
    return true
  }

  /// Takes `byte`, after blanks, or throws.
  @inline(__always)
  mutating func require(_ byte: UInt8, _ expected: StaticString) throws(Fault) {
    guard take(byte) else { throw here(expected: "\(expected)") }
  }

  /// Throws unless only blanks are left.
  mutating func requireEnd() throws(Fault) {
    skipBlanks()
    guard position == end else { throw here(expected: "the end of the line after the object") }
  }

  /// A string, after blanks: what stands between its quotes, escapes as they are.
  @inline(__always)
  mutating func string() throws(Fault) -> Bytes {
    try require(UInt8(ascii: "\""), "a string")
    let start = position
    while position < end {
      let byte = base[position]
      if byte == UInt8(ascii: "\"") {
        position += 1
        return Bytes(start: base + start, count: position - 1 - start)
      }
      if byte < 0x20 { throw here(expected: "a string without control characters") }
      if byte == UInt8(ascii: "\\") {
        try escape()
      } else {
        if byte >= 0x80 { hasNonASCII = true }
        position += 1
      }
    }
    throw here(expected: "a closing quote")
  }

  /// Any value, after blanks, all of it checked.
  @inline(__always)
  mutating func value() throws(Fault) -> Value {
    skipBlanks()
    guard position < end else { throw here(expected: "a value") }
    let start = position
    switch base[position] {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"):
      try number()
      return Value(kind: .number, text: Bytes(start: base + start, count: position - start))
    case UInt8(ascii: "\""):
      return Value(kind: .string, text: try string())
    case UInt8(ascii: "["), UInt8(ascii: "{"):
      let kind: Value.Kind = base[position] == UInt8(ascii: "[") ? .array : .object
      try nested()
      return Value(kind: kind, text: Bytes(start: base + start, count: position - start))
    default:
      try literal()
      return Value(kind: .literal, text: Bytes(start: base + start, count: position - start))
    }
  }

  /// Passes over an array of whole numbers, one blank at most between them, and counts them; anything else
  /// is left for `value`, and −1 returned. A shortcut: most of a long line is such an array.
  @inline(__always)
  mutating func wholeNumbers() -> (text: Bytes, count: Int) {
    skipBlanks()
    let start = position
    let none = (text: Bytes(start: nil, count: 0), count: -1)
    guard position < end, base[position] == UInt8(ascii: "[") else { return none }
    var place = position + 1
    var count = 0
    while place < end {
      let first = place
      while place < end, base[place] &- UInt8(ascii: "0") <= 9 { place += 1 }
      let digits = place - first
      // No leading zero, no more than 19 digits.
      guard digits > 0, digits <= 19, digits == 1 || base[first] != UInt8(ascii: "0"), place < end else {
        return none
      }
      count += 1
      if base[place] == UInt8(ascii: ",") {
        place += 1
        if place < end, base[place] == 0x20 { place += 1 }
      } else if base[place] == UInt8(ascii: "]") {
        position = place + 1
        return (Bytes(start: base + start, count: position - start), count)
      } else {
        return none
      }
    }
    return none
  }

  @inline(__always)
  private mutating func number() throws(Fault) {
    if base[position] == UInt8(ascii: "-") { position += 1 }
    let whole = position
    digits()
    guard position > whole, position == whole + 1 || base[whole] != UInt8(ascii: "0") else {
      position = whole
      throw here(expected: "a number without leading zeros")
    }
    if position < end, base[position] == UInt8(ascii: ".") {
      position += 1
      try someDigits()
    }
    if position < end, base[position] | 0x20 == UInt8(ascii: "e") {
      position += 1
      if position < end, base[position] == UInt8(ascii: "+") || base[position] == UInt8(ascii: "-") {
        position += 1
      }
      try someDigits()
    }
  }

  @inline(__always)
  private mutating func digits() {
    while position < end, base[position] &- UInt8(ascii: "0") <= 9 { position += 1 }
  }

  private mutating func someDigits() throws(Fault) {
    let first = position
    digits()
    guard position > first else { throw here(expected: "a digit") }
  }

  private mutating func literal() throws(Fault) {
    for word in ["true", "false", "null"] as [StaticString] {
      let length = word.utf8CodeUnitCount
      guard end - position >= length else { continue }
      let text = Bytes(start: base + position, count: length)
      if text.elementsEqual(Bytes(start: word.utf8Start, count: length)) {
        position += length
        return
      }
    }
    throw here(expected: "a value")
  }

  private mutating func escape() throws(Fault) {
    position += 1
    guard position < end else { throw here(expected: "an escape") }
    switch base[position] {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
      UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
      position += 1
    case UInt8(ascii: "u"):
      position += 1
      for _ in 0..<4 {
        guard position < end, Self.isHexadecimal(base[position]) else {
          throw here(expected: "four hexadecimal digits")
        }
        position += 1
      }
    default: throw here(expected: "an escape")
    }
  }

  /// Passes over an array or object whose bracket is next. One bit per open one says which it is.
  private mutating func nested() throws(Fault) {
    var objects: UInt64 = 0
    var depth = 0
    while true {
      // A value begins here.
      skipBlanks()
      guard position < end else { throw here(expected: "a value") }
      let byte = base[position]
      var opened = false
      if byte == UInt8(ascii: "[") || byte == UInt8(ascii: "{") {
        guard depth < Self.maximumDepth else {
          throw here(found: "values nested deeper than \(Self.maximumDepth)", expected: "flat JSON")
        }
        let isObject = byte == UInt8(ascii: "{")
        objects = objects << 1 | (isObject ? 1 : 0)
        depth += 1
        position += 1
        opened = true
        if !take(isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) {
          if isObject { try key() }
          continue
        }
      } else if byte == UInt8(ascii: "\"") {
        _ = try string()
      } else if byte == UInt8(ascii: "-") || byte &- UInt8(ascii: "0") <= 9 {
        try number()
      } else {
        try literal()
      }
      // A value has ended, and an empty container with it.
      if opened {
        depth -= 1
        objects >>= 1
      }
      while depth > 0 {
        let isObject = objects & 1 == 1
        if take(UInt8(ascii: ",")) {
          if isObject { try key() }
          break
        }
        try require(
          isObject ? UInt8(ascii: "}") : UInt8(ascii: "]"), isObject ? "a comma or }" : "a comma or ]")
        depth -= 1
        objects >>= 1
      }
      if depth == 0 { return }
    }
  }

  private mutating func key() throws(Fault) {
    _ = try string()
    try require(UInt8(ascii: ":"), "a colon")
  }

  /// The fault of what stands here, or of `found`.
  @inline(never)
  func here(found: String? = nil, expected: String) -> Fault {
    let rest = Bytes(start: base + position, count: end - position)
    let met = rest.isEmpty ? "the end of the text" : quoted(rest.prefix(20))
    return Fault(found: (found ?? met) + " at byte \(position + 1)", expected: expected)
  }

  private static func isBlank(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D
  }

  private static func isHexadecimal(_ byte: UInt8) -> Bool {
    byte &- UInt8(ascii: "0") <= 9 || (byte | 0x20) &- UInt8(ascii: "a") <= 5
  }
}

/// How the lines of a JSONL file are cut into fields: one object per line, keys in any order.
struct JSONRow {
  private struct Key {
    var name: [UInt8]
    var role: Role
  }

  private let keys: [Key]
  private let required: UInt32
  private let format: TraceFormat
  private let unread: UnreadColumns

  /// Keys in `asked` are left to `unread`, as are those that the format does not read.
  init(format: TraceFormat, ignoring asked: Set<String>, unread: UnreadColumns) {
    keys = format.columns.filter { !asked.contains($0.name) }
      .map { Key(name: Array($0.name.utf8), role: $0.role) }
    self.unread = unread
    required = format.columns.reduce(0) { $0 | ($1.isRequired ? $1.role.bit : 0) }
    self.format = format
  }

  /// Cuts `line` into `fields`; `null` counts as absent.
  @inline(__always)
  func cut(_ line: Bytes, into fields: inout Fields) throws(RowFault) {
    fields.present = 0
    fields.strings = 0
    fields.hashCount = -1
    var scanner = JSONScanner(line)
    var current = -1
    // Keys that were met, those with null and those that are not read among them.
    var met: UInt32 = 0
    var others: [Int] = []
    var refused: RowFault?
    do throws(JSONScanner.Fault) {
      try scanner.require(UInt8(ascii: "{"), "an object")
      if !scanner.take(UInt8(ascii: "}")) {
        var guess = 0
        repeat {
          let name = try scanner.string()
          try scanner.require(UInt8(ascii: ":"), "a colon")
          let index = find(name, guess)
          current = index
          guard index >= 0 else {
            let value = try scanner.value()
            // What is null says nothing that could be lost.
            if value.isNull { continue }
            do throws(RowFault) {
              let number = try unread.meet(Self.text(name), value)
              if others.contains(number) { throw Self.twice(name) }
              others.append(number)
            } catch {
              refused = refused ?? error
            }
            continue
          }
          let role = keys[index].role
          guard met & role.bit == 0 else {
            throw JSONScanner.Fault(found: "the key \(quoted(name)) twice", expected: "each key once")
          }
          met |= role.bit
          if role == .hashes {
            let list = scanner.wholeNumbers()
            if list.count >= 0 {
              guess = index + 1
              fields.present |= role.bit
              fields[role] = list.text
              fields.hashCount = list.count
              continue
            }
          }
          let value = try scanner.value()
          guess = index + 1
          if value.isNull { continue }
          fields.present |= role.bit
          if value.kind == .string { fields.strings |= role.bit }
          fields[role] = value.text
          current = -1
        } while scanner.take(UInt8(ascii: ","))
        try scanner.require(UInt8(ascii: "}"), "a comma or }")
      }
      try scanner.requireEnd()
    } catch {
      throw RowFault(
        column: current >= 0 ? format.columns[current].name : nil, found: error.found,
        expected: error.expected,
        reason: .badJSON)
    }
    if scanner.hasNonASCII, String(validating: line, as: UTF8.self) == nil {
      throw RowFault(
        column: nil, found: "bytes that are not UTF-8", expected: "UTF-8 text", reason: .badText)
    }
    if fields.present & required != required { throw missing(fields.present) }
    if let refused { throw refused }
  }

  /// The index of the key called `name`, tried first where keys in the usual order would have it; −1 if none.
  @inline(__always)
  private func find(_ name: Bytes, _ guess: Int) -> Int {
    if guess < keys.count, Self.equal(name, keys[guess].name) { return guess }
    for index in keys.indices where Self.equal(name, keys[index].name) { return index }
    return -1
  }

  @inline(__always)
  private static func equal(_ a: Bytes, _ b: [UInt8]) -> Bool {
    guard a.count == b.count else { return false }
    for index in 0..<b.count where a[index] != b[index] { return false }
    return true
  }

  @inline(never)
  private func missing(_ present: UInt32) -> RowFault {
    let column = format.columns.first { $0.isRequired && present & $0.role.bit == 0 }
    return RowFault(
      column: column?.name, found: "no such key",
      expected: "the keys \(format.requiredNames.joined(separator: ","))"
        + (format.name == TraceFormat.plainJSONL.name
          ? ""
          : ", or \(TraceFormat.plainJSONL.requiredNames.joined(separator: ",")) (format plain-jsonl)"),
      reason: column?.role == .output ? .noOutput : .missingKey)
  }

  /// A key as text, its escapes undone.
  static func text(_ name: Bytes) -> String {
    let raw = String(decoding: name, as: UTF8.self)
    guard raw.utf8.contains(UInt8(ascii: "\\")) else { return raw }
    return (try? JSONDecoder().decode(String.self, from: Data("\"\(raw)\"".utf8))) ?? raw
  }

  /// The fault of a key that an object has twice.
  static func twice(_ name: Bytes) -> RowFault {
    RowFault(
      column: nil, found: "the key \(quoted(name)) twice", expected: "each key once", reason: .badJSON)
  }

  /// The keys of the object that `line` is, escapes as they are; `nil` if it is none.
  static func keys(of line: Bytes) -> [String]? {
    var scanner = JSONScanner(line)
    var names: [String] = []
    do throws(JSONScanner.Fault) {
      try scanner.require(UInt8(ascii: "{"), "an object")
      if scanner.take(UInt8(ascii: "}")) { return names }
      repeat {
        names.append(String(decoding: try scanner.string(), as: UTF8.self))
        try scanner.require(UInt8(ascii: ":"), "a colon")
        _ = try scanner.value()
      } while scanner.take(UInt8(ascii: ","))
      return names
    } catch {
      return names.isEmpty ? nil : names
    }
  }
}
