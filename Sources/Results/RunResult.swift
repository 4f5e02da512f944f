import Sim

/// What a run is reported by: the engine's summary, and the one figure that needs a run of its own.
public struct RunResult: Sendable {
  public var summary: RunSummary
  /// Time to first token of the longest prompt that the empty cluster could hold, seconds; `nil` if the
  /// cluster cannot hold any (semantics.md 29).
  public var maxContextTTFTSeconds: Double?
  /// What no placement could exceed; `nil` if nothing completed, or in results made before there was a bound.
  public var bound: BoundResult?
  /// Which requests were replayed.
  public var heat: HeatKind
  /// What the costs rest on.
  public var basis: RunBasis
  /// What the instances were sized by; `nil` if not by the longest request.
  public var sizing: RightSizing?
  /// Which requests count in the latencies; `nil` if all do.
  public var latencyWindow: LatencyWindow?

  public init(
    summary: RunSummary, maxContextTTFTSeconds: Double?, bound: BoundResult? = nil, heat: HeatKind = .whole,
    basis: RunBasis = RunBasis(), sizing: RightSizing? = nil, latencyWindow: LatencyWindow? = nil
  ) {
    self.summary = summary
    self.maxContextTTFTSeconds = maxContextTTFTSeconds
    self.bound = bound
    self.heat = heat
    self.basis = basis
    self.sizing = sizing
    self.latencyWindow = latencyWindow
  }

  /// The share of the bound that the run reached, 0...1; `nil` without a bound or a rate.
  public var boundReached: Double? {
    guard let bound, let rate = summary.outputTokensPerSecond else { return nil }
    return rate / bound.outputTokensPerSecond
  }

  /// The longest served prompt or context over the longest measured: above 1 costs are extrapolated.
  public var overMeasured: Double? { basis.overMeasured(summary.longest) }
  /// One sentence for each measured range that the requests left, with by how much.
  public var extrapolations: [String] { basis.extrapolations(summary.longest) }
  /// The basis in a word or two.
  public var mark: BasisMark {
    BasisMark(costs: basis.costs, unvalidated: basis.unvalidated.count, overMeasured: overMeasured)
  }

  /// The longest prompt that the empty cluster admits over the longest measured, above 1: how far the time to its first token
  /// is extrapolated. `nil` where it is not, or there is none.
  public var maxContextOverMeasured: Double? {
    guard maxContextTTFTSeconds != nil, let measured = basis.measuredPrompt else { return nil }
    let share = Double(summary.maxContextTokens - 1) / Double(measured)
    return share > 1 ? share : nil
  }
}

/// Output tokens per second over the makespan that no placement on these instances could exceed for the requests that
/// a run completed (docs/bound.md).
public struct BoundResult: Hashable, Sendable {
  /// True of every run: hosts are charged as runs charge them.
  public var outputTokensPerSecond: Double
  /// With every hosted token read on some GPU's time, as in a machine. The same without lending.
  public var inFullOutputTokensPerSecond: Double

  public init(outputTokensPerSecond: Double, inFullOutputTokensPerSecond: Double) {
    self.outputTokensPerSecond = outputTokensPerSecond
    self.inFullOutputTokensPerSecond = inFullOutputTokensPerSecond
  }
}

/// A stored summary lacks a key or holds something else there.
public struct SummaryError: Error, Hashable, Sendable, CustomStringConvertible {
  public var key: String

  package init(key: String) { self.key = key }

  public var description: String { "the stored summary has no usable \"\(key)\"" }
}

// MARK: - Writing

