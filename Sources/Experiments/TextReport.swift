import Runs
import Formatting
import Reporting
import Results
import Sim

/// What `run` prints for a reader.
struct TextReport {
  var plan: RunPlan
  var workload: Workload
  var result: RunResult

  private var summary: RunSummary { result.summary }

  var text: String {
    let sections =
      [
        setUp,
        section("KV cache of one instance", plan.account),
        section("Assumed, and decisive", plan.assumptions),
        section("Costs rest on \(result.mark.text)", basis),
        section("Requests", aligned(requestRows)),
        section("Throughput", aligned(throughputRows)),
        "Latency\(result.latencyWindow.map { ", \($0.text)" } ?? "")\n\n" + latencyTable,
        section("KV cache and context", aligned(kvRows)),
      ] + managerSections + [
        section("Definitions", Definitions.lines),
        "fingerprint \(summary.fingerprint)\nmanifest    \(plan.manifest(workload).hash)\n",
      ]
    return sections.joined(separator: "\n")
  }

  private var setUp: String {
    let rows = [
      ["policy", plan.policy], ["trace", "\(workload.name), \(workload.seedText)"],
      ["model", plan.model], ["hardware", plan.hardware], ["cluster", plan.cluster],
      ["layout", "\(plan.layout) (TP × PP × instances), \(grouped(plan.maxNumSeqs)) sequences per instance"],
    ]
    return aligned(rows).map { $0 + "\n" }.joined()
  }

  private var basis: [String] {
    [BasisMark.legend]
      + result.extrapolations.map { "extrapolated: \($0)" }
      + (result.basis.unvalidated.isEmpty ? ["nothing"] : result.basis.unvalidated).map {
        "unvalidated: \($0)"
      }
  }

  private var requestRows: [[String]] {
    let reasons = RejectionReason.shown(summary).map { "\($0.rawValue) \(summary.rejectedByReason[$0] ?? 0)" }
    return [
      ["arrived", grouped(summary.arrived)],
      ["completed", grouped(summary.completed)],
      ["of these cut at the model's context", grouped(summary.cutAtContext)],
      ["rejected", "\(grouped(summary.rejected)) (\(reasons.joined(separator: ", ")))"],
      ["unfinished", grouped(summary.unfinished)],
      ["preemptions", grouped(summary.preemptions) + chainText],
      ["some request larger than an instance waited for memory", "\(figure(summary.giantReserveSeconds)) s"],
      ["prompt tokens", grouped(summary.promptTokens)],
      ["output tokens", grouped(summary.outputTokens)],
      [
        "recomputed tokens",
        grouped(summary.recomputedTokens) + (summary.isThrashing ? ", more than all that was served" : ""),
      ],
      ["wasted tokens", grouped(summary.wastedTokens)],
    ] + prefixRows + faultRows
  }

  private var chainText: String {
    guard let chain = summary.longestChain, chain > 1 else { return "" }
    return ", of one request at most \(grouped(chain)) in a row with fewer than 16 new tokens between them"
  }

  private var faultRows: [[String]] {
    let faults = summary.faults
    guard faults.faults > 0 else { return [] }
    let causes = RecomputeCause.allCases.map { "\($0.name) \(grouped(faults.recomputedTokens[$0.rawValue]))" }
    return [
      ["faults", "\(grouped(faults.faults)), instances that went down \(grouped(faults.crashes))"],
      ["restarted requests", grouped(faults.restarts)],
      ["recomputed tokens by cause", causes.joined(separator: ", ")],
      ["lent blocks lost", grouped(faults.lentBlocksLost)],
      ["instances down", "\(figure(faults.instanceSecondsDown)) instance-seconds"],
    ]
  }

  private var prefixRows: [[String]] {
    guard summary.prefixAskedTokens > 0 else { return [] }
    let share = Double(summary.prefixHitTokens) / Double(summary.prefixAskedTokens) * 100
    return [
      ["prompt tokens found cached", "\(grouped(summary.prefixHitTokens)) (\(figure(share)) %)"],
      ["prefix units evicted", grouped(summary.evictedUnits)],
    ]
  }

  private var throughputRows: [[String]] {
    [
      ["load", summary.load?.text ?? "–"],
      ["makespan", figure(summary.makespanSeconds, "s") + freeText],
      ["output tokens/s", figure(summary.outputTokensPerSecond)],
      ["bound on output tokens/s", boundText],
      ["output tokens/s per GPU", figure(summary.outputTokensPerSecondPerGPU)],
      ["output tokens/s in the window", figure(summary.windowOutputTokensPerSecond)],
      ["all tokens/s", figure(summary.totalTokensPerSecond)],
      ["requests/s (makespan)", figure(summary.requestsPerSecond)],
      ["requests/s (steady state)", steady { figure($0.requestsPerSecond) }],
      [
        "goodput, requests/s (steady state)",
        hasSLO ? steady { figure($0.goodputRequestsPerSecond) } : "no SLO given",
      ],
      ["output tokens/s (steady state)", steady { figure($0.outputTokensPerSecond) }],
      ["steady state", steady { "from \(figure($0.from)) s to \(figure($0.to)) s, the last arrival" }],
    ]
  }

