/// The life of a request: arrived → queued → prefilling → decoding ↔ preempted → completed | rejected.
extension SimulationState {
  // MARK: - Arrival and queue

  mutating func arrive(_ asked: TraceRequest, prefix: ContiguousArray<UInt64>) {
    var request = asked
    let room = options.maxModelLen - asked.prompt
    if room > 0 { request.output = min(asked.output, room) }
    let slot = requests.make(
      RequestState(
        id: nextID, phase: .queued, arrival: now, prompt: request.prompt, output: request.output))
    nextID += 1
    requests[slot].isCut = request.output < asked.output
    if prefixUnit > 0 {
      while prefixes.count <= slot { prefixes.append(Prefix()) }
      prefixes[slot] = Prefix(hashes: ContiguousArray(prefix.prefix(request.prompt / prefixUnit)))
    }
    metrics.arrived(request, at: now)
    if metrics.wantsEmitted { metrics.noteEmitted(emittedSoFar(), at: now) }
    guard room > 0 else {
      reject(slot, .exceedsContext)
      return
    }
    guard blocks(for: request.prompt + 1) <= admissibleBlocks else {
      reject(slot, .exceedsCapacity)
      return
    }
    metrics.offered(requests[slot].work)
    guard faults.activeCount == 0 else {
      place(slot)
      return
    }
    let home = route(slot)
    settleIn(slot, at: home)
    // A run under way is cut short only if the newcomer could be admitted at the end of the current step.
    if !instances[home].isBusy {
      markUndecided(home)
    } else if instances[home].queue.count == 1, mightAdmit(slot, at: home) {
      touch(home)
    }
  }

  /// The request belongs to `home` from now on, and waits there.
  mutating func settleIn(_ slot: Int, at home: Int) {
    requests[slot].home = home
    if isWatched, requests[slot].restarts == 0 { tellArrival(slot) }
    requests[slot].isRouted = true
    count(1, at: home)
    enqueue(slot)
  }

  mutating func enqueue(_ slot: Int) {
    requests[slot].phase = .queued
    metrics.waits(requests[slot].work)
    requests.insert(slot, into: &instances[requests[slot].home].queue)
    noteHead(of: requests[slot].home)
    if steals { touchThieves(of: requests[slot].home) }
  }

  /// Takes the head of the queue of `i` out of it.
  mutating func dequeue(_ slot: Int) {
    let i = requests[slot].home
    requests.remove(slot, from: &instances[i].queue)
    noteHead(of: i)
    metrics.waits(-requests[slot].work)
    if instances[i].queue.isEmpty, lending.mode != .off { spaceFreed(at: i) }
    if steals {
      looksAgain = true
      touchThieves(of: i)
    }
  }

  // MARK: - Admission and prefill

  /// The request leaves the queue with `localBlocks` blocks at home, those of its `hits` among them; hosted ones are
  /// already reserved.
  mutating func admit(_ slot: Int, localBlocks: Int, hits: (units: Int, inUse: Int) = (0, 0)) {
    dequeue(slot)
    let i = requests[slot].home
    requests[slot].phase = .prefilling
    requests[slot].stored = takeHits(slot, count: hits.units)
    requests[slot].localBlocks = localBlocks
    notePassing(slot)
    if requests[slot].firstAdmission < 0 { requests[slot].firstAdmission = now }
    if let cause = requests[slot].lostTo {
      metrics.recomputed(requests[slot].length - requests[slot].stored, after: cause)
      requests[slot].lostTo = nil
    }
    bookedBlocks[i] += localBlocks - sharedBlocks(hits)
    evictIdle(i, used: bookedBlocks[i] + (chunked ? growth(of: i, at: instances[i].clock) : 0))
    instances[i].prefilling += 1
    metrics.noteUtilisation(used: bookedBlocks[i])
    let lane = leastLoadedLane(of: i)
    requests[slot].lane = lane
    lanes[i * laneCount + lane].pendingTokens += requests[slot].length
    fold(.admitted, slot, blocks: localBlocks + requests[slot].hostedBlocks)
  }

  /// The micro-batch with the least context, ties to the lowest index.
  private func leastLoadedLane(of i: Int) -> Int {
    var best = 0
    for lane in 1..<max(1, laneCount)
    where lanes[i * laneCount + lane].context < lanes[i * laneCount + best].context {
      best = lane
    }
    return best
  }

