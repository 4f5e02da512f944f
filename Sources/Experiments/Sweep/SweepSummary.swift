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
    ("rejected", "requests.rejected"),
  ]
  /// The same where an SLO was given.
  private static let goodput = (
    name: "goodput, requests/s (steady state)", metric: "goodput_requests_per_s"
  )

  private func section(_ grid: Grid) -> String {
    let axes = grid.axes.map(\.name)
    let hasSLO = grid.rows.contains { row in
      summaries(row.cell, grid).contains { ($0[Self.goodput.metric] ?? .null) != .null }
    }
    let figures = Self.figures + (hasSLO ? [Self.goodput] : [])
    var rows = [
      axes + ["contender", "replayed"] + figures.map(\.name)
        + [
          "ratio to \(grid.baseline) (makespan)", "ratio to \(grid.baseline) (window)", "load",
          "costs rest on",
        ]
    ]
    for cell in grid.rows.map(\.cell) {
      for heat in heats(of: cell, grid) {
        for contender in grid.contenders {
          let label = contender.label
          rows.append(
            axes.map { cell.axes[$0] ?? "" } + [label, heat.words]
              + figures.map { mean(.metric(heat, label: label, metric: $0.metric), cell) }
              + ["output_tokens_per_s", "window_output_tokens_per_s"].map { metric in
                ratio(label, to: grid.baseline, metric, heat, cell)
              } + [loads(label, cell, grid, heat), marks(label, cell, grid, heat)])
        }
      }
    }
    let left = Set(0...(axes.count + 1)).union([rows[0].count - 2, rows[0].count - 1])
    return
      "## \(grid.name)\(BasisMark.heading(grid.rows.flatMap { summaries($0.cell, grid).map(BasisMark.init) }))\n\n"
      + "Means over \(grid.seeds.count) seeds; ratios (mean ± 95 %, paired) of runs of the same row's requests, n/c where the "
      + "two did not complete the same of them with the same outputs. Common trace: the requests that all contenders complete, run again "
      + "alone, and the whole trace on seeds where all complete the same. \(windowText(grid))\(BasisMark.legend)\n\n"
      + markdownTable(rows, leftColumns: left) + "\n"
  }

  /// Which requests count in the latencies of the grid's runs; nothing if all do.
  private func windowText(_ grid: Grid) -> String {
    let all = "of all requests"
    let windows = Set(
      grid.rows.flatMap { summaries($0.cell, grid) }
        .map { $0["latency_window"].flatMap(LatencyWindow.init)?.text ?? all })
    return windows.isSubset(of: [all]) ? "" : "Latencies are \(windows.sorted().joined(separator: "; ")). "
  }

  /// The heats of which a cell has runs.
  private func heats(of cell: Cell, _ grid: Grid) -> [HeatKind] {
    let hasCommon = grid.seeds.contains { seed in
      grid.contenders.contains {
        results.outcomes[PointKey(cell: cell, label: $0.label, seed: seed, heat: .common)] != nil
      }
    }
    return hasCommon ? [.whole, .common] : [.whole]
  }

  /// The completed runs of a cell.
  private func summaries(_ cell: Cell, _ grid: Grid) -> [JSON] {
    grid.seeds.flatMap { seed in
      grid.contenders.compactMap { contender in
        let key = PointKey(cell: cell, label: contender.label, seed: seed, heat: .whole)
        guard case .completed(let figures)? = results.outcomes[key] else { return nil }
        return figures.summary
      }
    }
  }

  private func mean(_ expression: StudyExpression, _ cell: Cell) -> String {
    do throws(NoValue) { return latency(try results.value(of: expression, in: cell)) } catch {
      return error.mark
    }
  }

  /// The ratio on this heat only.
  private func ratio(
    _ label: String, to base: String, _ metric: String, _ heat: HeatKind, _ cell: Cell
  ) -> String {
    let expression = StudyExpression.ratio(label, base, metric: metric, on: heat)
    do throws(NoValue) {
      let mean = try results.value(of: expression, in: cell)
      guard label != base, let low = try? results.value(of: .overSeeds(.low, expression), in: cell) else {
        return ratioText(mean)
      }
      return "\(ratioText(mean)) ± \(ratioText(mean - low))"
    } catch { return error.mark }
  }

  /// "stable", or how many seeds had which load.
  private func loads(_ label: String, _ cell: Cell, _ grid: Grid, _ heat: HeatKind) -> String {
    counted(label, cell, grid, heat) { $0["load"]?.string ?? "–" }
  }

  /// What the costs of a contender's runs rest on.
  private func marks(_ label: String, _ cell: Cell, _ grid: Grid, _ heat: HeatKind) -> String {
    counted(label, cell, grid, heat) { BasisMark(summary: $0).text }
  }

  /// A word of each seed's run: the word, or how many seeds have which.
  private func counted(
    _ label: String, _ cell: Cell, _ grid: Grid, _ heat: HeatKind, _ word: (JSON) -> String
  ) -> String {
    let found = grid.seeds.map { seed in
      func outcome(_ heat: HeatKind) -> PointOutcome? {
        results.outcomes[PointKey(cell: cell, label: label, seed: seed, heat: heat)]
      }
      // A seed without a common trace of its own has the whole one for it.
      guard case .completed(let figures)? = outcome(heat) ?? outcome(.whole) else { return "failed" }
      return word(figures.summary)
    }
    let kinds = Set(found).sorted()
    if kinds.count == 1 { return kinds[0] }
    return kinds.map { kind in "\(found.count { $0 == kind }) \(kind)" }.joined(separator: "; ")
  }
}

extension CheckOutcome {
  /// The cell, or the cells that it is over.
  var whereText: String { cell?.text ?? grid ?? "all grids" }
}