  private func steady(_ text: (SteadyState) -> String) -> String {
    summary.steady.map(text) ?? Definitions.noSteadyState(summary)
  }

  private var hasSLO: Bool {
    let slo = plan.manifest(workload).slo
    return slo.keys.contains { slo[$0] != .null }
  }

  /// Why there is no makespan though requests completed.
  private var freeText: String {
    guard summary.completed > 0, summary.makespanSeconds == nil else { return "" }
    return " (prefill is free and nothing was decoded: no step cost anything, and there is no rate)"
  }

  private var boundText: String {
    guard let bound = result.bound, let reached = result.boundReached else { return "–" }
    return "\(figure(bound.outputTokensPerSecond)) (\(percent(reached)) of it reached; "
      + "\(figure(bound.inFullOutputTokensPerSecond)) if hosts were charged in full)"
  }

  private var latencyTable: String {
    var rows = [["seconds", "requests", "mean", "p50", "p90", "p99", "max"]]
    func add(_ name: String, _ d: Distribution) {
      rows.append([name, grouped(d.count)] + [d.mean, d.p50, d.p90, d.p99, d.max].map(latency))
    }
    add("TTFT", summary.ttft)
    add("TPOT", summary.tpot)
    add("E2E", summary.e2e)
    for lengthClass in LengthClass.allCases {
      let of = summary.classes[lengthClass.rawValue]
      guard of.arrived > 0 else { continue }
      add("TTFT, \(lengthClass.name)", of.ttft)
      add("TPOT, \(lengthClass.name)", of.tpot)
      add("E2E, \(lengthClass.name)", of.e2e)
    }
    return markdownTable(rows) + "\nworst stall \(figure(summary.worstStallSeconds, "s")); "
      + "\(grouped(summary.e2e.count - summary.tpot.count)) one-token outputs have no TPOT\n"
  }

  private var kvRows: [[String]] {
    [
      ["blocks per instance", grouped(summary.blocksPerInstance)],
      ["fullest instance", percent(summary.peakUtilisation)],
      ["borrowed blocks, peak", grouped(summary.borrowedBlocksPeak)],
      ["moved blocks", grouped(summary.movedBlocks)],
      ["max context", "\(grouped(summary.maxContextTokens)) tokens"],
      [
        "TTFT of that prompt",
        figure(result.maxContextTTFTSeconds, "s")
          + (result.maxContextOverMeasured.map {
            ", extrapolated: it is \(figure($0)) times as long as the longest measured"
          } ?? ""),
      ],
    ]
  }

  /// Nothing if nobody sent a message.
  private var managerSections: [String] {
    let m = summary.managers
    guard m.sent > 0 else { return [] }
    func row(_ name: String, _ kinds: [(ProtocolRecord.Kind, String)]) -> [String] {
      [name, kinds.map { "\(grouped(m[$0.0])) \($0.1)" }.joined(separator: ", ")]
    }
    var rows = [
      [
        "messages",
        "\(grouped(m.sent)), \(grouped(m.lost)) lost, \(grouped(m.duplicated)) doubled, \(grouped(m.reordered)) held back",
      ],
      row(
        "moves",
        [
          (.ordered, "ordered"), (.stale, "stale"), (.refused, "refused"), (.started, "started"),
          (.landed, "landed"), (.aborted, "aborted"),
        ]),
      row("reservations", [(.reserved, "made"), (.released, "released"), (.expired, "expired")]),
      row("tries", [(.timedOut, "timed out"), (.cancelled, "given up"), (.late, "answered late")]),
    ]
    if m[.managerDown] > 0 { rows.append(["gManager crashes", grouped(m[.managerDown])]) }
    return [section("Managers", aligned(rows))]
  }

  private func section(_ title: String, _ lines: [String]) -> String {
    "\(title)\n" + lines.map { "  \($0)\n" }.joined()
  }

  private func aligned(_ rows: [[String]]) -> [String] {
    let width = rows.map { $0[0].count }.max() ?? 0
    return rows.map { $0[0] + String(repeating: " ", count: width + 2 - $0[0].count) + $0[1] }
  }
}

extension Workload {
  /// "the trace as it is" or which redraw, in words.
  var seedText: String {
    (seed == 0
      ? "\(grouped(requests)) requests as \(isGenerated ? "generated" : "recorded") (seed 0)"
        + (times.map { ", times: \($0)" } ?? "")
      : "\(grouped(requests)) requests redrawn (seed \(seed))")
      + changes.map { ", \($0)" }.joined()
  }
}

extension RejectionReason {
  /// The reasons that a table has a place for: all but that of faults, which is there if it occurred.
  static func shown(_ summaries: RunSummary...) -> [RejectionReason] { shown(summaries) }

  static func shown(_ summaries: [RunSummary]) -> [RejectionReason] {
    allCases.filter { reason in
      reason != .noLiveInstance || summaries.contains { $0.rejectedByReason[reason, default: 0] > 0 }
    }
  }
}
