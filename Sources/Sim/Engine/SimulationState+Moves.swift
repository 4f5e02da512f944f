/// Moves of KV blocks: reserve at the destination, ship beside the computation, flip ownership once (semantics.md 18).
extension SimulationState {
  /// The decoding request of an order, if its blocks can still be moved as ordered.
  private func slotToMove(_ order: MoveOrder) -> Int? {
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

  // MARK: - The source

  /// `move_kvcache`: the gManager's order, made from what it knew.
  mutating func receiveOrder(_ move: Move) {
    guard isNew(move, at: move.source) else { return note(.duplicate, move) }
    guard move.epoch >= rManagers[move.source].epoch, reaches(move.source, move.destination),
      let slot = slotToMove(move.order)
    else {
      note(.stale, move)
      refuse(move.order, "the source has not so many blocks of it to move now")
      return
    }
    rManagers[move.source].epoch = move.epoch
    requests[slot].movingBlocks += move.blocks
    departures.append(
      Departure(move: move, slot: slot, isRecall: requests[slot].home == move.destination))
    tryMove(departures.count - 1)
  }

  private mutating func tryMove(_ index: Int) {
    departures[index].tries += 1
    let departure = departures[index]
    let source = departure.move.source
    send(
      .tryMoveKVCache(departure.move, isRecall: departure.isRecall), from: source,
      to: departure.move.destination)
    setAlarm(
      .answerDue(move: departure.move.number, tries: departure.tries), of: source, after: managers.timeout)
  }

  /// An answer that nobody waits for any more changes nothing: what it has reserved expires.
  mutating func receiveReply(_ move: Move, accepted: Bool) {
    guard let index = departures.firstIndex(where: { $0.move.number == move.number }) else {
      return note(.late, move)
    }
    if accepted {
      start(index)
    } else {
      giveUp(index)
      refuse(move.order, "no room at the destination")
    }
  }

  mutating func answerIsDue(_ number: Int, tries: Int) {
    guard
      let index = departures.firstIndex(where: { $0.move.number == number && $0.tries == tries })
    else { return }
    let move = departures[index].move
    note(.timedOut, move)
    if tries <= managers.tryRetries {
      tryMove(index)
    } else {
      cancel(index)
      refuse(move.order, "no answer from the destination")
    }
  }

  /// The source will not make the move, and says so.
  private mutating func cancel(_ index: Int) {
    let move = departures[index].move
    note(.cancelled, move)
    giveUp(index)
    send(.cancel(move), from: move.source, to: move.destination)
  }

  private mutating func giveUp(_ index: Int) {
    let departure = departures.remove(at: index)
    requests[departure.slot].movingBlocks -= departure.move.blocks
  }

  // MARK: - The destination

  /// `try_move_kvcache`: a number reserves once. To a try that comes again the answer is the same, as the first may have
  /// been lost; one whose reservation is gone is refused.
  mutating func receiveTry(_ move: Move, isRecall: Bool) {
    if isNew(move, at: move.destination) {
      let reserves = hasRoom(for: move, isRecall: isRecall)
      if reserves { reserve(move, isRecall: isRecall) } else { note(.refused, move) }
      reply(move, accepted: reserves)
    } else {
      note(.duplicate, move)
      reply(move, accepted: reservations.contains { $0.move.number == move.number })
    }
  }

  private mutating func reply(_ move: Move, accepted: Bool) {
    send(.tryMoveReply(move, accepted: accepted), from: move.destination, to: move.source)
  }

  /// First come, first served.
  private func hasRoom(for move: Move, isRecall: Bool) -> Bool {
    let destination = move.destination
    guard isRecall || lending.lendWhileQueueing || instances[destination].queue.isEmpty else { return false }
    return freeBlocks(of: destination) - watermark >= move.blocks
  }

  private mutating func reserve(_ move: Move, isRecall: Bool) {
    let destination = move.destination
    touch(destination)
    bookedBlocks[destination] += move.blocks
    reservations.append(Reservation(move: move, isRecall: isRecall))
    evictIdle(destination)
    metrics.noteUtilisation(used: usedBlocks(of: destination))
    note(.reserved, move)
    setAlarm(.reservationDue(move: move.number), of: destination, after: managers.expiry)
  }

  mutating func receiveCancel(_ move: Move) {
    // It may have overtaken its try, which then reserves nothing.
    _ = isNew(move, at: move.destination)
    guard let index = reservations.firstIndex(where: { $0.move.number == move.number }) else { return }
    release(index, .released)
  }

  mutating func reservationIsDue(_ number: Int) {
    guard let index = reservations.firstIndex(where: { $0.move.number == number }) else { return }
    release(index, .expired)
  }

  /// A destination that needs a block itself takes back the youngest of its reservations. The source learns of it when it
  /// starts the transfer. Returns whether there was one.
  mutating func takeBackReservation(on i: Int) -> Bool {
    guard let index = reservations.lastIndex(where: { $0.move.destination == i }) else { return false }
    release(index, .released)
    return true
  }

  /// An instance has crashed: what it had reserved is gone.
  mutating func loseReservations(on i: Int) {
    while let index = reservations.firstIndex(where: { $0.move.destination == i }) {
      release(index, .released)
    }
  }

  private mutating func release(_ index: Int, _ kind: ProtocolRecord.Kind) {
    let move = reservations.remove(at: index).move
    let destination = move.destination
    if destination != decider || phase != .decision { touch(destination) }
    evictIdle(destination)
    noteUse(of: destination)
    bookedBlocks[destination] -= move.blocks
    note(kind, move)
    spaceFreed(at: destination)
  }

  /// Whether an rManager meets a move for the first time. Without delay nothing comes twice.
  private mutating func isNew(_ move: Move, at i: Int) -> Bool {
    managers.isInstant || rManagers[i].known.insert(move.number).inserted
  }

  // MARK: - The transfer

  /// Starts the transfer that a departure was granted. Both ends see at once what becomes of a transfer, as they do of
  /// RDMA writes: it starts only into its reservation, which it takes over.
  private mutating func start(_ index: Int) {
    let departure = departures[index]
    let move = departure.move
    let slot = departure.slot
    precondition(
      requests[slot].id == move.order.request.index && requests[slot].phase == .decoding,
      "a move whose request has gone was cancelled")
    guard reaches(move.source, move.destination) else { return cancel(index) }
    guard let reservation = reservations.firstIndex(where: { $0.move.number == move.number }) else {
      note(.late, move)
      giveUp(index)
      refuse(move.order, "its reservation has expired")
      return
    }
    departures.remove(at: index)
    reservations.remove(at: reservation)
    let source = move.source
    let home = requests[slot].home
    let host = departure.isRecall ? source : move.destination
    if !departure.isRecall { loans[loanEntry(slot, host: host)].arriving += move.blocks }
    let tokens = move.blocks * blockSize
    touch(source)
    instances[source].departures += 1
    // Rank i sends to rank i, stage by stage: the NICs share the bytes; moves that leave together share a NIC.
    let link = link(source, move.destination)
    let wire =
      link.latency
      + link.transfer(bytes: tokens * costs.kvBytesPerTokenPerStage) * Int64(instances[source].departures)
    let steps = Int64((tokens + lending.moveTokensPerStep - 1) / lending.moveTokensPerStep)
    // At the end of its run of steps it is as good as idle.
    let isBusy = instances[source].isBusy && instances[source].run.end > now
    let pace = isBusy ? instances[source].run.duration(ofStep: progress(of: source).completed) : 0
    transfers.insert(
      Transfer(
        landing: landing(after: wire, steps: steps, of: pace), number: move.number, slot: slot,
        request: move.order.request.index, home: home, host: host, blocks: move.blocks,
        isRecall: departure.isRecall))
    note(.started, move)
    fold(.moved, slot, blocks: move.blocks)
    decided(
      departure.isRecall ? .recall : .move, slot, from: source, to: move.destination, blocks: move.blocks,
      grounds: move.order.grounds
    ) {
      "expected gain \(move.order.expectedGain) tokens/s"
    }
  }

  /// When a transfer lands: not before its bytes are over nor before so many steps of this length. Beside a prompt of
  /// a million tokens a step is minutes long, and many of those end after time itself: such a transfer never lands.
  private func landing(after wire: Int64, steps: Int64, of pace: Int64) -> Int64 {
    let (paced, endless) = steps.multipliedReportingOverflow(by: pace)
    let (landing, tooLate) = now.addingReportingOverflow(max(1, endless ? .max : max(wire, paced)))
    return tooLate ? .max : landing
  }

  private func refuse(_ order: MoveOrder, _ reason: String) {
    observer.decided(
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
      bookedBlocks[host] -= transfer.blocks
      hostedChanged(host, by: -transfer.blocks)
    } else {
      loans[loan].arriving -= transfer.blocks
      loans[loan].blocks += transfer.blocks
      requests[slot].hostedBlocks += transfer.blocks
      requests[slot].fixedTokens += requests[slot].fillsHost ? -tokens : tokens
      noteUse(of: home)
      bookedBlocks[home] -= transfer.blocks
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
    note(.landed, transfer)
    fold(.landed, slot, blocks: transfer.blocks)
    decided(
      .landed, slot, from: transfer.isRecall ? host : home, to: transfer.isRecall ? home : host,
      blocks: transfer.blocks
    ) { transfer.isRecall ? "recalled" : "moved" }
    spaceFreed(at: transfer.isRecall ? host : home)
  }

  /// The request ends, is preempted or finds no other block: a move of it that has not started is cancelled, and both ends of
  /// a transfer forget it.
  mutating func abortMoves(of slot: Int) {
    while let index = departures.firstIndex(where: { $0.slot == slot }) { cancel(index) }
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
      bookedBlocks[destination] -= transfer.blocks
      if !transfer.isRecall {
        let loan = loanEntry(slot, host: transfer.host)
        loans[loan].arriving -= transfer.blocks
        if loans[loan].blocks == 0, loans[loan].arriving == 0 { dropLoan(slot, loan) }
      }
      instances[transfer.isRecall ? transfer.host : transfer.home].departures -= 1
      note(.aborted, transfer)
      decided(.moveAborted, slot, from: transfer.home, to: transfer.host, blocks: transfer.blocks) {
        "the request ended, was preempted or needs the blocks"
      }
      spaceFreed(at: destination)
    }
    requests[slot].movingBlocks = 0
  }
}
