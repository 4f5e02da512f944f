/// What the KV blocks of one instance hold, as its engine counts them (semantics.md 9, 35, C3, C4).
public struct BlockLimits: Hashable, Sendable {
  /// Blocks that requests may use.
  public let usable: Int
  /// Blocks that admissions leave free.
  public let watermark: Int
  private let blockSize: Int
  /// Whether a running request must find a free block before every step, needed or not.
  private let wantsFreeBlock: Bool

  public init(blocks: Int, engine: EngineOptions) {
    let chunked = engine.kind == .chunked
    // vLLM v1 keeps one null block.
    usable = blocks - (chunked ? 1 : 0)
    watermark = blocks * (chunked ? engine.chunkedWatermarkPercent : engine.watermarkPercent) / 100
    blockSize = engine.blockSize
    wantsFreeBlock = !chunked && engine.appendCheck == .vllm
  }

  /// Blocks of the longest prompt and its first token that an empty instance admits.
  public var admissible: Int { usable - watermark }

  /// Whether an empty instance serves a request of so many tokens, as `total(prompt:output:)` counts them: whatever of them
  /// is prompt, and also if it is preempted before its last token and must be admitted with all the others. The last token
  /// is never stored.
  public func holds(total: Int) -> Bool {
    blocks(for: total - 1) <= admissible && (!wantsFreeBlock || blocks(for: total - 2) < usable)
  }

  /// Prompt + output. An output of one token counts as two, since a prompt is admitted with room for its first token.
  public static func total(prompt: Int, output: Int) -> Int { prompt + max(output, 2) }

  /// Blocks that so many tokens take.
  public static func blocks(for tokens: Int, of blockSize: Int) -> Int {
    (tokens + blockSize - 1) / blockSize
  }

  private func blocks(for tokens: Int) -> Int { Self.blocks(for: tokens, of: blockSize) }
}

/// What the instances of a policy were sized by.
public struct RightSizing: Hashable, Sendable {
  /// Tokens of the longest request, as `BlockLimits.total(prompt:output:)` counts them.
  public var longest: Int
  /// Whether an instance holds it.
  public var isHeld: Bool

  public init(longest: Int, isHeld: Bool) { (self.longest, self.isHeld) = (longest, isHeld) }
}
