import Testing

import Reference

@Suite struct CPUBackendTests {
  private static func problem(
    _ element: ElementType, tokens: Int, isTokenMajor: Bool
  ) -> (AttentionQuery, KVPart) {
    let shape = AttentionShape(queries: 2, queryHeads: 6, kvHeads: 3, headDim: 64)
    let part = KVCache.paged(
      element, shape, tokens: tokens, blockTokens: 16, isTokenMajor: isTokenMajor, seed: 1)
    RandomTensors(seed: 2).fill(part)
    return (
      AttentionQuery(
        shape: shape, values: RandomTensors(seed: 2).queries(element, shape), firstPosition: tokens - 2,
        isCausal: true), part
    )
  }

  @Test(arguments: ElementType.allCases, [true, false])
  func `The result has the same bits for any number of threads`(_ element: ElementType, _ isTokenMajor: Bool)
    throws
  {
    let (query, part) = Self.problem(element, tokens: 10_000, isTokenMajor: isTokenMajor)
    for level in CPUBackend.Level.available {
      let one = try CPUBackend(level: level, threads: 1).partial(query, over: part)
      for threads in [2, 3, 7] {
        let many = try CPUBackend(level: level, threads: threads).partial(query, over: part)
        #expect(many == one)
      }
    }
  }

  @Test func `Over no token, or none that is seen, the state is the identity`() throws {
    var (query, part) = Self.problem(.bf16, tokens: 100, isTokenMajor: true)
    for level in CPUBackend.Level.available {
      let backend = CPUBackend(level: level, threads: 2)
      query.firstPosition = 98
      let empty = try backend.partial(query, over: part[40..<40])
      #expect(empty == AttentionState(identity: query.shape))
      query.firstPosition = -2
      let unseen = try backend.partial(query, over: part)
      #expect(unseen == AttentionState(identity: query.shape))
      #expect(unseen.normalised().allSatisfy { $0 == 0 })
    }
  }

  @Test(arguments: ElementType.allCases)
  func `A NaN among the keys or values of a seen token comes out as NaN`(_ element: ElementType) throws {
    for level in CPUBackend.Level.available {
      for isKey in [true, false] {
        for tokens in [1, 40, 3000] {
          let (query, part) = Self.problem(element, tokens: tokens + 1, isTokenMajor: true)
          let place = part.locate(0)
          let start = part.store.layout.index(block: place.block, offset: place.offset, head: 1)
          (isKey ? part.store.keys : part.store.values).write([Float](repeating: .nan, count: 64), at: start)
          let output = try CPUBackend(level: level, threads: 1).partial(query, over: part).normalised()
          // Heads 2 and 3 of query 0 read KV head 1.
          #expect(output[2 * 64..<4 * 64].allSatisfy { $0.isNaN }, "\(level) \(isKey) \(tokens)")
          #expect(output[0..<2 * 64].allSatisfy { $0.isFinite })
        }
      }
    }
  }

  @Test func `Maximum and sum are those of the logits`() throws {
    for element in ElementType.allCases {
      let (query, part) = Self.problem(element, tokens: 777, isTokenMajor: false)
      let expected = Oracle.partial(query, over: part)
      for level in CPUBackend.Level.available {
        let state = try CPUBackend(level: level, threads: 2).partial(query, over: part)
        for row in 0..<state.rows {
          #expect(abs(Double(state.maximum[row]) - expected.maximum[row]) < 4e-6)
          #expect(abs(Double(state.sum[row]) / expected.sum[row] - 1) < 4e-6)
        }
      }
    }
  }
}
