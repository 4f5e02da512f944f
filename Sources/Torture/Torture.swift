import Policies
@_spi(Checking) import Sim

/// A random cluster, model, policy, workload, network of the managers and fault schedule per seed, run with a checker that
/// rebuilds everything from the records (`EventLedger`), in the manner of TigerBeetle's simulator.
public enum Torture {
  /// The policy that `seed` draws from the catalogue, those that lend more often, as they have more to lose.
  public static func policy(of seed: UInt64) -> String {
    var random = SeededRandom(seed: seed ^ 0x70B7_1000_0000_0000)
    return random.pick(
      PolicyCatalog.all.flatMap { Array(repeating: $0.name, count: $0.does.contains(.lends) ? 4 : 1) })
  }

  /// The scenario of `seed`: the same on every machine.
  /// - Parameter policy: of the catalogue; drawn if `nil`. A seed means the same with its policy named, whatever else the
  ///   catalogue lists.
  public static func scenario(seed: UInt64, policy: String? = nil) throws -> PolicyScenario {
    var random = SeededRandom(seed: seed ^ 0x70B7_0000_0000_0000)
    var scenarios = PolicyScenarios(
      policyName: policy ?? Self.policy(of: seed), engine: random.pick(EngineKind.allCases))
    scenarios.isTorture = true
    var scenario = try scenarios.scenario(seed: seed)
    scenario.shorten()
    let faults = FaultGenerator(unit: 10_000)
    scenario.configuration.managers = faults.managers(&random, late: 80)
    let moments = try moments(of: scenario)
    scenario.configuration.faults = faults.plan(for: scenario, moments: moments, &random)
    // Every other network mends when faults stop, so that the map must become the truth.
    if !seed.isMultiple(of: 2) { scenario.configuration.managers.unreliableUntil = lastFault(of: scenario) }
    return scenario
  }

  /// When blocks are lent, and while they are moved, in a run without faults.
  private static func moments(of scenario: PolicyScenario) throws -> FaultMoments {
    final class Recorder: RunObserver {
      var moments = FaultMoments()
      private var started: [Int: SimTime] = [:]
      func requestEnded(_ record: RequestRecord) {}
      func decided(_ decision: DecisionRecord) {
        if decision.kind == .borrow { moments.loans.append(decision.time) }
      }
      func managed(_ record: ProtocolRecord) {
        switch record.kind {
        case .reserved: started[record.move] = record.time
        case .landed: if let start = started[record.move] { moments.moves.append(start..<record.time) }
        default: break
        }
      }
    }
    let recorder = Recorder()
    let policy = try scenario.makePolicy()
    if policy.lending.mode != .off {
      _ = try Trial.simulate(
        scenario.configuration, policy: policy, source: SharingSource(scenario.requests, scenario.sharing),
        observer: recorder)
    }
    return recorder.moments
  }

  /// The suite of a policy, or of all, drawn by the seed.
  public static func suite(policy: String? = nil) -> LawSuite {
    LawSuite("torture" + (policy.map { "/" + $0 } ?? ""), policies: policy.map { [$0] } ?? []) { seed in
      let scenario = try scenario(seed: seed, policy: policy)
      return sights(try check(scenario, alsoStepByStep: seed.isMultiple(of: 8)), of: scenario)
    }
  }

  /// Runs a scenario under the checker. Of some also step by step, which must come to the same.
  /// - Throws: `LawViolation`.
  public static func check(_ scenario: PolicyScenario, alsoStepByStep: Bool) throws -> TortureSights {
    let (skip, sights) = try watch(scenario, stepByStep: false)
    if alsoStepByStep {
      let (step, _) = try watch(scenario, stepByStep: true)
      guard skip.fingerprint == step.fingerprint else {
        throw LawViolation(
          law: "skip-ahead changes nothing", seed: scenario.seed,
          details: "fingerprints \(skip.fingerprint) and \(step.fingerprint)")
      }
    }
    return sights
  }

