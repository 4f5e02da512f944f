/// The dimensions of a decoder-only transformer: all that cost and memory depend on.
///
/// Attention is multi-head, grouped or multi-query by `kvHeads`, over the whole context or a sliding `window`, or
/// latent (MLA). The feed-forward part is dense, or a mixture of experts.
/// Left out: biases, learned positions, attention sinks, and norms beyond two a layer (together below 0.2 % of the
/// weights of the models in `ModelCatalog`).
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
  /// Bytes of one weight or activation: 2 for FP16 and BF16.
  public var bytesPerElement: Int
  /// Bytes of one element of the KV cache: 2 for FP16 and BF16, 1 for FP8 and INT8.
  public var kvBytesPerElement: Int
  /// Tokens back to which attention reaches, or `nil` for the whole context.
  public var window: Int?
  /// Tokens back to which attention reaches in some of the layers, the others reaching back to the start: not modelled,
  /// costs and memory count all layers as the others.
  public var alternatingWindow: Int?
  /// How the weights of the layers' matrices are stored; embeddings, norms, routers and the LM head are in 16 bits.
  public var weights: WeightFormat
  /// The latent that takes the place of keys and values (MLA); then `kvHeads` is 1, shared by all query heads.
  public var latent: LatentAttention?
  /// The experts that take the place of the dense feed-forward part in all but the first layers.
  public var experts: MixtureOfExperts?

  /// Takes any values; `validate()` says whether they make a model.
  public init(
    name: String, layers: Int, hidden: Int, queryHeads: Int, kvHeads: Int, headDim: Int, intermediate: Int,
    vocab: Int, maxPosition: Int, gatedFFN: Bool = true, tiedEmbeddings: Bool = false,
    bytesPerElement: Int = 2, kvBytesPerElement: Int? = nil, window: Int? = nil,
    alternatingWindow: Int? = nil,
    weights: WeightFormat = .bf16, latent: LatentAttention? = nil, experts: MixtureOfExperts? = nil
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
    self.kvBytesPerElement = kvBytesPerElement ?? bytesPerElement
    self.window = window
    self.alternatingWindow = alternatingWindow
    self.weights = weights
    self.latent = latent
    self.experts = experts
  }

  /// Weights of the whole model, counted from its dimensions.
  public var parameters: Int {
    layerParameters(count: layers, tp: 1) + embeddingParameters * (tiedEmbeddings ? 1 : 2) + hidden
  }

  /// Weights that one token meets: all but the experts that it is not routed to.
  public var activeParameters: Int {
    guard let experts else { return parameters }
    let idle = experts.count - experts.perToken
    return parameters - (layers - experts.denseLayers) * idle * 3 * hidden * experts.intermediate
  }

  /// Bytes of all weights: embeddings, LM head, norms and routers in 16 bits, the rest as it is stored.
  public var weightBytes: Int {
    layerBytes(count: layers, tp: 1)
      + (embeddingParameters * (tiedEmbeddings ? 1 : 2) + hidden) * bytesPerElement
  }

  /// Bytes of KV cache of one token over all layers and heads, without replication.
  public var kvBytesPerToken: Int { layers * kvBytesPerTokenPerLayer(tp: 1) }

  /// Bytes of KV cache of one token in one layer on one of `tp` ranks: 2 · KV heads · head dimension · element, or
  /// the whole latent, which every rank holds.
  public func kvBytesPerTokenPerLayer(tp: Int) -> Int {
    let elements = latent?.width ?? 2 * kvHeadsPerRank(tp: tp) * headDim
    return elements * kvBytesPerElement
  }

  /// Whether every query head has keys and values of its own.
  public var isMultiHead: Bool { latent == nil && kvHeads == queryHeads }

  /// Weights of one of the two vocabulary matrices.
  var embeddingParameters: Int { vocab * hidden }

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
      ("bytes per KV element", kvBytesPerElement, 8), ("window", window ?? 1, 1 << 40),
      ("window of some layers", alternatingWindow ?? 1, 1 << 40),
      ("latent rank", latent?.rank ?? 1, 1 << 16), ("latent rotary dimension", latent?.ropeDim ?? 1, 1 << 12),
      ("latent value dimension", latent?.valueDim ?? 1, 1 << 12),
      ("latent query rank", latent?.queryRank ?? 1, 1 << 16), ("experts", experts?.count ?? 1, 1 << 12),
      ("experts per token", experts?.perToken ?? 1, experts?.count ?? 1),
      ("expert intermediate size", experts?.intermediate ?? 1, 1 << 20),
      ("shared experts", 1 + (experts?.shared ?? 0), 1 << 8),
      ("dense layers", 1 + (experts?.denseLayers ?? 0), layers),
    ]
    for (dimension, value, limit) in bounds where value < 1 || value > limit {
      throw .outOfRange(model: name, dimension: dimension, found: value, limit: limit)
    }
    guard latent == nil || (kvHeads == 1 && window == nil) else {
      throw .outOfRange(model: name, dimension: "KV heads of a latent", found: kvHeads, limit: 1)
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
