import Policies
@_spi(Checking) import Sim
@_spi(Checking) import Torture

/// The managers' protocol over a network that delays, loses, doubles and reorders, with a gManager that crashes.
public enum ProtocolLaw {
  /// Runs the scenario of `seed` over its network, skipping ahead and step by step, under the laws of every run and those
  /// of the protocol, and its cluster without delay with a map from heartbeats, which must change nothing.
  /// - Throws: `LawViolation`.
  public static func check(engine: EngineKind, seed: UInt64, _ coverage: inout ProtocolCoverage) throws {
    let (scenario, outages) = try scenario(engine: engine, seed: seed)
    let skip = try watch(scenario, outages, stepByStep: false)
    let step = try watch(scenario, outages, stepByStep: true)
    if let field = LawSuite.difference(skip.summary, step.summary) {
      throw LawViolation(
        law: "skip-ahead changes nothing", seed: seed, details: "\(field); \(scenario.replay)")
    }
    try checkWithoutDelay(scenario, seed: seed)
    coverage.add(scenario, skip.summary, skip.checker, skip.map)
  }

  /// A scenario that orders moves over its network, and outages of its gManager, most of them while a move is under way.
  static func scenario(
    engine: EngineKind, seed: UInt64
  ) throws -> (PolicyScenario, outages: [Range<SimTime>]) {
    let scenarios = PolicyScenarios(policyName: "debtor-creditor", engine: engine)
    var random = SeededRandom(seed: seed &+ 1_000_003)
    // The scenario of a seed is the first of its own draws that plans and orders a few moves.
    var draw = seed &* 64
    while true {
      var scenario = try scenarios.scenario(seed: draw)
      draw += 1
      guard ["proactive", "planner-only"].contains(scenario.request.options["lending"]) else { continue }
      scenario.seed = seed
      let period = try scenario.makePolicy().lending.period
      scenario.configuration.managers = network(period: period, &random)
      let moves = MoveTimes()
      _ = try Simulation(scenario.configuration, policy: scenario.makePolicy(), observer: moves)
        .run(SharingSource(scenario.requests, scenario.sharing))
      guard moves.ordered >= 3 else { continue }
      return (scenario, random.chance(60) ? outages(during: moves.spans, period: period, &random) : [])
    }
  }

  private static func network(period: SimDuration, _ random: inout SeededRandom) -> ProtocolOptions {
    var managers = ProtocolOptions()
    // Steps take some 10⁵ to 10⁶ ps.
    managers.delay = SimDuration(picoseconds: random.pick([10_000, 100_000, 300_000, 1_000_000]))
    managers.jitter = managers.delay * Int64(random.pick([0, 1, 3]))
    managers.lossPermille = random.pick([0, 50, 100, 300])
    managers.duplicatePermille = random.pick([0, 100, 400])
    managers.reorderPermille = random.pick([0, 100, 400])
    if random.chance(50) {
      managers.unreliableUntil = SimTime(picoseconds: period.picoseconds * Int64(random.integer(1...100)))
    }
    managers.seed = random.next()
    managers.heartbeatPeriod = random.pick([nil, period, period * 2])
    managers.fullHeartbeatEvery = random.pick([1, 3, 10])
    if random.chance(50) { managers.tryTimeout = managers.slowest * Int64(random.integer(1...3)) }
    managers.tryRetries = random.integer(0...3)
    if random.chance(60) { managers.reservationExpiry = managers.slowest * Int64(random.integer(1...3)) }
    if random.chance(30) { managers.silence = period * Int64(random.integer(1...4)) }
    return managers
  }

  /// Up to three outages that begin and end while a move is reserved or under way, or at any time.
  private static func outages(
    during spans: [Range<SimTime>], period: SimDuration, _ random: inout SeededRandom
  ) -> [Range<SimTime>] {
    var outages: [Range<SimTime>] = []
    var last = SimTime.zero
    for _ in 0..<random.integer(1...3) {
      var span = last..<(last + period * 10)
      if random.chance(80), let aim = spans.first(where: { $0.lowerBound > last }) { span = aim }
      let length = Int((span.upperBound - span.lowerBound).picoseconds)
      guard length >= 3 else { break }
      let start = span.lowerBound + SimDuration(picoseconds: Int64(random.integer(1...length / 2)))
      let rest = Int((span.upperBound - start).picoseconds)
      last = start + SimDuration(picoseconds: Int64(random.integer(1...max(1, rest - 1))))
      outages.append(start..<last)
    }
    return outages
  }

  /// When moves were reserved or under way.
  private final class MoveTimes: RunObserver {
    var ordered = 0
    var spans: [Range<SimTime>] = []
    private var reserved: [Int: SimTime] = [:]

