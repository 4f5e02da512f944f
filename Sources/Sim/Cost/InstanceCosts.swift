/// What one iteration of an instance costs, as integer coefficients (semantics.md 4–6).
///
/// One instance is a TP × PP group of GPUs. Its pipeline stages are alike, so a stage's time is
///
///     stage = linear(tokens) + head(samples)
///           + [decodes anything] · decodeFloor + contextRate · Σ context
///           + Σ over prefill chunks of x new tokens after c cached ones:
///               prefillFloor + prefillTokenRate · x + prefillPairRate · (x·c + x(x+1)/2)
///
/// an iteration takes `PP` stages and as many hand-offs, and the host adds
/// `hostBase + hostPerSequence · sequences` once. Everything is in picoseconds. The functions that need a
/// power (`linear`, `head`, `handoff`) are rounded to whole nanoseconds, because libm picks `pow` by processor;
/// the rates are exact integers, so the cost of a run of steps is the same however it is split.
public struct InstanceCosts: Sendable {
  /// PP: pipeline stages of the instance.
  public var stages: Int
  /// TP: ranks of a stage. The byte counts below are those of one rank.
  public var ranks: Int
  /// Layers of the longest stage, ⌈layers / PP⌉.
  public var layersPerStage: Int

  /// Host (CPU) time per iteration: a constant and a part for each sequence in the batch, ps.
  public var hostBase: Int64
  public var hostPerSequence: Int64
  /// Launch floors of decode attention over the stage's layers, ps per stage that decodes anything.
  public var decodeFloor: Int64
  /// R: reading one token's keys and values in the stage's layers on one rank, ps per attended token.
  public var contextRate: Int64
  /// Launch floors of prefill attention over the stage's layers, ps per chunk.
  public var prefillFloor: Int64
  /// Prefill attention's work per new token (softmax, scales), ps.
  public var prefillTokenRate: Int64
  /// Prefill attention per (query token, key token) pair, ps.
  public var prefillPairRate: Int64
  /// The least GPU time of a stage when kernels are launched one by one (eager mode), ps; 0 with CUDA graphs.
  public var stageFloor: Int64

  /// Merging one remote partial result of one request over the stage's layers: launch floor per step, ps.
  public var mergeFloor: Int64
  /// Merging, ps per partial result of one request over the stage's layers.
  public var mergePerPartial: Int64
  /// Bytes of KV cache of one token in the stage's layers on one rank.
  public var kvBytesPerTokenPerStage: Int
  /// Bytes of one request's query, on one rank, one layer.
  public var queryBytes: Int
  /// Bytes of one request's partial result (MA, m, e), on one rank, one layer.
  public var partialBytes: Int

  private let linearFunction: @Sendable (Int) -> Int64
  private let headFunction: @Sendable (Int) -> Int64
  private let handoffFunction: @Sendable (Int) -> Int64
  private var linearMemo: ContiguousArray<Int64>
  private var headMemo: ContiguousArray<Int64>

  /// Token counts above this are computed anew each time: only giant prompts reach it.
  private static let memoSize = 1 << 15

  public init(
    stages: Int, ranks: Int, layersPerStage: Int,
    hostBase: Int64, hostPerSequence: Int64,
    decodeFloor: Int64, contextRate: Int64,
    prefillFloor: Int64, prefillTokenRate: Int64, prefillPairRate: Int64,
    stageFloor: Int64 = 0,
    mergeFloor: Int64 = 0, mergePerPartial: Int64 = 0,
    kvBytesPerTokenPerStage: Int = 0, queryBytes: Int = 0, partialBytes: Int = 0,
    linear: @escaping @Sendable (_ tokens: Int) -> Int64,
    head: @escaping @Sendable (_ samples: Int) -> Int64 = { _ in 0 },
    handoff: @escaping @Sendable (_ tokens: Int) -> Int64 = { _ in 0 }
  ) {
    self.stages = stages
    self.ranks = ranks
    self.layersPerStage = layersPerStage
    self.hostBase = hostBase
    self.hostPerSequence = hostPerSequence
    self.decodeFloor = decodeFloor
    self.contextRate = contextRate
    self.prefillFloor = prefillFloor
    self.prefillTokenRate = prefillTokenRate
    self.prefillPairRate = prefillPairRate
    self.stageFloor = stageFloor
    self.mergeFloor = mergeFloor
    self.mergePerPartial = mergePerPartial
    self.kvBytesPerTokenPerStage = kvBytesPerTokenPerStage
    self.queryBytes = queryBytes
    self.partialBytes = partialBytes
    linearFunction = linear
    headFunction = head
    handoffFunction = handoff
    linearMemo = ContiguousArray(repeating: -1, count: Self.memoSize)
    headMemo = ContiguousArray(repeating: -1, count: Self.memoSize)
  }

  /// Non-attention work of a stage's layers on `tokens` tokens, all-reduces included, ps.
  public mutating func linear(tokens: Int) -> Int64 {
    guard tokens > 0 else { return 0 }
    guard tokens < Self.memoSize else { return linearFunction(tokens) }
    if linearMemo[tokens] < 0 { linearMemo[tokens] = linearFunction(tokens) }
    return linearMemo[tokens]
  }

  /// `linear` without remembering the answer, for readers that cannot change the table.
  public func linearTime(tokens: Int) -> Int64 {
    guard tokens > 0 else { return 0 }
    if tokens < Self.memoSize, linearMemo[tokens] >= 0 { return linearMemo[tokens] }
    return linearFunction(tokens)
  }

  /// The LM head on `samples` sequences that emit a token, ps (charged to every stage: the longest counts).
  public mutating func head(samples: Int) -> Int64 {
    guard samples > 0 else { return 0 }
    guard samples < Self.memoSize else { return headFunction(samples) }
    if headMemo[samples] < 0 { headMemo[samples] = headFunction(samples) }
    return headMemo[samples]
  }

  /// `head` without remembering the answer.
  public func headTime(samples: Int) -> Int64 {
    guard samples > 0 else { return 0 }
    if samples < Self.memoSize, headMemo[samples] >= 0 { return headMemo[samples] }
    return headFunction(samples)
  }

  /// Handing `tokens` activations from one stage to the next, ps; 0 when PP = 1.
  public func handoff(tokens: Int) -> Int64 { stages == 1 ? 0 : handoffFunction(tokens) }
}
