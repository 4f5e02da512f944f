/// DistAttention's memory side: loans of KV blocks between instances (semantics.md 16–24).
extension SimulationState {
  // MARK: - What a borrower has

  /// Reserved hosted blocks that hold no token yet.
  func slackBlocks(of slot: Int) -> Int {
    let hosted = requests[slot].hostedBlocks
    guard hosted > 0 else { return 0 }
    guard requests[slot].fillsHost else { return hosted - requests[slot].fixedTokens / blockSize }
    return (hosted * blockSize - (storedTokens(of: slot) - requests[slot].fixedTokens)) / blockSize
  }

  /// The next token goes to a hosted block. Called at a block boundary.
  mutating func growAtHost(_ slot: Int) {
    guard !requests[slot].fillsHost else { return }
    countOut(slot)
    requests[slot].fixedTokens = storedTokens(of: slot) - requests[slot].fixedTokens
    requests[slot].fillsHost = true
    countIn(slot)
  }

  /// The next token goes to a block at home. Called at a block boundary.
  mutating func growAtHome(_ slot: Int) {
    guard requests[slot].fillsHost else { return }
    countOut(slot)
    requests[slot].fixedTokens = storedTokens(of: slot) - requests[slot].fixedTokens
    requests[slot].fillsHost = false
    countIn(slot)
  }

  // MARK: - Borrowing

  /// Admits the head of a queue with what its home has and the rest from hosts, all or nothing.
  /// With `spreads` the hosts may have more than that, and the home keeps the rest.
  mutating func borrowPrompt(_ slot: Int, watermark: Int, spreads: Bool = false) -> Bool {
    let i = requests[slot].home
    // Everybody may lend to a giant: as long as nobody has freed a block, who refused it refuses again.
    if instances[i].refusedGiant == requests[slot].id, instances[i].refusedAtFrees == frees { return false }
    let need = blocksWithRoomToGrow(slot)
    // Its last tokens lie on hosts, where it grows.
    let room = min(
      requests[slot].length / blockSize,
      max(0, freeForPrompt(at: i, need: need, watermark: watermark) - roomForBatch(slot, on: i)))
    let least = spreads ? max(1, need - room) : need - room
    let most = spreads ? max(least, need - 1) : need - room
    guard least > 0 else { return false }
    guard let pieces = askForLoan(slot, blocks: most, minimum: least, isGrowth: false) else {
      if isGiant(slot) {
        instances[i].refusedGiant = requests[slot].id
        instances[i].refusedAtFrees = frees
      }
      return false
    }
    let local = need - pieces.reduce(0) { $0 + $1.blocks.count }
    for piece in pieces {
      addLoan(slot, host: piece.host.index, blocks: piece.blocks.count, reason: "prompt")
    }
    requests[slot].isBalanced = lending.placement == .balanced
    admit(slot, localBlocks: local)
    return true
  }

  /// Whether a prompt is offered to hosts although its home could hold it.
  func isSpread(_ slot: Int) -> Bool {
    borrows && lending.placement == .balanced && requests[slot].length >= lending.spreadFrom
  }

  /// A partial prompt that finds no blocks for its next chunk (`chunked` without `reserve-isl`) takes what is free at
  /// home and borrows all that its rest needs, or nothing.
  mutating func borrowRest(_ slot: Int, free: Int) -> Bool {
    guard borrows, !isBarredFromLoans(slot) else { return false }
    let need = blocksWithRoomToGrow(slot) - requests[slot].localBlocks
    let local = max(0, min(free, requests[slot].length / blockSize - requests[slot].localBlocks))
    guard need > local,
      let pieces = askForLoan(slot, blocks: need - local, minimum: need - local, isGrowth: false)
    else { return false }
    for piece in pieces {
      addLoan(slot, host: piece.host.index, blocks: piece.blocks.count, reason: "rest of a prompt")
    }
    requests[slot].isBalanced = false
    takeAtHome(slot, blocks: local)
    // What it counted on at home may be lent now.
    spaceFreed(at: requests[slot].home)
    return true
  }

