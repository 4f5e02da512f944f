import Foundation

/// A CSV file with a header, its cells as text.
struct MeasurementTable {
  let path: String
  let header: [String]
  /// Lines from the second on with their numbers.
  let rows: [Row]
  private let columns: [String: Int]

  /// One line.
  struct Row {
    var line: Int
    var cells: [Substring]
  }

  /// Reads the file; `header` is its first line if that has `expected`, else the rows start with the first line.
  init(path: String) throws {
    self.path = path
    let text = try MeasurementText.read(path)
    var rows: [Row] = []
    var number = 0
    for line in text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
      number += 1
      var line = line
      if line.last == UInt8(ascii: "\r") { line = line.dropLast() }
      if line.isEmpty { continue }
      rows.append(
        Row(
          line: number,
          cells: line.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false).map {
            Substring($0)
          }))
    }
    header = rows.first?.cells.map { $0.trimmingCharacters(in: .whitespaces) } ?? []
    columns = Dictionary(header.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    self.rows = Array(rows.dropFirst())
    for row in self.rows where row.cells.count != header.count {
      throw MeasurementError(
        file: path, line: row.line, "\(row.cells.count) cells, expected \(header.count) as in the header")
    }
  }

  func has(_ names: [String]) -> Bool { names.allSatisfy { columns[$0] != nil } }

  /// Which of `names` are not there.
  func missing(_ names: [String]) -> [String] { names.filter { columns[$0] == nil } }

  func text(_ name: String, _ row: Row) -> Substring { row.cells[columns[name]!] }

  // Formats ask for some sixty cells: reading one is not copied into each of these places.

  /// A whole number of at least `least`.
  @inline(never)
  func int(_ name: String, _ row: Row, least: Int = 1) throws -> Int {
    let found = text(name, row)
    guard let value = Int(found), value >= least, value < 1 << 40 else {
      throw MeasurementError(
        file: path, line: row.line, "\(name) is “\(found)”, expected a whole number of at least \(least)")
    }
    return value
  }

  /// A number of at least 0.
  @inline(never)
  func number(_ name: String, _ row: Row) throws -> Double {
    let found = text(name, row)
    guard let value = Double(found), value.isFinite, value >= 0 else {
      throw MeasurementError(
        file: path, line: row.line, "\(name) is “\(found)”, expected a number of at least 0")
    }
    return value
  }

  /// A measured time in ms, as its cell and µs.
  func milliseconds(_ name: String, _ row: Row) throws -> (Double, Measurement.Cell) {
    let time = try number(name, row)
    guard time > 0 else {
      throw MeasurementError(file: path, line: row.line, "\(name) is 0, expected a time above 0")
    }
    return (time * 1e3, cell(name, row))
  }

  /// Where a value stands.
  func cell(_ name: String, _ row: Row) -> Measurement.Cell {
    Measurement.Cell(line: row.line, column: columns[name]!)
  }
}
