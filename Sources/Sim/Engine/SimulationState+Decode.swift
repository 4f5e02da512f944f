/// Decode steps: who finds a block, who yields, and how many steps are alike.
extension SimulationState {
  /// Sees to it that every request of the batch can store its next token: takes reserved hosted blocks, borrows,
  /// preempts (semantics.md 9, 20). Returns whether anybody was preempted or rejected.
  ///
  /// In the common case, no borrowers and blocks enough, it is O(1): the blocks are taken in closed form.
  mutating func prepareDecode(_ i: Int) -> Bool {
    let free = usableBlocks - bookedBlocks[i]
    if instances[i].borrowers == 0, hasRoom(i, free: free, clock: instances[i].clock) { return false }
    return visitBatch(i, free: free)
  }

  /// Whether the next step finds its blocks at home, borrowers aside (semantics.md 9).
  private func hasRoom(_ i: Int, free: Int, clock: Int64) -> Bool {
    let need = growth(of: i, at: clock)
    if chunked || options.appendCheck == .exact { return free >= need }
    // Visited oldest first, each must see a free block: the last block may go to the youngest only.
    return free > need || (free == need && youngestNeeds(i, at: clock))
  }

  /// Whether the youngest request that looks for a local block needs one in the step at `clock`.
  private func youngestNeeds(_ i: Int, at clock: Int64) -> Bool {
    var slot = instances[i].batch.tail
    while slot >= 0, slackBlocks(of: Int(slot)) > 0 { slot = requests[Int(slot)].previous }
    guard slot >= 0 else { return true }
    let r = requests[Int(slot)]
    return (Int64(r.stored) + clock - r.joinClock) % Int64(blockSize) == 0
  }

  /// The slow path of `prepareDecode`: every request of the batch, oldest first.
  private mutating func visitBatch(_ i: Int, free initiallyFree: Int) -> Bool {
    var free = initiallyFree
    var preempted = false
    let exact = chunked || options.appendCheck == .exact
    var cursor = instances[i].batch.head
    while cursor >= 0 {
      let slot = Int(cursor)
      let id = requests[slot].id
      let needs = storedTokens(of: slot) % blockSize == 0
      while true {
        if slackBlocks(of: slot) > 0 {
          if needs { growAtHost(slot) }
          break
        }
        if free >= 1 {
          if needs {
            free -= 1
            evictIdle(i, used: usableBlocks - free)
            growAtHome(slot)
          }
          break
        }
        if exact && !needs { break }
        if borrow(for: slot) { continue }
        // Nobody waits while holding: the youngest holder yields.
        let before = bookedBlocks[i]
        preempted = true
        let found = yield(to: slot)
        free += before - bookedBlocks[i]
        if !found { break }
      }
      cursor = nextInBatch(after: slot, id: id, on: i)
    }
    return preempted
  }

  /// The oldest of the batch that is younger than the request just visited, which may have left it.
  private func nextInBatch(after slot: Int, id: Int, on i: Int) -> Int32 {
    if requests[slot].phase == .decoding, requests[slot].id == id { return requests[slot].next }
    var next = instances[i].batch.head
    while next >= 0, requests[Int(next)].id < id { next = requests[Int(next)].next }
    return next
  }

  /// Makes somebody give up blocks so that `slot` may find one. Returns false if it is `slot` that yields.
  mutating func yield(to slot: Int) -> Bool {
    let i = requests[slot].home
    if takeBackReservation(on: i) { return true }
    let (youngest, others) = holders(on: i, besides: slot)
    if youngest >= 0, requests[youngest].id > requests[slot].id {
      preempt(youngest, .yields(to: requests[slot].id))
      return true
    }
    if others {
      preempt(slot, .othersAreOlder)
      return false
    }
    // A giant's memory is that of its creditors too: the same rule there.
    let (creditorsYoungest, creditorsOthers) = holdersForGiant(slot)
    if creditorsYoungest >= 0, requests[creditorsYoungest].id > requests[slot].id {
      preempt(creditorsYoungest, .yieldsToGiant(requests[slot].id))
      return true
    }
    if creditorsOthers {
      preempt(slot, .othersAreOlder)
      return false
    }
    // Alone it would find a block: it may not borrow while an older giant waits, whose turn it is now.
    if borrows, isBarredFromLoans(slot) {
      preempt(slot, .giantWaits(holdingGiant))
      return false
    }
    if borrows, isGiant(slot), let reservation = reservations.last {
      return takeBackReservation(on: reservation.move.destination)
    }
    // Its own moves keep blocks at both ends.
    if requests[slot].movingBlocks > 0 {
      abortMoves(of: slot)
      return true
    }
    leaveHome(slot)
    if faults.activeCount > 0, !neverFits(slot), !canHold(slot, at: i) {
      requeue(slot, .memoryShrunk)
      return false
    }
    reject(slot, .outgrewCapacity)
    spaceFreed(at: i)
    return false
  }

