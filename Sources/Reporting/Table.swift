import Foundation
import GRDB

/// Rows of cells; the first row is the heading.
package struct Table {
  package var rows: [[String]]
  /// Columns of text, aligned to the left; the others are numbers.
  package var textColumns: Set<Int>

  /// The first column is text unless `leftByDefault` is false.
  package init(_ rows: [[String]], textColumns: Set<Int> = [], leftByDefault: Bool = true) {
    self.rows = rows
    self.textColumns = leftByDefault ? textColumns.union([0]) : textColumns
  }

  /// An aligned Markdown table. Pipes, line ends and what would begin a tag in cells are escaped.
  package var markdown: String {
    guard let heading = rows.first else { return "" }
    let cells = rows.map { $0.map(Self.escaped) }
    let widths = heading.indices.map { column in cells.map { $0[column].count }.max() ?? 0 }
    func line(_ cells: [String]) -> String {
      let padded = cells.indices.map { column in
        let fill = String(repeating: " ", count: widths[column] - cells[column].count)
        return textColumns.contains(column) ? cells[column] + fill : fill + cells[column]
      }
      return "| " + padded.joined(separator: " | ") + " |\n"
    }
    let rule = widths.enumerated().map { column, width in
      let dashes = String(repeating: "-", count: width + 1)
      return dashes + (textColumns.contains(column) ? "-" : ":")
    }
    return line(cells[0]) + "|" + rule.joined(separator: "|") + "|\n" + cells.dropFirst().map(line).joined()
  }

  private static func escaped(_ cell: String) -> String {
    var out = ""
    for (index, character) in zip(cell.indices, cell) {
      switch character {
      case "|": out += "\\|"
      case "<":
        let next = cell[cell.index(after: index)...].first
        out += next.map { $0.isLetter || "/!?".contains($0) } == true ? "\\<" : "<"
      case "\\": out += "\\\\"
      case _ where character.isNewline: out += " "
      default: out.append(character)
      }
    }
    return out
  }
}

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
    self.rows = cells
    textColumns = text
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
