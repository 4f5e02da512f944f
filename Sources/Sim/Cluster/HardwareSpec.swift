/// What a GPU, its links and its host cost: one named profile.
///
/// Times are Double microseconds and become integers in `InstanceCosts`.
public struct HardwareSpec: Hashable, Sendable {
  /// The name in `HardwareCatalog`.
  public var name: String
  /// One line for the catalogue: what it is and where the constants come from.
  public var summary: String
  /// Memory of one GPU.
  public var memoryBytes: Int

  /// Matrix products.
  public var gemm: GEMMCost
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
  /// Decode attention of one layer with split KV: floor + bytes of keys and values / bandwidth.
  public var decodeAttention: AlphaBeta
  /// Prefill attention of one layer.
  public var prefillAttention: PrefillAttentionCost
  /// Summing over a TP group.
  public var allReduce: AllReduceCost

  /// Between two GPUs of a node.
  public var inNodeLink: LinkClass
  /// Between nodes, unless the cluster says otherwise: per GPU, one NIC each.
  public var interNodeLink: LinkClass

  /// CPU time of an iteration.
  public var host: HostCost
  /// The least time of a layer when its kernels are launched one by one (eager mode), µs.
  public var eagerFloorPerLayer: Double
  /// Where the constants were measured: outside it costs are extrapolated.
  public var measured: MeasuredRange

  /// Takes the parts as they are.
  public init(
    name: String, summary: String, memoryBytes: Int, gemm: GEMMCost, rmsNorm: ElementwiseCost,
    residualAdd: ElementwiseCost, rope: ElementwiseCost, activation: ElementwiseCost,
    embedding: ElementwiseCost, kvWrite: AlphaBeta, decodeAttention: AlphaBeta,
    prefillAttention: PrefillAttentionCost, allReduce: AllReduceCost, inNodeLink: LinkClass,
    interNodeLink: LinkClass, host: HostCost, eagerFloorPerLayer: Double, measured: MeasuredRange
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
    self.decodeAttention = decodeAttention
    self.prefillAttention = prefillAttention
    self.allReduce = allReduce
    self.inNodeLink = inNodeLink
    self.interNodeLink = interNodeLink
    self.host = host
    self.eagerFloorPerLayer = eagerFloorPerLayer
    self.measured = measured
  }
}
