import Sim

/// Small instances that share one queue and one memory: a policy of our own.
///
/// 1. *Route.* A request goes where it can start at once: an instance that has no queue, a free slot and memory for it;
///    of those the one with the fewest prompt tokens to compute, then the freest, then the lowest.
/// 2. A short one that can start nowhere joins the longest queue of short ones, from which any instance takes the head
///    as soon as it has room (stealing): the pool has one queue in effect, and nobody has chosen too early.
/// 3. A long prompt (from `spreadFrom` tokens) that can start nowhere waits as head of a queue of its own: at the instance
///    with the fewest prompt tokens, then the freest, then the lowest.
/// 4. *Spread.* When a long prompt starts, its blocks are shared out evenly over its home and the instances of its own node
///    that have room and whose link keeps up: they compute their part of its attention, at prefill and at every decode step.
/// 5. *Lend.* What a home cannot hold comes from its node first; from other nodes only if the node cannot.
///    A creditor has no queue and is less used than u_thr; a request larger than an instance may borrow from everybody.
/// 6. *Plan.* With `lending=proactive` the planner of Debtor-Creditor moves what pays, and calls home what crowds a host.
///
/// Each step is an option, so that an ablation can say what it earns (docs/pooled.md).
public final class Pooled: SchedulingPolicy {
  public let name = "pooled"
  public let lending: LendingOptions
  public let steals: Bool
  private let router: Router?
  private let nodeFirst: Bool
  private let shareFrom: Int
  private var planner: GreedyPlanner

  /// - Parameter router: instead of steps 1 to 3, if given.
  public init(
    lending: LendingOptions, steals: Bool = true, router: Router? = nil, nodeFirst: Bool = true,
    shareFrom: Int = 8192
  ) {
    self.shareFrom = shareFrom
    self.nodeFirst = nodeFirst
    self.lending = lending
    planner = GreedyPlanner(options: lending)
    self.steals = steals
    self.router = router
  }

  // MARK: - Routing

  public func route(_ request: RequestView, _ cluster: borrowing ClusterView) -> InstanceID {
    if let router { return router.choose(request, cluster) }
    let isLong = request.prompt.count >= lending.spreadFrom
    let need = (request.prompt.count + cluster.blockSize - 1) / cluster.blockSize
    var (start, startKey) = (InstanceID(0), (Int.max, Int.max))
    var (room, longest) = (InstanceID(0), 0)
    var (quiet, quietKey) = (InstanceID(0), (Int.max, Int.max))
    for index in 0..<cluster.count where cluster.isUp(InstanceID(index)) {
      let i = InstanceID(index)
      let queued = cluster.queued(i)
      let free = cluster.free(i).count
      let key = (cluster.work(i), -free)
      if queued == 0, cluster.running(i) < cluster.mostSequences, free - need >= cluster.watermark.count,
        key < startKey
      {
        (start, startKey) = (i, key)
      }
      if queued > longest { (room, longest) = (i, queued) }
      if key < quietKey { (quiet, quietKey) = (i, key) }
    }
    // 1.
    if startKey.0 < .max { return start }
    // 2.
    if !isLong, longest > 0 { return room }
    // 3.
    return quiet
  }

  // MARK: - Lending

  public func lend(_ ask: LoanRequest, _ cluster: borrowing ClusterView) -> [LoanPiece]? {
    let creditors = Creditors(for: ask, lending, cluster)
    if ask.isGrowth { return creditors.forGrowth(ask) }
    // 5.
    if Creditors.total(creditors.near) < ask.minimum.count, waitsForNode(ask, cluster) { return nil }
    // 4.
    return creditors.balanced(ask, leastPart: shareFrom, cluster)
  }

  public func lends(_ host: InstanceID, to ask: LoanRequest, _ cluster: borrowing ClusterView) -> Bool {
    cluster.sameNode(ask.home, host) || !waitsForNode(ask, cluster)
  }

  /// Whether a prompt's node could hold it, so that it does not go elsewhere.
  private func waitsForNode(_ ask: LoanRequest, _ cluster: borrowing ClusterView) -> Bool {
    nodeFirst && nodeBlocks(ask.home, cluster) >= ask.whole.count
  }

  /// Blocks of all instances of a node, watermarks kept free.
  private func nodeBlocks(_ home: InstanceID, _ cluster: borrowing ClusterView) -> Int {
    var blocks = 0
    for index in 0..<cluster.count where cluster.sameNode(home, InstanceID(index)) {
      blocks += max(0, cluster.capacity(InstanceID(index)).count - cluster.watermark.count)
    }
    return blocks
  }

  // MARK: - Planning

  public func plan(_ map: borrowing PlacementMap) -> [MoveOrder] { planner.plan(map) }

  public func forgetPlans() { planner = GreedyPlanner(options: lending) }
}
