/// Asks the policy and checks its answers: nowhere else does a run call `route`, `lend` or `plan`.
///
/// An answer that could never have been right ends the run with a `PolicyError` after this instant, and is not acted on.
extension SimulationState {
  // MARK: - Asking

  // Apart from what changes the state: there a call of the policy would count a reference.

  private func ask(route request: RequestView) -> InstanceID {
    withClusterView { policy.route(request, $0) }
  }

  private func ask(loan: LoanRequest) -> [LoanPiece]? { withClusterView { policy.lend(loan, $0) } }

  private func askForPlan() -> [MoveOrder] { withPlacementMap { policy.plan($0) } }

  /// Which instances may lend to a request larger than an instance, if they have memory.
  func lenders(to ask: LoanRequest) -> [Bool] {
    withClusterView { view in
      (0..<instanceCount).map {
        instances[$0].isUp && reaches(ask.home.index, $0) && policy.lends(InstanceID($0), to: ask, view)
      }
    }
  }

  // MARK: - Routes

  /// The instance that a request is to be queued at.
  mutating func route(_ slot: Int) -> Int {
    let view = requestView(slot)
    let home = ask(route: view)
    guard exists(home) else { return failRoute(view.id, to: home) }
    return home.index
  }

  /// Apart, so that its texts are not in the way of every arrival. Until the end of the instant the request is at instance 0.
  @inline(never)
  private mutating func failRoute(_ request: RequestID, to home: InstanceID) -> Int {
    fail(.route(request, to: home), Breach(.routeExists, found: home, expected: idRange))
    return 0
  }

  // MARK: - Loans

  /// The hosts of a loan; `nil` if nobody lends. The view is exact, so that every wrong piece is the policy's doing.
  mutating func lend(_ loan: LoanRequest) -> [LoanPiece]? {
    guard let pieces = ask(loan: loan) else { return nil }
    guard let breach = breach(by: pieces, of: loan) else { return pieces }
    fail(.loan(loan.request.id, home: loan.home, pieces), breach)
    return nil
  }

  /// What is wrong if requests still wait when nothing happens any more: the cluster is empty, and one that is larger than an
  /// instance is not lent what it lacks. Others may wait behind it.
  func stranded() -> PolicyError? {
    guard requests.live > 0, borrows else { return nil }
    for i in 0..<instanceCount {
      let slot = Int(instances[i].queue.head)
      guard slot >= 0, isGiant(slot) else { continue }
      return PolicyError(
        policy: policy.name,
        answer: .loan(RequestID(requests[slot].id), home: InstanceID(i), []), law: .lendsAtLast,
        found: "a request of \(blocks(for: requests[slot].length)) blocks that waits for ever",
        expected: "hosts for what an instance of \(usableBlocks) lacks", time: SimTime(picoseconds: now))
    }
    return nil
  }

  private func breach(by pieces: [LoanPiece], of ask: LoanRequest) -> Breach? {
    var total = 0
    var last = InstanceID(-1)
    for piece in pieces.sorted(by: { $0.host < $1.host }) {
      let host = piece.host
      guard exists(host) else { return Breach(.hostExists, found: host, expected: idRange) }
      guard host != ask.home else { return Breach(.hostIsNotHome, found: host, expected: "another instance") }
      guard host != last else {
        return Breach(.hostOnce, found: "\(Self.name(host)) twice", expected: "once")
      }
      guard instances[host.index].isUp else {
        return Breach(.hostIsUp, found: "\(Self.name(host)), which is down", expected: "one that is up")
      }
      guard reaches(ask.home.index, host.index) else {
        return Breach(
          .hostIsReached, found: "a lost link to \(Self.name(host))", expected: "a host that the home reaches"
        )
      }
      guard ask.isGiant || lending.lendWhileQueueing || instances[host.index].queue.isEmpty else {
        return Breach(
          .hostHasNoQueue, found: "\(instances[host.index].queue.count) waiting on \(Self.name(host))",
          expected: "none, or lendWhileQueueing among its options")
      }
      let free = freeBlocks(of: host.index)
      guard piece.blocks.count > 0, piece.blocks.count <= free else {
        return Breach(.hostHasBlocks, found: "\(piece.blocks.count)", expected: "1 to \(free)")
      }
      last = host
      total += piece.blocks.count
    }
    guard total >= ask.minimum.count, total <= ask.blocks.count else {
      return Breach(
        .loanIsAsked, found: "\(total) blocks", expected: "\(ask.minimum.count) to \(ask.blocks.count)")
    }
    return nil
  }

