/// Several charts in one drawing, row by row.
package struct ChartGrid {
  package var columns: Int
  package var charts: [(title: String, chart: LineChart)]

  package init(columns: Int, charts: [(title: String, chart: LineChart)]) {
    (self.columns, self.charts) = (columns, charts)
  }

  private var rows: Int { (charts.count + columns - 1) / columns }

  package var size: (width: Int, height: Int) { (40 + 400 * columns, 20 + 300 * rows) }

  package func script(_ labels: Labels) -> String {
    var text = "set multiplot layout \(rows),\(columns)\n"
    for (title, chart) in charts {
      guard chart.hasPoints else {
        text += "set multiplot next\n"
        continue
      }
      // What one chart sets would hold for the next.
      text += "unset logscale\nset autoscale\nset title \(labels.quoted(title))\n" + chart.script(labels)
    }
    return text + "unset multiplot\n"
  }
}
