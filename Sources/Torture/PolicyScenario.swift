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

  /// All that decides the run, for failure messages. The scenario is drawn again from its seed.
  public var replay: String {
    let options = request.options.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    return
      "\(policyName) \(configuration.engine.kind.rawValue) seed \(seed): \(configuration.topology.count) "
      + "instances of \(configuration.blocksPerInstance) blocks, PP \(configuration.costs.stages), "
      + "\(requests.count) requests, \(request.router.rawValue) \(options.joined(separator: " "))"
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

/// Draws scenarios for any policy of the catalogue. A policy it has never heard of gets its default options.
public struct PolicyScenarios: Sendable {
  public var policyName: String
  public var engine: EngineKind
  /// Whether faults are drawn as well.
  public var faults = false
  /// Whether planners, where there are any, move more than elsewhere.
  public var movesOften = false

  public init(policyName: String, engine: EngineKind) {
    self.policyName = policyName
    self.engine = engine
  }

  /// The options worth varying, with their values; more often where a value is repeated. Times are in seconds: a
  /// step takes a few dozen units of 10⁻⁸ s, so a period is a few to a few hundred steps.
  private static let choices: [String: [String]] = [
    "steal": ["false", "false", "true"],
    "vllm-s-tp": ["auto", "auto", "1"],
    "vllm-s-across": ["pp", "pp", "tp"],
    "lending": ["proactive", "proactive", "proactive", "passive", "planner-only", "planner-only", "off"],
    "beta-threshold": ["1", "2", "4", "8", "64", "64"],
    "u-threshold": ["0.5", "0.9", "0.9", "1"],
    "period": ["0.000001", "0.000002", "0.000005", "0.00001", "0.00002"],
    "borrow-chunk": ["1", "2", "4", "16"],
    "move-tokens-per-step": ["1", "4", "16", "16", "32", "64"],
    "lend-while-queueing": ["false", "false", "false", "true"],
    "reserve-giants": ["true", "true", "false"],
    "placement": ["spread", "spread", "pack"],
    "coupling": ["paper", "paper", "fluid"],
    "min-gain": ["0", "0", "0.001", "0.01"],
    "cooldown": ["0", "0", "1", "3"],
    "pool-routing": ["true", "true", "false"],
    "spread-from": ["0", "8", "40", "100", "200"],
    "node-first": ["true", "false"],
    "share-from": ["1", "16", "64"],
  ]

  /// The scenario of `seed`: the same on every machine.
  public func scenario(seed: UInt64) throws -> PolicyScenario {
    var random = SeededRandom(seed: seed)
    let keys = PolicyCatalog.all.first { $0.name == policyName }?.options.map(\.key) ?? []
    var options: [String: String] = [:]
    for key in keys.sorted() {
      if let values = Self.choices[key] { options[key] = random.pick(values) }
    }
    if movesOften {
      // Plans are rarer, as they cost the most, and moves take longer.
      let values = [
        ("lending", ["proactive"]), ("min-gain", ["0"]), ("cooldown", ["0"]), ("beta-threshold", ["64"]),
        ("move-tokens-per-step", ["1", "1", "2"]), ("period", ["0.000008", "0.00001", "0.00002"]),
      ]
      for (key, choices) in values where options[key] != nil && (key == "period" || random.chance(80)) {
        options[key] = random.pick(choices)
      }
    }
    let lends = options["lending", default: "off"] != "off"
    var generator = ScenarioGenerator(engine: engine, lending: lends)
    generator.unit = 10_000

    let count = lends ? random.pick([2, 2, 2, 3, 4, 5]) : random.integer(1...5)
    let shape = InstanceShape(tp: random.pick([1, 1, 1, 2, 4]), pp: random.pick([1, 1, 1, 1, 2, 3]))
    // GPUs of a node are a power of two, as on real ones, so that every policy can use them all.
    let nodes = random.integer(1...3)
    var gpusPerNode = 1
    while gpusPerNode < shape.gpus * ((count + nodes - 1) / nodes) { gpusPerNode *= 2 }
    let request = PolicyRequest(
      cluster: ClusterSpec(nodes: nodes, gpusPerNode: gpusPerNode, hardware: HardwareCatalog.a100Measured),
      model: ModelCatalog.llama7B, tp: shape.tp, pp: shape.pp, instances: count,
      router: random.pick(Router.allCases), options: options)
    let plan = try PolicyCatalog.make(policyName, request)
    let layout = plan.layout

    let blockSize = random.pick([16, 16, 16, 16, 8, 4])
    let blocks = random.integer(8...60)
    var engineOptions = generator.engineOptions(blockSize: blockSize, &random)
    engineOptions.maxNumSeqs = min(
      plan.maxNumSeqs ?? engineOptions.maxNumSeqs * plan.multiple, engineOptions.maxNumBatchedTokens - 1)
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
      let faults = FaultGenerator(unit: generator.unit)
      scenario.configuration.managers = faults.managers(&random)
      scenario.configuration.faults = faults.plan(for: scenario, &random)
    }
    return scenario
  }

  /// Lets one more request arrive in the very instant in which another one ends: on a single instance this is rare.
  private func addArrivalAtAnEnd(_ scenario: inout PolicyScenario, _ random: inout SeededRandom) throws {
    final class Ends: RunObserver {
      var times: [SimTime] = []
      func requestEnded(_ record: RequestRecord) { times.append(record.ended) }
    }
    let ends = Ends()
    _ = try Simulation(scenario.configuration, policy: scenario.makePolicy(), observer: ends)
      .run(ArraySource(scenario.requests))
    // Until then the run is the same with the newcomer: nobody knows of it.
    let newcomer = TraceRequest(
      arrival: random.pick(ends.times), prompt: random.integer(1...40), output: random.integer(1...40))
    let place = scenario.requests.firstIndex { $0.arrival > newcomer.arrival } ?? scenario.requests.count
    scenario.requests.insert(newcomer, at: place)
  }
}
