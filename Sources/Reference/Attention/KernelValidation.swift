/// What `infinite-sim validate kernel` does with one backend: random calls of one model, each dealt to simulated hosts,
/// computed in parts, merged in several orders and judged by the oracle.
public struct KernelValidation: Sendable {
  /// The model's heads; `queries` is set by each call.
  public var heads: AttentionShape
  /// Cached tokens, at least 1.
  public var context: Int
  /// Simulated hosts.
  public var hosts: Int
  /// The seed of everything random.
  public var seed: UInt64

  /// A validation of `heads` at `context` cached tokens over `hosts` hosts.
  public init(heads: AttentionShape, context: Int, hosts: Int, seed: UInt64 = 1) {
    self.heads = heads
    self.context = context
    self.hosts = hosts
    self.seed = seed
  }

  /// One backend, one call, one way to deal.
  public struct Row: Hashable, Sendable {
    /// The backend's name.
    public var backend: String
    /// The format.
    public var element: ElementType
    /// What is asked.
    public var call: Call
    /// The sizes.
    public var shape: AttentionShape
    /// Cached tokens.
    public var tokens: Int
    /// How the tokens were dealt.
    public var partition: KVPartition
    /// To how many hosts.
    public var hosts: Int
    /// The worst over all orders of merging.
    public var verdict: Judge.Verdict
    /// Keys and values that the undivided call sees, per second, bytes/s.
    public var bytesPerSecond: Double

    package init(
      backend: String, element: ElementType, call: Call, shape: AttentionShape, tokens: Int,
      partition: KVPartition, hosts: Int, verdict: Judge.Verdict, bytesPerSecond: Double
    ) {
      self.backend = backend
      self.element = element
      self.call = call
      self.shape = shape
      self.tokens = tokens
      self.partition = partition
      self.hosts = hosts
      self.verdict = verdict
      self.bytesPerSecond = bytesPerSecond
    }
  }

  /// The kinds of call.
  public enum Call: String, CaseIterable, Hashable, Sendable {
    /// One query token that sees everything.
    case decode
    /// Several, of which each sees the tokens up to its own.
    case prefill
    /// One that sees the last quarter.
    case window
    /// One, with logits up to about ±10,000.
    case extreme
  }

  /// The most memory that a validation holds: the widest format's cache and its paged copy's slack, bytes.
  public var memory: Int { heads.kvBytes(.fp32, tokens: context) * 5 / 4 + Self.rotated }

  /// Why `backend` takes none of these calls (a head size), or nil if it does.
  public func refusal(of backend: some AttentionBackend) -> String? {
    guard let element = backend.elements.first else { return "no format" }
    let query = AttentionQuery(
      shape: heads, values: ElementBuffer(element, count: heads.rows * heads.headDim), isCausal: true)
    return backend.refusal(query, over: KVCache.contiguous(element, heads, tokens: 1))
  }

  /// The rows of `backend`, which must be available; `progress` is told what comes next.
  public func rows(
    of backend: some AttentionBackend, progress: (String) -> Void = { _ in }
  ) throws -> [Row] {
    var rows: [Row] = []
    for element in backend.elements {
      for call in Call.allCases {
        progress("\(backend.name) \(element.rawValue) \(call.rawValue)")
        rows += try self.rows(of: backend, element, call)
      }
    }
    return rows
  }

  private func rows(of backend: some AttentionBackend, _ element: ElementType, _ call: Call) throws -> [Row] {
    var shape = heads
    shape.queries = call == .prefill ? min(4, context) : 1
    let tensors = RandomTensors(seed: seed, querySpread: call == .extreme ? 2500 : 1)
    // 16 tokens to a block, as vLLM and the simulator have it.
    let whole = KVCache.paged(element, shape, tokens: context, blockTokens: 16, seed: seed)
    tensors.fill(whole)
    let query = AttentionQuery(
      shape: shape, values: tensors.queries(element, shape), firstPosition: context - shape.queries,
      isCausal: true, window: call == .window ? max(1, context / 4) : nil)
    if backend.refusal(query, over: whole) != nil { return [] }
    let judge = Judge(query, over: whole)
    let seconds = try backend.seconds(query, over: Self.copies(of: whole), runs: Self.runs).sorted()

    let seen = query.window.map { whole[context - $0..<context].bytes } ?? whole.bytes

    var random = RandomNumbers(seed: seed)
    return try KVPartition.allCases.map { partition in
      let states = try partition.shares(of: whole, hosts: hosts, seed: seed).map {
        try backend.partial(query, over: $0.part)
      }
      let orders = [states, states.reversed(), states.shuffled(using: &random)]
      let verdicts = try orders.map { judge.verdict(try backend.merge($0).normalised()) }
      let worst = verdicts.reduce(verdicts[0]) { $1.maxError > $0.maxError ? $1 : $0 }
      return Row(
        backend: backend.name, element: element, call: call, shape: shape, tokens: context,
        partition: partition, hosts: hosts, verdict: worst,
        bytesPerSecond: Double(seen) / seconds[Self.runs / 2])
    }
  }

  /// Timed calls; the median counts.
  private static let runs = 5
  /// Bytes over which timed calls rotate, several times a last-level cache.
  private static let rotated = 256 << 20

  /// The part, and as many copies of it as make `rotated` bytes, at most 64.
  private static func copies(of part: KVPart) -> [KVPart] {
    let count = max(1, min(64, rotated / max(part.bytes, 1)))
    return [part]
      + (1..<count).map { _ in
        let store = KVStore(
          part.store.element, layout: part.store.layout, blocks: part.store.blocks,
          kvHeads: part.store.kvHeads,
          headDim: part.store.headDim)
        store.keys.bytes.copyMemory(from: UnsafeRawBufferPointer(part.store.keys.bytes))
        store.values.bytes.copyMemory(from: UnsafeRawBufferPointer(part.store.values.bytes))
        return KVPart(store: store, table: part.table, positions: part.positions, range: part.range)
      }
  }
}
