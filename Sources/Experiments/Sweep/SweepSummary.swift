import Formatting
import Reporting
import Results
import Studies

/// What `sweep` prints: a table per grid and what came of the expectations, in Markdown.
struct SweepSummary {
  var results: StudyResults
  var outcomes: [CheckOutcome]

  var text: String {
    let study = results.study
    var text = "# \(study.name)\n\n"
    if !study.question.isEmpty { text += Markdown.escaped(study.question) + "\n\n" }
    text += study.grids.map(section).joined()
    text += "## Expectations\n\n"
    if outcomes.isEmpty { return text + "None are stated.\n" }
    return text
      + markdownTable(
        [["expectation", "where", "holds", "finding"]]
          + outcomes.map {
            ["`\($0.expectation)`", $0.whereText, $0.holds ? "yes" : "**no**", $0.finding]
          }, leftColumns: [0, 1, 2, 3])
  }

  /// The means over seeds of the main figures.
  private static let figures: [(name: String, metric: String)] = [
    ("output tokens/s (makespan)", "output_tokens_per_s"),
    ("output tokens/s (window)", "window_output_tokens_per_s"), ("TTFT p99, s", "ttft_s.p99"),
    ("TPOT p99, s", "tpot_s.p99"), ("completed", "requests.completed"),
  ]

  private func section(_ grid: Grid) -> String {
    let axes = grid.axes.map(\.name)
    var rows = [
      axes + ["contender"] + Self.figures.map(\.name)
        + ["ratio to \(grid.baseline) (makespan)", "ratio to \(grid.baseline) (window)", "load"]
    ]
    for cell in grid.rows.map(\.cell) {
      for contender in grid.contenders {
        let label = contender.label
        rows.append(
          (axes.map { cell.axes[$0] ?? "" } + [label]
            + Self.figures.map { mean(.metric(.whole, label: label, metric: $0.metric), cell) }
            + ["output_tokens_per_s", "window_output_tokens_per_s"].map { metric in
              label == grid.baseline ? "1.000" : interval(.ratio(label, grid.baseline, metric: metric), cell)
            } + [loads(label, cell, grid)]))
      }
    }
    let left = Set(0...axes.count).union([rows[0].count - 1])
    return
      "## \(grid.name)\n\nMeans over \(grid.seeds.count) seeds on the whole trace; ratios (mean ± 95 %, paired) "
      + "of runs that completed the same requests, on the common trace where that is another.\n\n"
      + markdownTable(rows, leftColumns: left) + "\n"
  }

  private func mean(_ expression: StudyExpression, _ cell: Cell) -> String {
    (try? results.value(of: expression, in: cell)).map(figure) ?? "n/c"
  }

  private func interval(_ expression: StudyExpression, _ cell: Cell) -> String {
    guard let mean = try? results.value(of: expression, in: cell) else { return "n/c" }
    guard let low = try? results.value(of: .overSeeds(.low, expression), in: cell) else {
      return ratioText(mean)
    }
    return "\(ratioText(mean)) ± \(ratioText(mean - low))"
  }

  /// "stable", or how many seeds had which load.
  private func loads(_ label: String, _ cell: Cell, _ grid: Grid) -> String {
    let found = grid.seeds.compactMap { seed -> String? in
      let key = PointKey(cell: cell, label: label, seed: seed, heat: .whole)
      guard case .completed(let figures) = results.outcomes[key] else { return "failed" }
      return figures.summary["load"]?.string
    }
    let kinds = Set(found).sorted()
    if kinds.count == 1 { return kinds[0] }
    return kinds.map { kind in "\(found.count { $0 == kind }) \(kind)" }.joined(separator: ", ")
  }
}

extension CheckOutcome {
  /// The cell, or the cells that it is over.
  var whereText: String { cell?.text ?? grid ?? "all grids" }
}
