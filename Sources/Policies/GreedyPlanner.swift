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

  func mayBeDebtor(_ i: Int) -> Bool { roles[i] != .creditor }
  func mayBeCreditor(_ i: Int) -> Bool { roles[i] != .debtor }
}

/// One round of Algorithm 1 over the gManager's map; pure but for the roles.
struct GreedyPlanner {
  private let map: PlacementMap
  private let options: LendingOptions
  private var sides: [Side]
  /// Rows by home instance: each request's own row and where else it has blocks.
  private var local: [[PlacementRow]]
  private var homeOf: [RequestID: Int] = [:]
  private struct HostedKey: Hashable {
    var request: RequestID
    var host: Int
  }
  /// Blocks by request and host; looked up, never iterated.
  private var hostedRows: [HostedKey: Int] = [:]
  /// Requests that use the link from a home to a host, by home · instances + host.
  private var users: [Int: Int] = [:]

  init(map: PlacementMap, options: LendingOptions) {
    self.map = map
    self.options = options
    sides = map.reports.map { Side($0, map) }
    local = Array(repeating: [], count: map.reports.count)
    for row in map.rows where row.isLocal {
      local[row.instance.index].append(row)
      homeOf[row.request] = row.instance.index
    }
    for row in map.rows where !row.isLocal {
      hostedRows[HostedKey(request: row.request, host: row.instance.index)] = row.blocks.count
      if let home = homeOf[row.request] { users[home * sides.count + row.instance.index, default: 0] += 1 }
    }
  }

  func plan(_ roles: inout PlannerRoles) -> [MoveOrder] {
    var round = self
    return round.run(&roles)
  }

  private mutating func run(_ roles: inout PlannerRoles) -> [MoveOrder] {
    roles.prepare(count: sides.count)
    let cooldown = options.period * Int64(options.cooldownPeriods)
    var borrowing: Set<Int> = []
    for row in map.rows where !row.isLocal {
      if let home = homeOf[row.request] { borrowing.insert(home) }
    }
    for i in sides.indices {
      roles.release(
        i, at: map.now, hasLoans: sides[i].hosted > 0 || borrowing.contains(i), cooldown: cooldown)
    }
    var orders = recalls()

    // 1. Debtors: the smaller batch first, ties to the lowest instance.
    let debtors = sides.indices
      .filter { sides[$0].batch < options.debtorBatch && sides[$0].batch > 0 && roles.mayBeDebtor($0) }
      .sorted { (sides[$0].batch, $0) < (sides[$1].batch, $1) }
    for debtor in debtors where roles.mayBeDebtor(debtor) {
      // 3. The longest request that still has movable blocks at home.
      while let index = longest(of: debtor),
        let creditor = bestCreditor(for: debtor, roles),
        let move = bestMove(local[debtor][index], from: debtor, to: creditor)
      {
        // 5. Record the move; what it changes counts as done.
        orders.append(move)
        roles.assign(debtor, .debtor, at: map.now)
        roles.assign(creditor, .creditor, at: map.now)
        lend(move.blocks.count, of: move.request, debtor, creditor, &sides[debtor])
        sides[creditor].host(move.blocks.count)
        users[debtor * sides.count + creditor, default: 0] += 1
        local[debtor][index].movable = .zero
      }
    }
    return orders
  }

  private func longest(of debtor: Int) -> Int? {
    local[debtor].indices
      .filter { local[debtor][$0].movable > .zero }
      .min { (-local[debtor][$0].movable.count, $0) < (-local[debtor][$1].movable.count, $1) }
  }

  /// 2. The creditor with the lowest utilisation: of the debtor's node first, then over links that qualify.
  private func bestCreditor(for debtor: Int, _ roles: PlannerRoles) -> Int? {
    let capacity = map.blocksPerInstance.count
    let candidates = sides.indices.filter { c in
      c != debtor && roles.mayBeCreditor(c)
        && (capacity - sides[c].free) * 100 < options.creditorUtilisationPercent * capacity
        && sides[c].free > map.watermark.count
        && (options.lendWhileQueueing || sides[c].queuedBlocks.isEmpty)
        && linkQualifies(debtor, c)
    }
    return candidates.min {
      (map.topology.sameNode(debtor, $0) ? 0 : 1, -sides[$0].free, $0)
        < (map.topology.sameNode(debtor, $1) ? 0 : 1, -sides[$1].free, $1)
    }
  }

  private func linkQualifies(_ debtor: Int, _ creditor: Int) -> Bool {
    let queries = users[debtor * sides.count + creditor, default: 0] + 1
    let wire = map.costs.overlapped(over: map.topology.link(debtor, creditor), queries: queries)
    return wire <= map.costs.linearTime(tokens: sides[debtor].batch + 1)
  }

  /// 4. The number of blocks with the best gain. Gains are a staircase (each waiting request admitted is a step, so
  /// is GEMM padding), so every admission count is tried, and the most that can be moved.
  private func bestMove(_ row: PlacementRow, from debtor: Int, to creditor: Int) -> MoveOrder? {
    let most = min(row.movable.count, sides[creditor].free - map.watermark.count)
    guard most > 0 else { return nil }
    var candidates = [most]
    var needed = map.watermark.count - sides[debtor].free
    for blocks in sides[debtor].queuedBlocks.prefix(sides[debtor].freeSequences) {
      needed += blocks
      if needed > most { break }
      if needed > 0 { candidates.append(needed) }
    }
    return best(candidates, row, from: debtor, to: creditor) { n, d, c in
      lend(n, of: row.request, debtor, creditor, &d)
      c.host(n)
    }
  }

