import Sim

/// vLLM-M, the paper's first baseline: many small instances, each with its own copy of the weights, and a router.
///
/// Nothing is shared between instances: a request lives and dies where the router put it, and one that is larger
/// than an instance is rejected.
public final class VLLMMultiple: SchedulingPolicy {
  public let name: String
  public let steals: Bool
  private let router: Router

  /// - Parameter name: another for instances that are sized in another way.
  public init(router: Router, steals: Bool = false, name: String = "vllm-m") {
    self.name = name
    self.router = router
    self.steals = steals
  }

  public func route(_ request: RequestView, _ cluster: borrowing ClusterView) -> InstanceID {
    router.choose(request, cluster)
  }
}
