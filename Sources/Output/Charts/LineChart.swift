/// Lines or points over two axes, one colour and point type per series.
package struct LineChart {
  package struct Point {
    package var x: Double
    package var y: Double
    /// The ends of the bar through the point, if it has a spread.
    package var low: Double?
    package var high: Double?

    package init(x: Double, y: Double, low: Double? = nil, high: Double? = nil) {
      (self.x, self.y, self.low, self.high) = (x, y, low, high)
    }
  }
  package enum Style { case linesAndPoints, points, lines, steps }

  package struct Series {
    package var label: String
    package var points: [Point]
    package var style: Style

    package init(label: String, points: [Point], style: Style = .linesAndPoints) {
      (self.label, self.points, self.style) = (label, points, style)
    }
  }

  package var xLabel: String
  package var yLabel: String
  package var series: [Series]
  /// Names of x = 0, 1, …, where the axis has no numbers.
  package var categories: [String]?
  package var isLogX = false
  package var isLogY = false
  /// Whether the axes begin at 0.
  package var fromZero = true
  /// Where the y axis ends, if not just above the largest value.
  package var mostY: Double?
  /// A horizontal line at this value, such as a ratio of 1.
  package var reference: Double?

  package init(xLabel: String, yLabel: String, series: [Series]) {
    (self.xLabel, self.yLabel, self.series) = (xLabel, yLabel, series)
  }

  package func script(_ labels: Labels) -> String {
    var text = """
      set xlabel \(labels.quoted(xLabel))
      set ylabel \(labels.quoted(yLabel))
      set key outside top center horizontal samplen 2
      set offsets graph 0.03, graph 0.03, graph 0.05, 0

      """
    if let categories {
      let names = categories.enumerated().map { "\(labels.quoted($1)) \($0)" }
      text += "set xtics (\(names.joined(separator: ", ")))\n"
      text += "set xrange [-0.4:\(Double(categories.count) - 0.6)]\n"
    }
    if isLogX {
      text += "set logscale x\n"
    } else if fromZero, categories == nil {
      text += "set xrange [0:]\n"
    }
    if isLogY { text += "set logscale y\n" } else if fromZero { text += "set yrange [0:]\n" }
    if let mostY {
      text += "set offsets graph 0.03, graph 0.03, 0, 0\nset yrange [\(fromZero ? "0" : "*"):\(mostY)]\n"
    }
    var plots: [String] = []
    for (index, one) in series.enumerated() {
      let points = one.points.filter { point in
        point.x.isFinite && point.y.isFinite && !(isLogX && point.x <= 0) && !(isLogY && point.y <= 0)
      }
      guard !points.isEmpty else { continue }
      text += "$s\(index) << EOD\n"
      for p in points { text += "\(p.x) \(p.y) \(p.low ?? p.y) \(p.high ?? p.y)\n" }
      text += "EOD\n"
      let color = "linecolor rgb \"\(Palette.color(index))\""
      let style =
        switch one.style {
        case .linesAndPoints: "linespoints linewidth 2 pointtype \(Palette.point(index)) pointsize 0.9"
        case .points: "points pointtype \(Palette.point(index)) pointsize 1.2"
        case .lines: "lines linewidth 1.6"
        case .steps: "steps linewidth 1.6"
        }
      plots.append("$s\(index) using 1:2 with \(style) \(color) title \(labels.quoted(one.label))")
      if points.contains(where: { $0.low != nil }) {
        plots.append("$s\(index) using 1:2:3:4 with yerrorbars pointtype 0 linewidth 1 \(color) notitle")
      }
    }
    if let reference {
      plots.append("\(reference) with lines linecolor rgb \"#333333\" dashtype 2 notitle")
    }
    return text + "plot " + plots.joined(separator: ", \\\n  ") + "\n"
  }

  package var hasPoints: Bool { series.contains { $0.points.contains { $0.x.isFinite && $0.y.isFinite } } }
}
