extension InstanceCosts {
  /// The costs of one instance of `model` on `hardware`, cut as `shape` says and wired as `wiring` says, run by
  /// `engine` (the hardware's own unless given).
  ///
  /// The one place where microseconds become integers: functions are rounded up to whole nanoseconds, rates and
  /// floors to the nearest picosecond, rates to at least 1. A stage takes at least the engine's launch floor per
  /// layer, its idle gaps come on top, and its layers compute as many tokens as the engine's graphs hold.
  /// Left out: the all-reduce of a vocabulary-parallel embedding, the final norm, contention between links.
  /// Throws `ModelSpecError` or `ClusterError` when the model is unsound or cannot be cut so.
  public init(
    model: ModelSpec, hardware: HardwareSpec, shape: InstanceShape, wiring: InstanceWiring,
    engine chosen: EngineProfile? = nil
  ) throws {
    try shape.validate(for: model)
    let tp = shape.tp
    let layers = shape.layersPerStage(of: model)
    let engine = chosen ?? hardware.engine
    let attention = AttentionCost(
      model: model, hardware: hardware, tp: tp, kernel: engine.decodeKernel,
      bandwidthShare: engine.decodeBandwidthShare, prefillShare: engine.prefillAttentionShare)
    let linear = LinearCost(model: model, hardware: hardware, shape: shape, wiring: wiring, engine: engine)
    let traffic = DistAttentionTraffic(model: model, tp: tp)

    func total(_ microsecondsPerLayer: Double) -> Int64 {
      Int64((Double(layers) * microsecondsPerLayer * 1e6).rounded())
    }
    @Sendable func decode(_ sequences: Int, _ context: Int) -> Int64 {
      Self.roundedUp(Double(layers) * attention.decode(sequences: sequences, context: context))
    }

    // Where contexts are long a host reads one more token of a single sequence at this rate.
    let far = max(1, min(hardware.measured.decodeContext, 1 << 20) / 2)
    let farRate = (decode(1, 2 * far) - decode(1, far)) / Int64(far)
    let longest = attention.longest(sequences: 0).map { none in
      let one = attention.longest(sequences: 1) ?? none
      return LongestContext(
        constant: total(none.constant), perSequence: total(one.constant - none.constant),
        rate: max(1, total(one.perToken)))
    }

    self.init(
      stages: shape.pp, ranks: tp, layersPerStage: layers,
      hostBase: Int64((engine.host.base(gpus: shape.gpus) * 1e6).rounded()),
      hostPerSequence: Int64((engine.host.perSequence(gpus: shape.gpus) * 1e6).rounded()),
      // vLLM excludes pipelines from asynchronous scheduling (ADR 18).
      overlapsHost: engine.overlapsHost && shape.pp == 1,
      decodeFloor: decode(1, 1),
      contextRate: max(1, farRate, longest?.rate ?? 0),
      longest: longest, window: model.window ?? .max,
      prefillFloor: total(attention.prefillFloor),
      prefillReachRate: total(attention.prefillPerReach),
      prefillTokenRate: max(1, total(attention.prefillPerToken)),
      prefillPairRate: max(1, total(attention.prefillPerPair)),
      stageFloor: total(engine.launchFloorPerLayer),
      prefillStageFloor: total(engine.prefillLaunchFloorPerLayer),
      // Assumed: merging a partial result costs what adding a residual of its size does.
      mergeFloor: total(hardware.residualAdd.least),
      mergePerPartial: max(1, total(hardware.residualAdd.perElement * Double(traffic.outputElements))),
      permilleBeforeAttention: Int(
        (1_000 * linear.beforeAttention(tokens: Self.usualTokens) / linear.layer(tokens: Self.usualTokens))
          .rounded()),
      kvBytesPerTokenPerStage: layers * attention.kvBytesPerToken,
      queryBytes: traffic.queryBytes, partialBytes: traffic.partialBytes,
      decode: { decode($0, $1) },
      linear: { tokens in
        let tokens = engine.padded(tokens)
        return Self.roundedUp(
          Double(layers) * (linear.layer(tokens: tokens) + engine.gapPerLayer)
            + linear.embedding(tokens: tokens))
      },
      head: { samples in Self.roundedUp(linear.head(samples: samples)) },
      handoff: { tokens in Self.roundedUp(linear.handoff(tokens: tokens, link: wiring.stageLink)) })
  }

  /// Tokens of a step at which its layer is cut in what comes before attention and what after: the share hardly depends on them.
  private static let usualTokens = 64

  /// About 13 days, beyond any step: no time of an operation is counted higher.
  private static let most = 1e12

  /// Microseconds to picoseconds, rounded up to a whole nanosecond.
  private static func roundedUp(_ microseconds: Double) -> Int64 {
    Int64((min(microseconds, most) * 1e3).rounded(.up)) * 1_000
  }
}
