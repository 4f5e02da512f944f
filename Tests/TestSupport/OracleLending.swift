import Sim

/// What a host has to do with one prompt chunk (A18).
struct OracleHostShare {
  var host: Int
  /// Its part of the tokens stored before the chunk.
  var cached: Int
  /// Its part of the chunk's own tokens.
  var written: Int
}

/// Some of a loan's blocks on one host.
struct OracleLoan {
  var host: Int
  var blocks: Int
}

/// Passive lending with the paper's coupling (S15–S24, A15–A20, and decisions/0014, 1 to 4).
extension Oracle {
  // MARK: - Giants

  /// A19: larger than an instance. Waiting requests count what they would store.
  func isGiant(_ r: Int) -> Bool {
    let tokens = requests[r].state == .decoding ? requests[r].stored : requests[r].length
    let seeksFreeBlock = engine.kind == .vllmV0 && engine.appendCheck == .vllm
    return (seeksFreeBlock ? blocks(tokens) + 1 : blocks(tokens + 1)) > capacity - watermark
  }

  /// A20: the youngest request besides the giant `r` that holds a block on another instance than its home.
  func youngestOnCreditors(of r: Int) -> Int? {
    let home = requests[r].home
    return instances.flatMap(\.running)
      .filter { other in other != r && requests[other].table.contains { $0.instance != home } }
      .max()
  }

  // MARK: - Who lends

  /// Blocks above the watermark that the instance's own partial prompt does not count on, less what each of its running requests
  /// is left (14.4, 14.7b).
  func lendable(_ h: Int) -> Int {
    max(0, available(h) - watermark - promised(h) - leaves * instances[h].running.count)
  }

  /// p (14.4): what its partial prompt without hosts has still to take.
  func promised(_ h: Int, without yielding: [Int] = []) -> Int {
    guard engine.kind == .chunked, engine.reserveISL else { return 0 }
    return instances[h].running.filter { !yielding.contains($0) }.reduce(0) { sum, r in
      let request = requests[r]
      guard request.state == .prefilling, request.table.allSatisfy({ $0.instance == h }) else { return sum }
      return sum + max(0, blocks(request.length) - request.table.count)
    }
  }

  // MARK: - Preempted again and again

  /// R (14.7b): what every running request of an instance is left, where the waiting `r` starts or borrows.
  func blocksForOthers(_ r: Int) -> Int {
    guard lends, requests[r].state == .waiting, requests[r].row >= 2, !isOldest(r) else { return 0 }
    var steps = 16
    if engine.kind == .chunked {
      let decoders = instances[requests[r].home].running.filter { requests[$0].state == .decoding }.count
      let budget = max(1, engine.maxNumBatchedTokens - decoders)
      steps += (requests[r].length + budget - 1) / budget
    }
    return blocks(steps)
  }

  /// The same for all that run on `i`.
  func roomForOthers(_ r: Int, on i: Int) -> Int { blocksForOthers(r) * instances[i].running.count }

  /// The instances that may lend to `r` and have something to lend (A19).
  /// Reading: utilisation is used ÷ usable blocks, before the loan.
  private func creditors(of r: Int) -> [Int] {
    guard lends, !mayNotBorrow(r) else { return [] }
    let home = requests[r].home
    return instances.indices.filter { h in
      guard h != home, lendable(h) > 0 else { return false }
      if isGiant(r) { return true }
      let used = capacity - available(h)
      return (instances[h].queue.isEmpty || lending.lendWhileQueueing)
        && used * 100 < lending.creditorUtilisationPercent * capacity
        && linkQualifies(from: home, to: h)
    }
  }

  /// A19: query, partial result and KV write-out of one more request fit the home's linear work.
  /// Reading: n counts the home's requests with blocks on this very host, and `batch` all its running requests, the
  /// borrower itself among both if it is running.
  private func linkQualifies(from home: Int, to host: Int) -> Bool {
    let link = topology.link(home, host)
    let n = instances[home].running.filter { held($0, on: host) > 0 }.count
    let messages = costs.layersPerStage * (n + 1) * (costs.queryBytes + costs.partialBytes)
    let path =
      Int64(costs.layersPerStage * 2) * link.latency + link.transfer(bytes: messages)
      + link.latency + link.transfer(bytes: costs.kvBytesPerTokenPerStage)
    var costs = costs
    return path <= costs.linear(tokens: instances[home].running.count + 1)
  }

