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

/// Rows of cells as an aligned Markdown table; the first row is the heading, `leftColumns` are text.
package func markdownTable(_ rows: [[String]], leftColumns: Set<Int> = [0]) -> String {
  Table(rows, textColumns: leftColumns).markdown
}
