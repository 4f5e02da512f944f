import Sim

/// One call of an operator with its shape on one rank: what a measurement times and a cost form predicts.
public enum Operation: Hashable, Sendable {
  /// A matrix product of M = `rows`, K = `inner`, N = `columns`.
  case gemm(rows: Int, inner: Int, columns: Int, WeightFormat = .bf16)
  /// A kernel that visits every element once.
  case elementwise(Elementwise, elements: Int)
  /// Writing `bytes` of new keys and values.
  case kvWrite(bytes: Int)
  /// Everything of a layer but attention, all-reduces and the KV write, on one of `tp` ranks.
  case layer(ModelSpec, tp: Int, tokens: Int)
  /// Decode attention of equally long contexts.
  case decode(DecodeKernel, DecodeBatch)
  /// The same by FlashAttention-3, on keys and values in fp8 or in 16 bits.
  case flashAttention3(DecodeBatch, fp8: Bool)
  /// Decode attention on a latent, on a rank with `heads` query heads.
  case latentDecode(sequences: Int, context: Int, heads: Int)
  /// A whole attention module on a latent.
  case latentModule(LatentModule)
  /// Prefill attention of `sequences` equal chunks.
  case prefill(
    queryHeads: Int, kvHeads: Int, headDim: Int, new: Int, cached: Int, sequences: Int, fp8: Bool = false)
  /// A sum over the GPUs of a node, by NCCL or by vLLM's own kernel.
  case allReduce(bytes: Int, ranks: Int, isCustom: Bool)
  /// One message between two GPUs, in a node or between nodes.
  case pointToPoint(bytes: Int, inNode: Bool)
  /// The host's part of an iteration.
  case host(sequences: Int, gpus: Int)
  /// Routed experts, their popularity a power law of exponent `skew`, which loads them so.
  case experts(MoECall, load: ExpertLoad, skew: Double, WeightFormat = .bf16)

  /// A kernel that visits every element once.
  public enum Elementwise: String, Hashable, Sendable {
    case rmsNorm = "norm"
    case residualAdd = "residual add"
    case rope = "rotary embedding"
    case activation = "activation"
    case embedding = "embedding"
  }

  /// What reports call the operator.
  public var name: String {
    switch self {
    case .gemm(_, _, _, let format): "matrix product" + Self.suffix(format)
    case .elementwise(let kind, _): kind.rawValue
    case .kvWrite: "KV write"
    case .layer: "non-attention layer"
    case .decode(.flashInfer, _): "decode attention, FlashInfer"
    case .decode(.flashAttention, _): "decode attention, FlashAttention-2"
    case .decode(.unsplit, _): "decode attention, no split"
    case .flashAttention3(_, let fp8): "decode attention, FlashAttention-3" + (fp8 ? ", fp8" : "")
    case .latentDecode: "decode attention, latent"
    case .latentModule(let module): module.name
    case .prefill(_, _, _, _, _, _, let fp8): "prefill attention" + (fp8 ? ", fp8" : "")
    case .allReduce(_, _, false): "all-reduce, NCCL"
    case .allReduce(_, _, true): "all-reduce, vLLM"
    case .pointToPoint: "point to point"
    case .host: "host time"
    case .experts(_, _, _, let format): "routed experts" + Self.suffix(format)
    }
  }

  private static func suffix(_ format: WeightFormat) -> String {
    format == .bf16 ? "" : ", \(format.rawValue)"
  }

