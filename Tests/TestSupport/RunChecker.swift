import Policies
@_spi(Checking) import Sim
import Torture

/// Watches a run from outside and checks its laws at the end of every instant.
///
/// Nothing is taken from the engine's own counters that can be recomputed: the blocks of an instance are added up from
/// what each live request stores there, and requests are counted by their arrivals in the trace and their ends.
public final class RunChecker: RunObserver {
  /// The first broken laws: name and what was found.
  public private(set) var violations: [(law: String, details: String)] = []
  /// What the run went through.
  public private(set) var decisions: [DecisionRecord.Kind: Int] = [:]
  public private(set) var borrowersPreempted = 0, faultsInMoves = 0
  /// Instants at which two steps ended, or a request arrived as a step ended.
  public private(set) var coincidences = 0
  /// What the managers did, rebuilt from their records.
  public private(set) var moves = MoveLedger()

  private let configuration: SimulationConfiguration
  private let requests: [TraceRequest]
  private let lends: Bool
  private let declared: PolicyDeeds
  private var time = SimTime(picoseconds: -1)
  private var arrived = 0
  private var ended: [RequestRecord?]
  private var endedCount = 0
  /// Requests admitted and not ended as of the last instant, and what happened to them in this one.
  private var admitted: [Int] = []
  private var victims: [Int] = []
  private var busyUntil: [SimTime?] = []
  /// Faults that last, and how many of each.
  private var faults: [Fault: Int] = [:]
  /// What they leave of each instance.
  private var conditions: [Condition] = []

  private struct Condition {
    var isUp = true
    /// Blocks that the instance can use.
    var capacity: Int
  }

  /// - Parameter declared: what the policy is declared to do.
  public init(
    _ configuration: SimulationConfiguration, requests: [TraceRequest], policy: any SchedulingPolicy,
    declared: PolicyDeeds
  ) {
    self.declared = declared
    self.configuration = configuration
    self.requests = requests
    lends = policy.lending.mode != .off
    ended = Array(repeating: nil, count: requests.count)
    conditions = (0..<configuration.topology.count).map(condition)
  }

  private func check(_ holds: Bool, _ law: String, _ details: @autoclosure () -> String) {
    if !holds, violations.count < 8 { violations.append((law, "at \(time.picoseconds) ps: \(details())")) }
  }

  // MARK: - Ends and decisions

  public func requestEnded(_ record: RequestRecord) {
    let id = record.id.index
    let asked = requests[id]
    check(ended[id] == nil, "a request ends once", "request \(id)")
    ended[id] = record
    endedCount += 1
    moves.forget(record.id.index)
    check(
      record.arrival == asked.arrival && record.prompt == asked.prompt && record.output == asked.output,
      "a request is what the trace says", "request \(id)")
    check(record.ended >= record.arrival, "no request ends before it arrives", "request \(id)")
    check((record.firstToken == nil) == (record.generated == 0), "a token has a time", "request \(id)")
    if let first = record.firstToken {
      check(
        first > record.arrival && first <= record.ended, "a token appears between arrival and end",
        "request \(id)")
      check(
        record.admitted.map { $0 >= record.arrival && $0 < first } ?? false,
        "a request is admitted before its first token", "request \(id)")
    }
    if record.outcome == .completed {
      check(
        record.generated == asked.output, "a completed request has what it asked for",
        "request \(id): \(record.generated) of \(asked.output)")
    } else {
      check(record.generated < asked.output, "a rejected request lacks something", "request \(id)")
    }
    check(lends || record.borrowedBlocksPeak == 0, "nothing is lent when lending is off", "request \(id)")
  }

  public func decided(_ decision: DecisionRecord) {
    decisions[decision.kind, default: 0] += 1
    moves.decided(decision)
    check(
      declared.isSuperset(of: PolicyDeeds(shownBy: decision.kind)), PolicyDeeds.law,
      "\(decision.kind.rawValue) of request \(decision.request.index)")
    if decision.kind == .preempt {
      victims.append(decision.request.index)
      if decision.blocks > 0 { borrowersPreempted += 1 }
    }
    switch decision.kind {
    case .borrow, .move, .moveRefused, .moveAborted, .landed, .recall, .reserve:
      check(
        lends, "nothing is lent when lending is off",
        "\(decision.kind.rawValue) of request \(decision.request.index)")
    case .preempt, .reject, .steal, .lost, .restart: break
    }
  }

  public func faulted(_ record: FaultRecord) {
    if record.begins {
      faults[record.fault, default: 0] += 1
      if !moves.isSettled { faultsInMoves += 1 }
    } else {
      faults[record.fault, default: 0] -= 1
    }
    conditions = (0..<configuration.topology.count).map(condition)
  }

