/// What a profile's constants are.
public enum CostBasis: String, Hashable, Sendable {
  /// Fits to measurements.
  case fits
  /// Rates of a data sheet: bounds that no engine reaches.
  case dataSheet = "data-sheet"
}

extension HardwareSpec {
  /// What the constants are, told by their form: the roofline of a data sheet has no floor and no bend, a kernel both. So
  /// a hardware file says it too.
  public var basis: CostBasis { gemm.floor == 0 && gemm.exponent == .infinity ? .dataSheet : .fits }
}

/// What a GPU and its links cost: one named profile.
///
/// Times are Double microseconds and become integers in `InstanceCosts`.
public struct HardwareSpec: Hashable, Sendable {
  /// The name in `HardwareCatalog`.
  public var name: String
  /// One line for the catalogue: what it is and where the constants come from.
  public var summary: String
  /// Memory of one GPU.
  public var memoryBytes: Int

  /// Matrix products in 16 bits.
  public var gemm: GEMMCost
  /// Matrix products of weights and activations in fp8, a scale per tensor; `nil` where not measured.
  public var gemmFP8: GEMMCost?
  /// The same with a scale per block of 128 × 128.
  public var gemmFP8Block: GEMMCost?
  /// Norm, per element of the residual stream.
  public var rmsNorm: ElementwiseCost
  /// Adding the residual, per element.
  public var residualAdd: ElementwiseCost
  /// Rotary embedding, per element of queries and keys.
  public var rope: ElementwiseCost
  /// Feed-forward activation, per element of its output.
  public var activation: ElementwiseCost
  /// Looking up embeddings, per element.
  public var embedding: ElementwiseCost
  /// Writing new keys and values into the paged cache: floor + bytes / bandwidth.
  public var kvWrite: AlphaBeta
  /// Decode attention that splits and balances the context (FlashInfer).
  public var balancedDecode: AlphaBeta
  /// Decode attention that splits in waves (FlashAttention-2).
  public var waveDecode: WaveAttentionCost
  /// Decode attention that does not split the context.
  public var unsplitDecode: UnsplitAttentionCost
  /// FlashAttention-3's decode attention, which on Hopper takes the place of all three; `nil` elsewhere.
  public var flashAttention3: FlashAttention3Cost?
  /// The same on keys and values in fp8.
  public var flashAttention3FP8: FlashAttention3Cost?
  /// Decode attention on a latent (MLA).
  public var latentDecode: LatentAttentionCost
  /// The same on a latent in fp8; `nil` where not measured.
  public var latentDecodeFP8: LatentAttentionCost?
  /// Prefill attention of one layer.
  public var prefillAttention: PrefillAttentionCost
  /// The same writing and reading keys and values in fp8; `nil` where not measured.
  public var prefillAttentionFP8: PrefillAttentionCost?
  /// Prefill attention of a model with a latent; `nil` where not measured.
  public var latentPrefill: PrefillAttentionCost?
  /// Routed experts in 16 bits.
  public var experts: FusedMoECost
  /// Routed experts in fp8, a scale per tensor; `nil` where not measured.
  public var expertsFP8: FusedMoECost?
  /// The same with a scale per block of 128 × 128.
  public var expertsFP8Block: FusedMoECost?
  /// The same where ranks hold whole experts, which is another kernel; `nil` where not measured.
  public var expertsFP8BlockSpread: FusedMoECost?
  /// Summing over a TP group with NCCL.
  public var allReduce: AllReduceCost
  /// Summing small tensors with vLLM's own kernel, or `nil` where it has none.
  public var customAllReduce: CustomAllReduce?

  /// Between two GPUs of a node.
  public var inNodeLink: LinkClass
  /// Between nodes, unless the cluster says otherwise: per GPU, one NIC each.
  public var interNodeLink: LinkClass

  /// The engine whose host time and kernels are assumed, unless the run says otherwise.
  public var engine: EngineProfile
  /// Where the constants were measured: outside it costs are extrapolated.
  public var measured: MeasuredRange
  /// What of this profile no measurement supports, one sentence each; every run that uses it says so.
  public var unvalidated: [String]

  /// Takes the parts as they are.
  public init(
    name: String, summary: String, memoryBytes: Int, gemm: GEMMCost, rmsNorm: ElementwiseCost,
    residualAdd: ElementwiseCost, rope: ElementwiseCost, activation: ElementwiseCost,
    embedding: ElementwiseCost, kvWrite: AlphaBeta, balancedDecode: AlphaBeta, waveDecode: WaveAttentionCost,
    unsplitDecode: UnsplitAttentionCost, latentDecode: LatentAttentionCost,
    prefillAttention: PrefillAttentionCost, experts: FusedMoECost, allReduce: AllReduceCost,
    customAllReduce: CustomAllReduce?, inNodeLink: LinkClass, interNodeLink: LinkClass, engine: EngineProfile,
    measured: MeasuredRange, unvalidated: [String] = []
  ) {
    self.name = name
    self.summary = summary
    self.memoryBytes = memoryBytes
    self.gemm = gemm
    self.rmsNorm = rmsNorm
    self.residualAdd = residualAdd
    self.rope = rope
    self.activation = activation
    self.embedding = embedding
    self.kvWrite = kvWrite
    self.balancedDecode = balancedDecode
    self.waveDecode = waveDecode
    self.unsplitDecode = unsplitDecode
    self.latentDecode = latentDecode
    self.prefillAttention = prefillAttention
    self.experts = experts
    self.allReduce = allReduce
    self.customAllReduce = customAllReduce
    self.inNodeLink = inNodeLink
    self.interNodeLink = interNodeLink
    self.engine = engine
    self.measured = measured
    self.unvalidated = unvalidated
  }
}
