import Sim

/// Which instances are debtors and creditors, and since when: a role is kept until the loans behind it are gone
/// or `cooldown` periods have passed, so that blocks do not travel to and fro (semantics.md 26).
struct PlannerRoles {
  enum Role { case none, debtor, creditor }
  private var roles: [Role] = []
  private var since: [SimTime] = []

  mutating func prepare(count: Int) {
    if roles.count != count {
      roles = Array(repeating: .none, count: count)
      since = Array(repeating: .zero, count: count)
    }
  }

  mutating func release(_ i: Int, at now: SimTime, hasLoans: Bool, cooldown: SimDuration) {
    if !hasLoans || now - since[i] >= cooldown { roles[i] = .none }
  }

  mutating func assign(_ i: Int, _ role: Role, at now: SimTime) {
    if roles[i] != role { since[i] = now }
    roles[i] = role
  }

  func hasRole(_ i: Int) -> Bool { roles[i] != .none }
  func mayBeDebtor(_ i: Int) -> Bool { roles[i] != .creditor }
  func mayBeCreditor(_ i: Int) -> Bool { roles[i] != .debtor }
}

/// Algorithm 1 over the gManager's map, a round at a time; what lasts between rounds is the roles.
///
/// A round costs O(instances · log instances), for each debtor the part of its queue that could be admitted and those of its
/// batch (smaller than β_thr) that are about as long as the longest, and the loans of crowded hosts; requests beyond those cost
/// nothing.
struct GreedyPlanner {
  private let options: LendingOptions
  private var roles = PlannerRoles()

  // What a round knows, kept from round to round for its room. Moves recorded in the round count as done.
  private var sides: ContiguousArray<Side> = []
  private var orders: [MoveOrder] = []
  /// Creditors by free memory, the freest first, ties to the lowest: of all nodes, and node by node.
  private var creditors: ContiguousArray<Int> = []
  private var creditorsByNode: ContiguousArray<Int> = []
  /// Nodes numbered from 0 in order of first appearance, by instance; and where in `creditorsByNode` each begins, and the
  /// last ends.
  private var nodes: ContiguousArray<Int> = []
  private var nodeStarts: ContiguousArray<Int> = []
  private var debtors: ContiguousArray<Int> = []
  private var sourceQueue: ContiguousArray<WaitingRequest> = []
  private var destinationQueue: ContiguousArray<WaitingRequest> = []
  private var recalling: ContiguousArray<Int> = []
  private var candidates: ContiguousArray<Int> = []
  private var tried: ContiguousArray<MoveGrounds.Candidate> = []

  init(options: LendingOptions) { self.options = options }

  mutating func plan(_ map: borrowing PlacementMap) -> [MoveOrder] {
    roles.prepare(count: map.count)
    if nodes.count != map.count { numberNodes(map) }
    orders.removeAll(keepingCapacity: true)
    sides.removeAll(keepingCapacity: true)
    for i in 0..<map.count { sides.append(Side(map.report(InstanceID(i)), map)) }
    releaseRoles(map)
    recall(map)
    lendAhead(map)
    return orders
  }

  private mutating func releaseRoles(_ map: borrowing PlacementMap) {
    let cooldown = options.period * Int64(options.cooldownPeriods)
    for i in sides.indices where roles.hasRole(i) {
      roles.release(
        i, at: map.now, hasLoans: sides[i].hosted > 0 || map.isBorrowing(InstanceID(i)), cooldown: cooldown)
    }
  }

  // MARK: - Loans ahead of need

  private mutating func lendAhead(_ map: borrowing PlacementMap) {
    // 1. Debtors: the smaller batch first, ties to the lowest instance.
    debtors.removeAll(keepingCapacity: true)
    for i in sides.indices
    where sides[i].batch < options.debtorBatch && sides[i].batch > 0 && roles.mayBeDebtor(i) {
      debtors.append(i)
    }
    guard !debtors.isEmpty else { return }
    // 2. Creditors, by ascending utilisation.
    creditors.removeAll(keepingCapacity: true)
    for i in sides.indices where isCreditor(i, map) { creditors.append(i) }
    guard !creditors.isEmpty else { return }
    Self.sort(&debtors) { sides[$0].batch }
    sortCreditors()

    for debtor in debtors where roles.mayBeDebtor(debtor) {
      // 3. The longest request that still has movable blocks at home, and the creditor with the most free memory.
      while let creditor = bestCreditor(for: debtor, map), let row = longest(of: debtor, map),
        let move = bestMove(row, from: debtor, to: creditor, map)
      {
        // 5. Record the move; what it changes counts as done.
        orders.append(move)
        roles.assign(debtor, .debtor, at: map.now)
        roles.assign(creditor, .creditor, at: map.now)
        let there = map.blocks(of: move.request, on: move.destination)
        sides[debtor].give(move.blocks.count, map.blockSize)
        sides[debtor].reach(
          over: map.link(move.source, move.destination), blocks: there + move.blocks.count, map)
        sides[creditor].host(move.blocks.count)
        sink(creditor)
      }
    }
  }

