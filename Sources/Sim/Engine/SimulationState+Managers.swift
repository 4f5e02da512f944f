/// Heartbeats, plans and the messages between the managers.
extension SimulationState {
  /// Every rManager reports. O(instances + moves under way).
  mutating func sendHeartbeats() {
    for i in 0..<instanceCount { reports[i] = report(of: i) }
    for transfer in transfers.unordered where !abortedTransfers.contains(transfer.number) {
      countAsDone(transfer)
    }
  }

  mutating func plan() {
    let orders = withPlacementMap { policy.plan($0) }
    for order in orders {
      mailbox.append(Message(receiver: order.source.index, sender: -1, payload: .moveKVCache(order)))
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

  private func report(of i: Int) -> InstanceReport {
    let done = progress(of: i)
    var local: Int64 = 0
    var remote: Int64 = 0
    for lane in (i * laneCount)..<((i + 1) * laneCount) {
      local += lanes[lane].storedTokens + Int64(lanes[lane].growing) * done.completed
      remote = max(remote, lanes[lane].remotePath)
    }
    let used = instances[i].usedBlocks + taken(by: i, steps: done.started)
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

  private func isRested(_ slot: Int) -> Bool {
    guard requests[slot].phase == .decoding, requests[slot].movingBlocks == 0 else { return false }
    let landed = requests[slot].lastLanding
    return landed < 0 || now - landed >= lending.period.picoseconds * Int64(lending.cooldownPeriods)
  }
}