  /// Takes blocks at home for a request that is being prefilled.
  mutating func takeAtHome(_ slot: Int, blocks: Int) {
    let i = requests[slot].home
    requests[slot].localBlocks += blocks
    bookedBlocks[i] += blocks
    evictIdle(i, used: bookedBlocks[i] + (chunked ? growth(of: i, at: instances[i].clock) : 0))
    metrics.noteUtilisation(used: bookedBlocks[i])
  }

  /// Borrows a chunk of blocks for a decoding request that finds none at home.
  mutating func borrow(for slot: Int) -> Bool {
    guard borrows, !isBarredFromLoans(slot),
      let pieces = askForLoan(slot, blocks: lending.borrowChunk, minimum: 1, isGrowth: true)
    else { return false }
    let wasBorrower = requests[slot].isBorrower
    countOut(slot)
    for piece in pieces {
      addLoan(slot, host: piece.host.index, blocks: piece.blocks.count, reason: "growth")
    }
    countIn(slot)
    if !wasBorrower { instances[requests[slot].home].borrowers += 1 }
    refreshRemotePaths(of: requests[slot].home)
    return true
  }

  private mutating func askForLoan(_ slot: Int, blocks: Int, minimum: Int, isGrowth: Bool) -> [LoanPiece]? {
    lend(loanRequest(slot, blocks: blocks, minimum: minimum, isGrowth: isGrowth))
  }

  func loanRequest(_ slot: Int, blocks: Int, minimum: Int, isGrowth: Bool) -> LoanRequest {
    var held: [LoanPiece] = []
    var loan = requests[slot].firstLoan
    while loan >= 0 {
      held.append(
        LoanPiece(host: InstanceID(loans[Int(loan)].host), blocks: KVBlocks(loans[Int(loan)].blocks)))
      loan = loans[Int(loan)].next
    }
    return LoanRequest(
      request: requestView(slot), home: InstanceID(requests[slot].home), blocks: KVBlocks(blocks),
      minimum: KVBlocks(minimum), whole: KVBlocks(blocksWithRoomToGrow(slot)), held: held,
      isGiant: isGiant(slot), isGrowth: isGrowth,
      leaves: KVBlocks(requests[slot].phase == .queued ? blocksForOthers(slot) : 0))
  }

  /// Reserves `blocks` blocks of `host` for a request. Hosts are charged from their next step on.
  private mutating func addLoan(_ slot: Int, host: Int, blocks: Int, reason: String) {
    touch(host)
    let loan = loanEntry(slot, host: host)
    loans[loan].blocks += blocks
    requests[slot].hostedBlocks += blocks
    requests[slot].borrowedPeak = max(requests[slot].borrowedPeak, requests[slot].hostedBlocks)
    bookedBlocks[host] += blocks
    evictIdle(host)
    hostedChanged(host, by: blocks)
    metrics.noteUtilisation(used: usedBlocks(of: host))
    fold(.placed, slot, blocks: blocks)
    decided(.borrow, slot, from: requests[slot].home, to: host, blocks: blocks) { reason }
  }

  /// The loan of a request on a host, made if there is none; loans are listed by ascending host.
  mutating func loanEntry(_ slot: Int, host: Int) -> Int {
    var before: Int32 = -1
    var after = requests[slot].firstLoan
    while after >= 0, loans[Int(after)].host < host {
      before = after
      after = loans[Int(after)].next
    }
    if after >= 0, loans[Int(after)].host == host { return Int(after) }
    let loan = Loan(slot: Int32(slot), host: host, blocks: 0, arriving: 0, next: after)
    let index: Int32
    if let reused = freedLoans.popLast() {
      loans[Int(reused)] = loan
      index = reused
    } else {
      loans.append(loan)
      index = Int32(loans.count - 1)
    }
    if before >= 0 { loans[Int(before)].next = index } else { requests[slot].firstLoan = index }
    if !hasPartners(host) { publishFirst(host) }
    instances[host].loans.append(index)
    return Int(index)
  }