  /// The whole prompt is stored: its next token appears. Returns whether the request is complete.
  mutating func finishPrefill(_ slot: Int) -> Bool {
    let i = requests[slot].home
    lanes[i * laneCount + requests[slot].lane].pendingTokens -= requests[slot].length
    instances[i].prefilling -= 1
    shareComputed(slot)
    requests[slot].generated += 1
    metrics.emitted += 1
    if requests[slot].firstToken < 0 {
      requests[slot].firstToken = now
      fold(.firstToken, slot, blocks: requests[slot].localBlocks + requests[slot].hostedBlocks)
    } else {
      if isWatched { tellChange(.resumed, slot, blocks: requests[slot].localBlocks) }
      metrics.noteStall(now - requests[slot].lastToken)
    }
    if requests[slot].generated == requests[slot].output {
      releaseHome(slot, blocks: requests[slot].localBlocks)
      complete(slot)
      return true
    }
    joinBatch(slot)
    return false
  }

  // MARK: - The batch

  private mutating func joinBatch(_ slot: Int) {
    let i = requests[slot].home
    let clock = instances[i].clock
    requests[slot].phase = .decoding
    requests[slot].joinClock = clock
    requests[slot].joinTime = now
    requests[slot].finishClock = clock + Int64(requests[slot].output - requests[slot].generated)
    instances[i].finishers.insert(ClockQueue.Entry(clock: requests[slot].finishClock, slot: slot))
    requests.insert(slot, into: &instances[i].batch)
    if ordersByLength { instances[i].lengths.insert(slot, key: requests[slot].lengthKey) }
    instances[i].oldestToken = min(instances[i].oldestToken, now)
    instances[i].epochDue = true
    if requests[slot].isBorrower {
      let local = min(requests[slot].stored, requests[slot].localBlocks * blockSize)
      requests[slot].fillsHost = true
      requests[slot].fixedTokens = local
      instances[i].borrowers += 1
    }
    countIn(slot)
    if requests[slot].isBorrower {
      refreshRemotePaths(of: i)
      touchHosts(of: slot)
    }
  }

  /// Takes a decoding request out of the batch of its home, which must be settled at a step boundary or be in
  /// the single step under way. What it has generated and stored becomes explicit.
  mutating func leaveBatch(_ slot: Int) {
    let i = requests[slot].home
    countOut(slot)
    if ordersByLength { instances[i].lengths.remove(slot, key: requests[slot].lengthKey) }
    let steps = instances[i].clock - requests[slot].joinClock
    requests[slot].generated += Int(steps)
    requests[slot].stored += Int(steps)
    requests[slot].lastToken = max(requests[slot].joinTime, steps > 0 ? instances[i].lastDecodeEnd : -1)
    requests.remove(slot, from: &instances[i].batch)
    instances[i].epochDue = true
    if requests[slot].lastToken == instances[i].oldestToken { refreshOldestToken(of: i) }
    let local =
      requests[slot].fillsHost
      ? requests[slot].fixedTokens : requests[slot].stored - requests[slot].fixedTokens
    releaseHome(slot, blocks: blocks(for: local))
    if requests[slot].isBorrower {
      instances[i].borrowers -= 1
      refreshRemotePaths(of: i)
    }
  }

  private mutating func releaseHome(_ slot: Int, blocks: Int) {
    let i = requests[slot].home
    bookedBlocks[i] -= blocks - sharableBlocks(of: slot)
    bookedBlocks[i] -= releaseUnits(slot)
    precondition(bookedBlocks[i] >= 0, "no block is freed twice")
    requests[slot].localBlocks = 0
  }

  /// Adds a decoding request to its lane's sums and to the growers; `countOut` is its inverse.
  mutating func countIn(_ slot: Int) { count(slot, by: 1) }
  mutating func countOut(_ slot: Int) { count(slot, by: -1) }

