import Testing

import Reference

/// Errors that the judge must see: each on an input where what is wrong carries weight.
@Suite struct PlantedErrorTests {
  private static let tokens = 65_536

  /// 64 Ki tokens of which one, at `position`, has about half of the weight: its key is along the query.
  private static func problem(_ element: ElementType, heavy position: Int) -> (AttentionQuery, KVPart) {
    let shape = AttentionShape(queryHeads: 2, kvHeads: 1, headDim: 32)
    let part = KVCache.paged(element, shape, tokens: tokens, blockTokens: 16, seed: 5)
    let tensors = RandomTensors(seed: 6)
    tensors.fill(part)
    let values = tensors.queries(element, shape)
    // Σ exp over 64 Ki standard normal logits is about 108,000 = exp(11.6).
    let head = values.floats(0..<32)
    let length = head.reduce(0) { $0 + $1 * $1 }
    let place = part.locate(position)
    part.store.keys.write(
      head.map { $0 * 11.6 * Float(32).squareRoot() / length },
      at: part.store.layout.index(block: place.block, offset: place.offset, head: 0))
    let query = AttentionQuery(
      shape: shape, values: values, firstPosition: tokens - 1, isCausal: true, window: tokens)
    return (query, part)
  }

  @Test(arguments: ElementType.allCases)
  func `A dropped token, an off-by-one mask and a swapped m and e fail, and the kernel itself does not`(
    _ element: ElementType
  ) throws {
    for level in CPUBackend.Level.available {
      let backend = CPUBackend(level: level, threads: 2)
      for heavy in [0, 12_345, Self.tokens - 1] {
        let (query, whole) = Self.problem(element, heavy: heavy)
        let judge = Judge(query, over: whole)
        func states(_ query: AttentionQuery, _ parts: [KVPart]) throws -> [AttentionState<Float>] {
          try parts.map { try backend.partial(query, over: $0) }
        }
        func expect(_ isGood: Bool, _ states: [AttentionState<Float>]) throws {
          let verdict = judge.verdict(try backend.merge(states).normalised())
          #expect(verdict.isGood == isGood, "\(level), heavy token \(heavy)")
        }
        let (left, right) = (whole[0..<20_000], whole[20_000..<Self.tokens])
        let good = try states(query, [left, right])
        try expect(true, good)

        // The token is in neither part.
        try expect(false, try states(query, [whole[0..<heavy], whole[heavy + 1..<Self.tokens]]))

        // The mask is off by one at either end.
        if heavy == Self.tokens - 1 {
          var late = query
          late.firstPosition -= 1
          try expect(false, try states(late, [left, right]))
        }
        if heavy == 0 {
          var short = query
          short.window = Self.tokens - 1
          try expect(false, try states(short, [left, right]))
        }

        // A host answers with m and e in each other's place.
        var swapped = good
        (swapped[1].maximum, swapped[1].sum) = (good[1].sum, good[1].maximum)
        try expect(false, swapped)

        // A host is counted twice, or its state is lost.
        try expect(false, good + [good[1]])
        try expect(false, [good[heavy < 20_000 ? 1 : 0]])
      }
    }
  }

  @Test func `A NaN in the output fails`() throws {
    let shape = AttentionShape(queryHeads: 1, kvHeads: 1, headDim: 4)
    let part = KVCache.contiguous(.fp32, shape, tokens: 3)
    RandomTensors(seed: 1).fill(part)
    let query = AttentionQuery(shape: shape, values: RandomTensors(seed: 1).queries(.fp32, shape))
    let judge = Judge(query, over: part)
    var output = try CPUBackend(threads: 1).partial(query, over: part).normalised()
    #expect(judge.verdict(output).isGood)
    output[2] = .nan
    #expect(!judge.verdict(output).isGood)
  }
}