  // MARK: - Borrowing

  /// S16, A16: a chunk of blocks for the decoding request `r`, all from one host. False if nobody lends.
  ///
  /// The hosts of the own node come first; among them the one that already hosts most of `r`, else the one with the
  /// most lendable blocks; ties to the lowest id.
  mutating func borrowForGrowth(_ r: Int) -> Bool {
    let home = requests[r].home
    let all = creditors(of: r)
    let near = all.filter { topology.sameNode(home, $0) }
    let candidates = near.isEmpty ? all : near
    guard var best = candidates.first else { return false }
    for h in candidates where (held(r, on: h), lendable(h)) > (held(r, on: best), lendable(best)) {
      best = h
    }
    let count = min(max(1, lending.borrowChunk), lendable(best))
    take(count, on: best, for: r)
    changes += 1
    statistics.growthLoans += 1
    statistics.borrowedBlocks += count
    return true
  }

  /// W (14.1): the blocks that a prompt with hosts takes, those of its first 16 new tokens with them.
  func wholeNeed(_ r: Int) -> Int {
    let length = requests[r].length
    return max(blocks(length), min(blocks(length + 16), topology.count * (capacity - watermark)))
  }

  /// w' (14.1): blocks of its home that the admission of `r` leaves free.
  func watermarkKept(for r: Int) -> Int {
    // A23: who has grown into the watermark of its home may take it again.
    if wholeNeed(r) > topology.count * (capacity - watermark) { return 0 }
    return engine.kind == .chunked && instances[requests[r].home].running.isEmpty ? 0 : watermark
  }

  /// r (14.1): what the home of a prompt with hosts gives at most.
  private func homeRoom(_ r: Int) -> Int {
    let home = requests[r].home
    let free = available(home) - watermarkKept(for: r) - roomForOthers(r, on: home)
    return min(requests[r].length / blockSize, max(0, free))
  }

  /// 14.2: a prompt of at least `spread-from` tokens is offered to hosts before its home is tried.
  mutating func takeOffered(_ r: Int) -> Bool {
    guard lends, lending.placement == .balanced else { return false }
    guard requests[r].length >= lending.spreadFrom else { return false }
    let need = wholeNeed(r)
    let least = max(1, need - homeRoom(r))
    leaves = blocksForOthers(r)
    defer { leaves = 0 }
    guard let loan = loan(atLeast: least, most: max(least, need - 1), for: r) else { return false }
    statistics.offersTaken += 1
    takePrompt(r, need: need, loan: loan)
    return true
  }

  /// 14.1: its home gives what it can, the hosts the rest; all or nothing.
  /// Reading: under `chunked`, too, they are all taken at admission, and chunks go on beside decoding.
  mutating func takeWithHosts(_ r: Int) -> Bool {
    guard lends else { return false }
    let need = wholeNeed(r)
    let rest = need - homeRoom(r)
    leaves = blocksForOthers(r)
    defer { leaves = 0 }
    guard let loan = loan(atLeast: rest, most: rest, for: r) else { return false }
    takePrompt(r, need: need, loan: loan)
    return true
  }

  private mutating func takePrompt(_ r: Int, need: Int, loan: [OracleLoan]) {
    requests[r].isBalanced = lending.placement == .balanced
    take(loan, need: need, for: r)
  }

  /// A13: a partial prompt short of blocks takes what is free at home, and borrows all that its rest needs (14.1: and
  /// its first new tokens). 14.3: it is laid out home first.
  mutating func takeRestWithHosts(_ r: Int) -> Bool {
    guard lends else { return false }
    let has = requests[r].table.count
    let need = wholeNeed(r) - has
    let rest = need - min(requests[r].length / blockSize - has, available(requests[r].home))
    guard let loan = loan(atLeast: rest, most: rest, for: r) else { return false }
    take(loan, need: need, for: r)
    noteFreed()
    return true
  }

