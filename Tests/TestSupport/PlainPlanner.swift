import Sim

/// Algorithm 1 as semantics.md 16 to 26 word it: every table is made anew for every question, and nothing is kept, skipped or
/// put in order beforehand. What a policy's planner orders must be this, to the last bit of the gains.
/// It asks the map for a debtor's longest request as the planner does: that the map is right is the protocol's law.
struct PlainPlanner {
  let options: LendingOptions
  private var roles: [Int: (isDebtor: Bool, since: SimTime)] = [:]

  init(options: LendingOptions) { self.options = options }

  /// An instance as the map has it, with the moves before in the same round done.
  private struct Load {
    var batch: Int
    var queued: Int
    var free: Int
    var tokens: Int
    var hosted: Int
    var remotePath: Int64
    /// Who may be admitted, memory aside.
    var waiting: [WaitingRequest]
  }

  mutating func plan(_ map: borrowing PlacementMap) -> [MoveOrder] {
    var loads = (0..<map.count).map { Self.load(InstanceID($0), map) }
    for (i, role) in roles {
      let hasLoans = loads[i].hosted > 0 || map.isBorrowing(InstanceID(i))
      if !hasLoans || map.now - role.since >= options.period * Int64(options.cooldownPeriods) {
        roles[i] = nil
      }
    }
    var orders = recalls(&loads, map)
    let debtors = loads.indices
      .filter { loads[$0].batch > 0 && loads[$0].batch < options.debtorBatch }
      .sorted { (loads[$0].batch, $0) < (loads[$1].batch, $1) }
    for debtor in debtors where roles[debtor]?.isDebtor != false {
      while let order = loan(of: debtor, loads, orders, map) {
        let creditor = order.destination.index
        for (i, isDebtor) in [(debtor, true), (creditor, false)] where roles[i]?.isDebtor != isDebtor {
          roles[i] = (isDebtor, map.now)
        }
        var (source, host) = (loads[debtor], loads[creditor])
        lend(order.blocks.count, of: order.request, &source, &host, from: debtor, to: creditor, map)
        (loads[debtor], loads[creditor]) = (source, host)
        orders.append(order)
      }
    }
    return orders
  }

  private static func load(_ i: InstanceID, _ map: borrowing PlacementMap) -> Load {
    let report = map.report(i)
    var waiting: [WaitingRequest] = []
    map.forEachWaiting(at: i) { request in
      if waiting.count < report.freeSequences { waiting.append(request) }
      return waiting.count < report.freeSequences
    }
    return Load(
      batch: report.batch, queued: report.queued,
      free: map.blocksPerInstance.count - report.usedBlocks.count, tokens: report.localTokens,
      hosted: report.hostedBlocks.count, remotePath: report.remotePath, waiting: waiting)
  }

  // MARK: - Loans

  /// The move of the debtor's longest request to the creditor with the most room, own node first, if it gains.
  private func loan(
    of debtor: Int, _ loads: [Load], _ orders: [MoveOrder], _ map: borrowing PlacementMap
  ) -> MoveOrder? {
    var creditors: [Int] = []
    for i in loads.indices where i != debtor && roles[i]?.isDebtor != true && mayLend(i, loads[i], map) {
      if qualifies(debtor, i, loads, orders, map) { creditors.append(i) }
    }
    let home = map.node(of: InstanceID(debtor))
    func rank(_ i: Int, _ node: Int) -> (Int, Int, Int) { (node == home ? 0 : 1, -loads[i].free, i) }
    var creditor: Int?
    for i in creditors {
      let node = map.node(of: InstanceID(i))
      if let known = creditor, rank(known, map.node(of: InstanceID(known))) < rank(i, node) { continue }
      creditor = i
    }
    let row = map.longest(at: InstanceID(debtor)) { request in !orders.contains { $0.request == request } }
    guard let creditor, let row else { return nil }
    let most = min(row.movable.count, loads[creditor].free - map.watermark.count)
    // So many as admit one, two, ... of those who wait, and as many as can go.
    var counts = [most]
    var needed = map.watermark.count - loads[debtor].free
    for waiting in loads[debtor].waiting {
      needed += waiting.blocks
      counts.append(needed)
    }
    return best(
      counts.filter { $0 > 0 && $0 <= most }, of: row.request, from: debtor, to: creditor, loads, map
    ) {
      lend($0, of: row.request, &$1, &$2, from: debtor, to: creditor, map)
    }
  }

