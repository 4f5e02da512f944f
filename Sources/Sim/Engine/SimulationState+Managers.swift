/// Heartbeats and plans: the gManager, and what the rManagers tell it (docs/protocol.md).
extension SimulationState {
  /// A heartbeat or a plan is due. O(instances + moves under way) for a heartbeat.
  mutating func tick() {
    metrics.events += 1
    if nextHeartbeat == now {
      phase = .heartbeat
      sendHeartbeats()
      nextHeartbeat += heartbeatPeriod
    }
    if nextPlan == now {
      phase = .plan
      noteEpochs()
      plan()
      nextPlan += lending.period.picoseconds
    }
    nextTick = min(nextHeartbeat, nextPlan)
  }

  /// There was nothing to manage: the next heartbeat and the next plan are the first that are not past.
  mutating func skipIdleTicks() {
    func next(_ tick: Int64, _ period: Int64) -> Int64 {
      tick < now ? tick + (now - tick + period - 1) / period * period : tick
    }
    nextHeartbeat = next(nextHeartbeat, heartbeatPeriod)
    nextPlan = next(nextPlan, lending.period.picoseconds)
    nextTick = min(nextHeartbeat, nextPlan)
  }

  private var heartbeatPeriod: Int64 { (managers.heartbeatPeriod ?? lending.period).picoseconds }

  // MARK: - rManagers

  /// Every rManager reports.
  private mutating func sendHeartbeats() {
    for i in 0..<instanceCount { reports[i] = report(of: i) }
    for transfer in transfers.unordered where !abortedTransfers.contains(transfer.number) {
      countAsDone(transfer)
    }
    // The last messages of a run are not followed by heartbeats for ever.
    guard managers.keepsMap, requests.live > 0 else { return }
    for i in 0..<instanceCount where instances[i].isUp { sendHeartbeat(of: i) }
    deliverMailbox()
  }

  private mutating func sendHeartbeat(of i: Int) {
    rManagers[i].sequence += 1
    let sequence = rManagers[i].sequence
    let isFull = rManagers[i].owesFull || (sequence - 1) % managers.fullHeartbeatEvery == 0
    let rows = placementRows(of: i)
    let heartbeat = Heartbeat(
      sequence: sequence, sent: now, isFull: isFull,
      rows: isFull ? rows : rows.changes(since: rManagers[i].told), report: reports[i],
      waiting: waiting(at: i)
    )
    rManagers[i].told = rows
    rManagers[i].owesFull = false
    send(.heartbeat(heartbeat), from: i, to: Message.gManager)
  }

  mutating func receiveSendFull(_ epoch: Int, at i: Int) {
    rManagers[i].owesFull = true
    rManagers[i].epoch = max(rManagers[i].epoch, epoch)
  }

  /// What an instance holds, by ascending request: of its own decoding requests, and for others.
  private func placementRows(of i: Int) -> ContiguousArray<PlacementRow> {
    var rows = ContiguousArray<PlacementRow>()
    let done = progress(of: i)
    var slot = instances[i].batch.head
    while slot >= 0 {
      let row = localRow(of: Int(slot), done)
      if row.blocks > .zero { rows.append(row) }
      slot = requests[Int(slot)].next
    }
    for index in instances[i].loans where loans[Int(index)].blocks > 0 {
      rows.append(hostedRow(of: loans[Int(index)]))
    }
    rows.sort { $0.request < $1.request }
    return rows
  }

  /// What a decoding request holds at home.
  func localRow(of slot: Int, _ done: (completed: Int64, started: Int64)) -> PlacementRow {
    PlacementRow(
      request: RequestID(requests[slot].id), home: InstanceID(requests[slot].home),
      blocks: KVBlocks(localBlocks(of: slot, steps: done.started)),
      movable: KVBlocks(movableBlocks(of: slot, steps: done.completed)))
  }

  /// What a host holds of a request.
  func hostedRow(of loan: Loan) -> PlacementRow {
    let slot = Int(loan.slot)
    return PlacementRow(
      request: RequestID(requests[slot].id), home: InstanceID(requests[slot].home),
      blocks: KVBlocks(loan.blocks), movable: KVBlocks(recallableBlocks(of: slot, loan)))
  }

