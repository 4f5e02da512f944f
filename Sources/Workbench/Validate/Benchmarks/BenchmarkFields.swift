import Results
import Runs

/// Reads the fields of an object of a file, and says what is wrong with them.
struct BenchmarkFields {
  let json: JSON
  /// The file and where in it: for errors.
  let place: String

  func failure(_ key: String, _ expected: String) -> CommandFailure {
    let found = json[key].map { value in
      let text = value.text
      return text.count > 40 ? "\(text.prefix(40))…" : text
    }
    return CommandFailure(
      .badData, "\(place): \"\(key)\" is \(found ?? "missing"), expected \(expected)")
  }

  /// A number of at least `least`; `nil` if it is missing or null.
  func number(_ key: String, atLeast least: Double = 0) throws -> Double? {
    guard let value = json[key], value != .null else { return nil }
    guard let number = value.number, number.isFinite, number >= least, number <= 1e15 else {
      throw failure(key, "a number of at least \(least)")
    }
    return number
  }

  func tokens(_ key: String) throws -> Int? {
    guard let value = json[key], value != .null else { return nil }
    guard let number = value.integer, (0...(1 << 30)).contains(number) else {
      throw failure(key, "a whole number of tokens")
    }
    return number
  }

  func count(_ key: String) throws -> Int? { try tokens(key) }

  /// The numbers of a list, each at least 0; `nil` if there is none.
  func numbers(_ key: String, anySign: Bool = false) throws -> [Double]? {
    guard let value = json[key], value != .null else { return nil }
    guard let elements = value.elements else { throw failure(key, "a list of numbers") }
    return try elements.map { element in
      guard let number = element.number, number.isFinite, anySign || number >= 0 else {
        throw failure(key, "a list of numbers\(anySign ? "" : " of at least 0")")
      }
      return number
    }
  }

  func object(_ key: String) -> BenchmarkFields? {
    guard let value = json[key], case .object = value else { return nil }
    return BenchmarkFields(json: value, place: "\(place), \(key)")
  }

  func objects(_ key: String) throws -> [BenchmarkFields] {
    guard let value = json[key], value != .null else { return [] }
    guard let elements = value.elements else { throw failure(key, "a list") }
    return elements.enumerated().map { BenchmarkFields(json: $1, place: "\(place), \(key)[\($0)]") }
  }

  func string(_ key: String) -> String? { json[key]?.string }
}
