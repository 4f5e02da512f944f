import Runs
import ArgumentParser
import Results
import Sim

/// `infinite-sim cost`: what the cost model says, without a run.
struct CostCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cost", abstract: "Explain the time of one iteration, operator by operator.",
    subcommands: [
      CostIterationCommand.self, CostSweepCommand.self, CostShippingCommand.self,
      CostDistAttentionCommand.self,
    ],
    defaultSubcommand: CostIterationCommand.self)
}

/// The instance that the `cost` commands look at.
struct InstanceOptions: ParsableArguments {
  @Option(
    help:
      "Model preset by its name or its Hugging Face name (see `infinite-sim models`), or the path of a config.json."
  )
  var model = "llama2-7b"
  @Option(
    name: [.customLong("weights"), .customLong("quantization")],
    help: ArgumentHelp(
      "Weights of the layers: bf16, fp8, fp8-block, int4 or mxfp4. (default: as the model is published)"))
  var weights: WeightFormat?
  @Option(help: "Hardware profile, or the path of a YAML file; see `infinite-sim hardware`.")
  var hardware = "a100-measured"
  @Option(
    help: ArgumentHelp(
      "Engine profile, or an engine and its version such as vllm-0.6.1; see `infinite-sim engines`. (default: the hardware's)"
    ))
  var engineProfile: String?
  @Option(
    help: ArgumentHelp("Decode attention: flashinfer, flash-attention or no-split. (default: the profile's)"))
  var decodeKernel: DecodeKernel?
  @Option(
    name: [.customLong("kv-dtype"), .customLong("kv-cache-dtype")],
    help:
      "Element of the KV cache: model or auto (as the model is published), fp8 or int8 of a byte each (fp8 is measured on h100-measured and h200-measured, int8 nowhere)."
  )
  var kvDtype = KVType.model
  @Option(help: "Ranks of a tensor-parallel group.")
  var tp = 1
  @Option(help: "Pipeline stages.")
  var pp = 1
  @Flag(help: "Ranks of a TP group hold whole experts, 1 / TP of them, instead of a slice of each.")
  var expertParallel = false
  @Option(help: "GPUs of a node: TP beyond it crosses nodes.")
  var gpusPerNode = 8
  @Option(help: ArgumentHelp("Link between nodes; see `infinite-sim hardware`. (default: the profile's)"))
  var interNode: String?

  mutating func validate() throws {
    for (name, value) in [("--tp", tp), ("--pp", pp), ("--gpus-per-node", gpusPerNode)]
    where !(1...4_096).contains(value) {
      throw ValidationError("\(name) is \(value), expected 1 to 4096.")
    }
  }
}

extension InstanceOptions {
  func idle(_ instance: CostedInstance) -> [IdleOption] {
    instance.link == nil ? IdleOption.given(["--inter-node"], "on one node") : []
  }
}

/// One instance: resolved from the options and checked.
struct CostedInstance {
  var model: ModelSpec
  var hardware: HardwareSpec
  var engine: EngineProfile
  /// Its name as it was given, for readers, and the version alone.
  var engineTitle: String
  var engineVersion: String?
  var shape: InstanceShape
  var wiring: InstanceWiring
  var link: LinkClass?
  var notes: [String]

  init(_ options: InstanceOptions) throws {
    (model, notes) = try Machine.model(
      options.model, weights: options.weights, kvType: options.kvDtype)
    hardware = try Machine.hardware(options.hardware)
    let choice = try Machine.engineChoice(
      options.engineProfile, decodeKernel: options.decodeKernel, on: hardware, for: model)
    (engine, engineTitle, engineVersion) = (choice.profile, choice.title, choice.asked)
    if let warning = choice.warning { notes.append(warning) }
    let between = try options.interNode.map(Machine.link) ?? hardware.interNodeLink
    shape = InstanceShape(
      tp: options.tp, pp: options.pp, tpAcrossNodes: options.tp > options.gpusPerNode,
      expertParallel: options.expertParallel)
    try shape.validate(for: model)
    // One node more than the GPUs need: a TP group may leave the rest of its node idle.
    let nodes = shape.pp * ((shape.tp + options.gpusPerNode - 1) / options.gpusPerNode)
    let cluster = ClusterSpec(
      nodes: nodes, gpusPerNode: options.gpusPerNode, hardware: hardware, interNodeLink: between)
    let layout = try ClusterLayout.make(cluster: cluster, shape: shape, instances: 1)
    wiring = layout.wiring(of: InstanceID(0))
    link = layout.nodes(of: InstanceID(0)).count > 1 ? between : nil
  }

  /// What of its costs no measurement supports.
  var unvalidated: [String] {
    UnvalidatedCosts.sentences(
      model: model, hardware: hardware, shape: shape, engine: engine, interNodeLink: link)
  }

  var roofline: Roofline { Roofline(of: hardware, link: link) }

  func explain(_ iteration: Iteration) throws -> IterationExplained {
    try IterationExplained(
      iteration, model: model, hardware: hardware, shape: shape, wiring: wiring, engine: engine)
  }

  /// Says on stderr what the reader should know; `more` is not validated of one iteration.
  func warn(_ extrapolations: [String], unvalidated more: [String] = []) {
    for note in notes { writeToStandardError("warning: \(note)\n") }
    for sentence in unvalidated + more { writeToStandardError("unvalidated: \(sentence)\n") }
    for sentence in extrapolations { writeToStandardError("warning: costs are extrapolated: \(sentence)\n") }
  }

  /// What its costs rest on, line by line.
  func basis(_ extrapolations: [String], unvalidated more: [String] = []) -> String {
    let unvalidated = self.unvalidated + more
    return
      "Costs rest on \(BasisMark(costs: hardware.basis, unvalidated: unvalidated.count, overMeasured: nil).text).\n"
      + unvalidated.map { "Unvalidated: \($0).\n" }.joined()
      + extrapolations.map { "Extrapolated: \($0).\n" }.joined()
  }

  /// The set-up in one line.
  var text: String {
    "\(model.title), TP\(shape.tp) × PP\(shape.pp)\(shape.expertParallel ? ", expert parallel" : ""), "
      + "\(hardware.name), \(engineTitle), decode kernel \(engine.kernelName(for: model, on: hardware))"
  }

  var json: JSON {
    [
      "model": .string(model.name), "tp": .int(shape.tp), "pp": .int(shape.pp),
      "expert_parallel": .bool(shape.expertParallel), "hardware": .string(hardware.name),
      "costs": .string(hardware.basis.rawValue),
      "engine_profile": .string(engine.name), "engine_version": .optional(engineVersion),
      "decode_kernel": .string(engine.kernelName(for: model, on: hardware)),
    ]
  }
}