  /// The one of those rows that is of a request.
  func row(of request: RequestID, on i: Int) -> PlacementRow? {
    var slot = instances[i].batch.head
    while slot >= 0 {
      if requests[Int(slot)].id == request.index {
        let row = localRow(of: Int(slot), progress(of: i))
        return row.blocks > .zero ? row : nil
      }
      slot = requests[Int(slot)].next
    }
    for index in instances[i].loans {
      let loan = loans[Int(index)]
      if loan.blocks > 0, requests[Int(loan.slot)].id == request.index { return hostedRow(of: loan) }
    }
    return nil
  }

  /// The waiting requests that the sequences of an instance, and its memory twice over, could take.
  private func waiting(at i: Int) -> ContiguousArray<WaitingRequest> {
    var waiting = ContiguousArray<WaitingRequest>()
    var blocks = 0
    var slot = instances[i].queue.head
    while slot >= 0, waiting.count < reports[i].freeSequences, blocks <= 2 * usableBlocks {
      waiting.append(waitingRequest(Int(slot)))
      blocks += waiting.last!.blocks
      slot = requests[Int(slot)].next
    }
    return waiting
  }

  func waitingRequest(_ slot: Int) -> WaitingRequest {
    let length = requests[slot].length
    return WaitingRequest(blocks: blocks(for: length), tokens: length)
  }

  // MARK: - The gManager

  /// Takes a heartbeat in, unless it is older than what is known. One that builds on a heartbeat which has not come is of
  /// no use: a full one is asked for.
  mutating func receive(_ heartbeat: Heartbeat, from i: Int) {
    guard !gManager.isDown else { return }
    guard heartbeat.sequence > gManager.views[i].sequence else {
      metrics.managers.olderHeartbeats += 1
      return
    }
    guard heartbeat.isFull || follows(heartbeat, gManager.views[i]) else {
      metrics.managers.gaps += 1
      send(.sendFull(epoch: gManager.epoch), from: Message.gManager, to: i)
      return
    }
    gManager.views[i].rows =
      heartbeat.isFull ? heartbeat.rows : gManager.views[i].rows.applying(heartbeat.rows)
    gManager.views[i].sequence = heartbeat.sequence
    gManager.views[i].sent = heartbeat.sent
    gManager.views[i].received = now
    gManager.views[i].report = heartbeat.report
    gManager.views[i].waiting = heartbeat.waiting
  }

  private func follows(_ heartbeat: Heartbeat, _ view: GManager.View) -> Bool {
    view.sequence > 0 && heartbeat.sequence == view.sequence + 1
  }

  /// Whether the gManager has a view of an instance that is not too old to plan with.
  func isHeard(_ i: Int) -> Bool {
    gManager.views[i].sequence > 0
      && now - gManager.views[i].received <= managers.silence(period: lending.period).picoseconds
  }

  private mutating func plan() {
    guard !gManager.isDown, mayPlan() else { return }
    for order in planMoves() {
      gManager.orders += 1
      let move = Move(epoch: gManager.epoch, ordinal: gManager.orders, order: order)
      note(.ordered, move)
      send(.moveKVCache(move), from: Message.gManager, to: move.source)
    }
    deliverMailbox()
  }

  /// A gManager that has just started waits until it has heard of everybody, or long enough.
  private func mayPlan() -> Bool {
    guard managers.keepsMap, now < gManager.waitsUntil else { return true }
    return (0..<instanceCount).allSatisfy { gManager.views[$0].sequence > 0 }
  }

  /// The gManager loses its map. Serving goes on, and so do the moves that it has ordered.
  mutating func crashGManager() {
    note(.managerDown)
    gManager.isDown = true
    for i in gManager.views.indices { gManager.views[i] = GManager.View() }
  }

  /// A new gManager takes over: it asks every instance for a full heartbeat, and plans when they have come.
  mutating func restartGManager() {
    note(.managerUp)
    gManager.isDown = false
    gManager.epoch += 1
    gManager.orders = 0
    gManager.waitsUntil = now + managers.silence(period: lending.period).picoseconds
    policy.forgetPlans()
    for i in gManager.views.indices {
      send(.sendFull(epoch: gManager.epoch), from: Message.gManager, to: i)
    }
    deliverMailbox()
  }

