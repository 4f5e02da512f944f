import Formatting
import Foundation
import Output

/// A matrix of coloured cells with names at both axes, and the value written in each.
struct HeatMap {
  enum Scale {
    /// From 0, white, to the largest.
    case amount
    /// Around 1 on a logarithmic axis: orange below, purple above.
    case ratio
  }

  var xLabel: String
  var yLabel: String
  var colorLabel: String
  var columns: [String]
  var rows: [String]
  /// By row, then column; `nil` where there is no value.
  var values: [[Double?]]
  /// What is written in a cell.
  var text: (Double) -> String
  var scale: Scale

  func script(_ labels: Labels) -> String {
    let known = values.joined().compactMap(\.self).filter { $0.isFinite && (scale == .amount || $0 > 0) }
    var text = """
      set xlabel \(labels.quoted(xLabel))
      set ylabel \(labels.quoted(yLabel))
      set cblabel \(labels.quoted(colorLabel))
      set xrange [-0.5:\(Double(columns.count) - 0.5)]
      set yrange [\(Double(rows.count) - 0.5):-0.5]
      unset grid
      set border 0
      set tics scale 0
      set xtics (\(tics(columns, labels)))\(columns.contains { $0.count > 8 } && columns.count > 6 ? " rotate by -30" : "")
      set ytics (\(tics(rows, labels)))
      unset key

      """
    switch scale {
    case .amount:
      text += Palette.gnuplot(Palette.sequential) + "set cbrange [0:\(max(known.max() ?? 1, 1e-12))]\n"
    case .ratio:
      let reach = max(known.map { abs(log2($0)) }.max() ?? 0, log2(1.1))
      text += Palette.gnuplot(Palette.diverging) + "set cbrange [\(-reach):\(reach)]\n"
      let marks = [
        0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 2, 3, 5, 10, 20, 50, 100,
      ]
      .filter { abs(log2($0)) <= reach }
      text +=
        "set cbtics (" + marks.map { "\"\(trimmed($0))\" \(log2($0))" }.joined(separator: ", ")
        + ")\n"
    }
    text += "$cells << EOD\n"
    var words = "$words << EOD\n"
    let shown = known.map { color($0) }
    let (least, most) = (shown.min() ?? 0, shown.max() ?? 1)
    for (y, row) in values.enumerated() {
      for (x, value) in row.enumerated() {
        guard let value, value.isFinite, scale == .amount || value > 0 else { continue }
        let (left, top) = (Double(x) - 0.5, Double(y) - 0.5)
        text += "\(x) \(y) \(left) \(left + 1) \(top) \(top + 1) \(color(value))\n"
        let isDark =
          scale == .amount ? color(value) > 0.55 * most : abs(color(value)) > 0.7 * max(abs(least), abs(most))
        words += "\(x) \(y) \(labels.token(self.text(value))) \(isDark ? 16_777_215 : 2_236_962)\n"
      }
    }
    return text + "EOD\n" + words + "EOD\n"
      + "plot $cells using 1:2:3:4:5:6:7 with boxxyerror fillstyle solid 1 border rgb \"#ffffff\" "
      + "linecolor palette, $words using 1:2:3:4 with labels textcolor rgb variable\n"
  }

  private func color(_ value: Double) -> Double { scale == .amount ? value : log2(value) }

  private func tics(_ names: [String], _ labels: Labels) -> String {
    names.enumerated().map { "\(labels.quoted($1)) \($0)" }.joined(separator: ", ")
  }
}

/// A matrix over time: one row per instance, too many cells to write in.
struct TimeMap {
  var yLabel: String
  var colorLabel: String
  /// Seconds between two columns.
  var interval: Double
  /// By row, then column.
  var values: [[Double?]]
  var most: Double

  func script(_ labels: Labels) -> String {
    let columns = values.map(\.count).max() ?? 0
    var text = """
      set xlabel "time, s"
      set ylabel \(labels.quoted(yLabel))
      set cblabel \(labels.quoted(colorLabel))
      set xrange [0:\(Double(columns) * interval)]
      set yrange [\(Double(values.count) - 0.5):-0.5]
      \(values.count <= 16 ? "set ytics 1" : "set ytics autofreq")
      unset grid
      unset key
      set cbrange [0:\(most)]
      \(Palette.gnuplot(Palette.sequential))
      $cells << EOD

      """
    // An image needs two rows to know how high they are: a single one is drawn as two of half the height.
    let heights = values.count == 1 ? [-0.25, 0.25] : [0]
    for (y, row) in values.enumerated() {
      for height in heights {
        for x in 0..<columns {
          let value = x < row.count ? row[x] : nil
          text += "\((Double(x) + 0.5) * interval) \(Double(y) + height) \(value.map { "\($0)" } ?? "?")\n"
        }
      }
    }
    return text + "EOD\nplot $cells using 1:2:3 with image\n"
  }
}
