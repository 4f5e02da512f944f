/// The hardware profiles known by name. Sources "costmodel.md n" are the fits of data/profiles/a100_fits.json,
/// made on measurements by microsoft/vidur, ai-dynamo/aiconfigurator and NetX-lab/Frontier on A100-SXM4-80GB.
public enum HardwareCatalog {
  /// 80 GiB, as NVIDIA's planner counts an A100-SXM4-80GB (aiconfigurator `a100_sxm.yaml`).
  private static let a100MemoryBytes = 85_899_345_920
  /// 81,559 MiB, as nvidia-smi shows an H100-SXM5-80GB.
  static let h100MemoryBytes = 85_520_809_984
  /// 143,771 MiB, as nvidia-smi shows an H200-SXM5-141GB.
  static let h200MemoryBytes = 150_754_820_096

  /// What engines reach on an A100-SXM4-80GB: the default.
  public static let a100Measured = HardwareSpec(
    name: "a100-measured",
    summary: "A100-SXM4-80GB as engines use it: fits to measured kernels, links and host times",
    memoryBytes: a100MemoryBytes,
    // Eight constants, fitted to two stacks: all rows of aiconfigurator's grid (vLLM 0.14) with n and k of 512 and more, and
    // Vidur's rows of up to 64 tokens (three models × TP 1, 2, 4, 8), which together count 0.7 times as much as the grid's
    // rows of up to 64 tokens: about the most at which the grid stays within 8 %. An A100 has 108 multiprocessors.
    gemm: GEMMCost(
      floor: 5.076, bytesPerSecond: 1_653e9, flopsPerSecond: 302.4e12, exponent: 3.062, fill: 185.2,
      tiling: .waves(multiprocessors: 108, narrow: 1.126, spread: 1.425, idle: 0.1177)),
    // costmodel.md 1, elementwise: mean errors of 6 to 12 %.
    rmsNorm: ElementwiseCost(least: 5.0, base: 0.1, perElement: 5.55e-6),
    residualAdd: ElementwiseCost(least: 2.0, base: 0.23, perElement: 3.20e-6),
    rope: ElementwiseCost(base: 2.29, perElement: 4.21e-6),
    activation: ElementwiseCost(base: 2.08, perElement: 5.93e-6),
    embedding: ElementwiseCost(base: 2.6, perElement: 12.4e-6),
    // costmodel.md 1: FlashInfer, 7B: 3.43 µs + 17.3 ns per token of 16 KiB.
    kvWrite: AlphaBeta(alpha: 3.43, bytesPerSecond: 946e9),
    // costmodel.md 3: FlashInfer, 32 query and 32 KV heads, 4.6 % mean error.
    balancedDecode: AlphaBeta(alpha: 24.5, bytesPerSecond: 1_802e9),
    // Fitted to attention_decode_vllm.csv, 8 query heads per KV head, KV above 8 MB.
    waveDecode: WaveAttentionCost(
      floor: 15.6, bytesPerSecond: 1_574e9, blockBytesPerSecond: 10.34e9, combine: 4.87,
      perSequenceHead: 2.86e-3),
    // costmodel.md 3: vLLM's FlashAttention-2 on multi-head models, which it does not split.
    unsplitDecode: UnsplitAttentionCost(
      floor: 9.3, bytesPerSecond: 1_540e9, blockBytesPerSecond: 22.3e9, perSequenceHead: 11.3e-3),
    // Fitted to mla_decode_vllm.csv.
    latentDecode: LatentAttentionCost(least: 338.9, base: 73.5, perKey: 0.112, perSequenceHead: 26.06e-3),
    // Fitted to attention_prefill_vllm.csv, prompts of 1,024 tokens and more, 1 to 64 heads: 3.7 % mean error.
    prefillAttention: PrefillAttentionCost(
      floor: 11.96, perTokenQueryHead: 0.3778e-3, perTokenRootKVHead: 3.644e-3, flopsPerSecond: 184.3e12,
      tileFlopsPerSecond: 5.40e12),
    // Fitted to moe_vllm.csv.
    experts: FusedMoECost(
      floor: 33.62, align: 23.67, bytesPerSecond: 1_792e9, smallTileFlops: 47.98e12,
      largeTileFlops: 106.5e12, tunedFlops: 180.2e12, tuned: .a100, exponent: 1.935,
      rowBytesPerSecond: 817.2e9),
    // Fitted to collectives_nccl.csv: NCCL 2.27 on A100-SXM4.
    allReduce: .fits([
      AllReduceFit(ranks: 2, alpha: 9.70, bytesPerSecond: 217.5e9, exponent: 0.52),
      AllReduceFit(ranks: 4, alpha: 13.69, bytesPerSecond: 155.9e9, exponent: 0.57),
      AllReduceFit(ranks: 8, alpha: 21.31, bytesPerSecond: 133.6e9, exponent: 0.64),
    ]),
    // costmodel.md 5: vLLM 0.14 in a CUDA graph, tensors up to 4 MB.
    customAllReduce: CustomAllReduce(
      mostBytes: 4_194_304,
      fits: [
        .init(
          ranks: 2, AlphaBeta(alpha: 4.9, bytesPerSecond: 84.5e9),
          AlphaBeta(alpha: 5.2, bytesPerSecond: 209e9)),
        .init(
          ranks: 4, AlphaBeta(alpha: 5.3, bytesPerSecond: 51.8e9),
          AlphaBeta(alpha: 10.7, bytesPerSecond: 136.6e9)),
        .init(
          ranks: 8, AlphaBeta(alpha: 5.7, bytesPerSecond: 23.1e9),
          AlphaBeta(alpha: 15.2, bytesPerSecond: 142.9e9)),
      ]),
    inNodeLink: LinkCatalog.nvlink3, interNodeLink: LinkCatalog.hdr200,
    engine: EngineCatalog.vllmV1Async,
    // Vidur mlp.csv (to 4,096 fitted, to 32,768 held out); vLLM 0.14 attention tables of aiconfigurator.
    measured: MeasuredRange(tokens: 1...32_768, decodeContext: 131_072, prefill: 16_384))