  /// Takes an empty loan out of both lists.
  mutating func dropLoan(_ slot: Int, _ loan: Int) {
    precondition(loans[loan].blocks == 0 && loans[loan].arriving == 0, "only an empty loan is dropped")
    var before: Int32 = -1
    var current = requests[slot].firstLoan
    while current != Int32(loan) {
      before = current
      current = loans[Int(current)].next
    }
    if before >= 0 {
      loans[Int(before)].next = loans[loan].next
    } else {
      requests[slot].firstLoan = loans[loan].next
    }
    instances[loans[loan].host].loans.removeAll { $0 == Int32(loan) }
    loans[loan].slot = -1
    freedLoans.append(Int32(loan))
  }

  mutating func hostedChanged(_ host: Int, by blocks: Int) {
    instances[host].hostedBlocks += blocks
    instances[host].epochDue = true
    metrics.borrowed(by: blocks)
  }

  /// Frees every block that a request has on other instances and aborts its moves.
  mutating func releaseHosted(_ slot: Int) {
    if requests[slot].movingBlocks > 0 { abortMoves(of: slot) }
    while requests[slot].firstLoan >= 0 {
      let loan = Int(requests[slot].firstLoan)
      let host = loans[loan].host
      touch(host)
      evictIdle(host)
      noteUse(of: host)
      bookedBlocks[host] -= loans[loan].blocks
      hostedChanged(host, by: -loans[loan].blocks)
      loans[loan].blocks = 0
      dropLoan(slot, loan)
      spaceFreed(at: host)
    }
    requests[slot].hostedBlocks = 0
    requests[slot].fillsHost = false
    requests[slot].fixedTokens = 0
  }

  // MARK: - Waiting for memory elsewhere

  mutating func setHungry(_ i: Int, _ hungry: Bool) {
    guard instances[i].isHungry != hungry else { return }
    instances[i].isHungry = hungry
    hungryCount += hungry ? 1 : -1
  }

  /// Instance `i` may lend more than before: those that wait for memory elsewhere look again.
  mutating func spaceFreed(at i: Int) {
    frees += 1
    if holdingGiant != .max, lending.reserveGiants == .backfill { isOutlookDue = true }
    guard hungryCount > 0 else { return }
    let mayLend = lending.lendWhileQueueing || instances[i].queue.isEmpty
    let most = mostLendable()
    for h in 0..<instanceCount where h != i && instances[h].isHungry {
      let head = Int(instances[h].queue.head)
      guard mayLend || isGiant(head) else { continue }
      // What the whole cluster could give is not enough: it would look in vain, and looks again when more is freed.
      // Unless some of it may be taken back; who is a giant changes with faults.
      guard passing > 0 || faults.activeCount > 0 || leastNeed(head) <= most else { continue }
      touch(h)
    }
  }

  /// No more than this can be had of all instances together: blocks that runs under way have taken since they began
  /// count as free, and so do watermarks, which an instance that runs nothing need not keep.
  private func mostLendable() -> Int {
    var most = 0
    for i in 0..<instanceCount { most += usableBlocks - bookedBlocks[i] }
    return most
  }

  /// Blocks without which the head of a queue cannot be admitted.
  private func leastNeed(_ slot: Int) -> Int {
    let needsWhole = prefixUnit == 0 && (!chunked || options.reserveISL)
    return needsWhole ? blocks(for: requests[slot].length) : 0
  }

  // MARK: - Giants

  /// Whether a request is larger than one instance: alone at home it could not go on. It needs a block for the token that
  /// it is about to store or, where every decoding request must find a free one, one more than it has.
  func isGiant(_ slot: Int) -> Bool {
    let stored = requests[slot].phase == .decoding ? storedTokens(of: slot) : requests[slot].length
    let findsFree = !chunked && options.appendCheck == .vllm
    let needed = findsFree ? blocks(for: stored) + 1 : blocks(for: stored + 1)
    return needed > usableBlocks - instances[requests[slot].home].withheldBlocks - watermark
  }

