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
}
