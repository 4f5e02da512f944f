import Policies
import Sim
import Torture

/// What holds of the costs of any model on any hardware.
public enum CostLaws {
  /// Checks the scenario of `seed`. Returns what it is.
  /// - Throws: `LawViolation`.
  public static func check(seed: UInt64) throws -> [Sight] {
    let scenario = CostScenario(seed: seed)
    let costs = try InstanceCosts(
      model: scenario.model, hardware: scenario.hardware, shape: scenario.shape, wiring: scenario.wiring,
      engine: scenario.engine)
    var random = SeededRandom(seed: ~seed)
    try positive(scenario, costs, &random)
    try monotone(scenario, costs, &random)
    try explained(scenario, costs, &random)
    try charged(scenario, costs, &random)
    return CostScenario.Kind.allCases.map {
      Sight("model: \($0.rawValue)", floor: 5, scenario.kind == $0)
    }
      + DecodeKernel.allCases.map {
        Sight("decode kernel: \($0.rawValue)", floor: 15, scenario.engine.decodeKernel == $0)
      }
      + [
        Sight("PP above 1", floor: 36, scenario.shape.pp > 1),
        Sight("TP above 1", floor: 38, scenario.shape.tp > 1),
      ]
  }

  private static func require(_ holds: Bool, _ law: String, _ scenario: CostScenario, _ details: String)
    throws
  {
    guard !holds else { return }
    throw LawViolation(law: law, seed: scenario.seed, details: "\(details); \(scenario)")
  }

  /// A number up to 2^`bits`, small ones as likely as large ones.
  private static func size(_ bits: Int, _ random: inout SeededRandom) -> Int {
    random.integer(1...(1 << random.integer(0...bits)))
  }

  /// An iteration up to 10M tokens of context and of prompt.
  private static func iteration(_ random: inout SeededRandom) -> Iteration {
    let prompts = random.chance(50) ? random.integer(1...4) : 0
    return Iteration(
      sequences: prompts > 0 && random.chance(50) ? 0 : size(9, &random),
      context: min(10_000_000, size(24, &random)),
      prompts: prompts, newTokens: min(2_500_000, size(22, &random)),
      cachedTokens: random.chance(50) ? 0 : min(7_500_000, size(23, &random)))
  }

  // MARK: - Laws

  private static func positive(
    _ scenario: CostScenario, _ costs: InstanceCosts, _ random: inout SeededRandom
  ) throws {
    let law = "no cost is zero, negative or not a number"
    for _ in 0..<8 {
      let iteration = iteration(&random)
      let time = costs.time(of: iteration)
      try require(time.map { $0 > 0 } ?? true, law, scenario, "\(iteration) takes \(time as Any) ps")
      guard time != nil else { continue }
      let explained = try explain(iteration, scenario)
      for part in explained.operators {
        let numbers = [part.calls, part.microseconds, part.bytes, part.flops]
        try require(
          numbers.allSatisfy { $0.isFinite && $0 >= 0 } && part.microseconds > 0, law, scenario,
          "\(part) of \(iteration)")
      }
    }
    // A day of ps: iterations of up to 10M tokens that decode must be within the clock.
    let long = Iteration(sequences: 1, context: 10_000_000)
    try require(costs.time(of: long) != nil, "10M tokens of context are within the clock", scenario, "")
  }

