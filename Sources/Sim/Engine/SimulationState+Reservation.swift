/// What a giant that waits for memory means for younger requests: who is held back, who may start meanwhile, and who gives way
/// (docs/decisions/0014, 8 to 10).
extension SimulationState {
  // MARK: - Who waits, and who is held back

  /// Whether a request may not start because an older one that is larger than an instance waits for memory.
  func isHeldBack(_ slot: Int) -> Bool {
    guard requests[slot].id > holdingGiant else { return false }
    return lending.reserveGiants == .hold || !mayBackfill(slot)
  }

  /// Whether a running request may not borrow for the same reason.
  func isBarredFromLoans(_ slot: Int) -> Bool {
    lending.reserveGiants == .hold && requests[slot].id > holdingGiant
  }

  /// Starts a round of admissions: whether its head is blocked is found out anew, and known at its end.
  @inline(__always)
  mutating func beginAdmission(_ i: Int) {
    guard borrows else { return }
    setHungry(i, false)
    setWaitsForTurn(i, false)
    refusedGiant = .max
    admitting = i
  }

  /// Ends a round of admissions.
  @inline(__always)
  mutating func endAdmission(_ i: Int) {
    guard borrows else { return }
    setBlockedGiant(of: i, refusedGiant)
    ensureOutlook()
    admitting = -1
  }

  /// The head of a queue found no memory, neither at home nor elsewhere. It looks again when some is freed; and if
  /// it is larger than an instance, the oldest such head holds back younger admissions and loans.
  mutating func waitForSpace(_ slot: Int) {
    let i = requests[slot].home
    setHungry(i, true)
    // As the oldest it needs less.
    setWaitsForTurn(i, requests[slot].starts > 1)
    waitBehindGiant(slot)
  }

  /// A head that waits, for memory or behind an older giant, is itself in line if it is larger than an instance.
  mutating func waitBehindGiant(_ slot: Int) {
    let i = requests[slot].home
    guard lending.reserveGiants != .none, isGiant(slot) else { return }
    refusedGiant = requests[slot].id
    // Said when it begins, not at every try.
    guard instances[i].blockedGiant != refusedGiant else { return }
    decided(.reserve, slot, from: i, to: i, blocks: 0) { "larger than an instance, waiting for memory" }
  }

  mutating func clearBlockedGiant(of i: Int) { setBlockedGiant(of: i, .max) }

  private mutating func setBlockedGiant(of i: Int, _ id: Int) {
    guard instances[i].blockedGiant != id else { return }
    instances[i].blockedGiant = id
    let before = holdingGiant
    holdingGiant = .max
    for i in 0..<instanceCount { holdingGiant = min(holdingGiant, instances[i].blockedGiant) }
    if before == .max, holdingGiant != .max { holdSince = now }
    if before != .max, holdingGiant == .max { metrics.held += now - holdSince }
    // Less is held back than before: everybody who waits looks again.
    guard holdingGiant > before else { return }
    for j in 0..<instanceCount where j != i && j != decider {
      if steals || !instances[j].queue.isEmpty { touch(j) }
    }
  }

  /// The head of the queue of `i` may be another one: requests that start from now on start after it became the head.
  @inline(__always)
  mutating func noteHead(of i: Int) {
    if borrows { noteHeadOfBorrower(i) }
  }

  private mutating func noteHeadOfBorrower(_ i: Int) {
    let head = instances[i].queue.head
    let id = head < 0 ? -1 : requests[Int(head)].id
    guard instances[i].headID != id else { return }
    instances[i].headID = id
    instances[i].headSince = admissions
    // Who is no longer the head is not in line.
    clearBlockedGiant(of: i)
  }

  // MARK: - Backfilling

  /// When the oldest giant that waits is expected to start.
  struct Outlook {
    /// Its id.
    var giant = Int.max
    /// ps; `.max` if that is not known.
    var start: Int64 = 0
    /// Blocks that will be free then and that it does not need.
    var spareBlocks = 0
  }

  /// Whether a younger request may start although the giant waits: it is expected to end before the giant starts, or it takes
  /// only blocks that the giant will not need. One that has given way before may not.
  private func mayBackfill(_ slot: Int) -> Bool {
    guard !requests[slot].gaveWay else { return false }
    return endsInTime(slot) || blocks(for: requests[slot].length) <= outlook.spareBlocks
  }

  private func endsInTime(_ slot: Int) -> Bool {
    if outlook.start == .max { return true }
    guard let service = serviceTime(prompt: requests[slot].prompt) else { return false }
    let (end, isBeyond) = now.addingReportingOverflow(service)
    return !isBeyond && end <= outlook.start
  }

