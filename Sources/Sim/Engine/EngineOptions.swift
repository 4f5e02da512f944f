/// The local engine: how one instance batches its requests.
public enum EngineKind: String, Sendable, CaseIterable {
  /// vLLM 0.4–0.6 without chunked prefill: prompts first, whole; the paper's baseline (semantics.md 9–12).
  case vllmV0 = "vllm-v0"
  /// Sarathi / vLLM v1: decode first, then prompt chunks within a token budget (semantics.md C1–C9).
  case chunked
}

/// When a running request must find a block before a decode step.
public enum AppendCheck: String, Sendable, CaseIterable {
  /// Each running request, oldest first, must find at least one free block, needed or not (vLLM).
  case vllm
  /// Only the true need is tested.
  case exact
}

/// What becomes of a prompt longer than the token budget under `vllm-v0`.
public enum OverBudget: String, Sendable, CaseIterable {
  /// It is prefilled alone (a deviation from vLLM).
  case alone
  /// It is rejected, as vLLM v0 does.
  case ignore
}

/// Who computes the prefill attention of a request whose blocks lie on other instances (design.md 3).
public enum PrefillAttention: String, Sendable, CaseIterable {
  /// Chunk by chunk; the hosts of the earlier blocks compute their part.
  case distributed
  /// The home computes all attention and streams the KV cache out.
  case home
  /// No prefill is charged at all, for any contender.
  case free
}

/// The settings of the local engines, the same for every instance.
public struct EngineOptions: Hashable, Sendable {
  public var kind = EngineKind.vllmV0
  /// Sequences an instance may run at once.
  public var maxNumSeqs = 256
  /// Token budget of one step.
  public var maxNumBatchedTokens = 4096
  /// Tokens of the longest context that is served: a prompt of so many or more is rejected, and an output that would go
  /// beyond it is cut. The token budget does not follow it.
  public var maxModelLen = Int.max
  /// Tokens in a KV block.
  public var blockSize = 16
  /// Percent of the blocks that admissions leave free under `vllm-v0`; growth may use them.
  public var watermarkPercent = 1
  /// Blocks per instance left free by `chunked` admissions, in percent; 0 is vLLM v1's default.
  public var chunkedWatermarkPercent = 0
  public var appendCheck = AppendCheck.vllm
  /// vLLM 0.2–0.3: a prefill batch costs n × its longest prompt, and may waste at most 256 tokens on padding.
  public var padded = false
  public var overBudget = OverBudget.alone
  /// `chunked`: admission tests room for the whole prompt, not just its first chunk.
  public var reserveISL = true
  public var prefillAttention = PrefillAttention.distributed
  /// Leading blocks of a prompt that its instance has computed before are shared, where the trace says which are alike.
  public var prefixCaching = false
  /// Walk every decode step instead of skipping ahead: the oracle of skip-ahead, not part of the manifest.
  public var stepByStep = false

  public init() {}
}
