/// What one decode-attention kernel takes for a batch of equally long contexts, one query token each.
public enum DecodeAttentionCost: Hashable, Sendable {
  /// Splits every context over the whole GPU and balances them: FlashInfer.
  case balanced(AlphaBeta)
  /// Splits by FlashAttention-2's rule: waves of thread blocks.
  case waves(WaveAttentionCost)
  /// One thread block per sequence and KV head: the longest context may take longer than all bytes together.
  case unsplit(UnsplitAttentionCost)
  /// Split evenly by a scheduler on the GPU: FlashAttention-3.
  case scheduled(FlashAttention3Cost)

  /// The same kernel with all thread blocks together reaching `share` of the bandwidth.
  func scaled(bandwidth share: Double) -> DecodeAttentionCost {
    switch self {
    case .balanced(let line):
      return .balanced(AlphaBeta(alpha: line.alpha, bytesPerSecond: line.bytesPerSecond * share))
    case .waves(var cost):
      cost.bytesPerSecond *= share
      return .waves(cost)
    case .unsplit(var cost):
      cost.bytesPerSecond *= share
      return .unsplit(cost)
    case .scheduled(var cost):
      cost.bytesPerSecond *= share
      return .scheduled(cost)
    }
  }

  /// µs of one layer on one rank for `batch`.
  public func microseconds(_ batch: DecodeBatch) -> Double {
    switch self {
    case .balanced(let line): line.microseconds(bytes: batch.bytes)
    case .waves(let cost): cost.microseconds(batch)
    case .unsplit(let cost): cost.microseconds(batch)
    case .scheduled(let cost): cost.microseconds(batch)
    }
  }
}

/// One decode-attention call on one rank.
public struct DecodeBatch: Hashable, Sendable {
  /// Sequences, one query token each.
  public var sequences: Int
  /// Tokens attended by each.
  public var context: Int
  /// Query heads of the rank.
  public var queryHeads: Int
  /// KV heads of the rank.
  public var kvHeads: Int
  /// Bytes of the keys and values of one token and KV head: 2 · head dimension · bytes per element.
  public var bytesPerHeadToken: Int

  /// Takes the parts as they are.
  public init(sequences: Int, context: Int, queryHeads: Int, kvHeads: Int, bytesPerHeadToken: Int) {
    self.sequences = sequences
    self.context = context
    self.queryHeads = queryHeads
    self.kvHeads = kvHeads
    self.bytesPerHeadToken = bytesPerHeadToken
  }

  /// Bytes of keys and values that the call reads.
  public var bytes: Double {
    Double(sequences) * Double(context) * Double(kvHeads * bytesPerHeadToken)
  }
}

/// FlashAttention-2 with split keys and values: thread blocks of one (sequence, KV head, split) each, in waves.
///
///     floor + waves · ⌈blocks / splits⌉ · 64 keys · bytes / min(per block, bandwidth / blocks in flight)
///           + [splits > 1] · combine + sequences · √(8 · query heads · KV heads) · perSequenceHead
///
/// The number of splits is the one that the kernel's host code picks: the fewest that fill the GPU to within
/// 85 % of the best filling (Dao-AILab/flash-attention, `num_splits_heuristic`).
public struct WaveAttentionCost: Hashable, Sendable {
  /// Launch floor, µs.
  public var floor: Double
  /// Memory bandwidth reached by all thread blocks together.
  public var bytesPerSecond: Double
  /// Memory bandwidth that one thread block reaches.
  public var blockBytesPerSecond: Double
  /// Combining the splits' results, µs.
  public var combine: Double
  /// µs per sequence and query head, where a KV head has eight.
  public var perSequenceHead: Double

  /// Takes the parts as they are.
  public init(
    floor: Double, bytesPerSecond: Double, blockBytesPerSecond: Double, combine: Double,
    perSequenceHead: Double
  ) {
    self.floor = floor
    self.bytesPerSecond = bytesPerSecond
    self.blockBytesPerSecond = blockBytesPerSecond
    self.combine = combine
    self.perSequenceHead = perSequenceHead
  }

  /// µs of one layer on one rank.
  public func microseconds(_ batch: DecodeBatch) -> Double { microseconds(batch, plan: WavePlan(batch)) }