extension JSON {
  /// The object that `run --json` prints and the database keeps: keys in this order, never one absent.
  /// `decodeRuns` is left out: `events` is the one key that may depend on skip-ahead (semantics.md 3).
  public init(_ result: RunResult) {
    let s = result.summary
    self = [
      "fingerprint": .string(s.fingerprint),
      "policy": .string(s.policy),
      "heat": .string(result.heat.rawValue),
      "requests": [
        "arrived": .int(s.arrived), "completed": .int(s.completed), "rejected": .int(s.rejected),
        "cut_at_context": .int(s.cutAtContext),
        "unfinished": .int(s.unfinished), "preemptions": .int(s.preemptions),
        "longest_preemption_chain": s.longestChain.map(JSON.int) ?? .null,
      ],
      "rejected_by_reason": .object(
        RejectionReason.allCases.map { .init($0.rawValue, .int(s.rejectedByReason[$0] ?? 0)) }),
      "tokens": ["prompt": .int(s.promptTokens), "output": .int(s.outputTokens)],
      "makespan_s": .optional(s.makespanSeconds),
      "throughput": [
        "output_tokens_per_s": .optional(s.outputTokensPerSecond),
        "total_tokens_per_s": .optional(s.totalTokensPerSecond),
        "requests_per_s": .optional(s.steady?.requestsPerSecond),
        "makespan_requests_per_s": .optional(s.requestsPerSecond),
        "steady_output_tokens_per_s": .optional(s.steady?.outputTokensPerSecond),
        "steady_total_tokens_per_s": .optional(s.steady?.totalTokensPerSecond),
        "steady_from_s": .optional(s.steady?.from), "steady_to_s": .optional(s.steady?.to),
        "per_gpu_output_tokens_per_s": .optional(s.outputTokensPerSecondPerGPU),
        "window_output_tokens_per_s": .optional(s.windowOutputTokensPerSecond),
      ],
      "load": s.load.map { .string($0.label.rawValue) } ?? .null,
      "load_reason": s.load?.reason.map(JSON.string) ?? .null,
      "load_requests_needed": .optional(s.load?.requestsNeeded),
      "goodput_requests_per_s": .optional(s.steady?.goodputRequestsPerSecond),
      "wasted_tokens": .int(s.wastedTokens),
      "recomputed_tokens": .int(s.recomputedTokens),
      "faults": JSON(s.faults),
      "prefix": [
        "asked_tokens": .int(s.prefixAskedTokens), "hit_tokens": .int(s.prefixHitTokens),
        "evicted_units": .int(s.evictedUnits),
      ],
      "extrapolated_share": .optional(s.extrapolatedShare),
      "worst_stall_s": .optional(s.worstStallSeconds),
      "latency_window": result.latencyWindow?.json ?? .null,
      "ttft_s": JSON(s.ttft),
      "tpot_s": JSON(s.tpot),
      "e2e_s": JSON(s.e2e),
      "classes": .object(
        LengthClass.allCases.map { .init($0.name, JSON(s.classes[$0.rawValue])) }),
      "steps": .int(s.steps),
      "decode_steps": .int(s.decodeSteps),
      "events": .int(s.events),
      "instances": .int(s.instances),
      "gpus": .int(s.gpus),
      "instance_busy_s": .double(s.instanceSecondsBusy),
      "giant_reserve_s": .double(s.giantReserveSeconds),
      "kv": [
        "blocks_per_instance": .int(s.blocksPerInstance),
        "peak_utilisation": .optional(s.peakUtilisation),
        "borrowed_blocks_peak": .int(s.borrowedBlocksPeak),
        "moved_blocks": .int(s.movedBlocks),
      ],
      "managers": JSON(s.managers),
      "max_context_tokens": .int(s.maxContextTokens),
      "max_context_ttft_s": .optional(result.maxContextTTFTSeconds),
      "max_context_over_measured": .optional(result.maxContextOverMeasured),
      "bound_output_tokens_per_s": .optional(result.bound?.outputTokensPerSecond),
      "bound_reached": .optional(result.boundReached),
      "bound_in_full_output_tokens_per_s": .optional(result.bound?.inFullOutputTokensPerSecond),
      "basis": [
        "costs": .optional(result.basis.costs?.rawValue),
        "is_data_sheet": result.basis.costs.map { .bool($0 == .dataSheet) } ?? .null,
        "unvalidated": .int(result.basis.unvalidated.count),
        "extrapolated": .int(result.extrapolations.count),
        "over_measured": .optional(result.overMeasured),
        "longest_prompt_tokens": .int(s.longest.prompt),
        "measured_prompt_tokens": .optional(result.basis.measuredPrompt),
        "longest_context_tokens": .int(s.longest.context),
        "measured_context_tokens": .optional(result.basis.measuredContext),
      ],
      "unvalidated": .array(result.basis.unvalidated.map(JSON.string)),
      "extrapolated": .array(result.extrapolations.map(JSON.string)),
      "right_sizing": result.sizing.map {
        ["longest_tokens": .int($0.longest), "is_held": .bool($0.isHeld)]
      } ?? .null,
    ]
  }

