/// The throughput that no placement could exceed: a lower bound on the makespan of the requests that a run completed.
///
/// Whatever a policy decides, with these instances, costs and memory,
///
/// 1. no request ends before its arrival and the time it takes alone;
/// 2. from any moment on, the instances have at least the work of the requests that arrive later before them, and the
///    blocks of the cluster at least the block-time of that work: for every price λ in 0...1 of memory,
///
///        instances · (end − t) ≥ Σ over later requests of (1 − λ) · least time + λ · least time · blocks held / blocks
///
///    where a decoded token costs at least `p + q · context`, `p` and `q` chosen so that no step of any batch size
///    and any context is cheaper (`StepFloor`).
///
/// docs/bound.md derives both and says what is given away. Rates over the makespan are bounded, not those of a window.
///
///     var bound = ThroughputBound(configuration, lending: policy.lending)
///     bound.completed(arrival: 0, prompt: 100, output: 20, preemptions: 0)
///     bound.outputTokensPerSecond
///
/// Memory does not grow with the requests: arrivals are gathered in a fixed number of spans.
public struct ThroughputBound: Sendable {
  /// What a context that is spread over instances may save at most.
  public enum RemoteAttention: Sendable {
    /// What runs are charged: under `contended` coupling as `inFull`; else hosts that are idle, or in a long step, attend for
    /// nothing (a bound for every run).
    case asCharged
    /// Every token of a context is read on some GPU's time, as in a machine: what lending could earn there.
    case inFull
  }

  /// What work costs the instances, and what a request takes alone.
  private var floor: StepFloor
  /// The same for so few requests that none meets many others.
  private let floorOfFew: @Sendable (_ requests: Int) -> StepFloor
  /// The requests, while they are few.
  private var few: [Completed] = []
  private let arrivalsAreFixed: Bool
  private var spans: ContiguousArray<Span>
  private var width: Int64 = 1
  private var requests = 0
  private var preemptions = 0
  private var outputTokens = 0
  private var longestContext = 0
  private var slowestAlone: Int64 = 0

  private static let spanCount = 1_024
  private static let mostOfFew = 8

  private struct Completed {
    var arrival: Int64
    var prompt, output, preemptions: Int
  }

  /// For runs on `configuration` by a policy with `lending`. In a closed loop arrivals depend on the policy: then
  /// `arrivalsAreFixed` is false and all requests count as there from the start.
  public init(
    _ configuration: SimulationConfiguration, lending: LendingOptions, remote: RemoteAttention = .asCharged,
    arrivalsAreFixed: Bool = true
  ) {
    let lends = lending.mode != .off && configuration.topology.count > 1
    let count = configuration.topology.count
    let isPaid = remote == .inFull || lending.coupling == .contended
    // Faults make a request start again without a preemption.
    let comesHome = lending.mode != .passive || !configuration.faults.isEmpty
    let hosts: StepFloor.Hosts =
      !lends ? .none : isPaid ? .paid(count, comesHome: comesHome) : .free(count)
    floor = StepFloor(configuration, hosts: hosts)
    floorOfFew = { StepFloor(configuration, hosts: hosts, requests: $0) }
    self.arrivalsAreFixed = arrivalsAreFixed
    spans = ContiguousArray(repeating: Span(), count: Self.spanCount)
  }

  /// A completed request: its arrival in ps, prompt and output in tokens. In any order.
  ///
  /// A preempted request gets its next token from its recompute; where that may cost less than the decode step that it
  /// saves, the token is taken to be free.
  public mutating func completed(arrival: Int64, prompt: Int, output: Int, preemptions: Int) {
    let request = Completed(
      arrival: arrivalsAreFixed ? arrival : 0, prompt: prompt, output: output, preemptions: preemptions)
    if requests < Self.mostOfFew { few.append(request) } else { few = [] }
    add(request)
  }

  private mutating func add(_ request: Completed) {
    while request.arrival / width >= Int64(Self.spanCount) { widen() }
    let prefill = floor.prefill(prompt: request.prompt)
    spans[Int(request.arrival / width)].add(
      prefill, prompt: request.prompt, output: request.output, window: floor.window)
    requests += 1
    outputTokens += request.output
    preemptions += request.preemptions
    longestContext = max(longestContext, request.prompt + request.output)
    let alone = floor.alone(
      prompt: request.prompt, output: request.output, preemptions: request.preemptions)
    slowestAlone = max(slowestAlone, request.arrival + alone)
  }

