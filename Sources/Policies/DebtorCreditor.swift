import Sim

/// Infinite-LLM: DistAttention execution with Debtor-Creditor greedy scheduling (arXiv 2401.02669, Algorithm 1).
///
/// The instances are those of vLLM-M, but a request's KV blocks may lie on any of them:
///
/// - *routing* (`route`): a long prompt goes to the node with the least work, since all instances of the node will compute it;
/// - *borrowing* (`lend`): an instance that is full borrows blocks for a prompt or for a running request, from its
///   own node first; a creditor has no queue of its own and is less used than u_thr. A long prompt is shared out over its
///   node even if its home could hold it;
/// - *planning* (`plan`), once a period, from the gManager's map:
///   1. Debtors are the instances whose batch is smaller than β_thr, by ascending batch.
///   2. Creditors are those whose memory utilisation is below u_thr, by ascending utilisation.
///   3. For each debtor take its longest request and the creditor with the most free memory.
///   4. Try every number of blocks at which the debtor could admit one more waiting request (and the most that can
///      be moved), and keep the one with the best gain in the pair's summed throughput, TPS = β / T(β, ΣS).
///   5. If it gains, record the move and go on; stop when nothing gains.
///
/// What the published notes leave open is pinned in semantics.md 16–26 and in `docs/decisions`.
public final class DebtorCreditor: SchedulingPolicy {
  public let name = "debtor-creditor"
  public let lending: LendingOptions
  public let steals: Bool
  private let router: Router
  private let shareFrom: Int
  private var planner: GreedyPlanner

  /// - Parameter shareFrom: the fewest tokens of a spread prompt that a host is given.
  public init(router: Router, lending: LendingOptions, steals: Bool = false, shareFrom: Int = 8192) {
    self.shareFrom = shareFrom
    self.router = router
    self.lending = lending
    self.steals = steals
    planner = GreedyPlanner(options: lending)
  }

  public func route(_ request: RequestView, _ cluster: borrowing ClusterView) -> InstanceID {
    if router == .leastWork, request.prompt.count >= lending.spreadFrom { return homeOfSpread(cluster) }
    return router.choose(request, cluster)
  }

  /// The home of a long prompt. All of its node will work on it, so the node with the least work is chosen first; in that
  /// node an instance that computes no other prompt, if there is one, and among those the one with the least work.
  private func homeOfSpread(_ cluster: borrowing ClusterView) -> InstanceID {
    var (best, least) = (InstanceID(0), (Int.max, 1, Int.max))
    for index in 0..<cluster.count where cluster.isUp(InstanceID(index)) {
      let i = InstanceID(index)
      var node = 0
      for other in 0..<cluster.count where cluster.sameNode(i, InstanceID(other)) {
        node += cluster.work(InstanceID(other))
      }
      let key = (node, cluster.promptTokens(i) > 0 ? 1 : 0, cluster.work(i))
      if key < least { (best, least) = (i, key) }
    }
    return best
  }

  // MARK: - Borrowing

  public func lend(_ ask: LoanRequest, _ cluster: borrowing ClusterView) -> [LoanPiece]? {
    let creditors = Creditors(for: ask, lending, cluster)
    if ask.isGrowth { return creditors.forGrowth(ask) }
    switch lending.placement {
    case .balanced: return creditors.balanced(ask, leastPart: shareFrom, cluster)
    case .homeFirst: return creditors.homeFirst(ask, packs: false)
    case .pack: return creditors.homeFirst(ask, packs: true)
    }
  }

  // MARK: - Planning

  public func plan(_ map: borrowing PlacementMap) -> [MoveOrder] { planner.plan(map) }

  public func forgetPlans() { planner = GreedyPlanner(options: lending) }
}
