/// H100 and H200, fitted to the tables of ai-dynamo/aiconfigurator for vLLM 0.24 (latent attention as modules, NCCL 2.29;
/// docs/costs.md). What no table has is scaled from `a100Measured`, and `unvalidated` says so.
extension HardwareCatalog {
  /// What engines reach on an H100-SXM5-80GB.
  public static let h100Measured: HardwareSpec = {
    var spec = hopper(
      "h100", h100Datasheet,
      summary: "H100-SXM5-80GB as engines use it: fits to the kernels of vLLM 0.24")
    spec.gemm = GEMMCost(
      floor: 3.442, bytesPerSecond: 2_934e9, flopsPerSecond: 835.9e12, exponent: 4.269, fill: 138.5,
      tiling: .even)
    spec.gemmFP8 = fp8(
      floor: 4.641, bytesPerSecond: 2_661e9, flopsPerSecond: 1_500e12, exponent: 2.691, fill: 653.5,
      quantisedPerSecond: 405.6e9)
    // The floor is that of `gemmFP8`: the table's launches, of 55 µs and more, hide the kernel's.
    spec.gemmFP8Block = fp8(
      floor: 4.641, bytesPerSecond: 3_047e9, flopsPerSecond: 1_482e12, exponent: 1.890, fill: 195.3,
      quantisedPerSecond: 433.8e9)
    spec.flashAttention3 = FlashAttention3Cost(
      floor: 11.43, bytesPerSecond: 3_183e9, exponent: 1.852, perSequenceKVHead: 25.32e-3,
      perSequenceHead: 0.2474e-3, uncached: 6.605, cacheBytes: l2Bytes)
    spec.flashAttention3FP8 = FlashAttention3Cost(
      floor: 14.95, bytesPerSecond: 2_975e9, exponent: 1.068, perSequenceKVHead: 24.32e-3,
      perSequenceHead: 0.1857e-3, uncached: 6.144, cacheBytes: l2Bytes)
    // Whole modules less their products and rotary embedding: the floor holds the latent's norms and copies too.
    spec.latentDecode = LatentAttentionCost(
      least: 0, base: 58.58, perKey: 0, perSequence: 83.30e-3, perSequenceHead: 3.366e-3,
      bytesPerSecond: 3_022e9, flopsPerSecond: 686e12)
    spec.latentDecodeFP8 = LatentAttentionCost(
      least: 0, base: 78.24, perKey: 0, perSequence: 104.4e-3, perSequenceHead: 2.658e-3,
      bytesPerSecond: 2_868e9, flopsPerSecond: 788.6e12)
    spec.prefillAttention = PrefillAttentionCost(
      floor: 15.47, perTokenQueryHead: 0.2625e-3, perTokenRootKVHead: 1.921e-3, flopsPerSecond: 676.5e12)
    spec.prefillAttentionFP8 = PrefillAttentionCost(
      floor: 17.36, perTokenQueryHead: 0.3770e-3, perTokenRootKVHead: 3.119e-3, flopsPerSecond: 667.2e12,
      tileFlopsPerSecond: 64.73e12)
    spec.latentPrefill = PrefillAttentionCost(
      floor: 77.42, perTokenQueryHead: 1.228e-3, perTokenRootKVHead: 27.65e-3, flopsPerSecond: 750e12)
    spec.experts = experts(
      floor: 22.06, align: 18.63, bytesPerSecond: 2_985e9, perExpert: 94.82e-3, flopsPerSecond: 608.1e12,
      exponent: 1.373, rowBytesPerSecond: 1_239e9)
    // FlashInfer's CUTLASS experts set each expert up for 1.9 µs, which hides the sorting.
    spec.expertsFP8 = experts(
      floor: 25.88, align: 0, bytesPerSecond: 647.7e9, perExpert: 1.882, flopsPerSecond: 232.9e12,
      exponent: 1.202, rowBytesPerSecond: 8_246e9, bytesPerWeight: 1)
    // Slices of all experts run Triton's kernel, whole ones on several ranks FlashInfer's CUTLASS: rows of the table by its
    // `kernel_source`.
    spec.expertsFP8Block = experts(
      floor: 34.19, align: 8.741, bytesPerSecond: 2_941e9, perExpert: 149e-3, flopsPerSecond: 814.3e12,
      exponent: 2.007, rowBytesPerSecond: 626.6e9, bytesPerWeight: 1)
    spec.expertsFP8BlockSpread = experts(
      floor: 23.52, align: 0, bytesPerSecond: 3_179e9, perExpert: 697e-3, flopsPerSecond: 674.9e12,
      exponent: 1.157, rowBytesPerSecond: 4_675e9, bytesPerWeight: 1)
    spec.allReduce = .fits([
      AllReduceFit(ranks: 2, alpha: 6.076, bytesPerSecond: 333.5e9, exponent: 0.5776),
      AllReduceFit(ranks: 4, alpha: 9.371, bytesPerSecond: 248.0e9, exponent: 0.6119),
      AllReduceFit(ranks: 8, alpha: 15.33, bytesPerSecond: 294.4e9, exponent: 0.5521),
    ])
    spec.customAllReduce = custom([
      (2, (4.291, 259.0e9), (4.714, 270.1e9)), (4, (4.575, 99.53e9), (6.927, 179.8e9)),
      (8, (4.708, 43.04e9), (10.55, 237.2e9)),
    ])
    return spec
  }()

