import Reference
import Sim
import Testing

@Suite struct WireSizeTests {
  @Test(arguments: ModelCatalog.all)
  func `The simulator charges for the bytes that the kernels' queries and states have`(_ model: ModelSpec)
    throws
  {
    for tp in [1, 2, 4, 8] where model.queryHeads % tp == 0 && model.kvHeads % tp == 0 {
      let costs = try InstanceCosts.of(model, tp: tp)
      let shape = AttentionShape(
        queryHeads: model.queryHeads / tp, kvHeads: model.kvHeads / tp, headDim: model.headDim)
      #expect(costs.queryBytes == shape.queryBytes(.bf16))
      #expect(costs.partialBytes == shape.stateBytes(.bf16))
      #expect(costs.kvBytesPerTokenPerStage == model.layers * shape.kvBytes(.bf16, tokens: 1))
    }
  }
}