  /// A request starts, perhaps while an older one waits.
  @inline(__always)
  mutating func notePassing(_ slot: Int) {
    if borrows { noteStart(slot) }
  }

  private mutating func noteStart(_ slot: Int) {
    admissions += 1
    requests[slot].admission = admissions
    requests[slot].admitted = now
    guard lending.reserveGiants == .backfill else { return }
    if requests[slot].id > holdingGiant, !endsInTime(slot) {
      outlook.spareBlocks -= blocks(for: requests[slot].length)
    }
    guard isPassing(slot) else { return }
    requests[slot].passes = true
    passing += 1
  }

  /// Whether it might be in the way of a head some time: of an older one that is larger than an instance, as any may
  /// become if memory fails.
  private func isPassing(_ slot: Int) -> Bool {
    let anyMayGrow = !configuration.faults.isEmpty
    return (0..<instanceCount).contains { j in
      let head = Int(instances[j].queue.head)
      return head >= 0 && requests[head].id < requests[slot].id && (anyMayGrow || isGiant(head))
    }
  }

  /// It has ended, or has lost its blocks.
  mutating func noteNoLongerPassing(_ slot: Int) {
    guard requests[slot].passes else { return }
    requests[slot].passes = false
    passing -= 1
  }

  // MARK: - How long requests take

  /// A request has completed: its service time counts for the estimates of its class. Classes are powers of two of the prompt.
  @inline(__always)
  mutating func noteService(_ slot: Int) {
    if borrows, lending.reserveGiants == .backfill { addService(slot) }
  }

  private mutating func addService(_ slot: Int) {
    let k = Self.lengthClass(prompt: requests[slot].prompt)
    services[k].count += 1
    services[k].sum += Int128(now - requests[slot].admitted)
  }

  private static func lengthClass(prompt: Int) -> Int {
    Int.bitWidth - 1 - max(1, prompt).leadingZeroBitCount
  }

  /// How long a request is expected to run, ps: the mean of its class, or of the nearest shorter class that has completed
  /// requests, doubled for each class between; `nil` if there is none.
  private func serviceTime(prompt: Int) -> Int64? {
    let own = Self.lengthClass(prompt: prompt)
    for k in stride(from: own, through: 0, by: -1) where services[k].count > 0 {
      let mean = max(1, services[k].sum / Int128(services[k].count))
      return Int64(exactly: mean << Int128(own - k))
    }
    return nil
  }

  /// When a running request is expected to end, ps: after its expected time, or the next multiple of that if it has outlived it.
  private func expectedEnd(_ slot: Int) -> Int64 {
    guard let service = serviceTime(prompt: requests[slot].prompt) else { return .max }
    let times = (now - requests[slot].admitted) / service + 1
    let (span, overflows) = service.multipliedReportingOverflow(by: times)
    let (end, isBeyond) = requests[slot].admitted.addingReportingOverflow(span)
    return overflows || isBeyond ? .max : end
  }

  // MARK: - When the giant will start

  /// Memory has been freed in this instant: the giant's start is estimated again.
  mutating func renewOutlook() {
    isOutlookDue = false
    if holdingGiant != .max { lookAhead() }
  }

  /// Estimates the start if the outlook is that of another giant.
  @inline(__always)
  mutating func ensureOutlook() {
    if isOutlookOld { lookAhead() }
  }

  var isOutlookOld: Bool {
    holdingGiant != .max && holdingGiant != outlook.giant && lending.reserveGiants == .backfill
  }

  /// Blocks that the decoders of the chunked step which instance `i` is about to start have found already.
  private func found(by i: Int) -> Int {
    chunked && i == admitting ? growth(of: i, at: instances[i].clock) : 0
  }

  /// Those held back look again; and who has nothing waiting, for it may steal one of them.
  private mutating func lookAgain() {
    for i in 0..<instanceCount where i != decider {
      let head = instances[i].queue.head
      if head >= 0 ? requests[Int(head)].id > holdingGiant : steals { touch(i) }
    }
  }

  /// Estimates when the giant will start: when requests expected to end first have left enough memory.
  private mutating func lookAhead() {
    outlook = Outlook(giant: holdingGiant, start: .max)
    guard let i = (0..<instanceCount).first(where: { instances[$0].blockedGiant == holdingGiant }) else {
      return
    }
    let giant = Int(instances[i].queue.head)
    let need = blocksWithRoomToGrow(giant)
    var free = 0
    for h in 0..<instanceCount where instances[h].isUp {
      free += max(0, freeBlocks(of: h) - found(by: h) - watermark)
    }
    var ends: [(at: Int64, id: Int, blocks: Int)] = []
    forEachRunning { slot, blocks in
      if isInTheWay(slot, of: giant) {
        free += blocks
      } else {
        ends.append((expectedEnd(slot), requests[slot].id, blocks))
      }
    }
    ends.sort { ($0.at, $0.id) < ($1.at, $1.id) }
    outlook.start = now
    for end in ends where free < need {
      free += end.blocks
      outlook.start = end.at
    }
    if free < need { outlook.start = .max }
    outlook.spareBlocks = max(0, free - need)
    lookAgain()
  }

