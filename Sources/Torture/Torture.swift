import Policies
@_spi(Checking) import Sim

/// A random cluster, model, policy, workload, network of the managers and fault schedule per seed, run with a checker that
/// rebuilds everything from the records (`EventLedger`), in the manner of TigerBeetle's simulator.
public enum Torture {
  /// The scenario of `seed`: the same on every machine.
  public static func scenario(seed: UInt64) throws -> PolicyScenario {
    var random = SeededRandom(seed: seed ^ 0x70B7_0000_0000_0000)
    // Mostly policies that lend: the others have little to lose.
    let policy = random.pick([
      "debtor-creditor", "debtor-creditor", "debtor-creditor", "debtor-creditor", "debtor-creditor",
      "debtor-creditor", "debtor-creditor", "debtor-creditor", "debtor-creditor", "pooled", "pooled",
      "vllm-m",
      "vllm-s",
    ])
    var scenarios = PolicyScenarios(policyName: policy, engine: random.pick(EngineKind.allCases))
    scenarios.movesOften = true
    var scenario = try scenarios.scenario(seed: seed)
    // Short runs: a fault meets as much in them as in long ones.
    scenario.requests = Array(scenario.requests.prefix(mostRequests))
    if !scenario.sharing.hashes.isEmpty {
      scenario.sharing.hashes = Array(scenario.sharing.hashes.prefix(mostRequests))
    }
    let faults = FaultGenerator(unit: 10_000)
    scenario.configuration.managers = faults.managers(&random, late: 80)
    let moments = try moments(of: scenario)
    scenario.configuration.faults = faults.plan(for: scenario, moments: moments, &random)
    // Every other network mends when faults stop, so that the map must become the truth.
    if !seed.isMultiple(of: 2) { scenario.configuration.managers.unreliableUntil = lastFault(of: scenario) }
    return scenario
  }

  private static let mostRequests = 30

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
      let simulation = try Simulation(scenario.configuration, policy: policy, observer: recorder)
      _ = try judged(scenario.seed) {
        try simulation.run(SharingSource(scenario.requests, scenario.sharing))
      }
    }
    return recorder.moments
  }

  /// Runs a scenario under the checker. Of some also step by step, which must come to the same.
  /// - Parameter onHang: called if a run does not end within `patience` of its last fault, on the thread of the run.
  /// - Throws: `TortureViolation`.
  public static func check(
    _ scenario: PolicyScenario, alsoStepByStep: Bool, onHang: ((TortureViolation) -> Void)? = nil
  ) throws -> TortureSights {
    let (skip, sights) = try watch(scenario, stepByStep: false, onHang)
    if alsoStepByStep {
      let (step, _) = try watch(scenario, stepByStep: true, onHang)
      guard skip.fingerprint == step.fingerprint else {
        throw TortureViolation(
          law: "skip-ahead changes nothing", seed: scenario.seed,
          details: "fingerprints \(skip.fingerprint) and \(step.fingerprint)")
      }
    }
    return sights
  }

  private static func watch(
    _ scenario: PolicyScenario, stepByStep: Bool, _ onHang: ((TortureViolation) -> Void)?
  ) throws -> (RunSummary, TortureSights) {
    var configuration = scenario.configuration
    configuration.engine.stepByStep = stepByStep
    let ledger = EventLedger(configuration, requests: scenario.requests)
    let limit = patience(scenario)
    func late(_ time: SimTime) -> TortureViolation {
      TortureViolation(
        law: "every request ends within a stated time after the last fault", seed: scenario.seed,
        details: "\(time.picoseconds) ps, later than \(limit.picoseconds) ps")
    }
    let policy = try scenario.makePolicy()
    var map = MapChecker(
      configuration.managers, period: policy.lending.period, blockSize: configuration.engine.blockSize)
    let simulation = try Simulation(configuration, policy: policy, observer: ledger)
    let summary = try judged(scenario.seed) {
      try simulation.run(
        SharingSource(scenario.requests, scenario.sharing),
        onProgress: { progress in if progress.time > limit { onHang?(late(progress.time)) } },
        inspect: keepsMap(scenario, policy)
          ? { snapshot in
            ledger.compare(with: snapshot)
            map.outages = ledger.managerOutages
            map.inspect(snapshot, hasOrdered: ledger.lastOrder == snapshot.time)
          } : nil)
    }
    ledger.finish(summary)
    if let (law, details) = ledger.violation ?? map.violation {
      throw TortureViolation(law: law, seed: scenario.seed, details: details)
    }
    var sights = ledger.sights
    sights.mapIsTrueInTheEnd = map.lastTrue.map { $0 >= ledger.lastFault } ?? false
    sights.lateness = ledger.lateness(limit)
    if ledger.lastEnd > limit { throw late(ledger.lastEnd) }
    return (summary, sights)
  }

  /// A wrong answer of the policy is a broken law like others.
  private static func judged(_ seed: UInt64, _ run: () throws -> RunSummary) throws -> RunSummary {
    do { return try run() } catch let error as PolicyError {
      throw TortureViolation(law: error.law.rawValue, seed: seed, details: "\(error)")
    }
  }

  /// Whether the gManager plans from a map of its own.
  private static func keepsMap(_ scenario: PolicyScenario, _ policy: any SchedulingPolicy) -> Bool {
    let managers = scenario.configuration.managers
    return (managers.delay > .zero || managers.heartbeatPeriod != nil)
      && [.proactive, .plannerOnly].contains(policy.lending.mode)
      && scenario.configuration.topology.count > 1
  }

  /// The time by which every request must have ended: all of them one after the other, each token of its prompt and its
  /// output at the slowest that any step of these clusters takes, after the last arrival and the last fault.
  static func patience(_ scenario: PolicyScenario) -> SimTime {
    let tokens = scenario.requests.reduce(0) { $0 + $1.prompt + $1.output }
    let last = max(scenario.requests[scenario.requests.count - 1].arrival, lastFault(of: scenario))
    // A slow-down that never ends stretches everything for good.
    var worst = 1_000
    for timed in scenario.configuration.faults.timed where timed.end == nil {
      if case .linkSlowdown(_, let permille) = timed.fault { worst = max(worst, permille) }
    }
    // Stages of a pipeline are passed one after the other.
    let perToken = slowestToken.picoseconds / 1_000 * Int64(worst * scenario.configuration.costs.stages)
    return last + SimDuration(picoseconds: perToken) * Int64(tokens)
  }

  /// When the last of the faults begins or ends.
  private static func lastFault(of scenario: PolicyScenario) -> SimTime {
    var last = SimTime.zero
    for timed in scenario.configuration.faults.timed { last = max(last, timed.end ?? timed.start) }
    for random in scenario.configuration.faults.random { last = max(last, random.last ?? last) }
    return last
  }

  /// What a token may cost in the end, recomputes and stragglers (three times) included.
  private static let slowestToken = SimDuration(picoseconds: 40_000_000)
}