  /// Whether an instance may lend to somebody, roles and links aside.
  private func isCreditor(_ i: Int, _ map: borrowing PlacementMap) -> Bool {
    let capacity = map.blocksPerInstance.count
    return (capacity - sides[i].free) * 100 < options.creditorUtilisationPercent * capacity
      && sides[i].free > map.watermark.count && (options.lendWhileQueueing || sides[i].queued == 0)
  }

  private mutating func numberNodes(_ map: borrowing PlacementMap) {
    var known: [Int: Int] = [:]
    nodes = []
    for i in 0..<map.count {
      let node = map.node(of: InstanceID(i))
      nodes.append(known[node] ?? known.count)
      known[node] = nodes[i]
    }
    nodeStarts = ContiguousArray(repeating: 0, count: known.count + 1)
  }

  /// Sorts instances by a number, ties to the lowest: as whole words, since there are at most 65,536.
  private static func sort(_ instances: inout ContiguousArray<Int>, by number: (Int) -> Int) {
    for position in instances.indices { instances[position] |= number(instances[position]) << 16 }
    instances.sort()
    for position in instances.indices { instances[position] &= 0xFFFF }
  }

  /// Puts the creditors in order, and node by node in the same order within each.
  private mutating func sortCreditors() {
    Self.sort(&creditors) { -sides[$0].free }
    for node in nodeStarts.indices { nodeStarts[node] = 0 }
    for i in creditors { nodeStarts[nodes[i]] += 1 }
    var end = 0
    for node in nodeStarts.indices {
      end += nodeStarts[node]
      nodeStarts[node] = end
    }
    creditorsByNode.removeAll(keepingCapacity: true)
    creditorsByNode.append(contentsOf: creditors)
    for i in creditors.reversed() {
      nodeStarts[nodes[i]] -= 1
      creditorsByNode[nodeStarts[nodes[i]]] = i
    }
  }

  /// Puts a creditor that has lent behind those that are freer now. Debtors are where they were: they lend no more.
  private mutating func sink(_ creditor: Int) {
    let node = nodes[creditor]
    Self.sink(creditor, in: &creditors, creditors.indices, sides)
    Self.sink(creditor, in: &creditorsByNode, nodeStarts[node]..<nodeStarts[node + 1], sides)
  }

  private static func sink(
    _ creditor: Int, in order: inout ContiguousArray<Int>, _ range: Range<Int>, _ sides: ContiguousArray<Side>
  ) {
    guard var position = order[range].firstIndex(of: creditor) else { return }
    while position + 1 < range.upperBound {
      let next = order[position + 1]
      guard (-sides[next].free, next) < (-sides[creditor].free, creditor) else { return }
      order.swapAt(position, position + 1)
      position += 1
    }
  }

  /// The creditor with the lowest utilisation: of the debtor's node first, then over links that qualify.
  private func bestCreditor(for debtor: Int, _ map: borrowing PlacementMap) -> Int? {
    let node = nodes[debtor]
    func mayLend(_ i: Int) -> Bool {
      i != debtor && roles.mayBeCreditor(i) && isCreditor(i, map) && linkQualifies(debtor, i, map)
    }
    for position in nodeStarts[node]..<nodeStarts[node + 1] where mayLend(creditorsByNode[position]) {
      return creditorsByNode[position]
    }
    // A link that does not take one borrower takes none.
    guard fits(map.acrossNodes, queries: 1, debtor, map) else { return nil }
    for i in creditors where nodes[i] != node && mayLend(i) { return i }
    return nil
  }

  private func linkQualifies(_ debtor: Int, _ creditor: Int, _ map: borrowing PlacementMap) -> Bool {
    guard map.reaches(InstanceID(debtor), InstanceID(creditor)) else { return false }
    let link = map.link(InstanceID(debtor), InstanceID(creditor))
    // If all that it hosts and all that moves fit, there is nothing to count.
    if fits(link, queries: 1 + map.mostHosted(on: InstanceID(creditor)) + orders.count, debtor, map) {
      return true
    }
    var queries = 1
    map.forEachHosted(on: InstanceID(creditor)) { row in
      if row.home.index == debtor { queries += 1 }
    }
    for order in orders where order.source.index == debtor && order.destination.index == creditor {
      queries += 1
    }
    return fits(link, queries: queries, debtor, map)
  }

