import Formatting
import Foundation
import Output
import Results
import Studies

/// Figures over the points of a study.
struct StudyFigures {
  private let source: ReportSource
  private let directive: FigureDirective

  init(_ source: ReportSource, _ directive: FigureDirective) {
    (self.source, self.directive) = (source, directive)
  }

  private var isLogY: Bool { directive.settings["scale"] == "log" }

  /// A metric on both axes, a curve per contender along the cells.
  func throughputLatency(_ cells: Cells) throws -> Drawing? {
    try directive.requireKnown(["x", "y", "scale"])
    let x = try metric("x", "output_tokens_per_s")
    let y = try metric("y", "ttft_p99_s")
    // Cells along one axis make a curve; where several differ, the others tell curves apart.
    let differing = cells.differing()
    let along = differing.first { $0.contains("rate") } ?? differing.first
    var rows = [["contender", "cell", metricWords(x), metricWords(y)]]
    var series: [LineChart.Series] = []
    for label in cells.allLabels {
      for (name, group) in groups(cells, but: along.map { [$0] } ?? []) {
        let points = group.compactMap { cell -> LineChart.Point? in
          guard let (a, _) = cells.value(.metric(.whole, label: label, metric: x), in: cell),
            let (b, width) = cells.value(.metric(.whole, label: label, metric: y), in: cell)
          else { return nil }
          rows.append([label, cell.text, figure(a), figure(b)])
          let low = width.map { isLogY ? max(b - $0, b / 10) : b - $0 }
          return .init(x: a, y: b, low: low, high: width.map { b + $0 })
        }
        guard !points.isEmpty else { continue }
        series.append(
          .init(
            label: name.isEmpty ? label : "\(label), \(name)", points: points,
            style: points.count > 1 ? .linesAndPoints : .points))
      }
    }
    guard !series.isEmpty else { return nil }
    var chart = LineChart(xLabel: metricWords(x), yLabel: metricWords(y), series: series)
    chart.isLogY = isLogY
    let curve = along.map { " Along a curve \($0) changes." } ?? ""
    return Drawing(
      title: "\(metricWords(y)) over \(metricWords(x))",
      caption: "Runs on the whole trace; means over seeds, bars are 95 % intervals.\(curve)",
      script: chart.script, rows: Table(rows, textColumns: [1]), sql: sql(cells, [x, y]))
  }

  /// A metric along an axis.
  func lines(_ cells: Cells) throws -> Drawing? {
    try directive.requireKnown(["x", "y", "scale"])
    let metric = try metric("y", "output_tokens_per_s")
    return try along(
      directive.require("x"), cells, yLabel: metricWords(metric), labels: cells.allLabels, metric: metric,
      reference: nil
    ) { .metric(.whole, label: $0, metric: metric) }
  }

  /// Ratios to a baseline along an axis.
  func ratios(_ cells: Cells) throws -> Drawing? {
    try directive.requireKnown(["x", "of", "to", "metric", "scale"])
    let metric = try metric("metric", "output_tokens_per_s")
    let base = try label(directive.require("to"), cells)
    let labels =
      try directive.settings["of"].map { try $0.commaSeparated.map { try label($0, cells) } }
      ?? cells.allLabels.filter { $0 != base }
    return try along(
      directive.require("x"), cells, yLabel: "ratio to \(base): \(metricWords(metric))", labels: labels,
      metric: metric, reference: 1
    ) { .ratio($0, base, metric: metric) }
  }

  /// The ratio of two contenders over two axes.
  func ratioMap(_ cells: Cells) throws -> Drawing? {
    try directive.requireKnown(["of", "to", "columns", "rows", "metric"])
    let metric = try metric("metric", "output_tokens_per_s")
    let (of, to) = (
      try label(directive.require("of"), cells), try label(directive.require("to"), cells)
    )
    let (columnAxis, rowAxis) = (try directive.require("columns"), try directive.require("rows"))
    try cells.requireDistinct(by: [columnAxis, rowAxis])
    let (columns, rows) = (values(of: columnAxis, cells), values(of: rowAxis, cells))
    var table = [[rowAxis, columnAxis, "\(of) / \(to)", "± 95 %", "replayed"]]
    let numbers = rows.map { row in
      columns.map { column -> Double? in
        guard let cell = cells.all.first(where: { $0.axes[rowAxis] == row && $0.axes[columnAxis] == column }),
          let (mean, width) = cells.value(.ratio(of, to, metric: metric), in: cell)
        else { return nil }
        table.append(
          [row, column, ratioText(mean), width.map(ratioText) ?? "–", cells.ratioHeat(of, to: to, in: cell)])
        return mean
      }
    }
    guard table.count > 1 else { return nil }
    let map = HeatMap(
      xLabel: columnAxis, yLabel: rowAxis, colorLabel: "\(of) / \(to)", columns: columns, rows: rows,
      values: numbers, text: { String(format: "%.2f", $0) }, scale: .ratio)
    return Drawing(
      title: "\(of) over \(to): ratio of \(metricWords(metric))",
      caption:
        "Purple: \(of) is ahead; orange: \(to). Means over seeds of runs that completed the same requests; "
        + "an empty cell has no ratio. \(heatNote(table))",
      script: map.script,
      size: (min(860, 340 + 70 * columns.count), 170 + 42 * rows.count),
      rows: Table(table, textColumns: [1, 4]), sql: sql(cells, [metric]))
  }

