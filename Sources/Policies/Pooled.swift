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
  /// What a prompt token to be computed counts beside a resident one (tuned; less loses, 2 to 4 are alike).
  private static let promptWeight = 4
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
      // A resident token slows every later step a little; a prompt token still to be computed delays everybody there.
      let committed =
        (cluster.blocksPerInstance.count - free) * cluster.blockSize
        + Self.promptWeight * cluster.promptTokens(i)
      let key = (committed, -free)
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
    var near: [LoanPiece] = []
    var far: [LoanPiece] = []
    for index in 0..<cluster.count {
      let host = InstanceID(index)
      let room = cluster.free(host).count - cluster.watermark.count
      guard host != ask.home, room > 0, cluster.reaches(ask.home, host), mayLend(host, for: ask, cluster)
      else { continue }
      let offer = LoanPiece(host: host, blocks: KVBlocks(room))
      if cluster.sameNode(ask.home, host) { near.append(offer) } else { far.append(offer) }
    }
    if ask.isGrowth { return growth(ask, among: near.isEmpty ? far : near) }
    // 4. An even share for each of the node, or what is lacking, whichever is more.
    let total = ask.blocks.count
    let isSpread = ask.blocks > ask.minimum
    // The roomiest, so many that each has a share worth the messages, and enough for what is lacking.
    if isSpread {
      near.sort { (-$0.blocks.count, $0.host.index) < (-$1.blocks.count, $1.host.index) }
      let most = max(1, (total + 1) * cluster.blockSize / shareFrom - 1)
      while near.count > most,
        near.dropLast().reduce(0, { $0 + $1.blocks.count }) >= ask.minimum.count
      {
        near.removeLast()
      }
    }
    let nearRoom = near.reduce(0) { $0 + $1.blocks.count }
    let even = isSpread ? total - total / (near.count + 1) : total
    let wanted = max(ask.minimum.count, even)
    let fromNear = min(wanted, nearRoom)
    var pieces = Self.evenly(fromNear, over: near)
    // 5.
    let lacking = ask.minimum.count - fromNear
    if lacking > 0 {
      let tokens = ask.request.prompt.count + ask.request.generated.count
      let whole = (tokens + cluster.blockSize - 1) / cluster.blockSize
      if nodeFirst, nodeBlocks(ask.home, cluster) >= whole { return nil }
      guard far.reduce(0, { $0 + $1.blocks.count }) >= lacking else { return nil }
      pieces += Self.evenly(lacking, over: far)
    }
    return pieces.isEmpty ? nil : pieces
  }

  private func mayLend(_ host: InstanceID, for ask: LoanRequest, _ cluster: borrowing ClusterView) -> Bool {
    if ask.isGiant { return true }
    let used = cluster.blocksPerInstance.count - cluster.free(host).count
    return (lending.lendWhileQueueing || cluster.queued(host) == 0)
      && used * 100 < lending.creditorUtilisationPercent * cluster.blocksPerInstance.count
      && cluster.linkFits(from: ask.home, to: host)
  }

  /// Blocks of all instances of a node, watermarks kept free.
  private func nodeBlocks(_ home: InstanceID, _ cluster: borrowing ClusterView) -> Int {
    var blocks = 0
    for index in 0..<cluster.count where cluster.sameNode(home, InstanceID(index)) {
      blocks += max(0, cluster.capacity(InstanceID(index)).count - cluster.watermark.count)
    }
    return blocks
  }

  /// The host that has most of the request, else the freest, ties to the lowest.
  private func growth(_ ask: LoanRequest, among offers: [LoanPiece]) -> [LoanPiece]? {
    func held(_ host: InstanceID) -> Int { ask.held.first { $0.host == host }?.blocks.count ?? 0 }
    let best = offers.min {
      (-held($0.host), -$0.blocks.count, $0.host.index) < (-held($1.host), -$1.blocks.count, $1.host.index)
    }
    return best.map { [LoanPiece(host: $0.host, blocks: min($0.blocks, ask.blocks))] }
  }

  /// Equal shares, as far as each has room: the least roomy first, so that what it cannot take is shared by the others.
  private static func evenly(_ wanted: Int, over offers: [LoanPiece]) -> [LoanPiece] {
    var left = wanted
    var pieces: [LoanPiece] = []
    let ordered = offers.sorted { ($0.blocks.count, $0.host.index) < ($1.blocks.count, $1.host.index) }
    for (index, offer) in ordered.enumerated() where left > 0 {
      let others = ordered.count - index
      let share = min(offer.blocks.count, (left + others - 1) / others)
      pieces.append(LoanPiece(host: offer.host, blocks: KVBlocks(share)))
      left -= share
    }
    return pieces
  }

  // MARK: - Planning

  public func plan(_ map: borrowing PlacementMap) -> [MoveOrder] { planner.plan(map) }

  public func forgetPlans() { planner = GreedyPlanner(options: lending) }
}