  /// What the faults that have been told leave of instance `i`.
  private func condition(of i: Int) -> Condition {
    var condition = Condition(
      capacity: configuration.blocksPerInstance - (configuration.engine.kind == .chunked ? 1 : 0))
    let topology = configuration.topology
    for (fault, count) in faults where count > 0 {
      switch fault {
      case .crash(let id) where id.index == i: condition.isUp = false
      case .nodeLoss(let node) where topology.nodes(of: i).contains(node): condition.isUp = false
      case .memoryShrink(let id, let blocks) where id.index == i: condition.capacity -= count * blocks
      default: break
      }
    }
    condition.capacity = condition.isUp ? max(0, condition.capacity) : 0
    return condition
  }

  public func managed(_ record: ProtocolRecord) { moves.managed(record) }

  // MARK: - Instants

  /// To be shown every instant's end.
  func inspect(_ snapshot: ClusterSnapshot) {
    check(snapshot.time > time, "time goes forward", "then \(snapshot.time.picoseconds) ps")
    time = snapshot.time
    let before = arrived
    while arrived < requests.count, requests[arrived].arrival <= time { arrived += 1 }
    checkRequests(snapshot)
    checkBlocks(snapshot)
    moves.inspect(snapshot)
    for (law, details) in moves.violations { check(false, law, details) }
    checkVictims(snapshot)
    let endings = busyUntil.count { $0 == time }
    if endings > 1 || (endings == 1 && arrived > before) { coincidences += 1 }
    busyUntil = snapshot.instances.map(\.busyUntil)
  }

  /// To be called after the run.
  func finish(_ summary: RunSummary) {
    check(moves.isSettled, "nothing is reserved or under way after the end", "\(moves.open)")
    check(endedCount == requests.count, "every request ends", "\(endedCount) of \(requests.count)")
    let completed = ended.count { $0?.outcome == .completed }
    check(
      summary.arrived == requests.count && summary.completed == completed
        && summary.rejected == requests.count - completed && summary.unfinished == 0,
      "the summary counts every request once", "\(summary.arrived) arrived, \(summary.completed) completed")
    let tokens = ended.reduce(0) { $0 + ($1?.outcome == .completed ? $1!.generated : 0) }
    check(
      summary.outputTokens == tokens, "the summary counts every token once",
      "\(summary.outputTokens), \(tokens)")
    check(
      summary.preemptions == ended.reduce(0) { $0 + ($1?.preemptions ?? 0) },
      "the summary counts every preemption once", "\(summary.preemptions)")
  }

  private func checkRequests(_ snapshot: ClusterSnapshot) {
    check(
      arrived == snapshot.placements.count + endedCount, "requests are conserved",
      "\(arrived) arrived, \(snapshot.placements.count) live, \(endedCount) ended")
    var running = Array(repeating: 0, count: snapshot.instances.count)
    var queued = running
    for p in snapshot.placements {
      check(ended[p.request.index] == nil, "an ended request is gone", "request \(p.request.index)")
      switch p.phase {
      case .waiting: break
      case .queued: queued[p.home.index] += 1
      case .prefilling, .decoding: running[p.home.index] += 1
      }
    }
    for (i, instance) in snapshot.instances.enumerated() {
      check(
        instance.running == running[i] && instance.queued == queued[i], "every live request waits or runs",
        "instance \(i): \(instance.running) + \(instance.queued), found \(running[i]) + \(queued[i])")
      check(
        running[i] <= configuration.engine.maxNumSeqs, "an instance runs at most max_num_seqs",
        "instance \(i): \(running[i])")
      check(
        running[i] == 0 || instance.busyUntil != nil, "an instance with admitted requests is at work",
        "instance \(i)")
      check(instance.busyUntil.map { $0 > time } ?? true, "a step ends after it starts", "instance \(i)")
      let isUp = conditions[i].isUp
      check(
        isUp == instance.isUp && (isUp || (running[i] == 0 && queued[i] == 0 && instance.busyUntil == nil)),
        "nothing is on an instance that is down", "instance \(i)")
    }
  }

  private func blocks(_ tokens: Int) -> Int {
    let size = configuration.engine.blockSize
    return tokens / size + (tokens % size > 0 ? 1 : 0)
  }

