/// Moves of KV blocks: reserve at the destination, ship beside the computation, flip ownership once (semantics.md 18).
extension SimulationState {
  /// The decoding request of an order, if its blocks can still be moved as ordered.
  func slotToMove(_ order: MoveOrder) -> Int? {
    let source = order.source.index
    var slot = instances[source].batch.head
    while slot >= 0 {
      let s = Int(slot)
      if requests[s].id == order.request.index {
        let movable = movableBlocks(of: s, steps: progress(of: source).completed)
        return order.blocks.count > 0 && order.blocks.count <= movable ? s : nil
      }
      slot = requests[s].next
    }
    for index in instances[source].loans {
      let loan = loans[Int(index)]
      let s = Int(loan.slot)
      if requests[s].id == order.request.index, requests[s].home == order.destination.index {
        return order.blocks.count > 0 && order.blocks.count <= recallableBlocks(of: s, loan) ? s : nil
      }
    }
    return nil
  }

  /// The destination reserves room, or refuses. First come, first served.
  mutating func tryReserve(_ order: MoveOrder) -> Bool {
    let destination = order.destination.index
    guard let slot = slotToMove(order) else { return false }
    let isRecall = requests[slot].home == destination
    guard reaches(order.source.index, destination) else { return false }
    guard isRecall || lending.lendWhileQueueing || instances[destination].queue.isEmpty else { return false }
    guard freeBlocks(of: destination) - watermark >= order.blocks.count else { return false }
    touch(destination)
    if isRecall {
      instances[destination].usedBlocks += order.blocks.count
    } else {
      let loan = loanEntry(slot, host: destination)
      loans[loan].arriving += order.blocks.count
      instances[destination].usedBlocks += order.blocks.count
    }
    requests[slot].movingBlocks += order.blocks.count
    evictIdle(destination)
    metrics.noteUtilisation(used: usedBlocks(of: destination))
    return true
  }

  mutating func startTransfer(_ order: MoveOrder) {
    guard let slot = slotBeingMoved(order) else { preconditionFailure("a reserved move has its request") }
    let home = requests[slot].home
    let isRecall = home == order.destination.index
    let source = order.source.index
    let tokens = order.blocks.count * blockSize
    touch(source)
    instances[source].departures += 1
    // Rank i sends to rank i, stage by stage: the NICs share the bytes; moves that leave together share a NIC.
    let link = link(source, order.destination.index)
    let wire =
      link.latency
      + link.transfer(bytes: tokens * costs.kvBytesPerTokenPerStage) * Int64(instances[source].departures)
    let steps = Int64((tokens + lending.moveTokensPerStep - 1) / lending.moveTokensPerStep)
    let pace =
      instances[source].isBusy ? instances[source].run.duration(ofStep: progress(of: source).completed) : 0
    transferNumber += 1
    transfers.insert(
      Transfer(
        landing: landing(after: wire, steps: steps, of: pace), number: transferNumber, slot: slot,
        request: order.request.index, home: home, host: isRecall ? source : order.destination.index,
        blocks: order.blocks.count, isRecall: isRecall))
    fold(.moved, slot, blocks: order.blocks.count)
    decided(
      isRecall ? .recall : .move, slot, from: source, to: order.destination.index, blocks: order.blocks.count,
      grounds: order.grounds
    ) {
      "expected gain \(order.expectedGain) tokens/s"
    }
  }

  /// When a transfer lands: not before its bytes are over nor before so many steps of this length. Beside a prompt of
  /// a million tokens a step is minutes long, and many of those end after time itself: such a transfer never lands.
  private func landing(after wire: Int64, steps: Int64, of pace: Int64) -> Int64 {
    let (paced, endless) = steps.multipliedReportingOverflow(by: pace)
    let (landing, tooLate) = now.addingReportingOverflow(max(1, endless ? .max : max(wire, paced)))
    return tooLate ? .max : landing
  }

  private func slotBeingMoved(_ order: MoveOrder) -> Int? {
    for i in [order.source.index, order.destination.index] {
      var slot = instances[i].batch.head
      while slot >= 0 {
        if requests[Int(slot)].id == order.request.index { return Int(slot) }
        slot = requests[Int(slot)].next
      }
    }
    return nil
  }