  /// Calls `body` with every request that holds blocks, and how many it holds everywhere that nobody else uses too.
  private func forEachRunning(_ body: (_ slot: Int, _ blocks: Int) -> Void) {
    for i in 0..<instanceCount {
      let steps = chunked && i == admitting ? 1 : progress(of: i).started
      var slot = instances[i].batch.head
      while slot >= 0 {
        let s = Int(slot)
        body(s, localBlocks(of: s, steps: steps) - blocksInCommon(s) + requests[s].hostedBlocks)
        slot = requests[s].next
      }
      let partial = Int(instances[i].partial)
      if partial >= 0 {
        body(partial, blocksOfPrompt(partial) - blocksInCommon(partial) + requests[partial].hostedBlocks)
      }
      for chunk in instances[i].chunks where chunk.slot >= 0 && Int(chunk.slot) != partial {
        let s = Int(chunk.slot)
        body(s, blocksOfPrompt(s) - blocksInCommon(s) + requests[s].hostedBlocks)
      }
    }
  }

  /// What a request that is being prefilled holds at home: the chunks of a run under way are booked at its end.
  func blocksOfPrompt(_ slot: Int) -> Int {
    let i = requests[slot].home
    let inRun = instances[i].isBusy && instances[i].run.chunk > 0 && instances[i].partial == Int32(slot)
    return requests[slot].localBlocks + (inRun ? chunkBlocks(of: i, steps: progress(of: i).started) : 0)
  }

  /// Whether a running request is younger than the head `giant` and has started since that became the head.
  private func isInTheWay(_ slot: Int, of giant: Int) -> Bool {
    requests[slot].id > requests[giant].id
      && requests[slot].admission > instances[requests[giant].home].headSince
  }

  // MARK: - Making way

  /// Preempts younger requests that were admitted since `giant` became the head of its queue, the youngest first, until there
  /// is memory for it; nobody if even all of them would not free enough. Returns whether anybody gave way.
  mutating func makeWay(for giant: Int, watermark kept: Int) -> Bool {
    guard lending.reserveGiants == .backfill, passing > 0, isGiant(giant), requests[giant].id <= holdingGiant,
      blocksForOthers(giant) == 0
    else { return false }
    let need = blocksWithRoomToGrow(giant)
    let home = requests[giant].home
    let lenders = lenders(to: loanRequest(giant, blocks: need, minimum: 1, isGrowth: false))
    var inTheWay: [Int] = []
    forEachRunning { slot, _ in if isInTheWay(slot, of: giant) { inTheWay.append(slot) } }
    inTheWay.sort { requests[$0].id > requests[$1].id }
    let held = blocks(of: inTheWay, for: giant)
    func room(with more: [Int]) -> Int {
      lenders.indices.reduce(0) { sum, h in
        guard h == home || lenders[h] else { return sum }
        guard h == home else { return sum + max(0, lendableBlocks(of: h) + more[h]) }
        let free = freeForPrompt(at: h, need: need, watermark: kept) + more[h]
        return sum + max(0, min(requests[giant].length / blockSize, free))
      }
    }
    guard room(with: held) >= need else { return false }
    let none = Array(repeating: 0, count: instanceCount)
    var gaveWay = false
    for slot in inTheWay where room(with: none) < need {
      gaveWay = true
      requests[slot].gaveWay = true
      preempt(slot, .inTheWay(of: requests[giant].id))
    }
    return gaveWay
  }

  /// What some running requests hold that nobody else uses too, by instance.
  private func blocks(of slots: [Int], for giant: Int) -> [Int] {
    var held = Array(repeating: 0, count: instanceCount)
    for slot in slots {
      let home = requests[slot].home
      // Under `chunked` the decoders of the step that is about to start have theirs already.
      let steps = chunked && home == admitting ? 1 : progress(of: home).started
      held[home] -= blocksInCommon(slot)
      // What it has been promised is not lent either.
      if home != requests[giant].home { held[home] += promisedBlocks(to: slot) }
      held[home] +=
        requests[slot].phase == .decoding ? localBlocks(of: slot, steps: steps) : blocksOfPrompt(slot)
      var loan = requests[slot].firstLoan
      while loan >= 0 {
        held[loans[Int(loan)].host] += loans[Int(loan)].blocks + loans[Int(loan)].arriving
        loan = loans[Int(loan)].next
      }
    }
    return held
  }
}
