import Sim

/// What is known of the start of the oldest giant that waits (14.9).
struct OracleReckoning {
  /// Whom it was reckoned for.
  var giant: Int
  /// S: when it is expected to start, ps; `nil`: unknown.
  var start: Int64?
  /// E: blocks that it will leave over.
  var spare: Int
}

/// How long the completed requests of a class took, from their last admission to their end.
struct OracleClass {
  var sum: Int128 = 0
  var count = 0
}

/// Giants that wait, and who starts before them (decisions/0014, 7 to 10).
extension Oracle {
  // MARK: - Progress

  /// 14.7: a request whose last three preemptions were in a row starts when no older one waits or runs anywhere.
  func awaitsTurn(_ r: Int) -> Bool {
    lends && requests[r].row >= 3 && !isOldest(r)
  }

  /// No older request waits or runs.
  func isOldest(_ r: Int) -> Bool {
    !requests[..<r].contains { $0.state != .unborn && $0.state != .ended }
  }

  // MARK: - Who is held back

  /// The oldest giant that is head of its queue and that the last decision of its home refused (14.9).
  var oldestBlocked: Int? {
    instances.compactMap(\.blockedGiant).min()
  }

  /// 14.8, A21: under `hold` nobody younger borrows either.
  func mayNotBorrow(_ r: Int) -> Bool {
    guard lends, lending.reserveGiants == .hold, let giant = oldestBlocked else { return false }
    return giant < r
  }

  /// 14.8, 14.9: whether an older giant keeps the waiting request `r` from being admitted.
  mutating func isHeldBack(_ r: Int) -> Bool {
    guard lends else { return false }
    reckonIfAnother()
    guard let giant = oldestBlocked, giant < r else { return false }
    switch lending.reserveGiants {
    case .none: return false
    case .hold: return true
    case .backfill:
      if requests[r].gaveWay { return true }
      return !endsInTime(r) && !leavesRoom(r)
    }
  }

  /// 14.9: S is unknown, or now + T ≤ S.
  private func endsInTime(_ r: Int) -> Bool {
    guard let start = reckoning?.start else { return true }
    guard let time = expectedTime(r) else { return false }
    return now + time <= start
  }

  /// 14.9: ⌈L / bs⌉ ≤ E.
  private func leavesRoom(_ r: Int) -> Bool {
    guard let reckoning else { return true }
    return blocks(requests[r].length) <= reckoning.spare
  }

  /// 14.9: the waiting request `r` is admitted; if only by what the giant leaves over, there is less of that now.
  mutating func countBackfill(_ r: Int) {
    guard lends, lending.reserveGiants == .backfill, let giant = oldestBlocked, giant < r else { return }
    statistics.backfilled += 1
    let length = blocks(requests[r].length)
    if !endsInTime(r) { reckoning?.spare -= length }
  }

  /// What the decision of instance `i` says of the head of its queue: whether it is a giant that has to wait.
  mutating func noteBlocked(_ giant: Int?, on i: Int) {
    if instances[i].blockedGiant != giant {
      instances[i].blockedGiant = giant
      changes += 1
    }
    reckonIfAnother()
  }

  // MARK: - The expected start of a giant

  /// ⌊log₂ prompt⌋.
  private func lengthClass(_ prompt: Int) -> Int {
    var power = 0
    while prompt >> (power + 1) > 0 { power += 1 }
    return power
  }

  /// 14.9: a completed request counts for its class.
  mutating func countCompleted(_ r: Int) {
    var known = completed[lengthClass(requests[r].prompt)] ?? OracleClass()
    known.sum += Int128(now - requests[r].admittedAt)
    known.count += 1
    completed[lengthClass(requests[r].prompt)] = known
  }

  /// T (14.9), ps; `nil`: unknown.
  private func expectedTime(_ r: Int) -> Int64? {
    var doublings = 0
    for candidate in stride(from: lengthClass(requests[r].prompt), through: 0, by: -1) {
      if let known = completed[candidate] {
        let mean = max(1, known.sum / Int128(known.count))
        return doublings <= 62 ? Int64(exactly: mean << Int128(doublings)) : nil
      }
      doublings += 1
    }
    return nil
  }

