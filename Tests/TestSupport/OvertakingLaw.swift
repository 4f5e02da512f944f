import Policies
@_spi(Checking) import Sim
@_spi(Checking) import Torture

/// Nobody overtakes a giant in memory: a request larger than an instance that waits as head of its queue starts as
/// soon as there is memory for it without what younger requests took meanwhile. It is judged from the event log and
/// from what every request holds at the end of every instant, and by no rule of the engine or the oracle.
public enum OvertakingLaw {
  /// Returns what the scenario of `seed` went through.
  /// - Throws: `LawViolation`.
  public static func check(_ scenarios: PolicyScenarios, seed: UInt64) throws -> [Sight] {
    var scenario = try scenarios.scenario(seed: seed)
    crowd(&scenario)
    let lending = try scenario.makePolicy().lending
    let applies =
      lending.mode.borrows && lending.reserveGiants == .backfill && scenario.configuration.topology.count > 1
    let watch = GiantWatch(scenario, lending)
    if applies {
      _ = try Trial.simulate(
        scenario.configuration, policy: scenario.makePolicy(), source: ArraySource(scenario.requests),
        observer: watch, inspect: { watch.inspect($0) })
    }
    if let details = watch.violation {
      throw LawViolation(
        law: "a giant starts within a step of when there is memory for it but for younger requests",
        seed: seed,
        details: "\(details); \(scenario.replay)")
    }
    let seen = watch.seen
    func sight(_ what: String, floor: Int, _ isSeen: Bool, if could: Bool = true) -> Sight {
      Sight(what, floor: floor, applies && could ? isSeen : nil)
    }
    let backfills = lending.reserveGiants == .backfill
    return [
      sight("a giant waits for memory", floor: 42, seen.waits),
      sight("there is memory for a giant while its home works", floor: 25, seen.isDue),
      sight("a younger request starts while a giant waits", floor: 20, seen.passed, if: backfills),
      sight("younger requests give way as a giant starts", floor: 15, seen.gaveWay, if: backfills),
      sight("a giant waits behind an older one", floor: 25, seen.behind),
      sight("a giant waits for its turn", floor: 10, seen.turn),
      sight("a giant waits for its node", floor: 4, seen.node, if: watch.nodeFirst),
    ]
  }

  /// A burst of short requests with a giant among every few: there is always somebody who would overtake. Steps are
  /// walked one by one, so that a step under way is one step.
  private static func crowd(_ scenario: inout PolicyScenario) {
    var random = SeededRandom(seed: scenario.seed ^ 0x6147)
    let instance = scenario.configuration.blocksPerInstance * scenario.configuration.engine.blockSize
    let all = instance * scenario.configuration.topology.count
    let giants = random.pick([10, 20, 40])
    scenario.requests = Array(scenario.requests.prefix(40))
    for index in scenario.requests.indices {
      scenario.requests[index].prompt = random.integer(1...max(1, instance * random.pick([1, 3, 6]) / 10))
      guard random.chance(giants) else { continue }
      scenario.requests[index].prompt = random.integer(
        instance * 7 / 10...max(instance * 8 / 10, all * 9 / 10))
      scenario.requests[index].output = random.integer(1...max(1, instance / 4))
    }
    scenario.sharing = Sharing()
    scenario.configuration.engine.prefixCaching = false
    scenario.configuration.engine.stepByStep = true
  }
}

/// Keeps the queues of a run, and looks at every instant's end whether the giant whose turn it is could have started.
private final class GiantWatch: RunObserver {
  struct Seen {
    var waits = false, isDue = false, passed = false, gaveWay = false
    var behind = false, turn = false, node = false
  }

  /// A head of a queue, and the event with which it became it.
  private struct Head {
    var request = -1
    var since = 0
    /// When its home has decided for the first time since, and what had happened by then.
    var looksAt: SimTime?
    var looked: Int?
  }

  /// A giant for which there is memory: it starts by the end of the step that its home is in.
  private struct Due {
    var request: Int
    var since: Int
    var from: SimTime
    var by: SimTime
  }

  private(set) var violation: String?
  private(set) var seen = Seen()
  private let configuration: SimulationConfiguration
  private let lending: LendingOptions
  let nodeFirst: Bool
  private let usable: Int, watermark: Int
  private let progress = ProgressLog()
  /// Admissions, arrivals, preemptions and thefts so far.
  private var events = 0
  private var queues: [[Int]]
  private var heads: [Head]
  private var home: [Int: Int] = [:]
  /// The event with which each was last admitted.
  private var admitted: [Int: Int] = [:]
  private var preempted: [(at: SimTime, request: Int, admitted: Int)] = []
  private var due: Due?
  /// Giants in line by home. One before which an older request was queued stays there until its home decides again.
  private var line: [(request: Int, until: SimTime?)?]

