import Foundation
import Testing

import Reference

/// One call as PyTorch's scaled_dot_product_attention computed it in float64; made by `scripts/torch-vectors`.
private struct TorchCase: Decodable {
  var name: String
  var queries, queryHeads, kvHeads, headDim, tokens, firstPosition: Int
  var isCausal: Bool
  var window: Int?
  var query, keys, values: [Float]
  var bias: [Float]?
  var output: [Double]

  /// The call in a format; every input is exact in all of them.
  func problem(_ element: ElementType) -> (AttentionQuery, KVPart) {
    let shape = AttentionShape(
      queries: queries, queryHeads: queryHeads, kvHeads: kvHeads, headDim: headDim)
    let part = KVCache.contiguous(element, shape, tokens: tokens)
    part.store.keys.write(keys, at: 0)
    part.store.values.write(values, at: 0)
    return (
      AttentionQuery(
        shape: shape, values: ElementBuffer(element, query), firstPosition: firstPosition,
        isCausal: isCausal, window: window, bias: bias.map { $0.map { $0 <= -1e30 ? -.infinity : $0 } }),
      part
    )
  }
}

@Suite struct TorchTests {
  private static func cases() throws -> [TorchCase] {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("Fixtures/torch-vectors.json")
    return try JSONDecoder().decode([TorchCase].self, from: Data(contentsOf: path))
  }

  @Test func `The oracle agrees with PyTorch in float64`() throws {
    for one in try Self.cases() {
      var (query, part) = one.problem(.fp32)
      // PyTorch's factor is 1/√headDim in Double; ours is that as fp32, so that kernels and oracle agree on it.
      query.scale = Float(1 / Double(one.headDim).squareRoot())
      let scaleError = abs(Double(query.scale) * Double(one.headDim).squareRoot() - 1)
      let state = Oracle.partial(query, over: part)
      let logit = state.maximum.map(abs).max() ?? 0
      for (found, wanted) in zip(state.normalised(), one.output) {
        #expect(abs(found - wanted) <= 1e-13 + 8 * logit * scaleError, "\(one.name)")
      }
    }
  }

  @Test(arguments: ElementType.allCases)
  func `The kernel agrees with PyTorch in float64, whole and in parts`(_ element: ElementType) throws {
    for one in try Self.cases() {
      let (query, part) = one.problem(element)
      let logit = Oracle.partial(query, over: part).maximum.map(abs).max() ?? 0
      for level in CPUBackend.Level.available {
        let backend = CPUBackend(level: level, threads: 1)
        for partition in KVPartition.allCases {
          let states = try partition.shares(of: part, hosts: 3, seed: 9).map {
            try backend.partial(query.restricted(to: $0.tokens, of: part.count), over: $0.part)
          }
          let output = try backend.merge(states).normalised()
          for (found, wanted) in zip(output, one.output) {
            #expect(
              abs(Double(found) - wanted) <= 2e-6 + 8 * logit * 0x1p-23, "\(one.name) \(level) \(partition)")
          }
        }
      }
    }
  }
}