  // MARK: - What an rManager knows

  private func report(of i: Int) -> InstanceReport {
    let done = progress(of: i)
    var local: Int64 = 0
    var remote: Int64 = 0
    for lane in (i * laneCount)..<((i + 1) * laneCount) {
      local += lanes[lane].storedTokens + Int64(lanes[lane].growing) * done.completed
      remote = max(remote, lanes[lane].remotePath)
    }
    let used = bookedBlocks[i] + taken(by: i, steps: done.started)
    return InstanceReport(
      batch: instances[i].batch.count, queued: instances[i].queue.count,
      freeSequences: options.maxNumSeqs - running(on: i), usedBlocks: KVBlocks(used), localTokens: Int(local),
      hostedBlocks: KVBlocks(instances[i].hostedBlocks), remotePath: remote)
  }

  /// What a move under way will have changed when it lands counts as done (semantics.md 26).
  private mutating func countAsDone(_ transfer: Transfer) {
    let sign = transfer.isRecall ? -1 : 1
    let source = transfer.isRecall ? transfer.host : transfer.home
    reports[source].usedBlocks = reports[source].usedBlocks - KVBlocks(transfer.blocks)
    reports[transfer.home].localTokens -= sign * transfer.blocks * blockSize
    reports[transfer.host].hostedBlocks =
      reports[transfer.host].hostedBlocks + KVBlocks(sign * transfer.blocks)
  }

  /// Blocks at home of a decoding request when its instance has started `steps` steps of the run under way.
  func localBlocks(of slot: Int, steps: Int64) -> Int {
    if requests[slot].fillsHost { return blocks(for: requests[slot].fixedTokens) }
    return blocks(for: storedTokens(of: slot) + Int(steps) - requests[slot].fixedTokens)
  }

  /// Whole local blocks of a decoding request that may leave: its newest block stays where it grows.
  func movableBlocks(of slot: Int, steps: Int64) -> Int {
    guard isRested(slot) else { return 0 }
    let tokens =
      requests[slot].fillsHost
      ? requests[slot].fixedTokens : storedTokens(of: slot) + Int(steps) - requests[slot].fixedTokens
    return max(0, tokens / blockSize - sharableBlocks(of: slot))
  }

  /// Whole filled hosted blocks of a decoding request that may come home from one host.
  func recallableBlocks(of slot: Int, _ loan: Loan) -> Int {
    guard requests[slot].phase == .decoding, isRested(slot) else { return 0 }
    let home = requests[slot].home
    let steps = requests[slot].fillsHost ? Int(progress(of: home).completed) : 0
    let tokens =
      requests[slot].fillsHost
      ? storedTokens(of: slot) + steps - requests[slot].fixedTokens : requests[slot].fixedTokens
    return min(loan.blocks, tokens / blockSize)
  }

  /// What the decoding request with the most movable blocks holds at home, of those that `mayMove`, ties to the oldest.
  func longest(at i: Int, where mayMove: (RequestID) -> Bool) -> PlacementRow? {
    let done = progress(of: i)
    let clock = instances[i].clock + done.completed
    var found = -1
    var most = 0
    // Movable tokens are among those stored: the shorter ones cannot have as many.
    for rank in 0..<instances[i].lengths.count {
      guard Int(instances[i].lengths.key(at: rank) + clock) >= max(1, most) * blockSize else { break }
      let slot = instances[i].lengths.slot(at: rank)
      let movable = movableBlocks(of: slot, steps: done.completed)
      let id = requests[slot].id
      guard movable > 0, movable > most || movable == most && id < requests[found].id else { continue }
      if mayMove(RequestID(id)) { (found, most) = (slot, movable) }
    }
    return found < 0 ? nil : localRow(of: found, done)
  }

  private func isRested(_ slot: Int) -> Bool {
    guard requests[slot].phase == .decoding, requests[slot].movingBlocks == 0 else { return false }
    let landed = requests[slot].lastLanding
    return landed < 0 || now - landed >= lending.period.picoseconds * Int64(lending.cooldownPeriods)
  }
}
