import Reference

/// One of many random calls that the CUDA kernels take; case `index` is the same everywhere.
struct ShapeCase {
  let index: Int
  let query: AttentionQuery
  let whole: KVPart
  let shares: [KVPartition.Share]

  /// `tokens` fixes the length; `element`, `headDim` and `rows` (per KV head) a kernel.
  init(
    _ index: Int, tokens: Int? = nil, element: ElementType? = nil, headDim: Int? = nil, rows: Int? = nil,
    hasBias: Bool? = nil
  ) {
    var random = RandomNumbers(seed: 0xC0DA_0000 + UInt64(index))
    func chance(_ percent: Int) -> Bool { random.integer(1...100) <= percent }
    func pick<T>(_ choices: [T]) -> T { choices[random.integer(0...choices.count - 1)] }

    let element = element ?? [.fp16, .bf16][index % 2]
    let count =
      tokens
      ?? (chance(15)
        ? pick([0, 1, 2, 15, 16, 17, 63, 64, 65, 127, 128, 255, 256, 257]) : random.integer(1...600))
    let queries = rows != nil || chance(75) ? 1 : random.integer(2...5)
    let kvHeads = random.integer(1...2)
    let group = rows ?? random.integer(1...9)
    let shape = AttentionShape(
      queries: queries, queryHeads: kvHeads * group, kvHeads: kvHeads, headDim: headDim ?? pick([64, 128]))
    // ±10,000 in one of eight.
    let tensors = RandomTensors(
      seed: UInt64(index), querySpread: chance(12) ? 2500 : pick([0.3, 1, 2, 4]),
      valueMean: pick([0, 0, 1, -3]))
    let isTokenMajor = chance(70)
    whole =
      chance(75)
      ? KVCache.paged(
        element, shape, tokens: count, blockTokens: pick([1, 3, 8, 16, 16, 16, 32, 100]),
        isTokenMajor: isTokenMajor,
        seed: UInt64(index))
      : KVCache.contiguous(element, shape, tokens: count, isTokenMajor: isTokenMajor)
    tensors.fill(whole)
    var query = AttentionQuery(
      shape: shape, values: tensors.queries(element, shape),
      firstPosition: chance(15) ? random.integer(-queries...count + 2) : max(count - queries, 0),
      isCausal: chance(70), window: chance(15) ? random.integer(1...max(count, 1) + 3) : nil)
    if hasBias ?? chance(10) {
      query.bias = (0..<queries).flatMap { _ in
        let isHidden = chance(20)
        return (0..<count).map { _ in
          isHidden || chance(20) ? -Float.infinity : Float(random.integer(-100...100)) / 50
        }
      }
    }
    self.index = index
    self.query = query
    shares = pick(KVPartition.allCases).shares(of: whole, hosts: random.integer(1...4), seed: UInt64(index))
  }

  /// The output over the shares, merged by the backend in an order that the case decides.
  func output(_ backend: some AttentionBackend) throws -> [Float] {
    var random = RandomNumbers(seed: UInt64(index))
    let states = try shares.map {
      try backend.partial(query.restricted(to: $0.tokens, of: whole.count), over: $0.part)
    }
    return try backend.merge(states.shuffled(using: &random)).normalised()
  }
}
