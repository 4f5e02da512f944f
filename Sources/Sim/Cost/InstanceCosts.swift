/// What one iteration of an instance costs, as integer coefficients (semantics.md 4–6).
///
/// One instance is a TP × PP group of GPUs. Its pipeline stages are alike, so a stage's time is
///
///     stage = linear(tokens) + head(samples)
///           + [decodes anything] · max(decode(sequences, Σ context), longest(sequences, longest context))
///           + [prefills anything] · (prefillFloor + prefillReachRate · longest context of a chunk)
///           + Σ over prefill chunks of x new tokens after c cached ones:
///               prefillTokenRate · x + prefillPairRate · pairs(x, c)
///
/// an iteration takes `PP` stages and as many hand-offs, and the host
/// `hostBase + hostPerSequence · sequences`: their sum, or the longer of both if `overlapsHost`. A stage takes
/// `stageFloor` at least, one that prefills `prefillStageFloor`. Everything is in picoseconds. `decode` is a broken line in
/// Σ context (`DecodeLine`); `longest` is there only for kernels that do not split a context. A token attends to
/// `window` tokens at most, so pairs(x, c) = Σ min(c + j, window) over j in 1...x.
/// The functions that need a power (`linear`, `head`, `handoff`, the knots of `decode`) are rounded to whole
/// nanoseconds, because libm picks `pow` by processor; the rates are exact integers, so the cost of a run of steps
/// is the same however it is split.
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
  /// Whether the host prepares a step while the GPUs compute the one before: an iteration takes the longer of both.
  public var overlapsHost: Bool
  /// Launch floor of a decode kernel over the stage's layers, ps: what a host's partial attention starts with.
  public var decodeFloor: Int64
  /// R: reading one more token's keys and values in the stage's layers on one rank, ps per attended token, where
  /// contexts are long: what hosted tokens cost.
  public var contextRate: Int64
  /// What the longest context of a batch sets when the decode kernel does not split contexts, else `nil`.
  public var longest: LongestContext?
  /// Tokens that a token attends to, itself included; `.max` without a sliding window.
  public var window: Int
  /// Launch floors of prefill attention over the stage's layers, ps per stage that prefills anything.
  public var prefillFloor: Int64
  /// The last tile of prefill attention, ps per token of the longest context among the chunks.
  public var prefillReachRate: Int64
  /// Prefill attention's work per new token (softmax, scales), ps.
  public var prefillTokenRate: Int64
  /// Prefill attention per (query token, key token) pair, ps.
  public var prefillPairRate: Int64
  /// The least GPU time of a stage that only decodes, when kernels are launched one by one, ps; 0 with CUDA graphs.
  public var stageFloor: Int64
  /// The same of a stage that prefills anything, at least `stageFloor`.
  public var prefillStageFloor: Int64

  /// Merging one remote partial result of one request over the stage's layers: launch floor per step, ps.
  public var mergeFloor: Int64
  /// Merging, ps per partial result of one request over the stage's layers.
  public var mergePerPartial: Int64
  /// Thousandths of `linear` that come before attention; a model's come from its operators.
  public var permilleBeforeAttention: Int
  /// Bytes of KV cache of one token in the stage's layers on one rank.
  public var kvBytesPerTokenPerStage: Int
  /// Bytes of one request's query, on one rank, one layer.
  public var queryBytes: Int
  /// Bytes of one request's partial result (MA, m, e), on one rank, one layer.
  public var partialBytes: Int

  private let decodeFunction: (@Sendable (Int, Int) -> Int64)?
  private let linearFunction: @Sendable (Int) -> Int64
  private let headFunction: @Sendable (Int) -> Int64
  private let handoffFunction: @Sendable (Int) -> Int64
  private var linearMemo: ContiguousArray<Int64> = []
  private var headMemo: ContiguousArray<Int64> = []
  /// The pieces of `decode` found so far, and for sequences · octaves + octave where each lies, −1 if it does not.
  private var decodeLines: ContiguousArray<DecodeLine> = []
  private var decodePlaces: ContiguousArray<Int32> = []

  /// Token counts above this are computed anew each time: only giant prompts reach it.
  private static let memoSize = 1 << 15

  public init(
    stages: Int, ranks: Int, layersPerStage: Int,
    hostBase: Int64, hostPerSequence: Int64, overlapsHost: Bool = false,
    decodeFloor: Int64, contextRate: Int64, longest: LongestContext? = nil, window: Int = .max,
    prefillFloor: Int64, prefillReachRate: Int64 = 0, prefillTokenRate: Int64, prefillPairRate: Int64,
    stageFloor: Int64 = 0, prefillStageFloor: Int64? = nil,
    mergeFloor: Int64 = 0, mergePerPartial: Int64 = 0, permilleBeforeAttention: Int = 300,
    kvBytesPerTokenPerStage: Int = 0, queryBytes: Int = 0, partialBytes: Int = 0,
    decode: (@Sendable (_ sequences: Int, _ context: Int) -> Int64)? = nil,
    linear: @escaping @Sendable (_ tokens: Int) -> Int64,
    head: @escaping @Sendable (_ samples: Int) -> Int64 = { _ in 0 },
    handoff: @escaping @Sendable (_ tokens: Int) -> Int64 = { _ in 0 }
  ) {
    self.stages = stages
    self.ranks = ranks
    self.layersPerStage = layersPerStage
    self.hostBase = hostBase
    self.hostPerSequence = hostPerSequence
    self.overlapsHost = overlapsHost
    self.decodeFloor = decodeFloor
    self.contextRate = contextRate
    self.longest = longest
    self.window = window
    self.prefillFloor = prefillFloor
    self.prefillReachRate = prefillReachRate
    self.prefillTokenRate = prefillTokenRate
    self.prefillPairRate = prefillPairRate
    self.stageFloor = stageFloor
    self.prefillStageFloor = max(stageFloor, prefillStageFloor ?? 0)
    self.mergeFloor = mergeFloor
    self.mergePerPartial = mergePerPartial
    self.permilleBeforeAttention = permilleBeforeAttention
    self.kvBytesPerTokenPerStage = kvBytesPerTokenPerStage
    self.queryBytes = queryBytes
    self.partialBytes = partialBytes
    decodeFunction = decode
    linearFunction = linear
    headFunction = head
    handoffFunction = handoff
  }

  /// Non-attention work of a stage's layers on `tokens` tokens, all-reduces included, ps.
  public mutating func linear(tokens: Int) -> Int64 {
    guard tokens > 0 else { return 0 }
    if tokens < linearMemo.count, linearMemo[tokens] >= 0 { return linearMemo[tokens] }
    return Self.remember(tokens, in: &linearMemo, linearFunction)
  }

  /// `linear` without remembering the answer, for readers that cannot change the table.
  public func linearTime(tokens: Int) -> Int64 {
    guard tokens > 0 else { return 0 }
    if tokens < linearMemo.count, linearMemo[tokens] >= 0 { return linearMemo[tokens] }
    return linearFunction(tokens)
  }

  /// The LM head on `samples` sequences that emit a token, ps (charged to every stage: the longest counts).
  public mutating func head(samples: Int) -> Int64 {
    guard samples > 0 else { return 0 }
    if samples < headMemo.count, headMemo[samples] >= 0 { return headMemo[samples] }
    return Self.remember(samples, in: &headMemo, headFunction)
  }

  /// `head` without remembering the answer.
  public func headTime(samples: Int) -> Int64 {
    guard samples > 0 else { return 0 }
    if samples < headMemo.count, headMemo[samples] >= 0 { return headMemo[samples] }
    return headFunction(samples)
  }

  /// Computes the answers for steps of up to so many tokens and samples now, so that no step has to.
  public mutating func tabulate(tokens: Int, samples: Int) {
    for count in stride(from: 1, through: min(tokens, Self.memoSize - 1), by: 1) { _ = linear(tokens: count) }
    for count in stride(from: 1, through: min(samples, Self.memoSize - 1), by: 1) { _ = head(samples: count) }
  }

  private static func remember(
    _ count: Int, in memo: inout ContiguousArray<Int64>, _ function: (Int) -> Int64
  ) -> Int64 {
    let time = function(count)
    guard count < memoSize else { return time }
    if count >= memo.count {
      memo.append(contentsOf: repeatElement(-1, count: max(count + 1, 2 * memo.count, 256) - memo.count))
    }
    memo[count] = time
    return time
  }

  /// An iteration in which the host takes `host` and the GPUs `gpu`, ps.
  @inline(__always)
  func iteration(host: Int64, gpu: Int64) -> Int64 { overlapsHost ? max(host, gpu) : host + gpu }

  /// Handing `tokens` activations from one stage to the next, ps; 0 when PP = 1.
  public func handoff(tokens: Int) -> Int64 { stages == 1 ? 0 : handoffFunction(tokens) }

  // MARK: - Decode attention

  /// The part of `decode` that holds for `sequences` requests with `context` attended tokens together. O(1) once
  /// the batch size has been met, O(log context) the first time.
  @inline(__always)
  public mutating func decodeLine(sequences: Int, context: Int64) -> DecodeLine {
    let octave = DecodeLine.octave(sequences: sequences, context: context)
    let place = sequences * DecodeLine.octaves + octave
    if place < decodePlaces.count, decodePlaces[place] >= 0 { return decodeLines[Int(decodePlaces[place])] }
    return makeDecodeLine(sequences: sequences, octave: octave)
  }

  private mutating func makeDecodeLine(sequences: Int, octave: Int) -> DecodeLine {
    guard let decodeFunction else {
      return DecodeLine(from: 0, until: .max, base: decodeFloor, rate: contextRate)
    }
    let first = sequences * DecodeLine.octaves
    if first >= decodePlaces.count {
      let wanted = max(first + DecodeLine.octaves, 2 * decodePlaces.count)
      decodePlaces.append(contentsOf: repeatElement(-1, count: wanted - decodePlaces.count))
    }
    // Each line starts where the one before it ends.
    var line: DecodeLine?
    for k in 0...octave {
      if decodePlaces[first + k] < 0 {
        decodePlaces[first + k] = Int32(decodeLines.count)
        decodeLines.append(
          DecodeLine(sequences: sequences, octave: k, atLeast: line, knot: decodeFunction))
      }
      line = decodeLines[Int(decodePlaces[first + k])]
    }
    return decodeLines[Int(decodePlaces[first + octave])]
  }

  /// `decode`, ps, without remembering anything, for readers that cannot change the table.
  public func decodeTime(sequences: Int, context: Int64) -> Int64 {
    guard let decodeFunction else { return decodeFloor + contextRate * context }
    var line: DecodeLine?
    for octave in 0...DecodeLine.octave(sequences: sequences, context: context) {
      line = DecodeLine(sequences: sequences, octave: octave, atLeast: line, knot: decodeFunction)
    }
    return line.map { $0.time(context: context) } ?? 0
  }

  /// Pairs of a query and a key for `new` tokens after `cached` ones, within the window.
  public func pairs(new: Int, cached: Int) -> Int128 { Self.pairs(new: new, cached: cached, window: window) }

  static func pairs(new: Int, cached: Int, window: Int) -> Int128 {
    // The first `growing` of the new tokens still see everything before them.
    let reach = min(new, max(0, window - cached))
    if new < 1 << 30, cached < 1 << 30, reach == new {
      return Int128(new * cached + new * (new + 1) / 2)
    }
    let growing = Int128(reach)
    return growing * Int128(cached) + growing * (growing + 1) / 2 + (Int128(new) - growing) * Int128(window)
  }
}