  private mutating func count(_ slot: Int, by sign: Int) {
    let i = requests[slot].home
    let lane = i * laneCount + requests[slot].lane
    let stored = storedTokens(of: slot)
    lanes[lane].decoders += sign
    if requests[slot].fillsHost {
      lanes[lane].storedTokens += Int64(sign * requests[slot].fixedTokens)
    } else {
      lanes[lane].storedTokens += Int64(sign * (stored - requests[slot].fixedTokens))
      lanes[lane].growing += sign
      if costs.window < .max { countWindow(slot, stored: stored, by: sign) }
      if costs.longest != nil {
        if sign > 0 {
          noteLongest(slot)
        } else if lanes[lane].longest == Int32(slot) {
          lanes[lane].longest = Lane.unknown
        }
      }
      if slackBlocks(of: slot) == 0 {
        let residue = residue(of: slot)
        growers[i * blockSize + residue] += Int32(sign)
        instances[i].growing += sign
      }
    }
  }

  /// The clock residue at which a decoding request needs a block.
  private func residue(of slot: Int) -> Int {
    // joinClock − stored, with −1 as size − 1: a negative number takes the processor's slow division.
    (Int(requests[slot].joinClock) + requests[slot].stored * (blockSize - 1)) % blockSize
  }

  /// Stored tokens of a decoding request as of its instance's clock.
  func storedTokens(of slot: Int) -> Int {
    requests[slot].stored + Int(instances[requests[slot].home].clock - requests[slot].joinClock)
  }

  private mutating func refreshOldestToken(of i: Int) {
    let head = instances[i].batch.head
    guard head >= 0 else {
      instances[i].oldestToken = .max
      return
    }
    if lastToken(of: Int(head)) == instances[i].oldestToken { return }
    var oldest = Int64.max
    var slot = head
    while slot >= 0 {
      oldest = min(oldest, lastToken(of: Int(slot)))
      slot = requests[Int(slot)].next
    }
    instances[i].oldestToken = oldest
  }

  /// When a decoding request emitted its last token.
  private func lastToken(of slot: Int) -> Int64 {
    let i = requests[slot].home
    return instances[i].clock > requests[slot].joinClock
      ? max(requests[slot].joinTime, instances[i].lastDecodeEnd) : requests[slot].joinTime
  }

  // MARK: - The ends

  mutating func complete(_ slot: Int) {
    fold(.completed, slot, blocks: requests[slot].hostedBlocks)
    noteService(slot)
    releaseHosted(slot)
    metrics.completed(
      prompt: requests[slot].prompt, output: requests[slot].output, arrival: requests[slot].arrival,
      firstToken: requests[slot].firstToken, at: now)
    if requests[slot].isCut { metrics.cutAtContext += 1 }
    finish(slot, requests[slot].isCut ? .cutAtContext : .completed)
  }

  mutating func reject(_ slot: Int, _ reason: RejectionReason) {
    fold(.rejected, slot, blocks: requests[slot].hostedBlocks)
    releaseHosted(slot)
    metrics.rejected(requests[slot], reason, at: now)
    decided(.reject, slot, from: requests[slot].home, to: requests[slot].home, blocks: 0) { reason.rawValue }
    finish(slot, .rejected(reason))
  }

  private mutating func finish(_ slot: Int, _ outcome: RequestOutcome) {
    if isClosedLoop { endedRequests.append(requests[slot].id) }
    if isObserved {
      let r = requests[slot]
      observer.requestEnded(
        RequestRecord(
          id: RequestID(r.id), arrival: SimTime(picoseconds: r.arrival), prompt: r.prompt, output: r.output,
          generated: r.generated, home: InstanceID(r.home),
          admitted: r.firstAdmission < 0 ? nil : SimTime(picoseconds: r.firstAdmission),
          firstToken: r.firstToken < 0 ? nil : SimTime(picoseconds: r.firstToken),
          ended: SimTime(picoseconds: now), outcome: outcome, preemptions: r.preemptions,
          borrowedBlocksPeak: r.borrowedPeak))
    }
    if requests[slot].isRouted { count(-1, at: requests[slot].home) }
    noteNoLongerPassing(slot)
    let home = requests[slot].home
    requests.free(slot)
    if turnWaiters > 0 { touchTurnWaiters(besides: home) }
  }

  /// Preempts a request by recompute: its blocks are freed everywhere and it goes back to its queue.
  mutating func preempt(_ slot: Int, _ reason: PreemptionReason) {
    leaveHome(slot)
    requeue(slot, reason)
  }