  /// 14.9: when the running request `r` is expected to end, ps; `nil`: never.
  private func expectedEnd(_ r: Int) -> Int64? {
    guard let time = expectedTime(r) else { return nil }
    let since = requests[r].admittedAt
    return Int64(exactly: Int128(since) + Int128(time) * Int128((now - since) / time + 1))
  }

  /// 14.9: when another giant is the oldest than the one reckoned for.
  mutating func reckonIfAnother() {
    guard lends, let giant = oldestBlocked, reckoning?.giant != giant else { return }
    reckon()
  }

  /// Memory has been freed, or a queue has become empty (14.9).
  mutating func noteFreed() {
    if oldestBlocked != nil { isFreed = true }
  }

  /// 14.9: before the decisions of an instant and after each pass of them.
  mutating func reckonIfFreed() {
    if isFreed { reckon() }
    isFreed = false
  }

  private mutating func reckon() {
    guard lends, lending.reserveGiants == .backfill, let giant = oldestBlocked else { return }
    let need = wholeNeed(giant)
    let yielding = inTheWay(of: giant)
    var free = instances.indices.reduce(0) { $0 + max(0, available($1) - watermark) }
    for r in yielding { free += heldAlone(r) }
    var start: Int64? = now
    let others = instances.flatMap(\.running).filter { !yielding.contains($0) }
      .map { (end: expectedEnd($0), request: $0) }
      .sorted { ($0.end ?? .max, $0.request) < ($1.end ?? .max, $1.request) }
    for other in others where free < need {
      free += heldAlone(other.request)
      start = other.end
    }
    if free < need { start = nil }
    reckoning = OracleReckoning(giant: giant, start: start, spare: max(0, free - need))
  }

  /// Blocks of a running request that nobody else uses too, on all instances.
  private func heldAlone(_ r: Int) -> Int { instances.indices.reduce(0) { $0 + heldAlone(r, on: $1) } }

  private func heldAlone(_ r: Int, on i: Int) -> Int {
    guard i == requests[r].home else { return held(r, on: i) }
    let common = instances[i].units.filter { $0.users.contains(r) && $0.users.count > 1 }
    return held(r, on: i) - common.reduce(0) { $0 + $1.blocks.count }
  }

  // MARK: - Giving way

  /// 14.10: running requests younger than `giant` that were admitted after it became the head of its queue.
  private func inTheWay(of giant: Int) -> [Int] {
    instances.flatMap(\.running).filter { r in
      r > giant && requests[r].admission > requests[giant].headSince
    }
  }

  /// 14.10: what is free, or would be without `yielding`, on the home of `giant` and on all that may lend to it.
  private func room(for giant: Int, without yielding: [Int]) -> Int {
    let home = requests[giant].home
    return instances.indices.reduce(0) { sum, i in
      let theirs = yielding.reduce(0) { $0 + heldAlone($1, on: i) }
      guard i == home else {
        return sum + max(0, available(i) - watermark - promised(i, without: yielding) + theirs)
      }
      let free = available(i) - watermarkKept(for: giant) + theirs
      return sum + max(0, min(requests[giant].length / blockSize, free))
    }
  }

  /// 14.10: the home of `r` refuses it for want of blocks, and no older giant is blocked. True if somebody gave way, so that it is asked for anew.
  mutating func giveWay(to r: Int) -> Bool {
    guard lends, lending.reserveGiants == .backfill, isGiant(r), blocksForOthers(r) == 0 else { return false }
    if let oldest = oldestBlocked, oldest < r { return false }
    var yielding = inTheWay(of: r).sorted()
    let need = wholeNeed(r)
    guard room(for: r, without: yielding) >= need else { return false }
    var somebodyWent = false
    while room(for: r, without: []) < need, let youngest = yielding.popLast() {
      requests[youngest].gaveWay = true
      preempt(youngest)
      statistics.gaveWay += 1
      somebodyWent = true
    }
    return somebodyWent
  }
}
