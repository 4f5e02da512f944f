import Policies
import Sim
import Torture

/// Closed loops: a turn arrives a think time after its predecessor's end, and nothing else is new.
public enum SessionLaw {
  /// Makes sessions of a scenario's requests and replays them three ways: skipping ahead, step by step, and as an
  /// open trace of the arrivals that came out, against the oracle.
  ///
  /// Returns what the scenario went through.
  /// - Throws: `LawViolation`.
  public static func check(_ scenario: Scenario) throws -> [Sight] {
    var random = SeededRandom(seed: scenario.seed &+ 77)
    var turns: [SessionSource.Turn] = []
    for (index, request) in scenario.requests.enumerated() {
      var turn = SessionSource.Turn(request: request, prefix: scenario.sharing.hashes[index])
      if index > 0, random.chance(60) {
        turn.follows = random.integer(max(0, index - 6)...(index - 1))
        turn.think = SimDuration(picoseconds: random.pick([1, 1_000, 50_000, 400_000]))
      }
      turns.append(turn)
    }
    func violation(_ law: String, _ details: String) -> LawViolation {
      LawViolation(law: law, seed: scenario.seed, details: details)
    }

    let (fast, records, order) = try run(scenario, turns, stepByStep: false)
    let (slow, _, _) = try run(scenario, turns, stepByStep: true)
    guard fast.fingerprint == slow.fingerprint else {
      throw violation("sessions skip ahead exactly", "\(fast.fingerprint) is not \(slow.fingerprint)")
    }
    guard records.count == turns.count else {
      throw violation("every turn arrives once", "\(records.count) of \(turns.count)")
    }
    var place = Array(repeating: 0, count: turns.count)
    for (id, turn) in order.enumerated() { place[turn] = id }
    for (index, turn) in turns.enumerated() {
      let arrival = records[place[index]].arrival
      let due = turn.follows.map { records[place[$0]].ended + turn.think } ?? turn.request.arrival
      guard arrival == due else {
        throw violation(
          "a turn arrives a think time after its predecessor's end", "turn \(index): \(arrival)")
      }
    }
    var open = scenario
    open.requests = order.enumerated().map { id, turn in
      TraceRequest(
        arrival: records[id].arrival, prompt: turns[turn].request.prompt, output: turns[turn].request.output)
    }
    open.sharing.hashes = order.map { turns[$0].prefix }
    let replay = try ScenarioRun(open)
    guard replay.summary.fingerprint == fast.fingerprint else {
      throw violation("a closed loop is the open trace of its arrivals", replay.summary.fingerprint)
    }
    try OracleLaw.check(open)
    let followers = turns.count { $0.follows != nil }
    return [Sight("half of the turns follow another", floor: 40, followers * 2 >= turns.count)]
  }

  private static func run(
    _ scenario: Scenario, _ turns: [SessionSource.Turn], stepByStep: Bool
  ) throws -> (RunSummary, [RequestRecord], order: [Int]) {
    final class Recorder: RunObserver {
      var records: [RequestRecord] = []
      func requestEnded(_ record: RequestRecord) { records.append(record) }
    }
    var configuration = scenario.configuration
    configuration.engine.stepByStep = stepByStep
    let recorder = Recorder()
    let spy = SpySource(SessionSource(turns, prefixUnit: scenario.sharing.unit))
    let summary = try Trial.simulate(
      configuration, policy: scenario.makePolicy(), source: spy, observer: recorder)
    return (summary, recorder.records.sorted { $0.id < $1.id }, spy.order.turns)
  }

  /// A source whose order can be read after the run, which has a copy of it.
  private struct SpySource: RequestSource {
    final class Order { var turns: [Int] = [] }
    var source: SessionSource
    let order = Order()

    init(_ source: SessionSource) { self.source = source }

    var info: RequestSourceInfo { source.info }
    var prefix: ContiguousArray<UInt64> { source.prefix }
    var isClosedLoop: Bool { source.isClosedLoop }
    mutating func next() -> TraceRequest? {
      defer { order.turns = source.handedOut }
      return source.next()
    }
    mutating func ended(_ index: Int, at time: SimTime) { source.ended(index, at: time) }
    mutating func putBack(_ request: TraceRequest) { source.putBack(request) }
  }
}