    func requestEnded(_ record: RequestRecord) {}
    func managed(_ record: ProtocolRecord) {
      switch record.kind {
      case .ordered: ordered += 1
      case .reserved: reserved[record.move] = record.time
      case .landed, .aborted, .released, .expired: spans.append(reserved[record.move]!..<record.time)
      default: break
      }
    }
  }

  private static func watch(
    _ scenario: PolicyScenario, _ outages: [Range<SimTime>], stepByStep: Bool
  ) throws -> (summary: RunSummary, checker: RunChecker, map: MapChecker) {
    var configuration = scenario.configuration
    configuration.engine.stepByStep = stepByStep
    let policy = try scenario.makePolicy()
    let checker = RunChecker(configuration, requests: scenario.requests, policy: policy)
    var map = MapChecker(
      configuration.managers, period: policy.lending.period, blockSize: configuration.engine.blockSize)
    map.outages = outages
    let summary = try Simulation(configuration, policy: policy, observer: checker)
      .run(SharingSource(scenario.requests, scenario.sharing), managerOutages: outages) {
        checker.inspect($0)
        map.inspect($0, hasOrdered: checker.moves.lastOrder == $0.time)
      }
    checker.finish(summary)
    if let (law, details) = checker.violations.first ?? map.violation {
      throw LawViolation(
        law: law, seed: scenario.seed,
        details: "\(details) (\(stepByStep ? "step by step" : "skip-ahead")); \(scenario.replay), "
          + "\(configuration.managers), outages \(outages)")
    }
    return (summary, checker, map)
  }

  private static func checkWithoutDelay(_ scenario: PolicyScenario, seed: UInt64) throws {
    func run(_ managers: ProtocolOptions) throws -> RunSummary {
      var configuration = scenario.configuration
      configuration.managers = managers
      return try Simulation(configuration, policy: scenario.makePolicy())
        .run(SharingSource(scenario.requests, scenario.sharing))
    }
    var heartbeats = ProtocolOptions()
    heartbeats.heartbeatPeriod = try scenario.makePolicy().lending.period
    heartbeats.fullHeartbeatEvery = scenario.configuration.managers.fullHeartbeatEvery
    if let field = LawSuite.difference(try run(ProtocolOptions()), try run(heartbeats), but: ["managers"]) {
      throw LawViolation(
        law: "a map from heartbeats without delay is the truth", seed: seed,
        details: "\(field); \(scenario.replay)")
    }
  }
}

/// What the scenarios of the protocol's laws went through.
public struct ProtocolCoverage: Sendable, CustomStringConvertible {
  public var scenarios = 0
  public var moving = 0, refusing = 0, doubling = 0, stale = 0, restarting = 0, late = 0, retrying = 0
  public var comparing = 0, converging = 0
  public var requests = 0, messages = 0

  public init() {}

  mutating func add(
    _ scenario: PolicyScenario, _ summary: RunSummary, _ checker: RunChecker, _ map: MapChecker
  ) {
    let did = summary.managers
    scenarios += 1
    moving += did[.landed] > 0 ? 1 : 0
    refusing += did[.refused] + did[.expired] > 0 ? 1 : 0
    doubling += did[.duplicate] + did.olderHeartbeats > 0 ? 1 : 0
    stale += did[.stale] > 0 ? 1 : 0
    restarting += checker.moves.restartsWithMoves > 0 ? 1 : 0
    late += did[.late] > 0 ? 1 : 0
    retrying += did[.timedOut] > 0 ? 1 : 0
    comparing += map.comparisons > 0 ? 1 : 0
    converging += map.timely > 0 ? 1 : 0
    requests += summary.arrived
    messages += did.sent
  }

  /// The floors that were not reached, in words; none if all were.
  public var shortfalls: [String] {
    [
      (moving, 60, "land a move"), (refusing, 20, "refuse a move or let a reservation expire"),
      (doubling, 20, "act on a doubled or overtaken message"), (stale, 20, "get a stale order"),
      (restarting, 10, "restart the gManager with a move reserved or under way"),
      (late, 10, "get a late answer"),
      (retrying, 20, "ask again"), (comparing, 60, "compare the map with the truth"),
      (converging, 20, "see the map converge"),
    ].compactMap { count, percent, what in
      count * 100 < scenarios * percent ? "\(count) of \(scenarios) \(what), not \(percent) %" : nil
    }
  }

  public var description: String {
    func share(_ count: Int) -> String { "\(scenarios == 0 ? 0 : count * 100 / scenarios) %" }
    return
      "\(scenarios) scenarios: land \(share(moving)), refuse or expire \(share(refusing)), doubled or overtaken "
      + "\(share(doubling)), stale \(share(stale)), restart in mid-move \(share(restarting)), late \(share(late)), "
      + "ask again \(share(retrying)), map compared \(share(comparing)), map converges \(share(converging)); "
      + "\(requests) requests, \(messages) messages"
  }
}
