/// Prefill attention of one layer (causal), additive so that a prompt costs the same however it is chunked
/// but for the floor: floor + tokens · (q · heads + kv · KV heads) + flops / rate.
public struct PrefillAttentionCost: Hashable, Sendable {
  /// µs per chunk.
  public var floor: Double
  /// µs per new token and query head of the rank.
  public var perTokenQueryHead: Double
  /// µs per new token and KV head of the rank.
  public var perTokenKVHead: Double
  /// Arithmetic rate reached.
  public var flopsPerSecond: Double

  /// Takes the parts as they are.
  public init(
    floor: Double, perTokenQueryHead: Double, perTokenKVHead: Double, flopsPerSecond: Double
  ) {
    self.floor = floor
    self.perTokenQueryHead = perTokenQueryHead
    self.perTokenKVHead = perTokenKVHead
    self.flopsPerSecond = flopsPerSecond
  }
}

/// Attention of one layer on one rank: the microseconds from which `InstanceCosts` takes its integer rates.
public struct AttentionCost: Sendable {
  private let hardware: HardwareSpec
  private let queryHeads: Int
  private let kvHeads: Int
  private let headDim: Int
  private let bytesPerElement: Int

  /// The attention of `model` cut over `tp` ranks.
  public init(model: ModelSpec, hardware: HardwareSpec, tp: Int) {
    self.hardware = hardware
    queryHeads = model.queryHeads / tp
    kvHeads = model.kvHeadsPerRank(tp: tp)
    headDim = model.headDim
    bytesPerElement = model.bytesPerElement
  }

  /// Bytes of keys and values of one token on this rank, one layer.
  public var kvBytesPerToken: Int { 2 * kvHeads * headDim * bytesPerElement }

  /// Launch floor of decode attention, µs.
  public var decodeFloor: Double { hardware.decodeAttention.alpha }

  /// Reading one token's keys and values in decode, µs.
  public var decodePerContextToken: Double {
    Double(kvBytesPerToken) / hardware.decodeAttention.bytesPerSecond * 1e6
  }

  /// Launch floor of prefill attention, µs per chunk.
  public var prefillFloor: Double { hardware.prefillAttention.floor }

  /// Work per new token (softmax, scales), µs.
  public var prefillPerToken: Double {
    hardware.prefillAttention.perTokenQueryHead * Double(queryHeads)
      + hardware.prefillAttention.perTokenKVHead * Double(kvHeads)
  }

  /// One query token against one key token: 4 · heads · headDim flops (QKᵀ and PV), µs.
  public var prefillPerPair: Double {
    4 * Double(queryHeads * headDim) / hardware.prefillAttention.flopsPerSecond * 1e6
  }

  /// Decode attention of a batch whose contexts sum to `context` tokens, µs.
  public func decode(context: Int) -> Double { decodeFloor + decodePerContextToken * Double(context) }

  /// A chunk of `new` tokens after `cached` ones: new · cached + new (new + 1) / 2 pairs, µs.
  public func prefill(new: Int, cached: Int = 0) -> Double {
    let (x, c) = (Double(new), Double(cached))
    return prefillFloor + prefillPerToken * x + prefillPerPair * (x * c + x * (x + 1) / 2)
  }
}
