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
    var format: WeightFormat
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
    case .flashAttention3(let batch, let fp8):
      let costs = try instance(
        Operation.attentionModel(
          queryHeads: batch.queryHeads, kvHeads: batch.kvHeads,
          headDim: batch.bytesPerHeadToken / (fp8 ? 2 : 4), fp8: fp8), kernel: .flashAttention)
      return perLayer(decode(costs, sequences: batch.sequences, context: batch.context), costs)
    case .latentDecode(let sequences, let context, let heads):
      let costs = try instance(LatentModule.model(heads: heads))
      return perLayer(decode(costs, sequences: sequences, context: context), costs)
    case .latentModule(let module):
      let costs = try instance(module.model)
      let attention =
        module.isPrefill
        ? prefill(costs, new: module.new, cached: 0, sequences: module.sequences)
        : perLayer(decode(costs, sequences: module.sequences, context: module.context), costs)
      return module.around(hardware) + attention
    case .prefill(let queryHeads, let kvHeads, let headDim, let new, let cached, let sequences, let fp8):
      let costs = try instance(
        Operation.attentionModel(queryHeads: queryHeads, kvHeads: kvHeads, headDim: headDim, fp8: fp8))
      return prefill(costs, new: new, cached: cached, sequences: sequences)
    case .pointToPoint(let bytes, let inNode):
      let link = (inNode ? hardware.inNodeLink : hardware.interNodeLink).costs
      return Double(link.latency + link.transfer(bytes: bytes)) * 1e-6
    case .experts(var call, _, let skew, let format):
      let tokens = call.tokens
      call.tokens = 1
      let key = CurveKey(call: call, skew: skew, format: format)
      if curves[key] == nil {
        curves[key] = ExpertCurve(cost: hardware.experts(format, ranks: call.ranks), call: call, skew: skew)
      }
      return curves[key]?.microseconds(tokens: tokens)
    case .gemm, .elementwise, .kvWrite, .allReduce, .host: return nil
    }
  }

  /// A decode step as the engine adds it up: all bytes, or the longest context where a kernel does not split.
  private func decode(_ costs: InstanceCosts, sequences: Int, context: Int) -> Int64 {
    let all = costs.decodeTime(sequences: sequences, context: Int64(sequences) * Int64(context))
    return max(all, costs.longest?.time(sequences: sequences, context: Int64(context)) ?? 0)
  }

  private func prefill(_ costs: InstanceCosts, new: Int, cached: Int, sequences: Int) -> Double {
    let chunk =
      Double(costs.prefillTokenRate) * Double(new)
      + Double(costs.prefillPairRate) * Double(costs.pairs(new: new, cached: cached))
    let time =
      Double(costs.prefillFloor) + chunk * Double(sequences) + Double(costs.prefillReachRate)
      * Double(new + cached)
    return time / Double(costs.layersPerStage) * 1e-6
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
}
