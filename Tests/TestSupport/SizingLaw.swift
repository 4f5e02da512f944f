import Policies
import Sim
import Torture

/// A policy that is sized by the longest request has the smallest TP within a node that serves it, by what the engine does
/// with such a request; and whoever is no longer than it is not rejected.
public enum SizingLaw {
  /// Returns what the seed went through.
  /// - Throws: `LawViolation`.
  public static func check(policy name: String, engine: EngineKind, seed: UInt64) throws -> [Sight] {
    let (served, tp, largest) = try choice(policy: name, engine: engine, seed: seed)
    let scenario = try PolicyScenarios(policyName: name, engine: engine).scenario(seed: seed)
    let tried = try rejections(scenario)
    return [
      Sight("TP1 serves the longest", floor: 8, served == 1),
      Sight("a TP between serves it first", floor: 14, served.map { $0 > 1 && $0 < largest } ?? false),
      Sight("no TP serves it", floor: 12, served == nil && tp == largest),
      Sight("requests up to the longest, and longer ones", floor: 27, tried),
    ]
  }

  /// The smallest TP on which the engine serves a request alone, and the one that is chosen.
  private static func choice(
    policy name: String, engine kind: EngineKind, seed: UInt64
  ) throws -> (served: Int?, chosen: Int, largest: Int) {
    var random = SeededRandom(seed: seed)
    let blockSize = random.pick([1, 4, 16])
    var engine = ScenarioGenerator(engine: kind, lending: false).engineOptions(blockSize: blockSize, &random)
    engine.watermarkPercent = random.pick([0, 1, 10])
    engine.overBudget = .alone
    let small = random.integer(3...60)
    // Mostly at a limit, where one token decides.
    let (model, gpus) = (ModelCatalog.llama7B, random.pick([2, 4, 8, 8]))
    let legal = InstanceShape.legalTP(model: model, maximum: gpus)
    let capacity = small * blockSize * random.pick(legal)
    let tokens = max(
      3,
      random.chance(70)
        ? capacity * random.pick([90, 99, 100, 100]) / 100 + random.integer(-blockSize...blockSize)
        : random.integer(3...2 * gpus * small * blockSize))
    let (options, costs) = (engine, ScenarioGenerator(engine: kind, lending: false))
    let longest = LongestRequest(tokens: tokens) { _, multiple in
      BlockLimits(blocks: multiple.together(small), engine: options).holds(total: tokens)
    }
    let plan = try PolicyCatalog.make(
      name,
      PolicyRequest(
        cluster: ClusterSpec(nodes: 2, gpusPerNode: gpus, hardware: HardwareCatalog.a100Measured),
        model: model, tp: 1, pp: 1, instances: nil, router: .leastLoaded, options: [:], longest: longest))
    let topology = costs.topology(instances: 1, gpus: 1, &random)
    let prices = costs.costs(stages: 1, ranks: 1, &random)
    // The last token alone is output but for one: as after a preemption as late as can be.
    let splits = [tokens - 2, 1, random.integer(1...tokens - 2)]
    let served = try legal.first { tp in
      let configuration = SimulationConfiguration(
        topology: topology, costs: prices, blocksPerInstance: tp * small, engine: options)
      return try splits.allSatisfy { prompt in
        let request = TraceRequest(arrival: .zero, prompt: prompt, output: tokens - prompt)
        return try Trial.simulate(
          configuration, policy: VLLMMultiple(router: .roundRobin), source: ArraySource([request])
        ).completed == 1
      }
    }
    guard plan.layout.shape.tp == served ?? legal[legal.count - 1],
      plan.sizing == RightSizing(longest: tokens, isHeld: served != nil)
    else {
      throw LawViolation(
        law: "the smallest TP that serves the longest request is chosen", seed: seed,
        details:
          "TP\(plan.layout.shape.tp) for \(tokens) tokens, which \(served.map { "TP\($0)" } ?? "none") serves first: "
          + "\(small) blocks of \(blockSize) per rank, TP \(legal), \(options)")
    }
    return (served, plan.layout.shape.tp, legal[legal.count - 1])
  }

  /// Whether requests up to the longest and longer ones were tried. None of the former is rejected.
  private static func rejections(_ scenario: PolicyScenario) throws -> Bool? {
    final class Rejected: RunObserver {
      var records: [RequestRecord] = []
      func requestEnded(_ record: RequestRecord) {
        if case .rejected(let reason) = record.outcome, reason != .overBudget { records.append(record) }
      }
    }
    let rejected = Rejected()
    guard let sizing = try PolicyCatalog.make(scenario.policyName, scenario.request).sizing, sizing.isHeld
    else {
      return nil
    }
    _ = try Trial.simulate(
      scenario.configuration, policy: scenario.makePolicy(),
      source: SharingSource(scenario.requests, scenario.sharing), observer: rejected)
    func total(_ prompt: Int, _ output: Int) -> Int { BlockLimits.total(prompt: prompt, output: output) }
    if let wronged = rejected.records.first(where: { total($0.prompt, $0.output) <= sizing.longest }) {
      throw LawViolation(
        law: "no request up to the longest is rejected", seed: scenario.seed,
        details: "\(wronged.prompt) + \(wronged.output) tokens of \(sizing.longest); \(scenario.replay)")
    }
    let longer = scenario.requests.count { total($0.prompt, $0.output) > sizing.longest }
    return longer > 0 && longer < scenario.requests.count
  }
}