  /// Takes `need` blocks: those of `loan` from hosts, the others at home. In the table those at home come first.
  private mutating func take(_ loan: [OracleLoan], need: Int, for r: Int) {
    let lent = loan.reduce(0) { $0 + $1.blocks }
    take(need - lent, on: requests[r].home, for: r)
    for piece in loan { take(piece.blocks, on: piece.host, for: r) }
    changes += 1
    statistics.promptLoans += 1
    statistics.borrowedBlocks += lent
  }

  // MARK: - Who lends what (14.4)

  /// Between `least` and `most` hosted blocks of a prompt; `nil` if the creditors have fewer, or do not want to.
  /// Reading: the own node serves all it can, for giants too; only what is left goes to other nodes.
  private func loan(atLeast least: Int, most: Int, for r: Int) -> [OracleLoan]? {
    guard least <= most else { return nil }
    let all = creditors(of: r)
    guard total(all) >= least else { return nil }
    let near = all.filter { topology.sameNode(requests[r].home, $0) }
    let far = all.filter { !topology.sameNode(requests[r].home, $0) }
    switch lending.placement {
    case .homeFirst, .pack:
      // Never offered: `most` is `least`.
      let nearCount = min(least, total(near))
      return split(nearCount, over: near) + split(least - nearCount, over: far)
    case .balanced where least == most:
      let nearCount = min(least, total(near))
      return evenly(nearCount, over: near) + evenly(least - nearCount, over: far)
    case .balanced:
      let roomy = total(far.filter { lendable($0) * blockSize >= shareFrom })
      let (hosts, count) = takers(of: r, among: near, elsewhere: roomy, atLeast: least, most: most)
      let part = (most + 1) / (hosts.count + 1)
      let missing = max(0, least - count)
      let loan = evenly(count, over: hosts) + evenly(missing, over: fewest(of: far, for: missing, each: part))
      return loan.isEmpty ? nil : loan
    }
  }

  private func total(_ hosts: [Int]) -> Int { hosts.reduce(0) { $0 + lendable($1) } }

  /// 14.4: those of the own node that take a part of an offered prompt, and how much they take together.
  private func takers(
    of r: Int, among near: [Int], elsewhere: Int, atLeast least: Int, most: Int
  ) -> (hosts: [Int], blocks: Int) {
    func isBusy(_ h: Int) -> Bool { tokensToCompute(h) >= lending.spreadFrom }
    var hosts = near.sorted { a, b in
      if isBusy(a) != isBusy(b) { return !isBusy(a) }
      return lendable(a) != lendable(b) ? lendable(a) > lendable(b) : a < b
    }
    func isDropped(_ last: Int, of count: Int, others: Int) -> Bool {
      let part = min(lendable(last), (most + 1) / (count + 1))
      let isSmall = blockSize * part < shareFrom
      guard others >= least else {
        return isSmall && lendable(last) < (most + 1) / (count + 1) && others + elsewhere >= least
      }
      return isSmall || isBusy(last)
        || !isWorthSending(blockSize * part, from: requests[r].home, to: last)
    }
    while let last = hosts.last, isDropped(last, of: hosts.count, others: total(hosts.dropLast())) {
      hosts.removeLast()
    }
    let wanted = max(least, most + 1 - (most + 1) / (hosts.count + 1))
    return (hosts, min(wanted, total(hosts)))
  }

  /// 14.4: the freest, as few as have `count` blocks with at most `part` of each, or all.
  private func fewest(of hosts: [Int], for count: Int, each part: Int) -> [Int] {
    var chosen: [Int] = []
    for host in hosts.sorted(by: { (-lendable($0), $0) < (-lendable($1), $1) }) {
      if chosen.reduce(0, { $0 + min(part, lendable($1)) }) >= count { break }
      chosen.append(host)
    }
    return chosen
  }