  /// Blocks that the home of a prompt with hosts has for it: one that has grown into the watermark may take it again.
  func freeForPrompt(at i: Int, need: Int, watermark: Int) -> Int {
    usableBlocks - bookedBlocks[i] - (chunked ? growth(of: i, at: instances[i].clock) : 0)
      - (need > admissibleBlocks ? 0 : watermark)
  }

  /// Blocks of a prompt with hosts and of its first new tokens: else it would be preempted as soon as it is computed. No more
  /// of the latter than the cluster could give it alone.
  func blocksWithRoomToGrow(_ slot: Int) -> Int {
    let length = requests[slot].length
    return max(
      blocks(for: length),
      min(blocks(for: length + Self.roomToGrow), reachableBlocks(from: requests[slot].home)))
  }

  /// Blocks that an instance may lend: those free above its watermark that its own prompt under way will not take.
  func lendableBlocks(of i: Int) -> Int {
    let partial = Int(instances[i].partial)
    return freeBlocks(of: i) - watermark - (partial >= 0 ? promisedBlocks(to: partial) : 0)
  }

  /// What a partial prompt has still to take at home, if its admission has counted on that.
  func promisedBlocks(to slot: Int) -> Int {
    let i = requests[slot].home
    guard chunked, options.reserveISL, instances[i].partial == Int32(slot), !requests[slot].isBorrower else {
      return 0
    }
    return blocks(for: requests[slot].length) - blocksOfPrompt(slot)
  }

  /// What the home of a request and all that may lend to it have above their watermarks when nothing runs.
  private func reachableBlocks(from home: Int) -> Int {
    guard faults.activeCount > 0 else { return admissibleBlocks }
    var blocks = 0
    for i in 0..<instanceCount where instances[i].isUp && (i == home || reaches(home, i)) {
      blocks += max(0, usableBlocks - instances[i].withheldBlocks - watermark)
    }
    return blocks
  }

  /// New tokens for which a prompt with hosts finds room when it starts.
  static var roomToGrow: Int { 16 }

  // MARK: - Preempted again and again

  /// Blocks that every running request of an instance is left when `slot` starts there, beside the watermark: none if `slot`
  /// got on the last time or is the oldest, else what it takes until `slot` has computed its prompt and some tokens.
  func blocksForOthers(_ slot: Int) -> Int {
    guard borrows, requests[slot].starts > 1, !isOldest(slot) else { return 0 }
    var steps = Self.roomToGrow
    if chunked {
      let budget = max(1, options.maxNumBatchedTokens - instances[requests[slot].home].batch.count)
      steps += (requests[slot].length + budget - 1) / budget
    }
    return blocks(for: steps)
  }

  /// The same for all of them.
  @inline(__always)
  func roomForBatch(_ slot: Int, on i: Int) -> Int {
    borrows && requests[slot].starts > 1 ? running(on: i) * blocksForOthers(slot) : 0
  }

  /// Whether a request has been preempted so often without getting on that it starts only as the oldest.
  func awaitsTurn(_ slot: Int) -> Bool { borrows && requests[slot].starts > 2 && !isOldest(slot) }

  /// Whether no older request waits or runs: then nobody preempts it.
  private func isOldest(_ slot: Int) -> Bool {
    let id = requests[slot].id
    // A chunk of one that has just ended may still be listed.
    func isOlder(_ other: Int32) -> Bool {
      other >= 0 && requests[Int(other)].id < id && requests[Int(other)].phase != .free
    }
    for i in 0..<instanceCount {
      if isOlder(instances[i].queue.head) || isOlder(instances[i].batch.head) || isOlder(instances[i].partial)
        || instances[i].chunks.contains(where: { isOlder($0.slot) })
      {
        return false
      }
    }
    return true
  }

  mutating func setWaitsForTurn(_ i: Int, _ waits: Bool) {
    guard instances[i].waitsForTurn != waits else { return }
    instances[i].waitsForTurn = waits
    turnWaiters += waits ? 1 : -1
  }

