/// The settings of an engine on which its KV memory depends.
public struct KVMemorySettings: Hashable, Sendable {
  /// Share of the GPU's memory that the engine may use (vLLM `gpu_memory_utilization`), 0 < u ≤ 1.
  public var utilisation: Double
  /// Tokens per block.
  public var blockSize: Int
  /// Most tokens of one iteration: sizes the activations.
  public var maxBatchedTokens: Int
  /// Most sequences of one iteration: sizes the logits.
  public var maxSequences: Int
  /// How the engine finds what is left for the cache.
  public var accounting: KVAccounting

  /// Takes any values; `validate()` says whether they are in range.
  public init(
    utilisation: Double = 0.9, blockSize: Int = 16, maxBatchedTokens: Int = 4_096, maxSequences: Int = 256,
    accounting: KVAccounting = .assumed
  ) {
    self.utilisation = utilisation
    self.blockSize = blockSize
    self.maxBatchedTokens = maxBatchedTokens
    self.maxSequences = maxSequences
    self.accounting = accounting
  }
}

extension KVMemorySettings {
  /// Throws unless the utilisation is in (0, 1] and the counts are positive and not absurd.
  public func validate() throws(KVMemoryError) {
    guard utilisation > 0, utilisation <= 1 else { throw .utilisation(found: utilisation) }
    for (what, value, limit) in [
      ("block size", blockSize, 1 << 16), ("max batched tokens", maxBatchedTokens, 1 << 24),
      ("max sequences", maxSequences, 1 << 24),
    ] where value < 1 || value > limit {
      throw .count(what: what, found: value, limit: limit)
    }
  }
}

/// A memory setting out of range.
public enum KVMemoryError: Error, Hashable, CustomStringConvertible {
  case utilisation(found: Double)
  case count(what: String, found: Int, limit: Int)

  /// One sentence: what was found and what was expected.
  public var description: String {
    switch self {
    case .utilisation(let found): "memory utilisation is \(found), expected above 0 and at most 1"
    case .count(let what, let found, let limit): "\(what) is \(found), expected 1...\(limit)"
    }
  }
}
