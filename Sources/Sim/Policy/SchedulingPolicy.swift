/// What a policy decides. Everything else (batching, the KV ledger, messages, moves) is mechanism in `Sim`.
///
/// A policy sees the cluster through a borrowed, read-only `ClusterView` that it cannot keep or change, and a
/// request through `RequestView`, which has no output length.
///
/// What it returns is checked: an answer that could never have been right ends the run with a `PolicyError`, which has the
/// laws, and nothing of it is done. Orders are judged by the map that they were made from; one that has become impossible
/// since is refused by its source, and the refusal is recorded.
///
/// Left room for, and deliberately not built: handing a running request to another instance (a new kind of
/// `MoveOrder` whose destination becomes the home), regrouping instances per iteration (`ClusterLayout` is
/// asked for once, before the run), prefill and decode on different instances (`route` may be asked again at
/// the first token), prefix-aware routing (`RequestView` gains the prefix hashes), a policy that keeps part of
/// a request's KV cache (a new answer of the shortage path), and one learned from runs (it reads `decision`
/// and `request` rows and is one more conforming type).
public protocol SchedulingPolicy: AnyObject {
  /// The name in the catalogue, in tables and in the database.
  var name: String { get }

  /// How blocks are lent; `.off` for policies without lending.
  var lending: LendingOptions { get }

  /// Whether idle instances take queued requests from others at the end of an iteration.
  var steals: Bool { get }

  /// The instance that `request` is queued at. Called at the arrival, and again if the request loses its home.
  func route(_ request: RequestView, _ cluster: borrowing ClusterView) -> InstanceID

  /// The hosts for at most `ask.blocks` and at least `ask.minimum` blocks of a request, each once and never the home, or
  /// `nil`. Called when the home is full and, with `placement` balanced, when a long prompt starts; only if the mode of
  /// `lending` lends.
  ///
  /// Who is refused is asked for again when blocks are freed or a queue empties anywhere, and not before: what a policy
  /// lends may depend on nothing else that time changes. With `lendWhileQueueing` false, hosts with waiting requests
  /// lend to giants only.
  func lend(_ ask: LoanRequest, _ cluster: borrowing ClusterView) -> [LoanPiece]?

  /// Whether `host` would lend to `ask.request`, a request larger than an instance that waits for memory, if it had enough.
  /// If so, the engine may preempt younger requests there that started while it waited (`GiantReservation.backfill`).
  func lends(_ host: InstanceID, to ask: LoanRequest, _ cluster: borrowing ClusterView) -> Bool

  /// The moves to make now, from the gManager's map: from a home to a host, or from a host home. Called once a period, if
  /// the mode of `lending` plans.
  func plan(_ map: borrowing PlacementMap) -> [MoveOrder]

  /// The gManager has crashed, and what plans remember of each other is lost.
  func forgetPlans()
}

extension SchedulingPolicy {
  public var lending: LendingOptions { LendingOptions() }
  public var steals: Bool { false }
  public func lend(_ ask: LoanRequest, _ cluster: borrowing ClusterView) -> [LoanPiece]? { nil }
  public func lends(_ host: InstanceID, to ask: LoanRequest, _ cluster: borrowing ClusterView) -> Bool {
    true
  }
  public func plan(_ map: borrowing PlacementMap) -> [MoveOrder] { [] }
  public func forgetPlans() {}
}

/// What a policy may know of a request: never how long its output will be.
public struct RequestView: Sendable {
  public let id: RequestID
  public let arrival: SimTime
  public let prompt: Tokens
  /// Tokens generated so far.
  public let generated: Tokens
}

/// A home's wish for blocks on other instances.
public struct LoanRequest: Sendable {
  public let request: RequestView
  public let home: InstanceID
  /// Blocks wanted, and the fewest that help: a prompt needs what its home lacks, decode growth at least one.
  /// Where the two differ for a prompt, its home takes the rest (`LendingOptions.spreadFrom`).
  public let blocks: KVBlocks
  public let minimum: KVBlocks
  /// All blocks that a prompt takes: those of its tokens and those of its first 16 new ones.
  public let whole: KVBlocks
  /// Blocks that the request has on other instances already, by ascending host.
  public let held: [LoanPiece]
  /// The request is larger than one instance.
  public let isGiant: Bool
  /// A decode step found no block (else: a prompt that its home cannot hold).
  public let isGrowth: Bool
  /// Free blocks that a host keeps for each request that runs there, besides the watermark. 0 unless the request has been
  /// preempted twice in a row.
  public let leaves: KVBlocks
}

/// Some of the blocks of a loan on one host.
public struct LoanPiece: Hashable, Sendable {
  public var host: InstanceID
  public var blocks: KVBlocks
  public init(host: InstanceID, blocks: KVBlocks) {
    self.host = host
    self.blocks = blocks
  }
}

/// `move_kvcache`: move `blocks` of `request` from `source` to `destination`.
public struct MoveOrder: Hashable, Sendable {
  public var request: RequestID
  public var source: InstanceID
  public var destination: InstanceID
  public var blocks: KVBlocks
  /// What the planner expected: gain of the pair's throughput, tokens per second.
  public var expectedGain: Double
  /// What the planner weighed, for those who ask why; it changes nothing.
  public var grounds: MoveGrounds?
  public init(
    request: RequestID, source: InstanceID, destination: InstanceID, blocks: KVBlocks, expectedGain: Double,
    grounds: MoveGrounds? = nil
  ) {
    self.request = request
    self.source = source
    self.destination = destination
    self.blocks = blocks
    self.expectedGain = expectedGain
    self.grounds = grounds
  }
}

/// What a planner weighed before it ordered a move. Instances are as its map had them, moves before it in the same round
/// done.
public struct MoveGrounds: Hashable, Sendable {
  /// A number of blocks that it tried, and the gain in the pair's throughput, tokens per second.
  public struct Candidate: Hashable, Sendable {
    public var blocks: Int
    public var gain: Double
    public init(blocks: Int, gain: Double) {
      self.blocks = blocks
      self.gain = gain
    }
  }
  /// Throughput of source and destination together before the move, and what the move adds, tokens per second.
  public var throughputBefore: Double
  public var gain: Double
  public var sourceBatch: Int
  public var sourceFreeBlocks: Int
  /// Waiting requests of the source that the planner knew of.
  public var sourceQueued: Int
  public var destinationBatch: Int
  public var destinationFreeBlocks: Int
  public var candidates: [Candidate]

  public init(
    throughputBefore: Double, gain: Double, sourceBatch: Int, sourceFreeBlocks: Int, sourceQueued: Int,
    destinationBatch: Int, destinationFreeBlocks: Int, candidates: [Candidate]
  ) {
    self.throughputBefore = throughputBefore
    self.gain = gain
    self.sourceBatch = sourceBatch
    self.sourceFreeBlocks = sourceFreeBlocks
    self.sourceQueued = sourceQueued
    self.destinationBatch = destinationBatch
    self.destinationFreeBlocks = destinationFreeBlocks
    self.candidates = candidates
  }
}
