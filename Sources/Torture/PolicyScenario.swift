import Policies
import Sim

/// A small random cluster, trace and policy of the catalogue with random options: a function of `seed`.
public struct PolicyScenario: Sendable {
  public var seed: UInt64
  public var policyName: String
  /// Cluster, shape, router and options that the policy is made for.
  public var request: PolicyRequest
  public var configuration: SimulationConfiguration
  public var requests: [TraceRequest]
  /// What prompts share, if the engine caches prefixes.
  public var sharing = Sharing()

  /// A fresh policy: policies may remember.
  public func makePolicy() throws -> any SchedulingPolicy {
    try PolicyCatalog.make(policyName, request).policy
  }

  /// Leaves the first requests: a fault or a message meets as much in a short run as in a long one.
  package mutating func shorten() {
    requests = Array(requests.prefix(30))
    if !sharing.hashes.isEmpty { sharing.hashes = Array(sharing.hashes.prefix(30)) }
  }

  /// What the policy is declared to do.
  public var deeds: PolicyDeeds { PolicyCatalog[policyName]?.does ?? [] }

  /// All that decides the run, for failure messages. The scenario is drawn again from its seed.
  public var replay: String {
    let options = request.options.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    return
      "\(policyName) \(configuration.engine.kind.rawValue) seed \(seed): \(configuration.topology.count) "
      + "instances of \(configuration.blocksPerInstance) blocks, PP \(configuration.costs.stages), "
      + "\(requests.count) requests, \(request.router?.rawValue ?? "the default") router \(options.joined(separator: " "))"
  }
}

extension PolicyScenario {
  /// Its requests, its faults and its network, a line each.
  public var story: String {
    var lines = requests.enumerated().map { index, request in
      "request \(index): at \(request.arrival.picoseconds) ps, \(request.prompt) + \(request.output) tokens"
    }
    func time(_ time: SimTime?) -> String { time.map { "\($0.picoseconds) ps" } ?? "the end" }
    for fault in configuration.faults.timed {
      lines.append("fault: \(fault.fault), \(time(fault.start)) to \(time(fault.end))")
    }
    for fault in configuration.faults.random {
      lines.append(
        "fault: \(fault.fault), every \(fault.meanBetween.picoseconds) ps for \(fault.meanRepair.picoseconds) ps, "
          + "until \(time(fault.last))")
    }
    lines.append("nodes: \(configuration.topology.nodeOfInstance)")
    lines.append("\(configuration.managers)")
    return lines.joined(separator: "\n") + "\n"
  }
}

/// Draws scenarios for any policy of the catalogue, with options drawn from the values that they declare.
public struct PolicyScenarios: Sendable {
  public var policyName: String
  public var engine: EngineKind
  /// Whether faults are drawn as well.
  public var faults = false
  /// Whether mostly the values are drawn under which more is lent and moved.
  public var isTorture = false

  public init(policyName: String, engine: EngineKind) {
    self.policyName = policyName
    self.engine = engine
  }

