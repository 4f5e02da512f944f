import Sim

/// Infinite-LLM: DistAttention execution with Debtor-Creditor greedy scheduling (arXiv 2401.02669, Algorithm 1).
///
/// The instances are those of vLLM-M, but a request's KV blocks may lie on any of them:
///
/// - *borrowing* (`lend`): an instance that is full borrows blocks for a prompt or for a running request, from its
///   own node first; a creditor has no queue of its own and is less used than u_thr;
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
  private var planner: GreedyPlanner

  public init(router: Router, lending: LendingOptions, steals: Bool = false) {
    self.router = router
    self.lending = lending
    self.steals = steals
    planner = GreedyPlanner(options: lending)
  }

  public func route(_ request: RequestView, _ cluster: borrowing ClusterView) -> InstanceID {
    router.choose(request, cluster)
  }

  // MARK: - Borrowing

  /// Own node first; other nodes only if the own node alone cannot serve it. A request larger than an instance
  /// may borrow from everybody, over any link, whatever the queues and the utilisation.
  public func lend(_ ask: LoanRequest, _ cluster: borrowing ClusterView) -> [LoanPiece]? {
    var near: [LoanPiece] = []
    var far: [LoanPiece] = []
    for index in 0..<cluster.count {
      let host = InstanceID(index)
      let free = cluster.free(host)
      guard host != ask.home, free > cluster.watermark, cluster.reaches(ask.home, host),
        mayLend(host, for: ask, free: free, cluster)
      else {
        continue
      }
      let offer = LoanPiece(host: host, blocks: free - cluster.watermark)
      if cluster.sameNode(ask.home, host) { near.append(offer) } else { far.append(offer) }
    }
    // Growth takes one chunk from one host; a prompt fills the own node and puts only the rest elsewhere.
    if ask.isGrowth { return growth(ask, among: near.isEmpty ? far : near) }
    let nearTotal = near.reduce(0) { $0 + $1.blocks.count }
    let farTotal = far.reduce(0) { $0 + $1.blocks.count }
    guard nearTotal + farTotal >= ask.blocks.count else { return nil }
    let nearShare = min(ask.blocks.count, nearTotal)
    return place(nearShare, over: near, total: nearTotal)
      + place(ask.blocks.count - nearShare, over: far, total: farTotal)
  }

  private func mayLend(
    _ host: InstanceID, for ask: LoanRequest, free: KVBlocks, _ cluster: borrowing ClusterView
  ) -> Bool {
    if ask.isGiant { return true }
    let used = cluster.blocksPerInstance.count - free.count
    return (lending.lendWhileQueueing || cluster.queued(host) == 0)
      && used * 100 < lending.creditorUtilisationPercent * cluster.blocksPerInstance.count
      && cluster.linkFits(from: ask.home, to: host)
  }

  /// The host that has most of the request, else the freest, ties to the lowest.
  private func growth(_ ask: LoanRequest, among offers: [LoanPiece]) -> [LoanPiece]? {
    func held(_ host: InstanceID) -> Int { ask.held.first { $0.host == host }?.blocks.count ?? 0 }
    let best = offers.min {
      (-held($0.host), -$0.blocks.count, $0.host.index) < (-held($1.host), -$1.blocks.count, $1.host.index)
    }
    return best.map { [LoanPiece(host: $0.host, blocks: min($0.blocks, ask.blocks))] }
  }

  private func place(_ wanted: Int, over offers: [LoanPiece], total: Int) -> [LoanPiece] {
    guard wanted > 0 else { return [] }
    switch lending.placement {
    case .spread: return inProportion(wanted, offers, total: total)
    case .pack: return oneAfterAnother(wanted, offers)
    }
  }

  /// By largest remainder, ties to the lowest host.
  private func inProportion(_ wanted: Int, _ offers: [LoanPiece], total: Int) -> [LoanPiece] {
    let ordered = offers.sorted { $0.host < $1.host }
    var shares = ordered.map { wanted * $0.blocks.count / total }
    let rest = wanted - shares.reduce(0, +)
    let byRemainder = ordered.indices.sorted {
      let a = wanted * ordered[$0].blocks.count % total
      let b = wanted * ordered[$1].blocks.count % total
      return a != b ? a > b : $0 < $1
    }
    for index in byRemainder.prefix(rest) { shares[index] += 1 }
    return zip(ordered, shares).compactMap { offer, share in
      share > 0 ? LoanPiece(host: offer.host, blocks: KVBlocks(share)) : nil
    }
  }

  /// The freest first, ties to the lowest host.
  private func oneAfterAnother(_ wanted: Int, _ offers: [LoanPiece]) -> [LoanPiece] {
    var left = wanted
    var pieces: [LoanPiece] = []
    let freest = offers.sorted { (-$0.blocks.count, $0.host.index) < (-$1.blocks.count, $1.host.index) }
    for offer in freest where left > 0 {
      let taken = min(left, offer.blocks.count)
      pieces.append(LoanPiece(host: offer.host, blocks: KVBlocks(taken)))
      left -= taken
    }
    return pieces
  }

  // MARK: - Planning

  public func plan(_ map: borrowing PlacementMap) -> [MoveOrder] { planner.plan(map) }

  public func forgetPlans() { planner = GreedyPlanner(options: lending) }
}
