/// The account that turns a GPU's memory into blocks of KV cache, for the fullest rank of an instance:
///
///     memory · utilisation − weights − runtime − activations − communication − graphs = blocks · bytes per block
///
/// or (memory − weights − …) · utilisation, where the account says that the share is one of what is free.
///
/// What the terms are depends on the engine: `KVAccounting`.
public struct KVCapacity: Hashable, Sendable {
  /// Bytes of one GPU, as the engine is told them.
  public let memory: Int
  /// Share of it that the engine may use.
  public let utilisation: Double
  /// Bytes of one GPU that the engine may use: all of them, where its share is one of what is left.
  public let usable: Int
  /// Weights of the fullest rank: the longest stage, with the embedding or the head (both if PP = 1).
  public let weights: Int
  /// CUDA context and library workspaces.
  public let runtime: Int
  /// The most that one iteration's activations and logits take.
  public let activations: Int
  /// NCCL's buffers; 0 for one GPU.
  public let communication: Int
  /// What the engine sets aside for CUDA graphs; 0 where it captures them in the memory that it leaves free.
  public let graphs: Int
  /// Bytes of one block on one rank.
  public let bytesPerBlock: Int
  /// Tokens per block.
  public let blockSize: Int
  /// Bytes left for the cache on one GPU; negative when the model does not fit.
  public let cache: Int
  /// Whether `cache` is a share of what the other terms leave.
  private let sharesFree: Bool
  /// Blocks of the instance: every rank holds its share of each.
  public let blocks: Int

  /// Tokens that the instance's blocks hold.
  public var tokens: Int { blocks * blockSize }

  /// Bytes that are missing for one block; 0 where there is one.
  public var missing: Int {
    guard cache < bytesPerBlock else { return 0 }
    guard sharesFree else { return bytesPerBlock - cache }
    let free = cache > 0 ? Double(cache) / utilisation : Double(cache)
    return Int((Double(bytesPerBlock) / utilisation - free).rounded(.up))
  }

  /// Throws `ClusterError.modelDoesNotFit` when not one block is left, unless `mustFit` is false, and what `InstanceShape.validate`
  /// throws.
  public init(
    model: ModelSpec, hardware: HardwareSpec, shape: InstanceShape, settings: KVMemorySettings = .init(),
    mustFit: Bool = true
  ) throws {
    try shape.validate(for: model)
    try settings.validate()
    let layers = shape.layersPerStage(of: model)
    let accounting = settings.accounting

    memory = max(0, hardware.memoryBytes - accounting.reservedBytes)
    utilisation = settings.utilisation
    usable = accounting.sharesFree ? memory : Int(Double(memory) * settings.utilisation)
    weights = Self.fullestRankBytes(model: model, shape: shape)
    runtime = accounting.runtimeBytes
    activations = accounting.activationBytes(model: model, tp: shape.tp, settings: settings)
    communication = accounting.communication(shape)
    graphs = accounting.graphBytes
    blockSize = settings.blockSize
    bytesPerBlock = blockSize * layers * model.kvBytesPerTokenPerLayer(tp: shape.tp)
    let free = usable - weights - runtime - activations - communication - graphs
    cache = accounting.sharesFree && free > 0 ? Int(Double(free) * settings.utilisation) : free
    sharesFree = accounting.sharesFree
    blocks = max(0, cache / bytesPerBlock)
    guard blocks > 0 || !mustFit else {
      throw ClusterError.modelDoesNotFit(model: model.name, shape: shape, account: lines)
    }
  }

  /// The longest stage's layers, and the vocabulary matrices of the fuller end.
  private static func fullestRankBytes(model: ModelSpec, shape: InstanceShape) -> Int {
    let embedding = (model.vocab + shape.tp - 1) / shape.tp * model.hidden
    let vocabularies = shape.pp == 1 && !model.tiedEmbeddings ? 2 : 1
    return model.layerBytes(count: shape.layersPerStage(of: model), tp: shape.tp)
      + (vocabularies * embedding + model.hidden) * model.bytesPerElement
  }
}

extension KVCapacity {
  /// The account in words, one entry per line.
  public var lines: [String] {
    let perMille = Int((utilisation * 1_000).rounded())
    let share = "\(perMille / 10).\(perMille % 10) %"
    return [
      line(" ", "GPU memory" + (sharesFree ? "" : " \(gibibytes(memory)) GiB at \(share)"), usable),
      line("-", "weights of the fullest rank", weights),
      line("-", "CUDA context and workspaces", runtime),
      line("-", "activations and logits", activations),
      line("-", "communication buffers", communication),
    ] + (graphs > 0 ? [line("-", "CUDA graphs", graphs)] : []) + [
      line("=", "KV cache per GPU" + (sharesFree ? ", \(share) of what is left" : ""), cache),
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
