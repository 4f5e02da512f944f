/// Mean, percentiles and maximum of one latency metric, in seconds: `nil` when `count` is 0, for there is no latency of
/// nothing.
public struct Distribution: Hashable, Sendable {
  public var count: Int
  public var mean, p50, p90, p99, max: Double?

  public init(
    count: Int = 0, mean: Double? = nil, p50: Double? = nil, p90: Double? = nil, p99: Double? = nil,
    max: Double? = nil
  ) {
    self.count = count
    self.mean = mean
    self.p50 = p50
    self.p90 = p90
    self.p99 = p99
    self.max = max
  }
}

/// Requests by prompt + output: short ≤ 2,048 < medium ≤ 32,768 < long (semantics.md 32).
public enum LengthClass: Int, Sendable, CaseIterable {
  case short, medium, long

  public init(totalTokens: Int) {
    self = totalTokens <= 2_048 ? .short : totalTokens <= 32_768 ? .medium : .long
  }
}

/// Latency of one length class.
public struct ClassSummary: Hashable, Sendable {
  public var arrived = 0, completed = 0, rejected = 0
  public var ttft = Distribution(), tpot = Distribution(), e2e = Distribution()
  public init() {}
}

/// The longest of a run's admitted requests, in tokens.
public struct LongestRequests: Hashable, Sendable {
  public var prompt: Int
  /// prompt + output.
  public var context: Int

  public init(prompt: Int = 0, context: Int = 0) {
    self.prompt = prompt
    self.context = context
  }
}

/// Why a request lost its blocks and had to compute them again.
public enum RecomputeCause: Int, Sendable, CaseIterable, BitwiseCopyable {
  /// A shortage of memory without any fault.
  case preemption
  /// Its home crashed, a host of its blocks did, or the link to a host was lost.
  case homeCrash, hostCrash, linkLoss
  /// Memory of an instance shrank.
  case memoryShrink

  /// The word for it in tables and JSON.
  public var name: String {
    switch self {
    case .preemption: "preemption"
    case .homeCrash: "home-crash"
    case .hostCrash: "host-crash"
    case .linkLoss: "link-loss"
    case .memoryShrink: "memory-shrink"
    }
  }
}

/// What faults did to a run.
public struct FaultSummary: Hashable, Sendable {
  /// Faults that began, and instances that went down.
  public var faults = 0, crashes = 0
  /// Requests that lost their home and were queued anew, each time counted.
  public var restarts = 0
  /// Lent blocks that were lost with their host.
  public var lentBlocksLost = 0
  /// Tokens computed again, by cause (`RecomputeCause`); together they are the run's `recomputedTokens`.
  public var recomputedTokens = RecomputeCause.allCases.map { _ in 0 }
  /// Simulated seconds that instances were down until the last request ended, summed over instances.
  public var instanceSecondsDown = 0.0
  public init() {}
}

/// What the managers' messages went through, and what became of moves (docs/protocol.md).
public struct ProtocolSummary: Hashable, Sendable {
  /// Control messages, and those of them that were lost, came twice, or were held back.
  public var sent = 0, lost = 0, duplicated = 0, reordered = 0
  /// Heartbeats that came after a newer one, and those that were of no use as one before them had not come.
  public var olderHeartbeats = 0, gaps = 0
  private var counts = [Int](repeating: 0, count: ProtocolRecord.Kind.allCases.count)

  public init() {}

  /// How often something happened.
  public subscript(kind: ProtocolRecord.Kind) -> Int {
    get { counts[kind.rawValue] }
    set { counts[kind.rawValue] = newValue }
  }
}

/// Everything a run reports. Pure data; a function of the manifest, except `events`.
///
/// What is counted is 0 where nothing was there to be counted; what is a statistic of something is `nil` where that
/// something is missing.
public struct RunSummary: Sendable {
  /// Hash over every request's state changes, 16 hexadecimal digits.
  public var fingerprint = ""
  public var policy = ""

  public var arrived = 0, completed = 0, rejected = 0, unfinished = 0, preemptions = 0
  /// Of the completed requests, those whose output was cut where the model's context ends.
  public var cutAtContext = 0
  public var rejectedByReason: [RejectionReason: Int] = [:]
  /// Numbers of the rejected requests in order of arrival, from 0, ascending.
  public var rejectedIDs: [Int] = []
  /// The longest of the requests that were ever admitted: they say whether costs were extrapolated.
  public var longest = LongestRequests()
  /// Tokens of the completed requests.
  public var promptTokens = 0, outputTokens = 0
  /// Prompt and output tokens computed for requests that were then rejected.
  public var wastedTokens = 0
  /// Tokens prefilled again after preemptions.
  public var recomputedTokens = 0
  /// The most preemptions of one request in a row with fewer than 16 new tokens between them; `nil` if it was not counted.
  public var longestChain: Int?
  /// What faults did.
  public var faults = FaultSummary()
  /// Prefix caching: tokens of admitted prompts, those of them found cached, and units evicted.
  public var prefixAskedTokens = 0, prefixHitTokens = 0, evictedUnits = 0
  /// Of the completed requests, the fraction whose prompt or context left the ranges that costs were measured in; `nil`
  /// if none completed.
  public var extrapolatedShare: Double?

  /// First arrival to last completion, seconds; `nil` if nothing completed, and where prefill is free and nothing was
  /// decoded: then no step cost anything, and a rate says nothing.
  public var makespanSeconds: Double?
  /// Over the makespan, per second; `nil` without one.
  public var outputTokensPerSecond, totalTokensPerSecond, requestsPerSecond: Double?
  public var outputTokensPerSecondPerGPU: Double?
  /// Output tokens emitted between the arrival of the first tenth of the requests and the last arrival, per
  /// second; `nil` when all arrive at once, and without a makespan.
  public var windowOutputTokensPerSecond: Double?
  /// `nil` if nothing completed.
  public var load: LoadJudgement?
  /// `nil` unless the load is stable or saturated.
  public var steady: SteadyState?
  /// `nil` if no request got a second token.
  public var worstStallSeconds: Double?

  public var ttft = Distribution(), tpot = Distribution(), e2e = Distribution()
  public var classes: [ClassSummary] = LengthClass.allCases.map { _ in ClassSummary() }

  /// Engine iterations. `events` counts what the event loop handled: the only key that depends on skip-ahead.
  public var steps = 0, events = 0
  /// Decode steps, and the runs that they were simulated in: their ratio is what skip-ahead saves.
  public var decodeSteps = 0, decodeRuns = 0
  /// Runs of equal chunks of one prompt, and their steps.
  public var chunkSteps = 0, chunkRuns = 0

  public var instances = 0, gpus = 0
  public var blocksPerInstance = 0
  /// The fullest any instance ever was, as a fraction of its blocks; `nil` if no request ever held one.
  public var peakUtilisation: Double?
  public var borrowedBlocksPeak = 0, movedBlocks = 0
  public var managers = ProtocolSummary()
  /// The longest prompt + its first output token that an empty cluster admits, its watermark kept free.
  public var maxContextTokens = 0
  /// Simulated seconds during which admissions were held back for a request larger than an instance.
  public var giantReserveSeconds = 0.0
  /// Simulated seconds that instances spent in steps, summed over instances.
  public var instanceSecondsBusy = 0.0
  /// Whether more tokens were computed again than were served: the cluster works mostly for nothing.
  public var isThrashing: Bool { recomputedTokens > promptTokens + outputTokens }

  public init() {}
}
