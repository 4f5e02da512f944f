/// Why a request was refused or given up.
public enum RejectionReason: String, Sendable, CaseIterable {
  /// Its prompt fills the context that the model serves, `EngineOptions.maxModelLen` (tested at arrival).
  case exceedsContext = "exceeds-context"
  /// Prompt + 1 token does not fit an empty cluster under this policy (tested at arrival).
  case exceedsCapacity = "exceeds-capacity"
  /// It grew, alone on its instance, until no block could be had, even by borrowing.
  case outgrewCapacity = "outgrew-capacity"
  /// Its prompt is longer than the token budget and `over-budget=ignore` was asked for.
  case overBudget = "over-budget"
  /// No live instance could hold it, and no fault that might change that was going to end.
  case noLiveInstance = "no-live-instance"
}

/// How a request's life ended.
public enum RequestOutcome: Hashable, Sendable {
  case completed
  /// Completed, with fewer output tokens than the trace has: prompt + output reached `EngineOptions.maxModelLen`.
  case cutAtContext
  case rejected(RejectionReason)

  /// Whether it got its whole answer, or as much of it as the context allows.
  public var isServed: Bool {
    switch self {
    case .completed, .cutAtContext: true
    case .rejected: false
    }
  }

  /// As files and tables spell it: `completed`, `cut-at-context` or the reason of the rejection.
  public var text: String {
    switch self {
    case .completed: "completed"
    case .cutAtContext: "cut-at-context"
    case .rejected(let reason): reason.rawValue
    }
  }
}

/// What became of one request. Times are `nil` where the request never got that far.
public struct RequestRecord: Hashable, Sendable {
  public var id: RequestID
  public var arrival: SimTime
  public var prompt: Int
  /// Tokens that it is to emit: those of the trace, or as many as the context allows.
  public var output: Int
  /// Tokens emitted: equal to `output` for a served request.
  public var generated: Int
  /// The instance it last belonged to.
  public var home: InstanceID
  /// First admission to a batch.
  public var admitted: SimTime?
  public var firstToken: SimTime?
  public var ended: SimTime
  public var outcome: RequestOutcome
  public var preemptions: Int
  /// The most KV blocks it held on other instances.
  public var borrowedBlocksPeak: Int

  public init(
    id: RequestID, arrival: SimTime, prompt: Int, output: Int, generated: Int, home: InstanceID,
    admitted: SimTime?, firstToken: SimTime?, ended: SimTime, outcome: RequestOutcome, preemptions: Int,
    borrowedBlocksPeak: Int
  ) {
    self.id = id
    self.arrival = arrival
    self.prompt = prompt
    self.output = output
    self.generated = generated
    self.home = home
    self.admitted = admitted
    self.firstToken = firstToken
    self.ended = ended
    self.outcome = outcome
    self.preemptions = preemptions
    self.borrowedBlocksPeak = borrowedBlocksPeak
  }

  /// Time to first token: first token − arrival.
  public var ttft: SimDuration? { firstToken.map { $0 - arrival } }
  /// Completion − arrival.
  public var e2e: SimDuration { ended - arrival }
  /// Time per output token in seconds: (completion − first token) / (output − 1); `nil` for one-token outputs.
  public var tpotSeconds: Double? {
    guard let firstToken, output > 1 else { return nil }
    return (ended - firstToken).seconds / Double(output - 1)
  }
}

/// One sample of an instance's state, for time series.
public struct InstanceSample: Hashable, Sendable {
  public var time: SimTime
  public var instance: InstanceID
  public var running: Int
  public var queued: Int
  /// Blocks in use, those hosted for other instances included.
  public var usedBlocks: Int
  /// Blocks hosted for requests of other instances.
  public var hostedBlocks: Int

  public init(
    time: SimTime, instance: InstanceID, running: Int, queued: Int, usedBlocks: Int, hostedBlocks: Int
  ) {
    self.time = time
    self.instance = instance
    self.running = running
    self.queued = queued
    self.usedBlocks = usedBlocks
    self.hostedBlocks = hostedBlocks
  }
}

/// Something a policy or the lending mechanism decided about a request's blocks, with its reason.
public struct DecisionRecord: Hashable, Sendable {
  public enum Kind: String, Sendable, CaseIterable {
    case borrow, move, moveRefused = "move-refused", moveAborted = "move-aborted", landed, recall
    case preempt, reject, steal
    case reserve
    /// A request has lost its blocks to a fault; and one that lost its home is queued at another.
    case lost, restart
  }
  public var time: SimTime
  public var kind: Kind
  public var request: RequestID
  public var source: InstanceID
  public var destination: InstanceID
  public var blocks: Int
  /// One short phrase: what the decision rested on (a gain, a shortage, a rule).
  public var reason: String
  /// What the planner weighed, if it was a planner's order and the policy says so.
  public var grounds: MoveGrounds?

  public init(
    time: SimTime, kind: Kind, request: RequestID, source: InstanceID, destination: InstanceID, blocks: Int,
    reason: String, grounds: MoveGrounds? = nil
  ) {
    self.time = time
    self.kind = kind
    self.request = request
    self.source = source
    self.destination = destination
    self.blocks = blocks
    self.reason = reason
    self.grounds = grounds
  }
}

/// Is told what happens in a run. Nothing has a default here: whoever passes on what it is told conforms to this and not to
/// `RunObserver`, so that what is added later cannot be forgotten.
public protocol RunEventHandler: AnyObject {
  func requestEnded(_ record: RequestRecord)
  func sampled(_ sample: InstanceSample)
  func decided(_ decision: DecisionRecord)
  /// Something happened to a move before, in or after its transfer, or to the gManager.
  func managed(_ record: ProtocolRecord)
  /// Whether it wants `arrived`, `changed` and `worked`, which are told for every arrival, change and step run, and
  /// `sampled`. Asked once.
  var watchesAll: Bool { get }
  func arrived(_ arrival: ArrivalRecord)
  func changed(_ change: RequestChange)
  func worked(_ work: WorkRecord)
  /// A fault has begun or ended. Told to every observer, before what comes of it.
  func faulted(_ fault: FaultRecord)
}

/// Watches a run. One required method; the rest do nothing unless implemented.
public protocol RunObserver: RunEventHandler {}

extension RunObserver {
  public var watchesAll: Bool { false }
  public func sampled(_ sample: InstanceSample) {}
  public func decided(_ decision: DecisionRecord) {}
  public func managed(_ record: ProtocolRecord) {}
  public func arrived(_ arrival: ArrivalRecord) {}
  public func changed(_ change: RequestChange) {}
  public func worked(_ work: WorkRecord) {}
  public func faulted(_ fault: FaultRecord) {}
}
