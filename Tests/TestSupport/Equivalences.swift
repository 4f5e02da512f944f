import Policies
import Sim
import Torture

/// Policies and clusters that must behave alike, on random scenarios.
public enum Equivalence {
  /// Why debtor-creditor, through its own code, never lends.
  public enum Disabled: String, Sendable, CaseIterable {
    case byOption = "lending-off"
    case byLinks = "no-eligible-link"
    case byCreditors = "full-creditors"
  }

  /// With lending disabled debtor-creditor is vllm-m. No request of the trace is larger than an instance, since such a
  /// one may borrow from anybody.
  /// - Throws: `LawViolation`.
  public static func lendingDisabled(_ way: Disabled, engine: EngineKind, seed: UInt64) throws {
    var scenario = ScenarioGenerator(engine: engine, lending: true).scenario(seed: seed)
    let usable = scenario.configuration.blocksPerInstance - (engine == .chunked ? 1 : 0)
    let options = scenario.configuration.engine
    let percent = engine == .chunked ? options.chunkedWatermarkPercent : options.watermarkPercent
    // One that must find a free block in every step is larger than an instance when it has all but one of its blocks.
    let free = engine == .vllmV0 && options.appendCheck == .vllm ? 1 : 0
    let most = (usable - scenario.configuration.blocksPerInstance * percent / 100 - free) * options.blockSize
    for index in scenario.requests.indices {
      scenario.requests[index].prompt = min(scenario.requests[index].prompt, most / 2)
      scenario.requests[index].output = min(scenario.requests[index].output, most / 2 - 1)
    }
    scenario.lending.mode = [.passive, .proactive, .plannerOnly][Int(seed % 3)]
    scenario.lending.period = SimDuration(picoseconds: 2_000_000)
    // Long prompts go where the others go.
    scenario.lending.spreadFrom = .max
    switch way {
    case .byOption: scenario.lending.mode = .off
    case .byCreditors: scenario.lending.creditorUtilisationPercent = 0
    case .byLinks:
      let count = scenario.configuration.topology.count
      scenario.configuration.topology.nodeOfInstance = Array(0..<count)
      scenario.configuration.topology.acrossNodes = LinkCosts(latency: 1_000_000_000_000, bytesPerSecond: 1)
    }
    let router = scenario.policyRouter
    let lender = try ScenarioRun(scenario, policy: DebtorCreditor(router: router, lending: scenario.lending))
    let plain = try ScenarioRun(scenario, policy: VLLMMultiple(router: router))
    // Who may borrow does not start a request time and again that gets nowhere (docs/decisions/0014, 7).
    guard way == .byOption || plain.results.allSatisfy({ $0.preemptions < 2 }) else { return }
    // What an empty cluster could hold is another matter: a request larger than an instance could still borrow.
    try requireEqual(
      lender, plain, but: ["policy", "maxContextTokens"],
      law: "debtor-creditor without lending is vllm-m (\(way.rawValue))", seed: seed)
  }

  /// On one instance debtor-creditor is vllm-s.
  /// - Throws: `LawViolation`.
  public static func oneInstance(engine: EngineKind, seed: UInt64) throws {
    var scenario = ScenarioGenerator(engine: engine, lending: true).scenario(seed: seed)
    scenario.configuration.topology.nodeOfInstance = [0]
    scenario.lending.mode = [.passive, .proactive, .plannerOnly][Int(seed % 3)]
    scenario.lending.period = SimDuration(picoseconds: 2_000_000)
    let lender = try ScenarioRun(
      scenario, policy: DebtorCreditor(router: scenario.policyRouter, lending: scenario.lending))
    let single = try ScenarioRun(scenario, policy: VLLMSingle())
    try requireEqual(
      lender, single, but: ["policy"], law: "one-instance debtor-creditor is vllm-s", seed: seed)
  }

  /// When every cost, latency and arrival takes 8 times as long, everything happens 8 times as late. Links have latency
  /// only: times on the wire are rounded up.
  /// - Throws: `LawViolation`.
  public static func scaling(engine: EngineKind, lending: Bool, seed: UInt64) throws {
    func run(unit: Int64) throws -> [OracleResult] {
      var generator = ScenarioGenerator(engine: engine, lending: lending)
      generator.unit = unit
      var scenario = generator.scenario(seed: seed)
      scenario.configuration.topology.withinNode.bytesPerSecond = .infinity
      scenario.configuration.topology.acrossNodes.bytesPerSecond = .infinity
      // A free prefill lasts a picosecond, whatever the unit.
      // Waiting for a host is divided by the stages, rounded up to a picosecond: into thirds of no unit.
      let rounds =
        scenario.configuration.engine.prefillAttention == .distributed
        && scenario.configuration.costs.stages == 3
      if scenario.configuration.engine.prefillAttention == .free || rounds {
        scenario.configuration.engine.prefillAttention = .home
      }
      return try ScenarioRun(scenario).results
    }
    let scaled = try run(unit: 1_000).map { result in
      var result = result
      result.firstToken = result.firstToken.map { 8 * $0 }
      result.ended *= 8
      return result
    }
    guard try run(unit: 8_000) == scaled else {
      throw LawViolation(law: "scaling every time scales every result", seed: seed, details: engine.rawValue)
    }
  }

  private static func requireEqual(
    _ a: ScenarioRun, _ b: ScenarioRun, but free: Set<String>, law: String, seed: UInt64
  ) throws {
    if let field = ConformanceLaw.difference(a.summary, b.summary, but: free.union(["events", "decodeRuns"]))
    {
      throw LawViolation(law: law, seed: seed, details: field)
    }
    if let index = a.results.indices.first(where: { a.results[$0] != b.results[$0] }) {
      throw LawViolation(
        law: law, seed: seed, details: "request \(index): \(a.results[index]) and \(b.results[index])")
    }
  }
}
