import Runs
import Formatting
import Results
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
  var load: LoadJudgement
  /// Requests after which the load would hardly be undecided; `nil` where it is not, and where no number helps.
  var requestsToDecide: Int?
  var steady: SteadyState?
  var arrived: Int
  var completed: Int
  var rejected: [RejectionReason: Int] = [:]
  /// Completed at the end of the context, before all that was asked for.
  var cut: Int
  /// Said if the model's context decided what was served.
  var contextNote: String?
  /// What its costs rest on.
  var basis: BasisMark
  var gpus: Int
  /// At the percentile, in the order of the bounds, seconds.
  var latencies: [Double]
}

/// A rate or a size of cluster, tried on every seed.
struct CapacityTrial: Sendable {
  /// Half of the 95 % interval of the rate in the steady state, over its mean: at most this. A trace has at least so many
  /// requests.
  static let widestHalf = 0.03
  static let fewestRequests = 2_000

  var runs: [CapacityRun]
  var slo: CapacitySLO

  /// A trial passes if every bound holds for the mean over the seeds, every seed is stable or saturated, and every request
  /// of every seed is completed, with all of its output.
  var passes: Bool { objections.isEmpty }

  /// Why it does not pass, one phrase each.
  var objections: [String] { undecided + others }

  /// Whether nothing speaks against it but that some seeds are undecided.
  var isUndecided: Bool { !undecided.isEmpty && others.isEmpty }

  private var undecided: [String] {
    let undecided = runs.filter { $0.load.label == .undecided }
    guard let first = undecided.first else { return [] }
    return ["\(undecided.count) of \(runs.count) seeds \(first.load.text)"]
  }

  private var others: [String] {
    var all: [String] = []
    for label in [LoadLabel.overloaded, .backlog] {
      let count = runs.count { $0.load.label == label }
      if count > 0 { all.append("\(count) of \(runs.count) seeds \(label.rawValue)") }
    }
    let lost = runs.reduce(0) { $0 + $1.arrived - $1.completed }
    if lost > 0 {
      let reasons = RejectionReason.allCases.compactMap { reason in
        let count = runs.reduce(0) { $0 + $1.rejected[reason, default: 0] }
        return count > 0 ? "\(reason.rawValue) \(grouped(count))" : nil
      }
      all.append(
        "\(grouped(lost)) of \(grouped(runs.reduce(0) { $0 + $1.arrived })) requests not completed"
          + (reasons.isEmpty ? "" : " (\(reasons.joined(separator: ", ")))"))
    }
    let cut = runs.reduce(0) { $0 + $1.cut }
    if cut > 0 {
      let arrived = runs.reduce(0) { $0 + $1.arrived }
      all.append("\(grouped(cut)) of \(grouped(arrived)) outputs cut at the context (--max-model-len)")
    }
    for (index, bound) in slo.bounds.enumerated() where mean(index) > bound.seconds {
      all.append("\(bound.name) above \(figure(bound.seconds)) s")
    }
    return all
  }

  /// Requests that a trace needs before this trial says anything; `nil` if it says something.
  var requestsNeeded: Int? {
    let arrived = runs.reduce(0) { $0 + $1.arrived } / runs.count
    // Whatever else fails would fail on a longer trace as well.
    guard others.isEmpty else { return nil }
    if let needed = runs.compactMap(\.load.requestsNeeded).max() { return max(needed, arrived + 1) }
    guard passes, let interval = rate else { return nil }
    let width = interval.halfWidth / interval.mean / Self.widestHalf
    // The width falls as the root of the number; a tenth more, as it is itself an estimate.
    return width > 1 ? Int((Double(arrived) * width * width * 1.1).rounded(.up)) : nil
  }

  /// Requests that each seed would need for the undecided ones to be decided, and has; `nil` where none is undecided, or no
  /// number would help.
  var requestsToDecide: (needed: Int, given: Int)? {
    runs.compactMap(\.requestsToDecide).max().map { ($0, runs.reduce(0) { $0 + $1.arrived } / runs.count) }
  }

  /// Requests completed per second in the steady state, over the seeds; `nil` where some have none.
  var rate: PairedInterval? { steady { $0.requestsPerSecond } }

  /// The mean over the seeds of what the steady state gives, and its interval.
  func steady(_ value: (SteadyState) -> Double?) -> PairedInterval? {
    let values = runs.compactMap { $0.steady.flatMap(value) }
    return values.count == runs.count ? PairedInterval(values) : nil
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
    LoadLabel.allCases.compactMap { label in
      let count = runs.count { $0.load.label == label }
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
    let latencies = try zip(slo.bounds, observer.latencies(from: summary.steady?.from ?? 0)).map {
      bound, latency in
      guard let latency else {
        throw CommandFailure(
          .badData,
          "seed \(seed): none of the \(summary.completed) completed requests has a \(bound.name), which cannot keep a "
            + "bound then: leave the bound out, or give a trace that can be served"
            + (bound.name == "TPOT" ? ", with outputs of more than one token" : ""))
      }
      return latency
    }
    guard let load = summary.load, summary.makespanSeconds != nil else {
      throw CommandFailure(
        .badData,
        summary.completed == 0
          ? "seed \(seed): no request completed, and nothing has no capacity"
          : "seed \(seed): prefill is free and nothing was decoded: no step cost anything, and there is no rate"
      )
    }
    return CapacityRun(
      load: load, requestsToDecide: load.label == .undecided ? observer.backlog.requestsToDecide : nil,
      steady: summary.steady, arrived: summary.arrived, completed: summary.completed,
      rejected: summary.rejectedByReason, cut: summary.cutAtContext, contextNote: summary.contextNote,
      basis: BasisMark(
        costs: plan.basis.costs, unvalidated: plan.unvalidated.count,
        overMeasured: plan.basis.overMeasured(summary.longest)),
      gpus: summary.gpus, latencies: latencies)
  }
}

/// The latencies of the completed requests.
private final class LatencyCollector: RunObserver {
  private typealias Latency = (arrival: Double, seconds: Double)
  private let slo: CapacitySLO
  private(set) var backlog = Backlog()
  private var ttft: [Latency] = []
  private var tpot: [Latency] = []
  private var normalised: [Latency] = []

  init(_ slo: CapacitySLO) { self.slo = slo }

  func requestEnded(_ record: RequestRecord) {
    backlog.add(record)
    guard record.outcome.isServed else { return }
    let arrival = record.arrival.seconds
    if slo.ttft != nil, let ttft = record.ttft { self.ttft.append((arrival, ttft.seconds)) }
    if slo.tpot != nil, let seconds = record.tpotSeconds { tpot.append((arrival, seconds)) }
    if slo.normalised != nil {
      normalised.append((arrival, record.e2e.seconds / Double(record.output)))
    }
  }

  /// In the order of the bounds, `nil` of nothing, of the requests that arrived at `start` seconds or later. Those that end
  /// after the last arrival count as well: without them the long ones would be missing.
  func latencies(from start: Double) -> [Double?] {
    func percentile(_ all: [Latency]) -> Double? {
      self.percentile(all.filter { $0.arrival >= start }.map(\.seconds))
    }
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