  /// The scenario of `seed`: the same on every machine.
  public func scenario(seed: UInt64) throws -> PolicyScenario {
    var random = SeededRandom(seed: seed)
    let options = drawOptions(&random)
    let lends = try Self.lends(policyName, options)
    var generator = ScenarioGenerator(engine: engine, lending: lends)
    generator.unit = 10_000

    let count = lends ? random.pick([2, 2, 2, 3, 4, 5]) : random.integer(1...5)
    let shape = InstanceShape(tp: random.pick([1, 1, 1, 2, 4]), pp: random.pick([1, 1, 1, 1, 2, 3]))
    // GPUs of a node are a power of two, as on real ones, so that every policy can use them all.
    let nodes = random.integer(1...3)
    var gpusPerNode = 1
    while gpusPerNode < shape.gpus * ((count + nodes - 1) / nodes) { gpusPerNode *= 2 }
    var request = PolicyRequest(
      cluster: ClusterSpec(nodes: nodes, gpusPerNode: gpusPerNode, hardware: HardwareCatalog.a100Measured),
      model: ModelCatalog.llama7B, tp: shape.tp, pp: shape.pp, instances: count,
      router: random.pick(lends ? Self.lenders : Self.others), options: options)

    let blockSize = random.pick([16, 16, 16, 16, 8, 4])
    var blocks = random.integer(8...60)
    var engineOptions = generator.engineOptions(blockSize: blockSize, &random)
    request.longest = Self.longest(smallBlocks: blocks, engineOptions, seed: seed)
    let plan = try PolicyCatalog.make(policyName, request)
    let layout = plan.layout
    if plan.sizing != nil { blocks = plan.multiple.together(blocks) }
    engineOptions.maxNumSeqs = min(
      plan.maxNumSeqs ?? plan.multiple.together(engineOptions.maxNumSeqs),
      engineOptions.maxNumBatchedTokens - 1)
    var topology = generator.topology(instances: layout.count, gpus: request.cluster.gpus, &random)
    topology.nodeOfInstance = layout.instances.map(layout.homeNode(of:))
    var costs = generator.costs(stages: layout.shape.pp, ranks: layout.shape.tp, &random)
    if plan.policy.lending.mode != .off { costs.window = .max }
    let configuration = SimulationConfiguration(
      topology: topology, costs: costs, blocksPerInstance: blocks, engine: engineOptions)
    var scenario = PolicyScenario(
      seed: seed, policyName: policyName, request: request, configuration: configuration,
      requests: generator.requests(
        instanceTokens: blocks * blockSize, instances: layout.count, &random))
    if seed % 5 < 2 { try addArrivalAtAnEnd(&scenario, &random) }
    if random.chance(35) {
      scenario.configuration.engine.prefixCaching = true
      scenario.sharing = Sharing(
        requests: scenario.requests, unit: blockSize * random.integer(1...3), &random)
    }
    if faults {
      scenario.shorten()
      let faults = FaultGenerator(unit: generator.unit)
      scenario.configuration.managers = faults.managers(&random)
      scenario.configuration.faults = faults.plan(for: scenario, &random)
    }
    return scenario
  }

  /// A longest request that one of the sizes holds, or none: of the seed alone, so that other policies' scenarios stay.
  private static func longest(smallBlocks: Int, _ engine: EngineOptions, seed: UInt64) -> LongestRequest {
    var random = SeededRandom(seed: seed ^ 0x4C4F_4E47_4553_5400)
    let tokens = random.integer(2...smallBlocks * engine.blockSize * random.pick([1, 2, 4, 10]))
    return LongestRequest(tokens: tokens) { _, multiple in
      BlockLimits(blocks: multiple.together(smallBlocks), engine: engine).holds(total: tokens)
    }
  }

  private func drawOptions(_ random: inout SeededRandom) -> [String: String] {
    let declared = (PolicyCatalog[policyName]?.options ?? []).sorted { $0.key < $1.key }
    var options: [String: String] = [:]
    for option in declared where !option.tried.isEmpty { options[option.key] = random.pick(option.tried) }
    guard isTorture else { return options }
    for option in declared where !option.tortured.isEmpty && random.chance(80) {
      options[option.key] = random.pick(option.tortured)
    }
    return options
  }

  private static let others: [Router?] = [.roundRobin, .leastLoaded, .mostFreeKV]
  private static let lenders: [Router?] = others + [nil, nil]

  /// Whether the policy lends with these options, whatever they are called: asked on a cluster of any size.
  private static func lends(_ name: String, _ options: [String: String]) throws -> Bool {
    let request = PolicyRequest(
      cluster: ClusterSpec(nodes: 1, gpusPerNode: 8, hardware: HardwareCatalog.a100Measured),
      model: ModelCatalog.llama7B, tp: 1, pp: 1, instances: nil, router: .roundRobin, options: options,
      longest: LongestRequest(tokens: 2) { _, _ in true })
    return try PolicyCatalog.make(name, request).policy.lending.mode != .off
  }

  /// Lets one more request arrive in the very instant in which another one ends: on a single instance this is rare.
  private func addArrivalAtAnEnd(_ scenario: inout PolicyScenario, _ random: inout SeededRandom) throws {
    final class Ends: RunObserver {
      var times: [SimTime] = []
      func requestEnded(_ record: RequestRecord) { times.append(record.ended) }
    }
    let ends = Ends()
    _ = try Trial.simulate(
      scenario.configuration, policy: scenario.makePolicy(), source: ArraySource(scenario.requests),
      observer: ends)
    // Until then the run is the same with the newcomer: nobody knows of it.
    let newcomer = TraceRequest(
      arrival: random.pick(ends.times), prompt: random.integer(1...40), output: random.integer(1...40))
    let place = scenario.requests.firstIndex { $0.arrival > newcomer.arrival } ?? scenario.requests.count
    scenario.requests.insert(newcomer, at: place)
  }
}
