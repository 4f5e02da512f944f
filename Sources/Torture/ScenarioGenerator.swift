import Sim

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
  package var unit: Int64 = 1_000

  package func engineOptions(blockSize: Int, _ random: inout SeededRandom) -> EngineOptions {
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
  package func costs(stages: Int, ranks: Int, _ random: inout SeededRandom) -> InstanceCosts {
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
    // What came later draws from a stream of its own, so that seeds keep the rest of their clusters.
    var fork = random
    var own = SeededRandom(seed: fork.next())
    let overlapsHost = own.chance(30)
    let prefillStageFloor = own.chance(15) ? unit * 90 : nil
    // Long enough to be waited for.
    let hostFactor = overlapsHost ? Int64(own.pick([1, 8])) : 1
    return InstanceCosts(
      stages: stages, ranks: ranks, layersPerStage: random.integer(1...4),
      hostBase: hostFactor * unit * Int64(random.integer(0...10)),
      hostPerSequence: unit * Int64(random.integer(0...2)), overlapsHost: overlapsHost,
      decodeFloor: decodeFloor, contextRate: contextRate, longest: longest,
      window: window,
      prefillFloor: unit * Int64(random.integer(0...3)),
      prefillReachRate: random.pick([0, unit / 50, unit / 8]),
      prefillTokenRate: random.pick([0, unit / 10]),
      prefillPairRate: random.pick([0, unit / 100, unit / 20]),
      stageFloor: random.chance(10) ? unit * 60 : 0, prefillStageFloor: prefillStageFloor,
      mergeFloor: unit * Int64(random.integer(0...1)), mergePerPartial: unit * Int64(random.integer(0...1)),
      kvBytesPerTokenPerStage: 16, queryBytes: 8, partialBytes: 10,
      decode: bends ? bendingDecode : nil,
      linear: { linearBase + linearSlope * Int64(($0 + tile - 1) / tile) },
      head: { headRate * Int64($0) },
      handoff: { unit + handoffRate * Int64($0) })
  }

  package func topology(
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
  package func requests(
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
package struct SeededRandom {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// Uniform but for a bias below 2⁻⁴⁰ on the small ranges used here.
  package mutating func integer(_ range: ClosedRange<Int>) -> Int {
    range.lowerBound + Int(next() % UInt64(range.count))
  }

  package mutating func chance(_ percent: Int) -> Bool { integer(0...99) < percent }

  package mutating func pick<Element>(_ elements: [Element]) -> Element {
    elements[integer(0...elements.count - 1)]
  }
}
