import Formatting
import Calibration
import Foundation
import Policies
import Results
import Sim
import Studies
import Workloads

/// What the layout options of the command line describe.
package enum LayoutScope {
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
  var multiple: SmallInstances = 1
  /// Sequences per instance, if an option of the policy sets them.
  var maxNumSeqs: Int?
  /// All options of the policy, defaults filled in.
  var options: [String: String] = [:]
  /// The name of its router.
  var router = ""
  /// How the policy lends.
  var lending = LendingOptions()
  /// What its instances were sized by.
  var sizing: RightSizing?

  /// Whether blocks may lie on another instance than their request's.
  var lends: Bool { lending.mode != .off && layout.count > 1 }

  /// Whether anything goes over the link between nodes: what instances lend each other, or what one that spans nodes
  /// exchanges with itself.
  var usesInterNodeLink: Bool {
    layout.cluster.nodes > 1 && (lends || layout.instances.contains { layout.nodes(of: $0).count > 1 })
  }
}

/// The model and the cluster that the options name.
package struct Machine {
  var model: ModelSpec
  var cluster: ClusterSpec
  var engine: EngineProfile
  /// Its name as it was given, for readers: "engine vllm-0.6.6 (profile vllm-0.4)".
  package var engineTitle: String
  /// The engine and version that was given, as it was read; `nil` for a profile by name.
  var engineVersion: String?
  /// What the model's file says and the simulator leaves out, and what is to be known of the engine's version.
  var notes: [String] = []
  /// Whether the engine chunks because contexts may be long (`EngineProfile.serving`).
  var cutsLongContexts = false

  init(_ options: RunOptions) throws {
    (model, notes) = try Self.model(options.model, weights: options.weights, kvType: options.kvDtype)
    let hardware = try Self.hardware(options.hardware)
    let choice = try Self.engineChoice(
      options.engineProfile, decodeKernel: options.decodeKernel, on: hardware, for: model)
    (engine, engineTitle, engineVersion) = (choice.profile, choice.title, choice.asked)
    notes += [choice.warning, options.kvAccounting?.engine?.warning].compactMap(\.self)
    if let scheduler = options.engine, scheduler != engine.scheduler {
      engine.scheduler = scheduler
      engine.limits = .vllm(scheduler)
    } else if options.engine == nil {
      let named = engine
      engine = engine.serving(model, maxModelLen: options.maxModelLen.tokens(for: model))
      if engine != named { cutsLongContexts = true }
    }
    if engine.scheduler == .chunked, let seqs = options.maxNumSeqs, let budget = options.maxNumBatchedTokens,
      seqs >= budget
    {
      throw CommandFailure(
        .usage, "--max-num-seqs \(seqs) must be below --max-num-batched-tokens \(budget) under chunked")
    }
    var link = try options.interNode.map(Self.link)
    // One node has none, whatever it is called: such runs are the same run.
    if options.nodes == 1 { link = nil }
    cluster = ClusterSpec(
      nodes: options.nodes, gpusPerNode: options.gpusPerNode, hardware: hardware, interNodeLink: link)
    try model.validate()
    try cluster.validate()
  }

  /// The preset or the file that `--model` names, its weights stored as `weights` and its KV cache as `kvType` if they say.
  package static func model(_ name: String, weights: WeightFormat? = nil, kvType: KVType = .model) throws -> (
    ModelSpec, notes: [String]
  ) {
    var found: (model: ModelSpec, notes: [String])
    if let preset = ModelCatalog.named(name) {
      found = (preset, [])
    } else if isPath(model: name) {
      // ORGANISATION/NAME is a repository as well as a path.
      if name.count(where: { $0 == "/" }) == 1, !name.hasPrefix("."), !name.hasPrefix("/"),
        !name.hasSuffix(".json"), !FileManager.default.fileExists(atPath: name)
      {
        throw CommandFailure(
          .missingInput,
          "--model \(name): neither a preset (`infinite-sim models` lists them with their repositories) nor a file or folder"
        )
      }
      let file = try ModelConfigFile(path: name)
      found = (file.model, file.notes)
    } else {
      throw OptionError.unknownName(
        option: "--model", found: name,
        valid: ModelCatalog.all.map(\.name) + ["the path of a config.json"])
    }
    if let weights { found.model.store(as: weights) }
    if kvType != .model { found.model.kvBytesPerElement = 1 }
    return found
  }

  /// The profile of the catalogue that `--hardware` names, or that of a hardware file.
  package static func hardware(_ name: String) throws -> HardwareSpec {
    if let known = HardwareCatalog.named(name) { return known }
    guard isPath(hardware: name) else {
      let card = name.lowercased()
      if HardwareCatalog.named(card + "-measured") != nil {
        throw CommandFailure(
          .usage,
          "--hardware \(name) is unknown: give \(card)-measured, which is what engines reach on it "
            + "(`infinite-sim hardware` lists all)")
      }
      throw OptionError.unknownName(
        option: "--hardware", found: name, valid: HardwareCatalog.all.map(\.name) + ["FILE.yaml"])
    }
    return try HardwareFile(path: name).spec
  }

  /// Whether `--hardware` is the path of a file and no name of the catalogue.
  package static func isPath(hardware name: String) -> Bool {
    HardwareCatalog.named(name) == nil
      && (name.contains("/") || name.hasSuffix(".yaml") || name.hasSuffix(".yml"))
  }

  /// The link that `--inter-node` names.
  package static func link(_ name: String) throws -> LinkClass {
    guard let link = LinkCatalog.named(name) else {
      throw OptionError.unknownName(
        option: "--inter-node", found: name, valid: LinkCatalog.all.map(\.name))
    }
    return link
  }

  /// The profile that `--engine-profile` names, or the hardware's, with the kernel of `--decode-kernel` if given.
  package static func engineChoice(
    _ name: String?, decodeKernel: DecodeKernel?, on hardware: HardwareSpec, for model: ModelSpec? = nil
  ) throws -> EngineChoice {
    var engine = EngineChoice(hardware.engine)
    if let name {
      do { engine = try EngineChoice(name) } catch EngineNameError.unknown {
        throw OptionError.unknownName(
          option: "--engine-profile", found: name,
          valid: EngineCatalog.all.map(\.name) + ["an engine and its version such as vllm-0.6.1"])
      } catch {
        throw CommandFailure(.usage, "--engine-profile \(name): \(error)")
      }
    }
    if let decodeKernel {
      guard model?.latent == nil else {
        throw CommandFailure(
          .usage,
          "--decode-kernel \(decodeKernel.rawValue): a latent (MLA) has one decode kernel; leave it out")
      }
      engine.profile.decodeKernel = decodeKernel
    }
    return engine
  }

  /// The profile alone.
  package static func engine(
    _ name: String?, decodeKernel: DecodeKernel?, on hardware: HardwareSpec, for model: ModelSpec? = nil
  ) throws -> EngineProfile {
    try engineChoice(name, decodeKernel: decodeKernel, on: hardware, for: model).profile
  }

  /// Whether `--model` is the path of a file and no name of the catalogue.
  static func isPath(model: String) -> Bool {
    ModelCatalog.named(model) == nil && (model.contains("/") || model.hasSuffix(".json"))
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
    var options = options
    var warnings = machine.notes
    let memory = try InstanceMemory(
      of: layout.shape, multiple: placed.multiple, maxNumSeqs: placed.maxNumSeqs, policy: placed.name,
      on: machine, options: options, pairs: pairs, scope: scope, warnings: &warnings)
    let (engine, blocks) = (memory.engine, memory.blocks)
    warnings += try memory.check(layout.shape, on: machine, options: options, lends: placed.lends)
    let managers = try Self.managers(options, pairs)
    var account = memory.capacity.lines
    if options.kvBlocks != nil { account.append("  \(grouped(blocks)) blocks are used: --kv-blocks") }
    if layout.idleGPUs > 0 { warnings.append("\(layout.idleGPUs) GPUs of the cluster are in no instance") }

    let spans = layout.instances.map { layout.nodes(of: $0).first!...layout.nodes(of: $0).last! }
    let nodes = (spans.map(\.upperBound).max() ?? 0) + 1
    var faults = try options.faults.map {
      try FaultYAML.read(path: $0, instances: layout.count, nodes: nodes)
    }
    if faults?.isEmpty == true {
      idle.append(.faultsOfNone)
      (faults, options.faults) = (nil, nil)
    }
    var costs = try InstanceCosts(
      model: machine.model, hardware: machine.cluster.hardware, shape: layout.shape,
      wiring: Self.slowestWiring(layout), engine: machine.engine)
    // The bound needs them all, and the run some of them.
    costs.tabulate(tokens: engine.maxNumBatchedTokens, samples: engine.maxNumSeqs)
    var sound = SimulationConfiguration(
      topology: InstanceTopology(
        nodeOfInstance: Self.nodeClasses(layout), spans: spans,
        withinNode: machine.cluster.hardware.queuedLink.costs,
        acrossNodes: machine.cluster.interNodeLink.costs, gpus: machine.cluster.gpus),
      costs: costs,
      blocksPerInstance: blocks, engine: engine, slo: options.slo, measured: machine.cluster.hardware.measured
    )
    sound.managers = managers

    var configuration = sound
    configuration.faults = faults ?? FaultPlan()

    policy = placed.name
    model = machine.model.title
    hardware =
      "\(machine.cluster.hardware.name), \(machine.engineTitle), decode kernel "
      + machine.engine.kernelName(for: machine.model, on: machine.cluster.hardware)
    cluster =
      "\(options.nodes) × \(options.gpusPerNode) GPUs, \(machine.cluster.hardware.inNodeLink.name) in the node, "
      + "\(machine.cluster.interNodeLink.name) between nodes"
    self.layout = "TP\(layout.shape.tp) × PP\(layout.shape.pp) × \(layout.count)"
    instances = layout.count
    sizing = placed.sizing
    sizingNote = placed.sizingNote
    if let sizing, !sizing.isHeld, let sizingNote { warnings.append(sizingNote) }
    maxNumSeqs = engine.maxNumSeqs
    maxNumBatchedTokens = engine.maxNumBatchedTokens
    blocksPerInstance = blocks
    self.account = account
    assumptions = Self.assumptions(placed, machine, engine, managers, options)
    self.warnings = warnings
    let lending = placed.lending
    let lends = placed.lends
    unvalidated = UnvalidatedCosts.sentences(
      model: machine.model, hardware: machine.cluster.hardware, shape: layout.shape, engine: machine.engine,
      interNodeLink: placed.usesInterNodeLink ? machine.cluster.interNodeLink : nil,
      cacheIsInt8: options.kvDtype == .int8)
    if let plan = faults, plan.hitsLinks, spans.contains(where: { $0.count > 1 }) {
      self.warnings.append(
        "faults of links act on what instances lend each other; what an instance that spans nodes exchanges with itself goes on"
      )
    }
    measured = machine.cluster.hardware.measured
    self.costs = machine.cluster.hardware.basis
    setUp = Self.setUp(machine, layout.shape, engine, account: memory.settings.accounting)
    manifest = Self.manifest(placed, machine, engine, managers, blocks: blocks, options, faults)
    bounds = { [configuration] arrivalsAreFixed in
      (lends && lending.coupling != .contended ? [.asCharged, .inFull] : [.asCharged]).map {
        ThroughputBound(configuration, lending: lending, remote: $0, arrivalsAreFixed: arrivalsAreFixed)
      }
    }
    self.simulate = simulate(configuration)
    simulateSound = faults.map { _ in simulate(sound) }
  }

  /// The managers' messages; the run's seed is also that of their luck.
  static func managers(_ options: RunOptions, _ pairs: OptionPairs) throws -> ProtocolOptions {
    var managers = ProtocolOptions()
    try ManagerOption.apply(ManagerOption.all, pairs, to: &managers)
    if managers != ProtocolOptions() { managers.seed = UInt64(options.seed) }
    do { try managers.validate() } catch { throw CommandFailure(.usage, "--option \(error)") }
    return managers
  }

  /// All instances are charged as the one whose stages or ranks are furthest apart.
  private static func slowestWiring(_ layout: ClusterLayout) -> InstanceWiring {
    layout.instances.map(layout.wiring(of:)).reduce(layout.wiring(of: InstanceID(0))) { slowest, wiring in
      wiring.stageLink.bytesPerSecond < slowest.stageLink.bytesPerSecond ? wiring : slowest
    }
  }

  /// The most sequences whose logits live at once: a step computes no more tokens than its budget, and the
  /// pipeline's micro-batches share the sequences of the instance.
  package static func sequencesPerStep(_ engine: EngineOptions, _ shape: InstanceShape) -> Int {
    (min(engine.maxNumSeqs, engine.maxNumBatchedTokens) + shape.pp - 1) / shape.pp
  }

  /// A number for each instance, equal exactly for those all of whose stages are, pairwise, in the same node.
  package static func nodeClasses(_ layout: ClusterLayout) -> [Int] {
    // Equal stages have equal first nodes: only those are compared.
    var classesByHome: [Int: [(number: Int, member: InstanceID)]] = [:]
    var count = 0
    return layout.instances.map { instance in
      let home = layout.homeNode(of: instance)
      if let known = classesByHome[home]?.first(where: { layout.sameNode($0.member, instance) }) {
        return known.number
      }
      classesByHome[home, default: []].append((count, instance))
      count += 1
      return count - 1
    }
  }

  private static func assumptions(
    _ placed: PlacedPolicy, _ machine: Machine, _ engine: EngineOptions, _ managers: ProtocolOptions,
    _ options: RunOptions
  )
    -> [String]
  {
    let prefill =
      switch engine.prefillAttention {
      case .distributed:
        "the hosts of a prompt's earlier blocks attend to them, chunk by chunk (assumed: not published)"
      case .home: "the home attends to the whole prompt and streams the KV out (the paper's first version)"
      case .free: "no prefill is charged to any contender"
      }
    // As `InstanceCosts` has it: pipelines schedule in step (ADR 18).
    let scheduling =
      machine.engine.overlapsHost && placed.layout.shape.pp == 1
      ? "asynchronous scheduling, " : engine.kind == .chunked ? "synchronous scheduling, " : ""
    let accounting = options.kvAccounting?.account ?? machine.engine.accounting
    // SGLang's order of work is that of vLLM's V0 engine.
    let engineName =
      engine.kind == .vllmV0 && !machine.engine.name.hasPrefix("vllm")
      ? "engine \(machine.engine.name), whole prompts first as vllm-v0" : "engine \(engine.kind.rawValue)"
    var lines = [
      "prefill-attention=\(engine.prefillAttention.rawValue): \(prefill)",
      "\(engineName): token budget \(grouped(engine.maxNumBatchedTokens)), "
        + scheduling
        + "prefix caching \(engine.prefixCaching ? "on" : "off")",
      options.router?.rawValue == placed.router && placed.layout.count > 1
        ? "router \(placed.router), the same for all contenders that do not route by themselves"
        : "\(placed.name), router: \(placed.router)",
      "KV memory by account \(accounting.name), \(options.kvAccounting == nil ? "the engine profile's" : "--kv-accounting"): "
        + accounting.summary,
      "all instances are charged as the one whose stages are furthest apart; links are not shared",
    ]
    if machine.cutsLongContexts {
      lines.append(
        "contexts may be longer than \(grouped(DefaultLimits.longContext)) tokens, where vLLM cuts prompts into chunks: engine "
          + "chunked instead of vllm-v0 (--engine vllm-v0 runs prompts whole)")
    }
    if let note = machine.engine.wholePromptsNote, engine.kind == .vllmV0 { lines.append(note) }
    if let coupling = placed.options["coupling"].flatMap(Coupling.init(rawValue:)) {
      let payment =
        switch coupling {
        case .contended:
          "a GPU's time is spent once: a host answers between two of its own kernels and takes longer for its own steps, and "
            + "the home waits for the slowest"
        case .paper:
          "a busy host is charged for what it holds for others once per step of its own, whatever the home's "
            + "rate, and an idle one nothing: lending looks better than it is"
        case .fluid:
          "a host slows down by the share of its memory bandwidth that the homes' decode steps use, and an idle one attends for "
            + "nothing: lending looks better than it is"
        }
      lines.append("\(placed.name), coupling=\(coupling.rawValue): \(payment)")
    }
    if let faults = options.faults {
      lines.append("faults of \(faults): what is lost is computed again (docs/faults.md)")
    }
    if managers != ProtocolOptions(), placed.lending.mode == .proactive || placed.lending.mode == .plannerOnly
    {
      lines.append("\(placed.name), the managers' messages: \(managers.text)")
    }
    if let note = placed.sizingNote { lines.append(note) }
    if placed.name == "vllm-s", placed.layout.shape.pp > 1 {
      lines.append(
        "vllm-s, PP \(placed.layout.shape.pp): one shared KV pool for all micro-batches, kinder to vllm-s than "
          + "vLLM v0's partitioned one")
    }
    return lines
  }

  private static func manifest(
    _ placed: PlacedPolicy, _ machine: Machine, _ engine: EngineOptions, _ managers: ProtocolOptions,
    blocks: Int, _ options: RunOptions, _ faults: FaultPlan?
  ) -> @Sendable (Workload) -> Manifest {
    var policyOptions = placed.options
    policyOptions["router"] = placed.router
    if let sizing = placed.sizing { policyOptions["longest"] = String(sizing.longest) }
    let shape = placed.layout.shape
    let (name, slo) = (placed.name, options.slo)
    let instances = placed.layout.count
    // Asked for only where runs are kept: reflecting on the specifications takes longer than a short run.
    return { [policyOptions] workload in
      let cluster: JSON = [
        "nodes": .int(machine.cluster.nodes),
        "gpus_per_node": .int(machine.cluster.gpusPerNode),
        "exchange_link": JSON(reflecting: machine.cluster.hardware.queuedLink),
        "inter_node_link": JSON(reflecting: machine.cluster.interNodeLink),
        "tp": .int(shape.tp), "pp": .int(shape.pp), "tp_across_nodes": .bool(shape.tpAcrossNodes),
        "expert_parallel": .bool(shape.expertParallel),
        "instances": .int(instances),
        "kv_blocks": .int(blocks),
      ]
      let model = JSON(machine.model)
      let hardware = JSON(reflecting: machine.cluster.hardware)
      let pairs = JSON.object(policyOptions.map { .init($0.key, .string($0.value)) }).canonical
      let profile = JSON(reflecting: machine.engine)
      return Manifest(
        programVersion: ThisProgram.version, cluster: cluster, model: model, hardware: hardware,
        policy: name, policyOptions: pairs, engine: engine, managers: managers, engineProfile: profile,
        slo: slo, trace: workload.name, workload: workload.manifest, seed: workload.seed,
        faults: faults.map(JSON.init(reflecting:)))
    }
  }
}