  /// A request that has just left the batch or prefill gives up its blocks elsewhere and waits again.
  mutating func requeue(_ slot: Int, _ reason: PreemptionReason) {
    let i = requests[slot].home
    decided(
      reason.cause == .preemption ? .preempt : .lost, slot, from: i, to: i,
      blocks: requests[slot].hostedBlocks
    ) { reason.text }
    fold(.preempted, slot, blocks: requests[slot].hostedBlocks)
    releaseHosted(slot)
    noteNoLongerPassing(slot)
    requests[slot].preemptions += 1
    let made = requests[slot].generated - requests[slot].generatedBefore
    requests[slot].starts = made < Self.roomToGrow ? requests[slot].starts + 1 : 1
    requests[slot].generatedBefore = requests[slot].generated
    metrics.longestChain = max(metrics.longestChain, requests[slot].starts)
    requests[slot].lostTo = reason.cause
    metrics.preemptions += 1
    if faults.activeCount > 0, !canHold(slot, at: i) { place(slot) } else { enqueue(slot) }
    if i != decider || phase != .decision { touch(i) }
    if lending.mode != .off { spaceFreed(at: i) }
  }

  /// Takes a request out of the batch or out of prefill, with its blocks at home freed.
  mutating func leaveHome(_ slot: Int) {
    let i = requests[slot].home
    if requests[slot].phase == .decoding {
      settle(i)
      leaveBatch(slot)
      return
    }
    precondition(requests[slot].phase == .prefilling, "only a request that holds blocks gives them up")
    if instances[i].isBusy, instances[i].run.chunk > 0 { settle(i) }
    for index in instances[i].chunks.indices where instances[i].chunks[index].slot == Int32(slot) {
      instances[i].chunks[index].slot = -1
    }
    if instances[i].partial == Int32(slot) { instances[i].partial = -1 }
    instances[i].prefilling -= 1
    lanes[i * laneCount + requests[slot].lane].pendingTokens -= requests[slot].length
    releaseHome(slot, blocks: requests[slot].localBlocks)
  }

  // MARK: - Bookkeeping

  mutating func fold(_ transition: Fingerprint.Transition, _ slot: Int, blocks: Int) {
    fingerprint.fold(
      transition, time: now, phase: phase, request: requests[slot].id, instance: requests[slot].home,
      blocks: blocks)
    if isWatched { tellChange(transition, slot, blocks: blocks) }
  }

  func decided(
    _ kind: DecisionRecord.Kind, _ slot: Int, from source: Int, to destination: Int, blocks: Int,
    grounds: MoveGrounds? = nil, _ reason: () -> String
  ) {
    guard isObserved else { return }
    observer.decided(
      DecisionRecord(
        time: SimTime(picoseconds: now), kind: kind, request: RequestID(requests[slot].id),
        source: InstanceID(source), destination: InstanceID(destination), blocks: blocks, reason: reason(),
        grounds: grounds))
  }
}

/// Why a request lost its blocks. The words are made only for observers.
enum PreemptionReason {
  case hostCrashed(Int)
  case linkLost
  case memoryShrunk
  case yields(to: Int)
  case yieldsToGiant(Int)
  case othersAreOlder
  case giantWaits(Int)
  case inTheWay(of: Int)

  var cause: RecomputeCause {
    switch self {
    case .yields, .yieldsToGiant, .othersAreOlder, .giantWaits, .inTheWay: .preemption
    case .hostCrashed: .hostCrash
    case .linkLost: .linkLoss
    case .memoryShrunk: .memoryShrink
    }
  }

  var text: String {
    switch self {
    case .hostCrashed(let host): "had blocks on instance \(host), which crashed"
    case .linkLost: "had blocks behind a link that is lost"
    case .memoryShrunk: "its instance has less memory"
    case .yields(let id): "yields a block to request \(id)"
    case .yieldsToGiant(let id): "yields a block to request \(id), which is larger than an instance"
    case .othersAreOlder: "found no block, and every other holder is older"
    case .inTheWay(let id):
      "gives way to request \(id), which is older and larger than an instance: it started after that one and has not ended in time"
    case .giantWaits(let id):
      "may not borrow while request \(id) waits, which is older and larger than an instance"
    }
  }
}