  func refuse(_ order: MoveOrder, _ reason: String) {
    observer?.decided(
      DecisionRecord(
        time: SimTime(picoseconds: now), kind: .moveRefused, request: order.request, source: order.source,
        destination: order.destination, blocks: order.blocks.count, reason: reason, grounds: order.grounds))
  }

  /// Flips the ownership of the blocks that have arrived by now, once.
  mutating func landTransfers() {
    while let transfer = transfers.min, transfer.landing == now {
      transfers.removeMin()
      metrics.events += 1
      if abortedTransfers.remove(transfer.number) == nil { land(transfer) }
    }
  }

  private mutating func land(_ transfer: Transfer) {
    let slot = transfer.slot
    let home = transfer.home
    let host = transfer.host
    precondition(
      requests[slot].id == transfer.request && requests[slot].phase == .decoding,
      "a move whose request has gone was aborted")
    // Both ends see the new placement from their next step on.
    settle(home)
    touch(host)
    instances[transfer.isRecall ? host : home].departures -= 1
    let tokens = transfer.blocks * blockSize
    let loan = loanEntry(slot, host: host)
    let wasBorrower = requests[slot].isBorrower
    countOut(slot)
    if transfer.isRecall {
      loans[loan].blocks -= transfer.blocks
      requests[slot].hostedBlocks -= transfer.blocks
      requests[slot].fixedTokens += requests[slot].fillsHost ? tokens : -tokens
      evictIdle(host)
      noteUse(of: host)
      instances[host].usedBlocks -= transfer.blocks
      hostedChanged(host, by: -transfer.blocks)
    } else {
      loans[loan].arriving -= transfer.blocks
      loans[loan].blocks += transfer.blocks
      requests[slot].hostedBlocks += transfer.blocks
      requests[slot].fixedTokens += requests[slot].fillsHost ? -tokens : tokens
      noteUse(of: home)
      instances[home].usedBlocks -= transfer.blocks
      hostedChanged(host, by: transfer.blocks)
    }
    requests[slot].borrowedPeak = max(requests[slot].borrowedPeak, requests[slot].hostedBlocks)
    requests[slot].movingBlocks -= transfer.blocks
    requests[slot].lastLanding = now
    if requests[slot].hostedBlocks == 0, requests[slot].fillsHost {
      // Everything is home again: the block being filled would have stayed, so the last one was full.
      requests[slot].fillsHost = false
      requests[slot].fixedTokens = 0
    }
    countIn(slot)
    if wasBorrower != requests[slot].isBorrower { instances[home].borrowers += wasBorrower ? -1 : 1 }
    if loans[loan].blocks == 0, loans[loan].arriving == 0 { dropLoan(slot, loan) }
    refreshRemotePaths(of: home)
    metrics.movedBlocks += transfer.blocks
    fold(.landed, slot, blocks: transfer.blocks)
    decided(
      .landed, slot, from: transfer.isRecall ? host : home, to: transfer.isRecall ? home : host,
      blocks: transfer.blocks
    ) { transfer.isRecall ? "recalled" : "moved" }
    spaceFreed(at: transfer.isRecall ? host : home)
  }

  /// The request ends or is preempted: both ends forget its moves.
  mutating func abortTransfers(of slot: Int) {
    for transfer in transfers.unordered
    where transfer.slot == slot && transfer.request == requests[slot].id
      && !abortedTransfers.contains(transfer.number)
    {
      abortedTransfers.insert(transfer.number)
      let destination = transfer.isRecall ? transfer.home : transfer.host
      touch(destination)
      touch(transfer.isRecall ? transfer.host : transfer.home)
      evictIdle(destination)
      noteUse(of: destination)
      instances[destination].usedBlocks -= transfer.blocks
      if !transfer.isRecall {
        let loan = loanEntry(slot, host: transfer.host)
        loans[loan].arriving -= transfer.blocks
        if loans[loan].blocks == 0, loans[loan].arriving == 0 { dropLoan(slot, loan) }
      }
      instances[transfer.isRecall ? transfer.host : transfer.home].departures -= 1
      decided(.moveAborted, slot, from: transfer.home, to: transfer.host, blocks: transfer.blocks) {
        "the request ended or was preempted"
      }
      spaceFreed(at: destination)
    }
    requests[slot].movingBlocks = 0
  }
}
