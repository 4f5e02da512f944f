import Policies
@_spi(Checking) import Sim

/// How a request must get on where instances borrow (docs/decisions/0014, 7).
public enum Progress {
  /// New tokens that a request makes between two preemptions, and the most preemptions in a row with fewer.
  public static let leastTokens = 16
  public static let longestChain = 3
  /// The most tokens that a run computes again after preemptions, in parts of the tokens asked for. Not derived: twice what 10,000
  /// random clusters reach.
  public static let mostAgain = 5.0
}

/// Rebuilds from the records of a run alone who has which blocks, and checks the laws on that: nothing is asked of the
/// engine, and nothing taken from its counters but to be compared.
///
/// - A request arrives once, ends once, and completes with as many tokens as it asked for, whatever was lost on the way.
/// - Blocks are conserved: what leaves one instance arrives at another, and what is given back was there. With what is
///   reserved for moves they never exceed what faults have left of an instance.
/// - A reservation is made once and ends once, in a transfer, a release or its expiry; a transfer starts only into its
///   reservation, and lands or is aborted.
/// - Nothing happens on an instance that is down, and nothing is lent over a link that is lost.
/// - The policy does nothing that its catalogue entry does not declare.
public final class EventLedger: RunObserver {
  /// The first broken law.
  public private(set) var violation: (law: String, details: String)?
  /// What the run went through.
  public private(set) var sights = TortureSights()

  private struct Request {
    enum Phase { case away, queued, prefilling, decoding, ended }
    var phase = Phase.away
    var home = 0
    var generated = 0
    /// Blocks at home while it is prefilled, as far as records tell.
    var admitted = 0
    /// Tokens stored at home and on hosts while it decodes.
    var atHome = 0
    var onHosts = 0
    /// Blocks at home and on hosts of a prompt with hosts.
    var whole = 0
    /// Landed blocks by host.
    var loans: [(host: Int, blocks: Int)] = []

    /// Preemptions in a row with fewer than `Progress.leastTokens` new tokens between them, and its tokens at the last one.
    var chain = 0
    var generatedBefore = 0
    /// Since a preemption, until it is computed again.
    var isPreempted = false

    var lent: Int { loans.reduce(0) { $0 + $1.blocks } }
  }

  private struct Move {
    enum Stage { case ordered, reserved, underWay, over }
    var stage = Stage.ordered
    var source: Int
    var destination: Int
    var request: Int
    var blocks: Int
  }

  private struct Instance {
    /// Blocks at home, those hosted for others, and those reserved for moves.
    var own = 0
    var hosted = 0
    var reserved = 0
    var isUp = true
    var capacity = 0
    var downAt = SimTime.zero
    /// When faults last changed its memory, or a request gave back blocks here: work that was over by then is told
    /// in the same instant, but not always after.
    var changedAt = SimTime(picoseconds: -1)
    var prefilling = 0
    var decoding: [Int] = []
  }

  private let configuration: SimulationConfiguration
  private let asked: [TraceRequest]
  private let blockSize: Int
  private var requests: [Request]
  private var instances: [Instance]
  private var moves: [Int: Move] = [:]
  private var openMoves = 0
  private var lastFaults: [Fault] = []
  private var hasLostLinks = false
  private var time = SimTime(picoseconds: -1)
  private var endedCount = 0
  private(set) var lastEnd = SimTime.zero
  /// When a fault last began or ended, and when the gManager last ordered a move.
  private(set) var lastFault = SimTime.zero
  private(set) var lastOrder: SimTime?
  /// Requests that were preempted since the last fault, each time counted.
  private(set) var restartsSinceFault = 0
  private var computedAgain = 0
  /// When the gManager was down; the last one may have no end yet.
  private(set) var managerOutages: [Range<SimTime>] = []
  /// Used blocks can be compared where prompts share nothing.
  private let sharesNothing: Bool
  private let declared: PolicyDeeds

  /// - Parameter declared: what the policy is declared to do.
  public init(
    _ configuration: SimulationConfiguration, requests asked: [TraceRequest], declared: PolicyDeeds
  ) {
    self.configuration = configuration
    self.declared = declared
    self.asked = asked
    blockSize = configuration.engine.blockSize
    sharesNothing = !configuration.engine.prefixCaching
    requests = Array(repeating: Request(), count: asked.count)
    instances = Array(repeating: Instance(), count: configuration.topology.count)
    for i in instances.indices { instances[i].capacity = designed }
  }

  private var designed: Int {
    configuration.blocksPerInstance - (configuration.engine.kind == .chunked ? 1 : 0)
  }

