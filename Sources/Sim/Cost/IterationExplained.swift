/// One iteration's time by operator, as the engine charges it.
public struct IterationExplained: Sendable {
  /// The operators in the order of a layer, then what is once per stage, then the host.
  ///
  /// Times, bytes and flops are of one GPU of every stage together: the critical path of the iteration. Decode
  /// attention has the engine's time, a chord of the kernel's own form.
  public var operators: [OperatorCost]
  /// What the engine charges, ps. The operators' times add to it but for rounding to nanoseconds.
  public var total: Int64
  /// Decode attention by the kernel's own form, µs; `nil` when nothing decodes.
  public var decodeKernelMicroseconds: Double?

  /// Throws what `InstanceShape.validate` and `Iteration.validate` throw, and `IterationTooLong`.
  public init(
    _ iteration: Iteration, model: ModelSpec, hardware: HardwareSpec, shape: InstanceShape,
    wiring: InstanceWiring, engine: EngineProfile? = nil
  ) throws {
    try iteration.validate()
    let engine = engine ?? hardware.engine
    let costs = try InstanceCosts(
      model: model, hardware: hardware, shape: shape, wiring: wiring, engine: engine)
    guard let total = costs.time(of: iteration) else { throw IterationTooLong() }
    self.total = total
    let parts = costs.parts(of: iteration)
    let share = iteration.share(of: shape.pp)
    let linear = LinearCost(model: model, hardware: hardware, shape: shape, wiring: wiring, engine: engine)
    let stages = Double(shape.pp)
    let layers = stages * Double(costs.layersPerStage)
    func microseconds(_ picoseconds: Int128) -> Double { stages * Double(picoseconds) * 1e-6 }

    operators = linear.operators(tokens: engine.padded(share.tokens)).map { $0.scaled(by: layers) }
    if share.sequences > 0 {
      let work = AttentionWork(decode: share, model: model, tp: shape.tp)
      operators.append(
        OperatorCost(
          name: "decode attention", kind: .attention, calls: layers, microseconds: microseconds(parts.decode),
          bytes: layers * work.bytes, flops: layers * work.flops))
      let attention = AttentionCost(
        model: model, hardware: hardware, tp: shape.tp, kernel: engine.decodeKernel,
        bandwidthShare: engine.decodeBandwidthShare, prefillShare: engine.prefillAttentionShare)
      let reach = min(share.context, model.window ?? .max)
      let longest = attention.longest(sequences: share.sequences)
      decodeKernelMicroseconds =
        layers
        * max(
          attention.decode(sequences: share.sequences, context: reach),
          longest.map { $0.constant + $0.perToken * Double(reach) } ?? 0)
    }
    if share.prompts > 0 {
      let work = AttentionWork(
        prefill: share, pairs: Double(costs.pairs(new: share.newTokens, cached: share.cachedTokens)),
        model: model, tp: shape.tp)
      operators.append(
        OperatorCost(
          name: "prefill attention", kind: .attention, calls: layers,
          microseconds: microseconds(parts.prefill),
          bytes: layers * work.bytes, flops: layers * work.flops))
    }
    operators.append(linear.embeddingOperator(tokens: engine.padded(share.tokens)).scaled(by: stages))
    let samples = share.sequences + share.prompts
    operators.append(linear.headOperator(samples: samples).scaled(by: stages))
    if shape.pp > 1 {
      operators.append(
        linear.handoffOperator(tokens: share.tokens, link: wiring.stageLink).scaled(by: stages))
    }
    let hostParts = [
      ("gaps between kernels", layers, layers * engine.gapPerLayer),
      ("waiting for launches", stages, microseconds(parts.idle)),
      (costs.overlapsHost ? "waiting for the host" : "host", 1, Double(parts.host) * 1e-6),
    ]
    for (name, calls, time) in hostParts where time > 0 {
      operators.append(OperatorCost(name: name, kind: .host, calls: calls, microseconds: time))
    }
  }

  /// Time of the operators of `kind`, µs.
  public func microseconds(_ kind: OperatorCost.Kind) -> Double {
    operators.reduce(0) { $0 + ($1.kind == kind ? $1.microseconds : 0) }
  }
}

/// An iteration that the engine's clock cannot hold.
public struct IterationTooLong: Error, Hashable, CustomStringConvertible {
  /// One sentence.
  public var description: String { "the iteration takes longer than the engine's clock can hold, 13 days" }

  /// The only value.
  public init() {}
}

/// What attention of one layer moves and computes on one rank.
private struct AttentionWork {
  var bytes: Double
  var flops: Double

  /// Every query meets the keys of its own context once.
  init(decode share: Iteration, model: ModelSpec, tp: Int) {
    let keys = Double(share.sequences) * Double(min(share.context, model.window ?? .max))
    let heads = Double(model.queryHeads / tp)
    bytes = keys * Double(model.kvBytesPerTokenPerLayer(tp: tp))
    // On a latent, scores have its whole width and values its rank.
    let width = model.latent.map { Double($0.width + $0.rank) / 2 } ?? Double(model.headDim)
    flops = 4 * heads * width * keys
  }

  /// Queries in, results out, the cache read once.
  init(prefill share: Iteration, pairs: Double, model: ModelSpec, tp: Int) {
    let heads = Double(model.queryHeads / tp)
    let width =
      model.latent.map { Double(model.headDim + $0.ropeDim + $0.valueDim) / 2 } ?? Double(model.headDim)
    let (prompts, new) = (Double(share.prompts), Double(share.newTokens))
    bytes =
      prompts
      * ((Double(share.cachedTokens) + new) * Double(model.kvBytesPerTokenPerLayer(tp: tp)) + 2 * new * heads
        * width * Double(model.bytesPerElement))
    flops = 4 * heads * width * pairs * prompts
  }
}
