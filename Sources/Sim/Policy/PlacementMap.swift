/// One row of the request placement map: how many blocks of a request lie on an instance (paper.md section 4).
public struct PlacementRow: Hashable, Sendable {
  public var request: RequestID
  public var instance: InstanceID
  /// Blocks there, those of started steps included.
  public var blocks: KVBlocks
  /// The instance is the request's home.
  public var isLocal: Bool
  /// Blocks that a move may take now: whole, filled, not on their way and rested.
  public var movable: KVBlocks
}

/// What an rManager says of its instance in a heartbeat. Moves under way count as done.
public struct InstanceReport: Hashable, Sendable {
  public var instance: InstanceID
  /// Requests that decode.
  public var batch: Int
  /// Requests that wait, and the blocks that the first of them need, in FCFS order.
  public var queued: Int
  public var queuedBlocks: [Int]
  /// Tokens of those first waiting requests.
  public var queuedTokens: [Int]
  /// Requests the engine may still admit by its sequence limit.
  public var freeSequences: Int
  /// Blocks in use, hosted ones included.
  public var usedBlocks: KVBlocks
  /// Tokens that the batch attends to at home, and tokens hosted for other instances.
  public var localTokens: Int
  public var hostedBlocks: KVBlocks
  /// Slowest remote path of the batch now, ps per step and stage.
  public var remotePath: Int64
}

/// The gManager's knowledge: the last heartbeat of every instance, which may be stale.
public struct PlacementMap: Sendable {
  /// When the plan is made.
  public internal(set) var now: SimTime
  /// By instance.
  public internal(set) var reports: [InstanceReport]
  /// By request, then instance.
  public internal(set) var rows: [PlacementRow]
  /// Usable blocks of every instance, and those that admissions leave free.
  public internal(set) var blocksPerInstance: KVBlocks
  public internal(set) var watermark: KVBlocks
  /// Tokens in a block.
  public internal(set) var blockSize: Int
  public internal(set) var topology: InstanceTopology
  /// The cost coefficients that the engine charges with: the planner's W/f and g.
  public internal(set) var costs: InstanceCosts
}