  private func check(_ holds: Bool, _ law: String, _ details: @autoclosure () -> String) {
    if !holds, violation == nil { violation = (law, "at \(time.picoseconds) ps: \(details())") }
  }

  private func blocks(_ tokens: Int) -> Int { (tokens + blockSize - 1) / blockSize }

  /// Blocks of a prompt with hosts: its own and those of its first 16 new tokens, as far as the cluster has so many.
  private func blocksWithRoomToGrow(_ id: Int) -> Int {
    let watermark = BlockLimits(blocks: configuration.blocksPerInstance, engine: configuration.engine)
      .watermark
    let (length, home) = (asked[id].prompt + requests[id].generated, requests[id].home)
    var most = 0
    for i in instances.indices where instances[i].isUp && (i == home || reaches(home, i)) {
      most += max(0, instances[i].capacity - watermark)
    }
    return max(blocks(length), min(blocks(length + 16), most))
  }

  /// The records of a new instant begin: those of the last one must have left every instance within its memory.
  private func enter(_ now: SimTime) {
    check(now >= time, "time goes forward", "then \(now.picoseconds) ps")
    guard now > time else { return }
    sights.events += 1
    for i in instances.indices {
      let used = instances[i].own + instances[i].hosted + instances[i].reserved
      check(
        used <= instances[i].capacity, "no instance holds more than its capacity",
        "instance \(i): \(used) of \(instances[i].capacity)")
    }
    if hasLostLinks { checkLinks() }
    time = now
  }

  private func checkLinks() {
    for (id, request) in requests.enumerated() {
      for loan in request.loans {
        check(reaches(request.home, loan.host), "nothing is lent over a lost link", "request \(id)")
      }
    }
  }

  // MARK: - Requests

  public var watchesAll: Bool { true }

  public func arrived(_ arrival: ArrivalRecord) {
    let id = arrival.request.index
    check(requests[id].phase == .away, "a request arrives once", "request \(id)")
    check(instances[arrival.home.index].isUp, "nothing is queued where nobody is", "request \(id)")
    requests[id].phase = .queued
    requests[id].home = arrival.home.index
  }

  public func changed(_ change: RequestChange) {
    enter(change.time)
    let id = change.request.index
    let home = change.instance.index
    switch change.kind {
    case .admitted:
      check(requests[id].phase == .queued, "who is admitted was waiting", "request \(id)")
      check(
        instances[home].isUp && home == requests[id].home, "a request is admitted at its home",
        "request \(id) at \(home)")
      requests[id].phase = .prefilling
      requests[id].admitted = change.blocks - requests[id].lent
      requests[id].whole = requests[id].lent > 0 ? change.blocks : 0
      instances[home].own += sharesNothing ? requests[id].admitted : 0
      instances[home].prefilling += 1
    case .firstToken, .resumed: join(id)
    case .preempted:
      leave(id)
      sights.restarts += 1
      restartsSinceFault += 1
      requests[id].phase = .queued
    case .placed, .moved, .landed: break
    case .completed, .rejected: leave(id)
    }
  }

  /// The prompt, or the recompute, of a request is stored: its next token has appeared.
  private func join(_ id: Int) {
    check(requests[id].phase == .prefilling, "who decodes was prefilled", "request \(id)")
    let home = requests[id].home
    let length = asked[id].prompt + requests[id].generated
    instances[home].prefilling -= 1
    instances[home].own -= sharesNothing ? requests[id].admitted : 0
    let local = (requests[id].lent > 0 ? requests[id].whole : blocks(length)) - requests[id].lent
    check(
      requests[id].lent == 0 || (blocks(length)...blocks(length + 16)).contains(requests[id].whole),
      "a prompt with hosts has its blocks and at most those of 16 more tokens",
      "request \(id): \(requests[id].whole) for \(length) tokens")
    requests[id].atHome = min(length, local * blockSize)
    requests[id].onHosts = length - requests[id].atHome
    if requests[id].isPreempted { computedAgain += length }
    requests[id].isPreempted = false
    requests[id].generated += 1
    requests[id].phase = .decoding
    instances[home].own += sharesNothing ? local : 0
    instances[home].decoding.append(id)
  }

  /// A request gives back all that it has, everywhere.
  private func leave(_ id: Int) {
    let home = requests[id].home
    switch requests[id].phase {
    case .prefilling:
      instances[home].prefilling -= 1
      instances[home].own -= sharesNothing ? requests[id].admitted : 0
    case .decoding:
      instances[home].own -= sharesNothing ? blocks(requests[id].atHome) : 0
      instances[home].decoding.removeAll { $0 == id }
    case .away, .queued, .ended: break
    }
    for loan in requests[id].loans {
      instances[loan.host].hosted -= loan.blocks
      instances[loan.host].changedAt = time
    }
    requests[id].loans = []
    requests[id].admitted = 0
    requests[id].whole = 0
    requests[id].atHome = 0
    requests[id].onHosts = 0
  }

