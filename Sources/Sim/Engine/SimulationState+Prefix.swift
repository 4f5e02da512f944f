/// Prefix caching: leading blocks of a prompt that its home has computed before are shared, not computed again.
///
/// Blocks in use count once, however many requests share them, and idle ones count as free until they are taken.
/// The cache holds blocks at home only: a prompt that has to borrow computes all of itself and shares nothing, so a
/// lent block has one owner; and a move takes only blocks that are their request's own.
extension SimulationState {
  /// What a request shares.
  struct Prefix {
    /// Identities of the prompt's whole units, in order.
    var hashes: ContiguousArray<UInt64> = []
    /// The units that it refers to, in order.
    var units: ContiguousArray<Int32> = []
  }

  /// Leading units of a waiting request that its home has, and how many of them others use. At least one token is
  /// always computed: it is the one that the next token follows from.
  @inline(__always)
  func prefixHits(_ slot: Int) -> (units: Int, inUse: Int) {
    prefixUnit > 0 ? matchedUnits(of: slot) : (0, 0)
  }

  private func matchedUnits(of slot: Int) -> (units: Int, inUse: Int) {
    let limit = (requests[slot].length - 1) / prefixUnit
    return prefixCaches[requests[slot].home].match(prefixes[slot].hashes, limit: limit)
  }

  /// Whether the head of a queue could start from units that nobody uses.
  func headHasIdleHits(_ i: Int) -> Bool {
    let head = Int(instances[i].queue.head)
    guard head >= 0 else { return false }
    let hits = prefixHits(head)
    return hits.units > hits.inUse
  }

  /// Blocks that a request need not take at home, because others use them already.
  func sharedBlocks(_ hits: (units: Int, inUse: Int)) -> Int { hits.inUse * prefixUnitBlocks }

  /// A request just admitted refers to its first `count` units. Returns the tokens that it need not compute.
  mutating func takeHits(_ slot: Int, count: Int) -> Int {
    guard prefixUnit > 0 else { return 0 }
    for unit in 0..<count {
      let hash = prefixes[slot].hashes[unit]
      prefixes[slot].units.append(prefixCaches[requests[slot].home].refer(to: hash))
    }
    let tokens = count * prefixUnit
    metrics.notePrefix(hit: tokens, of: requests[slot].length)
    return tokens
  }

  /// A prompt is computed: the units of it that its home did not have may be shared from now on.
  mutating func shareComputed(_ slot: Int) {
    guard prefixUnit > 0, !requests[slot].isBorrower else { return }
    let home = requests[slot].home
    for hash in prefixes[slot].hashes.dropFirst(prefixes[slot].units.count) {
      if let unit = prefixCaches[home].add(hash) { prefixes[slot].units.append(unit) }
    }
  }

  /// Blocks at home that a request shares or may share.
  func sharableBlocks(of slot: Int) -> Int {
    prefixUnit > 0 ? prefixes[slot].units.count * prefixUnitBlocks : 0
  }

  /// Blocks at home that a running request shares with another one now.
  func blocksInCommon(_ slot: Int) -> Int {
    guard prefixUnit > 0 else { return 0 }
    return prefixUnitBlocks * prefixes[slot].units.count { prefixCaches[requests[slot].home].isShared($0) }
  }

  /// A request gives up its units, the last first, so that the end of a prompt is evicted before its beginning.
  /// Returns the blocks that are idle from now on.
  mutating func releaseUnits(_ slot: Int) -> Int {
    guard prefixUnit > 0 else { return 0 }
    var idle = 0
    while let unit = prefixes[slot].units.popLast() {
      if prefixCaches[requests[slot].home].release(unit) { idle += prefixUnitBlocks }
    }
    return idle
  }

  /// Blocks of instance `i` have been taken, or some will be given back: idle units make room for what it uses now, steps
  /// that have started included. What a run takes is looked at when the run ends, or before anything else changes.
  mutating func evictIdle(_ i: Int) {
    if prefixUnit > 0 { evictIdle(i, used: usedBlocks(of: i)) }
  }

  /// The same while a decision takes blocks that are booked later: `used` with them.
  mutating func evictIdle(_ i: Int, used: Int) {
    guard prefixUnit > 0 else { return }
    while prefixCaches[i].idle > 0, used + prefixCaches[i].idle * prefixUnitBlocks > usableBlocks {
      prefixCaches[i].evict()
      metrics.evictedUnits += 1
    }
  }
}