  private static func watch(
    _ scenario: PolicyScenario, stepByStep: Bool
  ) throws -> (RunSummary, TortureSights) {
    var configuration = scenario.configuration
    configuration.engine.stepByStep = stepByStep
    let ledger = EventLedger(configuration, requests: scenario.requests, declared: scenario.deeds)
    let policy = try scenario.makePolicy()
    var map = MapChecker(
      configuration.managers, period: policy.lending.period, blockSize: configuration.engine.blockSize)
    let summary = try Trial.simulate(
      configuration, policy: policy, source: SharingSource(scenario.requests, scenario.sharing),
      observer: ledger,
      inspect: keepsMap(scenario, policy)
        ? { snapshot in
          ledger.compare(with: snapshot)
          map.outages = ledger.managerOutages
          map.inspect(snapshot, hasOrdered: ledger.lastOrder == snapshot.time)
        } : nil)
    ledger.finish(summary)
    if let (law, details) = ledger.violation ?? map.violation {
      throw LawViolation(law: law, seed: scenario.seed, details: details)
    }
    var sights = ledger.sights
    sights.borrows = policy.lending.mode.borrows
    guard sights.again <= Progress.mostAgain || !sights.borrows else {
      throw LawViolation(
        law:
          "a run does not compute again after preemptions more than \(Progress.mostAgain) of what was asked for",
        seed: scenario.seed, details: "\(sights.again)")
    }
    guard sights.longestChain <= Progress.longestChain || !sights.borrows else {
      throw LawViolation(
        law: "nobody is preempted more than \(Progress.longestChain) times in a row without getting on",
        seed: scenario.seed,
        details: "\(sights.longestChain) times with fewer than \(Progress.leastTokens) new tokens between")
    }
    sights.mapIsTrueInTheEnd = map.lastTrue.map { $0 >= ledger.lastFault } ?? false
    let last = max(scenario.requests[scenario.requests.count - 1].arrival, ledger.lastFault)
    let took = max(.zero, ledger.lastEnd - last)
    let most = Patience(scenario, policy.lending).time(restarts: ledger.restartsSinceFault)
    sights.lateness = Double(took.picoseconds) / Double(most.picoseconds)
    guard took <= most else {
      throw LawViolation(
        law: "after the last arrival and fault nothing takes longer than all work one after the other",
        seed: scenario.seed, details: "\(took.picoseconds) ps, more than \(most.picoseconds) ps")
    }
    return (summary, sights)
  }

  /// What a scenario went through, and the least share of scenarios that must (docs/faults.md).
  public static func sights(_ sights: TortureSights, of scenario: PolicyScenario) -> [Sight] {
    func of(_ deed: PolicyDeeds, _ count: Int) -> Bool? { scenario.deeds.contains(deed) ? count > 0 : nil }
    let isOne = scenario.configuration.topology.count == 1
    let borrows = sights.borrows
    return [
      Sight("at least ten requests", floor: 45, sights.requests >= 10),
      Sight("at least a hundred instants with an event", floor: 30, sights.events >= 100),
      Sight("a request that is preempted or lost computes again", floor: 44, sights.restarts > 0),
      Sight("a request loses its home and goes to another", floor: 38, isOne ? nil : sights.lostHomes > 0),
      Sight("an idle instance steals", floor: 12, of(.steals, sights.deeds.contains(.steals) ? 1 : 0)),
      Sight("blocks are lent", floor: 33, of(.lends, sights.deeds.contains(.lends) ? 1 : 0)),
      Sight("an instance crashes with blocks lent", floor: 22, of(.lends, sights.crashesWithLoans)),
      Sight("a move lands", floor: 12, of(.plans, sights.landed)),
      Sight("a fault during a move", floor: 14, of(.plans, sights.faultsInMoves)),
      Sight("a refused or expired reservation", floor: 17, of(.plans, sights.refused)),
      Sight("a duplicated message acted on", floor: 13, of(.plans, sights.duplicates)),
      Sight("the gManager restarts with moves in flight", floor: 5, of(.plans, sights.restartsInMoves)),
      Sight(
        "the map is the truth after the last fault", floor: 11, of(.plans, sights.mapIsTrueInTheEnd ? 1 : 0)),
      Sight(
        "preempted again with few new tokens", floor: 5, borrows ? sights.longestChain > 1 : nil,
        ofBound: borrows ? Double(sights.longestChain) / Double(Progress.longestChain) : nil),
      Sight(
        "a tenth of what was asked for is computed again", floor: 25, borrows ? sights.again >= 0.1 : nil,
        ofBound: borrows ? sights.again / Progress.mostAgain : nil),
      Sight(
        "the last end takes a tenth of the time that it may take", floor: 3, sights.lateness >= 0.1,
        ofBound: sights.lateness),
    ]
  }

  /// Whether the gManager plans from a map of its own.
  private static func keepsMap(_ scenario: PolicyScenario, _ policy: any SchedulingPolicy) -> Bool {
    let managers = scenario.configuration.managers
    return (managers.delay > .zero || managers.heartbeatPeriod != nil)
      && [.proactive, .plannerOnly].contains(policy.lending.mode)
      && scenario.configuration.topology.count > 1
  }

  /// When the last of the faults begins or ends.
  private static func lastFault(of scenario: PolicyScenario) -> SimTime {
    var last = SimTime.zero
    for timed in scenario.configuration.faults.timed { last = max(last, timed.end ?? timed.start) }
    for random in scenario.configuration.faults.random { last = max(last, random.last ?? last) }
    return last
  }
}