  init(_ scenario: PolicyScenario, _ lending: LendingOptions) {
    configuration = scenario.configuration
    self.lending = lending
    nodeFirst = scenario.policyName == "pooled" && scenario.request.options["node-first"] != "false"
    let (engine, blocks) = (configuration.engine, configuration.blocksPerInstance)
    let isChunked = engine.kind == .chunked
    usable = isChunked ? blocks - 1 : blocks
    watermark = blocks * (isChunked ? engine.chunkedWatermarkPercent : engine.watermarkPercent) / 100
    queues = Array(repeating: [], count: configuration.topology.count)
    heads = Array(repeating: Head(), count: configuration.topology.count)
    line = Array(repeating: nil, count: configuration.topology.count)
  }

  // MARK: - Queues, from the event log

  var watchesAll: Bool { true }

  func arrived(_ arrival: ArrivalRecord) {
    enqueue(arrival.request.index, at: arrival.home.index)
  }

  func changed(_ change: RequestChange) {
    progress.changed(change)
    let id = change.request.index
    switch change.kind {
    case .admitted:
      noteStart(id, at: change.time)
      dequeue(id)
      admitted[id] = events
    case .preempted:
      if let before = admitted[id] { preempted.append((change.time, id, before)) }
      admitted[id] = nil
      enqueue(id, at: change.instance.index)
    case .completed, .rejected:
      dequeue(id)
      admitted[id] = nil
    default: break
    }
  }

  func decided(_ decision: DecisionRecord) {
    progress.decided(decision)
    guard decision.kind == .steal else { return }
    dequeue(decision.request.index)
    enqueue(decision.request.index, at: decision.destination.index)
  }

  func worked(_ work: WorkRecord) { progress.worked(work) }
  func requestEnded(_ record: RequestRecord) { progress.requestEnded(record) }

  private func enqueue(_ id: Int, at i: Int) {
    home[id] = i
    queues[i].insert(id, at: queues[i].firstIndex { $0 > id } ?? queues[i].count)
    noteHead(of: i)
  }

  private func dequeue(_ id: Int) {
    guard let i = home[id], let place = queues[i].firstIndex(of: id) else { return }
    queues[i].remove(at: place)
    noteHead(of: i)
  }

  private func noteHead(of i: Int) {
    events += 1
    let head = queues[i].first ?? -1
    if heads[i].request != head { heads[i] = Head(request: head, since: events) }
  }

  /// Whether somebody passes a giant that waits, or starts as one for which others have given way.
  private func noteStart(_ id: Int, at time: SimTime) {
    seen.passed = seen.passed || line.contains { $0.map { $0.request < id } ?? false }
    guard let i = home[id], heads[i].request == id else { return }
    let since = heads[i].since
    seen.gaveWay =
      seen.gaveWay || preempted.contains { $0.at == time && $0.request > id && $0.admitted > since }
  }

  // MARK: - Instants

  func inspect(_ snapshot: ClusterSnapshot) {
    guard violation == nil else { return }
    defer { preempted.removeAll() }
    noteLooks(snapshot)
    guard let (giant, i) = giantInTurn(snapshot), couldStart(giant, at: i, snapshot) else {
      due = nil
      return
    }
    let busyUntil = snapshot.instances[i].busyUntil
    guard let due, due.request == giant, due.since == heads[i].since else {
      due = Due(request: giant, since: heads[i].since, from: snapshot.time, by: busyUntil ?? snapshot.time)
      seen.isDue = seen.isDue || busyUntil != nil
      if busyUntil == nil { violate(snapshot, i) }
      return
    }
    guard snapshot.time >= due.by else { return }
    if admitsNobody, let busyUntil {
      self.due?.by = busyUntil
      return
    }
    violate(snapshot, i)
  }

  private func violate(_ snapshot: ClusterSnapshot, _ i: Int) {
    guard let due, let giant = snapshot.placements.first(where: { $0.request.index == due.request }) else {
      return
    }
    violation =
      "request \(due.request) of \(giant.length) tokens, head at instance \(i), waits at "
      + "\(snapshot.time.picoseconds) ps "
      + "although from \(due.from.picoseconds) ps there was memory for its \(need(giant.length)) blocks: "
      + "\(room(for: giant, at: i, snapshot)); usable \(usable), watermark \(watermark)"
  }

  /// When homes have looked at their heads for the first time, so that nobody younger starts from then on where
  /// giants hold.
  private func noteLooks(_ snapshot: ClusterSnapshot) {
    for i in heads.indices where heads[i].request >= 0 && heads[i].looked == nil {
      let busyUntil = snapshot.instances[i].busyUntil
      let at = heads[i].looksAt ?? busyUntil ?? snapshot.time
      heads[i].looksAt = at
      guard snapshot.time >= at else { continue }
      if isFree(i, snapshot), !admitsNobody { heads[i].looked = events } else { heads[i].looksAt = busyUntil }
    }
  }

  /// Under `chunked` a step in which somebody was preempted admits nobody.
  private var admitsNobody: Bool { configuration.engine.kind == .chunked && !preempted.isEmpty }

