import Output

/// Horizontal bars, each the sum of named parts.
struct StackedBars {
  var xLabel: String
  var bars: [String]
  var parts: [String]
  /// By part, then bar.
  var values: [[Double]]

  func script(_ labels: Labels) -> String {
    let shown = parts.indices.filter { part in values[part].contains { $0 > 0 } }
    var text = """
      set xlabel \(labels.quoted(xLabel))
      set xrange [0:*]
      set yrange [\(Double(bars.count) - 0.5):-0.5]
      set ytics (\(bars.enumerated().map { "\(labels.quoted($1)) \($0)" }.joined(separator: ", "))) scale 0
      set grid noytics
      set border 1
      set key outside top center horizontal samplen 1

      """
    var starts = Array(repeating: 0.0, count: bars.count)
    var plots: [String] = []
    for part in shown {
      text += "$p\(part) << EOD\n"
      for bar in bars.indices {
        let end = starts[bar] + values[part][bar]
        text += "\(starts[bar]) \(bar) \(starts[bar]) \(end) \(Double(bar) - 0.32) \(Double(bar) + 0.32)\n"
        starts[bar] = end
      }
      text += "EOD\n"
      plots.append(
        "$p\(part) using 1:2:3:4:5:6 with boxxyerror fillstyle solid 1 noborder "
          + "linecolor rgb \"\(Palette.color(part))\" title \(labels.quoted(parts[part]))")
    }
    return text + "plot " + plots.joined(separator: ", \\\n  ") + "\n"
  }
}

/// Arrows over time between instances, by kind.
struct ArrowChart {
  struct Arrow {
    var start: Double
    var from: Int
    var end: Double
    var to: Int
  }
  var instances: Int
  /// By kind, in the order of the legend.
  var kinds: [(label: String, arrows: [Arrow])]

  func script(_ labels: Labels) -> String {
    var text = """
      set xlabel "time, s"
      set ylabel "instance"
      set xrange [0:*]
      set yrange [\(Double(instances) - 0.5):-0.5]
      \(instances <= 16 ? "set ytics 1" : "set ytics autofreq")
      set key outside top center horizontal samplen 2

      """
    var plots: [String] = []
    for (index, kind) in kinds.enumerated() where !kind.arrows.isEmpty {
      text += "$a\(index) << EOD\n"
      for a in kind.arrows { text += "\(a.start) \(a.from) \(a.end - a.start) \(a.to - a.from)\n" }
      text += "EOD\n"
      let color = "linecolor rgb \"\(Palette.color(index))\""
      let isPoint = kind.arrows.allSatisfy { $0.from == $0.to }
      plots.append(
        isPoint
          ? "$a\(index) using 1:2 with points pointtype \(Palette.point(index)) pointsize 0.7 \(color) title \(labels.quoted(kind.label))"
          : "$a\(index) using 1:2:3:4 with vectors filled head size screen 0.008,18 linewidth 1.2 \(color) title \(labels.quoted(kind.label))"
      )
    }
    return text + "plot " + plots.joined(separator: ", \\\n  ") + "\n"
  }
}
