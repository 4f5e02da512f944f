/// What a serving engine adds to its kernels, which kernels it runs, and how it batches: one named profile.
public struct EngineProfile: Hashable, Sendable {
  /// The name in `EngineCatalog`.
  public var name: String
  /// One line for the catalogue.
  public var summary: String
  /// The scheduler that it runs, unless the run says otherwise.
  public var scheduler: EngineKind
  /// What it lets into a step, unless the run says otherwise.
  public var limits: DefaultLimits
  /// How it finds what memory is left for the KV cache, unless the run says otherwise.
  public var accounting: KVAccounting
  /// CPU time of an iteration.
  public var host: HostCost
  /// Asynchronous scheduling: the CPU prepares the next step while the GPUs compute this one, so that a step takes the
  /// longer of both and not their sum.
  public var overlapsHost: Bool
  /// Time between kernels that the GPU stands idle, µs per layer.
  public var gapPerLayer: Double
  /// The least time of a layer in a step that only decodes, where kernels are launched one by one, µs; 0 with CUDA graphs.
  public var launchFloorPerLayer: Double
  /// The same of a step that prefills: such steps run outside the graphs, or in graphs of a piece of a layer each.
  public var prefillLaunchFloorPerLayer: Double
  /// The sizes that CUDA graphs were captured for, to which a step's tokens are padded; `nil` for none.
  public var graphSizes: GraphSizes?
  /// Which decode attention it runs.
  public var decodeKernel: DecodeKernel
  /// Memory bandwidth of this engine's build of that kernel, as a share of what the hardware profile has for it.
  public var decodeBandwidthShare: Double
  /// Arithmetic rate of this engine's prefill attention, as a share of what the hardware profile has for it.
  public var prefillAttentionShare: Double
  /// Whether one kernel adds the residual and norms the sum, so that the addition has no launch of its own.
  public var fusesResidual: Bool
  /// Whether small tensors of a TP group are summed by vLLM's own kernel instead of NCCL.
  public var customAllReduce: Bool

  /// Takes the parts as they are.
  public init(
    name: String, summary: String, scheduler: EngineKind = .vllmV0, limits: DefaultLimits? = nil,
    accounting: KVAccounting = .assumed, host: HostCost,
    overlapsHost: Bool = false, gapPerLayer: Double = 0,
    launchFloorPerLayer: Double = 0, prefillLaunchFloorPerLayer: Double? = nil, graphSizes: GraphSizes? = nil,
    decodeKernel: DecodeKernel = .flashInfer, decodeBandwidthShare: Double = 1,
    prefillAttentionShare: Double = 1, fusesResidual: Bool = false, customAllReduce: Bool = false
  ) {
    self.name = name
    self.summary = summary
    self.scheduler = scheduler
    self.limits = limits ?? .vllm(scheduler)
    self.accounting = accounting
    self.host = host
    self.overlapsHost = overlapsHost
    self.gapPerLayer = gapPerLayer
    self.launchFloorPerLayer = launchFloorPerLayer
    self.prefillLaunchFloorPerLayer = prefillLaunchFloorPerLayer ?? launchFloorPerLayer
    self.graphSizes = graphSizes
    self.decodeKernel = decodeKernel
    self.decodeBandwidthShare = decodeBandwidthShare
    self.prefillAttentionShare = prefillAttentionShare
    self.fusesResidual = fusesResidual
    self.customAllReduce = customAllReduce
  }
}

/// The most that an engine lets into a step: `max_num_batched_tokens` and `max_num_seqs`.
public struct StepLimits: Hashable, Sendable {
  /// Tokens; `nil` for the model's context, at least 2,048.
  public var tokens: Int?
  /// Sequences.
  public var sequences: Int

  /// Takes the parts as they are.
  public init(tokens: Int?, sequences: Int) {
    self.tokens = tokens
    self.sequences = sequences
  }
}

/// The limits that an engine has by default, which may depend on the GPU.
public struct DefaultLimits: Hashable, Sendable {
  /// On an A100, and on GPUs of less than 70 GiB.
  public var limits: StepLimits
  /// On others.
  public var onLargeGPUs: StepLimits
  /// The token budget of an engine that else prefills prompts whole, where contexts are longer than `longContext`: it cuts them
  /// into chunks then. `nil` for one that never does, or always.
  public var longContextBudget: Int?

  /// Takes the parts as they are.
  public init(_ limits: StepLimits, onLargeGPUs: StepLimits? = nil, longContextBudget: Int? = nil) {
    self.limits = limits
    self.onLargeGPUs = onLargeGPUs ?? limits
    self.longContextBudget = longContextBudget
  }

  /// Above so many tokens of context vLLM V0 chunks by default (vllm-project/vllm#6666).
  public static let longContext = 32_768

