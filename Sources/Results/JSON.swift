import Foundation

/// A JSON value whose objects keep the order in which they were written.
///
/// Numbers are written locale-free; a `Double` in the shortest form that reads back to the same value, and
/// `null` if it is not finite, for which JSON has no word.
public enum JSON: Hashable, Sendable {
  case null
  case bool(Bool)
  case int(Int)
  case double(Double)
  case string(String)
  case array([JSON])
  case object([Member])

  /// A key of an object and its value.
  public struct Member: Hashable, Sendable {
    public var key: String
    public var value: JSON

    public init(_ key: String, _ value: JSON) {
      self.key = key
      self.value = value
    }
  }

  /// A number, or `null` if there is none.
  public static func optional(_ number: Double?) -> JSON { number.map(JSON.double) ?? .null }
  /// A number, or `null` if there is none.
  public static func optional(_ number: Int?) -> JSON { number.map(JSON.int) ?? .null }
  /// A string, or `null` if there is none.
  public static func optional(_ string: String?) -> JSON { string.map(JSON.string) ?? .null }

  /// The text on one line, keys in the order in which they were written.
  public var text: String {
    var out = ""
    write(into: &out, indent: nil)
    return out
  }

  /// The text over several lines, two spaces per level, ending in a newline.
  public var prettyText: String {
    var out = ""
    write(into: &out, indent: 0)
    return out + "\n"
  }

  /// The same value with the keys of every object sorted by their UTF-8 bytes: equal values, equal text.
  public var canonical: JSON {
    switch self {
    case .array(let elements): .array(elements.map(\.canonical))
    case .object(let members):
      .object(
        members.map { Member($0.key, $0.value.canonical) }
          .sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) })
    case .null, .bool, .int, .double, .string: self
    }
  }

  private func write(into out: inout String, indent: Int?) {
    switch self {
    case .null: out += "null"
    case .bool(let value): out += value ? "true" : "false"
    case .int(let value): out += String(value)
    case .double(let value): out += value.isFinite ? value.description : "null"
    case .string(let value): Self.write(value, into: &out)
    case .array(let elements):
      Self.write(elements, between: "[", "]", into: &out, indent: indent) { element, out, indent in
        element.write(into: &out, indent: indent)
      }
    case .object(let members):
      Self.write(members, between: "{", "}", into: &out, indent: indent) { member, out, indent in
        Self.write(member.key, into: &out)
        out += indent == nil ? ":" : ": "
        member.value.write(into: &out, indent: indent)
      }
    }
  }

  private static func write<Element>(
    _ elements: [Element], between open: String, _ close: String, into out: inout String, indent: Int?,
    _ writeElement: (Element, inout String, Int?) -> Void
  ) {
    out += open
    for (position, element) in elements.enumerated() {
      if position > 0 { out += "," }
      if let indent { out += "\n" + String(repeating: "  ", count: indent + 1) }
      writeElement(element, &out, indent.map { $0 + 1 })
    }
    if let indent, !elements.isEmpty { out += "\n" + String(repeating: "  ", count: indent) }
    out += close
  }

  private static func write(_ string: String, into out: inout String) {
    out += "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case "\t": out += "\\t"
      case "\r": out += "\\r"
      case _ where scalar.value < 0x20:
        let hex = String(scalar.value, radix: 16)
        out += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
      default: out.unicodeScalars.append(scalar)
      }
    }
    out += "\""
  }
}

extension JSON: ExpressibleByDictionaryLiteral, ExpressibleByArrayLiteral, ExpressibleByStringLiteral,
  ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral, ExpressibleByBooleanLiteral, ExpressibleByNilLiteral
{
  public init(dictionaryLiteral elements: (String, JSON)...) {
    self = .object(elements.map { Member($0.0, $0.1) })
  }
  public init(arrayLiteral elements: JSON...) { self = .array(elements) }
  public init(stringLiteral value: String) { self = .string(value) }
  public init(integerLiteral value: Int) { self = .int(value) }
  public init(floatLiteral value: Double) { self = .double(value) }
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  public init(nilLiteral: ()) { self = .null }
}

// MARK: - Reading

extension JSON {
  /// The value of `key` if this is an object that has it.
  public subscript(key: String) -> JSON? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.key == key }?.value
  }

  /// The keys of an object in order; empty for anything else.
  public var keys: [String] {
    guard case .object(let members) = self else { return [] }
    return members.map(\.key)
  }

  /// The number, if this is one.
  public var number: Double? {
    switch self {
    case .int(let value): Double(value)
    case .double(let value): value
    default: nil
    }
  }

  /// The whole number, if this is one.
  public var integer: Int? {
    switch self {
    case .int(let value): value
    case .double(let value): Int(exactly: value)
    default: nil
    }
  }

  /// The string, if this is one.
  public var string: String? {
    guard case .string(let value) = self else { return nil }
    return value
  }

  /// The elements, if this is an array.
  public var elements: [JSON]? {
    guard case .array(let elements) = self else { return nil }
    return elements
  }
}