  /// Output tokens of the completed requests over the least makespan; `nil` if none completed.
  public var outputTokensPerSecond: Double? {
    let makespan = leastMakespan
    return makespan > 0 ? Double(outputTokens) / (makespan * 1e-12) : nil
  }

  /// No run ends before, ps.
  public var leastMakespan: Double {
    guard requests > 0 else { return 0 }
    guard few.isEmpty else { return ofFew.leastMakespan }
    // The work of each span and all later ones.
    var later = Span()
    var waiting: [(from: Double, work: StepFloor.Work)] = []
    for index in spans.indices.reversed() where spans[index].requests > 0 {
      later.add(spans[index])
      waiting.append((Double(Int64(index) * width), StepFloor.Work(later)))
    }
    let prices = floor.prices(
      for: waiting[waiting.count - 1].work, requests: requests, longestContext: longestContext,
      preemptions: preemptions)
    var least = Double(slowestAlone)
    for price in prices {
      let saving = floor.saving(at: price, longestContext: longestContext, preemptions: preemptions)
      for (from, work) in waiting {
        least = max(least, from + floor.time(of: work, at: price, saving: saving))
      }
    }
    // What rounding of the sums and rates may add.
    return least * (1 - 1e-9)
  }

  /// The bound with what is known of so few requests.
  private var ofFew: Self {
    var bound = self
    bound.floor = floorOfFew(requests)
    bound.spans = ContiguousArray(repeating: Span(), count: Self.spanCount)
    (bound.width, bound.requests, bound.preemptions, bound.outputTokens) = (1, 0, 0, 0)
    (bound.longestContext, bound.slowestAlone, bound.few) = (0, 0, [])
    for request in few { bound.add(request) }
    return bound
  }

  /// Twice as wide spans: two become one.
  private mutating func widen() {
    for index in 0..<Self.spanCount / 2 {
      var merged = spans[2 * index]
      merged.add(spans[2 * index + 1])
      spans[index] = merged
    }
    for index in (Self.spanCount / 2)..<Self.spanCount { spans[index] = Span() }
    width *= 2
  }

  /// What the requests that arrive in a span of time need at least.
  struct Span: Sendable {
    var requests = 0
    /// Decode steps of the longest output: no step makes two tokens of one request.
    var steps: Int64 = 0
    /// Decoded tokens, and the tokens that they attend to.
    var decodes: Int64 = 0
    var context: Int128 = 0
    /// Prompt tokens whose linear work is shared by a step, and the time of all other prefill work, ps.
    var sharedTokens: Int64 = 0
    var prefill: Int128 = 0
    /// The same, each times the tokens that its request holds meanwhile.
    var sharedTokensHeld: Int128 = 0
    var prefillHeld: Int128 = 0

    mutating func add(_ work: StepFloor.Prefill, prompt: Int, output: Int, window: Int) {
      requests += 1
      steps = max(steps, Int64(output - 1))
      decodes += Int64(output - 1)
      context += Self.attended(after: prompt, steps: output - 1, window: window)
      sharedTokens += Int64(work.sharedTokens)
      prefill += work.time
      sharedTokensHeld += Int128(work.sharedTokens) * Int128(work.held)
      prefillHeld += work.lasting * Int128(work.held)
    }

    mutating func add(_ other: Span) {
      requests += other.requests
      steps = max(steps, other.steps)
      decodes += other.decodes
      context += other.context
      sharedTokens += other.sharedTokens
      prefill += other.prefill
      sharedTokensHeld += other.sharedTokensHeld
      prefillHeld += other.prefillHeld
    }

    /// Σ of min(prompt + j, window) over the decode steps j in 1...steps.
    static func attended(after prompt: Int, steps: Int, window: Int) -> Int128 {
      let growing = Int128(min(steps, max(0, window - prompt)))
      return growing * Int128(prompt) + growing * (growing + 1) / 2
        + (Int128(steps) - growing) * Int128(min(window, .max / 2))
    }
  }
}