  public func requestEnded(_ record: RequestRecord) {
    let id = record.id.index
    check(requests[id].phase != .ended, "a request ends once", "request \(id)")
    requests[id].phase = .ended
    endedCount += 1
    lastEnd = max(lastEnd, record.ended)
    guard record.outcome.isServed else { return }
    check(
      requests[id].generated == asked[id].output && record.generated == asked[id].output,
      "a completed request has every token once",
      "request \(id): \(requests[id].generated) seen, \(record.generated) of \(asked[id].output)")
  }

  // MARK: - Work

  public func worked(_ work: WorkRecord) {
    let i = work.instance.index
    enter(max(time, work.end))
    check(
      instances[i].isUp || work.end <= instances[i].downAt, "nobody works on an instance that is down",
      "instance \(i) until \(work.end.picoseconds) ps")
    let withheld = designed - instances[i].capacity
    let isSettled = instances[i].changedAt < time
    check(
      work.hostedBlocks == instances[i].hosted || !isSettled, "a host has what it was lent",
      "instance \(i): \(work.hostedBlocks), \(instances[i].hosted) by the records")
    if sharesNothing, instances[i].prefilling == 0, isSettled {
      let used = instances[i].own + instances[i].hosted + instances[i].reserved + withheld
      check(
        work.usedBlocks == used, "blocks in use have an owner",
        "instance \(i): \(work.usedBlocks), \(used) by the records")
    }
    guard work.decoding > 0 else { return }
    check(
      work.decoding == instances[i].decoding.count, "the batch is who decodes",
      "instance \(i): \(work.decoding), \(instances[i].decoding.count) by the records")
    for id in instances[i].decoding {
      let before = blocks(requests[id].atHome)
      requests[id].generated += work.steps
      grow(id, by: work.steps)
      instances[i].own += sharesNothing ? blocks(requests[id].atHome) - before : 0
    }
  }

  /// Stores tokens one by one where the rules say: a block that was reserved on a host is filled before another is taken
  /// at home.
  private func grow(_ id: Int, by tokens: Int) {
    var left = tokens
    let lent = requests[id].lent * blockSize
    while left > 0 {
      let stored = requests[id].atHome + requests[id].onHosts
      let over = stored % blockSize
      let part = min(left, over == 0 ? blockSize : blockSize - over)
      let toHost =
        over == 0 ? requests[id].onHosts + blockSize <= lent : requests[id].onHosts % blockSize > 0
      if toHost { requests[id].onHosts += part } else { requests[id].atHome += part }
      left -= part
    }
    check(
      requests[id].onHosts <= lent, "hosted tokens lie in blocks reserved for them",
      "request \(id): \(requests[id].onHosts) in \(lent)")
  }

  // MARK: - Loans and moves

  public func decided(_ decision: DecisionRecord) {
    enter(decision.time)
    let id = decision.request.index
    let deed = PolicyDeeds(shownBy: decision.kind)
    sights.deeds.formUnion(deed)
    check(
      declared.isSuperset(of: deed), PolicyDeeds.law, "\(decision.kind.rawValue) of request \(id)")
    switch decision.kind {
    case .borrow:
      if requests[id].phase == .prefilling { requests[id].whole = blocksWithRoomToGrow(id) }
      lend(decision.blocks, of: id, on: decision.destination.index)
      check(
        reaches(decision.source.index, decision.destination.index), "nothing is lent over a lost link",
        "request \(id)")
    case .preempt:
      let made = requests[id].generated - requests[id].generatedBefore
      requests[id].chain = made < Progress.leastTokens ? requests[id].chain + 1 : 1
      requests[id].generatedBefore = requests[id].generated
      sights.longestChain = max(sights.longestChain, requests[id].chain)
      requests[id].isPreempted = true
    // A fault took its blocks.
    case .lost:
      requests[id].chain = 0
      requests[id].isPreempted = false
    case .steal, .restart:
      check(
        instances[decision.destination.index].isUp, "nothing is queued where nobody is", "request \(id)")
      requests[id].home = decision.destination.index
      sights.lostHomes += decision.kind == .restart ? 1 : 0
    case .moveRefused: sights.refused += 1
    case .move, .recall, .landed, .moveAborted, .reject, .reserve: break
    }
  }

