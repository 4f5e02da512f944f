import Formatting
import Output
import Runs

/// How the metrics of compared runs are distributed: measured beside simulated.
struct BenchmarkFigure {
  private let charts: [(title: String, chart: LineChart)]

  /// - Throws: `CommandFailure` if no run has requests of its own.
  init(_ compared: [BenchmarkComparison]) throws(CommandFailure) {
    charts = compared.flatMap { one in
      Self.metrics.map { metric in
        let title = "\(metric.rawValue)\(compared.count > 1 ? ", \(one.run.place)" : "")"
        return (title, Self.chart(metric, one))
      }
    }
    guard charts.contains(where: { $0.chart.series[0].points.count > 0 }) else {
      throw CommandFailure(
        .badData,
        "--figure: \(compared.map(\.run.place).joined(separator: ", ")): no requests of its own, so nothing is distributed"
      )
    }
  }

  private static let metrics = ClientMetric.allCases

  func svg(by gnuplot: Gnuplot) throws -> String {
    // A row for each run; a single one as a square.
    let grid = ChartGrid(columns: charts.count == Self.metrics.count ? 2 : Self.metrics.count, charts: charts)
    let labels = Labels()
    return try gnuplot.draw(
      grid.script(labels), labels: labels, figure: "distributions",
      alt: "The share of requests, or of gaps, with up to so many seconds, measured and simulated",
      size: grid.size)
  }

  private static func chart(_ metric: ClientMetric, _ one: BenchmarkComparison) -> LineChart {
    let measured = one.isCompared(metric) ? one.measured.values[metric] ?? [] : []
    let simulated = one.simulated.values[metric] ?? []
    var chart = LineChart(
      xLabel: measured.isEmpty ? "s (measured: not in the file)" : "s",
      yLabel: metric == .itl ? "share of gaps" : "share of requests",
      series: [
        .init(label: "measured", points: points(measured), style: .lines),
        .init(label: "simulated", points: points(simulated), style: .lines),
      ])
    chart.mostY = 1
    let all = [measured, simulated].filter { !$0.isEmpty }
    if let least = all.map({ $0[0] }).min(), let most = all.map({ $0[$0.count - 1] }).max() {
      chart.isLogX = least > 0 && most > 50 * least
    }
    return chart
  }

  /// The share of values up to each, of as many as a chart can show.
  private static func points(_ sorted: [Double]) -> [LineChart.Point] {
    guard sorted.count > 1 else { return sorted.flatMap { [.init(x: $0, y: 0), .init(x: $0, y: 1)] } }
    let count = min(sorted.count, 500)
    return (0..<count).map { step in
      let rank = step * (sorted.count - 1) / (count - 1)
      return .init(x: sorted[rank], y: Double(rank + 1) / Double(sorted.count))
    }
  }
}