  /// The youngest request besides `slot` that holds a block on instance `i`, at home or hosted; −1 if none does.
  func holders(on i: Int, besides slot: Int) -> (youngest: Int, any: Bool) {
    var youngest = -1
    func consider(_ candidate: Int) {
      if candidate != slot, youngest < 0 || requests[candidate].id > requests[youngest].id {
        youngest = candidate
      }
    }
    let started = progress(of: i).started
    let isPrefilling = requests[slot].phase == .prefilling
    // The batch is in order of age: its youngest holder is the last that has a block at home.
    var candidate = instances[i].batch.tail
    while candidate >= 0 {
      let c = Int(candidate)
      // One that was visited before `slot` in this decision has just taken its first block, if it had none.
      let hasBlock =
        localBlocks(of: c, steps: started) > 0
        || (!requests[c].fillsHost && (isPrefilling || requests[c].id < requests[slot].id))
      if c != slot, hasBlock {
        consider(c)
        break
      }
      candidate = requests[c].previous
    }
    let partial = Int(instances[i].partial)
    if partial >= 0, requests[partial].localBlocks > 0 { consider(partial) }
    for chunk in instances[i].chunks where chunk.slot >= 0 && requests[Int(chunk.slot)].localBlocks > 0 {
      consider(Int(chunk.slot))
    }
    for loan in instances[i].loans { consider(Int(loans[Int(loan)].slot)) }
    return (youngest, youngest >= 0)
  }

  // MARK: - Runs of steps

  /// Starts the longest run of decode steps in which nothing can change: up to the first completion, the first
  /// block that cannot be had, the first borrower that must choose where to grow, or a breakpoint of the cost.
  ///
  /// If somebody has just yielded, the head of the queue is another one, which may be admitted after one step.
  mutating func startDecode(_ i: Int, queueChanged: Bool) {
    var (run, gpus, horizon) = contends && hasPartners(i) ? contendedRun(i) : decodeRun(i)
    if lending.coupling == .fluid, instances[i].epochDue { noteEpoch(i, step: run.first) }
    instances[i].epochDue = false
    // Without `reserve-isl` a head that could start from idle units needs less memory once these are evicted.
    let mayShrink = prefixUnit > 0 && chunked && !options.reserveISL && headHasIdleHits(i)
    if instances[i].owed > 0 || queueChanged || looksAgain || mayShrink || options.stepByStep {
      run.first = max(run.first, gpus + instances[i].owed)
      instances[i].owed = 0
      horizon = 1
    }
    horizon = min(horizon, nextFinish(of: i) - instances[i].clock)
    if costs.window < .max { horizon = min(horizon, stepsBeforeWindow(of: i)) }
    if horizon > 1 { horizon = min(horizon, stepsWithRoom(i, atMost: horizon)) }
    if horizon > 1, instances[i].borrowers > 0 { horizon = min(horizon, stepsBeforeChoice(i)) }
    run.start = now
    run.count = max(1, horizon)
    run.decodes = true
    begin(i, run)
  }

  /// `decodeRun` of an instance that has partners, who are told of it where it is due.
  @inline(never)
  private mutating func contendedRun(_ i: Int) -> (run: StepRun, gpus: Int64, horizon: Int64) {
    let wasDue = instances[i].epochDue
    if wasDue { noteDecodeKernels(of: i) }
    var (run, gpus, horizon) = decodeRun(i)
    if !wasDue {
      noteDue(i)
      if instances[i].epochDue {
        noteDecodeKernels(of: i)
        (run, gpus, horizon) = decodeRun(i)
      }
    }
    if instances[i].epochDue {
      let cpu =
        costs.overlapsHost ? 0 : costs.hostBase + costs.hostPerSequence * Int64(instances[i].batch.count)
      publish(i, instances[i].decodeKernels, step: run.first, gpus: gpus - cpu)
    }
    return (run, gpus, min(horizon, max(1, instances[i].publishAt - instances[i].clock)))
  }

  /// The clock at which the first request of the batch finishes.
  mutating func nextFinish(of i: Int) -> Int64 {
    while let entry = instances[i].finishers.first {
      if isFinisher(entry, on: i) { return entry.clock }
      instances[i].finishers.removeFirst()
    }
    preconditionFailure("every decoding request has a finish")
  }

  /// Steps, from the next, that all find their local blocks.
  private func stepsWithRoom(_ i: Int, atMost limit: Int64) -> Int64 {
    let size = Int64(blockSize)
    let perCycle = instances[i].growing
    var free = usableBlocks - bookedBlocks[i]
    if perCycle == 0 {
      return hasRoom(i, free: free, clock: instances[i].clock + 1) ? limit : 1
    }
    // As long as a block is left after a whole cycle, every step of the cycle found its blocks.
    if Int(limit / size + 1) * perCycle < free { return limit }
    let cycles = Int64(max(0, free - 1) / perCycle)
    var steps = cycles * size
    free -= Int(cycles) * perCycle
    while steps < limit, hasRoom(i, free: free, clock: instances[i].clock + steps) {
      free -= growth(of: i, at: instances[i].clock + steps)
      steps += 1
    }
    return max(1, steps)
  }

  /// Steps before a borrower needs a decision: where its next block lies, or another loan.
  private func stepsBeforeChoice(_ i: Int) -> Int64 {
    var steps = Int64.max
    var slot = instances[i].batch.head
    while slot >= 0 {
      let s = Int(slot)
      if requests[s].isBorrower {
        let over = storedTokens(of: s) % blockSize
        let untilBoundary = over == 0 ? 0 : blockSize - over
        let slack = slackBlocks(of: s)
        if requests[s].fillsHost {
          let sure = slack > 0 ? untilBoundary + (slack - 1) * blockSize + 1 : untilBoundary
          steps = min(steps, Int64(max(1, sure)))
        } else if slack > 0 {
          steps = min(steps, Int64(max(1, untilBoundary)))
        }
      }
      slot = requests[s].next
    }
    return steps
  }
}
