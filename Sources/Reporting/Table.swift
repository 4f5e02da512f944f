import Formatting
import Foundation
import GRDB

/// Of tables that one: GRDB has another.
typealias Table = Formatting.Table

extension Table {
  /// The rows of a query under its column names. Columns of numbers are told by their values.
  init(query rows: [Row]) {
    let names = rows.first.map { Array($0.columnNames) } ?? []
    var text: Set<Int> = []
    var cells = [names]
    for row in rows {
      cells.append(
        names.indices.map { column in
          let value: DatabaseValue = row[column]
          switch value.storage {
          case .null: return "–"
          case .int64(let number): return String(number)
          // As it was rounded in the query, if it was.
          case .double(let number): return "\(number)".count <= 8 ? trimmed(number) : figure(number)
          case .string(let string):
            text.insert(column)
            return string
          case .blob:
            text.insert(column)
            return "(blob)"
          }
        })
    }
    self.init(cells, textColumns: text, leftByDefault: false)
  }

  /// RFC 4180.
  var csv: String {
    rows.map { row in
      row.map { cell in
        cell.contains { $0 == "," || $0 == "\"" || $0.isNewline }
          ? "\"\(cell.replacingOccurrences(of: "\"", with: "\"\""))\"" : cell
      }.joined(separator: ",") + "\n"
    }.joined()
  }
}
