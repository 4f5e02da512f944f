import Results
import Sim
import Workloads

/// What the layout options of the command line describe.
enum LayoutScope {
  /// The instance of the policy itself (`run`).
  case itself
  /// The instance of vllm-m, from which others derive theirs (`compare`, semantics.md 33).
  case vllmM
}

/// A policy with the cluster cut as it wants it.
struct PlacedPolicy {
  var name: String
  var layout: ClusterLayout
  /// How many instances of vllm-m one of its instances stands for: sequences and blocks are multiplied by it.
  var multiple = 1
  /// Sequences per instance, if an option of the policy sets them.
  var maxNumSeqs: Int?
  /// All options of the policy, defaults filled in.
  var options: [String: String] = [:]
}

/// The model and the cluster that the options name.
struct Machine {
  var model: ModelSpec
  var cluster: ClusterSpec
  /// What the model's file says and the simulator leaves out.
  var notes: [String] = []

  init(_ options: RunOptions) throws {
    if let preset = ModelCatalog.named(options.model) {
      model = preset
    } else if options.model.contains("/") || options.model.hasSuffix(".json") {
      let file = try ModelConfigFile(path: options.model)
      model = file.model
      notes = file.notes
    } else {
      throw OptionError.unknownName(
        option: "--model", found: options.model,
        valid: ModelCatalog.all.map(\.name) + ["the path of a config.json"])
    }
    guard let hardware = HardwareCatalog.named(options.hardware) else {
      throw OptionError.unknownName(
        option: "--hardware", found: options.hardware, valid: HardwareCatalog.all.map(\.name))
    }
    let link = try options.interNode.map { name in
      guard let link = LinkCatalog.named(name) else {
        throw OptionError.unknownName(
          option: "--inter-node", found: name, valid: LinkCatalog.all.map(\.name))
      }
      return link
    }
    cluster = ClusterSpec(
      nodes: options.nodes, gpusPerNode: options.gpusPerNode, hardware: hardware, interNodeLink: link)
    try model.validate()
    try cluster.validate()
  }
}

extension RunPlan {
  /// The plan of a placed policy: engine settings, memory, costs and manifest follow from the options.
  ///
  /// `simulate` makes the run's closure from its configuration; it is a parameter so that plans can be made
  /// and tested without an engine.
  init(
    placing placed: PlacedPolicy, on machine: Machine, options: RunOptions, pairs: OptionPairs,
    scope: LayoutScope, simulate: (SimulationConfiguration) -> Simulate
  ) throws {
    let layout = placed.layout
    var warnings = machine.notes
    let engine = try Self.engine(placed, machine.model, options, pairs, scope, &warnings)
    let capacity = try KVCapacity(
      model: machine.model, hardware: machine.cluster.hardware, shape: layout.shape,
      settings: KVMemorySettings(
        utilisation: options.gpuMemoryUtilization, blockSize: engine.blockSize,
        maxBatchedTokens: engine.maxNumBatchedTokens, maxSequences: engine.maxNumSeqs))
    let given = options.kvBlocks.map { $0 * (scope == .vllmM ? placed.multiple : 1) }
    let blocks = given ?? capacity.blocks
    var account = capacity.lines
    if let given { account.append("  \(grouped(given)) blocks are used: --kv-blocks") }
    if layout.idleGPUs > 0 { warnings.append("\(layout.idleGPUs) GPUs of the cluster are in no instance") }

    let configuration = SimulationConfiguration(
      topology: InstanceTopology(
        nodeOfInstance: layout.instances.map(layout.homeNode(of:)),
        withinNode: machine.cluster.hardware.inNodeLink.costs,
        acrossNodes: machine.cluster.interNodeLink.costs, gpus: machine.cluster.gpus),
      costs: try InstanceCosts(
        model: machine.model, hardware: machine.cluster.hardware, shape: layout.shape,
        wiring: Self.slowestWiring(layout), eager: engine.eager),
      blocksPerInstance: blocks, engine: engine, slo: options.slo, measured: machine.cluster.hardware.measured
    )

    policy = placed.name
    model = machine.model.name
    hardware = machine.cluster.hardware.name
    cluster =
      "\(options.nodes) × \(options.gpusPerNode) GPUs, \(machine.cluster.hardware.inNodeLink.name) in the node, "
      + "\(machine.cluster.interNodeLink.name) between nodes"
    self.layout = "TP\(layout.shape.tp) × PP\(layout.shape.pp) × \(layout.count)"
    instances = layout.count
    maxNumSeqs = engine.maxNumSeqs
    blocksPerInstance = blocks
    self.account = account
    assumptions = Self.assumptions(engine, options)
    self.warnings = warnings
    measured = machine.cluster.hardware.measured
    manifest = Self.manifest(placed, machine, engine, blocks: blocks, options)
    self.simulate = simulate(configuration)
  }

