import Sim

/// What the pieces of a step cost in the layer-by-layer reference (docs/layer-reference.md), ps.
///
/// What every layer does is given as the total over all layers, and `share(of:layer:)` is one layer's part of it: the
/// parts add up to the total exactly, whatever it was rounded to.
public struct LayerCosts: Sendable {
  /// Layers of the model.
  public var layers: Int
  /// Looking up embeddings, once a step.
  public var embedding: @Sendable (_ tokens: Int) -> Int64
  /// What comes before attention, over all layers: norm, QKV, rotary embedding, KV write.
  public var pre: @Sendable (_ tokens: Int) -> Int64
  /// What comes after it, over all layers: output projection, feed-forward part, norm, all-reduces.
  public var post: @Sendable (_ tokens: Int) -> Int64
  /// The LM head, once a step.
  public var head: @Sendable (_ samples: Int) -> Int64

  /// Decode attention over all layers: sequences, the tokens that they attend to together, the most that one does.
  public var decode: @Sendable (_ sequences: Int, _ context: Int, _ longest: Int) -> Int64
  /// Launch floor of prefill attention, over all layers.
  public var prefillFloor: Int64
  /// Prefill attention's last tile, per token of the longest context, over all layers.
  public var prefillReachRate: Int64
  /// Prefill attention per new token, over all layers.
  public var prefillTokenRate: Int64
  /// Prefill attention per pair of a query and a key, over all layers.
  public var prefillPairRate: Int64
  /// Launch floor of a merge, over all layers.
  public var mergeFloor: Int64
  /// Merging, per partial result of one query, over all layers.
  public var mergePerPartial: Int64
  /// Tokens that a token attends to, itself included; `.max` without a sliding window.
  public var window: Int

  /// Bytes of one query, in one layer, on one rank.
  public var queryBytes: Int
  /// Bytes of one query's partial result, in one layer, on one rank.
  public var partialBytes: Int
  /// Bytes of one token's keys and values, in one layer, on one rank.
  public var kvBytes: Int

  /// Host time of a step, and its part for each sequence.
  public var hostBase: Int64
  public var hostPerSequence: Int64
  /// Whether the host works beside the GPUs.
  public var overlapsHost: Bool
  /// The least time from the first kernel of a step that only decodes to its end.
  public var decodeStepFloor: Int64
  /// The same of a step that prefills anything.
  public var prefillStepFloor: Int64

  /// Takes the parts as they are.
  public init(
    layers: Int, embedding: @escaping @Sendable (Int) -> Int64 = { _ in 0 },
    pre: @escaping @Sendable (Int) -> Int64, post: @escaping @Sendable (Int) -> Int64,
    head: @escaping @Sendable (Int) -> Int64 = { _ in 0 },
    decode: @escaping @Sendable (_ sequences: Int, _ context: Int, _ longest: Int) -> Int64,
    prefillFloor: Int64 = 0, prefillReachRate: Int64 = 0, prefillTokenRate: Int64 = 0, prefillPairRate: Int64,
    mergeFloor: Int64 = 0, mergePerPartial: Int64 = 0, window: Int = .max,
    queryBytes: Int, partialBytes: Int, kvBytes: Int,
    hostBase: Int64 = 0, hostPerSequence: Int64 = 0, overlapsHost: Bool = false,
    decodeStepFloor: Int64 = 0, prefillStepFloor: Int64 = 0
  ) {
    self.layers = layers
    self.embedding = embedding
    self.pre = pre
    self.post = post
    self.head = head
    self.decode = decode
    self.prefillFloor = prefillFloor
    self.prefillReachRate = prefillReachRate
    self.prefillTokenRate = prefillTokenRate
    self.prefillPairRate = prefillPairRate
    self.mergeFloor = mergeFloor
    self.mergePerPartial = mergePerPartial
    self.window = window
    self.queryBytes = queryBytes
    self.partialBytes = partialBytes
    self.kvBytes = kvBytes
    self.hostBase = hostBase
    self.hostPerSequence = hostPerSequence
    self.overlapsHost = overlapsHost
    self.decodeStepFloor = decodeStepFloor
    self.prefillStepFloor = prefillStepFloor
  }

  /// The part of a total over all layers that belongs to `layer`: ⌊total · (layer + 1) / layers⌋ less the same of the
  /// layer before.
  func share(of total: Int64, layer: Int) -> Int64 {
    let count = Int64(layers)
    func upTo(_ done: Int64) -> Int64 { total / count * done + total % count * done / count }
    return upTo(Int64(layer) + 1) - upTo(Int64(layer))
  }
}

extension LayerCosts {
  /// The costs of one instance of PP 1: those that a run charges (`InstanceCosts`), what surrounds attention cut in two
  /// by operator (`LinearCost.operators`).
  public init(
    model: ModelSpec, hardware: HardwareSpec, shape: InstanceShape, wiring: InstanceWiring,
    engine chosen: EngineProfile? = nil
  ) throws {
    precondition(shape.pp == 1, "the layer-by-layer reference knows no pipeline, found PP \(shape.pp)")
    let engine = chosen ?? hardware.engine
    let costs = try InstanceCosts(
      model: model, hardware: hardware, shape: shape, wiring: wiring, engine: engine)
    let linear = LinearCost(model: model, hardware: hardware, shape: shape, wiring: wiring, engine: engine)

    @Sendable func padded(_ tokens: Int) -> Int { engine.graphSizes?.padded(tokens) ?? tokens }
    @Sendable func embedding(_ tokens: Int) -> Int64 {
      tokens == 0 ? 0 : Self.picoseconds(linear.embedding(tokens: padded(tokens)))
    }
    @Sendable func pre(_ tokens: Int) -> Int64 {
      guard tokens > 0 else { return 0 }
      let layer = linear.operators(tokens: padded(tokens)).reduce(0) { $0 + Self.beforeAttention($1) }
      return Self.picoseconds(Double(model.layers) * layer)
    }
    self.init(
      layers: model.layers, embedding: { embedding($0) }, pre: { pre($0) },
      post: { costs.linearTime(tokens: $0) - embedding($0) - pre($0) },
      head: { costs.headTime(samples: $0) },
      decode: { sequences, context, longest in
        guard sequences > 0 else { return 0 }
        let all = costs.decodeTime(sequences: sequences, context: Int64(context))
        return max(all, costs.longest?.time(sequences: sequences, context: Int64(longest)) ?? 0)
      },
      prefillFloor: costs.prefillFloor, prefillReachRate: costs.prefillReachRate,
      prefillTokenRate: costs.prefillTokenRate, prefillPairRate: costs.prefillPairRate,
      mergeFloor: costs.mergeFloor, mergePerPartial: costs.mergePerPartial, window: costs.window,
      queryBytes: costs.queryBytes, partialBytes: costs.partialBytes,
      kvBytes: model.kvBytesPerTokenPerLayer(tp: shape.tp),
      hostBase: costs.hostBase, hostPerSequence: costs.hostPerSequence, overlapsHost: costs.overlapsHost,
      decodeStepFloor: costs.stageFloor, prefillStepFloor: costs.prefillStageFloor)
  }

  private static func picoseconds(_ microseconds: Double) -> Int64 { Int64((microseconds * 1e6).rounded()) }

  /// The time of an operator that comes before attention, µs of one layer; one of the two norms does.
  private static func beforeAttention(_ cost: OperatorCost) -> Double {
    switch cost.name {
    case "norms": cost.microseconds / 2
    case "qkv", "q", "q down", "q up", "kv down", "k absorbed", "rotary embedding", "KV write":
      cost.microseconds
    default: 0
    }
  }
}
