/// Faults of the cluster: what is lost, who starts again where, and what comes back (docs/faults.md).
///
/// All faults of an instant begin and end first; then the requests that lost their home, and those that waited for an
/// instance to return, are queued where they can be, the oldest first.
extension SimulationState {
  mutating func passFaults() {
    phase = .fault
    while faults.nextTime == now {
      metrics.events += 1
      let (fault, begins) = faults.takeNext()
      if begins { metrics.faults.faults += 1 }
      if faults.randomBegins > FaultPlan.mostRandomFaults, let most = faults.mostFrequent {
        fail(
          SimulationError.tooManyFaults(
            most: most.fault, begins: most.begins, before: SimTime(picoseconds: now)))
      }
      observer.faulted(FaultRecord(time: SimTime(picoseconds: now), fault: fault, begins: begins))
      switch fault {
      case .crash(let instance): refreshIsUp(instance.index)
      case .nodeLoss(let node):
        for i in 0..<instanceCount where configuration.topology.nodes(of: i).contains(node) { refreshIsUp(i) }
      case .linkLoss, .linkSlowdown: refreshLinks()
      case .managerCrash:
        if faults.isManagerDown != gManager.isDown {
          if gManager.isDown { restartGManager() } else { crashGManager() }
        }
      case .straggler(let instance, _):
        touch(instance.index)
        instances[instance.index].straggle = faults.straggle(of: instance.index)
        instances[instance.index].epochDue = true
        chargeGuestsAnew(of: instance.index)
      case .memoryShrink(let instance, _): refreshMemory(instance.index)
      }
    }
    withdrawWhoFitsNoMore()
    placeFrontEnd()
    // Whoever waits for memory, of its own or of others, looks again, and whoever might steal.
    frees += 1
    for i in 0..<instanceCount where steals || !instances[i].queue.isEmpty { touch(i) }
  }

  // MARK: - Instances

  private mutating func refreshIsUp(_ i: Int) {
    let isDown = faults.isDown(i, nodes: configuration.topology.nodes(of: i))
    guard instances[i].isUp == isDown else { return }
    if isDown {
      crash(i)
    } else {
      instances[i].isUp = true
      setLoad(0, at: i)
      metrics.downtime += Int128(now - instances[i].downSince)
      refreshMemory(i)
      touch(i)
    }
  }

  /// Everything on instance `i` is lost. Tokens of steps that are over have reached the front end; the step under way has
  /// not.
  private mutating func crash(_ i: Int) {
    settle(i)
    instances[i].isUp = false
    instances[i].isBusy = false
    timers.set(i, to: .max)
    metrics.faults.crashes += 1
    instances[i].downSince = now
    loseReservations(on: i)
    loseHosted(i)
    while instances[i].batch.head >= 0 { restart(Int(instances[i].batch.head)) }
    for slot in prefilling(on: i) { restart(slot) }
    while instances[i].queue.head >= 0 { leaveQueue(Int(instances[i].queue.head)) }
    setHungry(i, false)
    setWaitsForTurn(i, false)
    clearBlockedGiant(of: i)
    precondition(
      bookedBlocks[i] == instances[i].withheldBlocks && instances[i].hostedBlocks == 0
        && instances[i].loans.isEmpty && instances[i].departures == 0 && instances[i].growing == 0
        && instances[i].lengths.count == 0,
      "nothing is left on an instance that has crashed")
    if prefixUnit > 0 { prefixCaches[i] = PrefixCache() }
    instances[i].chunks.removeAll(keepingCapacity: true)
    instances[i].finishers = ClockQueue()
    instances[i].windowFillers = ClockQueue()
    instances[i].lastDecodeEnd = -1
    instances[i].oldestToken = .max
    instances[i].owed = 0
    instances[i].servesUntil = 0
    instances[i].pace = StepPace()
    withdrawAsks(of: i)
    instances[i].epochStep = 0
    if plans {
      rManagers[i].told = []
      rManagers[i].owesFull = true
    }
    setLoad(nil, at: i)
    refreshMemory(i)
  }

  /// The requests of other instances lose the blocks that instance `i` holds for them, and with these all of theirs; moves
  /// on their way to it end.
  private mutating func loseHosted(_ i: Int) {
    var losers: [Int] = []
    var movers: [Int] = []
    for index in instances[i].loans {
      let loan = loans[Int(index)]
      metrics.faults.lentBlocksLost += loan.blocks
      if loan.blocks > 0 { losers.append(Int(loan.slot)) } else { movers.append(Int(loan.slot)) }
    }
    for slot in movers { abortMoves(of: slot) }
    for slot in byAge(losers) { preempt(slot, .hostCrashed(i)) }
  }

