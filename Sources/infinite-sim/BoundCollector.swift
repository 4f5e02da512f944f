import Results
import Sim

/// Gathers the completed requests of a run for its bounds. The event loop pays for a copy of three numbers; what the
/// bounds make of them is computed in blocks, mostly after the run, and memory does not grow with the trace.
final class BoundCollector: RunObserver {
  private let plan: RunPlan
  private let arrivalsAreFixed: Bool
  private var waiting: ContiguousArray<Completed> = []
  private var bounds: (asCharged: ThroughputBound, inFull: ThroughputBound)?

  private struct Completed {
    var arrival: Int64
    var prompt, output, preemptions: Int
  }

  private static let blockSize = 1 << 16

  init(_ plan: RunPlan, arrivalsAreFixed: Bool) {
    self.plan = plan
    self.arrivalsAreFixed = arrivalsAreFixed
  }

  func requestEnded(_ record: RequestRecord) {
    guard case .completed = record.outcome else { return }
    waiting.append(
      Completed(
        arrival: record.arrival.picoseconds, prompt: record.prompt, output: record.output,
        preemptions: record.preemptions))
    if waiting.count == Self.blockSize { take() }
  }

  /// The bounds for the requests seen so far; `nil` if none completed.
  var result: BoundResult? {
    take()
    guard let bounds, let asCharged = bounds.asCharged.outputTokensPerSecond,
      let inFull = bounds.inFull.outputTokensPerSecond
    else { return nil }
    return BoundResult(outputTokensPerSecond: asCharged, inFullOutputTokensPerSecond: inFull)
  }

  private func take() {
    guard !waiting.isEmpty else { return }
    var (asCharged, inFull) =
      bounds ?? (plan.bound(.asCharged, arrivalsAreFixed), plan.bound(.inFull, arrivalsAreFixed))
    for r in waiting {
      asCharged.completed(
        arrival: r.arrival, prompt: r.prompt, output: r.output, preemptions: r.preemptions)
      inFull.completed(arrival: r.arrival, prompt: r.prompt, output: r.output, preemptions: r.preemptions)
    }
    waiting.removeAll(keepingCapacity: true)
    bounds = (asCharged, inFull)
  }
}
