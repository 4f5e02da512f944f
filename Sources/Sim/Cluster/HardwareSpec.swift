/// What a GPU, its links and its host cost: one named profile.
///
/// Times are Double microseconds and become integers in `InstanceCosts`.
public struct HardwareSpec: Hashable, Sendable {
  public var name: String
  /// One line for the catalogue: what it is and where the constants come from.
  public var summary: String
  /// Memory of one GPU.
  public var memoryBytes: Int

  public var gemm: GEMMCost
  public var rmsNorm: ElementwiseCost
  public var residualAdd: ElementwiseCost
  public var rope: ElementwiseCost
  /// Feed-forward activation, per element of its output.
  public var activation: ElementwiseCost
  public var embedding: ElementwiseCost
  /// Writing new keys and values into the paged cache: floor + bytes / bandwidth.
  public var kvWrite: AlphaBeta
  /// Decode attention of one layer with split KV: floor + bytes of keys and values / bandwidth.
  public var decodeAttention: AlphaBeta
  public var prefillAttention: PrefillAttentionCost
  public var allReduce: AllReduceCost

  /// Between two GPUs of a node.
  public var inNodeLink: LinkClass
  /// Between nodes, unless the cluster says otherwise: per GPU, one NIC each.
  public var interNodeLink: LinkClass

  public var host: HostCost
  /// The least time of a layer when its kernels are launched one by one (eager mode), µs.
  public var eagerFloorPerLayer: Double
  /// Where the constants were measured: outside it costs are extrapolated.
  public var measured: MeasuredRange

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

/// A time that is a floor plus bytes over a bandwidth.
public struct AlphaBeta: Hashable, Sendable {
  /// Floor, µs.
  public var alpha: Double
  /// Bandwidth, bytes per second.
  public var bytesPerSecond: Double

  public init(alpha: Double, bytesPerSecond: Double) {
    self.alpha = alpha
    self.bytesPerSecond = bytesPerSecond
  }

  /// µs for `bytes`.
  public func microseconds(bytes: Double) -> Double { alpha + bytes / bytesPerSecond * 1e6 }
}

/// CPU time of one iteration: scheduling, input preparation, sampling, post-processing.
public struct HostCost: Hashable, Sendable {
  /// One GPU: constant, µs, and per sequence of the batch, µs.
  public var single: Double
  public var singlePerSequence: Double
  /// More than one GPU: constant, µs, and per sequence of the batch, µs.
  public var sharded: Double
  public var shardedPerSequence: Double
  /// Ray's part with one GPU and with more, µs: added while `usesRay`.
  public var singleRay: Double
  public var shardedRay: Double
  /// vLLM of 2023 drove its workers through Ray; later ones need not. On by default.
  public var usesRay: Bool

  public init(
    single: Double, singlePerSequence: Double, sharded: Double, shardedPerSequence: Double,
    singleRay: Double, shardedRay: Double, usesRay: Bool
  ) {
    self.single = single
    self.singlePerSequence = singlePerSequence
    self.sharded = sharded
    self.shardedPerSequence = shardedPerSequence
    self.singleRay = singleRay
    self.shardedRay = shardedRay
    self.usesRay = usesRay
  }

  /// Constant part for an instance of `gpus` GPUs, µs.
  public func base(gpus: Int) -> Double {
    gpus == 1 ? single + (usesRay ? singleRay : 0) : sharded + (usesRay ? shardedRay : 0)
  }

  /// Part of each sequence of the batch for an instance of `gpus` GPUs, µs.
  public func perSequence(gpus: Int) -> Double { gpus == 1 ? singlePerSequence : shardedPerSequence }
}

/// The ranges in which a profile's constants were measured.
public struct MeasuredRange: Hashable, Sendable {
  /// Tokens of one iteration.
  public var tokens: ClosedRange<Int>
  /// The longest context of a decoding sequence, tokens.
  public var decodeContext: Int
  /// The longest prompt, tokens.
  public var prefill: Int

  public init(tokens: ClosedRange<Int>, decodeContext: Int, prefill: Int) {
    self.tokens = tokens
    self.decodeContext = decodeContext
    self.prefill = prefill
  }

  /// One sentence for each bound that a run left; empty when all costs were interpolated.
  /// Pass the extremes that occurred, 0 for what did not.
  public func extrapolations(tokens: Int = 0, decodeContext: Int = 0, prefill: Int = 0) -> [String] {
    var sentences: [String] = []
    if tokens > self.tokens.upperBound {
      sentences.append("an iteration of \(tokens) tokens is beyond the measured \(self.tokens.upperBound)")
    }
    if decodeContext > self.decodeContext {
      sentences.append("a context of \(decodeContext) tokens is beyond the measured \(self.decodeContext)")
    }
    if prefill > self.prefill {
      sentences.append("a prompt of \(prefill) tokens is beyond the measured \(self.prefill)")
    }
    return sentences
  }
}
