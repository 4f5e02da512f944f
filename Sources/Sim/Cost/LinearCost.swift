/// Everything in a layer but attention, on one rank of a TP group, in microseconds.
public struct LinearCost: Sendable {
  let model: ModelSpec
  let hardware: HardwareSpec
  let tp: Int
  /// Ranks that hold whole experts; 1 when every rank holds a slice of each.
  let expertRanks: Int
  /// The routed experts, if the model has any.
  let routed: ExpertCurve?
  /// The matrices of the attention part.
  public let projections: [Projection]
  /// Those of a dense feed-forward part of the model's width.
  private let denseMatrices: [Projection]
  /// The products with both, as `projections` and `denseMatrices` list them.
  private let attentionProducts: [MatrixProduct]
  private let denseProducts: [MatrixProduct]
  /// Elements that rotary embedding turns on this rank, per token.
  let rotatedElements: Int
  /// Products with the layers' matrices, in their format.
  let gemm: GEMMCost
  /// Adding the residual: without a launch where the norm's kernel does it.
  let residualAdd: ElementwiseCost
  /// Sums one tensor of that many bytes over the TP group, µs.
  let allReduce: @Sendable (_ bytes: Int) -> Double

  /// How unevenly tokens choose experts: the power law that moe_vllm.csv was measured with.
  static let expertSkew = 1.01

  /// One rank of the TP group of `shape`, spread over `wiring.tpNodes` nodes.
  public init(
    model: ModelSpec, hardware: HardwareSpec, shape: InstanceShape, wiring: InstanceWiring,
    engine: EngineProfile? = nil
  ) {
    self.model = model
    self.hardware = hardware
    tp = shape.tp
    let ranks = shape.expertParallel ? shape.tp : 1
    expertRanks = ranks
    gemm = hardware.gemm(model.weights)
    routed = model.experts.map { experts in
      ExpertCurve(
        cost: hardware.experts(experts.weights ?? model.weights, ranks: ranks),
        call: MoECall(
          tokens: 1, hidden: model.hidden, intermediate: experts.intermediate / (shape.tp / ranks),
          experts: experts.count, perToken: experts.perToken, ranks: ranks),
        skew: Self.expertSkew)
    }
    projections = Self.projections(model: model, tp: shape.tp)
    denseMatrices = Self.feedForward(model: model, tp: shape.tp, intermediate: model.intermediate)
    rotatedElements = Self.rotatedElements(model: model, tp: shape.tp)
    let kernel = gemm
    func products(_ matrices: [Projection]) -> [MatrixProduct] {
      matrices.map {
        ($0.isIn16Bits ? hardware.gemm : kernel).product(inner: $0.inner, columns: $0.columns)
      }
    }
    attentionProducts = products(projections)
    denseProducts = products(denseMatrices)
    let engine = engine ?? hardware.engine
    residualAdd =
      engine.fusesResidual
      ? ElementwiseCost(base: 0, perElement: hardware.residualAdd.perElement) : hardware.residualAdd
    let custom = engine.customAllReduce ? hardware.customAllReduce : nil
    allReduce = { bytes in
      if wiring.tpNodes == 1, let time = custom?.microseconds(bytes: bytes, ranks: shape.tp) { return time }
      return hardware.allReduce.microseconds(
        bytes: bytes, ranks: shape.tp, nodes: wiring.tpNodes, link: wiring.interNode)
    }
  }

  /// The matrix products, two norms, rotary embedding, activation and two residual additions of a layer with a
  /// dense feed-forward part on `tokens` tokens: what Vidur's profiles measure, µs.
  public func kernels(tokens: Int) -> Double {
    attentionKernels(tokens: tokens) + denseKernels(tokens: tokens)
  }

  /// What surrounds attention: its projections, two norms, rotary embedding, two residual additions, µs.
  public func attentionKernels(tokens: Int) -> Double {
    let hidden = model.hidden
    let elementwise =
      2 * hardware.rmsNorm.microseconds(elements: tokens * hidden)
      + 2 * residualAdd.microseconds(elements: tokens * hidden)
    return elementwise + hardware.rope.microseconds(elements: tokens * rotatedElements)
      + attentionProducts.reduce(0) { $0 + $1.microseconds(rows: tokens) }
  }

  /// µs of `rows` tokens times a matrix.
  private func product(_ matrix: Projection, rows: Int) -> Double {
    kernel(of: matrix).microseconds(rows: rows, inner: matrix.inner, columns: matrix.columns)
  }

  /// The product that `matrix` takes.
  func kernel(of matrix: Projection) -> GEMMCost { matrix.isIn16Bits ? hardware.gemm : gemm }

  /// A weight matrix on this rank.
  public struct Projection: Hashable, Sendable {
    /// What reports call it.
    public var name: String
    /// K.
    public var inner: Int
    /// N.
    public var columns: Int
    /// Whether it stays in 16 bits, however the model's weights are stored.
    public var isIn16Bits = false
  }

