extension InstanceCosts {
  /// The costs of one instance of `model` on `hardware`, cut as `shape` says and wired as `wiring` says.
  ///
  /// The one place where microseconds become integers: functions are rounded up to whole nanoseconds, rates and
  /// floors to the nearest picosecond, rates to at least 1. With `eager`, a stage takes at least the hardware's
  /// launch floor per layer. Host time has Ray's part while `hardware.host.usesRay`.
  /// Left out: the all-reduce of a vocabulary-parallel embedding, the final norm, contention between links.
  /// Throws `ModelSpecError` or `ClusterError` when the model is unsound or cannot be cut so.
  public init(
    model: ModelSpec, hardware: HardwareSpec, shape: InstanceShape, wiring: InstanceWiring,
    eager: Bool = false
  ) throws {
    try shape.validate(for: model)
    let tp = shape.tp
    let layers = shape.layersPerStage(of: model)
    let attention = AttentionCost(model: model, hardware: hardware, tp: tp)
    let linear = LinearCost(model: model, hardware: hardware, tp: tp, wiring: wiring)
    let outputElements = model.queryHeads * model.headDim / tp

    func total(_ microsecondsPerLayer: Double) -> Int64 {
      Int64((Double(layers) * microsecondsPerLayer * 1e6).rounded())
    }

    self.init(
      stages: shape.pp, ranks: tp, layersPerStage: layers,
      hostBase: Int64((hardware.host.base(gpus: shape.gpus) * 1e6).rounded()),
      hostPerSequence: Int64((hardware.host.perSequence(gpus: shape.gpus) * 1e6).rounded()),
      decodeFloor: total(attention.decodeFloor),
      contextRate: max(1, total(attention.decodePerContextToken)),
      prefillFloor: total(attention.prefillFloor),
      prefillTokenRate: max(1, total(attention.prefillPerToken)),
      prefillPairRate: max(1, total(attention.prefillPerPair)),
      stageFloor: eager ? total(hardware.eagerFloorPerLayer) : 0,
      // Assumed: merging a partial result costs what adding a residual of its size does.
      mergeFloor: total(hardware.residualAdd.least),
      mergePerPartial: max(1, total(hardware.residualAdd.perElement * Double(outputElements))),
      kvBytesPerTokenPerStage: layers * attention.kvBytesPerToken,
      queryBytes: outputElements * model.bytesPerElement,
      // MA like the query; m and e as FP32, one pair per head.
      partialBytes: outputElements * model.bytesPerElement + model.queryHeads / tp * 2 * 4,
      linear: { tokens in
        Self.roundedUp(Double(layers) * linear.layer(tokens: tokens) + linear.embedding(tokens: tokens))
      },
      head: { samples in Self.roundedUp(linear.head(samples: samples)) },
      handoff: { tokens in Self.roundedUp(linear.handoff(tokens: tokens, link: wiring.stageLink)) })
  }

  /// Microseconds to picoseconds, rounded up to a whole nanosecond.
  private static func roundedUp(_ microseconds: Double) -> Int64 {
    Int64((microseconds * 1e3).rounded(.up)) * 1_000
  }
}
