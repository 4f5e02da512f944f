import Sim

/// A policy that asks another: for those who watch what it is asked and what it answers.
open class ForwardingPolicy: SchedulingPolicy {
  private let policy: any SchedulingPolicy

  public init(_ policy: any SchedulingPolicy) { self.policy = policy }

  public var name: String { policy.name }
  public var lending: LendingOptions { policy.lending }
  public var steals: Bool { policy.steals }
  open func route(_ request: RequestView, _ cluster: borrowing ClusterView) -> InstanceID {
    policy.route(request, cluster)
  }
  open func lend(_ ask: LoanRequest, _ cluster: borrowing ClusterView) -> [LoanPiece]? {
    policy.lend(ask, cluster)
  }
  open func plan(_ map: borrowing PlacementMap) -> [MoveOrder] { policy.plan(map) }
  open func forgetPlans() { policy.forgetPlans() }
}