  /// The matrices of the attention part.
  ///
  /// A latent's up-projections are absorbed into query and output, as engines do when they decode: one matrix
  /// product of all heads, counted as one of the same weights, in 16 bits, to which engines take them.
  package static func projections(model: ModelSpec, tp: Int) -> [Projection] {
    let (hidden, heads) = (model.hidden, model.queryHeads / tp)
    guard let latent = model.latent else {
      let keys = model.kvHeadsPerRank(tp: tp) * model.headDim
      return [
        Projection(name: "qkv", inner: hidden, columns: heads * model.headDim + 2 * keys),
        Projection(name: "o", inner: heads * model.headDim, columns: hidden),
      ]
    }
    let query = heads * (model.headDim + latent.ropeDim)
    let queries =
      latent.queryRank.map {
        [
          Projection(name: "q down", inner: hidden, columns: $0),
          Projection(name: "q up", inner: $0, columns: query),
        ]
      } ?? [Projection(name: "q", inner: hidden, columns: query)]
    return queries + [
      Projection(name: "kv down", inner: hidden, columns: latent.width),
      Projection(name: "k absorbed", inner: latent.rank, columns: heads * model.headDim, isIn16Bits: true),
      Projection(name: "v absorbed", inner: latent.rank, columns: heads * latent.valueDim, isIn16Bits: true),
      Projection(name: "o", inner: heads * latent.valueDim, columns: hidden),
    ]
  }

  /// The matrices of a dense feed-forward part of width `intermediate` over all ranks.
  public func feedForward(intermediate: Int) -> [Projection] {
    intermediate == model.intermediate
      ? denseMatrices : Self.feedForward(model: model, tp: tp, intermediate: intermediate)
  }

  private static func feedForward(model: ModelSpec, tp: Int, intermediate: Int) -> [Projection] {
    let width = intermediate / tp
    return [
      Projection(
        name: model.gatedFFN ? "gate + up" : "up", inner: model.hidden,
        columns: (model.gatedFFN ? 2 : 1) * width),
      Projection(name: "down", inner: width, columns: model.hidden),
    ]
  }

  /// A dense feed-forward part with its activation, µs.
  public func denseKernels(tokens: Int) -> Double {
    denseKernels(tokens: tokens, intermediate: model.intermediate)
  }

  func denseKernels(tokens: Int, intermediate: Int) -> Double {
    // Assumed: ReLU and GELU cost what SiLU · gate does.
    let activation = hardware.activation.microseconds(elements: tokens * (intermediate / tp))
    if intermediate == model.intermediate {
      return denseProducts.reduce(activation) { $0 + $1.microseconds(rows: tokens) }
    }
    return feedForward(intermediate: intermediate).reduce(activation) { $0 + product($1, rows: tokens) }
  }

  /// The router, the routed experts and the shared ones, µs; 0 for a dense model.
  public func expertKernels(tokens: Int) -> Double {
    guard let experts = model.experts, let routed else { return 0 }
    let router = hardware.gemm.microseconds(rows: tokens, inner: model.hidden, columns: experts.count)
    let shared =
      experts.shared > 0
      ? denseKernels(tokens: tokens, intermediate: experts.shared * experts.intermediate) : 0
    return router + routed.microseconds(tokens: tokens) + shared
  }

  private static func rotatedElements(model: ModelSpec, tp: Int) -> Int {
    let heads = model.queryHeads / tp
    if let latent = model.latent { return (heads + 1) * latent.ropeDim }
    return (heads + model.kvHeadsPerRank(tp: tp)) * model.headDim
  }

  /// The kernels of a layer, the write of new keys and values, and the two all-reduces of a TP group, averaged over
  /// layers that differ, µs.
  public func layer(tokens: Int) -> Double {
    let written = tokens * model.kvBytesPerTokenPerLayer(tp: tp)
    return attentionKernels(tokens: tokens) + feedForwardKernels(tokens: tokens)
      + hardware.kvWrite.microseconds(bytes: Double(written))
      + (tp > 1 ? 2 * allReduce(activationBytes(tokens)) : 0)
  }

  /// Of `layer`, what comes before attention: a norm, the projections but the last, rotary embedding and the write of keys
  /// and values, µs.
  func beforeAttention(tokens: Int) -> Double {
    let written = tokens * model.kvBytesPerTokenPerLayer(tp: tp)
    let after = projections.count - (model.latent == nil ? 1 : 2)
    return hardware.rmsNorm.microseconds(elements: tokens * model.hidden)
      + hardware.rope.microseconds(elements: tokens * rotatedElements)
      + hardware.kvWrite.microseconds(bytes: Double(written))
      + attentionProducts[..<after].reduce(0) { $0 + $1.microseconds(rows: tokens) }
  }

  private func feedForwardKernels(tokens: Int) -> Double {
    guard let experts = model.experts else { return denseKernels(tokens: tokens) }
    let share = Double(experts.denseLayers) / Double(model.layers)
    return (share > 0 ? share * denseKernels(tokens: tokens) : 0) + (1 - share)
      * expertKernels(tokens: tokens)
  }

  /// Looking up `tokens` embeddings, µs.
  public func embedding(tokens: Int) -> Double {
    hardware.embedding.microseconds(elements: tokens * model.hidden)
  }

  /// The LM head on `samples` tokens, its vocabulary cut over the ranks, µs.
  /// Left out: gathering the logits and sampling, which the host's time includes.
  public func head(samples: Int) -> Double {
    hardware.gemm.microseconds(rows: samples, inner: model.hidden, columns: (model.vocab + tp - 1) / tp)
  }

  /// Handing `tokens` activations to the next pipeline stage over `link`: each rank sends its 1/TP share and
  /// the receiving group gathers them, which is half an all-reduce, µs.
  public func handoff(tokens: Int, link: LinkCosts) -> Double {
    let bytes = activationBytes(tokens)
    let send = Double(link.latency + link.transfer(bytes: (bytes + tp - 1) / tp)) * 1e-6
    return send + (tp > 1 ? allReduce(bytes) / 2 : 0)
  }

  /// Bytes of the residual stream of `tokens` tokens.
  func activationBytes(_ tokens: Int) -> Int { tokens * model.hidden * model.bytesPerElement }
}
