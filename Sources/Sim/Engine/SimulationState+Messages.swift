/// The simulated network of the managers. Control messages may be late, lost, doubled or overtaken; the luck of each is a
/// function of (sender, its number), never of how many events came before it.
extension SimulationState {
  /// Sends a control message. Without delay it is delivered in the next round of this instant.
  mutating func send(_ payload: Message.Payload, from sender: Int, to receiver: Int) {
    guard sender == Message.gManager || instances[sender].isUp else { return }
    let number = nextNumber(of: sender)
    metrics.managers.sent += 1
    if isCutOff(sender, receiver) || hasLuck("lost", managers.lossPermille, sender, number) {
      metrics.managers.lost += 1
      return
    }
    post(payload, from: sender, to: receiver, number: number)
    if hasLuck("doubled", managers.duplicatePermille, sender, number) {
      metrics.managers.duplicated += 1
      post(payload, from: sender, to: receiver, number: nextNumber(of: sender))
    }
  }

  /// An alarm of `instance`. Without delay every answer comes in the instant of its question, so none is set.
  mutating func setAlarm(_ payload: Message.Payload, of instance: Int, after span: SimDuration) {
    guard !managers.isInstant else { return }
    let number = nextNumber(of: instance)
    schedule(
      Message(time: 0, receiver: instance, sender: instance, number: number, payload: payload), after: span)
  }

  private mutating func nextNumber(of sender: Int) -> Int {
    if sender == Message.gManager {
      gManager.sent += 1
      return gManager.sent
    }
    rManagers[sender].sent += 1
    return rManagers[sender].sent
  }

  private mutating func post(
    _ payload: Message.Payload, from sender: Int, to receiver: Int, number: Int
  ) {
    let message = Message(time: now, receiver: receiver, sender: sender, number: number, payload: payload)
    guard !managers.isInstant else {
      mailbox.append(message)
      return
    }
    var span = managers.delay.picoseconds
    if managers.jitter > .zero {
      span += draw("jitter", below: managers.jitter.picoseconds + 1, sender, number)
    }
    if hasLuck("held-back", managers.reorderPermille, sender, number) {
      metrics.managers.reordered += 1
      span += 1 + draw("held-back-by", below: 3 * managers.slowest.picoseconds, sender, number)
    }
    schedule(message, after: SimDuration(picoseconds: span))
  }

  mutating func schedule(_ message: Message, after span: SimDuration) {
    let (time, isBeyond) = now.addingReportingOverflow(span.picoseconds)
    guard !isBeyond, time < .max else {
      mustEnd = true
      return
    }
    var message = message
    message.time = time
    messages.insert(message)
    nextMessage = min(nextMessage, time)
  }

  /// Lets the gManager crash at the beginnings of `outages`, in order, and restart at their ends.
  mutating func scheduleOutages(_ outages: [Range<SimTime>]) {
    for (index, outage) in outages.enumerated() {
      for (offset, time) in [outage.lowerBound, outage.upperBound].enumerated() {
        schedule(
          Message(
            time: 0, receiver: Message.gManager, sender: Message.gManager, number: -2 * index - offset,
            payload: .outage(begins: offset == 0)),
          after: SimDuration(picoseconds: time.picoseconds))
      }
    }
  }

  private func hasLuck(_ name: String, _ permille: Int, _ sender: Int, _ number: Int) -> Bool {
    permille > 0 && now < managers.unreliableUntil.picoseconds
      && draw(name, below: 1_000, sender, number) < permille
  }

  private func draw(_ name: String, below bound: Int64, _ sender: Int, _ number: Int) -> Int64 {
    Int64(
      RandomStream(seed: managers.seed, name: "message/\(name)")
        .integer(below: Int(bound), entity: sender + 1, ordinal: number))
  }

  // MARK: - Delivery

  /// Delivers what is due now, in the order of (receiver, sender, number).
  mutating func deliverDueMessages() {
    while let message = messages.min, message.time == now {
      messages.removeMin()
      metrics.events += 1
      deliver(message)
    }
    nextMessage = messages.min?.time ?? .max
  }

  /// Delivers messages without delay in rounds: what a round's messages cause is delivered in the next one.
  mutating func deliverMailbox() {
    while !mailbox.isEmpty {
      let round = mailbox.sorted()
      mailbox.removeAll(keepingCapacity: true)
      for message in round { deliver(message) }
    }
  }

  /// Whether faults keep a message from getting through. The gManager has a network of its own.
  private func isCutOff(_ sender: Int, _ receiver: Int) -> Bool {
    sender != Message.gManager && receiver != Message.gManager && !getsThrough(from: sender, to: receiver)
  }

  // Two loops deliver, and all that a message may cause is much code: one copy of it is enough.
  @inline(never)
  private mutating func deliver(_ message: Message) {
    // Nobody is there to hear it. Without delay nobody has been told yet, and an answer is owed.
    if !managers.isInstant, message.receiver != Message.gManager, !instances[message.receiver].isUp { return }
    switch message.payload {
    case .heartbeat(let heartbeat): receive(heartbeat, from: message.sender)
    case .sendFull(let epoch): receiveSendFull(epoch, at: message.receiver)
    case .moveKVCache(let move): receiveOrder(move)
    case .tryMoveKVCache(let move, let isRecall): receiveTry(move, isRecall: isRecall)
    case .tryMoveReply(let move, let accepted): receiveReply(move, accepted: accepted)
    case .cancel(let move): receiveCancel(move)
    case .answerDue(let move, let tries): answerIsDue(move, tries: tries)
    case .reservationDue(let move): reservationIsDue(move)
    case .outage(let begins): if begins { crashGManager() } else { restartGManager() }
    }
  }
}
