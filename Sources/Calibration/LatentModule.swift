import Sim

/// One call of DeepSeek-V3's attention module on one rank: products, rotary embedding and attention on the latent.
public struct LatentModule: Hashable, Sendable {
  /// Query heads of the rank.
  public var heads: Int
  /// Sequences of the call.
  public var sequences: Int
  /// New tokens of each: 1 when it decodes.
  public var new: Int
  /// Tokens that each attends to.
  public var context: Int
  /// Whether prompts are prefilled.
  public var isPrefill: Bool
  /// Whether the latent is stored in fp8.
  public var fp8: Bool
  /// How the weights are stored.
  public var format: WeightFormat

  /// What reports call it.
  var name: String {
    "latent module, \(isPrefill ? "prefill" : "decode")" + (format == .bf16 ? "" : ", \(format.rawValue)")
      + (fp8 ? ", fp8 KV" : "")
  }

  /// A model that has nothing but latent attention on `heads` heads, with DeepSeek-V3's widths.
  static func model(heads: Int, fp8: Bool = false, weights: WeightFormat = .bf16) -> ModelSpec {
    ModelSpec(
      name: "latent", layers: 60, hidden: 7_168, queryHeads: heads, kvHeads: 1, headDim: 128,
      intermediate: heads, vocab: 1, maxPosition: 1, kvBytesPerElement: fp8 ? 1 : 2, weights: weights,
      latent: LatentAttention(rank: 512, ropeDim: 64, valueDim: 128, queryRank: 1_536))
  }

  /// The model whose layers have this module.
  var model: ModelSpec { Self.model(heads: heads, fp8: fp8, weights: format) }

  /// µs as a function of the hardware.
  func explain() -> @Sendable (HardwareSpec) -> Double {
    let model = model
    return { hardware in
      let attention = AttentionCost(model: model, hardware: hardware, tp: 1)
      return around(hardware)
        + (isPrefill
          ? attention.prefill(new: new, sequences: sequences)
          : attention.decode(sequences: sequences, context: context))
    }
  }

  /// The products and the rotary embedding, µs.
  func around(_ hardware: HardwareSpec) -> Double {
    let tokens = sequences * new
    let projections = LinearCost.projections(model: model, tp: 1)
    return projections.reduce(hardware.rope.microseconds(elements: tokens * (heads + 1) * 64)) {
      $0
        + hardware.gemm($1.isIn16Bits ? .bf16 : format).microseconds(
          rows: tokens, inner: $1.inner, columns: $1.columns)
    }
  }
}
