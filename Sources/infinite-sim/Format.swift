import Foundation

/// 1234567 as "1,234,567".
func grouped(_ value: Int) -> String {
  let digits = String(value.magnitude)
  var out = ""
  for (position, digit) in digits.enumerated() {
    if position > 0, (digits.count - position) % 3 == 0 { out += "," }
    out.append(digit)
  }
  return (value < 0 ? "-" : "") + out
}

/// A number with at least four digits that count: 0.001234, 1.234, 12.34, 1,234, 1,234,567.
func figure(_ value: Double) -> String {
  guard value.isFinite else { return "–" }
  let size = abs(value)
  if value == 0 { return "0" }
  if size >= 999.95 { return grouped(Int(value.rounded())) }
  let decimals =
    switch size {
    case 100...: 1
    case 10...: 2
    case 1...: 3
    case 0.1...: 4
    case 0.01...: 5
    case 0.001...: 6
    default: 0
    }
  // C's printf in the C locale: Foundation uses none unless told to.
  return decimals == 0 ? String(format: "%.3e", value) : String(format: "%.\(decimals)f", value)
}

/// A ratio: "1.234".
func ratioText(_ value: Double) -> String { value.isFinite ? String(format: "%.3f", value) : "–" }

/// A share of one in percent: "12.3 %".
func percent(_ share: Double) -> String { share.isFinite ? String(format: "%.1f %%", share * 100) : "–" }

/// Rows of cells as an aligned Markdown table; the first row is the heading, `leftColumns` are text.
func markdownTable(_ rows: [[String]], leftColumns: Set<Int> = [0]) -> String {
  guard let heading = rows.first else { return "" }
  let widths = heading.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
  func line(_ cells: [String]) -> String {
    let padded = cells.indices.map { column in
      let fill = String(repeating: " ", count: widths[column] - cells[column].count)
      return leftColumns.contains(column) ? cells[column] + fill : fill + cells[column]
    }
    return "| " + padded.joined(separator: " | ") + " |\n"
  }
  let rule = widths.enumerated().map { column, width in
    let dashes = String(repeating: "-", count: width + 1)
    return dashes + (leftColumns.contains(column) ? "-" : ":")
  }
  return line(heading) + "|" + rule.joined(separator: "|") + "|\n" + rows.dropFirst().map(line).joined()
}

/// 0.0000123 as "1.2e-05".
func scientific(_ value: Double) -> String { String(format: "%.1e", value) }
