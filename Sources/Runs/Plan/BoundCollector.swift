import Results
import Sim

/// Gathers the completed requests of a run for its bounds. The event loop pays for a copy of three numbers; what the
/// bounds make of them is computed in blocks, mostly after the run, and memory does not grow with the trace.
package final class BoundCollector: RunObserver {
  private let plan: RunPlan
  private let arrivalsAreFixed: Bool
  /// Not checked for exclusive access: only the loop's thread appends, and the check costs as much.
  @exclusivity(unchecked) private var waiting: ContiguousArray<Completed> = []
  /// As charged, and in full where that is another bound.
  private var bounds: [ThroughputBound] = []

  /// Small, because its pages are touched in the loop. A trace has at most 100,000,000 tokens a request.
  private struct Completed {
    var arrival: Int64
    var prompt, output, preemptions: UInt32
  }

  private static let blockSize = 1 << 16

  package init(_ plan: RunPlan, arrivalsAreFixed: Bool) {
    self.plan = plan
    self.arrivalsAreFixed = arrivalsAreFixed
  }

  package func requestEnded(_ record: RequestRecord) {
    guard record.outcome.isServed else { return }
    if waiting.capacity == 0 { waiting.reserveCapacity(Self.blockSize) }
    waiting.append(
      Completed(
        arrival: record.arrival.picoseconds, prompt: UInt32(record.prompt), output: UInt32(record.output),
        preemptions: UInt32(record.preemptions)))
    if waiting.count == Self.blockSize { take() }
  }

  /// The bounds for the requests seen so far; `nil` if none completed.
  package var result: BoundResult? {
    take()
    let rates = bounds.map(\.outputTokensPerSecond)
    guard let asCharged = rates.first ?? nil, let inFull = rates.last ?? nil else { return nil }
    // What holds as charged holds in full as well.
    return BoundResult(
      outputTokensPerSecond: asCharged, inFullOutputTokensPerSecond: min(asCharged, inFull))
  }

  private func take() {
    guard !waiting.isEmpty else { return }
    if bounds.isEmpty { bounds = plan.bounds(arrivalsAreFixed) }
    for index in bounds.indices {
      for r in waiting {
        bounds[index].completed(
          arrival: r.arrival, prompt: Int(r.prompt), output: Int(r.output), preemptions: Int(r.preemptions))
      }
    }
    waiting.removeAll(keepingCapacity: true)
  }
}
