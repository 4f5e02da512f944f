import Foundation
import Runs

/// A CSV file with a header (RFC 4180, quotes within one line), whose cells are asked for by the name of their column.
struct RunTable {
  let path: String
  let header: [String]
  let rows: [Row]

  /// One line of it.
  struct Row {
    var place: String
    fileprivate var cells: [String]
    fileprivate var columns: [String: Int]

    /// The cell without blanks around it; `nil` where there is no such column or nothing in it.
    func text(_ column: String) -> String? {
      guard let index = columns[column] else { return nil }
      let text = cells[index].trimmingCharacters(in: .whitespaces)
      return text.isEmpty ? nil : text
    }

    func required(_ column: String) throws -> String {
      guard let text = text(column) else { throw failure(column, "", "a word") }
      return text
    }

    /// A whole number in `range`; `nil` where there is none.
    func int(_ column: String, in range: ClosedRange<Int> = 1...(1 << 30)) throws -> Int? {
      guard let text = text(column) else { return nil }
      // Some writers turn whole numbers into fractions where a column has gaps.
      let value = Int(text) ?? Self.decimal(text).flatMap(Int.init(exactly:))
      guard let value, range.contains(value) else {
        throw failure(column, text, "a whole number from \(range.lowerBound) to \(range.upperBound)")
      }
      return value
    }

    func requiredInt(_ column: String, in range: ClosedRange<Int> = 1...(1 << 30)) throws -> Int {
      guard let value = try int(column, in: range) else { throw failure(column, "", "a whole number") }
      return value
    }

    /// A number above 0 and below a billion; `nil` where there is none.
    func positive(_ column: String) throws -> Double? {
      guard let text = text(column) else { return nil }
      guard let value = Self.decimal(text), value > 0, value < 1e9 else {
        throw failure(column, text, "a number above 0")
      }
      return value
    }

    func requiredPositive(_ column: String) throws -> Double {
      guard let value = try positive(column) else { throw failure(column, "", "a number above 0") }
      return value
    }

    /// Swift reads hexadecimal as well, which no table means.
    private static func decimal(_ text: String) -> Double? {
      text.contains { $0 == "x" || $0 == "X" } ? nil : Double(text)
    }

    private func failure(_ column: String, _ found: String, _ expected: String) -> CommandFailure {
      CommandFailure(.badData, "\(place): \(column) is “\(found)”, expected \(expected)")
    }
  }

  init(path: String, text: String) throws {
    self.path = path
    var lines = text.split(omittingEmptySubsequences: false) { $0.isNewline }
    while lines.last?.isEmpty == true { lines.removeLast() }
    guard let first = lines.first else {
      throw CommandFailure(.badData, "\(path): is empty, expected a header and rows")
    }
    // A byte order mark is no part of a name.
    let names = try Self.cells(first.drop { $0 == "\u{FEFF}" }, place: "\(path):1")
    header = names
    var columns: [String: Int] = [:]
    for (index, name) in names.enumerated() {
      guard columns.updateValue(index, forKey: name) == nil || name.isEmpty else {
        throw CommandFailure(.badData, "\(path):1: column “\(name)” is there twice, expected once")
      }
    }
    rows = try lines.enumerated().dropFirst().filter { !$0.element.isEmpty }.map { index, line in
      let place = "\(path):\(index + 1)"
      let cells = try Self.cells(line, place: place)
      guard cells.count == names.count else {
        throw CommandFailure(
          .badData, "\(place): \(cells.count) cells, expected \(names.count) as in the header")
      }
      return Row(place: place, cells: cells, columns: columns)
    }
  }

  /// Those of the names that no column has.
  func missing(_ names: [String]) -> [String] { names.filter { !header.contains($0) } }

  func has(_ names: [String]) -> Bool { names.allSatisfy(header.contains) }

  /// The cells of a line; a quoted one may have commas, and quotes that are doubled.
  private static func cells(_ line: Substring, place: String) throws -> [String] {
    var cells: [String] = []
    var rest = line[...]
    while true {
      if rest.first == "\"" {
        rest.removeFirst()
        var cell = ""
        while let quote = rest.firstIndex(of: "\"") {
          cell += rest[..<quote]
          rest = rest[rest.index(after: quote)...]
          guard rest.first == "\"" else { break }
          cell.append("\"")
          rest.removeFirst()
          if rest.firstIndex(of: "\"") == nil { break }
        }
        guard rest.isEmpty || rest.first == "," else {
          throw CommandFailure(.badData, "\(place): a quoted cell goes on after its quote, expected a comma")
        }
        cells.append(cell)
      } else {
        let end = rest.firstIndex(of: ",") ?? rest.endIndex
        cells.append(String(rest[..<end]))
        rest = rest[end...]
      }
      guard rest.first == "," else { return cells }
      rest.removeFirst()
    }
  }
}
