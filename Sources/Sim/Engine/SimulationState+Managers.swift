/// Heartbeats, plans and the messages between the managers.
extension SimulationState {
  mutating func sendHeartbeats() {
    let flights = flightsPerInstance()
    for i in 0..<instanceCount {
      let changed = rManagers[i].changes(to: placementRows(of: i))
      mailbox.append(
        Message(
          receiver: -1, sender: i, payload: .heartbeat(rows: changed, report: report(of: i, flights[i]))))
    }
    deliverMessages()
  }

  mutating func plan() {
    if let known = gManager.map {
      let map = PlacementMap(
        now: SimTime(picoseconds: now), reports: known.reports, rows: known.rows,
        blocksPerInstance: KVBlocks(usableBlocks), watermark: KVBlocks(watermark), blockSize: blockSize,
        topology: configuration.topology, costs: costs)
      for order in policy.plan(map) {
        mailbox.append(Message(receiver: order.source.index, sender: -1, payload: .moveKVCache(order)))
      }
    }
    deliverMessages()
  }

  /// Delivers in rounds: what a round's messages cause is delivered in the next one, by receiver and sender.
  private mutating func deliverMessages() {
    while !mailbox.isEmpty {
      // Stable by construction: equal (receiver, sender) keep the order in which they were sent.
      let round = mailbox.enumerated().sorted {
        ($0.element.receiver, $0.element.sender, $0.offset) < (
          $1.element.receiver, $1.element.sender, $1.offset
        )
      }
      mailbox.removeAll(keepingCapacity: true)
      for (_, message) in round { deliver(message) }
    }
  }

  private mutating func deliver(_ message: Message) {
    switch message.payload {
    case .heartbeat(let rows, let report):
      gManager.receive(rows: rows, report: report)
    case .moveKVCache(let order):
      guard slotToMove(order) != nil else {
        refuse(order, "the request has changed since the heartbeat")
        return
      }
      mailbox.append(
        Message(
          receiver: order.destination.index, sender: order.source.index, payload: .tryMoveKVCache(order)))
    case .tryMoveKVCache(let order):
      let accepted = tryReserve(order)
      mailbox.append(
        Message(
          receiver: order.source.index, sender: order.destination.index,
          payload: .tryMoveReply(order, accepted: accepted)))
    case .tryMoveReply(let order, let accepted):
      if accepted { startTransfer(order) } else { refuse(order, "no room at the destination") }
    }
  }

  // MARK: - What an rManager knows

  /// Rows of the requests that have blocks on an instance, by request: its own batch and those it hosts for.
  private func placementRows(of i: Int) -> [PlacementRow] {
    var rows: [PlacementRow] = []
    let done = progress(of: i)
    var slot = instances[i].batch.head
    while slot >= 0 {
      let s = Int(slot)
      slot = requests[s].next
      let held = localBlocks(of: s, steps: done.started)
      rows.append(
        PlacementRow(
          request: RequestID(requests[s].id), instance: InstanceID(i), blocks: KVBlocks(held), isLocal: true,
          movable: KVBlocks(movableBlocks(of: s, steps: done.completed))))
    }
    for index in instances[i].loans {
      let loan = loans[Int(index)]
      guard loan.blocks > 0 else { continue }
      rows.append(
        PlacementRow(
          request: RequestID(requests[Int(loan.slot)].id), instance: InstanceID(i),
          blocks: KVBlocks(loan.blocks),
          isLocal: false, movable: KVBlocks(recallableBlocks(of: Int(loan.slot), loan))))
    }
    return rows.sorted { $0.request < $1.request }
  }

  /// What the moves under way will have changed when they land: they count as done (semantics.md 26).
  private struct Flights {
    var leaving = 0
    var local = 0
    var hosted = 0
  }

  private func flightsPerInstance() -> ContiguousArray<Flights> {
    var flights = ContiguousArray(repeating: Flights(), count: instanceCount)
    for transfer in transfers.unordered where !abortedTransfers.contains(transfer.number) {
      let sign = transfer.isRecall ? -1 : 1
      flights[transfer.isRecall ? transfer.host : transfer.home].leaving += transfer.blocks
      flights[transfer.home].local -= sign * transfer.blocks
      flights[transfer.host].hosted += sign * transfer.blocks
    }
    return flights
  }

  private func report(of i: Int, _ flights: Flights) -> InstanceReport {
    let done = progress(of: i)
    var needs: [Int] = []
    var tokens: [Int] = []
    var slot = instances[i].queue.head
    while slot >= 0, needs.count < options.maxNumSeqs {
      needs.append(blocks(for: requests[Int(slot)].length))
      tokens.append(requests[Int(slot)].length)
      slot = requests[Int(slot)].next
    }
    var local: Int64 = 0
    var remote: Int64 = 0
    for lane in (i * laneCount)..<((i + 1) * laneCount) {
      local += lanes[lane].storedTokens + Int64(lanes[lane].growing) * done.completed
      remote = max(remote, lanes[lane].remotePath)
    }
    return InstanceReport(
      instance: InstanceID(i), batch: instances[i].batch.count, queued: instances[i].queue.count,
      queuedBlocks: needs, queuedTokens: tokens, freeSequences: options.maxNumSeqs - running(on: i),
      usedBlocks: KVBlocks(usedBlocks(of: i) - flights.leaving),
      localTokens: Int(local) + flights.local * blockSize,
      hostedBlocks: KVBlocks(instances[i].hostedBlocks + flights.hosted), remotePath: remote)
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

  private func isRested(_ slot: Int) -> Bool {
    guard requests[slot].phase == .decoding, requests[slot].movingBlocks == 0 else { return false }
    let landed = requests[slot].lastLanding
    return landed < 0 || now - landed >= lending.period.picoseconds * Int64(lending.cooldownPeriods)
  }
}
