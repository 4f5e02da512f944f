/// The dimensions of a dense decoder-only transformer: all that cost and memory depend on.
///
/// Left out: biases, learned positions and sliding windows (together below 0.2 % of the weights of the models
/// in `ModelCatalog` and of OPT-13B and larger; windows are treated as full attention).
public struct ModelSpec: Hashable, Sendable {
  /// What reports call it.
  public var name: String
  /// Transformer layers.
  public var layers: Int
  /// Width of the residual stream.
  public var hidden: Int
  /// Attention heads.
  public var queryHeads: Int
  /// Heads of keys and values: equal to `queryHeads` for multi-head attention, fewer for grouped queries.
  public var kvHeads: Int
  /// Width of one head.
  public var headDim: Int
  /// Width of the feed-forward part.
  public var intermediate: Int
  /// Entries of the vocabulary.
  public var vocab: Int
  /// The longest context the model was configured for (`max_position_embeddings`), tokens.
  public var maxPosition: Int
  /// Three feed-forward matrices (gate, up, down) instead of two (up, down; as in OPT).
  public var gatedFFN: Bool
  /// The LM head shares the embedding's weights.
  public var tiedEmbeddings: Bool
  /// Bytes of one weight, activation or KV element: 2 for FP16 and BF16.
  public var bytesPerElement: Int

  /// Takes any values; `validate()` says whether they make a model.
  public init(
    name: String, layers: Int, hidden: Int, queryHeads: Int, kvHeads: Int, headDim: Int, intermediate: Int,
    vocab: Int, maxPosition: Int, gatedFFN: Bool = true, tiedEmbeddings: Bool = false,
    bytesPerElement: Int = 2
  ) {
    self.name = name
    self.layers = layers
    self.hidden = hidden
    self.queryHeads = queryHeads
    self.kvHeads = kvHeads
    self.headDim = headDim
    self.intermediate = intermediate
    self.vocab = vocab
    self.maxPosition = maxPosition
    self.gatedFFN = gatedFFN
    self.tiedEmbeddings = tiedEmbeddings
    self.bytesPerElement = bytesPerElement
  }

  /// Weights of the whole model, counted from its dimensions.
  public var parameters: Int {
    layers * layerParameters(tp: 1) + embeddingParameters * (tiedEmbeddings ? 1 : 2) + hidden
  }

  /// Bytes of all weights.
  public var weightBytes: Int { parameters * bytesPerElement }

  /// Bytes of KV cache of one token over all layers and heads, without replication: 2 · layers · kv · dim · 2.
  public var kvBytesPerToken: Int { 2 * layers * kvHeads * headDim * bytesPerElement }

  /// Weights of one of the two vocabulary matrices.
  var embeddingParameters: Int { vocab * hidden }

  /// Weights of one layer on one of `tp` ranks: attention and feed-forward are cut, the norms are copied.
  func layerParameters(tp: Int) -> Int {
    let queries = queryHeads / tp * headDim
    let keysAndValues = 2 * kvHeadsPerRank(tp: tp) * headDim
    let feedForward = (gatedFFN ? 3 : 2) * hidden * (intermediate / tp)
    return hidden * (queries + keysAndValues) + queries * hidden + feedForward + 2 * hidden
  }

  /// KV heads on one of `tp` ranks: max(1, ⌈kvHeads / tp⌉), so beyond `kvHeads` ranks they are replicated.
  public func kvHeadsPerRank(tp: Int) -> Int { max(1, (kvHeads + tp - 1) / tp) }

  /// Throws unless every dimension is in range and query heads are a multiple of KV heads.
  ///
  /// The upper bounds are far beyond any model; they keep all products within 64 bits.
  public func validate() throws(ModelSpecError) {
    let bounds: [(String, Int, Int)] = [
      ("layers", layers, 1 << 12), ("hidden", hidden, 1 << 20), ("query heads", queryHeads, 1 << 12),
      ("KV heads", kvHeads, 1 << 12), ("head dimension", headDim, 1 << 12),
      ("intermediate size", intermediate, 1 << 22), ("vocabulary", vocab, 1 << 24),
      ("maximum position", maxPosition, 1 << 40), ("bytes per element", bytesPerElement, 8),
    ]
    for (dimension, value, limit) in bounds where value < 1 || value > limit {
      throw .outOfRange(model: name, dimension: dimension, found: value, limit: limit)
    }
    guard queryHeads.isMultiple(of: kvHeads) else {
      throw .unevenHeads(model: name, queryHeads: queryHeads, kvHeads: kvHeads)
    }
  }
}

/// Why some dimensions do not make a model.
public enum ModelSpecError: Error, Hashable, CustomStringConvertible {
  case outOfRange(model: String, dimension: String, found: Int, limit: Int)
  case unevenHeads(model: String, queryHeads: Int, kvHeads: Int)

  /// One sentence: what was found and what was expected.
  public var description: String {
    switch self {
    case .outOfRange(let model, let dimension, let found, let limit):
      "model \(model): \(dimension) is \(found), expected 1...\(limit)"
    case .unevenHeads(let model, let queryHeads, let kvHeads):
      "model \(model): \(queryHeads) query heads cannot share \(kvHeads) KV heads evenly"
    }
  }
}