  /// The requests that are being prefilled, by age.
  private func prefilling(on i: Int) -> [Int] {
    var slots: [Int] = []
    for chunk in instances[i].chunks where chunk.slot >= 0 { slots.append(Int(chunk.slot)) }
    let partial = Int(instances[i].partial)
    if partial >= 0, !slots.contains(partial) { slots.append(partial) }
    return byAge(slots)
  }

  private func byAge(_ slots: [Int]) -> [Int] { slots.sorted { requests[$0].id < requests[$1].id } }

  /// An admitted request loses its home: what it has generated is at the front end, its blocks are gone.
  private mutating func restart(_ slot: Int) {
    leaveHome(slot)
    decided(
      .lost, slot, from: requests[slot].home, to: requests[slot].home, blocks: requests[slot].hostedBlocks
    ) { "its home crashed" }
    fold(.preempted, slot, blocks: requests[slot].hostedBlocks)
    releaseHosted(slot)
    requests[slot].lostTo = .homeCrash
    place(slot)
  }

  // MARK: - The front end

  /// A waiting request leaves its queue for the front end.
  private mutating func leaveQueue(_ slot: Int) {
    let i = requests[slot].home
    requests.remove(slot, from: &instances[i].queue)
    noteHead(of: i)
    metrics.waits(-requests[slot].work)
    place(slot)
  }

  /// A request without a queue is queued where the router says, or else at the next live instance that can hold it. If
  /// there is none it waits at the front end; and if none is going to return, it is rejected.
  mutating func place(_ slot: Int) {
    if requests[slot].isRouted {
      count(-1, at: requests[slot].home)
      requests[slot].isRouted = false
      requests[slot].restarts += 1
      metrics.faults.restarts += 1
    }
    requests[slot].phase = .queued
    metrics.waits(requests[slot].work)
    requests.insert(slot, into: &frontEnd)
    if phase != .fault { leaveFrontEnd(slot) }
  }

  private mutating func placeFrontEnd() {
    var next = frontEnd.head
    while next >= 0 {
      let slot = Int(next)
      next = requests[slot].next
      leaveFrontEnd(slot)
    }
  }

  private mutating func leaveFrontEnd(_ slot: Int) {
    let home = neverFits(slot) ? nil : liveHome(for: slot)
    guard home != nil || neverFits(slot) || !faults.isRecoveryPending else { return }
    requests.remove(slot, from: &frontEnd)
    metrics.waits(-requests[slot].work)
    guard let home else {
      reject(slot, neverFits(slot) ? .outgrewCapacity : .noLiveInstance)
      return
    }
    if requests[slot].restarts > 0 {
      decided(.restart, slot, from: requests[slot].home, to: home, blocks: 0) { "its home was lost" }
    }
    settleIn(slot, at: home)
    touch(home)
  }

  private mutating func liveHome(for slot: Int) -> Int? {
    guard loads.earliestTime < .max else { return nil }
    let choice = route(slot)
    for offset in 0..<instanceCount {
      let i = (choice + offset) % instanceCount
      if canHold(slot, at: i) { return i }
    }
    return nil
  }

  /// Whether instance `i`, with what others may lend it, has memory for a request when nobody else has any.
  func canHold(_ slot: Int, at i: Int) -> Bool {
    guard instances[i].isUp else { return false }
    let need = blocks(for: requests[slot].length)
    let capacity = usableBlocks - instances[i].withheldBlocks
    // Under `chunked` without lending an empty instance has no watermark.
    var room = chunked && !borrows ? capacity : capacity - watermark
    if need <= room || !borrows { return need <= room }
    room = max(0, room)
    for j in 0..<instanceCount where j != i && instances[j].isUp && reaches(i, j) {
      room += max(0, usableBlocks - instances[j].withheldBlocks - watermark)
    }
    return need <= room
  }

  /// Waiting requests that their instance cannot hold any more go back to the front end.
  private mutating func withdrawWhoFitsNoMore() {
    guard faults.activeCount > 0 else { return }
    for i in 0..<instanceCount {
      var next = instances[i].queue.head
      var withdrawn = false
      while next >= 0 {
        let slot = Int(next)
        next = requests[slot].next
        if !canHold(slot, at: i) {
          withdrawn = true
          leaveQueue(slot)
        }
      }
      if withdrawn {
        setHungry(i, false)
        setWaitsForTurn(i, false)
        clearBlockedGiant(of: i)
        touch(i)
      }
    }
  }

