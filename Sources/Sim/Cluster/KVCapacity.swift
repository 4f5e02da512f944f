/// The account that turns a GPU's memory into blocks of KV cache, for the fullest rank of an instance:
///
///     memory · utilisation − weights − runtime − activations − communication = blocks · bytes per block
public struct KVCapacity: Hashable, Sendable {
  /// Bytes of one GPU.
  public let memory: Int
  /// Share of it that the engine may use.
  public let utilisation: Double
  /// Bytes of one GPU that the engine may use.
  public let usable: Int
  /// Weights of the fullest rank: the longest stage, with the embedding or the head (both if PP = 1).
  public let weights: Int
  /// CUDA context, library workspaces and what the driver keeps of the board's memory.
  public let runtime: Int
  /// The most that one iteration's activations and logits take.
  public let activations: Int
  /// NCCL's buffers; 0 for one GPU.
  public let communication: Int
  /// Bytes of one block on one rank.
  public let bytesPerBlock: Int
  /// Tokens per block.
  public let blockSize: Int
  /// Bytes left for the cache on one GPU; negative when the model does not fit.
  public let cache: Int
  /// Blocks of the instance: every rank holds its share of each.
  public let blocks: Int

  /// Tokens that the instance's blocks hold.
  public var tokens: Int { blocks * blockSize }

  /// Assumed: 1 GiB, a round number chosen so that Llama-2-7B comes to the 7,424 blocks of workload W1.
  /// NVIDIA's planner takes 3.5 GB for runtime and activations together (aiconfigurator a100_sxm.yaml).
  static let runtimeBytes = 1 << 30
  /// NCCL buffers per GPU: 342 to 392 MB (aiconfigurator a100_sxm.yaml).
  static let communicationBytes = 350_000_000

  /// Throws `ClusterError.modelDoesNotFit` when not one block is left, and what `InstanceShape.validate` throws.
  public init(
    model: ModelSpec, hardware: HardwareSpec, shape: InstanceShape, settings: KVMemorySettings = .init()
  ) throws {
    try shape.validate(for: model)
    try settings.validate()
    let element = model.bytesPerElement
    let layers = shape.layersPerStage(of: model)

    memory = hardware.memoryBytes
    utilisation = settings.utilisation
    usable = Int(Double(hardware.memoryBytes) * settings.utilisation)
    weights = Self.fullestRankParameters(model: model, shape: shape) * element
    runtime = Self.runtimeBytes
    activations = Self.activationBytes(model: model, tp: shape.tp, settings: settings)
    communication = shape.gpus > 1 ? Self.communicationBytes : 0
    blockSize = settings.blockSize
    bytesPerBlock = blockSize * layers * model.kvBytesPerTokenPerLayer(tp: shape.tp)
    cache = usable - weights - runtime - activations - communication
    blocks = max(0, cache / bytesPerBlock)
    guard blocks > 0 else {
      throw ClusterError.modelDoesNotFit(model: model.name, shape: shape, account: lines)
    }
  }

  /// The longest stage's layers, and the vocabulary matrices of the fuller end.
  private static func fullestRankParameters(model: ModelSpec, shape: InstanceShape) -> Int {
    let embedding = (model.vocab + shape.tp - 1) / shape.tp * model.hidden
    let vocabularies = shape.pp == 1 && !model.tiedEmbeddings ? 2 : 1
    return model.layerParameters(count: shape.layersPerStage(of: model), tp: shape.tp)
      + vocabularies * embedding + model.hidden
  }

  /// The peak of one iteration: the widest point of a layer plus the logits.
  ///
  /// In a layer, the feed-forward's input and residual (2 · hidden) and its gate, up and product
  /// (3 · intermediate / TP; of experts one such set and an output for each that a token is sent to) of every token
  /// live at once, in the model's precision. Of every sequence the logits
  /// live in the model's precision and three times in FP32 (cast, probabilities, log-probabilities), over the
  /// whole vocabulary since they are gathered. Assumed: what the code of vLLM allocates, not a measurement; with
  /// `runtimeBytes` the account is within 1 % of what DistServe reports for 25 shapes of OPT-13B.
  private static func activationBytes(model: ModelSpec, tp: Int, settings: KVMemorySettings) -> Int {
    var feedForward = (model.gatedFFN ? 3 : 2) * (model.intermediate / tp)
    if let experts = model.experts {
      feedForward = max(feedForward, experts.perToken * (3 * experts.intermediate / tp + model.hidden))
    }
    let perToken = (2 * model.hidden + feedForward) * model.bytesPerElement
    let perSequence = model.vocab * (model.bytesPerElement + 3 * 4)
    return settings.maxBatchedTokens * perToken + settings.maxSequences * perSequence
  }
}

extension KVCapacity {
  /// The account in words, one entry per line.
  public var lines: [String] {
    let perMille = Int((utilisation * 1_000).rounded())
    return [
      line(" ", "GPU memory \(gibibytes(memory)) GiB at \(perMille / 10).\(perMille % 10) %", usable),
      line("-", "weights of the fullest rank", weights),
      line("-", "CUDA context and workspaces", runtime),
      line("-", "activations and logits", activations),
      line("-", "communication buffers", communication),
      line("=", "KV cache per GPU", cache),
      "  \(blocks) blocks of \(blockSize) tokens (\(bytesPerBlock) bytes each per GPU): \(tokens) tokens",
    ]
  }

  private func line(_ sign: String, _ label: String, _ bytes: Int) -> String {
    let text = gibibytes(bytes)
    let gap = String(repeating: " ", count: max(1, 44 - label.count - text.count))
    return "\(sign) \(label)\(gap)\(text) GiB"
  }

  /// Two decimals, without Foundation.
  private func gibibytes(_ bytes: Int) -> String {
    let hundredths = Int((Double(abs(bytes)) / Double(1 << 30) * 100).rounded())
    let cents = hundredths % 100
    return "\(bytes < 0 ? "-" : "")\(hundredths / 100).\(cents < 10 ? "0" : "")\(cents)"
  }
}