  /// Whether so many queries over a link fit beside the debtor's own work.
  private func fits(_ link: LinkCosts, queries: Int, _ debtor: Int, _ map: borrowing PlacementMap) -> Bool {
    map.linkFits(link, queries: queries, batch: sides[debtor].batch + 1)
  }

  /// The request with the most movable blocks at home, ties to the oldest. A request moves once in a round.
  private func longest(of debtor: Int, _ map: borrowing PlacementMap) -> PlacementRow? {
    map.longest(at: InstanceID(debtor)) { request in !orders.contains { $0.request == request } }
  }

  /// 4. The number of blocks with the best gain. Gains are a staircase (each waiting request admitted is a step, so
  /// is GEMM padding), so every admission count is tried, and the most that can be moved.
  private mutating func bestMove(
    _ row: PlacementRow, from debtor: Int, to creditor: Int, _ map: borrowing PlacementMap
  ) -> MoveOrder? {
    let most = min(row.movable.count, sides[creditor].free - map.watermark.count)
    guard most > 0 else { return nil }
    readQueues(debtor, creditor, map)
    candidates.removeAll(keepingCapacity: true)
    candidates.append(most)
    var needed = map.watermark.count - sides[debtor].free
    for waiting in sourceQueue {
      needed += waiting.blocks
      if needed > most { break }
      if needed > 0 { candidates.append(needed) }
    }
    let link = map.link(InstanceID(debtor), InstanceID(creditor))
    let there = map.blocks(of: row.request, on: InstanceID(creditor))
    return best(row.request, from: debtor, to: creditor, map) { n, d, c in
      d.give(n, map.blockSize)
      d.reach(over: link, blocks: there + n, map)
      c.host(n)
    }
  }

  // MARK: - Recalls

  private struct HostedRow {
    var row: PlacementRow
    var host: Int
  }

  /// Loans that a crowded host is better off without go home, if the home has room (semantics.md 18). By request, then
  /// host.
  private mutating func recall(_ map: borrowing PlacementMap) {
    // Hosts that are crowded as things are, and homes that may become so by what comes back to them.
    recalling.removeAll(keepingCapacity: true)
    for host in sides.indices where sides[host].hosted > 0 && isCrowded(host, map) { recalling.append(host) }
    guard !recalling.isEmpty else { return }
    var isKnown = Array(repeating: false, count: sides.count)
    for host in recalling { isKnown[host] = true }
    var rows: [HostedRow] = []
    var position = 0
    while position < recalling.count {
      let host = recalling[position]
      map.forEachHosted(on: InstanceID(host)) { row in
        let home = row.home.index
        guard row.movable > .zero, mayHaveRoom(home, map) else { return }
        rows.append(HostedRow(row: row, host: host))
        if sides[home].hosted > 0, !isKnown[home] {
          isKnown[home] = true
          recalling.append(home)
        }
      }
      position += 1
    }
    rows.sort { ($0.row.request, $0.host) < ($1.row.request, $1.host) }
    for hosted in rows {
      let (host, home) = (hosted.host, hosted.row.home.index)
      guard isCrowded(host, map), hasRoom(home, map) else { continue }
      let n = min(hosted.row.movable.count, sides[home].free - map.watermark.count)
      readQueues(host, home, map)
      candidates.removeAll(keepingCapacity: true)
      candidates.append(n)
      let order = best(hosted.row.request, from: host, to: home, map) { n, from, to in
        from.host(-n)
        to.give(-n, map.blockSize)
      }
      guard let order else { continue }
      orders.append(order)
      sides[host].host(-n)
      sides[home].give(-n, map.blockSize)
    }
  }

  /// Whether a home could take blocks back.
  private func hasRoom(_ home: Int, _ map: borrowing PlacementMap) -> Bool {
    sides[home].queued == 0 && sides[home].free > map.watermark.count
  }

  /// Whether it could at any time of the round: a host has more room when its loans have gone.
  private func mayHaveRoom(_ home: Int, _ map: borrowing PlacementMap) -> Bool {
    sides[home].queued == 0 && (sides[home].free > map.watermark.count || sides[home].hosted > 0)
  }

  private func isCrowded(_ host: Int, _ map: borrowing PlacementMap) -> Bool {
    let capacity = map.blocksPerInstance.count
    return sides[host].queued > 0
      || (capacity - sides[host].free) * 100 >= options.creditorUtilisationPercent * capacity
  }

  // MARK: - Gains

  private mutating func readQueues(_ source: Int, _ destination: Int, _ map: borrowing PlacementMap) {
    sides[source].readQueue(source, map, into: &sourceQueue)
    sides[destination].readQueue(destination, map, into: &destinationQueue)
  }