  private func lend(_ blocks: Int, of id: Int, on host: Int) {
    check(
      instances[host].isUp && host != requests[id].home, "a live instance lends, to another",
      "request \(id) on \(host)")
    instances[host].hosted += blocks
    if let index = requests[id].loans.firstIndex(where: { $0.host == host }) {
      requests[id].loans[index].blocks += blocks
      check(requests[id].loans[index].blocks >= 0, "only what was lent comes back", "request \(id)")
    } else {
      check(blocks > 0, "only what was lent comes back", "request \(id)")
      requests[id].loans.append((host, blocks))
    }
    requests[id].loans.removeAll { $0.blocks == 0 }
  }

  public func managed(_ record: ProtocolRecord) {
    enter(record.time)
    let (source, destination) = (record.source.index, record.destination.index)
    func advance(from stage: Move.Stage, to next: Move.Stage, _ law: String) {
      check(moves[record.move]?.stage == stage, law, "move \(record.move), \(record.kind)")
      moves[record.move]?.stage = next
    }
    switch record.kind {
    case .ordered:
      check(moves[record.move] == nil, "a number is of one move", "\(record.move)")
      lastOrder = record.time
      moves[record.move] = Move(
        source: source, destination: destination, request: record.request.index, blocks: record.blocks)
    case .reserved:
      advance(from: .ordered, to: .reserved, "a number reserves once")
      check(instances[destination].isUp, "nothing is reserved where nobody is", "move \(record.move)")
      instances[destination].reserved += record.blocks
      openMoves += 1
    case .released, .expired:
      advance(from: .reserved, to: .over, "a reservation ends once")
      instances[destination].reserved -= record.blocks
      openMoves -= 1
      if record.kind == .expired { sights.refused += 1 }
    case .started:
      advance(from: .reserved, to: .underWay, "a transfer starts only into its reservation")
      check(reaches(source, destination), "nothing is sent over a lost link", "move \(record.move)")
    case .landed:
      advance(from: .underWay, to: .over, "what lands was under way")
      instances[destination].reserved -= record.blocks
      openMoves -= 1
      land(record)
    case .aborted:
      advance(from: .underWay, to: .over, "what is aborted was under way")
      instances[destination].reserved -= record.blocks
      openMoves -= 1
    case .refused: sights.refused += 1
    case .duplicate: sights.duplicates += 1
    case .late, .stale: break  // Delay alone brings these about.
    case .managerDown:
      managerOutages.append(record.time..<SimTime(picoseconds: .max))
    case .managerUp:
      sights.restartsInMoves += openMoves > 0 ? 1 : 0
      managerOutages.append(managerOutages.removeLast().lowerBound..<record.time)
    case .timedOut, .cancelled: break
    }
  }

  /// Whole blocks change their owner once.
  private func land(_ record: ProtocolRecord) {
    let id = record.request.index
    let home = requests[id].home
    check(requests[id].phase == .decoding, "only a decoding request moves", "request \(id)")
    let before = blocks(requests[id].atHome)
    let tokens = record.blocks * blockSize
    if record.destination.index == home {
      lend(-record.blocks, of: id, on: record.source.index)
      requests[id].onHosts -= tokens
      requests[id].atHome += tokens
    } else {
      lend(record.blocks, of: id, on: record.destination.index)
      requests[id].onHosts += tokens
      requests[id].atHome -= tokens
    }
    check(
      requests[id].atHome >= 0 && requests[id].onHosts >= 0, "only filled blocks move", "request \(id)")
    instances[home].own += sharesNothing ? blocks(requests[id].atHome) - before : 0
    sights.landed += 1
  }

  // MARK: - Faults

  public func faulted(_ record: FaultRecord) {
    enter(record.time)
    lastFault = record.time
    restartsSinceFault = 0
    // What fits is another matter from now on.
    for id in requests.indices { requests[id].chain = 0 }
    if record.begins {
      lastFaults.append(record.fault)
      sights.faults += 1
      if openMoves > 0 { sights.faultsInMoves += 1 }
      if hitsLoan(record.fault) { sights.crashesWithLoans += 1 }
    } else if let index = lastFaults.firstIndex(of: record.fault) {
      lastFaults.remove(at: index)
    }
    hasLostLinks = lastFaults.contains { if case .linkLoss = $0 { true } else { false } }
    for i in instances.indices { refresh(i) }
  }

