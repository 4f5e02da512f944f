import Sim

/// Which instances may lend to a request, and how many blocks each of them gives. `DebtorCreditor` and `Pooled` share it.
struct Creditors {
  /// What each instance can lend, by ascending id: those of the home's own node, and those of other nodes.
  private(set) var near: [LoanPiece] = []
  private(set) var far: [LoanPiece] = []
  /// Those that compute a long prompt of their own.
  private var busy: Set<InstanceID> = []

  /// A creditor has no queue, its memory is less used than u_thr, and its link is fast enough. A request larger than an
  /// instance may borrow from every instance that it can reach.
  init(for ask: LoanRequest, _ lending: LendingOptions, _ cluster: borrowing ClusterView) {
    for index in 0..<cluster.count {
      let host = InstanceID(index)
      let lendable = cluster.lendable(host, for: ask)
      guard host != ask.home, lendable > 0, cluster.reaches(ask.home, host),
        ask.isGiant || Self.mayLend(host, to: ask.home, lending, cluster)
      else { continue }
      if cluster.promptTokens(host) >= lending.spreadFrom { busy.insert(host) }
      let offer = LoanPiece(host: host, blocks: KVBlocks(lendable))
      if cluster.sameNode(ask.home, host) { near.append(offer) } else { far.append(offer) }
    }
  }

  private static func mayLend(
    _ host: InstanceID, to home: InstanceID, _ lending: LendingOptions, _ cluster: borrowing ClusterView
  ) -> Bool {
    let used = cluster.blocksPerInstance.count - cluster.free(host).count
    return (lending.lendWhileQueueing || cluster.queued(host) == 0)
      && used * 100 < lending.creditorUtilisationPercent * cluster.blocksPerInstance.count
      && cluster.linkFits(from: home, to: host)
  }

  // MARK: - For a request that decodes

  /// One chunk from one host, of the own node if possible: the host that already has most of the request, else the freest;
  /// ties go to the lowest id.
  func forGrowth(_ ask: LoanRequest) -> [LoanPiece]? {
    func held(_ host: InstanceID) -> Int { ask.held.first { $0.host == host }?.blocks.count ?? 0 }
    let best = (near.isEmpty ? far : near).min {
      (-held($0.host), -$0.blocks.count, $0.host.index) < (-held($1.host), -$1.blocks.count, $1.host.index)
    }
    return best.map { [LoanPiece(host: $0.host, blocks: min($0.blocks, ask.blocks))] }
  }

  // MARK: - For a prompt

  /// Equal parts for the home and for hosts of its own node. The hosts together get at least what the home lacks. Other nodes
  /// lend only what the own node lacks, as few of their instances as have it in parts no larger than those of the own node.
  ///
  /// A host is left out, as long as the others have what the home lacks, if it computes a long prompt of its own, if its part
  /// would be smaller than `leastPart` tokens, or if sending for its part would take longer than computing it. One that has room
  /// for a small part only is left out also where other nodes have room for large ones: every host is one more to wait for.
  func balanced(_ ask: LoanRequest, leastPart: Int, _ cluster: borrowing ClusterView) -> [LoanPiece]? {
    let lacking = ask.minimum.count
    guard Self.total(near) + Self.total(far) >= lacking else { return nil }
    guard ask.blocks > ask.minimum else {
      let fromNear = min(lacking, Self.total(near))
      return Self.evenly(fromNear, over: near) + Self.evenly(lacking - fromNear, over: far)
    }
    // The home could take more than its part: it keeps at least one block.
    let all = ask.blocks.count + 1
    let elsewhere = Self.total(far.filter { $0.blocks.count * cluster.blockSize >= leastPart })
    var hosts = near
    hosts.sort {
      (busy.contains($0.host) ? 1 : 0, -$0.blocks.count, $0.host.index)
        < (busy.contains($1.host) ? 1 : 0, -$1.blocks.count, $1.host.index)
    }
    while let last = hosts.last {
      let others = Self.total(hosts.dropLast())
      let even = all / (hosts.count + 1)
      let part = min(even, last.blocks.count)
      let tokens = part * cluster.blockSize
      let isSmall = tokens < leastPart
      guard
        others >= lacking
          ? isSmall || busy.contains(last.host)
            || !cluster.isWorthSending(tokens, from: ask.home, to: last.host)
          : isSmall && part < even && others + elsewhere >= lacking
      else { break }
      hosts.removeLast()
    }
    let part = all / (hosts.count + 1)
    let fromNear = min(max(lacking, all - part), Self.total(hosts))
    let missing = max(0, lacking - fromNear)
    let others = Self.fewest(missing, part: part, of: far)
    let pieces = Self.evenly(fromNear, over: hosts) + Self.evenly(missing, over: others)
    return pieces.isEmpty ? nil : pieces
  }

  /// As few offers as have `wanted` blocks with no more than `part` of each, the freest first; all, if they have less.
  private static func fewest(_ wanted: Int, part: Int, of offers: [LoanPiece]) -> [LoanPiece] {
    let freest = offers.sorted { (-$0.blocks.count, $0.host.index) < (-$1.blocks.count, $1.host.index) }
    var found = 0
    var count = 0
    while count < freest.count, found < wanted {
      found += min(part, freest[count].blocks.count)
      count += 1
    }
    return Array(freest.prefix(count))
  }

  /// All that is asked for, the own node first: in proportion to what each can lend, or filling one after another.
  func homeFirst(_ ask: LoanRequest, packs: Bool) -> [LoanPiece]? {
    guard Self.total(near) + Self.total(far) >= ask.blocks.count else { return nil }
    let fromNear = min(ask.blocks.count, Self.total(near))
    let place = packs ? Self.oneAfterAnother : Self.inProportion
    return place(fromNear, near) + place(ask.blocks.count - fromNear, far)
  }

  static func total(_ offers: some Sequence<LoanPiece>) -> Int { offers.reduce(0) { $0 + $1.blocks.count } }

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

  /// By largest remainder, ties to the lowest host.
  private static func inProportion(_ wanted: Int, _ offers: [LoanPiece]) -> [LoanPiece] {
    guard wanted > 0 else { return [] }
    let total = total(offers)
    var shares = offers.map { wanted * $0.blocks.count / total }
    let rest = wanted - shares.reduce(0, +)
    let byRemainder = offers.indices.sorted {
      let a = wanted * offers[$0].blocks.count % total
      let b = wanted * offers[$1].blocks.count % total
      return a != b ? a > b : $0 < $1
    }
    for index in byRemainder.prefix(rest) { shares[index] += 1 }
    return zip(offers, shares).compactMap { offer, share in
      share > 0 ? LoanPiece(host: offer.host, blocks: KVBlocks(share)) : nil
    }
  }

  /// The freest first, ties to the lowest host.
  private static func oneAfterAnother(_ wanted: Int, _ offers: [LoanPiece]) -> [LoanPiece] {
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
}