  /// The first in line and its home; none if it waits for something else than memory.
  private func giantInTurn(_ snapshot: ClusterSnapshot) -> (request: Int, home: Int)? {
    for i in line.indices { line[i] = inLine(at: i, snapshot) }
    let waiting = line.indices.compactMap { i in line[i].map { (request: $0.request, home: i) } }
    guard let first = waiting.min(by: { $0.request < $1.request }) else { return nil }
    seen.waits = true
    seen.behind = seen.behind || waiting.count > 1
    guard heads[first.home].request == first.request, isGiant(length(of: first.request, snapshot)) else {
      return nil
    }
    if (progress.chains[first.request]?.length ?? 0) >= Progress.longestChain - 1,
      snapshot.placements.contains(where: { $0.request.index < first.request })
    {
      seen.turn = true
      return nil
    }
    return first
  }

  private func inLine(at i: Int, _ snapshot: ClusterSnapshot) -> (request: Int, until: SimTime?)? {
    let head = heads[i].request
    if head >= 0, isInLine(length(of: head, snapshot)) { return (head, nil) }
    guard let before = line[i], queues[i].contains(before.request) else { return nil }
    guard let until = before.until ?? snapshot.instances[i].busyUntil, snapshot.time < until else {
      return nil
    }
    return (before.request, until)
  }

  private func length(of id: Int, _ snapshot: ClusterSnapshot) -> Int {
    snapshot.placements.first { $0.request.index == id }?.length ?? 0
  }

  /// Whether it needs more for itself and its next token than an instance above its watermark can give; and whether
  /// it may count as one.
  private func isGiant(_ length: Int) -> Bool { blocks(length + 1) > usable - watermark }
  private func isInLine(_ length: Int) -> Bool { blocks(length) + 1 > usable - watermark }

  private func blocks(_ tokens: Int) -> Int {
    (tokens + configuration.engine.blockSize - 1) / configuration.engine.blockSize
  }

  /// Its blocks and those for its first new tokens, as far as the cluster has so many.
  private func need(_ length: Int) -> Int {
    max(blocks(length), min(blocks(length + Progress.leastTokens), (usable - watermark) * queues.count))
  }

  // MARK: - Whether it could start

  /// Whether its home has a free slot and is not in the middle of a prompt, and there is memory for it.
  private func couldStart(_ id: Int, at i: Int, _ snapshot: ClusterSnapshot) -> Bool {
    guard isFree(i, snapshot), let giant = snapshot.placements.first(where: { $0.request.index == id }) else {
      return false
    }
    return room(for: giant, at: i, snapshot).reduce(0, +) >= need(giant.length)
  }

  /// Whether a home has a free slot and is not in the middle of a prompt.
  private func isFree(_ i: Int, _ snapshot: ClusterSnapshot) -> Bool {
    let running = snapshot.placements.filter { $0.home.index == i && isRunning($0) }
    return running.count < configuration.engine.maxNumSeqs
      && !running.contains { $0.phase == .prefilling && $0.storedTokens < $0.length }
  }

  /// Blocks for a giant by instance: all above watermarks that are not held by older requests, or by those admitted
  /// before it became head of its queue.
  private func room(for giant: ClusterSnapshot.Placement, at i: Int, _ snapshot: ClusterSnapshot) -> [Int] {
    let since = lending.reserveGiants == .hold ? heads[i].looked ?? Int.max : heads[i].since
    var kept = Array(repeating: 0, count: queues.count)
    for placement in snapshot.placements where isRunning(placement) {
      let id = placement.request.index
      guard id < giant.request.index || admitted[id] ?? 0 <= since else { continue }
      kept[placement.home.index] += blocksAtHome(placement)
      for loan in placement.loans { kept[loan.host.index] += loan.blocks + loan.arriving }
    }
    for move in snapshot.moves where move.destination == home(of: move.request) {
      kept[move.destination.index] += move.blocks
    }
    for reservation in snapshot.reservations { kept[reservation.destination.index] += reservation.blocks }
    let open = instances(for: giant, at: i)
    return kept.indices.map { open[$0] ? max(0, usable - watermark - kept[$0]) : 0 }
  }

  /// Whose memory counts: that of its own node alone if the policy waits for a node that could hold it.
  private func instances(for giant: ClusterSnapshot.Placement, at i: Int) -> [Bool] {
    let topology = configuration.topology
    let near = (0..<topology.count).map { topology.sameNode(i, $0) }
    let all = Array(repeating: true, count: topology.count)
    let holds = near.count { $0 } * (usable - watermark) >= need(giant.length)
    guard nodeFirst, holds, near != all else { return all }
    seen.node = true
    return near
  }

  private func home(of request: RequestID) -> InstanceID? { home[request.index].map { InstanceID($0) } }

  private func isRunning(_ placement: ClusterSnapshot.Placement) -> Bool {
    placement.phase == .prefilling || placement.phase == .decoding
  }

  /// A prompt without hosts takes its blocks as it starts, or chunk by chunk if nothing was promised to it; one with hosts with those for its
  /// first new tokens.
  private func blocksAtHome(_ placement: ClusterSnapshot.Placement) -> Int {
    guard placement.phase == .prefilling else { return blocks(placement.tokensAtHome) }
    let lent = placement.loans.reduce(0) { $0 + $1.blocks }
    if lent > 0 { return need(placement.length) - lent }
    let chunkwise = configuration.engine.kind == .chunked && !configuration.engine.reserveISL
    return blocks(chunkwise ? placement.storedTokens : placement.length)
  }
}
