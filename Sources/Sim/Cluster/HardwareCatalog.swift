/// The hardware profiles known by name. Sources "costmodel.md n" are the fits of data/profiles/a100_fits.json,
/// made on measurements by microsoft/vidur, ai-dynamo/aiconfigurator and NetX-lab/Frontier on A100-SXM4-80GB.
public enum HardwareCatalog {
  /// 80 GiB, as NVIDIA's planner counts an A100-SXM4-80GB (aiconfigurator `a100_sxm.yaml`).
  private static let a100MemoryBytes = 85_899_345_920

  /// What engines reach on an A100-SXM4-80GB: the default.
  public static let a100Measured = HardwareSpec(
    name: "a100-measured",
    summary: "A100-SXM4-80GB as engines use it: fits to measured kernels, links and host times",
    memoryBytes: a100MemoryBytes,
    // costmodel.md 1: 3.9 % mean error per layer, 8.4 % p90, 22 % at most, in sample.
    gemm: GEMMCost(
      floor: 5.74, bytesPerSecond: 1_650e9, flopsPerSecond: 234e12, exponent: 2.15, padTokensTo: 128,
      padAbove: 64),
    // costmodel.md 1, elementwise: mean errors of 6 to 12 %.
    rmsNorm: ElementwiseCost(least: 5.0, base: 0.1, perElement: 5.55e-6),
    residualAdd: ElementwiseCost(least: 2.0, base: 0.23, perElement: 3.20e-6),
    rope: ElementwiseCost(base: 2.29, perElement: 4.21e-6),
    activation: ElementwiseCost(base: 2.08, perElement: 5.93e-6),
    embedding: ElementwiseCost(base: 2.6, perElement: 12.4e-6),
    // costmodel.md 1: FlashInfer, 7B: 3.43 µs + 17.3 ns per token of 16 KiB.
    kvWrite: AlphaBeta(alpha: 3.43, bytesPerSecond: 946e9),
    // costmodel.md 3: FlashInfer, 32 query and 32 KV heads, 4.6 % mean error.
    decodeAttention: AlphaBeta(alpha: 24.5, bytesPerSecond: 1_802e9),
    // costmodel.md 4: vLLM FlashAttention-2, the additive form.
    prefillAttention: PrefillAttentionCost(
      floor: 9, perTokenQueryHead: 0.55e-3, perTokenKVHead: 1.15e-3, flopsPerSecond: 187.6e12),
    // costmodel.md 5, NCCL 2.27 on A100-SXM4: 5.5, 8.3 and 7.2 % mean error.
    allReduce: .twoLines([
      AllReduceFit(
        ranks: 2, AlphaBeta(alpha: 10.1, bytesPerSecond: 39.3e9),
        AlphaBeta(alpha: 36.5, bytesPerSecond: 189e9)),
      AllReduceFit(
        ranks: 4, AlphaBeta(alpha: 13.7, bytesPerSecond: 6.4e9),
        AlphaBeta(alpha: 17.3, bytesPerSecond: 124e9)),
      AllReduceFit(
        ranks: 8, AlphaBeta(alpha: 21.2, bytesPerSecond: 6.9e9),
        AlphaBeta(alpha: 27.5, bytesPerSecond: 117.6e9)),
    ]),
    inNodeLink: LinkCatalog.nvlink3, interNodeLink: LinkCatalog.hdr200,
    // costmodel.md 6, Vidur cpu_overheads; TP1 is 1.3 ms of which Ray is 0.5; TP > 1 is 1.5 ms and Ray's 6.5.
    host: HostCost(
      single: 800, singlePerSequence: 43, sharded: 1_500, shardedPerSequence: 45, singleRay: 500,
      shardedRay: 6_500, usesRay: true),
    // costmodel.md 6: Splitwise 70B TP4 and TP8 at batch 1.
    eagerFloorPerLayer: 530,
    // Vidur mlp.csv (to 4,096 fitted, to 32,768 held out); vLLM 0.14 attention tables of aiconfigurator.
    measured: MeasuredRange(tokens: 1...32_768, decodeContext: 131_072, prefill: 16_384))

  /// The roofline of the data sheet: 312 TFLOP/s, 2,039 GB/s, NVLink 300 GB/s, NIC 25 GB/s, nothing else.
  ///
  /// A bound that no engine reaches. Prefill attention counts its flops only, decode attention its bytes only.
  public static let a100Datasheet = HardwareSpec(
    name: "a100-datasheet",
    summary: "A100-SXM4-80GB roofline from the data sheet: a bound, without latencies or host time",
    memoryBytes: a100MemoryBytes,
    // NVIDIA A100 data sheet: 312 TFLOP/s FP16 dense, 2,039 GB/s (also aiconfigurator a100_sxm.yaml).
    gemm: GEMMCost(
      floor: 0, bytesPerSecond: datasheetBandwidth, flopsPerSecond: datasheetFlops, exponent: .infinity,
      padTokensTo: 1, padAbove: 0),
    // Bytes read and written per FP16 element over the memory's bandwidth.
    rmsNorm: .streaming(bytesPerElement: 4, bytesPerSecond: datasheetBandwidth),
    residualAdd: .streaming(bytesPerElement: 6, bytesPerSecond: datasheetBandwidth),
    rope: .streaming(bytesPerElement: 4, bytesPerSecond: datasheetBandwidth),
    activation: .streaming(bytesPerElement: 4, bytesPerSecond: datasheetBandwidth),
    embedding: .streaming(bytesPerElement: 4, bytesPerSecond: datasheetBandwidth),
    kvWrite: AlphaBeta(alpha: 0, bytesPerSecond: datasheetBandwidth / 2),
    decodeAttention: AlphaBeta(alpha: 0, bytesPerSecond: datasheetBandwidth),
    prefillAttention: PrefillAttentionCost(
      floor: 0, perTokenQueryHead: 0, perTokenKVHead: 0, flopsPerSecond: datasheetFlops),
    allReduce: .ring(bytesPerSecond: 300e9),
    inNodeLink: LinkCatalog.nvlink3Datasheet, interNodeLink: LinkCatalog.hdr200Datasheet,
    host: HostCost(
      single: 0, singlePerSequence: 0, sharded: 0, shardedPerSequence: 0, singleRay: 0, shardedRay: 0,
      usesRay: false),
    eagerFloorPerLayer: 0,
    // A bound holds everywhere.
    measured: MeasuredRange(tokens: 1...(.max), decodeContext: .max, prefill: .max))

  private static let datasheetBandwidth = 2_039e9
  private static let datasheetFlops = 312e12

  /// All profiles, the default first.
  public static let all = [a100Measured, a100Datasheet]

  /// The profile of that name, or `nil`.
  public static func named(_ name: String) -> HardwareSpec? { all.first { $0.name == name } }
}
