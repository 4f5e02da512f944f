/// How the weights of matrix products are stored, and so which kernel multiplies them.
public enum WeightFormat: String, Hashable, Sendable, CaseIterable {
  /// 16 bits, FP16 or BF16.
  case bf16
  /// 8-bit floating point, one scale per tensor; activations are quantised too.
  case fp8
  /// 8-bit floating point, a scale per block of 128 × 128; activations are quantised too.
  case fp8Block = "fp8-block"
  /// 4-bit integers in groups of 128 with a 16-bit scale; computed in 16 bits (w4a16: GPTQ, AWQ).
  case int4
  /// 4-bit floating point in groups of 32 with an 8-bit scale; computed in 16 bits where the GPU has no FP4.
  case mxfp4

  /// Bits of one weight, its share of the scales included.
  public var bitsPerWeight: Double {
    switch self {
    case .bf16: 16
    case .fp8: 8
    case .fp8Block: 8 + 32.0 / (128 * 128)
    case .int4: 4 + 16.0 / 128
    case .mxfp4: 4 + 8.0 / 32
    }
  }
}