  /// A request of `home` has ended: one that waits may be the oldest now, and be stolen too. Its own home decides anyway.
  mutating func touchTurnWaiters(besides home: Int) {
    for i in 0..<instanceCount where instances[i].waitsForTurn && instances[i].queue.head >= 0 {
      guard isOldest(Int(instances[i].queue.head)) else { continue }
      if i != home { touch(i) }
      if steals { touchThieves(of: i) }
    }
  }

  /// The youngest request besides the giant `slot` that holds a block on an instance it borrows from, and whether
  /// there is one; none for a request that is no giant.
  func holdersForGiant(_ slot: Int) -> (youngest: Int, any: Bool) {
    guard borrows, isGiant(slot) else { return (-1, false) }
    var youngest = -1
    for i in 0..<instanceCount where i != requests[slot].home {
      let candidate = holders(on: i, besides: slot).youngest
      if candidate >= 0, youngest < 0 || requests[candidate].id > requests[youngest].id {
        youngest = candidate
      }
    }
    return (youngest, youngest >= 0)
  }

  // MARK: - Stealing

  /// Takes the head of the longest other queue if this instance has nothing waiting and room for it.
  mutating func steal(into i: Int) {
    guard instances[i].queue.isEmpty, instances[i].partial < 0 else { return }
    while running(on: i) + instances[i].queue.count < options.maxNumSeqs {
      var longest = -1
      for j in 0..<instanceCount
      where j != i && instances[j].queue.count > (longest < 0 ? 0 : instances[longest].queue.count) {
        longest = j
      }
      guard longest >= 0 else { return }
      let slot = Int(instances[longest].queue.head)
      // One larger than an instance waits for memory anywhere; here it need not wait for its home's prompt as well.
      ensureOutlook()
      let isStuck =
        borrows && isGiant(slot) && leavesRest(longest) && (faults.activeCount == 0 || canHold(slot, at: i))
      let queued = queuedBlocks(of: i)
      let free = usableBlocks - bookedBlocks[i] - growth(of: i, steps: chunked ? 1 : 0) - queued
      guard isStuck || free - blocks(for: requests[slot].length) >= watermark + roomForBatch(slot, on: i),
        isStuck || !isHeldBack(slot), !awaitsTurn(slot)
      else { return }
      requests.remove(slot, from: &instances[longest].queue)
      noteHead(of: longest)
      looksAgain = true
      requests[slot].home = i
      count(-1, at: longest)
      count(1, at: i)
      requests.insert(slot, into: &instances[i].queue)
      noteHead(of: i)
      setHungry(longest, false)
      setWaitsForTurn(longest, false)
      decided(.steal, slot, from: longest, to: i, blocks: 0) { "longest queue" }
      if instances[longest].queue.isEmpty { spaceFreed(at: longest) }
      touch(longest)
      // Another head, or another longest queue: others may take what they had no room for.
      touchThieves(of: longest)
    }
  }

  /// Whether the step under way leaves a rest of the partial prompt of `i`. A run of chunks does.
  private func leavesRest(_ i: Int) -> Bool {
    let partial = Int(instances[i].partial)
    guard partial >= 0 else { return false }
    if instances[i].isBusy, instances[i].run.chunk > 0 { return true }
    let chunk = instances[i].chunks.first { Int($0.slot) == partial }
    return requests[partial].stored + (chunk?.tokens ?? 0) < requests[partial].length
  }

  private func queuedBlocks(of i: Int) -> Int {
    var total = 0
    var slot = instances[i].queue.head
    while slot >= 0 {
      total += blocks(for: requests[Int(slot)].length)
      slot = requests[Int(slot)].next
    }
    return total
  }

  /// A queue changed: idle capacity elsewhere looks again at the end of its step.
  mutating func touchThieves(of j: Int) {
    for i in 0..<instanceCount
    where i != j && instances[i].queue.isEmpty && running(on: i) < options.maxNumSeqs {
      touch(i)
    }
  }
}