  /// The roofline of the data sheet: 312 TFLOP/s, 2,039 GB/s, NVLink 300 GB/s, NIC 25 GB/s, nothing else.
  ///
  /// A bound that no engine reaches. Prefill attention counts its flops only, decode attention its bytes only.
  public static let a100Datasheet = roofline(
    name: "a100-datasheet",
    summary: "A100-SXM4-80GB roofline from the data sheet: a bound, without latencies or host time",
    memoryBytes: a100MemoryBytes,
    // NVIDIA A100 data sheet: 312 TFLOP/s FP16 dense, 2,039 GB/s (also aiconfigurator a100_sxm.yaml).
    bytesPerSecond: 2_039e9, flopsPerSecond: 312e12,
    inNodeLink: LinkCatalog.nvlink3Datasheet, interNodeLink: LinkCatalog.hdr200Datasheet)

  /// A100-SXM4-40GB: the measured constants with its slower memory.
  public static let a10040GB = variant(
    name: "a100-40gb", summary: "A100-SXM4-40GB: a100-measured with memory rates scaled to 1,555 GB/s",
    memoryBytes: a100MemoryBytes / 2,
    // NVIDIA A100 data sheet: 1,555 GB/s (40 GB) against 2,039 GB/s (80 GB, SXM).
    memoryRate: 1_555.0 / 2_039, unvalidated: ["memory rates are scaled from the 80 GB card, not measured"])

