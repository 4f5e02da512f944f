import Policies
import Sim
import Torture

/// Nothing is left of those who have gone: a request that comes long after all others have ended takes what it takes alone on
/// the same cluster. It is judged from two runs, and by no rule of the engine or the oracle.
public enum LateLaw {
  /// Returns what the scenario of `seed` went through.
  /// - Throws: `LawViolation`.
  public static func check(_ scenarios: PolicyScenarios, seed: UInt64) throws -> [Sight] {
    var scenario = try scenarios.scenario(seed: seed)
    var random = SeededRandom(seed: seed ^ 0x1A7E)
    // Which instance it comes to must not matter, nor what prompts share, nor when a planner looks.
    scenario.configuration.topology.nodeOfInstance = Array(
      repeating: 0, count: scenario.configuration.topology.count)
    scenario.configuration.engine.prefixCaching = false
    scenario.configuration.costs.window = .max
    scenario.sharing = Sharing()
    scenario.request.options["coupling"] = "contended"
    if scenario.deeds.contains(.plans) { scenario.request.options["lending"] = "passive" }
    scenario.requests += scenario.requests
    scenario.requests.sort { $0.arrival < $1.arrival }
    let instance = scenario.configuration.blocksPerInstance * scenario.configuration.engine.blockSize
    let most = instance * scenario.configuration.topology.count
    var late = TraceRequest(
      arrival: .zero, prompt: random.integer(1...max(1, most / 2)),
      output: random.integer(1...max(1, instance / 2)))

    let alone = try run(scenario, [late])
    let before = try run(scenario, scenario.requests)
    late.arrival = SimTime(picoseconds: before.end + 1_000_000_000_000_000)
    let after = try run(scenario, scenario.requests + [late])
    guard alone.last == after.last else {
      throw LawViolation(
        law: "who comes when all have gone takes what it takes alone", seed: seed,
        details:
          "\(late.prompt) + \(late.output) tokens: \(alone.last), late \(after.last); \(scenario.replay)")
    }
    return [
      Sight("borrow before", floor: 80, before.borrows > 0),
      Sight("borrow late", floor: 45, after.borrows > before.borrows),
    ]
  }

  private static func run(_ scenario: PolicyScenario, _ requests: [TraceRequest]) throws -> LastSeen {
    let seen = LastSeen(of: requests.count - 1)
    _ = try Trial.simulate(
      scenario.configuration, policy: scenario.makePolicy(), source: ArraySource(requests), observer: seen)
    return seen
  }

  private final class LastSeen: RunObserver {
    /// Outcome, time to first token and to the end of the last request, ps.
    private(set) var last = ""
    private(set) var end: Int64 = 0
    private(set) var borrows = 0
    private let index: Int

    init(of index: Int) { self.index = index }

    func requestEnded(_ record: RequestRecord) {
      end = max(end, record.ended.picoseconds)
      guard record.id.index == index else { return }
      last =
        "\(record.outcome), \(record.ttft.map { "\($0.picoseconds)" } ?? "no") and \(record.e2e.picoseconds) ps"
    }
    func decided(_ decision: DecisionRecord) { if decision.kind == .borrow { borrows += 1 } }
  }
}