  private func lend(
    _ n: Int, of request: RequestID, _ debtor: inout Load, _ creditor: inout Load, from: Int, to: Int,
    _ map: borrowing PlacementMap
  ) {
    let (source, destination) = (InstanceID(from), InstanceID(to))
    let there = map.blocks(of: request, on: destination) + n
    debtor.free += n
    debtor.tokens -= n * map.blockSize
    debtor.remotePath = max(
      debtor.remotePath, map.remotePath(over: map.link(source, destination), tokens: there * map.blockSize))
    creditor.free -= n
    creditor.hosted += n
  }

  private func mayLend(_ i: Int, _ load: Load, _ map: borrowing PlacementMap) -> Bool {
    let capacity = map.blocksPerInstance.count
    return (capacity - load.free) * 100 < options.creditorUtilisationPercent * capacity
      && load.free > map.watermark.count && (options.lendWhileQueueing || load.queued == 0)
  }

  private func qualifies(
    _ debtor: Int, _ creditor: Int, _ loads: [Load], _ orders: [MoveOrder], _ map: borrowing PlacementMap
  ) -> Bool {
    let (home, host) = (InstanceID(debtor), InstanceID(creditor))
    guard map.reaches(home, host) else { return false }
    var queries = 1 + orders.filter { $0.source == home && $0.destination == host }.count
    map.forEachHosted(on: host) { row in queries += row.home == home ? 1 : 0 }
    return map.linkFits(map.link(home, host), queries: queries, batch: loads[debtor].batch + 1)
  }

  // MARK: - Recalls

  private func recalls(_ loads: inout [Load], _ map: borrowing PlacementMap) -> [MoveOrder] {
    var rows: [(row: PlacementRow, host: Int)] = []
    for host in 0..<map.count { map.forEachHosted(on: InstanceID(host)) { rows.append(($0, host)) } }
    rows.sort { ($0.row.request, $0.host) < ($1.row.request, $1.host) }
    var orders: [MoveOrder] = []
    for (row, host) in rows where row.movable > .zero {
      let home = row.home.index
      let used = map.blocksPerInstance.count - loads[host].free
      let isCrowded =
        loads[host].queued > 0
        || used * 100 >= options.creditorUtilisationPercent * map.blocksPerInstance.count
      let room = loads[home].free - map.watermark.count
      guard isCrowded, loads[home].queued == 0, room > 0 else { continue }
      func giveBack(_ n: Int, _ host: inout Load, _ home: inout Load, _ blockSize: Int) {
        host.free += n
        host.hosted -= n
        home.free -= n
        home.tokens += n * blockSize
      }
      let blockSize = map.blockSize
      let order = best(
        [min(row.movable.count, room)], of: row.request, from: host, to: home, loads, map
      ) { giveBack($0, &$1, &$2, blockSize) }
      guard let order else { continue }
      orders.append(order)
      var (from, to) = (loads[host], loads[home])
      giveBack(order.blocks.count, &from, &to, blockSize)
      (loads[host], loads[home]) = (from, to)
    }
    return orders
  }

  // MARK: - Gains

  private func best(
    _ counts: [Int], of request: RequestID, from source: Int, to destination: Int, _ loads: [Load],
    _ map: borrowing PlacementMap, _ move: (Int, inout Load, inout Load) -> Void
  ) -> MoveOrder? {
    let base = throughput(loads[source], map) + throughput(loads[destination], map)
    var best: MoveOrder?
    for n in counts {
      var (a, b) = (loads[source], loads[destination])
      move(n, &a, &b)
      let gain = throughput(a, map) + throughput(b, map) - base
      guard gain * 1000 > base * Double(options.minGainPermille) else { continue }
      if let best, best.expectedGain > gain || (best.expectedGain == gain && best.blocks.count <= n) {
        continue
      }
      best = MoveOrder(
        request: request, source: InstanceID(source), destination: InstanceID(destination),
        blocks: KVBlocks(n),
        expectedGain: gain)
    }
    return best
  }

  /// β / T(β, ΣS) once everybody is admitted whom FCFS then admits; 0 of an empty batch.
  private func throughput(_ load: Load, _ map: borrowing PlacementMap) -> Double {
    var (batch, tokens, room) = (load.batch, load.tokens, load.free - map.watermark.count)
    for waiting in load.waiting {
      guard waiting.blocks <= room else { break }
      room -= waiting.blocks
      batch += 1
      tokens += waiting.tokens
    }
    guard batch > 0 else { return 0 }
    let step = map.stepTime(
      batch: batch, tokens: tokens, hosted: load.hosted * map.blockSize, remotePath: load.remotePath)
    return Double(batch) / (Double(max(1, step)) * 1e-12)
  }
}
