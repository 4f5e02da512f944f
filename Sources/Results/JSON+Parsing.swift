/// A text that is no JSON.
public struct JSONError: Error, Hashable, CustomStringConvertible {
  /// Line of the text, from 1.
  public var line: Int
  /// What stands there, and what was expected.
  public var found: String
  public var expected: String

  package init(line: Int, found: String, expected: String) {
    (self.line, self.found, self.expected) = (line, found, expected)
  }

  public var description: String { "line \(line): found \(found), expected \(expected)" }
}

extension JSON {
  /// Arrays and objects that may lie in each other.
  public static let maximumDepth = 512

  /// Reads `text` as RFC 8259 has it: a key twice in an object and a comma before a bracket are errors. Objects come back with
  /// their keys sorted, and a number that is whole is an `int` however it is written, if it fits.
  public init(parsing text: String) throws(JSONError) {
    var parser = JSONParser(text: Array(text.utf8))
    self = try parser.document()
  }
}

/// Reads one text from its beginning.
private struct JSONParser {
  let text: [UInt8]
  private var position = 0
  private var depth = 0

  init(text: [UInt8]) { self.text = text }

  mutating func document() throws(JSONError) -> JSON {
    let value = try value()
    skipBlanks()
    guard position == text.count else { throw here("the end of the text") }
    return value
  }

  private mutating func value() throws(JSONError) -> JSON {
    skipBlanks()
    switch peek {
    case UInt8(ascii: "{"): return try object()
    case UInt8(ascii: "["): return try array()
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    default: return try number()
    }
  }

  private mutating func object() throws(JSONError) -> JSON {
    try open()
    var members: [JSON.Member] = []
    var keys: Set<String> = []
    if !take(UInt8(ascii: "}")) {
      repeat {
        skipBlanks()
        let start = position
        let key = try string()
        guard keys.insert(key).inserted else {
          position = start
          throw here("each key once", found: "the key \"\(key.prefix(40))\" twice")
        }
        guard take(UInt8(ascii: ":")) else { throw here("a colon") }
        members.append(JSON.Member(key, try value()))
      } while take(UInt8(ascii: ","))
      guard take(UInt8(ascii: "}")) else { throw here("a comma or }") }
    }
    depth -= 1
    return .object(members.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) })
  }

  private mutating func array() throws(JSONError) -> JSON {
    try open()
    var elements: [JSON] = []
    if !take(UInt8(ascii: "]")) {
      repeat { elements.append(try value()) } while take(UInt8(ascii: ","))
      guard take(UInt8(ascii: "]")) else { throw here("a comma or ]") }
    }
    depth -= 1
    return .array(elements)
  }

  /// Takes the bracket that is next.
  private mutating func open() throws(JSONError) {
    depth += 1
    guard depth <= JSON.maximumDepth else { throw here("at most \(JSON.maximumDepth) levels") }
    position += 1
  }

  private mutating func number() throws(JSONError) -> JSON {
    let start = position
    if peek == UInt8(ascii: "-") { position += 1 }
    let whole = position
    digits()
    guard position > whole, position == whole + 1 || text[whole] != UInt8(ascii: "0") else {
      position = start
      throw here("a value")
    }
    if peek == UInt8(ascii: ".") { try fraction() }
    if let byte = peek, byte | 0x20 == UInt8(ascii: "e") {
      if let sign = after, sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") { position += 1 }
      try fraction()
    }
    let digits = String(decoding: text[start..<position], as: UTF8.self)
    if let int = Int(digits) { return .int(int) }
    guard let double = Double(digits), double.isFinite else {
      position = start
      throw here("a number within the range of a double")
    }
    return Int(exactly: double).map(JSON.int) ?? .double(double)
  }

  /// Passes over a byte and the digits that must follow it.
  private mutating func fraction() throws(JSONError) {
    position += 1
    let start = position
    digits()
    guard position > start else { throw here("a digit") }
  }

  private mutating func digits() {
    while let byte = peek, byte &- UInt8(ascii: "0") <= 9 { position += 1 }
  }

  private mutating func word(_ word: StaticString, _ value: JSON) throws(JSONError) -> JSON {
    let end = position + word.utf8CodeUnitCount
    let bytes = UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount)
    guard end <= text.count, text[position..<end].elementsEqual(bytes) else { throw here("a value") }
    position = end
    return value
  }

  private mutating func string() throws(JSONError) -> String {
    guard take(UInt8(ascii: "\"")) else { throw here("a string") }
    var bytes: [UInt8] = []
    while let byte = peek {
      switch byte {
      case UInt8(ascii: "\""):
        position += 1
        return String(decoding: bytes, as: UTF8.self)
      case UInt8(ascii: "\\"): bytes += try escape()
      case ..<0x20: throw here("a string without control characters")
      default:
        bytes.append(byte)
        position += 1
      }
    }
    throw here("a closing quote")
  }

  private mutating func escape() throws(JSONError) -> [UInt8] {
    position += 1
    guard let byte = peek else { throw here("an escape") }
    let simple: UInt8? =
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): byte
      case UInt8(ascii: "b"): 0x08
      case UInt8(ascii: "f"): 0x0C
      case UInt8(ascii: "n"): 0x0A
      case UInt8(ascii: "r"): 0x0D
      case UInt8(ascii: "t"): 0x09
      default: nil
      }
    if let simple {
      position += 1
      return [simple]
    }
    guard byte == UInt8(ascii: "u") else { throw here("an escape") }
    var code = UInt32(try unit())
    if code & 0xFC00 == 0xD800, peek == UInt8(ascii: "\\"), after == UInt8(ascii: "u") {
      position += 1
      let low = UInt32(try unit())
      guard low & 0xFC00 == 0xDC00 else { throw here("the second half of a surrogate pair before this") }
      code = 0x10000 + (code & 0x3FF) << 10 + (low & 0x3FF)
    }
    guard let scalar = Unicode.Scalar(code) else { throw here("a surrogate pair before this") }
    return Array(String(Character(scalar)).utf8)
  }

  /// The four digits behind a u, which is next.
  private mutating func unit() throws(JSONError) -> UInt16 {
    position += 1
    let end = min(position + 4, text.count)
    let digits = text[position..<end]
    guard digits.count == 4, digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
      let code = UInt16(String(decoding: digits, as: UTF8.self), radix: 16)
    else { throw here("four hexadecimal digits") }
    position = end
    return code
  }

  private var peek: UInt8? { position < text.count ? text[position] : nil }
  private var after: UInt8? { position + 1 < text.count ? text[position + 1] : nil }

  private mutating func skipBlanks() {
    while let byte = peek, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { position += 1 }
  }

  /// Takes `byte` if it is next, after blanks.
  private mutating func take(_ byte: UInt8) -> Bool {
    skipBlanks()
    guard peek == byte else { return false }
    position += 1
    return true
  }

  private func here(_ expected: String, found: String? = nil) -> JSONError {
    let line = 1 + text[..<position].count { $0 == 0x0A }
    let rest = text[position...].prefix(20)
    let met = rest.isEmpty ? "the end of the text" : "\"\(String(decoding: rest, as: UTF8.self))\""
    return JSONError(line: line, found: found ?? met, expected: expected)
  }
}