  private static func engine(
    _ placed: PlacedPolicy, _ model: ModelSpec, _ options: RunOptions, _ pairs: OptionPairs,
    _ scope: LayoutScope, _ warnings: inout [String]
  ) throws -> EngineOptions {
    var engine = EngineOptions()
    engine.kind = options.engine
    engine.stepByStep = options.stepByStep
    // vLLM v0 takes the model's context, at least 2,048; v1's server default on an A100 is 2,048.
    engine.maxNumBatchedTokens =
      options.maxNumBatchedTokens ?? (options.engine == .vllmV0 ? max(model.maxPosition, 2048) : 2048)
    let multiple = scope == .vllmM || options.maxNumSeqs == nil ? placed.multiple : 1
    engine.maxNumSeqs =
      placed.maxNumSeqs ?? (options.maxNumSeqs ?? EngineOptions().maxNumSeqs) * multiple
    if engine.kind == .chunked, engine.maxNumSeqs >= engine.maxNumBatchedTokens {
      warnings.append(
        "chunked needs fewer sequences than its token budget: \(placed.name) runs "
          + "\(engine.maxNumBatchedTokens - 1) instead of \(engine.maxNumSeqs)")
      engine.maxNumSeqs = engine.maxNumBatchedTokens - 1
    }
    guard engine.maxNumSeqs >= 1 else {
      throw CommandFailure(.usage, "--max-num-batched-tokens \(engine.maxNumBatchedTokens) is too small")
    }
    try EngineOption.apply(pairs, to: &engine)
    return engine
  }

  /// All instances are charged as the one whose stages or ranks are furthest apart.
  private static func slowestWiring(_ layout: ClusterLayout) -> InstanceWiring {
    layout.instances.map(layout.wiring(of:)).reduce(layout.wiring(of: InstanceID(0))) { slowest, wiring in
      wiring.stageLink.bytesPerSecond < slowest.stageLink.bytesPerSecond ? wiring : slowest
    }
  }

  private static func assumptions(_ engine: EngineOptions, _ options: RunOptions) -> [String] {
    let prefill =
      switch engine.prefillAttention {
      case .distributed:
        "the hosts of a prompt's earlier blocks attend to them, chunk by chunk (assumed: not published)"
      case .home: "the home attends to the whole prompt and streams the KV out (the paper's first version)"
      case .free: "no prefill is charged to any contender"
      }
    return [
      "prefill-attention=\(engine.prefillAttention.rawValue): \(prefill)",
      "engine \(engine.kind.rawValue): token budget \(grouped(engine.maxNumBatchedTokens)), prefix caching off",
      "router \(options.router.rawValue), the same for all contenders",
      "all instances are charged as the one whose stages are furthest apart; links are not shared",
    ]
  }

  private static func manifest(
    _ placed: PlacedPolicy, _ machine: Machine, _ engine: EngineOptions, blocks: Int, _ options: RunOptions
  ) -> @Sendable (Workload) -> Manifest {
    var policyOptions = placed.options
    policyOptions["router"] = options.router.rawValue
    let shape = placed.layout.shape
    let cluster: JSON = [
      "nodes": .int(machine.cluster.nodes),
      "gpus_per_node": .int(machine.cluster.gpusPerNode),
      "inter_node_link": JSON(reflecting: machine.cluster.interNodeLink),
      "tp": .int(shape.tp), "pp": .int(shape.pp), "tp_across_nodes": .bool(shape.tpAcrossNodes),
      "instances": .int(placed.layout.count),
      "kv_blocks": .int(blocks),
    ]
    let model = JSON(reflecting: machine.model)
    let hardware = JSON(reflecting: machine.cluster.hardware)
    let pairs = JSON.object(policyOptions.map { .init($0.key, .string($0.value)) }).canonical
    let (name, slo) = (placed.name, options.slo)
    return { workload in
      Manifest(
        programVersion: InfiniteSim.programVersion, cluster: cluster, model: model, hardware: hardware,
        policy: name, policyOptions: pairs, engine: engine, slo: slo, trace: workload.name,
        workload: workload.manifest, seed: workload.seed)
    }
  }
}