  /// A100-PCIe-80GB: slower memory, and no NVLink between the GPUs of a node.
  public static let a100PCIe: HardwareSpec = {
    var spec = variant(
      name: "a100-pcie",
      summary: "A100-PCIe-80GB without NVLink bridges: memory scaled to 1,935 GB/s, PCIe 4",
      memoryBytes: a100MemoryBytes,
      // NVIDIA A100 data sheet: 1,935 GB/s (80 GB PCIe).
      memoryRate: 1_935.0 / 2_039,
      unvalidated: [
        "memory rates are scaled from the SXM card, not measured",
        "all-reduce over PCIe was measured on four GPUs only",
      ])
    spec.inNodeLink = LinkCatalog.pcie4
    spec.customAllReduce = nil
    // costmodel.md 5: four GPUs joined by PCIe, 57 µs + S / 15.8 GB/s. Assumed: a ring's share for two and eight.
    spec.allReduce = .fits(
      [2, 4, 8].map { ranks in
        let share = 2 * Double(ranks - 1) / Double(ranks)
        return AllReduceFit(ranks: ranks, alpha: 57, bytesPerSecond: 15.8e9 * 1.5 / share, exponent: 1)
      })
    return spec
  }()

  /// The roofline of an H100-SXM's data sheet.
  public static let h100Datasheet = roofline(
    name: "h100-datasheet",
    summary: "H100-SXM5-80GB roofline from the data sheet: a bound that no measurement here supports",
    memoryBytes: h100MemoryBytes,
    // NVIDIA H100 data sheet: 989 TFLOP/s FP16 and 1,979 FP8, dense, 3,352 GB/s, NVLink 4 of 450 GB/s per direction.
    bytesPerSecond: 3_352e9, flopsPerSecond: 989e12, fp8FlopsPerSecond: 1_979e12,
    inNodeLink: LinkCatalog.nvlink4Datasheet, interNodeLink: LinkCatalog.infiniband400Datasheet,
    unvalidated: ["every constant is from the data sheet, none was measured"])

  /// The roofline of an H200-SXM's data sheet.
  public static let h200Datasheet = roofline(
    name: "h200-datasheet",
    summary: "H200-SXM5-141GB roofline from the data sheet: a bound that no measurement here supports",
    memoryBytes: h200MemoryBytes,
    // NVIDIA H200 data sheet: 989 TFLOP/s FP16 and 1,979 FP8, dense, 4.8 TB/s, NVLink 4 of 450 GB/s per direction.
    bytesPerSecond: 4_800e9, flopsPerSecond: 989e12, fp8FlopsPerSecond: 1_979e12,
    inNodeLink: LinkCatalog.nvlink4Datasheet, interNodeLink: LinkCatalog.infiniband400Datasheet,
    unvalidated: ["every constant is from the data sheet, none was measured"])

  /// All profiles, the default first.
  public static let all = [
    a100Measured, a100Datasheet, a10040GB, a100PCIe, h100Measured, h100Datasheet, h200Measured, h200Datasheet,
  ]

  /// The profile of that name, or `nil`.
  public static func named(_ name: String) -> HardwareSpec? { all.first { $0.name == name } }

