import Policies
@_spi(Checking) import Sim
@_spi(Checking) import Torture

/// The managers' protocol over a network that delays, loses, doubles and reorders, with a gManager that crashes.
public enum ProtocolLaw {
  /// Runs the scenario of `seed` over its network, skipping ahead and step by step, under the laws of every run and those
  /// of the protocol, and its cluster without delay with a map from heartbeats, which must change nothing.
  /// Returns what the scenario went through.
  /// - Throws: `LawViolation`.
  public static func check(_ scenarios: PolicyScenarios, seed: UInt64) throws -> [Sight] {
    let (scenario, outages) = try scenario(of: scenarios, seed: seed)
    let skip = try watch(scenario, outages, stepByStep: false)
    // Messages take longer than steps, so that a step has an instant of its own: the costliest part by far.
    if seed.isMultiple(of: 4) {
      let step = try watch(scenario, outages, stepByStep: true)
      if let field = ConformanceLaw.difference(skip.summary, step.summary) {
        throw LawViolation(
          law: "skip-ahead changes nothing", seed: seed, details: "\(field); \(scenario.replay)")
      }
    }
    try checkWithoutDelay(scenario, seed: seed)
    return sights(skip.summary, skip.checker, skip.map)
  }

  /// A scenario that orders moves over its network, and outages of its gManager, most of them while a move is under way.
  static func scenario(
    of scenarios: PolicyScenarios, seed: UInt64
  ) throws -> (PolicyScenario, outages: [Range<SimTime>]) {
    var random = SeededRandom(seed: seed &+ 1_000_003)
    // The scenario of a seed is the first of its own draws that plans, orders a few moves, and is soon over.
    let first = seed &* UInt64(mostDraws)
    for draw in 0..<UInt64(mostDraws) {
      var scenario = try scenarios.scenario(seed: first &+ draw)
      guard [.proactive, .plannerOnly].contains(try scenario.makePolicy().lending.mode) else { continue }
      scenario.seed = seed
      scenario.shorten()
      let period = try scenario.makePolicy().lending.period
      scenario.configuration.managers = network(period: period, &random)
      let moves = MoveTimes()
      let summary = try Trial.simulate(
        scenario.configuration, policy: scenario.makePolicy(),
        source: SharingSource(scenario.requests, scenario.sharing), observer: moves)
      guard moves.ordered >= 3, let makespan = summary.makespanSeconds,
        makespan < period.seconds * mostPeriods
      else { continue }
      return (scenario, random.chance(60) ? outages(during: moves.spans, period: period, &random) : [])
    }
    throw LawViolation(
      law: "a policy that plans orders three moves in one of \(mostDraws) scenarios", seed: seed,
      details: "\(scenarios.policyName) does not; what it takes must be among the values that its options try"
    )
  }

  private static let mostDraws = 1_024
  /// Thousands of heartbeats take long and show little that hundreds do not.
  private static let mostPeriods = 200.0

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
    let checker = RunChecker(
      configuration, requests: scenario.requests, policy: policy, declared: scenario.deeds)
    var map = MapChecker(
      configuration.managers, period: policy.lending.period, blockSize: configuration.engine.blockSize)
    map.outages = outages
    let summary = try Trial.simulate(
      configuration, policy: policy, source: SharingSource(scenario.requests, scenario.sharing),
      observer: checker, managerOutages: outages
    ) {
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
      return try Trial.simulate(
        configuration, policy: scenario.makePolicy(),
        source: SharingSource(scenario.requests, scenario.sharing))
    }
    var heartbeats = ProtocolOptions()
    heartbeats.heartbeatPeriod = try scenario.makePolicy().lending.period
    heartbeats.fullHeartbeatEvery = scenario.configuration.managers.fullHeartbeatEvery
    if let field = ConformanceLaw.difference(
      try run(ProtocolOptions()), try run(heartbeats), but: ["managers"])
    {
      throw LawViolation(
        law: "a map from heartbeats without delay is the truth", seed: seed,
        details: "\(field); \(scenario.replay)")
    }
  }

  /// What the scenario went through. Floors: docs/faults.md.
  private static func sights(_ summary: RunSummary, _ checker: RunChecker, _ map: MapChecker) -> [Sight] {
    let did = summary.managers
    return [
      Sight("land a move", floor: 36, did[.landed] > 0),
      Sight(
        "refuse a move or let a reservation expire", floor: 27, did[.refused] + did[.expired] > 0),
      Sight(
        "act on a doubled or overtaken message", floor: 40, did[.duplicate] + did.olderHeartbeats > 0),
      Sight("get a stale order", floor: 42, did[.stale] > 0),
      Sight(
        "restart the gManager with a move reserved or under way", floor: 23,
        checker.moves.restartsWithMoves > 0),
      Sight("get a late answer", floor: 33, did[.late] > 0),
      Sight("ask again", floor: 27, did[.timedOut] > 0),
      Sight("compare the map with the truth", floor: 49, map.comparisons > 0),
      Sight("see the map converge", floor: 14, map.timely > 0),
    ]
  }
}
