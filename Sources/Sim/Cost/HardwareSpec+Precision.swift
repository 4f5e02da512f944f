/// Which constants a precision takes.
extension HardwareSpec {
  /// Matrix products with weights of that format.
  ///
  /// Without constants of its own a format is charged as 16 bits with weights of its size: as kernels that widen
  /// weights on the fly compute (w4a16, w8a16).
  public func gemm(_ format: WeightFormat) -> GEMMCost {
    if let measured = measuredGEMM(format) { return measured }
    var cost = gemm
    cost.bytesPerWeight = format.bitsPerWeight / 8
    return cost
  }

  /// Routed experts with weights of that format, whole ones spread over `ranks`; without constants of its own as `gemm(_:)`
  /// says.
  public func experts(_ format: WeightFormat, ranks: Int) -> FusedMoECost {
    if format == .fp8Block, ranks > 1, let expertsFP8BlockSpread { return expertsFP8BlockSpread }
    if let measured = measuredExperts(format) { return measured }
    var cost = experts
    cost.bytesPerWeight = format.bitsPerWeight / 8
    return cost
  }

  func measuredGEMM(_ format: WeightFormat) -> GEMMCost? {
    switch format {
    case .bf16: gemm
    case .fp8: gemmFP8
    case .fp8Block: gemmFP8Block
    case .int4, .mxfp4: nil
    }
  }

  func measuredExperts(_ format: WeightFormat) -> FusedMoECost? {
    switch format {
    case .bf16: experts
    case .fp8: expertsFP8
    case .fp8Block: expertsFP8Block
    case .int4, .mxfp4: nil
    }
  }

  /// The decode attention that `kernel` names, on keys and values in fp8 or in 16 bits.
  ///
  /// On Hopper FlashAttention-3 is all that was measured. FlashAttention-2 splits a context only where several queries share a
  /// head of keys: `multiHead` models run it without. Assumed: fp8 without constants costs its bytes.
  public func decodeAttention(_ kernel: DecodeKernel, multiHead: Bool = false, fp8: Bool = false)
    -> DecodeAttentionCost
  {
    if let flashAttention3 {
      return .scheduled(fp8 ? flashAttention3FP8 ?? flashAttention3 : flashAttention3)
    }
    return switch kernel {
    case .flashInfer: .balanced(balancedDecode)
    case .flashAttention: multiHead ? .unsplit(unsplitDecode) : .waves(waveDecode)
    case .unsplit: .unsplit(unsplitDecode)
    }
  }

  /// Decode attention on a latent in fp8 or in 16 bits.
  func latentDecode(fp8: Bool) -> LatentAttentionCost { fp8 ? latentDecodeFP8 ?? latentDecode : latentDecode }

  /// Prefill attention, on a latent or not, with keys and values in fp8 or in 16 bits.
  func prefillAttention(isLatent: Bool, fp8: Bool) -> PrefillAttentionCost {
    if isLatent, let latentPrefill { return latentPrefill }
    return fp8 ? prefillAttentionFP8 ?? prefillAttention : prefillAttention
  }
}