  private init(_ f: FaultSummary) {
    self = [
      "faults": .int(f.faults), "crashes": .int(f.crashes), "restarts": .int(f.restarts),
      "lent_blocks_lost": .int(f.lentBlocksLost), "instance_down_s": .double(f.instanceSecondsDown),
      "recomputed_tokens": .object(
        RecomputeCause.allCases.map { .init($0.name, .int(f.recomputedTokens[$0.rawValue])) }),
    ]
  }

  private init(_ d: Distribution) {
    self = [
      "mean": .optional(d.mean), "p50": .optional(d.p50), "p90": .optional(d.p90), "p99": .optional(d.p99),
      "max": .optional(d.max), "count": .int(d.count),
    ]
  }

  private init(_ m: ProtocolSummary) {
    var members: [Member] = [
      .init("messages", .int(m.sent)), .init("lost", .int(m.lost)), .init("duplicated", .int(m.duplicated)),
      .init("held_back", .int(m.reordered)), .init("older_heartbeats", .int(m.olderHeartbeats)),
      .init("heartbeat_gaps", .int(m.gaps)),
    ]
    for kind in ProtocolRecord.Kind.allCases { members.append(.init(kind.name, .int(m[kind]))) }
    self = .object(members)
  }

  private init(_ c: ClassSummary) {
    self = [
      "arrived": .int(c.arrived), "completed": .int(c.completed), "rejected": .int(c.rejected),
      "ttft_s": JSON(c.ttft), "tpot_s": JSON(c.tpot), "e2e_s": JSON(c.e2e),
    ]
  }
}

extension LengthClass {
  /// The word for the class in tables and JSON.
  public var name: String {
    switch self {
    case .short: "short"
    case .medium: "medium"
    case .long: "long"
    }
  }
}

extension ProtocolRecord.Kind {
  /// The key for it in JSON.
  public var name: String {
    switch self {
    case .ordered: "ordered"
    case .stale: "stale"
    case .reserved: "reserved"
    case .refused: "refused"
    case .started: "started"
    case .landed: "landed"
    case .aborted: "aborted"
    case .released: "released"
    case .expired: "expired"
    case .timedOut: "timed_out"
    case .cancelled: "cancelled"
    case .late: "late"
    case .duplicate: "duplicates_ignored"
    case .managerDown: "gmanager_crashes"
    case .managerUp: "gmanager_restarts"
    }
  }
}

// MARK: - Reading

