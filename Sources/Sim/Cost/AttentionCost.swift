/// Prefill attention of one layer (causal), of all prompts of a step in one launch:
/// floor + tokens · (q · heads + kv · √(KV heads)) + flops / rate + longest context / tile rate.
///
/// The root is empirical: with it one set of constants holds from 1 to 64 KV heads (docs/costs.md).
///
/// It is additive, so that a prompt costs the same however it is chunked but for what a launch adds: the floor, and
/// the one tile of 128 query rows that meets the longest context, on one multiprocessor.
public struct PrefillAttentionCost: Hashable, Sendable {
  /// µs per step that prefills anything.
  public var floor: Double
  /// µs per new token and query head of the rank.
  public var perTokenQueryHead: Double
  /// µs per new token and square root of the KV heads of the rank.
  public var perTokenRootKVHead: Double
  /// Arithmetic rate reached.
  public var flopsPerSecond: Double
  /// Arithmetic rate of one multiprocessor on the last tile; infinite for none.
  public var tileFlopsPerSecond: Double

  /// Takes the parts as they are.
  public init(
    floor: Double, perTokenQueryHead: Double, perTokenRootKVHead: Double, flopsPerSecond: Double,
    tileFlopsPerSecond: Double = .infinity
  ) {
    self.floor = floor
    self.perTokenQueryHead = perTokenQueryHead
    self.perTokenRootKVHead = perTokenRootKVHead
    self.flopsPerSecond = flopsPerSecond
    self.tileFlopsPerSecond = tileFlopsPerSecond
  }

  /// Query rows of a tile.
  static let tileRows = 128

  /// The same kernel with all thread blocks together reaching `share` of the arithmetic rate.
  func scaled(rate share: Double) -> PrefillAttentionCost {
    var scaled = self
    scaled.flopsPerSecond *= share
    return scaled
  }
}

/// Attention of one layer on one rank: the microseconds from which `InstanceCosts` takes its integer rates.
public struct AttentionCost: Sendable {
  private let prefill: PrefillAttentionCost
  private let decode: DecodeAttentionCost
  private let latentDecode: LatentAttentionCost
  private let queryHeads: Int
  private let kvHeads: Int
  /// Mean width of a head's query and value, which set the flops of a (query, key) pair.
  private let pairWidth: Double
  private let bytesPerHeadToken: Int
  private let isLatent: Bool
  /// Flops of one head for one key of a latent: scores over its whole width, values over its rank.
  private let latentFlops: Int
  /// Bytes of the cache of one token on this rank, one layer.
  public let kvBytesPerToken: Int

  /// The attention of `model` cut over `tp` ranks, decoding with `kernel` at `bandwidthShare` of its bandwidth and
  /// prefilling at `prefillShare` of the arithmetic rate.
  public init(
    model: ModelSpec, hardware: HardwareSpec, tp: Int, kernel: DecodeKernel? = nil,
    bandwidthShare: Double = 1,
    prefillShare: Double = 1
  ) {
    let isFP8 = model.kvBytesPerElement == 1
    prefill = hardware.prefillAttention(isLatent: model.latent != nil, fp8: isFP8).scaled(rate: prefillShare)
    decode = hardware.decodeAttention(
      kernel ?? hardware.engine.decodeKernel, multiHead: model.isMultiHead, fp8: isFP8
    ).scaled(bandwidth: bandwidthShare)
    latentDecode = hardware.latentDecode(fp8: isFP8)
    latentFlops = model.latent.map { 2 * ($0.width + $0.rank) } ?? 0
    queryHeads = model.queryHeads / tp
    kvHeads = model.kvHeadsPerRank(tp: tp)
    bytesPerHeadToken = 2 * model.headDim * model.kvBytesPerElement
    kvBytesPerToken = model.kvBytesPerTokenPerLayer(tp: tp)
    isLatent = model.latent != nil
    pairWidth =
      model.latent.map { Double(model.headDim + $0.ropeDim + $0.valueDim) / 2 } ?? Double(model.headDim)
  }

  /// Decode attention of `sequences` requests that each attend to `context` tokens, µs.
  public func decode(sequences: Int, context: Int) -> Double {
    if isLatent {
      return latentDecode.microseconds(
        sequences: sequences, context: context, heads: queryHeads, keyBytes: kvBytesPerToken,
        headFlops: latentFlops)
    }
    let batch = DecodeBatch(
      sequences: sequences, context: context, queryHeads: queryHeads, kvHeads: kvHeads,
      bytesPerHeadToken: bytesPerHeadToken)
    // Without splitting, contexts that differ are bounded by their sum here and by the longest in `longest`.
    if case .unsplit(let cost) = decode {
      return cost.constant(sequences: sequences, queryHeads: queryHeads) + batch.bytes / cost.bytesPerSecond
        * 1e6
    }
    return decode.microseconds(batch)
  }

  /// Without splitting, the time that the longest context of a batch of `sequences` sets: a constant and a part for
  /// each of its tokens, µs. `nil` when the kernel splits.
  public func longest(sequences: Int) -> (constant: Double, perToken: Double)? {
    guard !isLatent, case .unsplit(let cost) = decode else { return nil }
    return (
      cost.constant(sequences: sequences, queryHeads: queryHeads),
      Double(bytesPerHeadToken) / cost.blockBytesPerSecond * 1e6
    )
  }

  /// Launch floor of prefill attention, µs per step.
  public var prefillFloor: Double { prefill.floor }

  /// Work per new token (softmax, scales), µs.
  public var prefillPerToken: Double {
    prefill.perTokenQueryHead * Double(queryHeads) + prefill.perTokenRootKVHead
      * Double(kvHeads).squareRoot()
  }

  /// One query token against one key token: 4 · heads · width flops (QKᵀ and PV), µs.
  public var prefillPerPair: Double {
    4 * Double(queryHeads) * pairWidth / prefill.flopsPerSecond * 1e6
  }

  /// The last tile's work per token of the longest context, µs.
  public var prefillPerReach: Double {
    4 * Double(PrefillAttentionCost.tileRows) * pairWidth / prefill.tileFlopsPerSecond * 1e6
  }

  /// `sequences` chunks of `new` tokens after `cached` ones in one launch: each new · cached + new (new + 1) / 2
  /// pairs, µs.
  public func prefill(new: Int, cached: Int = 0, sequences: Int = 1) -> Double {
    let (x, c) = (Double(new), Double(cached))
    let chunk = prefillPerToken * x + prefillPerPair * (x * c + x * (x + 1) / 2)
    return prefillFloor + Double(sequences) * chunk + prefillPerReach * (x + c)
  }
}
