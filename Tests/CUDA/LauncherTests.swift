import Reference
import ReferenceCUDA
import Testing

@Suite struct LauncherTests {
  @Test func `the launcher runs end to end on the stand-in driver`() throws {
    guard case .available(let description) = StandIn.backend.availability else {
      Issue.record("\(StandIn.backend.availability)")
      return
    }
    #expect(description.contains("stand-in"))
    for element in [ElementType.fp16, .bf16] {
      let shape = AttentionShape(queryHeads: 8, kvHeads: 2, headDim: 128)
      let part = KVCache.paged(element, shape, tokens: 1000, blockTokens: 16, seed: 1)
      let tensors = RandomTensors(seed: 7)
      tensors.fill(part)
      let query = AttentionQuery(shape: shape, values: tensors.queries(element, shape))
      let clock = ContinuousClock()
      let start = clock.now
      let state = try StandIn.backend.partial(query, over: part)
      print("took", clock.now - start)
      let verdict = Judge(query, over: part).verdict(state.normalised())
      print(verdict)
      #expect(verdict.isGood)
    }
  }
}
