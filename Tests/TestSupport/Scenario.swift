import Sim
import Torture

/// A small random cluster and trace, a function of `seed`, `engine.kind` and whether it lends.
public struct Scenario: Sendable {
  public var seed: UInt64
  public var configuration: SimulationConfiguration
  public var requests: [TraceRequest]
  public var router: OracleRouter
  public var lending: LendingOptions
  /// What prompts share, if the engine caches prefixes.
  public var sharing = Sharing()
  /// Whether idle instances take queued requests from others, where instances lend.
  public var steals = false
  /// The fewest tokens of an offered prompt that a host takes.
  public var shareFrom = 8_192

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

extension ScenarioGenerator {
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
    // The oracle's.
    lendingOptions.coupling = .paper
    var shareFrom = 8_192
    if lending {
      lendingOptions.mode = .passive
      lendingOptions.borrowChunk = random.pick([1, 2, 4, 16])
      lendingOptions.creditorUtilisationPercent = random.pick([50, 90, 90, 100])
      lendingOptions.lendWhileQueueing = random.chance(20)
      lendingOptions.reserveGiants = random.pick([.backfill, .backfill, .backfill, .hold, .none])
      lendingOptions.placement = random.pick([.balanced, .balanced, .balanced, .homeFirst, .pack])
      lendingOptions.spreadFrom = random.pick([.max, .max, 8, 40, 100, 200])
      shareFrom = random.pick([1, 1, 16, 64])
    }
    var scenario = Scenario(
      seed: seed, configuration: configuration,
      requests: requests(
        instanceTokens: blocks * blockSize, instances: instances, &random),
      router: random.pick(OracleRouter.allCases), lending: lendingOptions)
    scenario.shareFrom = shareFrom
    scenario.steals = lending && random.chance(40)
    if sharing {
      scenario.configuration.engine.prefixCaching = true
      scenario.sharing = Sharing(
        requests: scenario.requests, unit: blockSize * random.integer(1...3), &random)
    }
    return scenario
  }
}