  // MARK: - Plans

  /// The moves that the gManager orders now; none of a plan in which one could never have been right.
  mutating func planMoves() -> [MoveOrder] {
    let orders = askForPlan()
    guard !orders.isEmpty else { return orders }
    var roles = ContiguousArray(repeating: Role.none, count: instanceCount)
    for order in orders {
      guard let breach = withPlacementMap({ breach(by: order, $0, &roles) }) else { continue }
      fail(.order(order), breach)
      return []
    }
    return orders
  }

  /// What an instance is in a round by the orders so far (semantics.md 26). Loans that go home give nobody a role.
  private enum Role { case none, debtor, creditor }

  private func breach(
    by order: MoveOrder, _ map: borrowing PlacementMap, _ roles: inout ContiguousArray<Role>
  ) -> Breach? {
    let (source, destination, blocks) = (order.source, order.destination, order.blocks.count)
    guard (0..<nextID).contains(order.request.index) else {
      return Breach(.requestExists, found: "request \(order.request.index)", expected: "one below \(nextID)")
    }
    guard exists(source), exists(destination) else {
      return Breach(.endsExist, found: exists(source) ? destination : source, expected: idRange)
    }
    guard source != destination else {
      return Breach(.endsDiffer, found: "\(Self.name(source)) as both", expected: "two instances")
    }
    guard blocks > 0 else { return Breach(.movesBlocks, found: "\(blocks) blocks", expected: "1 or more") }
    guard order.isFinite else {
      return Breach(
        .gainIsFinite, found: "a gain of \(order.expectedGain), or grounds with such a number",
        expected: "finite numbers")
    }
    guard let row = map.row(of: order.request, on: source) else {
      return Breach(
        .sourceHolds, found: "no block on \(Self.name(source))", expected: "the home or a host of the request"
      )
    }
    let isRecall = row.home != source
    guard !isRecall || destination == row.home else {
      return Breach(.hostedGoesHome, found: destination, expected: "\(Self.name(row.home)), its home")
    }
    guard blocks <= row.blocks.count else {
      return Breach(.noMoreThanHeld, found: "\(blocks) blocks", expected: "at most \(row.blocks.count)")
    }
    guard blocks <= usableBlocks - watermark else {
      return Breach(.fits, found: "\(blocks) blocks", expected: "at most \(usableBlocks - watermark)")
    }
    if isRecall { return nil }
    for (end, role) in [(source, Role.debtor), (destination, .creditor)] {
      guard roles[end.index] == .none || roles[end.index] == role else {
        return Breach(.oneRole, found: "\(Self.name(end)) as both", expected: "one role")
      }
      roles[end.index] = role
    }
    return nil
  }

  // MARK: - Breaches

  /// A law that an answer breaks, and how.
  private struct Breach {
    var law: PolicyError.Law
    var found: String
    var expected: String

    init(_ law: PolicyError.Law, found: String, expected: String) {
      (self.law, self.found, self.expected) = (law, found, expected)
    }

    init(_ law: PolicyError.Law, found: InstanceID, expected: String) {
      self.init(law, found: SimulationState.name(found), expected: expected)
    }
  }

  private mutating func fail(_ answer: PolicyError.Answer, _ breach: Breach) {
    fail(
      PolicyError(
        policy: policy.name, answer: answer, law: breach.law, found: breach.found, expected: breach.expected,
        time: SimTime(picoseconds: now)))
  }

  private func exists(_ i: InstanceID) -> Bool { i.index >= 0 && i.index < instanceCount }

  private var idRange: String { "0 to \(instanceCount - 1)" }

  private static func name(_ i: InstanceID) -> String { "instance \(i.index)" }
}

extension MoveOrder {
  /// Whether all that its planner reckoned are numbers that can be written down.
  fileprivate var isFinite: Bool {
    guard let grounds else { return expectedGain.isFinite }
    return expectedGain.isFinite && grounds.gain.isFinite && grounds.throughputBefore.isFinite
      && grounds.candidates.allSatisfy(\.gain.isFinite)
  }
}
