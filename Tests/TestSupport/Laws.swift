import Policies
@_spi(Checking) import Sim
import Torture

/// A broken law, with everything needed to see it again.
public struct LawViolation: Error, CustomStringConvertible {
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

/// The laws that every policy of the catalogue keeps under every engine: it gets them by being there.
public struct LawSuite: Sendable {
  public let scenarios: PolicyScenarios

  public init(policyName: String, engine: EngineKind, faults: Bool = false) {
    var scenarios = PolicyScenarios(policyName: policyName, engine: engine)
    scenarios.faults = faults
    self.scenarios = scenarios
  }

  /// Every policy of the catalogue under every engine.
  public static var all: [LawSuite] {
    PolicyCatalog.all.flatMap { policy in
      EngineKind.allCases.map { LawSuite(policyName: policy.name, engine: $0) }
    }
  }

  /// Checks the scenario of `seed`: conservation, causality and order at every instant, with and without skip-ahead, and
  /// that skipping ahead changes nothing. What it went through is added to `coverage`.
  /// - Throws: `LawViolation`.
  public func check(seed: UInt64, _ coverage: inout LawCoverage) throws {
    let scenario = try scenarios.scenario(seed: seed)
    let skip = try watch(scenario, stepByStep: false)
    let step = try watch(scenario, stepByStep: true)
    if let law = Self.difference(skip.summary, step.summary) {
      throw LawViolation(law: "skip-ahead changes nothing", seed: seed, details: "\(law); \(scenario.replay)")
    }
    coverage.add(scenario, skip.summary, step.checker)
  }

  private func watch(
    _ scenario: PolicyScenario, stepByStep: Bool
  ) throws -> (summary: RunSummary, checker: RunChecker) {
    var configuration = scenario.configuration
    configuration.engine.stepByStep = stepByStep
    let policy = try scenario.makePolicy()
    let checker = RunChecker(configuration, requests: scenario.requests, policy: policy)
    let simulation = try Simulation(configuration, policy: policy, observer: checker)
    let summary = try simulation.run(SharingSource(scenario.requests, scenario.sharing)) {
      checker.inspect($0)
    }
    checker.finish(summary)
    if let (law, details) = checker.violations.first {
      throw LawViolation(
        law: law, seed: scenario.seed,
        details: "\(details) (\(stepByStep ? "step by step" : "skip-ahead")); \(scenario.replay)")
    }
    return (summary, checker)
  }

  /// The first field in which two summaries differ, besides those in `free`: `events` and the counts of runs say what
  /// the loop did and may.
  public static func difference(
    _ a: RunSummary, _ b: RunSummary,
    but free: Set<String> = ["events", "decodeRuns", "chunkSteps", "chunkRuns"]
  ) -> String? {
    for (x, y) in zip(Mirror(reflecting: a).children, Mirror(reflecting: b).children) {
      guard let label = x.label, !free.contains(label) else { continue }
      if let left = x.value as? [RejectionReason: Int], let right = y.value as? [RejectionReason: Int] {
        if left != right { return "\(label): \(left) and \(right)" }
      } else if String(describing: x.value) != String(describing: y.value) {
        return "\(label): \(x.value) and \(y.value)"
      }
    }
    return nil
  }
}

/// What a suite's scenarios went through: laws that nothing tried are not laws that held.
public struct LawCoverage: Sendable, CustomStringConvertible {
  public var scenarios = 0
  public var preempting = 0, rejecting = 0, coinciding = 0, parallel = 0
  public var lending = 0, landing = 0, breaking = 0
  /// Of the scenarios with prefix caching: how many, those in which units were hit, and in which some were evicted.
  public var caching = 0, hitting = 0, evicting = 0
  public var decodeSteps = 0, decodeRuns = 0
  /// Of the scenarios with the `chunked` engine: how many, those that skipped through chunks, and those runs.
  public var chunked = 0, skippingChunks = 0, chunkSteps = 0, chunkRuns = 0

  public init() {}

  mutating func add(_ scenario: PolicyScenario, _ skip: RunSummary, _ checker: RunChecker) {
    let did = checker.decisions
    scenarios += 1
    preempting += skip.preemptions > 0 ? 1 : 0
    rejecting += skip.rejected > 0 ? 1 : 0
    coinciding += checker.coincidences > 0 ? 1 : 0
    parallel += scenario.configuration.costs.stages * scenario.configuration.costs.ranks > 1 ? 1 : 0
    lending += did[.borrow] != nil || did[.landed] != nil ? 1 : 0
    landing += did[.landed] != nil ? 1 : 0
    breaking += checker.borrowersPreempted > 0 || did[.moveAborted] != nil ? 1 : 0
    caching += scenario.configuration.engine.prefixCaching ? 1 : 0
    hitting += skip.prefixHitTokens > 0 ? 1 : 0
    evicting += skip.evictedUnits > 0 ? 1 : 0
    decodeSteps += skip.decodeSteps
    decodeRuns += skip.decodeRuns
    chunked += scenario.configuration.engine.kind == .chunked ? 1 : 0
    skippingChunks += skip.chunkRuns > 0 ? 1 : 0
    chunkSteps += skip.chunkSteps
    chunkRuns += skip.chunkRuns
  }

  /// The floors that were not reached, in words; none if all were.
  public func shortfalls(lends: Bool) -> [String] {
    var missing: [String] = []
    func require(_ count: Int, _ percent: Int, _ what: String) {
      if count * 100 < scenarios * percent {
        missing.append("\(count) of \(scenarios) \(what), not \(percent) %")
      }
    }
    require(preempting, 30, "preempt")
    require(rejecting, 10, "reject")
    require(coinciding, 20, "have simultaneous events")
    require(parallel, 20, "have TP or PP > 1")
    require(caching, 20, "cache prefixes")
    require(hitting, 10, "hit a cached prefix")
    require(evicting, 5, "evict a prefix")
    if decodeSteps < 4 * decodeRuns {
      missing.append("a skipped run has \(decodeSteps) / \(decodeRuns) steps, not 4")
    }
    if skippingChunks * 100 < 10 * chunked {
      missing.append("\(skippingChunks) of \(chunked) with the chunked engine skip through chunks, not 10 %")
    }
    if lends {
      require(lending, 30, "lend")
      require(landing, 20, "land a move")
      require(breaking, 10, "preempt a borrower or end it in mid-move")
    }
    return missing
  }

  public var description: String {
    func share(_ count: Int) -> String { "\(scenarios == 0 ? 0 : count * 100 / scenarios) %" }
    return "\(scenarios) scenarios: preempt \(share(preempting)), reject \(share(rejecting)), simultaneous "
      + "\(share(coinciding)), TP or PP > 1 \(share(parallel)), cache \(share(caching)), hit \(share(hitting)), evict \(share(evicting)), lend \(share(lending)), land \(share(landing)), "
      + "borrower preempted or ended in mid-move \(share(breaking)), "
      + "\(decodeRuns == 0 ? 0 : decodeSteps / decodeRuns) steps per skipped run, skip chunks "
      + "\(share(skippingChunks)) (\(chunkSteps) steps in \(chunkRuns) runs)"
  }
}
