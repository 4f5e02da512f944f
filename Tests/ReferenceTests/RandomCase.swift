import Foundation

import Reference

/// One of many random attention calls; case `index` is the same everywhere.
struct RandomCase: Sendable {
  let index: Int
  let query: AttentionQuery
  let whole: KVPart
  let shares: [KVPartition.Share]
  /// Blocks of the cache lie in random order.
  let isPaged: Bool
  let partition: KVPartition
  let isExtreme: Bool

  /// Every 400th case has a million tokens, every eighth 8 Ki and more; these have few and small heads.
  init(_ index: Int) {
    var random = RandomNumbers(seed: 0xA77E_0000 + UInt64(index))
    func chance(_ percent: Int) -> Bool { random.integer(1...100) <= percent }
    func pick<T>(_ choices: [T]) -> T { choices[random.integer(0...choices.count - 1)] }

    let element = ElementType.allCases[index % 3]
    let (isMillion, isLong) = (index % 400 == 7, index % 8 == 0)
    let tokens: Int =
      if isMillion {
        1_000_000 + random.integer(0...48_576)
      } else if isLong {
        8192 + random.integer(0...8192)
      } else {
        switch random.integer(1...100) {
        case 1...2: 0
        case 3...6: 1
        case 7...20: pick([2, 3, 15, 16, 17, 63, 64, 65, 127, 128, 129, 1023, 1024, 1025])
        case 21...75: random.integer(2...300)
        default: random.integer(300...4000)
        }
      }
    let queries = isMillion || chance(80) ? 1 : isLong ? random.integer(2...3) : random.integer(2...20)
    let kvHeads = isMillion ? 1 : isLong ? random.integer(1...2) : random.integer(1...4)
    let group = isMillion ? random.integer(1...2) : isLong ? random.integer(1...3) : random.integer(1...9)
    let dim: Int =
      if isMillion {
        pick([4, 8, 16])
      } else if isLong || tokens > 1000 {
        pick([8, 16, 24, 32, 40, 64])
      } else {
        pick([1, 3, 8, 16, 20, 32, 40, 64, 72, 80, 96, 112, 128, 128, 128, 160, 192, 256])
      }
    let shape = AttentionShape(queries: queries, queryHeads: kvHeads * group, kvHeads: kvHeads, headDim: dim)

    isExtreme = chance(12)
    // The largest of some thousand logits is near four standard deviations: ±10,000.
    let tensors = RandomTensors(
      seed: UInt64(index), querySpread: isExtreme ? 2500 : pick([0.3, 1, 1, 2, 4]),
      valueMean: pick([0, 0, 1, -3]))
    isPaged = chance(40)
    let isTokenMajor = chance(60)
    whole =
      isPaged
      ? KVCache.paged(
        element, shape, tokens: tokens, blockTokens: pick([1, 3, 8, 16, 16, 16, 32, 64, 100]),
        isTokenMajor: isTokenMajor, seed: UInt64(index))
      : KVCache.contiguous(element, shape, tokens: tokens, isTokenMajor: isTokenMajor)
    tensors.fill(whole)

    // Positions from just before the cache, so that some rows see nothing, to beyond its end.
    var query = AttentionQuery(
      shape: shape, values: tensors.queries(element, shape),
      firstPosition: chance(15) ? random.integer(-queries...tokens + 2) : max(tokens - queries, 0),
      isCausal: chance(70), window: chance(15) ? random.integer(1...max(tokens, 1) + 3) : nil)
    if tokens < 5000, chance(10) {
      // Whole rows, single tokens, and finite numbers.
      query.bias = (0..<queries).flatMap { _ in
        let isHidden = chance(20)
        return (0..<tokens).map { _ in
          isHidden || chance(20) ? -Float.infinity : Float(random.integer(-100...100)) / 50
        }
      }
    }
    self.query = query
    self.index = index
    partition = KVPartition.allCases[random.integer(0...KVPartition.allCases.count - 1)]
    shares = partition.shares(of: whole, hosts: random.integer(1...6), seed: UInt64(index))
  }

  /// The output of a backend over the shares, merged in an order that the case decides.
  func output(_ backend: some AttentionBackend) throws -> [Float] {
    var random = RandomNumbers(seed: UInt64(index))
    let states = try shares.map {
      try backend.partial(query.restricted(to: $0.tokens, of: whole.count), over: $0.part)
    }
    return try backend.merge(states.shuffled(using: &random)).normalised()
  }
}
