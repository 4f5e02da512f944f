/// A request was routed and queued: what its router could see (semantics.md 34).
public struct ArrivalRecord: Hashable, Sendable {
  public var time: SimTime
  public var request: RequestID
  /// The instance that the router chose.
  public var home: InstanceID
  /// Requests queued and running there before it came, and the fewest and the most of any instance.
  public var load: Int
  public var leastLoad: Int
  public var mostLoad: Int
  /// Of `load`, those that waited in the queue.
  public var queued: Int
  /// Blocks free at its home then, and the most that any instance had free.
  public var freeBlocks: Int
  public var mostFreeBlocks: Int

  package init(
    time: SimTime, request: RequestID, home: InstanceID, load: Int, leastLoad: Int, mostLoad: Int,
    queued: Int, freeBlocks: Int, mostFreeBlocks: Int
  ) {
    self.time = time
    self.request = request
    self.home = home
    self.load = load
    self.leastLoad = leastLoad
    self.mostLoad = mostLoad
    self.queued = queued
    self.freeBlocks = freeBlocks
    self.mostFreeBlocks = mostFreeBlocks
  }
}

/// A request's state has changed.
public struct RequestChange: Hashable, Sendable {
  /// Raw values are those that the fingerprint folds; `resumed` is not folded.
  public enum Kind: UInt64, Sendable {
    case admitted = 1, firstToken, preempted, placed, moved, landed, completed, rejected
    /// A recompute after a preemption is over: its next token has appeared.
    case resumed
  }
  public var time: SimTime
  public var kind: Kind
  public var request: RequestID
  /// Its home.
  public var instance: InstanceID
  /// Blocks that the change was about.
  public var blocks: Int

  package init(time: SimTime, kind: Kind, request: RequestID, instance: InstanceID, blocks: Int) {
    self.time = time
    self.kind = kind
    self.request = request
    self.instance = instance
    self.blocks = blocks
  }
}

/// An instance has worked from `start` to `end`: one step that prefills, or like decode steps.
///
/// The records of an instance do not overlap, and leave no gap while a request is admitted there.
public struct WorkRecord: Hashable, Sendable {
  public var instance: InstanceID
  public var start: SimTime
  public var end: SimTime
  /// Steps of the local engine in it.
  public var steps: Int
  /// Requests that decoded in it; 0 if prompts had the step for themselves.
  public var decoding: Int
  /// Prompts (or recomputes) prefilled in it, and their tokens.
  public var prompts: Int
  public var promptTokens: Int
  /// Blocks in use before its steps took theirs, and of these the ones hosted for other instances.
  public var usedBlocks: Int
  public var hostedBlocks: Int

  package init(
    instance: InstanceID, start: SimTime, end: SimTime, steps: Int, decoding: Int, prompts: Int,
    promptTokens: Int, usedBlocks: Int, hostedBlocks: Int
  ) {
    self.instance = instance
    self.start = start
    self.end = end
    self.steps = steps
    self.decoding = decoding
    self.prompts = prompts
    self.promptTokens = promptTokens
    self.usedBlocks = usedBlocks
    self.hostedBlocks = hostedBlocks
  }
}

/// Something happened between the managers about a move, or to the gManager (docs/protocol.md).
///
/// A number's records tell its whole story: `ordered`; at the source `stale`, or a departure that ends in `started`,
/// `refused` at the destination, `cancelled` or `late`; at the destination a reservation, `reserved`, which ends in
/// `started`, `released` or `expired`; and of a transfer `landed` or `aborted`.
public struct ProtocolRecord: Hashable, Sendable {
  public enum Kind: Int, Sendable, CaseIterable {
    /// The gManager sends the order.
    case ordered
    /// The source cannot follow it: the request has changed, or the order is of a gManager that is no more.
    case stale
    /// The destination keeps the blocks, or has no room.
    case reserved, refused
    /// The transfer starts into its reservation, lands, or is given up as its request ends or is preempted.
    case started, landed, aborted
    /// The reservation ends without a transfer: the source has cancelled it or the destination needs the blocks, or
    /// nothing came in time.
    case released, expired
    /// No answer has come to the source in time: it asks again or, after that, cancels. It cancels too if the request ends
    /// or is preempted.
    case timedOut, cancelled
    /// An answer for which nobody waits any more, or whose reservation is gone: it starts nothing.
    case late
    /// An order or a try that has come before.
    case duplicate
    /// The gManager crashes, and another takes over.
    case managerDown, managerUp
  }
  public var time: SimTime
  public var kind: Kind
  /// The number of the move and what it moves; 0, and nothing, for what happens to the gManager.
  public var move: Int
  public var request: RequestID
  public var source: InstanceID
  public var destination: InstanceID
  public var blocks: Int
}