  /// The explain form: µs as a function of the hardware, with what depends on the shape alone computed once.
  package func explain() -> @Sendable (HardwareSpec) -> Double {
    switch self {
    case .gemm(let rows, let inner, let columns, let format):
      return { $0.gemm(format).microseconds(rows: rows, inner: inner, columns: columns) }
    case .elementwise(let kind, let elements):
      return { kind.cost(in: $0).microseconds(elements: elements) }
    case .kvWrite(let bytes): return { $0.kvWrite.microseconds(bytes: Double(bytes)) }
    case .layer(let model, let tp, let tokens):
      return Self.layer(model, tp: tp, tokens: tokens)
    case .decode(let kernel, let batch):
      if kernel == .flashAttention {
        let plan = WavePlan(batch)
        return { $0.waveDecode.microseconds(batch, plan: plan) }
      }
      return { $0.decodeAttention(kernel).microseconds(batch) }
    case .flashAttention3(let batch, let fp8):
      return { $0.decodeAttention(.flashAttention, fp8: fp8).microseconds(batch) }
    case .latentDecode(let sequences, let context, let heads):
      let model = LatentModule.model(heads: heads)
      return {
        AttentionCost(model: model, hardware: $0, tp: 1).decode(sequences: sequences, context: context)
      }
    case .latentModule(let module): return module.explain()
    case .prefill(let queryHeads, let kvHeads, let headDim, let new, let cached, let sequences, let fp8):
      let model = Self.attentionModel(queryHeads: queryHeads, kvHeads: kvHeads, headDim: headDim, fp8: fp8)
      return {
        AttentionCost(model: model, hardware: $0, tp: 1)
          .prefill(new: new, cached: cached, sequences: sequences)
      }
    case .allReduce(let bytes, let ranks, let isCustom):
      return {
        (isCustom ? $0.customAllReduce?.microseconds(bytes: bytes, ranks: ranks) : nil)
          ?? $0.allReduce.inNode(bytes: bytes, ranks: ranks)
      }
    case .pointToPoint(let bytes, let inNode):
      return {
        let link = (inNode ? $0.inNodeLink : $0.interNodeLink).costs
        return Double(link.latency) / 1e6 + Double(bytes) / link.bytesPerSecond * 1e6
      }
    case .host(let sequences, let gpus):
      return {
        $0.engine.host.base(gpus: gpus) + $0.engine.host.perSequence(gpus: gpus) * Double(sequences)
      }
    case .experts(let call, let load, _, let format):
      return { $0.experts(format, ranks: call.ranks).microseconds(call, load: load) }
    }
  }

  /// `LinearCost.kernels` with its shapes worked out once.
  private static func layer(_ model: ModelSpec, tp: Int, tokens: Int) -> @Sendable (HardwareSpec) -> Double {
    let linear = LinearCost(
      model: model, hardware: HardwareCatalog.a100Measured, shape: InstanceShape(tp: tp),
      wiring: .inOneNode(HardwareCatalog.a100Measured))
    let products = linear.projections + linear.feedForward(intermediate: model.intermediate)
    let rotated = tokens * (model.queryHeads / tp + model.kvHeadsPerRank(tp: tp)) * model.headDim
    return { spec in
      var time = products.reduce(0) {
        $0 + spec.gemm.microseconds(rows: tokens, inner: $1.inner, columns: $1.columns)
      }
      time += 2 * spec.rmsNorm.microseconds(elements: tokens * model.hidden)
      time += 2 * spec.residualAdd.microseconds(elements: tokens * model.hidden)
      time += spec.rope.microseconds(elements: rotated)
      time += spec.activation.microseconds(elements: tokens * (model.intermediate / tp))
      return time
    }
  }

  /// A model that has nothing but this attention.
  static func attentionModel(queryHeads: Int, kvHeads: Int, headDim: Int, fp8: Bool = false) -> ModelSpec {
    ModelSpec(
      name: "attention", layers: 32, hidden: queryHeads * headDim, queryHeads: queryHeads, kvHeads: kvHeads,
      headDim: headDim, intermediate: queryHeads, vocab: 1, maxPosition: 1, kvBytesPerElement: fp8 ? 1 : 2)
  }
}

extension Operation.Elementwise {
  /// Its constants.
  func cost(in spec: HardwareSpec) -> ElementwiseCost {
    switch self {
    case .rmsNorm: spec.rmsNorm
    case .residualAdd: spec.residualAdd
    case .rope: spec.rope
    case .activation: spec.activation
    case .embedding: spec.embedding
    }
  }
}