  private func refresh(_ i: Int) {
    var isUp = true
    var capacity = designed
    for fault in lastFaults {
      switch fault {
      case .crash(let id): isUp = isUp && id.index != i
      case .nodeLoss(let node): isUp = isUp && !configuration.topology.nodes(of: i).contains(node)
      case .memoryShrink(let id, let blocks): capacity -= id.index == i ? blocks : 0
      case .linkLoss, .linkSlowdown, .managerCrash, .straggler: break
      }
    }
    if instances[i].isUp, !isUp { instances[i].downAt = time }
    instances[i].isUp = isUp
    capacity = isUp ? max(0, capacity) : 0
    if capacity != instances[i].capacity { instances[i].changedAt = time }
    instances[i].capacity = capacity
  }

  /// Whether an instance goes down that lends or borrows.
  private func hitsLoan(_ fault: Fault) -> Bool {
    func isHit(_ i: Int) -> Bool {
      switch fault {
      case .crash(let id): id.index == i
      case .nodeLoss(let node): configuration.topology.nodes(of: i).contains(node)
      default: false
      }
    }
    return requests.contains { request in
      request.loans.contains { isHit($0.host) || isHit(request.home) }
    }
  }

  private func reaches(_ a: Int, _ b: Int) -> Bool {
    let (from, to) = (
      configuration.topology.nodes(of: a).lowerBound, configuration.topology.nodes(of: b).lowerBound
    )
    guard from != to else { return true }
    return !lastFaults.contains { fault in
      guard case .linkLoss(let ends) = fault else { return false }
      let others = [from, to].filter { $0 != ends.from }
      return others.count == 1 && (ends.to == nil || ends.to == others[0])
    }
  }

  // MARK: - What the engine says

  /// Who decodes, and what hosts hold, is the same in the engine as by the records: so what the engine says can be the
  /// truth to which the gManager's map is held. To be called at the end of an instant.
  func compare(with snapshot: ClusterSnapshot) {
    for placement in snapshot.placements {
      let request = requests[placement.request.index]
      let loans = placement.loans.filter { $0.blocks > 0 }
      check(
        (request.phase == .decoding) == (placement.phase == .decoding)
          && (request.phase != .decoding || request.home == placement.home.index),
        "the engine has who decodes where the records do", "request \(placement.request.index)")
      check(
        loans.count == request.loans.count
          && loans.allSatisfy { loan in
            request.loans.contains { $0.host == loan.host.index && $0.blocks == loan.blocks }
          },
        "the engine has lent what the records say", "request \(placement.request.index)")
    }
    check(
      requests.count { $0.phase == .decoding } == snapshot.placements.count { $0.phase == .decoding },
      "the engine has who decodes where the records do", "another number of them")
    check(
      requests.reduce(0) { $0 + $1.lent }
        == snapshot.placements.reduce(0) { $0 + $1.loans.reduce(0) { $0 + $1.blocks } },
      "the engine has lent what the records say", "another number of blocks")
  }

  // MARK: - The end

  /// To be called after the run.
  public func finish(_ summary: RunSummary) {
    check(
      endedCount == asked.count && summary.completed + summary.rejected == asked.count
        && summary.unfinished == 0,
      "every request ends", "\(endedCount) of \(asked.count)")
    check(openMoves == 0, "every reservation ends", "\(openMoves) are left")
    for i in instances.indices {
      check(
        instances[i].own == 0 && instances[i].hosted == 0 && instances[i].reserved == 0,
        "nothing is left when everybody has gone",
        "instance \(i): \(instances[i].own), \(instances[i].hosted), \(instances[i].reserved)")
    }
    sights.again = Double(computedAgain) / Double(asked.reduce(0) { $0 + $1.prompt + $1.output })
    sights.requests = asked.count
    sights.events = summary.events
  }
}

/// What a run went through, for coverage.
public struct TortureSights: Sendable {
  public var requests = 0, events = 0
  public var faults = 0, crashesWithLoans = 0, faultsInMoves = 0
  /// Moves refused and reservations that expired; orders and tries that came twice.
  public var refused = 0, duplicates = 0
  /// Restarts of the gManager while moves were under way.
  public var restartsInMoves = 0
  public var restarts = 0, landed = 0
  /// Requests that lost their home to a fault and went to another.
  public var lostHomes = 0
  public var deeds: PolicyDeeds = []
  /// After the last fault the gManager's map was found to be the truth.
  public var mapIsTrueInTheEnd = false
  /// The part of the time that the last request may take after the last arrival and fault which it took.
  public var lateness = 0.0
  /// The most preemptions of one request in a row with fewer than `Progress.leastTokens` new tokens between them.
  public var longestChain = 0
  /// Tokens computed again after preemptions, in parts of those asked for.
  public var again = 0.0
  /// Whether instances that are full borrow: only then is such a series bounded.
  public var borrows = false
}