extension RunResult {
  /// Reads what `JSON(_: RunResult)` wrote.
  public init(_ json: JSON) throws(SummaryError) {
    let top = SummaryReader(json: json, path: "")
    var s = RunSummary()
    s.fingerprint = try top.string("fingerprint")
    s.policy = try top.string("policy")

    let requests = try top.inside("requests")
    s.arrived = try requests.int("arrived")
    s.completed = try requests.int("completed")
    s.rejected = try requests.int("rejected")
    s.unfinished = try requests.int("unfinished")
    s.preemptions = try requests.int("preemptions")
    // Absent in older results, which knew no limit.
    if requests.json["cut_at_context"] != nil { s.cutAtContext = try requests.int("cut_at_context") }
    // Absent in older results.
    if let chain = requests.json["longest_preemption_chain"], chain != .null {
      s.longestChain = try requests.int("longest_preemption_chain")
    }
    let reasons = try top.inside("rejected_by_reason")
    for reason in RejectionReason.allCases {
      // A reason may be younger than the result.
      guard reasons.json[reason.rawValue] != nil else { continue }
      let count = try reasons.int(reason.rawValue)
      if count > 0 { s.rejectedByReason[reason] = count }
    }
    let tokens = try top.inside("tokens")
    s.promptTokens = try tokens.int("prompt")
    s.outputTokens = try tokens.int("output")
    s.wastedTokens = try top.int("wasted_tokens")
    s.recomputedTokens = try top.int("recomputed_tokens")
    s.faults = try top.faults(recomputedTokens: s.recomputedTokens)
    let prefix = try top.inside("prefix")
    s.prefixAskedTokens = try prefix.int("asked_tokens")
    s.prefixHitTokens = try prefix.int("hit_tokens")
    s.evictedUnits = try prefix.int("evicted_units")
    s.extrapolatedShare = try top.optionalDouble("extrapolated_share")

    s.makespanSeconds = try top.optionalDouble("makespan_s")
    let throughput = try top.inside("throughput")
    s.outputTokensPerSecond = try throughput.optionalDouble("output_tokens_per_s")
    s.totalTokensPerSecond = try throughput.optionalDouble("total_tokens_per_s")
    // In older results `requests_per_s` was over the makespan.
    let isOlder = throughput.json["makespan_requests_per_s"] == nil
    s.requestsPerSecond = try throughput.optionalDouble(
      isOlder ? "requests_per_s" : "makespan_requests_per_s")
    if !isOlder { s.steady = try throughput.steady(goodput: top.optionalDouble("goodput_requests_per_s")) }
    s.outputTokensPerSecondPerGPU = try throughput.optionalDouble("per_gpu_output_tokens_per_s")
    s.windowOutputTokensPerSecond = try throughput.optionalDouble("window_output_tokens_per_s")
    s.load = try top.load()
    s.worstStallSeconds = try top.optionalDouble("worst_stall_s")

    s.ttft = try top.distribution("ttft_s")
    s.tpot = try top.distribution("tpot_s")
    s.e2e = try top.distribution("e2e_s")
    let classes = try top.inside("classes")
    for lengthClass in LengthClass.allCases {
      s.classes[lengthClass.rawValue] = try classes.classSummary(lengthClass.name)
    }

    s.steps = try top.int("steps")
    s.decodeSteps = try top.int("decode_steps")
    s.events = try top.int("events")
    s.instances = try top.int("instances")
    s.gpus = try top.int("gpus")
    s.instanceSecondsBusy = try top.double("instance_busy_s")
    s.giantReserveSeconds = try top.double("giant_reserve_s")
    let kv = try top.inside("kv")
    s.blocksPerInstance = try kv.int("blocks_per_instance")
    s.peakUtilisation = try kv.optionalDouble("peak_utilisation")
    s.borrowedBlocksPeak = try kv.int("borrowed_blocks_peak")
    s.movedBlocks = try kv.int("moved_blocks")
    s.managers = try top.managers()
    s.maxContextTokens = try top.int("max_context_tokens")
    guard let heat = HeatKind(rawValue: try top.string("heat")) else { throw SummaryError(key: "heat") }
    let basis = try top.inside("basis")
    s.longest = LongestRequests(
      prompt: try basis.int("longest_prompt_tokens"), context: try basis.int("longest_context_tokens"))
    self.init(
      summary: s, maxContextTTFTSeconds: try top.optionalDouble("max_context_ttft_s"), bound: try top.bound(),
      heat: heat,
      basis: RunBasis(
        costs: try basis.value("costs").string.flatMap(CostBasis.init),
        unvalidated: try top.strings("unvalidated"),
        measuredPrompt: try basis.optionalInt("measured_prompt_tokens"),
        measuredContext: try basis.optionalInt("measured_context_tokens")),
      sizing: try top.sizing(),
      // Absent in older results, which knew none.
      latencyWindow: json["latency_window"].flatMap(LatencyWindow.init))
  }
}

/// Reads keys of one object and names the whole path of a key that is missing or of another type.
private struct SummaryReader {
  var json: JSON
  var path: String