  private func checkBlocks(_ snapshot: ClusterSnapshot) {
    var used = Array(repeating: 0, count: snapshot.instances.count)
    var hosted = used
    var units: [Set<Int>] = Array(repeating: [], count: snapshot.unitBlocks > 0 ? used.count : 0)
    for move in snapshot.moves {
      used[move.destination.index] += move.blocks
      check(move.blocks > 0, "a move moves something", "request \(move.request.index)")
    }
    for (destination, blocks) in moves.reserved { used[destination] += blocks }
    for p in snapshot.placements {
      let id = p.request.index
      // Shared units count once for all who refer to them.
      used[p.home.index] += homeBlocks(p) - p.units.count * snapshot.unitBlocks
      if !p.units.isEmpty {
        check(Set(p.units).count == p.units.count, "a unit lies once in a prompt", "request \(id)")
        units[p.home.index].formUnion(p.units)
      }
      for loan in p.loans {
        used[loan.host.index] += loan.blocks
        hosted[loan.host.index] += loan.blocks
        check(
          loan.host != p.home && loan.blocks >= 0 && loan.blocks + loan.arriving > 0,
          "a loan is some blocks of another instance", "request \(id)")
        var onItsWay = 0
        for move in snapshot.moves where move.request == p.request && move.destination == loan.host {
          onItsWay += move.blocks
        }
        check(onItsWay == loan.arriving, "what arrives is on its way", "request \(id)")
      }
      check(
        (p.phase != .queued && p.phase != .waiting) || p.loans.isEmpty, "who waits holds nothing",
        "request \(id)")
      check(lends || p.loans.isEmpty, "nothing is lent when lending is off", "request \(id)")
      if p.phase == .decoding {
        let reserved = p.loans.reduce(0) { $0 + $1.blocks }
        check(
          p.tokensAtHome >= 0 && p.storedTokens - p.tokensAtHome >= 0
            && blocks(p.storedTokens - p.tokensAtHome) <= reserved,
          "hosted tokens lie in blocks reserved for them",
          "request \(id): \(p.storedTokens - p.tokensAtHome) tokens in \(reserved) blocks")
        let asked = requests[id]
        check(
          p.storedTokens >= asked.prompt && p.storedTokens < asked.prompt + asked.output,
          "a decoding request stores its prompt and what it generated, but for the last token",
          "request \(id): \(p.storedTokens) of \(asked.prompt) + \(asked.output)")
      }
    }
    for move in snapshot.moves {
      check(
        snapshot.placements.contains { $0.request == move.request && $0.phase == .decoding },
        "only a decoding request moves", "request \(move.request.index)")
    }
    for i in units.indices { used[i] += units[i].count * snapshot.unitBlocks }
    for (i, instance) in snapshot.instances.enumerated() {
      check(
        instance.capacity == conditions[i].capacity,
        "capacity is what was given",
        "instance \(i)")
      check(
        used[i] == instance.usedBlocks, "the ledger agrees with the placements",
        "instance \(i): \(instance.usedBlocks) blocks in the ledger, \(used[i]) in the placements")
      check(
        hosted[i] == instance.hostedBlocks, "the ledger agrees with the loans",
        "instance \(i): \(instance.hostedBlocks) blocks in the ledger, \(hosted[i]) in the loans")
      // Skipping ahead, a run's idle units are evicted when it ends.
      check(
        !configuration.engine.stepByStep || used[i] + instance.idleBlocks <= instance.capacity,
        "idle units make room", "instance \(i): \(used[i]) + \(instance.idleBlocks) of \(instance.capacity)")
      check(
        used[i] <= instance.capacity, "no instance holds more than its capacity",
        "instance \(i): \(used[i]) of \(instance.capacity)")
    }
  }

  /// Blocks of a request at its home, from the rules: whole prompts take all their blocks at admission (vllm-v0, and
  /// prompts with hosts, with some for their first tokens); chunks take theirs as they come.
  private func homeBlocks(_ p: ClusterSnapshot.Placement) -> Int {
    switch p.phase {
    case .waiting, .queued: return 0
    case .decoding: return blocks(p.tokensAtHome)
    case .prefilling:
      let reserved = p.loans.reduce(0) { $0 + $1.blocks }
      guard reserved > 0 else {
        return blocks(configuration.engine.kind == .chunked ? p.storedTokens : p.length)
      }
      check(
        (blocks(p.length)...blocks(p.length + 16)).contains(p.blocksAtHome + reserved),
        "a prompt with hosts has its blocks and at most those of 16 more tokens",
        "request \(p.request.index): \(p.blocksAtHome) + \(reserved) for \(p.length) tokens")
      return p.blocksAtHome
    }
  }

  /// semantics.md 20: the oldest admitted request of the cluster is never a victim.
  private func checkVictims(_ snapshot: ClusterSnapshot) {
    // Ascending, as the placements are.
    var now: [Int] = []
    for p in snapshot.placements where p.phase == .prefilling || p.phase == .decoding {
      now.append(p.request.index)
    }
    for victim in victims {
      let others = admitted + now + victims
      let isOldest =
        !others.contains { $0 < victim } && others.contains { $0 > victim && admitted.contains($0) }
      check(
        !(admitted.contains(victim) && isOldest), "the oldest admitted request is never a victim",
        "request \(victim)")
    }
    victims.removeAll(keepingCapacity: true)
    admitted = now
  }
}