/// A broken law of a seed's scenario.
public struct TortureViolation: Error, Hashable, Sendable, CustomStringConvertible {
  public var law: String
  public var seed: UInt64
  public var details: String

  public init(law: String, seed: UInt64, details: String) {
    self.law = law
    self.seed = seed
    self.details = details
  }

  public var description: String { "law violated: \(law) seed \(seed): \(details)" }
}

/// What many scenarios went through.
public struct TortureCoverage: Sendable, CustomStringConvertible {
  public private(set) var scenarios = 0
  private var crashesWithLoans = 0, faultsInMoves = 0, refused = 0, duplicates = 0, managerRestarts = 0
  private var trueMaps = 0
  private var requests = 0, events = 0
  private var mostLate = 0.0

  public init() {}

  public mutating func add(_ sights: TortureSights) {
    scenarios += 1
    crashesWithLoans += sights.crashesWithLoans > 0 ? 1 : 0
    faultsInMoves += sights.faultsInMoves > 0 ? 1 : 0
    refused += sights.refused > 0 ? 1 : 0
    duplicates += sights.duplicates > 0 ? 1 : 0
    managerRestarts += sights.restartsInMoves > 0 ? 1 : 0
    trueMaps += sights.mapIsTrueInTheEnd ? 1 : 0
    requests += sights.requests
    events += sights.events
    mostLate = max(mostLate, sights.lateness)
  }

  /// A scenario that broke a law.
  public mutating func addFailed() { scenarios += 1 }

  public mutating func add(_ other: TortureCoverage) {
    scenarios += other.scenarios
    crashesWithLoans += other.crashesWithLoans
    faultsInMoves += other.faultsInMoves
    refused += other.refused
    duplicates += other.duplicates
    managerRestarts += other.managerRestarts
    trueMaps += other.trueMaps
    requests += other.requests
    events += other.events
    mostLate = max(mostLate, other.mostLate)
  }

  /// What is told, in percent of the scenarios, and the least that must be.
  private var shares: [(count: Int, floor: Int, what: String)] {
    [
      (crashesWithLoans, 30, "an instance crashes with blocks lent"),
      (faultsInMoves, 20, "a fault during a move"),
      (refused, 20, "a refused or expired reservation"),
      (duplicates, 20, "a duplicated message acted on"),
      (managerRestarts, 10, "the gManager restarts with moves in flight"),
      (trueMaps, 15, "the map is the truth after the last fault"),
    ]
  }
  private var means: [(sum: Int, floor: Int, what: String)] {
    [(requests, 20, "requests"), (events, 200, "events")]
  }

  /// The floors that were not reached; none if all were.
  public var shortfalls: [String] {
    shares.filter { $0.count * 100 < scenarios * $0.floor }.map {
      "\($0.what): \($0.count) of \(scenarios) scenarios, not \($0.floor) %"
    }
      + means.filter { $0.sum < scenarios * $0.floor }.map {
        "\($0.sum) \($0.what) in \(scenarios) scenarios, not \($0.floor) in the mean"
      }
  }

  public var description: String {
    func percent(_ count: Int) -> String {
      let tenths = scenarios == 0 ? 0 : count * 1_000 / scenarios
      return "\(tenths / 10).\(tenths % 10) %"
    }
    var lines = shares.map { "\(percent($0.count)) of the scenarios (at least \($0.floor) %): \($0.what)" }
    lines += means.map {
      "\(scenarios == 0 ? 0 : $0.sum / scenarios) \($0.what) in the mean (at least \($0.floor))"
    }
    lines.append("the latest end took \(Int(mostLate * 100)) % of the time that it may take")
    return lines.joined(separator: "\n")
  }
}