  /// What engines reach on an H200-SXM5-141GB.
  public static let h200Measured: HardwareSpec = {
    var spec = hopper(
      "h200", h200Datasheet,
      summary: "H200-SXM5-141GB as engines use it: fits to the kernels of vLLM 0.24")
    spec.gemm = GEMMCost(
      floor: 3.665, bytesPerSecond: 3_980e9, flopsPerSecond: 826.6e12, exponent: 4.742, fill: 102.4,
      tiling: .even)
    spec.gemmFP8 = fp8(
      floor: 4.877, bytesPerSecond: 3_907e9, flopsPerSecond: 1_731e12, exponent: 1.790, fill: 785.1,
      quantisedPerSecond: 392.3e9)
    spec.gemmFP8Block = fp8(
      floor: 4.877, bytesPerSecond: 4_110e9, flopsPerSecond: 1_431e12, exponent: 2.207, fill: 208.6,
      quantisedPerSecond: 456.7e9)
    spec.flashAttention3 = FlashAttention3Cost(
      floor: 12.41, bytesPerSecond: 4_459e9, exponent: 1.585, perSequenceKVHead: 25.13e-3,
      perSequenceHead: 0.2179e-3, uncached: 4.716, cacheBytes: l2Bytes)
    spec.flashAttention3FP8 = FlashAttention3Cost(
      floor: 15.12, bytesPerSecond: 3_301e9, exponent: 1.021, perSequenceKVHead: 24.24e-3,
      perSequenceHead: 0.1697e-3, uncached: 4.902, cacheBytes: l2Bytes)
    spec.latentDecode = LatentAttentionCost(
      least: 0, base: 56.16, perKey: 0, perSequence: 83.53e-3, perSequenceHead: 2.868e-3,
      bytesPerSecond: 4_449e9, flopsPerSecond: 725e12)
    spec.latentDecodeFP8 = LatentAttentionCost(
      least: 0, base: 70.55, perKey: 0, perSequence: 110.9e-3, perSequenceHead: 2.317e-3,
      bytesPerSecond: 3_128e9, flopsPerSecond: 781.4e12)
    spec.prefillAttention = PrefillAttentionCost(
      floor: 15.58, perTokenQueryHead: 0.2617e-3, perTokenRootKVHead: 1.684e-3, flopsPerSecond: 670.9e12)
    spec.prefillAttentionFP8 = PrefillAttentionCost(
      floor: 17.41, perTokenQueryHead: 0.3792e-3, perTokenRootKVHead: 2.828e-3, flopsPerSecond: 652.9e12,
      tileFlopsPerSecond: 73.31e12)
    spec.latentPrefill = PrefillAttentionCost(
      floor: 73.01, perTokenQueryHead: 1.184e-3, perTokenRootKVHead: 22.11e-3, flopsPerSecond: 750e12)
    spec.experts = experts(
      floor: 23.70, align: 18.44, bytesPerSecond: 4_605e9, perExpert: 123.7e-3, flopsPerSecond: 752.4e12,
      exponent: 1.071, rowBytesPerSecond: 1_348e9)
    spec.expertsFP8 = experts(
      floor: 28.39, align: 0, bytesPerSecond: 672.1e9, perExpert: 1.832, flopsPerSecond: 286.6e12,
      exponent: 1.139, rowBytesPerSecond: 7_031e9, bytesPerWeight: 1)
    // Slices of all experts run Triton's kernel, whole ones on several ranks FlashInfer's CUTLASS: rows of the table by its
    // `kernel_source`.
    spec.expertsFP8Block = experts(
      floor: 38.84, align: 1.039, bytesPerSecond: 4_134e9, perExpert: 167e-3, flopsPerSecond: 838.4e12,
      exponent: 1.594, rowBytesPerSecond: 665.1e9, bytesPerWeight: 1)
    spec.expertsFP8BlockSpread = experts(
      floor: 23.59, align: 0, bytesPerSecond: 4_773e9, perExpert: 846e-3, flopsPerSecond: 844.4e12,
      exponent: 0.974, rowBytesPerSecond: 4_766e9, bytesPerWeight: 1)
    spec.allReduce = .fits([
      AllReduceFit(ranks: 2, alpha: 6.361, bytesPerSecond: 327.3e9, exponent: 0.6140),
      AllReduceFit(ranks: 4, alpha: 9.706, bytesPerSecond: 242.8e9, exponent: 0.6594),
      AllReduceFit(ranks: 8, alpha: 15.85, bytesPerSecond: 303.3e9, exponent: 0.5651),
    ])
    spec.customAllReduce = custom([
      (2, (4.373, 51.28e9), (4.496, 263.9e9)), (4, (4.541, 102.9e9), (6.914, 192.7e9)),
      (8, (4.705, 35.30e9), (8.910, 228.0e9)),
    ])
    return spec
  }()

