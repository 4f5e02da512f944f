import Foundation
import Testing

import Reference

@Suite struct OracleTests {
  /// One head of one element; keys and values as given, and a query of 1.
  private static func part(_ keys: [Float], _ values: [Float]) -> (AttentionQuery, KVPart) {
    let shape = AttentionShape(queryHeads: 1, kvHeads: 1, headDim: 1)
    let part = KVCache.contiguous(.fp32, shape, tokens: keys.count)
    part.store.keys.write(keys, at: 0)
    part.store.values.write(values, at: 0)
    return (AttentionQuery(shape: shape, values: ElementBuffer(.fp32, [1]), isCausal: false), part)
  }

  @Test func `Two tokens with odds of three to one weigh a quarter and three quarters`() {
    let (query, part) = Self.part([0, Float(log(3.0))], [8, 16])
    let state = Oracle.partial(query, over: part)
    #expect(abs(state.normalised()[0] - 14) < 1e-6)
    #expect(abs(state.maximum[0] - log(3.0)) < 1e-7)
    #expect(abs(state.sum[0] - 4.0 / 3) < 1e-7)
  }

  @Test func `One token gives its value, none gives zero`() {
    let (query, one) = Self.part([3], [0.7])
    #expect(Oracle.partial(query, over: one).normalised() == [Double(Float(0.7))])
    #expect(Oracle.partial(query, over: one[0..<0]).normalised() == [0])
    #expect(Oracle.partial(query, over: one[0..<0]) == AttentionState(identity: query.shape))
  }

  @Test func `A token in the future, before the window or hidden by the bias weighs nothing`() {
    var (query, part) = Self.part([0, 0, 0, 0], [1, 2, 4, 8])
    query.isCausal = true
    query.firstPosition = 2
    #expect(Oracle.partial(query, over: part).output == [7])
    query.window = 2
    #expect(Oracle.partial(query, over: part).output == [6])
    query.bias = [0, -.infinity, 0, 0]
    #expect(Oracle.partial(query, over: part).output == [4])
    query.window = 1
    query.firstPosition = 9
    #expect(Oracle.partial(query, over: part) == AttentionState(identity: query.shape))
  }

  @Test func `States of any disjoint parts merge to the state of the whole`() {
    for (index, partition) in KVPartition.allCases.enumerated() {
      let shape = AttentionShape(queries: 3, queryHeads: 4, kvHeads: 2, headDim: 5)
      let part = KVCache.paged(.fp16, shape, tokens: 77, blockTokens: 8, seed: 3)
      let tensors = RandomTensors(seed: UInt64(index))
      tensors.fill(part)
      let query = AttentionQuery(
        shape: shape, values: tensors.queries(.fp16, shape), firstPosition: 60, isCausal: true, window: 40)
      let whole = Oracle.partial(query, over: part).normalised()
      let shares = partition.shares(of: part, hosts: 5, seed: 4)
      #expect(shares.map(\.part.count).reduce(0, +) == 77)
      #expect(Set(shares.flatMap { $0.tokens.joined() }) == Set(0..<77))
      let merged = shares.map { Oracle.partial(query, over: $0.part) }.reduce(
        AttentionState(identity: shape)
      ) { $0.merged(with: $1) }
      for (a, b) in zip(whole, merged.normalised()) { #expect(abs(a - b) < 1e-14) }
    }
  }
}