  /// The one of `candidates` with the best gain that is large enough, ties to the fewest blocks. The queues must have been read.
  private mutating func best(
    _ request: RequestID, from source: Int, to destination: Int,
    _ map: borrowing PlacementMap, _ apply: (Int, inout Side, inout Side) -> Void
  ) -> MoveOrder? {
    let base =
      sides[source].throughputNow(sourceQueue, map) + sides[destination].throughputNow(destinationQueue, map)
    var best: MoveOrder?
    tried.removeAll(keepingCapacity: true)
    for n in candidates {
      var (a, b) = (sides[source], sides[destination])
      apply(n, &a, &b)
      let gain = a.throughput(sourceQueue, map) + b.throughput(destinationQueue, map) - base
      tried.append(.init(blocks: n, gain: gain))
      guard gain * 1000 > base * Double(options.minGainPermille) else { continue }
      if let known = best, (known.expectedGain, -known.blocks.count) >= (gain, -n) { continue }
      best = MoveOrder(
        request: request, source: InstanceID(source), destination: InstanceID(destination),
        blocks: KVBlocks(n), expectedGain: gain)
    }
    guard var best else { return nil }
    best.grounds = MoveGrounds(
      throughputBefore: base, gain: best.expectedGain, sourceBatch: sides[source].batch,
      sourceFreeBlocks: sides[source].free, sourceQueued: sides[source].queued,
      destinationBatch: sides[destination].batch, destinationFreeBlocks: sides[destination].free,
      candidates: Array(tried))
    return best
  }
}

/// What the performance model needs of an instance: T(β, ΣS) = W(β)/f(β) + ΣS/g, with our cost coefficients.
private struct Side {
  var batch: Int
  var queued: Int
  var free: Int
  var localTokens: Int
  var hosted: Int
  var remotePath: Int64
  var freeSequences: Int
  /// Its throughput as it is, once it has been asked for; negative when unknown.
  private var known = -1.0

  init(_ report: InstanceReport, _ map: borrowing PlacementMap) {
    batch = report.batch
    queued = report.queued
    free = map.blocksPerInstance.count - report.usedBlocks.count
    localTokens = report.localTokens
    hosted = report.hostedBlocks.count
    remotePath = report.remotePath
    freeSequences = report.freeSequences
  }

  /// `n` of its own blocks are elsewhere.
  mutating func give(_ n: Int, _ blockSize: Int) {
    free += n
    localTokens -= n * blockSize
    known = -1
  }

  /// It holds `n` blocks for another.
  mutating func host(_ n: Int) {
    free -= n
    hosted += n
    known = -1
  }

  /// A request of it has so many blocks on a host.
  mutating func reach(over link: LinkCosts, blocks: Int, _ map: borrowing PlacementMap) {
    remotePath = max(
      remotePath, map.remotePath(over: link, tokens: blocks * map.blockSize))
    known = -1
  }

  /// The waiting requests that its sequences and a whole empty instance could take.
  func readQueue(_ i: Int, _ map: borrowing PlacementMap, into queue: inout ContiguousArray<WaitingRequest>) {
    queue.removeAll(keepingCapacity: true)
    guard queued > 0, freeSequences > 0 else { return }
    var blocks = 0
    map.forEachWaiting(at: InstanceID(i)) { waiting in
      queue.append(waiting)
      blocks += waiting.blocks
      // No more fits, whatever is moved: what is free and what is given are each at most the instance.
      return queue.count < freeSequences && blocks <= 2 * map.blocksPerInstance.count
    }
  }

  /// `throughput`, computed once until something moves. The queue is the same throughout a round.
  mutating func throughputNow(
    _ queue: ContiguousArray<WaitingRequest>, _ map: borrowing PlacementMap
  ) -> Double {
    if known < 0 { known = throughput(queue, map) }
    return known
  }

  /// TPS = β / T, tokens per second, after FCFS has admitted what now fits. An empty batch has 0.
  func throughput(_ queue: ContiguousArray<WaitingRequest>, _ map: borrowing PlacementMap) -> Double {
    var batch = batch
    var tokens = localTokens
    var room = free - map.watermark.count
    for waiting in queue {
      room -= waiting.blocks
      if room < 0 { break }
      batch += 1
      tokens += waiting.tokens
    }
    guard batch > 0 else { return 0 }
    let step = map.stepTime(
      batch: batch, tokens: tokens, hosted: hosted * map.blockSize, remotePath: remotePath)
    return Double(batch) / (Double(max(1, step)) * 1e-12)
  }
}
