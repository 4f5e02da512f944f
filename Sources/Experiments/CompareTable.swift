import Runs
import Formatting
import Reporting
import Results
import Sim

/// The table of one heat: a row per figure, a column per contender.
struct CompareTable {
  var plans: [RunPlan]
  var heat: Heat
  /// The contender that ratios are to.
  var baseline: Int

  /// The heading's first cell says which requests all figures of the table are of.
  var text: String { markdownTable([[heat.kind.words] + plans.map(\.policy)] + rows) }

  private var rows: [[String]] {
    setUpRows + requestRows + faultRows + throughputRows + latencyRows + kvRows
  }

  private var setUpRows: [[String]] {
    [
      row("layout TP × PP × instances") { $1.layout }
    ] + sizingRows + [
      row("max_num_seqs per instance") { grouped($1.maxNumSeqs) },
      row("KV blocks per instance") { grouped($0.summary.blocksPerInstance) },
      row("max context, tokens") { grouped($0.summary.maxContextTokens) },
      row("TTFT of that prompt, s") { run in
        figure(run.result.maxContextTTFTSeconds)
          + (run.result.maxContextOverMeasured.map { " (extrapolated \(figure($0))×)" } ?? "")
      },
      row("costs rest on") { $0.result.mark.text },
    ]
  }

  /// Only where some contender is sized by the longest request.
  private var sizingRows: [[String]] {
    guard plans.contains(where: { $0.sizing != nil }) else { return [] }
    return [
      row("longest request sized for, tokens") { _, plan in
        plan.sizing.map { grouped($0.longest) + ($0.isHeld ? "" : ", not held") } ?? "–"
      }
    ]
  }

  private var requestRows: [[String]] {
    let reasons = RejectionReason.shown(heat.runs.map(\.summary)).map { reason in
      row("rejected, \(reason.rawValue)") { grouped($0.summary.rejectedByReason[reason] ?? 0) }
    }
    return [
      row("requests completed") { grouped($0.summary.completed) },
      row("of these cut at the model's context") { grouped($0.summary.cutAtContext) },
    ] + reasons + [
      row("unfinished") { grouped($0.summary.unfinished) },
      row("served share") { percent(ratio(Double($0.summary.completed), to: Double($0.summary.arrived))) },
      row("wasted tokens") { grouped($0.summary.wastedTokens) },
      row("preemptions") { grouped($0.summary.preemptions) },
      row("preemptions in a row, at most") { $0.summary.longestChain.map(grouped) ?? "–" },
      row("recomputed tokens") {
        grouped($0.summary.recomputedTokens) + ($0.summary.isThrashing ? " (more than served)" : "")
      },
      row("a giant waited for memory, s") { figure($0.summary.giantReserveSeconds) },
      row("requests per instance") { run, plan in
        figure(Double(run.summary.arrived) / Double(max(1, plan.instances)))
      },
    ]
  }

  /// Only where there were faults.
  private var faultRows: [[String]] {
    guard heat.runs.contains(where: { $0.summary.faults.faults > 0 }) else { return [] }
    return [
      row("instances that went down") { grouped($0.summary.faults.crashes) },
      row("… for instance-seconds") { figure($0.summary.faults.instanceSecondsDown) },
      row("requests restarted") { grouped($0.summary.faults.restarts) },
      row("lent blocks lost") { grouped($0.summary.faults.lentBlocksLost) },
    ]
      + RecomputeCause.allCases.map { cause in
        row("recomputed tokens, \(cause.name)") {
          grouped($0.summary.faults.recomputedTokens[cause.rawValue])
        }
      }
  }

