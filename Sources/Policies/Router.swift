import Sim

/// Where a new request is queued; exact at the arrival, ties to the lowest instance (semantics.md 34).
public enum Router: String, Sendable, CaseIterable {
  /// By count of arrivals; of one that is down, the next that is up.
  case roundRobin = "round-robin"
  /// Fewest requests queued and running.
  case leastLoaded = "least-loaded"
  /// The least work: resident tokens, and four times the prompt tokens that are still to be computed, which delay everybody.
  case leastWork = "least-work"
  /// Most free blocks after the prompts already queued.
  case mostFreeKV = "most-free-kv"

  /// The instance for `request`. O(log instances); `least-work` and `most-free-kv` are O(instances) and walk the queues.
  public func choose(_ request: RequestView, _ cluster: borrowing ClusterView) -> InstanceID {
    switch self {
    case .roundRobin:
      var next = InstanceID(request.id.index % cluster.count)
      while !cluster.isUp(next) { next = InstanceID((next.index + 1) % cluster.count) }
      return next
    case .leastLoaded:
      return cluster.leastLoaded
    case .leastWork:
      var (best, least) = (InstanceID(0), Int.max)
      for index in 0..<cluster.count where cluster.isUp(InstanceID(index)) {
        let work = cluster.work(InstanceID(index))
        if work < least { (best, least) = (InstanceID(index), work) }
      }
      return best
    case .mostFreeKV:
      var best = InstanceID(0)
      var most = Int.min
      for index in 0..<cluster.count where cluster.isUp(InstanceID(index)) {
        let free = cluster.freeAfterQueue(InstanceID(index))
        if free > most {
          most = free
          best = InstanceID(index)
        }
      }
      return best
    }
  }
}

extension ClusterView {
  /// What a prompt token to be computed counts beside a resident one (tuned for `pooled`; less loses, 2 to 4 are alike): a
  /// resident one slows every later step a little, the other delays everybody there.
  private static var promptWeight: Int { 4 }

  /// Resident tokens, hosted ones among them, and prompt tokens still to be computed. O(queue).
  func work(_ i: InstanceID) -> Int {
    (blocksPerInstance.count - free(i).count) * blockSize + Self.promptWeight * promptTokens(i)
  }
}
