import Results
import Sim

/// The latencies of the requests within a window: what they are of all others, the engine's summary says.
package final class WindowedLatencies: RunObserver {
  private let window: LatencyWindow
  private let requests: Int
  private var served: [Served] = []
  private var lastArrival: Int64 = 0

  /// Times in picoseconds.
  private struct Served {
    var id: Int
    var arrival, ttft, e2e: Int64
    /// `nil` of a single token.
    var tpot: Int64?
    var lengthClass: Int
  }

  /// Of a run of so many requests.
  package init(_ window: LatencyWindow, requests: Int) { (self.window, self.requests) = (window, requests) }

  package func requestEnded(_ record: RequestRecord) {
    lastArrival = max(lastArrival, record.arrival.picoseconds)
    guard record.outcome.isServed, let firstToken = record.firstToken else { return }
    served.append(
      Served(
        id: record.id.index, arrival: record.arrival.picoseconds,
        ttft: (firstToken - record.arrival).picoseconds, e2e: record.e2e.picoseconds,
        tpot: record.output > 1
          ? (record.ended - firstToken).picoseconds / Int64(record.output - 1) : nil,
        lengthClass: LengthClass(totalTokens: record.prompt + record.output).rawValue))
  }

  /// Puts them in place of those of all requests.
  package func replace(in summary: inout RunSummary) {
    let counted = served.filter(counts)
    func set(_ all: [Served]) -> (ttft: Distribution, tpot: Distribution, e2e: Distribution) {
      (
        Self.distribution(all.map(\.ttft)), Self.distribution(all.compactMap(\.tpot)),
        Self.distribution(all.map(\.e2e))
      )
    }
    (summary.ttft, summary.tpot, summary.e2e) = set(counted)
    for index in summary.classes.indices {
      let latencies = set(counted.filter { $0.lengthClass == index })
      (summary.classes[index].ttft, summary.classes[index].tpot, summary.classes[index].e2e) = latencies
    }
  }

  private func counts(_ request: Served) -> Bool {
    let isPastStart =
      switch window.warmup {
      case .requests(let count): request.id >= count
      case .seconds(let seconds): Double(request.arrival) >= seconds * 1e12
      case nil: true
      }
    let isBeforeEnd =
      switch window.cutoff {
      case .requests(let count): request.id < requests - count
      case .seconds(let seconds): Double(request.arrival) <= Double(lastArrival) - seconds * 1e12
      case nil: true
      }
    return isPastStart && isBeforeEnd
  }

  /// By nearest rank, as the engine's histograms have it, but exactly.
  private static func distribution(_ picoseconds: [Int64]) -> Distribution {
    guard !picoseconds.isEmpty else { return Distribution() }
    let sorted = picoseconds.sorted()
    func percentile(_ permille: Int) -> Double {
      Double(sorted[max(1, (sorted.count * permille + 999) / 1000) - 1]) * 1e-12
    }
    let sum = sorted.reduce(Int128(0)) { $0 + Int128($1) }
    return Distribution(
      count: sorted.count, mean: Double(sum) / Double(sorted.count) * 1e-12, p50: percentile(500),
      p90: percentile(900), p99: percentile(990), max: Double(sorted[sorted.count - 1]) * 1e-12)
  }
}

extension Workload {
  /// What gathers the latencies of a run of it, where not all requests count in them.
  package func windowedLatencies() -> WindowedLatencies? {
    latencyWindow.map { WindowedLatencies($0, requests: requests) }
  }
}
