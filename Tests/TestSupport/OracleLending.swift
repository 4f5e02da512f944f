import Sim

/// What a host has to do with one prompt chunk (A18).
struct OracleHostShare {
  var host: Int
  /// Its part of the tokens stored before the chunk.
  var cached: Int
  /// Its part of the chunk's own tokens.
  var written: Int
}

/// Passive lending with the paper's coupling (S15–S24, A15–A21).
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

  /// A21: whether an older giant keeps the cluster's memory for itself.
  ///
  /// Reading: it is blocked if the last decision of its home refused it for want of blocks, and it holds back
  /// younger admissions and loans everywhere (on its own home nobody passes the head anyway).
  func isHeldBack(_ r: Int) -> Bool {
    guard lends, lending.reserveGiants else { return false }
    guard let oldest = instances.compactMap(\.blockedGiant).min() else { return false }
    return oldest < r
  }

  // MARK: - Who lends

  /// Blocks above the watermark.
  func lendable(_ h: Int) -> Int { max(0, available(h) - watermark) }

  /// The instances that may lend to `r` and have something to lend (A19).
  /// Reading: utilisation is used ÷ usable blocks, before the loan.
  private func creditors(of r: Int) -> [Int] {
    guard lends, !isHeldBack(r) else { return [] }
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

  /// A15: `need` blocks for a prompt, first what is free above `watermark` at home, the rest from hosts; all or
  /// nothing. Reading: under `chunked`, too, they are all taken at admission, and chunks go on beside decoding.
  mutating func takeWithHosts(_ need: Int, for r: Int, watermark: Int) -> Bool {
    guard lends else { return false }
    let home = requests[r].home
    // A23: who has grown into the watermark of its home may take it again.
    let kept = need > topology.count * (capacity - self.watermark) ? 0 : watermark
    let local = min(need, max(0, available(home) - kept))
    guard let loan = placement(of: need - local, for: r) else { return false }
    take(local, on: home, for: r)
    for piece in loan { take(piece.blocks, on: piece.host, for: r) }
    changes += 1
    statistics.promptLoans += 1
    statistics.borrowedBlocks += need - local
    return true
  }

  /// S22, S23, A19: where `count` hosted blocks of a prompt go; `nil` if the creditors have fewer.
  /// Reading: the own node serves all it can, for giants too; only what is left goes to other nodes.
  private func placement(of count: Int, for r: Int) -> [(host: Int, blocks: Int)]? {
    let all = creditors(of: r)
    guard all.reduce(0, { $0 + lendable($1) }) >= count else { return nil }
    let near = all.filter { topology.sameNode(requests[r].home, $0) }
    let far = all.filter { !topology.sameNode(requests[r].home, $0) }
    let nearCount = min(count, near.reduce(0) { $0 + lendable($1) })
    return split(nearCount, over: near) + split(count - nearCount, over: far)
  }

  /// S23: in proportion to lendable blocks by largest remainder (ties to the lowest id), or (`pack`) filling the
  /// hosts with the most lendable blocks first.
  private func split(_ count: Int, over hosts: [Int]) -> [(host: Int, blocks: Int)] {
    guard count > 0 else { return [] }
    var given = Array(repeating: 0, count: hosts.count)
    switch lending.placement {
    case .spread:
      let total = hosts.reduce(0) { $0 + lendable($1) }
      for k in hosts.indices { given[k] = count * lendable(hosts[k]) / total }
      let byRemainder = hosts.indices.sorted { a, b in
        let (x, y) = (count * lendable(hosts[a]) % total, count * lendable(hosts[b]) % total)
        return x != y ? x > y : a < b
      }
      for k in byRemainder.prefix(count - given.reduce(0, +)) { given[k] += 1 }
    case .pack:
      let byRoom = hosts.indices.sorted { a, b in
        let (x, y) = (lendable(hosts[a]), lendable(hosts[b]))
        return x != y ? x > y : a < b
      }
      var left = count
      for k in byRoom {
        given[k] = min(left, lendable(hosts[k]))
        left -= given[k]
      }
    }
    return hosts.indices.filter { given[$0] > 0 }.map { (hosts[$0], given[$0]) }
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
