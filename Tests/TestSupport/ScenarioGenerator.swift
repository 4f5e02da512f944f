import Sim

/// A small random cluster and trace, a function of `seed`, `engine.kind` and whether it lends.
public struct Scenario: Sendable {
  public var seed: UInt64
  public var configuration: SimulationConfiguration
  public var requests: [TraceRequest]
  public var router: OracleRouter
  public var lending: LendingOptions
  /// What prompts share, if the engine caches prefixes.
  public var sharing = Sharing()

  public init(
    seed: UInt64, configuration: SimulationConfiguration, requests: [TraceRequest], router: OracleRouter,
    lending: LendingOptions
  ) {
    self.seed = seed
    self.configuration = configuration
    self.requests = requests
    self.router = router
    self.lending = lending
  }
}

/// Draws scenarios in which the rules of the engine meet each other often: shortages, ties in time, prompts above
/// the budget, requests larger than an instance, bursts and idle gaps, and long stretches of plain decoding.
///
/// All times are multiples of one unit, so that steps of different instances often end together and requests often
/// arrive at a step's end. `OracleTests` checks how often each of these happens.
public struct ScenarioGenerator: Sendable {
  /// The local engine of the scenarios.
  public var engine: EngineKind
  /// Whether instances lend (mode `passive`, coupling `paper`).
  public var lending: Bool

  public init(engine: EngineKind, lending: Bool) {
    self.engine = engine
    self.lending = lending
  }

  /// Whether prompts share beginnings, which instances cache.
  public var sharing = false

  public init(engine: EngineKind, lending: Bool, sharing: Bool) {
    self.init(engine: engine, lending: lending)
    self.sharing = sharing
  }

  /// The unit of all costs and arrivals, ps.
  var unit: Int64 = 1_000

  /// The scenario of `seed`: the same on every machine.
  public func scenario(seed: UInt64) -> Scenario {
    var random = SeededRandom(seed: seed)
    let blockSize = random.pick([16, 16, 16, 16, 8, 4])
    let blocks = random.integer(8...60)
    let options = engineOptions(blockSize: blockSize, &random)
    let instances = lending ? random.pick([2, 2, 2, 3, 4, 5]) : random.integer(1...5)
    let stages = random.chance(25) ? random.integer(2...3) : 1
    let costs = costs(stages: stages, ranks: random.chance(25) ? random.integer(2...4) : 1, &random)
    let configuration = SimulationConfiguration(
      topology: topology(instances: instances, gpus: instances * stages * costs.ranks, &random),
      costs: costs, blocksPerInstance: blocks, engine: options)

    var lendingOptions = LendingOptions()
    if lending {
      lendingOptions.mode = .passive
      lendingOptions.borrowChunk = random.pick([1, 2, 4, 16])
      lendingOptions.creditorUtilisationPercent = random.pick([50, 90, 90, 100])
      lendingOptions.lendWhileQueueing = random.chance(20)
      lendingOptions.reserveGiants = random.chance(70)
      lendingOptions.placement = random.chance(80) ? .spread : .pack
    }
    var scenario = Scenario(
      seed: seed, configuration: configuration,
      requests: requests(
        instanceTokens: blocks * blockSize, instances: instances, &random),
      router: random.pick(OracleRouter.allCases), lending: lendingOptions)
    if sharing {
      scenario.configuration.engine.prefixCaching = true
      scenario.sharing = Sharing(
        requests: scenario.requests, unit: blockSize * random.integer(1...3), &random)
    }
    return scenario
  }

  func engineOptions(blockSize: Int, _ random: inout SeededRandom) -> EngineOptions {
    var options = EngineOptions()
    options.kind = engine
    options.blockSize = blockSize
    options.maxNumSeqs = random.integer(2...8)
    options.maxNumBatchedTokens = random.pick([32, 48, 64, 100, 128, 256, 512])
    options.watermarkPercent = random.pick([1, 1, 5, 10])
    options.chunkedWatermarkPercent = random.pick([0, 0, 5, 10])
    options.appendCheck = random.chance(60) ? .vllm : .exact
    options.reserveISL = random.chance(70)
    options.overBudget = random.chance(15) ? .ignore : .alone
    options.padded = engine == .vllmV0 && random.chance(15)
    options.prefillAttention = random.pick([.distributed, .distributed, .home, .free])
    // A prompt that takes its first chunk only, and finds no room for the next, is preempted and tries again: with
    // free prefills, in steps of 1 ps, as long as an older request keeps its blocks.
    if lending, options.prefillAttention == .free { options.reserveISL = true }
    return options
  }

