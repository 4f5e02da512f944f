import Sim

/// Where a new request is queued; exact at the arrival, ties to the lowest instance (semantics.md 34).
public enum Router: String, Sendable, CaseIterable {
  /// By count of arrivals; of one that is down, the next that is up.
  case roundRobin = "round-robin"
  /// Fewest requests queued and running.
  case leastLoaded = "least-loaded"
  /// Most free blocks after the prompts already queued.
  case mostFreeKV = "most-free-kv"

  /// The instance for `request`. O(log instances); `most-free-kv` is O(instances) and walks the queues.
  public func choose(_ request: RequestView, _ cluster: borrowing ClusterView) -> InstanceID {
    switch self {
    case .roundRobin:
      var next = InstanceID(request.id.index % cluster.count)
      while !cluster.isUp(next) { next = InstanceID((next.index + 1) % cluster.count) }
      return next
    case .leastLoaded:
      return cluster.leastLoaded
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
