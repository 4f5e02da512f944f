import CDistAttention

/// The processor's vector units, through the C kernel; reads queries, keys and values where they lie.
public struct CPUBackend: AttentionBackend {
  /// An instruction set that the kernel is compiled for.
  public enum Level: String, CaseIterable, Hashable, Sendable {
    /// 128-bit vectors: SSE2 on x86-64, NEON on arm64.
    case baseline
    /// AVX2 with FMA and F16C.
    case avx2
    /// AVX-512 F, BW, DQ and VL.
    case avx512
    /// AVX-512 with products of bf16.
    case avx512bf16

    /// Whether this processor has it.
    public var isAvailable: Bool { dist_attention_has_level(code) != 0 }

    /// The instruction sets that this processor has, slowest first.
    public static var available: [Level] { allCases.filter(\.isAvailable) }

    /// The instruction set's number in the C kernel.
    var code: dist_attention_level {
      switch self {
      case .baseline: DIST_ATTENTION_BASELINE
      case .avx2: DIST_ATTENTION_AVX2
      case .avx512: DIST_ATTENTION_AVX512
      case .avx512bf16: DIST_ATTENTION_AVX512_BF16
      }
    }
  }

  /// The instruction set in use.
  public let level: Level
  /// Threads, at least 1. The result has the same bits for any number.
  public let threads: Int

  /// Traps if the processor lacks `level`; the best one unless given.
  public init(level: Level? = nil, threads: Int) {
    self.level = level ?? Level.available.last ?? .baseline
    precondition(self.level.isAvailable, "the processor has the instruction set that is asked for")
    precondition(threads >= 1, "a kernel runs on at least one thread")
    self.threads = threads
  }

  public var name: String { "cpu" }

  public var availability: BackendAvailability {
    .available("\(level.rawValue), \(threads) thread\(threads == 1 ? "" : "s")")
  }

  public var elements: [ElementType] { ElementType.allCases }

  public func refusal(_ query: AttentionQuery, over part: KVPart) -> String? { nil }

  public func partial(_ query: AttentionQuery, over part: KVPart) throws -> AttentionState<Float> {
    query.check(over: part)
    var state = AttentionState<Float>(identity: query.shape)
    if part.count == 0 { return state }
    let status = part.table.withUnsafeBufferPointer { table in
      part.positions.withUnsafeBufferPointer { positions in
        query.bias.withUnsafePointer { bias in
          var call = call(query, part)
          call.table = table.baseAddress
          call.positions = positions.baseAddress
          call.bias = bias
          return withExtendedLifetime((query, part)) {
            dist_attention_partial(
              &call, level.code, Int32(threads), &state.output, &state.maximum, &state.sum)
          }
        }
      }
    }
    if status != 0 { throw CPUBackendError(code: status) }
    return state
  }

  public func merge(_ states: [AttentionState<Float>]) throws -> AttentionState<Float> {
    precondition(!states.isEmpty, "there is a state to merge")
    return states.dropFirst().reduce(states[0]) { $0.merged(with: $1) }
  }

  public func seconds(_ query: AttentionQuery, over parts: [KVPart], runs: Int) throws -> [Double] {
    try (0..<runs).map { run in
      try Self.seconds { _ = try partial(query, over: parts[run % parts.count]) }
    }
  }

  public func readBandwidth(runs: Int) throws -> Double {
    // Far beyond any last-level cache.
    let memory = ElementBuffer(.fp32, count: 1 << 27)
    let best = (0..<runs).map { _ in Self.seconds { _ = read(memory) } }.min() ?? .infinity
    return Double(memory.bytes.count) / best
  }

  /// Reads all of `memory` once, as fast as the processor can, and returns a checksum.
  public func read(_ memory: ElementBuffer) -> UInt64 {
    withExtendedLifetime(memory) {
      dist_attention_read(memory.bytes.baseAddress, memory.bytes.count, level.code, Int32(threads))
    }
  }

  private static func seconds(_ work: () throws -> Void) rethrows -> Double {
    let time = try ContinuousClock().measure(work).components
    return Double(time.seconds) + Double(time.attoseconds) * 1e-18
  }

  private func call(_ query: AttentionQuery, _ part: KVPart) -> dist_attention_call {
    let (store, shape) = (part.store, query.shape)
    var call = dist_attention_call()
    call.element = store.element.code
    call.queries = Int64(shape.queries)
    call.query_heads = Int64(shape.queryHeads)
    call.kv_heads = Int64(shape.kvHeads)
    call.head_dim = Int64(shape.headDim)
    call.query = UnsafeRawPointer(query.values.bytes.baseAddress)
    call.keys = UnsafeRawPointer(store.keys.bytes.baseAddress)
    call.values = UnsafeRawPointer(store.values.bytes.baseAddress)
    call.block_tokens = Int64(store.layout.blockTokens)
    call.block_stride = Int64(store.layout.blockStride)
    call.token_stride = Int64(store.layout.tokenStride)
    call.head_stride = Int64(store.layout.headStride)
    call.first = Int64(part.range.lowerBound)
    call.count = Int64(part.count)
    call.scale = query.scale
    call.causal = query.isCausal ? 1 : 0
    call.window = Int64(query.window ?? 0)
    call.first_position = Int64(query.firstPosition)
    return call
  }
}

/// The CPU kernel could not get the memory that it needs.
public struct CPUBackendError: Error, Hashable, CustomStringConvertible {
  /// The system's error number.
  public var code: Int32

  /// What happened, in words.
  public var description: String { "the CPU kernel got no memory (error \(code))" }
}

extension Optional<[Float]> {
  /// The address of the elements, or a null pointer.
  fileprivate func withUnsafePointer<Result>(_ body: (UnsafePointer<Float>?) -> Result) -> Result {
    guard let self else { return body(nil) }
    return self.withUnsafeBufferPointer { body($0.baseAddress) }
  }
}