  /// 14.4: what a host computes for a chunk takes longer than the chunk's queries and results on the way.
  private func isWorthSending(_ tokens: Int, from home: Int, to host: Int) -> Bool {
    let link = topology.link(home, host)
    let budget = engine.maxNumBatchedTokens
    let messages = costs.layersPerStage * budget * (costs.queryBytes + costs.partialBytes)
    let exchange = Int64(costs.layersPerStage * 2) * link.latency + link.transfer(bytes: messages)
    return costs.prefillPairRate * Int64(budget * tokens) >= 2 * (exchange + costs.prefillFloor)
  }

  /// 14.4: those with least to lend first, each an even part of what is left.
  private func evenly(_ count: Int, over hosts: [Int]) -> [OracleLoan] {
    var left = count
    var loan: [OracleLoan] = []
    let byRoom = hosts.sorted { (lendable($0), $0) < (lendable($1), $1) }
    for (index, host) in byRoom.enumerated() {
      let others = byRoom.count - index
      let given = min(lendable(host), (left + others - 1) / others)
      if given > 0 { loan.append(OracleLoan(host: host, blocks: given)) }
      left -= given
    }
    precondition(left == 0, "they have as much together")
    return loan.sorted { $0.host < $1.host }
  }

  /// S23: in proportion to lendable blocks by largest remainder (ties to the lowest id), or (`pack`) filling the
  /// hosts with the most lendable blocks first.
  private func split(_ count: Int, over hosts: [Int]) -> [OracleLoan] {
    guard count > 0 else { return [] }
    var given = Array(repeating: 0, count: hosts.count)
    if lending.placement == .pack {
      let byRoom = hosts.indices.sorted { a, b in
        let (x, y) = (lendable(hosts[a]), lendable(hosts[b]))
        return x != y ? x > y : a < b
      }
      var left = count
      for k in byRoom {
        given[k] = min(left, lendable(hosts[k]))
        left -= given[k]
      }
    } else {
      let total = total(hosts)
      for k in hosts.indices { given[k] = count * lendable(hosts[k]) / total }
      let byRemainder = hosts.indices.sorted { a, b in
        let (x, y) = (count * lendable(hosts[a]) % total, count * lendable(hosts[b]) % total)
        return x != y ? x > y : a < b
      }
      for k in byRemainder.prefix(count - given.reduce(0, +)) { given[k] += 1 }
    }
    return hosts.indices.filter { given[$0] > 0 }.map { OracleLoan(host: hosts[$0], blocks: given[$0]) }
  }

  // MARK: - What hosting costs

  /// S16: blocks that instance `i` keeps for requests of other homes, filled or not.
  func hostedBlocks(on i: Int) -> Int {
    guard lends else { return 0 }
    var count = 0
    for other in instances.indices where other != i {
      for r in instances[other].running where requests[r].hasHosted { count += held(r, on: i) }
    }
    return count
  }

  /// A18: how the hosted tokens before and in a chunk lie on the hosts, by their share of the reserved blocks.
  func hostShares(of chunk: OracleChunk) -> [OracleHostShare] {
    let r = chunk.request
    guard requests[r].hasHosted else { return [] }
    let hosted = requests[r].table.filter { $0.instance != requests[r].home }.count
    let cached = chunk.cached - localTokens(r, of: chunk.cached)
    let after = chunk.cached + chunk.tokens
    let written = after - localTokens(r, of: after) - cached
    return instances.indices.compactMap { h in
      guard h != requests[r].home else { return nil }
      let mine = held(r, on: h)
      guard mine > 0 else { return nil }
      return OracleHostShare(
        host: h, cached: cached * mine / hosted, written: (written * mine + hosted - 1) / hosted)
    }
  }

  /// A18: hosts that have a step under way when a distributed chunk starts pay for it in their next step.
  ///
  /// Reading: a host whose step ends at this very instant and that has not decided yet is not busy.
  mutating func chargeHosts(for chunk: OracleChunk) {
    guard engine.prefillAttention == .distributed else { return }
    for share in hostShares(of: chunk) where instances[share.host].step != nil {
      instances[share.host].owedAttention += costs.prefillPairRate * Int64(chunk.tokens * share.cached)
    }
  }
}
