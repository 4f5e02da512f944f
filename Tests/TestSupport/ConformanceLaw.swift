import Policies
@_spi(Checking) import Sim
@_spi(Checking) import Torture

/// The laws that every policy of the catalogue keeps under every engine: it gets them by being there.
public enum ConformanceLaw {
  /// Checks the scenario of `seed`: conservation, causality and order at every instant, with and without skip-ahead, that
  /// skipping ahead changes nothing, and that the policy does what it is declared to do. Returns what it went through.
  /// - Throws: `LawViolation`.
  public static func check(_ scenarios: PolicyScenarios, seed: UInt64) throws -> [Sight] {
    let scenario = try scenarios.scenario(seed: seed)
    let skip = try watch(scenario, stepByStep: false)
    let step = try watch(scenario, stepByStep: true)
    if let field = difference(skip.summary, step.summary) {
      throw LawViolation(
        law: "skip-ahead changes nothing", seed: seed, details: "\(field); \(scenario.replay)")
    }
    return sights(scenario, skip.summary, step.checker)
  }

  private static func watch(
    _ scenario: PolicyScenario, stepByStep: Bool
  ) throws -> (summary: RunSummary, checker: RunChecker) {
    var configuration = scenario.configuration
    configuration.engine.stepByStep = stepByStep
    let policy = try scenario.makePolicy()
    let checker = RunChecker(
      configuration, requests: scenario.requests, policy: policy, declared: scenario.deeds)
    let summary = try Trial.simulate(
      configuration, policy: policy, source: SharingSource(scenario.requests, scenario.sharing),
      observer: checker
    ) { checker.inspect($0) }
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

  /// What the scenario went through. Floors: docs/faults.md.
  private static func sights(
    _ scenario: PolicyScenario, _ skip: RunSummary, _ checker: RunChecker
  ) -> [Sight] {
    let did = checker.decisions
    let (costs, engine) = (scenario.configuration.costs, scenario.configuration.engine)
    let fails = scenario.configuration.faults != FaultPlan()
    let isOne = scenario.configuration.topology.count == 1
    func of(_ deed: PolicyDeeds, _ isSeen: Bool) -> Bool? { scenario.deeds.contains(deed) ? isSeen : nil }
    func ifFails(_ isSeen: Bool) -> Bool? { fails ? isSeen : nil }
    return [
      Sight("preempt", floor: 34, skip.preemptions > 0),
      Sight("reject", floor: 12, skip.rejected > 0),
      Sight("have simultaneous events", floor: 14, isOne && fails ? nil : checker.coincidences > 0),
      Sight("have TP or PP above 1", floor: 30, costs.stages * costs.ranks > 1),
      Sight("hit a cached prefix", floor: 14, skip.prefixHitTokens > 0),
      Sight("evict a prefix", floor: 13, skip.evictedUnits > 0),
      Sight(
        "skip four decode steps at a time in the mean", floor: 27, skip.decodeSteps >= 4 * skip.decodeRuns),
      Sight("skip through chunks", floor: 6, engine.kind == .chunked ? skip.chunkRuns > 0 : nil),
      Sight("steal", floor: 12, of(.steals, did[.steal] != nil)),
      Sight("lend", floor: 19, of(.lends, did[.borrow] != nil)),
      Sight("preempt a borrower", floor: 12, of(.lends, checker.borrowersPreempted > 0)),
      Sight("land a move", floor: 11, of(.plans, did[.landed] != nil)),
      Sight("end a request in mid-move", floor: 7, of(.plans, did[.moveAborted] != nil)),
      Sight("crash an instance", floor: 45, ifFails(skip.faults.crashes > 0)),
      Sight("a request loses its blocks to a fault", floor: 38, ifFails(did[.lost] != nil)),
      Sight(
        "a request loses its home and goes to another", floor: 36, isOne ? nil : ifFails(did[.restart] != nil)
      ),
      Sight(
        "lose lent blocks with their host", floor: 8,
        of(.lends, skip.faults.lentBlocksLost > 0).flatMap(ifFails)),
      Sight("a fault during a move", floor: 4, of(.plans, checker.faultsInMoves > 0).flatMap(ifFails)),
    ]
  }
}
