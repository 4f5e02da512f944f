/// The blocks of one instance that prompts may share, by the identity of what they hold.
///
/// A *unit* is a run of tokens that a trace names by one hash, a whole number of KV blocks. A unit is in use while
/// requests refer to it, and idle after the last of them has gone: idle units keep their blocks until somebody
/// else needs the memory, the least recently used going first.
public struct PrefixCache: Sendable {
  private struct Unit {
    var hash: UInt64
    var references: Int32
    /// Neighbours among the idle, −1 at the ends.
    var older: Int32 = -1
    var newer: Int32 = -1
  }

  private var units: ContiguousArray<Unit> = []
  private var freed: ContiguousArray<Int32> = []
  private var byHash: [UInt64: Int32] = [:]
  private var oldest: Int32 = -1
  private var newest: Int32 = -1
  /// Units that nobody refers to.
  public private(set) var idle = 0

  public init() {}

  /// Of the first `limit` of `hashes`, how many leading ones are here, and how many of those are in use.
  public func match(_ hashes: ContiguousArray<UInt64>, limit: Int) -> (units: Int, inUse: Int) {
    var found = 0
    var inUse = 0
    for hash in hashes.prefix(limit) {
      guard let unit = byHash[hash] else { break }
      found += 1
      if units[Int(unit)].references > 0 { inUse += 1 }
    }
    return (found, inUse)
  }

  /// One more request refers to the unit called `hash`, which must be here.
  public mutating func refer(to hash: UInt64) -> Int32 {
    guard let unit = byHash[hash] else { preconditionFailure("only a unit that is cached is referred to") }
    if units[Int(unit)].references == 0 { unlink(unit) }
    units[Int(unit)].references += 1
    return unit
  }

  /// A request has computed the unit called `hash` and refers to it; `nil` if it is here already: then the
  /// request's own copy stays its own.
  public mutating func add(_ hash: UInt64) -> Int32? {
    guard byHash[hash] == nil else { return nil }
    let unit = freed.popLast() ?? Int32(units.count)
    if Int(unit) == units.count {
      units.append(Unit(hash: hash, references: 1))
    } else {
      units[Int(unit)] = Unit(hash: hash, references: 1)
    }
    byHash[hash] = unit
    return unit
  }

  /// A request refers to `unit` no longer. Returns whether it has become idle.
  public mutating func release(_ unit: Int32) -> Bool {
    let u = Int(unit)
    precondition(units[u].references > 0, "a unit is released by those who refer to it")
    units[u].references -= 1
    guard units[u].references == 0 else { return false }
    units[u].older = newest
    units[u].newer = -1
    if newest >= 0 { units[Int(newest)].newer = unit } else { oldest = unit }
    newest = unit
    idle += 1
    return true
  }

  /// Whether more than one request refers to `unit`.
  func isShared(_ unit: Int32) -> Bool { units[Int(unit)].references > 1 }

  /// Forgets the unit that has been idle longest; there must be one.
  public mutating func evict() {
    let unit = oldest
    precondition(unit >= 0, "only an idle unit is evicted")
    unlink(unit)
    byHash[units[Int(unit)].hash] = nil
    freed.append(unit)
  }

  private mutating func unlink(_ unit: Int32) {
    let (older, newer) = (units[Int(unit)].older, units[Int(unit)].newer)
    if older >= 0 { units[Int(older)].newer = newer } else { oldest = newer }
    if newer >= 0 { units[Int(newer)].older = older } else { newest = older }
    idle -= 1
  }
}
