import Runs
import Formatting
import Reporting
import Results
import Sim
import Studies

/// What `compare` prints, and writes with `--report`.
package struct CompareReport {
  var plans: [RunPlan]
  var baseline: Int
  var onReject: OnReject
  /// One per seed, the first seed first.
  var comparisons: [FairComparison]

  package init(plans: [RunPlan], baseline: Int, onReject: OnReject, comparisons: [FairComparison]) {
    self.plans = plans
    self.baseline = baseline
    self.onReject = onReject
    self.comparisons = comparisons
  }

  /// The ratios that are reported, each with its reading (semantics.md 30).
  static var readings: [(name: String, rate: KeyPath<RunSummary, Double?>)] {
    [("makespan", \.outputTokensPerSecond), ("window", \.windowOutputTokensPerSecond)]
  }

  package var text: String {
    guard let first = comparisons.first else { return "" }
    return ([setUp] + heats(first) + [replication, definitions]).joined(separator: "\n")
  }

  // MARK: - Text

  private var setUp: String {
    guard let workload = comparisons.first?.whole.workload, let plan = plans.first else { return "" }
    let marks = comparisons.flatMap { $0.whole.runs.map(\.result.mark) }
    var text =
      "# \(plans.map(\.policy).joined(separator: ", ")) on \(workload.name)\(BasisMark.heading(marks))\n\n"
    text += "\(workload.seedText); model \(plan.model); hardware \(plan.hardware); cluster \(plan.cluster).\n"
    for plan in plans {
      text += "\n## KV cache of one instance of \(plan.policy)\n\n"
      text += plan.account.map { "    \($0)\n" }.joined()
    }
    text += "\n## Assumed, and decisive\n\n"
    var seen: Set<String> = []
    for line in plans.flatMap(\.assumptions) where seen.insert(line).inserted { text += "- \(line)\n" }
    text += "\n## What the costs rest on\n\n\(BasisMark.legend)\n\n"
    for (contender, plan) in plans.enumerated() {
      let results = comparisons.map { $0.whole.runs[contender].result }
      text += "- \(plan.policy): \(unique(results.map(\.mark.text)).joined(separator: "; "))\n"
    }
    let results = comparisons.flatMap { $0.whole.runs.map(\.result) }
    for line in unique(results.flatMap(\.basis.unvalidated)) { text += "- unvalidated: \(line)\n" }
    for line in unique(results.flatMap(\.extrapolations)) { text += "- extrapolated: \(line)\n" }
    return text
  }

  private func unique(_ lines: [String]) -> [String] {
    var seen: Set<String> = []
    return lines.filter { seen.insert($0).inserted }
  }

  private func heats(_ comparison: FairComparison) -> [String] {
    let whole = comparison.whole
    var sections = ["## Whole trace\n\n" + table(whole)]
    if let common = comparison.common {
      let left = common.workload.dropped.count
      sections.append(
        "## Common trace: the \(grouped(common.workload.requests)) requests that all contenders complete\n\n"
          + "\(grouped(left)) requests that some contender rejects are left out; all contenders ran again.\n\n"
          + table(common))
    } else if !whole.isFair {
      let why =
        onReject == .raw
        ? "--on-reject raw keeps it so."
        : "No common trace was found that all of them complete."
      sections.append(
        "n/c: not comparable, because the contenders did not complete the same requests. \(why)\n")
    }
    return sections
  }

  private func table(_ heat: Heat) -> String {
    CompareTable(plans: plans, heat: heat, baseline: baseline).text
  }

  private var replication: String {
    let base = plans[baseline].policy
    guard comparisons.count > 1 else {
      return
        "## Spread\n\nOne replay, no replication: the ratios carry no interval. --seeds N gives one.\n"
    }
    var text = "## Ratios of output tokens/s to \(base) over \(comparisons.count) seeds\n\n"
    text += "Seed 0 is the trace; seed k redraws its arrivals and resamples its lengths in blocks. "
    text += "Mean ± half a 95 % interval (Student's t) of the ratios of paired runs, "
    text += "on the requests that each column names.\n\n"
    var rows = [
      ["ratio"] + comparisons.map { "seed \($0.whole.workload.seed), \($0.judged.kind.words)" } + [
        "mean ± 95 %"
      ]
    ]
    for reading in Self.readings {
      for contender in plans.indices where contender != baseline {
        let ratios = self.ratios(contender, reading.rate)
        let known = ratios.compactMap(\.self)
        let interval = known.count == ratios.count ? PairedInterval(known) : nil
        let cells = comparisons.map { $0.judged.ratioText(contender, to: baseline, reading.rate) }
        rows.append(
          ["\(plans[contender].policy) (\(reading.name))"] + cells
            + [
              interval.map { "\(ratioText($0.mean)) ± \(ratioText($0.halfWidth))" }
                ?? (cells.contains("n/c") ? "n/c" : "–")
            ])
      }
    }
    return text + markdownTable(rows)
  }

  private var definitions: String {
    "## Definitions\n\n" + Definitions.lines.map { "- \($0)\n" }.joined()
      + "- A ratio is printed only between contenders that completed the same requests; else n/c. "
      + "\"Makespan\" ratios are of a finite backlog: short backlogs make the tail of a poor balance look like a "
      + "policy's gain.\n"
  }

  /// The contender's ratio on each seed, where it is comparable.
  private func ratios(_ contender: Int, _ rate: KeyPath<RunSummary, Double?>) -> [Double?] {
    comparisons.map { $0.judged.ratio(contender, to: baseline, rate) }
  }

  // MARK: - JSON

  /// The same as one JSON object: a ratio that is not comparable is null.
  package var json: JSON {
    [
      "baseline": .string(plans[baseline].policy),
      "on_reject": .string(onReject.rawValue),
      "seeds": .array(
        comparisons.map { comparison in
          [
            "seed": .int(comparison.whole.workload.seed),
            "whole": json(comparison.whole),
            "common": comparison.common.map { json($0) } ?? .null,
          ]
        }),
      "intervals": .array(
        plans.indices.map { contender in
          .object(
            [
              .init("policy", .string(plans[contender].policy)),
              .init("heats", .array(comparisons.map { .string($0.judged.kind.rawValue) })),
            ]
              + Self.readings.map { reading in
                let ratios = self.ratios(contender, reading.rate)
                let known = ratios.compactMap(\.self)
                let interval = known.count == ratios.count ? PairedInterval(known) : nil
                return .init(
                  reading.name,
                  [
                    "mean": .optional(interval?.mean),
                    "half_width_95": .optional(interval?.halfWidth),
                  ])
              })
        }),
    ]
  }

  private func json(_ heat: Heat) -> JSON {
    [
      "requests": .int(heat.workload.requests),
      "dropped_requests": .int(heat.workload.dropped.count),
      "runs": .array(
        plans.indices.map { contender in
          let plan = plans[contender]
          return [
            "policy": .string(plan.policy),
            "heat": .string(heat.kind.rawValue),
            "layout": .string(plan.layout),
            "max_num_seqs": .int(plan.maxNumSeqs),
            "ratio": .object(
              Self.readings.map {
                .init($0.name, .optional(heat.ratio(contender, to: baseline, $0.rate)))
              }),
            "run": JSON(heat.runs[contender].result),
          ]
        }),
    ]
  }
}