  /// vLLM v0, which prefills prompts whole.
  public static let vllmV0 = DefaultLimits(StepLimits(tokens: nil, sequences: 256))
  /// vLLM 0.5.3 to 0.6.3: chunks of 512 for long contexts (vllm/config.py, SchedulerConfig).
  public static let vllm053 = DefaultLimits(
    StepLimits(tokens: nil, sequences: 256), longContextBudget: 512)
  /// vLLM 0.6.4 and later, V0: chunks of 2,048 for long contexts (the same).
  public static let vllm064 = DefaultLimits(
    StepLimits(tokens: nil, sequences: 256), longContextBudget: 2_048)
  /// vLLM v1 as a server (vllm/engine/arg_utils.py, `get_batch_defaults`).
  public static let vllmV1 = DefaultLimits(
    StepLimits(tokens: 2_048, sequences: 256), onLargeGPUs: StepLimits(tokens: 8_192, sequences: 1_024))

  /// Those of vLLM with `scheduler`.
  public static func vllm(_ scheduler: EngineKind) -> DefaultLimits {
    switch scheduler {
    case .vllmV0: vllmV0
    case .chunked: vllmV1
    }
  }

  /// Those of vLLM's V0 engine of a version.
  static func vllmV0(version: [Int]) -> DefaultLimits {
    if version.lexicographicallyPrecedes([0, 5, 3]) { return .vllmV0 }
    return version.lexicographicallyPrecedes([0, 6, 4]) ? .vllm053 : .vllm064
  }

  /// The context that a step is sized by: the longest that is served, but not beyond what the model was made for.
  static func context(_ model: ModelSpec, _ maxModelLen: Int?) -> Int {
    min(model.maxPosition, maxModelLen ?? model.maxPosition)
  }

  /// Tokens and sequences of a step of `model` on `hardware`, whose longest context is `maxModelLen` if it is given.
  public func of(_ model: ModelSpec, on hardware: HardwareSpec, maxModelLen: Int? = nil) -> (
    tokens: Int, sequences: Int
  ) {
    // As vLLM asks the driver: 70 GiB or more, and no "a100" in the name.
    let isLarge = hardware.memoryBytes >= 70 << 30 && !hardware.name.lowercased().contains("a100")
    let chosen = isLarge ? onLargeGPUs : limits
    return (chosen.tokens ?? max(Self.context(model, maxModelLen), 2_048), chosen.sequences)
  }
}

extension DefaultLimits: CustomReflectable {
  /// Manifests have what is there: engines that never change to chunks say nothing of it.
  public var customMirror: Mirror {
    var children: [Mirror.Child] = [("limits", limits), ("onLargeGPUs", onLargeGPUs)]
    if let longContextBudget { children.append(("longContextBudget", longContextBudget)) }
    return Mirror(self, children: children, displayStyle: .struct)
  }
}

extension EngineProfile {
  /// The profile as it serves `model` up to `maxModelLen` tokens: an engine that chunks long contexts only is the chunked engine
  /// for those, with that budget.
  public func serving(_ model: ModelSpec, maxModelLen: Int? = nil) -> EngineProfile {
    guard let budget = limits.longContextBudget, scheduler == .vllmV0,
      DefaultLimits.context(model, maxModelLen) > DefaultLimits.longContext
    else { return self }
    var profile = self
    profile.scheduler = .chunked
    profile.limits = DefaultLimits(StepLimits(tokens: budget, sequences: limits.limits.sequences))
    return profile
  }
}

/// The numbers of tokens that CUDA graphs are captured for: 1, 2, 4, then every multiple of 8 up to 256, then every
/// multiple of 16 up to the largest (vLLM, `_BATCH_SIZES_TO_CAPTURE` of 0.4 to 0.6, `cudagraph_capture_sizes` of v1).
public struct GraphSizes: Hashable, Sendable {
  /// The largest; steps with more tokens are not padded.
  public var largest: Int

  /// Takes the largest size as it is.
  public init(largest: Int) { self.largest = largest }

  /// The least size that holds `tokens`, or `tokens` where none does.
  public func padded(_ tokens: Int) -> Int {
    guard tokens > 2, tokens <= largest else { return tokens }
    guard tokens > 4 else { return 4 }
    let tile = tokens > 256 ? 16 : 8
    return min(largest, (tokens + tile - 1) / tile * tile)
  }
}

extension EngineProfile {
  /// Tokens that the layers compute in a step of `tokens`.
  func padded(_ tokens: Int) -> Int { graphSizes?.padded(tokens) ?? tokens }
}

/// A decode-attention kernel.
public enum DecodeKernel: String, Hashable, Sendable, CaseIterable {
  /// FlashInfer: splits the context, and balances requests of different lengths.
  case flashInfer = "flashinfer"
  /// FlashAttention-2 with split keys and values.
  case flashAttention = "flash-attention"
  /// One thread block per request and KV head: a single long request is slow, as with PagedAttention v1.
  case unsplit = "no-split"
}