  func value(_ key: String) throws(SummaryError) -> JSON {
    guard let value = json[key] else { throw SummaryError(key: path + key) }
    return value
  }
  func inside(_ key: String) throws(SummaryError) -> SummaryReader {
    SummaryReader(json: try value(key), path: path + key + ".")
  }
  func string(_ key: String) throws(SummaryError) -> String {
    guard let string = try value(key).string else { throw SummaryError(key: path + key) }
    return string
  }
  func int(_ key: String) throws(SummaryError) -> Int {
    guard let number = try value(key).integer else { throw SummaryError(key: path + key) }
    return number
  }
  func double(_ key: String) throws(SummaryError) -> Double {
    guard let number = try value(key).number else { throw SummaryError(key: path + key) }
    return number
  }
  func optionalDouble(_ key: String) throws(SummaryError) -> Double? {
    try value(key) == .null ? nil : try double(key)
  }
  /// Reasons are absent in older results.
  func load() throws(SummaryError) -> LoadJudgement? {
    if try value("load") == .null { return nil }
    guard let label = LoadLabel(rawValue: try string("load")) else { throw SummaryError(key: path + "load") }
    return LoadJudgement(
      label, reason: json["load_reason"]?.string, requestsNeeded: json["load_requests_needed"]?.integer)
  }
  /// Of the object `throughput`.
  func steady(goodput: Double?) throws(SummaryError) -> SteadyState? {
    guard let rate = try optionalDouble("requests_per_s") else { return nil }
    return SteadyState(
      from: try double("steady_from_s"), to: try double("steady_to_s"), requestsPerSecond: rate,
      goodputRequestsPerSecond: goodput, outputTokensPerSecond: try double("steady_output_tokens_per_s"),
      totalTokensPerSecond: try double("steady_total_tokens_per_s"))
  }
  func optionalInt(_ key: String) throws(SummaryError) -> Int? {
    try value(key) == .null ? nil : try int(key)
  }
  /// Absent in results made before there were faults: then what was computed again was so after preemptions.
  func faults(recomputedTokens: Int) throws(SummaryError) -> FaultSummary {
    var summary = FaultSummary()
    guard json["faults"] != nil else {
      summary.recomputedTokens[RecomputeCause.preemption.rawValue] = recomputedTokens
      return summary
    }
    let f = try inside("faults")
    summary.faults = try f.int("faults")
    summary.crashes = try f.int("crashes")
    summary.restarts = try f.int("restarts")
    summary.lentBlocksLost = try f.int("lent_blocks_lost")
    summary.instanceSecondsDown = try f.double("instance_down_s")
    let recomputed = try f.inside("recomputed_tokens")
    for cause in RecomputeCause.allCases {
      summary.recomputedTokens[cause.rawValue] = try recomputed.int(cause.name)
    }
    return summary
  }
  /// Absent in results made before there was a bound.
  func bound() throws(SummaryError) -> BoundResult? {
    guard json["bound_output_tokens_per_s"] != nil,
      let asCharged = try optionalDouble("bound_output_tokens_per_s"),
      let inFull = try optionalDouble("bound_in_full_output_tokens_per_s")
    else { return nil }
    return BoundResult(outputTokensPerSecond: asCharged, inFullOutputTokensPerSecond: inFull)
  }
  /// Absent in results made before there was a policy with it.
  func sizing() throws(SummaryError) -> RightSizing? {
    guard let value = json["right_sizing"], value != .null else { return nil }
    let sizing = try inside("right_sizing")
    guard case .bool(let isHeld) = try sizing.value("is_held") else {
      throw SummaryError(key: "right_sizing.is_held")
    }
    return RightSizing(longest: try sizing.int("longest_tokens"), isHeld: isHeld)
  }
  /// All zero where the key is absent, as in results made before messages could take time.
  func managers() throws(SummaryError) -> ProtocolSummary {
    var summary = ProtocolSummary()
    guard json["managers"] != nil else { return summary }
    let managers = try inside("managers")
    summary.sent = try managers.int("messages")
    summary.lost = try managers.int("lost")
    summary.duplicated = try managers.int("duplicated")
    summary.reordered = try managers.int("held_back")
    summary.olderHeartbeats = try managers.int("older_heartbeats")
    summary.gaps = try managers.int("heartbeat_gaps")
    for kind in ProtocolRecord.Kind.allCases { summary[kind] = try managers.int(kind.name) }
    return summary
  }
  /// An array of strings; empty where the key is absent, as in results of manifests before version 2.
  func strings(_ key: String) throws(SummaryError) -> [String] {
    guard let value = json[key] else { return [] }
    guard let elements = value.elements else { throw SummaryError(key: path + key) }
    var strings: [String] = []
    for element in elements {
      guard let string = element.string else { throw SummaryError(key: path + key) }
      strings.append(string)
    }
    return strings
  }
  func distribution(_ key: String) throws(SummaryError) -> Distribution {
    let d = try inside(key)
    return Distribution(
      count: try d.int("count"), mean: try d.optionalDouble("mean"), p50: try d.optionalDouble("p50"),
      p90: try d.optionalDouble("p90"), p99: try d.optionalDouble("p99"), max: try d.optionalDouble("max"))
  }
  func classSummary(_ key: String) throws(SummaryError) -> ClassSummary {
    let c = try inside(key)
    var summary = ClassSummary()
    summary.arrived = try c.int("arrived")
    summary.completed = try c.int("completed")
    summary.rejected = try c.int("rejected")
    summary.ttft = try c.distribution("ttft_s")
    summary.tpot = try c.distribution("tpot_s")
    summary.e2e = try c.distribution("e2e_s")
    return summary
  }
}
