import Sim

/// Where a new request is queued; exact at the arrival, ties to the lowest instance (semantics.md 34).
public enum Router: String, Sendable, CaseIterable {
  /// By count of arrivals; of one that is down, the next that is up.
  case roundRobin = "round-robin"
  /// Fewest requests queued and running.
  case leastLoaded = "least-loaded"
  /// The least work: tokens in its memory, plus four times the prompt tokens that it has still to compute.
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
  /// A token in memory slows every later step a little; a prompt token still to be computed delays everybody. So it counts
  /// for more. The weight was tuned for `pooled`: 2 to 4 make no difference, less is worse.
  private static var promptWeight: Int { 4 }

  /// Tokens in memory, hosted ones included, plus weighted prompt tokens still to be computed. O(queue).
  func work(_ i: InstanceID) -> Int {
    (blocksPerInstance.count - free(i).count) * blockSize + Self.promptWeight * promptTokens(i)
  }
}
