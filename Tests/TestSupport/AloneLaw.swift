import Policies
import Sim
import Torture

/// Nobody is rejected who completes alone on the same cluster. It is judged from outside: by the outcomes of runs, and by no
/// rule of the engine or the oracle.
public enum AloneLaw {
  /// Runs the scenario of `seed`, and every request that it rejects once more, alone. Returns what it went through.
  /// - Throws: `LawViolation`.
  public static func check(_ scenarios: PolicyScenarios, seed: UInt64) throws -> [Sight] {
    var scenario = try scenarios.scenario(seed: seed)
    crowd(&scenario)
    let run = try outcomes(scenario, SharingSource(scenario.requests, scenario.sharing))
    let lending = try scenario.makePolicy().lending.mode
    let borrows = lending == .passive || lending == .proactive
    // Rules that end a request for what came before: `over-budget=ignore` ends a recompute that is longer than the budget;
    // vLLM, and whoever does not borrow, one that was preempted when it had grown into the watermark (decisions/0001, 9).
    for record in run.rejected
    where record.outcome != .rejected(.overBudget) && (borrows || record.preemptions == 0)
      && lending != .plannerOnly
    {
      var alone = scenario.requests[record.id.index]
      alone.arrival = .zero
      guard try outcomes(scenario, ArraySource([alone])).rejected.isEmpty else { continue }
      throw LawViolation(
        law: "nobody is rejected who completes alone", seed: seed,
        details: "request \(record.id.index), \(alone.prompt) + \(alone.output) tokens, rejected at "
          + "\(record.ended.picoseconds) ps with \(record.generated) tokens; \(scenario.replay)")
    }
    return [
      Sight("reject", floor: 34, !run.rejected.isEmpty),
      Sight("preempt a borrower", floor: 40, borrows ? run.borrowersPreempted > 0 : nil),
    ]
  }

  /// Leaves twelve requests, most of them near the size of an instance or above it: giants in each other's way.
  private static func crowd(_ scenario: inout PolicyScenario) {
    var random = SeededRandom(seed: scenario.seed ^ 0xA10E)
    let configuration = scenario.configuration
    let instance = configuration.blocksPerInstance * configuration.engine.blockSize
    scenario.requests = Array(scenario.requests.prefix(12))
    scenario.sharing = Sharing()
    for index in scenario.requests.indices where random.chance(70) {
      scenario.requests[index].prompt = random.integer(max(1, instance * 3 / 10)...instance * 12 / 10)
      scenario.requests[index].output = random.integer(1...instance)
    }
    // And one that needs all memory of all instances, watermarks and all.
    let last = scenario.requests.count - 1
    let all = instance * configuration.topology.count - random.integer(0...instance / 5)
    scenario.requests[last].output = max(1, all - scenario.requests[last].prompt)
    scenario.configuration.engine.prefixCaching = false
  }

  private static func outcomes<Source: RequestSource>(
    _ scenario: PolicyScenario, _ source: Source
  ) throws -> (rejected: [RequestRecord], borrowersPreempted: Int) {
    let observer = Outcomes()
    _ = try Trial.simulate(
      scenario.configuration, policy: scenario.makePolicy(), source: source, observer: observer)
    return (observer.rejected, observer.borrowersPreempted)
  }

  private final class Outcomes: RunObserver {
    private(set) var rejected: [RequestRecord] = []
    private(set) var borrowersPreempted = 0

    func requestEnded(_ record: RequestRecord) {
      if record.outcome != .completed { rejected.append(record) }
    }
    func decided(_ decision: DecisionRecord) {
      if decision.kind == .preempt, decision.blocks > 0 { borrowersPreempted += 1 }
    }
  }
}