  /// µs of one layer on one rank, the thread blocks laid out as `plan` says.
  public func microseconds(_ batch: DecodeBatch, plan: WavePlan) -> Double {
    let inFlight = Double(plan.threadBlocks) / Double(plan.waves)
    let perBlock = min(blockBytesPerSecond, bytesPerSecond / inFlight)
    let bytes = Double(plan.keysPerBlock * batch.bytesPerHeadToken)
    return floor + Double(plan.waves) * bytes / perBlock * 1e6 + (plan.splits > 1 ? combine : 0)
      + perSequenceHead * Double(batch.sequences) * batch.headsOfPacks
  }
}

extension DecodeBatch {
  /// Query heads, where a KV head has eight; else the root of query heads · 8 · KV heads.
  ///
  /// The kernel packs the query heads of a KV head into one tile: output and set-up grow by less than their number.
  /// The root is empirical, and all that holds from 2 to 64 query heads per KV head (docs/costs.md).
  fileprivate var headsOfPacks: Double { Double(8 * queryHeads * kvHeads).squareRoot() }
}

/// How FlashAttention-2 lays a decode-attention call out on the GPU: it depends on the shape alone.
public struct WavePlan: Hashable, Sendable {
  /// Parts into which every context is cut.
  public let splits: Int
  /// Thread blocks of the call.
  public let threadBlocks: Int
  /// Rounds in which they run.
  public let waves: Int
  /// Keys that one thread block reads.
  public let keysPerBlock: Int

  /// Keys of one thread block's step.
  private static let keys = 64
  /// Thread blocks in flight: 108 multiprocessors of an A100, two each.
  private static let slots = 216

  /// The layout of `batch`.
  public init(_ batch: DecodeBatch) {
    let work = batch.sequences * batch.kvHeads
    let blocks = max(1, (batch.context + Self.keys - 1) / Self.keys)
    splits = Self.splits(work: work, blocks: blocks)
    threadBlocks = work * splits
    waves = (threadBlocks + Self.slots - 1) / Self.slots
    keysPerBlock = (blocks + splits - 1) / splits * Self.keys
  }

  /// Splits of each context, for `work` (sequence, KV head) pairs of `blocks` steps.
  static func splits(work: Int, blocks: Int) -> Int {
    guard Double(work) < 0.8 * Double(slots) else { return 1 }
    // A count that leaves the steps per split as they were with one less is no candidate.
    let candidates = (1...min(128, slots, blocks)).filter { splits in
      splits == 1 || (blocks + splits - 1) / splits != (blocks + splits - 2) / (splits - 1)
    }
    func filling(_ splits: Int) -> Double {
      let waves = Double(work * splits) / Double(slots)
      return waves / waves.rounded(.up)
    }
    let best = candidates.map(filling).max() ?? 1
    return candidates.first { filling($0) >= 0.85 * best } ?? 1
  }
}

/// Decode attention without splitting (PagedAttention v1; vLLM's FlashAttention-2 on multi-head models):
/// floor + perSequenceHead · sequences · query heads + max(all bytes / bandwidth, longest context / block bandwidth).
public struct UnsplitAttentionCost: Hashable, Sendable {
  /// Launch floor, µs.
  public var floor: Double
  /// Memory bandwidth reached by all thread blocks together.
  public var bytesPerSecond: Double
  /// Memory bandwidth that one thread block reaches: it reads one sequence's keys and values of one head.
  public var blockBytesPerSecond: Double
  /// µs per sequence and query head.
  public var perSequenceHead: Double

  /// Takes the parts as they are.
  public init(floor: Double, bytesPerSecond: Double, blockBytesPerSecond: Double, perSequenceHead: Double) {
    self.floor = floor
    self.bytesPerSecond = bytesPerSecond
    self.blockBytesPerSecond = blockBytesPerSecond
    self.perSequenceHead = perSequenceHead
  }

  /// Thread blocks in flight: 108 multiprocessors of an A100, two each.
  private static let slots = 216

  /// µs of one layer on one rank, the thread blocks in as many waves as they need.
  public func microseconds(_ batch: DecodeBatch) -> Double {
    let work = batch.sequences * batch.kvHeads
    let waves = (work + Self.slots - 1) / Self.slots
    let longest = Double(batch.context * batch.bytesPerHeadToken) / blockBytesPerSecond * 1e6
    return constant(sequences: batch.sequences, queryHeads: batch.queryHeads)
      + max(batch.bytes / bytesPerSecond * 1e6, Double(waves) * longest)
  }

  /// What does not depend on contexts, µs.
  func constant(sequences: Int, queryHeads: Int) -> Double {
    floor + perSequenceHead * Double(sequences * queryHeads)
  }
}