  // MARK: - Parts

  /// The metric that a key names, or the one that is taken without it.
  private func metric(_ key: String, _ fallback: String) throws -> String {
    let name = directive.settings[key] ?? fallback
    guard Metric.isKnown(name) else {
      throw FigureProblem("\(key)=\(name): expected \(Metric.expected(insteadOf: name))")
    }
    return name
  }

  /// Which requests the rows are of; the last column says it.
  private func heatNote(_ rows: [[String]]) -> String {
    let heats = Set(rows.dropFirst().compactMap(\.last))
    return heats.count == 1
      ? "All are of the \(heats.first ?? "")."
      : "Some are of the whole trace and some of the common one: the requests that all contenders complete."
  }

  private func along(
    _ axis: String, _ cells: Cells, yLabel: String, labels: [String], metric: String, reference: Double?,
    _ expression: (String) -> StudyExpression
  ) throws -> Drawing? {
    let names = values(of: axis, cells)
    guard !names.isEmpty else { throw FigureProblem("the selected cells have no axis \(axis)") }
    func heat(_ label: String, _ cell: Cell) -> String {
      guard case .ratio(let of, let to, _, _) = expression(label) else { return HeatKind.whole.words }
      return cells.ratioHeat(of, to: to, in: cell)
    }
    let numbers = names.map(Double.init)
    let isNumeric = numbers.allSatisfy { $0 != nil }
    var rows = [["contender", axis, "cell", yLabel, "± 95 %", "replayed"]]
    var series: [LineChart.Series] = []
    for label in labels {
      for (name, group) in groups(cells, but: [axis]) {
        let points = names.indices.compactMap { index -> LineChart.Point? in
          guard let cell = group.first(where: { $0.axes[axis] == names[index] }),
            let (mean, width) = cells.value(expression(label), in: cell)
          else { return nil }
          rows.append(
            [label, names[index], cell.text, figure(mean), figure(width), heat(label, cell)])
          return .init(
            x: isNumeric ? numbers[index]! : Double(index), y: mean, low: width.map { mean - $0 },
            high: width.map { mean + $0 })
        }.sorted { $0.x < $1.x }
        guard !points.isEmpty else { continue }
        series.append(.init(label: name.isEmpty ? label : "\(label), \(name)", points: points))
      }
    }
    guard !series.isEmpty else { return nil }
    var chart = LineChart(xLabel: axis, yLabel: yLabel, series: series)
    chart.reference = reference
    chart.isLogY = isLogY
    chart.fromZero = reference == nil
    if isNumeric {
      let known = numbers.compactMap(\.self)
      chart.isLogX = known.allSatisfy { $0 > 0 } && known.max()! >= 16 * known.min()!
    } else {
      chart.categories = names
    }
    return Drawing(
      title: "\(yLabel) by \(axis)",
      caption: "Means over seeds, bars are 95 % intervals. \(heatNote(rows))",
      script: chart.script, rows: Table(rows, textColumns: [2, 5]), sql: sql(cells, [metric]))
  }

  private func label(_ name: String, _ cells: Cells) throws -> String {
    guard cells.allLabels.contains(name) else {
      throw FigureProblem(
        "no selected grid has \(name); there are \(cells.allLabels.joined(separator: ", "))")
    }
    return name
  }

  /// The values of an axis in the order of the study.
  private func values(of axis: String, _ cells: Cells) -> [String] {
    var seen: Set<String> = []
    return cells.all.compactMap { $0.axes[axis] }.filter { seen.insert($0).inserted }
  }

  /// The cells apart by the axes in which they differ, but for those given.
  private func groups(_ cells: Cells, but axes: [String]) -> [(name: String, cells: [Cell])] {
    var names: [String] = []
    var groups: [String: [Cell]] = [:]
    for cell in cells.all {
      let name = cells.name(cell, but: axes)
      if groups[name] == nil { names.append(name) }
      groups[name, default: []].append(cell)
    }
    return names.map { ($0, groups[$0] ?? []) }
  }

  /// The points' rows; the cells are named by their ids, which are numbers of ours.
  private func sql(_ cells: Cells, _ metrics: [String]) -> String {
    let ids = Set(
      source.results.runs.filter { key, _ in cells.all.contains(key.cell) }.map(\.value)
    ).sorted()
    let columns = metrics.map { metric in
      let isColumn = metric.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" }
      return isColumn ? "run.\(metric)" : "run.summary ->> '$.\(metric)'"
    }
    let known = ids.count <= 60 ? ids.map { String($0) }.joined(separator: ", ") : nil
    let runs = known ?? "SELECT value FROM json_each('[\(ids.map { String($0) }.joined(separator: ","))]')"
    guard source.sweep != nil else {
      return
        "SELECT id, policy, trace, seed, \(columns.joined(separator: ", "))\nFROM run WHERE id IN (\(runs))"
    }
    return """
      SELECT grid, label, axes, sweep_point.seed, heat, run_id, \(columns.joined(separator: ", "))
      FROM sweep_point JOIN run ON run.id = run_id WHERE run_id IN (\(runs))
      """
  }
}