  private static func monotone(
    _ scenario: CostScenario, _ costs: InstanceCosts, _ random: inout SeededRandom
  ) throws {
    let law = "more tokens are never cheaper"
    let changes: [(String, (inout Iteration, Int) -> Void)] = [
      ("context", { $0.context += $1 }), ("new tokens", { $0.newTokens += $1 }),
      ("cached tokens", { $0.cachedTokens += $1 }), ("prompts", { $0.prompts += $1 & 3 }),
      ("requests", { $0.sequences += $1 & 15 }),
    ]
    for (what, change) in changes {
      for _ in 0..<4 {
        let base = iteration(&random)
        var more = base
        change(&more, size(10, &random))
        guard let less = costs.time(of: base), let time = costs.time(of: more) else { continue }
        // Rates per attended token are whole picoseconds, of each batch size for itself.
        let slack = what == "requests" ? Int64(more.sequences) * Int64(more.context) : 0
        try require(
          time + slack >= less, law, scenario, "\(what): \(base) takes \(less) ps, \(more) takes \(time) ps")
      }
    }
    // Padded rows: a tile that is fuller costs at least as much, and the next one more.
    for _ in 0..<8 {
      let tokens = size(16, &random)
      let (less, more) = (
        costs.linearTime(tokens: tokens), costs.linearTime(tokens: tokens + size(7, &random))
      )
      try require(more >= less, law, scenario, "layers on \(tokens) tokens take \(less) ps, on more \(more)")
      let samples = size(10, &random)
      try require(
        costs.headTime(samples: samples + 1) >= costs.headTime(samples: samples), law, scenario,
        "LM head of \(samples)")
    }
  }

  private static func explained(
    _ scenario: CostScenario, _ costs: InstanceCosts, _ random: inout SeededRandom
  ) throws {
    for _ in 0..<4 {
      let iteration = iteration(&random)
      guard let time = costs.time(of: iteration) else { continue }
      let explained = try explain(iteration, scenario)
      let sum = explained.operators.reduce(0) { $0 + $1.microseconds } * 1e6
      // Layers, head and hand-off of every stage are rounded up to nanoseconds; sums of doubles to 1e-12.
      let slack = Double(scenario.shape.pp) * 3_001 + Double(time) * 1e-9
      try require(
        explained.total == time && abs(sum - Double(time)) <= slack,
        "the operators add to what the engine charges", scenario,
        "\(iteration): \(sum) ps, charged \(time) ps")
    }
  }

  /// A run of equal requests: one prefill step and one decode step.
  private static func charged(
    _ scenario: CostScenario, _ costs: InstanceCosts, _ random: inout SeededRandom
  ) throws {
    let stages = scenario.shape.pp
    let (requests, prompt) = (stages * random.integer(1...8), random.integer(2...3_000))
    guard
      let prefill = costs.time(of: Iteration(prompts: requests, newTokens: prompt)),
      let decode = costs.time(of: Iteration(sequences: requests, context: prompt + 1))
    else { return }
    var engine = EngineOptions()
    engine.maxNumBatchedTokens = requests * prompt
    let configuration = SimulationConfiguration(
      topology: InstanceTopology(
        nodeOfInstance: [0], withinNode: scenario.wiring.stageLink, acrossNodes: scenario.wiring.interNode,
        gpus: scenario.shape.gpus),
      costs: costs, blocksPerInstance: 1 << 20, engine: engine)
    let ends = EndOfRun()
    _ = try Trial.simulate(
      configuration, policy: VLLMMultiple(router: .roundRobin, steals: false),
      source: ArraySource(
        Array(repeating: TraceRequest(arrival: .zero, prompt: prompt, output: 2), count: requests)),
      observer: ends)
    try require(
      ends.last == prefill + decode, "a run charges what an iteration is said to take", scenario,
      "\(requests) prompts of \(prompt): \(ends.last) ps, expected \(prefill) + \(decode)")
  }

  private static func explain(_ iteration: Iteration, _ scenario: CostScenario) throws -> IterationExplained {
    try IterationExplained(
      iteration, model: scenario.model, hardware: scenario.hardware, shape: scenario.shape,
      wiring: scenario.wiring, engine: scenario.engine)
  }

  /// When the last request ended, ps.
  private final class EndOfRun: RunObserver {
    private(set) var last: Int64 = 0
    func requestEnded(_ record: RequestRecord) { last = max(last, record.ended.picoseconds) }
  }
}
