/// One of many random calls that a backend is judged by; case `index` of the same limits is the same everywhere.
public struct ShapeCase: Sendable {
  /// How large the calls may be.
  public enum Limits: Hashable, Sendable {
    /// Up to 600 tokens and groups of 9: for an interpreter.
    case small
    /// Up to 131,072 tokens and groups of 64, long contexts with few rows: a second or two in the oracle.
    case large
  }

  /// The number that everything random depends on.
  public let index: Int
  /// What is asked.
  public let query: AttentionQuery
  /// The whole cache.
  public let whole: KVPart
  /// Its parts, on 1 to 4 hosts.
  public let shares: [KVPartition.Share]
  /// How it was dealt to them.
  public let partition: KVPartition
  /// The standard deviation of logits, about.
  public let logitSpread: Float

  /// `tokens` fixes the length; `element`, `headDim` and `rows` (per KV head) a kernel.
  public init(
    _ index: Int, _ limits: Limits = .small, tokens: Int? = nil, element: ElementType? = nil,
    headDim: Int? = nil, rows: Int? = nil, hasBias: Bool? = nil
  ) {
    var random = RandomNumbers(seed: 0xC0DA_0000 + UInt64(index))
    func chance(_ percent: Int) -> Bool { random.integer(1...100) <= percent }
    func pick<T>(_ choices: [T]) -> T { choices[random.integer(0...choices.count - 1)] }

    let element = element ?? [.fp16, .bf16][index % 2]
    var count =
      tokens
      ?? (chance(15)
        ? pick([0, 1, 2, 15, 16, 17, 63, 64, 65, 127, 128, 255, 256, 257])
        : random.integer(1...(limits == .small ? 600 : 1 << random.integer(6...17))))
    let queries = rows != nil || chance(75) ? 1 : random.integer(2...5)
    let kvHeads = limits == .small ? random.integer(1...2) : pick([1, 1, 2, 3, 8])
    let group = rows ?? random.integer(1...(limits == .small || chance(50) ? 9 : 64))
    let shape = AttentionShape(
      queries: queries, queryHeads: kvHeads * group, kvHeads: kvHeads, headDim: headDim ?? pick([64, 128]))
    if limits == .large {
      // Multiplications of the oracle, and elements of keys.
      while count * shape.rows * shape.headDim > 1 << 29 || count * kvHeads * shape.headDim > 1 << 25 {
        count /= 2
      }
    }
    // ±10,000 in one of eight.
    logitSpread = chance(12) ? 2500 : pick([0.3, 1, 2, 4])
    let tensors = RandomTensors(
      seed: UInt64(index), querySpread: logitSpread, valueMean: pick([0, 0, 1, -3]))
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
    partition = pick(KVPartition.allCases)
    shares = partition.shares(of: whole, hosts: random.integer(1...4), seed: UInt64(index))
  }

  /// What is special about the call, for a count of what was covered.
  public var properties: [String] {
    let all: [(String, Bool)] = [
      ("\(query.values.element)", true), ("head size \(query.shape.headDim)", true),
      ("no token", whole.count == 0), ("over 8,192 tokens", whole.count > 8192),
      ("paged and shuffled", whole.table.count > 1), ("several hosts", shares.count > 1),
      ("an empty part", shares.contains { $0.part.count == 0 }),
      ("several query tokens", query.shape.queries > 1), ("group over 8", query.shape.group > 8),
      ("group over 32", query.shape.group > 32), ("window", query.window != nil),
      ("bias with -inf", query.bias != nil), ("logits about 2,500", logitSpread > 1000),
    ]
    return all.filter(\.1).map(\.0)
  }

  /// The output over the shares, merged by the backend in an order that the case decides.
  public func output(_ backend: some AttentionBackend) throws -> [Float] {
    var random = RandomNumbers(seed: UInt64(index))
    let states = try shares.map {
      try backend.partial(query.restricted(to: $0.tokens, of: whole.count), over: $0.part)
    }
    return try backend.merge(states.shuffled(using: &random)).normalised()
  }
}

extension ShapeCase: CustomStringConvertible {
  /// The sizes in words.
  public var description: String {
    let shape = query.shape
    let mask = (query.isCausal ? ", causal" : "") + (query.window.map { ", window \($0)" } ?? "")
    return "\(query.values.element), \(shape.queries) query token\(shape.queries == 1 ? "" : "s"), "
      + "\(shape.kvHeads) KV head\(shape.kvHeads == 1 ? "" : "s") × group \(shape.group) × \(shape.headDim), "
      + "\(whole.count) tokens in blocks of \(whole.store.layout.blockTokens), "
      + "\(partition.rawValue) on \(shares.count) host\(shares.count == 1 ? "" : "s")\(mask)"
      + (query.bias == nil ? "" : ", bias") + (logitSpread > 1000 ? ", large logits" : "")
  }
}