  /// NVIDIA H100 and H200 data sheets: 50 MB of L2 cache.
  private static let l2Bytes = 50_000_000

  /// What both cards share: all that no table has.
  private static func hopper(_ card: String, _ sheet: HardwareSpec, summary: String) -> HardwareSpec {
    var spec = sheet
    spec.name = card + "-measured"
    spec.summary = summary
    let a100 = a100Measured
    let memoryRate = sheet.gemm.bytesPerSecond / a100Datasheet.gemm.bytesPerSecond
    func scaled(_ cost: ElementwiseCost) -> ElementwiseCost {
      ElementwiseCost(least: cost.least, base: cost.base, perElement: cost.perElement / memoryRate)
    }
    spec.rmsNorm = scaled(a100.rmsNorm)
    spec.residualAdd = scaled(a100.residualAdd)
    spec.rope = scaled(a100.rope)
    spec.activation = scaled(a100.activation)
    spec.embedding = scaled(a100.embedding)
    // The attention tables time the write of new keys and values too.
    spec.kvWrite = AlphaBeta(alpha: 0, bytesPerSecond: .infinity)
    spec.engine = EngineCatalog.vllmV1Async
    // The grid goes to 32,768 tokens, attention to 131,072 and 16,384.
    spec.measured = MeasuredRange(tokens: 1...32_768, decodeContext: 131_072, prefill: 16_384)
    spec.unvalidated = [
      "elementwise kernels are those of an A100 with its memory's rate, not measured",
      "links between GPUs and nodes are the data sheet's, not measured; all-reduces are",
    ]
    return spec
  }

  /// An H100 and an H200 have 132 multiprocessors.
  private static func fp8(
    floor: Double, bytesPerSecond: Double, flopsPerSecond: Double, exponent: Double, fill: Double,
    quantisedPerSecond: Double
  ) -> GEMMCost {
    GEMMCost(
      floor: floor, bytesPerSecond: bytesPerSecond, flopsPerSecond: flopsPerSecond, exponent: exponent,
      fill: fill,
      quantisedPerSecond: quantisedPerSecond, tiling: .byRows(multiprocessors: 132), bytesPerWeight: 1,
      bytesPerInput: 1)
  }

  /// Tables of shapes that all have a tuned configuration, or kernels that need none.
  private static func experts(
    floor: Double, align: Double, bytesPerSecond: Double, perExpert: Double, flopsPerSecond: Double,
    exponent: Double, rowBytesPerSecond: Double, bytesPerWeight: Double = 2
  ) -> FusedMoECost {
    FusedMoECost(
      floor: floor, align: align, bytesPerSecond: bytesPerSecond, perExpert: perExpert,
      smallTileFlops: flopsPerSecond, largeTileFlops: flopsPerSecond, tunedFlops: flopsPerSecond, tuned: .all,
      exponent: exponent, rowBytesPerSecond: rowBytesPerSecond, bytesPerWeight: bytesPerWeight)
  }

  /// Tensors up to 4 MB, by ranks: the two lines of each.
  private static func custom(_ fits: [(ranks: Int, small: (Double, Double), large: (Double, Double))])
    -> CustomAllReduce
  {
    CustomAllReduce(
      mostBytes: 4_194_304,
      fits: fits.map { fit in
        .init(
          ranks: fit.ranks, AlphaBeta(alpha: fit.small.0, bytesPerSecond: fit.small.1),
          AlphaBeta(alpha: fit.large.0, bytesPerSecond: fit.large.1))
      })
  }
}
