import Sim

/// A unit of shared prefix on one instance: its blocks, who uses it, and when it was last given up.
struct OracleUnit {
  var hash: UInt64
  var blocks: [OracleBlock]
  var users: Set<Int> = []
  /// Position in the order of giving up, of a unit that nobody uses.
  var idleSince = 0
}

/// Prefix caching with explicit blocks: what is shared lies in several tables, and is free when nobody uses it.
extension Oracle {
  private var caches: Bool { engine.prefixCaching && sharing.unit > 0 }

  /// Blocks that can be had: free ones, and those of units that nobody uses.
  func available(_ i: Int) -> Int {
    instances[i].free.count
      + instances[i].units.reduce(0) { $0 + ($1.users.isEmpty ? $1.blocks.count : 0) }
  }

  private func unit(_ hash: UInt64, on i: Int) -> Int? { instances[i].units.firstIndex { $0.hash == hash } }

  private func wholeUnits(of r: Int) -> [UInt64] {
    caches ? Array(sharing.hashes[r].prefix(requests[r].prompt / sharing.unit)) : []
  }

  /// Leading units of a waiting request that its home holds; a token at least is left to compute.
  func cachedUnits(of r: Int) -> Int {
    var count = 0
    for hash in wholeUnits(of: r) {
      if unit(hash, on: requests[r].home) == nil || (count + 1) * sharing.unit > requests[r].length - 1 {
        break
      }
      count += 1
    }
    return count
  }

  /// Blocks of the first `units` units of `r` that somebody uses.
  func blocksInUse(by r: Int, units: Int) -> Int {
    wholeUnits(of: r).prefix(units).reduce(0) { total, hash in
      guard let u = unit(hash, on: requests[r].home) else { return total }
      let found = instances[requests[r].home].units[u]
      return total + (found.users.isEmpty ? 0 : found.blocks.count)
    }
  }

  /// `r` begins with its first `count` units as its home has them.
  mutating func share(_ count: Int, with r: Int) {
    let home = requests[r].home
    for hash in wholeUnits(of: r).prefix(count) {
      guard let u = unit(hash, on: home) else { preconditionFailure("only what is held is shared") }
      instances[home].units[u].users.insert(r)
      requests[r].table += instances[home].units[u].blocks
      requests[r].units.append(hash)
      statistics.sharers.insert(r)
    }
  }

  /// The prompt of `r` is computed: others may use its units that its home does not hold yet.
  mutating func publish(_ r: Int) {
    guard !requests[r].hasHosted else { return }
    let home = requests[r].home
    let size = sharing.unit / max(1, blockSize)
    for (index, hash) in wholeUnits(of: r).enumerated().dropFirst(requests[r].units.count) {
      // Somebody else was faster: the copy stays the request's own.
      if unit(hash, on: home) != nil { continue }
      let blocks = Array(requests[r].table[(index * size)..<((index + 1) * size)])
      instances[home].units.append(OracleUnit(hash: hash, blocks: blocks, users: [r]))
      requests[r].units.append(hash)
    }
  }

  /// `r` uses its units no longer, the last first. Returns the blocks in them.
  mutating func unshare(_ r: Int) -> Set<OracleBlock> {
    var blocks: Set<OracleBlock> = []
    for hash in requests[r].units.reversed() {
      guard let u = unit(hash, on: requests[r].home) else { preconditionFailure("a used unit is held") }
      instances[requests[r].home].units[u].users.remove(r)
      blocks.formUnion(instances[requests[r].home].units[u].blocks)
      if instances[requests[r].home].units[u].users.isEmpty {
        givenUp += 1
        instances[requests[r].home].units[u].idleSince = givenUp
      }
    }
    requests[r].units = []
    return blocks
  }

  /// Frees the blocks of the unit that nobody has used for longest.
  mutating func evictUnit(_ i: Int) {
    let idle = instances[i].units.indices.filter { instances[i].units[$0].users.isEmpty }
    guard let oldest = idle.min(by: { instances[i].units[$0].idleSince < instances[i].units[$1].idleSince })
    else { preconditionFailure("a block is taken only if it can be had") }
    instances[i].free += instances[i].units.remove(at: oldest).blocks.map(\.id)
    statistics.evictions += 1
  }

  /// Every block of an instance is free, or in one unit, or in one table: never in two of these.
  func checkShares() {
    var seen = Array(repeating: false, count: blocksPerInstance * instances.count)
    var counts = Array(repeating: 0, count: instances.count)
    /// The request that was last found to use a block by a unit.
    var users = Array(repeating: -1, count: seen.count)
    func number(_ block: OracleBlock) -> Int { block.instance * blocksPerInstance + block.id }
    func see(_ block: OracleBlock) {
      precondition(!seen[number(block)], "no block has two owners")
      seen[number(block)] = true
      counts[block.instance] += 1
    }
    for i in instances.indices {
      for id in instances[i].free { see(OracleBlock(instance: i, id: id)) }
      for unit in instances[i].units { unit.blocks.forEach(see) }
    }
    for r in instances.flatMap(\.running) {
      for hash in requests[r].units {
        guard let u = unit(hash, on: requests[r].home) else { continue }
        for block in instances[requests[r].home].units[u].blocks { users[number(block)] = r }
      }
      for block in requests[r].table where users[number(block)] != r { see(block) }
    }
    for i in instances.indices {
      precondition(counts[i] == capacity, "free, shared and own blocks are all of an instance's blocks")
    }
  }
}