extension PlacedPolicy {
  /// The TP that was chosen by the longest request, and what that rests on.
  fileprivate var sizingNote: String? {
    guard let sizing else { return nil }
    let why =
      sizing.isHeld
      ? "the smallest within a node whose instance holds the longest request"
      : "the largest within a node, and not even its instance holds the longest request"
    return
      "\(name) takes TP\(layout.shape.tp), \(why), \(grouped(sizing.longest)) tokens of prompt and output: it reads "
      + "hidden output lengths, an oracle sizing that a planner does from the trace's history; what its instances do not hold "
      + "is rejected as under any policy"
  }
}

extension EngineProfile {
  /// What of its batching is not as the engine does it.
  fileprivate var wholePromptsNote: String? {
    guard name == EngineCatalog.sglang.name else { return nil }
    return
      "SGLang cuts prompts beyond 8,192 tokens into chunks; here they run whole, so that such a prompt holds up others for "
      + "longer (--engine chunked cuts them, and mixes them with decoding)"
  }

  /// The decode kernel that `model` is charged on it: a latent has one of its own, where FlashAttention-3 was measured all are charged
  /// as it, and FlashAttention-2 does not split the contexts of multi-head models.
  package func kernelName(for model: ModelSpec, on hardware: HardwareSpec) -> String {
    if model.latent != nil { return "MLA, Triton" }
    guard hardware.flashAttention3 == nil else {
      return decodeKernel == .flashAttention
        ? "FlashAttention-3" : "\(decodeKernel.rawValue) (charged as FlashAttention-3)"
    }
    return decodeKernel.rawValue + (decodeKernel == .flashAttention && model.isMultiHead ? " (no split)" : "")
  }
}

extension ProtocolOptions {
  /// What it says, for a reader.
  fileprivate var text: String {
    var parts = ["a delay of \(figure(delay.seconds)) s"]
    if jitter > .zero { parts.append("and up to \(figure(jitter.seconds)) s more") }
    for (permille, what) in [
      (lossPermille, "lost"), (duplicatePermille, "doubled"), (reorderPermille, "held back"),
    ] where permille > 0 {
      parts.append("\(figure(Double(permille) / 10)) % \(what)")
    }
    if let heartbeatPeriod { parts.append("heartbeats every \(figure(heartbeatPeriod.seconds)) s") }
    return parts.joined(separator: ", ")
  }
}

extension FaultPlan {
  /// Whether it has a fault of a link.
  fileprivate var hitsLinks: Bool {
    (timed.map(\.fault) + random.map(\.fault)).contains {
      switch $0 {
      case .linkLoss, .linkSlowdown: true
      default: false
      }
    }
  }
}
