import Reference
import Sim
import Testing

@Suite struct WireSizeTests {
  /// Latent attention (MLA) sends other things, which no kernel here computes.
  @Test(arguments: ModelCatalog.all.filter { $0.latent == nil })
  func `The simulator charges for the bytes that queries, states and caches have`(_ model: ModelSpec) throws {
    let hardware = HardwareCatalog.a100Measured
    for tp in InstanceShape.legalTP(model: model, maximum: 8) where model.kvHeads % tp == 0 {
      let costs = try InstanceCosts(
        model: model, hardware: hardware, shape: InstanceShape(tp: tp, pp: 1), wiring: .inOneNode(hardware))
      let shape = AttentionShape(
        queryHeads: model.queryHeads / tp, kvHeads: model.kvHeads / tp, headDim: model.headDim)
      #expect(costs.queryBytes == shape.queryBytes(.bf16))
      #expect(costs.partialBytes == shape.stateBytes(.bf16))
      #expect(costs.kvBytesPerTokenPerStage == model.layers * shape.kvBytes(.bf16, tokens: 1))
    }
  }
}