  /// A profile of two rates and nothing else.
  private static func roofline(
    name: String, summary: String, memoryBytes: Int, bytesPerSecond: Double, flopsPerSecond: Double,
    fp8FlopsPerSecond: Double? = nil, inNodeLink: LinkClass, interNodeLink: LinkClass,
    unvalidated: [String] = []
  ) -> HardwareSpec {
    func gemm(_ flopsPerSecond: Double, bytes: Double) -> GEMMCost {
      GEMMCost(
        floor: 0, bytesPerSecond: bytesPerSecond, flopsPerSecond: flopsPerSecond, exponent: .infinity,
        bytesPerWeight: bytes, bytesPerInput: bytes)
    }
    func experts(_ flopsPerSecond: Double, bytes: Double) -> FusedMoECost {
      FusedMoECost(
        floor: 0, align: 0, bytesPerSecond: bytesPerSecond, smallTileFlops: flopsPerSecond,
        largeTileFlops: flopsPerSecond, tunedFlops: flopsPerSecond, tuned: .a100, exponent: .infinity,
        rowBytesPerSecond: bytesPerSecond, bytesPerWeight: bytes)
    }
    var spec = HardwareSpec(
      name: name, summary: summary, memoryBytes: memoryBytes,
      gemm: gemm(flopsPerSecond, bytes: 2),
      // Bytes read and written per FP16 element over the memory's bandwidth.
      rmsNorm: .streaming(bytesPerElement: 4, bytesPerSecond: bytesPerSecond),
      residualAdd: .streaming(bytesPerElement: 6, bytesPerSecond: bytesPerSecond),
      rope: .streaming(bytesPerElement: 4, bytesPerSecond: bytesPerSecond),
      activation: .streaming(bytesPerElement: 4, bytesPerSecond: bytesPerSecond),
      embedding: .streaming(bytesPerElement: 4, bytesPerSecond: bytesPerSecond),
      kvWrite: AlphaBeta(alpha: 0, bytesPerSecond: bytesPerSecond / 2),
      balancedDecode: AlphaBeta(alpha: 0, bytesPerSecond: bytesPerSecond),
      waveDecode: WaveAttentionCost(
        floor: 0, bytesPerSecond: bytesPerSecond, blockBytesPerSecond: .infinity, combine: 0,
        perSequenceHead: 0),
      unsplitDecode: UnsplitAttentionCost(
        floor: 0, bytesPerSecond: bytesPerSecond, blockBytesPerSecond: bytesPerSecond / 216,
        perSequenceHead: 0),
      // 1,152 bytes per key, shared by 16 heads of a block; 108 blocks share the bandwidth.
      latentDecode: LatentAttentionCost(
        least: 0, base: 0, perKey: 1_152 * 108 / bytesPerSecond * 1e6, perSequenceHead: 0),
      prefillAttention: PrefillAttentionCost(
        floor: 0, perTokenQueryHead: 0, perTokenRootKVHead: 0, flopsPerSecond: flopsPerSecond),
      experts: experts(flopsPerSecond, bytes: 2),
      allReduce: .ring(bytesPerSecond: inNodeLink.costs.bytesPerSecond), customAllReduce: nil,
      inNodeLink: inNodeLink, interNodeLink: interNodeLink, engine: EngineCatalog.kernelsOnly,
      // A bound holds everywhere.
      measured: MeasuredRange(tokens: 1...(.max), decodeContext: .max, prefill: .max),
      unvalidated: unvalidated)
    if let fp8FlopsPerSecond {
      (spec.gemmFP8, spec.gemmFP8Block) = (
        gemm(fp8FlopsPerSecond, bytes: 1), gemm(fp8FlopsPerSecond, bytes: 1)
      )
      (spec.expertsFP8, spec.expertsFP8Block) = (
        experts(fp8FlopsPerSecond, bytes: 1), experts(fp8FlopsPerSecond, bytes: 1)
      )
    }
    return spec
  }

  /// `a100-measured` with every memory rate multiplied by `memoryRate`.
  private static func variant(
    name: String, summary: String, memoryBytes: Int, memoryRate: Double, unvalidated: [String]
  ) -> HardwareSpec {
    var spec = a100Measured
    spec.name = name
    spec.summary = summary
    spec.memoryBytes = memoryBytes
    spec.unvalidated = unvalidated
    spec.gemm.bytesPerSecond *= memoryRate
    spec.rmsNorm.perElement /= memoryRate
    spec.residualAdd.perElement /= memoryRate
    spec.rope.perElement /= memoryRate
    spec.activation.perElement /= memoryRate
    spec.embedding.perElement /= memoryRate
    spec.kvWrite.bytesPerSecond *= memoryRate
    spec.balancedDecode.bytesPerSecond *= memoryRate
    spec.waveDecode.bytesPerSecond *= memoryRate
    spec.unsplitDecode.bytesPerSecond *= memoryRate
    spec.experts.bytesPerSecond *= memoryRate
    spec.experts.rowBytesPerSecond *= memoryRate
    return spec
  }
}
