import Runs
import Formatting
import Sim
import Studies

/// What a run must keep: every given bound, at the percentile.
struct CapacitySLO: Sendable {
  /// Seconds to the first token.
  var ttft: Double?
  /// Seconds per output token after the first.
  var tpot: Double?
  /// Seconds from arrival to end, over output tokens.
  var normalised: Double?
  /// 1 to 100, nearest rank over the completed requests.
  var percentile: Double

  /// The given bounds with the words for them.
  var bounds: [(name: String, seconds: Double)] {
    [("TTFT", ttft), ("TPOT", tpot), ("normalised latency", normalised)]
      .compactMap { name, bound in bound.map { (name, $0) } }
  }
}

/// One run of a trial.
struct CapacityRun: Sendable {
  var load: LoadLabel
  var arrived: Int
  var completed: Int
  var makespanSeconds: Double
  var outputTokens: Int
  var totalTokens: Int
  var outputTokensPerSecond: Double
  var gpus: Int
  /// At the percentile, in the order of the bounds, seconds.
  var latencies: [Double]
}

/// A rate or a size of cluster, tried on every seed.
struct CapacityTrial: Sendable {
  var runs: [CapacityRun]
  var slo: CapacitySLO

  /// A trial passes if every bound holds for the mean over the seeds, no seed is overloaded and every request of
  /// every seed is completed.
  var passes: Bool { objections.isEmpty }

  /// Why it does not pass, one phrase each.
  var objections: [String] {
    var all: [String] = []
    let overloaded = runs.count { $0.load == .overloaded }
    if overloaded > 0 { all.append("\(overloaded) of \(runs.count) seeds overloaded") }
    let lost = runs.reduce(0) { $0 + $1.arrived - $1.completed }
    if lost > 0 { all.append("\(grouped(lost)) requests not completed") }
    for (index, bound) in slo.bounds.enumerated() where mean(index) > bound.seconds {
      all.append("\(bound.name) above \(figure(bound.seconds)) s")
    }
    return all
  }

  /// The mean over the seeds of the latency of a bound.
  func mean(_ index: Int) -> Double { mean { $0.latencies[index] } }

  func mean(_ value: (CapacityRun) -> Double) -> Double {
    runs.reduce(0) { $0 + value($1) } / Double(runs.count)
  }

  /// "1.234 ± 0.056".
  func text(_ index: Int) -> String {
    let half = PairedInterval(runs.map { $0.latencies[index] })?.halfWidth
    return figure(mean(index)) + (half.map { " ± \(figure($0))" } ?? "")
  }

  /// "5 stable" or "3 stable, 2 overloaded".
  var loads: String {
    [LoadLabel.stable, .saturated, .overloaded].compactMap { label in
      let count = runs.count { $0.load == label }
      return count > 0 ? "\(count) \(label.rawValue)" : nil
    }
    .joined(separator: ", ")
  }
}

extension RunJob {
  /// Runs it and measures what the bounds are about.
  func capacityRun(_ slo: CapacitySLO, scope: LayoutScope) throws -> CapacityRun {
    let observer = LatencyCollector(slo)
    let workload = try workload()
    let plan = try plan(scope) { workload.longest }
    let summary = try plan.simulate(try workload.open(), observer, nil)
    let latencies = try zip(slo.bounds, observer.latencies).map { bound, latency in
      guard let latency else {
        throw CommandFailure(
          .badData,
          "seed \(seed): none of the \(summary.completed) completed requests has a \(bound.name), which cannot keep a "
            + "bound then: leave the bound out, or give a trace that can be served"
            + (bound.name == "TPOT" ? ", with outputs of more than one token" : ""))
      }
      return latency
    }
    guard let load = summary.load, let makespan = summary.makespanSeconds,
      let rate = summary.outputTokensPerSecond
    else {
      throw CommandFailure(
        .badData,
        summary.completed == 0
          ? "seed \(seed): no request completed, and nothing has no capacity"
          : "seed \(seed): prefill is free and nothing was decoded: no step cost anything, and there is no rate"
      )
    }
    return CapacityRun(
      load: load, arrived: summary.arrived, completed: summary.completed, makespanSeconds: makespan,
      outputTokens: summary.outputTokens, totalTokens: summary.outputTokens + summary.promptTokens,
      outputTokensPerSecond: rate, gpus: summary.gpus, latencies: latencies)
  }
}

/// The latencies of the completed requests.
private final class LatencyCollector: RunObserver {
  private let slo: CapacitySLO
  private var ttft: [Double] = []
  private var tpot: [Double] = []
  private var normalised: [Double] = []

  init(_ slo: CapacitySLO) { self.slo = slo }

  func requestEnded(_ record: RequestRecord) {
    guard record.outcome == .completed else { return }
    if slo.ttft != nil, let ttft = record.ttft { self.ttft.append(ttft.seconds) }
    if slo.tpot != nil, let seconds = record.tpotSeconds { tpot.append(seconds) }
    if slo.normalised != nil {
      normalised.append(record.e2e.seconds / Double(record.output))
    }
  }

  /// In the order of the bounds; `nil` of nothing.
  var latencies: [Double?] {
    var all: [Double?] = []
    if slo.ttft != nil { all.append(percentile(ttft)) }
    if slo.tpot != nil { all.append(percentile(tpot)) }
    if slo.normalised != nil { all.append(percentile(normalised)) }
    return all
  }

  /// By nearest rank; `nil` of nothing.
  private func percentile(_ values: [Double]) -> Double? {
    guard !values.isEmpty else { return nil }
    let rank = (slo.percentile / 100 * Double(values.count)).rounded(.up)
    return values.sorted()[min(max(Int(rank), 1), values.count) - 1]
  }
}