  // MARK: - Memory

  /// Withholds the blocks that faults have taken. Holders give way, the youngest first, until what is left is enough.
  private mutating func refreshMemory(_ i: Int) {
    let target = instances[i].isUp ? min(faults.shrink(of: i), usableBlocks) : usableBlocks
    let more = target - instances[i].withheldBlocks
    guard more != 0 else { return }
    touch(i)
    if instances[i].isUp {
      while usedBlocks(of: i) + more > usableBlocks {
        if !takeBackReservation(on: i) { preempt(youngestHolder(on: i), .memoryShrunk) }
      }
    }
    evictIdle(i)
    noteUse(of: i)
    instances[i].withheldBlocks = target
    bookedBlocks[i] += more
    evictIdle(i)
    if more < 0 { spaceFreed(at: i) }
  }

  /// The youngest request that has blocks on instance `i`, or room reserved for some.
  private func youngestHolder(on i: Int) -> Int {
    let started = progress(of: i).started
    var slots = prefilling(on: i).filter { requests[$0].localBlocks > 0 }
    for index in instances[i].loans { slots.append(Int(loans[Int(index)].slot)) }
    var slot = instances[i].batch.tail
    while slot >= 0 {
      let s = Int(slot)
      if localBlocks(of: s, steps: started) > 0 || requests[s].movingBlocks > 0 {
        slots.append(s)
        break
      }
      slot = requests[s].previous
    }
    guard let youngest = byAge(slots).last else {
      preconditionFailure("blocks in use have a holder")
    }
    return youngest
  }

  // MARK: - Links

  /// A link between two instances as it is now; what it carries counts once a way.
  func link(_ a: Int, _ b: Int) -> LinkCosts {
    let link = configuration.topology.link(a, b)
    return faults.links.isEmpty ? link : link.slowed(by: permille(from: a, to: b))
  }

  /// The same for what goes there and back: the worse way counts.
  func exchangeLink(_ a: Int, _ b: Int) -> LinkCosts {
    let link = configuration.topology.link(a, b)
    if faults.links.isEmpty { return link }
    return link.slowed(by: max(permille(from: a, to: b), permille(from: b, to: a)))
  }

  /// Whether messages get through between two instances, both ways.
  func reaches(_ a: Int, _ b: Int) -> Bool {
    faults.links.isEmpty || (permille(from: a, to: b) > 0 && permille(from: b, to: a) > 0)
  }

  /// Whether messages from one instance get to another.
  func getsThrough(from a: Int, to b: Int) -> Bool { faults.links.isEmpty || permille(from: a, to: b) > 0 }

  private func permille(from a: Int, to b: Int) -> Int64 {
    faults.permille(
      from: configuration.topology.nodes(of: a).lowerBound, to: configuration.topology.nodes(of: b).lowerBound
    )
  }

  /// Links have changed: what lies behind a lost one is lost, and the remote paths of all borrowers are computed anew.
  private mutating func refreshLinks() {
    var losers: [Int] = []
    var movers: [Int] = []
    for host in 0..<instanceCount {
      for index in instances[host].loans {
        let loan = loans[Int(index)]
        guard !reaches(requests[Int(loan.slot)].home, host) else { continue }
        metrics.faults.lentBlocksLost += loan.blocks
        if loan.blocks > 0 { losers.append(Int(loan.slot)) } else { movers.append(Int(loan.slot)) }
      }
    }
    for slot in movers { abortMoves(of: slot) }
    for slot in byAge(Array(Set(losers))) { preempt(slot, .linkLost) }
    for i in 0..<instanceCount where instances[i].borrowers > 0 {
      touch(i)
      refreshRemotePaths(of: i)
    }
  }
}

extension LinkCosts {
  /// So many thousandths of the time for everything.
  fileprivate func slowed(by permille: Int64) -> LinkCosts {
    guard permille > 1_000 else { return self }
    let (whole, isBeyond) = latency.multipliedReportingOverflow(by: permille)
    return LinkCosts(
      latency: isBeyond ? .max >> 20 : (whole + 999) / 1_000,
      bytesPerSecond: bytesPerSecond * 1_000 / Double(permille))
  }
}