  /// Linear a + b·tokens, in steps of 1, 8 or 64 tokens, or constant: then instances march in step.
  func costs(stages: Int, ranks: Int, _ random: inout SeededRandom) -> InstanceCosts {
    let tile = random.pick([1, 8, 64])
    let linearBase = unit * Int64(random.integer(10...40))
    let linearSlope = random.chance(30) ? 0 : unit * Int64(random.integer(1...4))
    let headRate = unit * Int64(random.pick([0, 0, 1]))
    let handoffRate = unit * Int64(random.integer(0...2))
    let contextRate = random.pick([0, unit / 10, unit / 4, unit])
    // A kernel that bends: a part for each sequence, and a steeper line above some mean context, a power of two so that
    // chords are whole numbers and times scale exactly.
    let bends = random.chance(50)
    let perSequence = unit * Int64(random.integer(0...2))
    let full = random.pick([16, 64, 256])
    let decodeFloor = unit * Int64(random.integer(0...3))
    let bendingDecode: @Sendable (Int, Int) -> Int64 = { sequences, context in
      let steep = Int64(context + max(0, context - full))
      return decodeFloor + Int64(sequences) * (perSequence + contextRate * steep)
    }
    let window = !lending && random.chance(25) ? random.pick([8, 33, 64, 200]) : Int.max
    let longest =
      random.chance(25)
      ? LongestContext(
        constant: unit * Int64(random.integer(0...3)), perSequence: perSequence,
        rate: random.pick([unit / 4, unit / 2, unit])) : nil
    return InstanceCosts(
      stages: stages, ranks: ranks, layersPerStage: random.integer(1...4),
      hostBase: unit * Int64(random.integer(0...10)), hostPerSequence: unit * Int64(random.integer(0...2)),
      decodeFloor: decodeFloor, contextRate: contextRate, longest: longest,
      window: window,
      prefillFloor: unit * Int64(random.integer(0...3)),
      prefillReachRate: random.pick([0, unit / 50, unit / 8]),
      prefillTokenRate: random.pick([0, unit / 10]),
      prefillPairRate: random.pick([0, unit / 100, unit / 20]),
      stageFloor: random.chance(10) ? unit * 60 : 0,
      mergeFloor: unit * Int64(random.integer(0...1)), mergePerPartial: unit * Int64(random.integer(0...1)),
      kvBytesPerTokenPerStage: 16, queryBytes: 8, partialBytes: 10,
      decode: bends ? bendingDecode : nil,
      linear: { linearBase + linearSlope * Int64(($0 + tile - 1) / tile) },
      head: { headRate * Int64($0) },
      handoff: { unit + handoffRate * Int64($0) })
  }

  func topology(
    instances: Int, gpus: Int, _ random: inout SeededRandom
  ) -> InstanceTopology {
    let nodes = random.integer(1...3)
    // One byte per unit of time.
    let perUnit = 1e12 / Double(unit)
    // A byte takes 0.01 to 1 units; some links are too slow to qualify for lending.
    let near = LinkCosts(latency: unit / 2, bytesPerSecond: perUnit * random.pick([10, 100]))
    let far = LinkCosts(
      latency: unit * Int64(random.pick([1, 1, 4, 40])), bytesPerSecond: perUnit * random.pick([1, 10]))
    return InstanceTopology(
      nodeOfInstance: (0..<instances).map { $0 * nodes / instances }, withinNode: near, acrossNodes: far,
      gpus: gpus)
  }

  /// Bursts with gaps between them, on a coarse grid of times; mostly medium requests, some giants, some too large.
  func requests(
    instanceTokens: Int, instances: Int, _ random: inout SeededRandom
  ) -> [TraceRequest] {
    let grid = unit * Int64(random.pick([1, 10, 50, 100]))
    let largestPrompt = max(2, instanceTokens * random.integer(10...70) / 100)
    let largestOutput = max(2, instanceTokens * random.integer(10...50) / 100)
    let hasGiants = random.chance(lending ? 60 : 15)
    let hasOversized = random.chance(15)
    var arrival: Int64 = 0
    var requests: [TraceRequest] = []
    for _ in 0..<random.integer(5...60) {
      // Within a burst the gap is mostly nothing; between bursts the cluster may run empty.
      switch random.integer(0...99) {
      case 0..<60: break
      case 60..<93: arrival += grid * Int64(random.integer(1...8))
      default: arrival += grid * Int64(random.integer(100...1_000))
      }
      var prompt = random.integer(1...largestPrompt)
      var output = random.chance(15) ? 1 : random.integer(1...largestOutput)
      if hasGiants, random.chance(10) {
        // Larger than an instance, if not by its prompt then by its output.
        prompt = random.integer(instanceTokens * 6 / 10...instanceTokens * max(3, instances + 1) / 3)
        output = random.integer(1...max(2, instanceTokens / 2))
      } else if hasOversized, random.chance(5) {
        prompt = instanceTokens * (instances + 1)
      }
      requests.append(
        TraceRequest(arrival: SimTime(picoseconds: arrival), prompt: prompt, output: output))
    }
    return requests
  }
}

/// SplitMix64 (Steele, Lea, Flood 2014): random numbers that depend on the seed alone.
struct SeededRandom {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// Uniform but for a bias below 2⁻⁴⁰ on the small ranges used here.
  mutating func integer(_ range: ClosedRange<Int>) -> Int {
    range.lowerBound + Int(next() % UInt64(range.count))
  }

  mutating func chance(_ percent: Int) -> Bool { integer(0...99) < percent }

  mutating func pick<Element>(_ elements: [Element]) -> Element { elements[integer(0...elements.count - 1)] }
}