  /// What lending `blocks` blocks of a request does to its home.
  private func lend(_ blocks: Int, of request: RequestID, _ home: Int, _ host: Int, _ side: inout Side) {
    side.give(blocks, map.blockSize)
    let there = hostedRows[HostedKey(request: request, host: host)] ?? 0
    let path = map.costs.remotePath(
      over: map.topology.link(home, host), queries: 1, tokens: (there + blocks) * map.blockSize)
    side.remotePath = max(side.remotePath, path)
  }

  /// Loans that a crowded host is better off without go home, if the home has room (semantics.md 18).
  private mutating func recalls() -> [MoveOrder] {
    var orders: [MoveOrder] = []
    let capacity = map.blocksPerInstance.count
    for row in map.rows where !row.isLocal && row.movable > .zero {
      guard let home = homeOf[row.request] else { continue }
      let host = row.instance.index
      let crowded =
        !sides[host].queuedBlocks.isEmpty
        || (capacity - sides[host].free) * 100 >= options.creditorUtilisationPercent * capacity
      let room = sides[home].free - map.watermark.count
      guard crowded, sides[home].queuedBlocks.isEmpty, room > 0 else { continue }
      let n = min(row.movable.count, room)
      let order = best([n], row, from: host, to: home) { n, from, to in
        from.host(-n)
        to.give(-n, map.blockSize)
      }
      guard let order else { continue }
      orders.append(order)
      sides[host].host(-n)
      sides[home].give(-n, map.blockSize)
      // A request moves one way at a time.
      if let index = local[home].firstIndex(where: { $0.request == row.request }) {
        local[home][index].movable = .zero
      }
    }
    return orders
  }

  private func best(
    _ candidates: [Int], _ row: PlacementRow, from source: Int, to destination: Int,
    _ apply: (Int, inout Side, inout Side) -> Void
  ) -> MoveOrder? {
    let base = sides[source].throughput(map) + sides[destination].throughput(map)
    var best: MoveOrder?
    var tried: [MoveGrounds.Candidate] = []
    for n in candidates {
      var a = sides[source]
      var b = sides[destination]
      apply(n, &a, &b)
      let gain = a.throughput(map) + b.throughput(map) - base
      tried.append(.init(blocks: n, gain: gain))
      guard gain * 1000 > base * Double(options.minGainPermille) else { continue }
      if let known = best, (known.expectedGain, -known.blocks.count) >= (gain, -n) { continue }
      best = MoveOrder(
        request: row.request, source: InstanceID(source), destination: InstanceID(destination),
        blocks: KVBlocks(n), expectedGain: gain)
    }
    guard var best else { return nil }
    best.grounds = MoveGrounds(
      throughputBefore: base, gain: best.expectedGain, sourceBatch: sides[source].batch,
      sourceFreeBlocks: sides[source].free, sourceQueued: sides[source].queuedBlocks.count,
      destinationBatch: sides[destination].batch, destinationFreeBlocks: sides[destination].free,
      candidates: tried)
    return best
  }
}

/// What the performance model needs of an instance: T(β, ΣS) = W(β)/f(β) + ΣS/g, with our cost coefficients.
struct Side {
  var batch: Int
  var free: Int
  var localTokens: Int
  var hosted: Int
  var remotePath: Int64
  var queuedBlocks: [Int]
  var queuedTokens: [Int]
  var freeSequences: Int

  init(_ report: InstanceReport, _ map: PlacementMap) {
    batch = report.batch
    free = map.blocksPerInstance.count - report.usedBlocks.count
    localTokens = report.localTokens
    hosted = report.hostedBlocks.count
    remotePath = report.remotePath
    queuedBlocks = report.queuedBlocks
    queuedTokens = report.queuedTokens
    freeSequences = report.freeSequences
  }

  /// `n` of its own blocks are elsewhere.
  mutating func give(_ n: Int, _ blockSize: Int) {
    free += n
    localTokens -= n * blockSize
  }

  /// It holds `n` blocks for another.
  mutating func host(_ n: Int) {
    free -= n
    hosted += n
  }

  /// TPS = β / T, tokens per second, after FCFS has admitted what now fits. An empty batch has 0.
  func throughput(_ map: PlacementMap) -> Double {
    var batch = batch
    var tokens = localTokens
    var room = free - map.watermark.count
    for (blocks, length) in zip(queuedBlocks, queuedTokens).prefix(freeSequences) {
      room -= blocks
      if room < 0 { break }
      batch += 1
      tokens += length
    }
    guard batch > 0 else { return 0 }
    let costs = map.costs
    let stages = costs.stages
    let lane = (batch + stages - 1) / stages
    let attention = max(
      costs.decodeFloor + costs.contextRate * Int64((tokens + batch) / stages), remotePath)
    let merge = remotePath > 0 ? costs.mergeFloor + costs.mergePerPartial : 0
    let stage =
      costs.linearTime(tokens: lane) + costs.headTime(samples: lane) + attention + merge
      + costs.contextRate * Int64(hosted * map.blockSize)
    let step =
      costs.hostBase + costs.hostPerSequence * Int64(batch)
      + Int64(stages) * (stage + costs.handoff(tokens: lane))
    return Double(batch) / (Double(max(1, step)) * 1e-12)
  }
}
