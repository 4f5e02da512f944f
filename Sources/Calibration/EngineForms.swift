import Sim

/// The times that runs charge: `InstanceCosts` with its integers, chords and curves, as microseconds of one layer.
package struct EngineForms {
  private let hardware: HardwareSpec
  private var instances: [Key: InstanceCosts] = [:]
  private var curves: [CurveKey: ExpertCurve] = [:]

  private struct Key: Hashable {
    var model: ModelSpec
    var tp: Int
    var kernel: DecodeKernel
  }

  private struct CurveKey: Hashable {
    var call: MoECall
    var skew: Double
  }

  package init(hardware: HardwareSpec) {
    // Nothing but the kernels: what is timed alone must be charged alone.
    var bare = hardware
    bare.kvWrite = AlphaBeta(alpha: 0, bytesPerSecond: .infinity)
    bare.embedding = ElementwiseCost(base: 0, perElement: 0)
    bare.allReduce = .ring(bytesPerSecond: .infinity)
    bare.customAllReduce = nil
    bare.engine = EngineCatalog.kernelsOnly
    self.hardware = bare
  }

  /// µs that a run is charged for `operation`, or `nil` where runs use the explain form itself.
  package mutating func microseconds(_ operation: Operation) throws -> Double? {
    switch operation {
    case .layer(let model, let tp, let tokens):
      let costs = try instance(model, tp: tp)
      return perLayer(costs.linearTime(tokens: tokens), costs)
    case .decode(let kernel, let batch):
      let costs = try instance(
        Operation.attentionModel(
          queryHeads: batch.queryHeads, kvHeads: batch.kvHeads, headDim: batch.bytesPerHeadToken / 4),
        kernel: kernel)
      return perLayer(decode(costs, sequences: batch.sequences, context: batch.context), costs)
    case .latentDecode(let sequences, let context, let heads):
      let costs = try instance(Self.latentModel(heads: heads))
      return perLayer(decode(costs, sequences: sequences, context: context), costs)
    case .prefill(let queryHeads, let kvHeads, let headDim, let new, let cached, let sequences):
      let costs = try instance(
        Operation.attentionModel(queryHeads: queryHeads, kvHeads: kvHeads, headDim: headDim))
      let chunk =
        Double(costs.prefillTokenRate) * Double(new)
        + Double(costs.prefillPairRate) * Double(costs.pairs(new: new, cached: cached))
      let time =
        Double(costs.prefillFloor) + chunk * Double(sequences) + Double(costs.prefillReachRate)
        * Double(new + cached)
      return time / Double(costs.layersPerStage) * 1e-6
    case .pointToPoint(let bytes, let inNode):
      let link = (inNode ? hardware.inNodeLink : hardware.interNodeLink).costs
      return Double(link.latency + link.transfer(bytes: bytes)) * 1e-6
    case .experts(var call, let skew):
      let tokens = call.tokens
      call.tokens = 1
      let key = CurveKey(call: call, skew: skew)
      if curves[key] == nil { curves[key] = ExpertCurve(cost: hardware.experts, call: call, skew: skew) }
      return curves[key]?.microseconds(tokens: tokens)
    case .gemm, .elementwise, .kvWrite, .allReduce, .host: return nil
    }
  }

  /// A decode step as the engine adds it up: all bytes, or the longest context where a kernel does not split.
  private func decode(_ costs: InstanceCosts, sequences: Int, context: Int) -> Int64 {
    let all = costs.decodeTime(sequences: sequences, context: Int64(sequences) * Int64(context))
    return max(all, costs.longest?.time(sequences: sequences, context: Int64(context)) ?? 0)
  }

  private func perLayer(_ time: Int64, _ costs: InstanceCosts) -> Double {
    Double(time) / Double(costs.layersPerStage) * 1e-6
  }

  private mutating func instance(_ model: ModelSpec, tp: Int = 1, kernel: DecodeKernel = .flashInfer) throws
    -> InstanceCosts
  {
    let key = Key(model: model, tp: tp, kernel: kernel)
    if let known = instances[key] { return known }
    var engine = EngineCatalog.kernelsOnly
    engine.decodeKernel = kernel
    let made = try InstanceCosts(
      model: model, hardware: hardware, shape: InstanceShape(tp: tp), wiring: .inOneNode(hardware),
      engine: engine)
    instances[key] = made
    return made
  }

  /// A model that has nothing but latent attention on `heads` heads (DeepSeek's widths).
  private static func latentModel(heads: Int) -> ModelSpec {
    ModelSpec(
      name: "latent", layers: 60, hidden: 5_120, queryHeads: heads, kvHeads: 1, headDim: 128,
      intermediate: heads, vocab: 1, maxPosition: 1,
      latent: LatentAttention(rank: 512, ropeDim: 64, valueDim: 128, queryRank: 1_536))
  }
}