  private var throughputRows: [[String]] {
    let base = plans[baseline].policy
    let rows = [
      row("load") { $0.summary.load?.label.rawValue ?? "–" },
      row("makespan, s") { figure($0.summary.makespanSeconds) },
      row("output tokens/s (makespan)") { figure($0.summary.outputTokensPerSecond) },
      ratioRow("ratio to \(base) (makespan, \(heat.kind.words))", \.outputTokensPerSecond),
      row("output tokens/s (window)") { figure($0.summary.windowOutputTokensPerSecond) },
      ratioRow("ratio to \(base) (window, \(heat.kind.words))", \.windowOutputTokensPerSecond),
      row("bound on output tokens/s (makespan)") {
        $0.result.bound.map { figure($0.outputTokensPerSecond) } ?? "–"
      },
      row("… reached") { percent($0.result.boundReached) },
      row("… if hosts were charged in full") {
        $0.result.bound.map { figure($0.inFullOutputTokensPerSecond) } ?? "–"
      },
      row("output tokens/s per GPU") { figure($0.summary.outputTokensPerSecondPerGPU) },
      row("all tokens/s") { figure($0.summary.totalTokensPerSecond) },
      row("requests/s (makespan)") { figure($0.summary.requestsPerSecond) },
      steadyRow("requests/s (steady state)") { $0.requestsPerSecond },
      steadyRow("output tokens/s (steady state)") { $0.outputTokensPerSecond },
    ]
    guard heat.runs.contains(where: { $0.summary.steady?.goodputRequestsPerSecond != nil }) else {
      return rows
    }
    return rows + [steadyRow("goodput, requests/s (steady state)") { $0.goodputRequestsPerSecond }]
  }

  private func steadyRow(_ name: String, _ value: (SteadyState) -> Double?) -> [String] {
    row(name) { run in
      guard let steady = run.summary.steady else { return Definitions.noSteadyState(run.summary) }
      return value(steady).map(figure) ?? "–"
    }
  }

  private var latencyRows: [[String]] {
    func rows(_ name: String, _ distribution: @escaping (RunSummary) -> Distribution) -> [[String]] {
      [
        row("\(name) p50, s") { latency(distribution($0.summary).p50) },
        row("\(name) p99, s") { latency(distribution($0.summary).p99) },
      ]
    }
    let all = rows("TTFT", \.ttft) + rows("TPOT", \.tpot) + rows("E2E", \.e2e)
    let classes = LengthClass.allCases.flatMap { lengthClass -> [[String]] in
      let index = lengthClass.rawValue
      guard heat.runs.contains(where: { $0.summary.classes[index].arrived > 0 }) else { return [] }
      let name = lengthClass.name
      return [
        row("\(name): completed of arrived") { run in
          let of = run.summary.classes[index]
          return "\(grouped(of.completed)) of \(grouped(of.arrived))"
        }
      ]
        + rows("\(name): TTFT") { $0.classes[index].ttft }
        + rows("\(name): TPOT") { $0.classes[index].tpot }
        + rows("\(name): E2E") { $0.classes[index].e2e }
    }
    let oneToken = row("one-token outputs (no TPOT)") {
      grouped($0.summary.e2e.count - $0.summary.tpot.count)
    }
    let window =
      heat.runs.contains { $0.result.latencyWindow != nil }
      ? [row("latencies") { $0.result.latencyWindow?.text ?? "of all requests" }] : []
    return window + all + [oneToken, row("worst stall, s") { figure($0.summary.worstStallSeconds) }] + classes
  }

  private var kvRows: [[String]] {
    [
      row("fullest instance") { percent($0.summary.peakUtilisation) },
      row("borrowed blocks, peak") { grouped($0.summary.borrowedBlocksPeak) },
      row("moved blocks") { grouped($0.summary.movedBlocks) },
      row("fingerprint") { $0.summary.fingerprint },
    ]
  }

  private func row(_ name: String, _ cell: (ExecutedRun, RunPlan) -> String) -> [String] {
    [name] + zip(heat.runs, plans).map(cell)
  }

  private func row(_ name: String, _ cell: (ExecutedRun) -> String) -> [String] {
    [name] + heat.runs.map(cell)
  }

  private func ratioRow(_ name: String, _ rate: KeyPath<RunSummary, Double?>) -> [String] {
    [name] + plans.indices.map { heat.ratioText($0, to: baseline, rate) }
  }
}
