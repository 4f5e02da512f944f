/// Where a request's time went, by cause. The parts are disjoint and add up to `ended − arrival` to the picosecond.
public struct TimeByCause: Hashable, Sendable {
  public enum Cause: Int, CaseIterable, Sendable {
    /// Waiting for its first admission.
    case queued
    /// In the steps that prefilled its prompt, alone or packed with others.
    case prefill
    /// In steps that only decode.
    case decode
    /// Decoding in steps that prefilled others' prompts as well (the chunked engine).
    case decodeBesidePrompts
    /// In the batch while a step prefilled others' prompts and nobody decoded (the vllm-v0 engine).
    case stalledByPrompts
    /// Waiting to be admitted again after a preemption.
    case requeued
    /// In the steps that computed again what a preemption had thrown away.
    case recompute
    /// In a step that was under way when another instance's request took its blocks: its token was lost.
    case lostStep
  }

  private var parts: ContiguousArray<Int64> = ContiguousArray(repeating: 0, count: Cause.allCases.count)

  public init() {}

  public subscript(cause: Cause) -> SimDuration {
    get { SimDuration(picoseconds: parts[cause.rawValue]) }
    set { parts[cause.rawValue] = newValue.picoseconds }
  }

  public var total: SimDuration { SimDuration(picoseconds: parts.reduce(0, +)) }
}

/// What an account knows of a request that has ended.
public struct RequestAccount: Hashable, Sendable {
  public var time: TimeByCause
  /// `nil` if it was refused at its arrival.
  public var arrival: ArrivalRecord?
}

/// Follows live requests and says of each, when it ends, where its time went.
///
/// It is told of changes and of work, in the order in which an observer hears of them. Steps of an instance leave no
/// gap while somebody is admitted there, so what a batch was doing is the difference of three sums per instance, and a
/// request costs a constant number of additions however many steps it was in. Memory follows the live requests.
public struct TimeAccount {
  /// Time that an instance has spent, by what its steps did, ps.
  public struct Spent: Hashable, Sendable {
    public fileprivate(set) var decode: Int64 = 0
    /// In steps that decode and prefill.
    public fileprivate(set) var both: Int64 = 0
    public fileprivate(set) var prefill: Int64 = 0
    /// The end of its last step that is over.
    public fileprivate(set) var until: Int64 = 0
  }

  fileprivate struct Live {
    enum Phase { case queued, prefilling, decoding }
    var phase = Phase.queued
    /// When the phase began, and what its instance had spent by then.
    var since: Int64
    var atJoining = Spent()
    var wasPreempted = false
    var time = TimeByCause()
    var arrival: ArrivalRecord?
  }

  /// By instance, as far as any has worked.
  public private(set) var spent: [Spent] = []
  private var live: [RequestID: Live] = [:]

  public init() {}

  public mutating func arrived(_ arrival: ArrivalRecord) {
    live[arrival.request] = Live(since: arrival.time.picoseconds, arrival: arrival)
  }

  public mutating func worked(_ work: WorkRecord) {
    let i = work.instance.index
    prepare(i)
    let span = work.end.picoseconds - work.start.picoseconds
    if work.decoding == 0 {
      spent[i].prefill += span
    } else if work.prompts > 0 {
      spent[i].both += span
    } else {
      spent[i].decode += span
    }
    spent[i].until = work.end.picoseconds
  }

  public mutating func changed(_ change: RequestChange) {
    // One that is refused at its arrival was never queued.
    let known =
      live[change.request] ?? (change.kind == .rejected ? Live(since: change.time.picoseconds) : nil)
    guard var request = known else { return }
    let i = change.instance.index
    prepare(i)
    let now = change.time.picoseconds
    switch change.kind {
    case .placed, .moved, .landed: return
    case .admitted:
      request.close(at: now, spent[i])
      request.phase = .prefilling
    case .firstToken, .resumed:
      request.close(at: now, spent[i])
      request.phase = .decoding
      request.atJoining = spent[i]
    case .preempted:
      request.close(at: now, spent[i])
      request.phase = .queued
      request.wasPreempted = true
    case .completed, .rejected:
      request.close(at: now, spent[i])
    }
    request.since = now
    live[change.request] = request
  }

  /// What is known of a request that has ended; it is forgotten. `nil` for one never heard of.
  public mutating func take(_ request: RequestID) -> RequestAccount? {
    live.removeValue(forKey: request).map { RequestAccount(time: $0.time, arrival: $0.arrival) }
  }

  private mutating func prepare(_ i: Int) {
    while spent.count <= i { spent.append(Spent()) }
  }
}

extension TimeAccount.Live {
  /// Books the phase that ends now.
  fileprivate mutating func close(at now: Int64, _ spent: TimeAccount.Spent) {
    func add(_ cause: TimeByCause.Cause, _ span: Int64) {
      time[cause] = SimDuration(picoseconds: time[cause].picoseconds + span)
    }
    switch phase {
    case .queued:
      add(wasPreempted ? .requeued : .queued, now - since)
    case .prefilling:
      add(wasPreempted ? .recompute : .prefill, now - since)
    case .decoding:
      add(.decode, spent.decode - atJoining.decode)
      add(.decodeBesidePrompts, spent.both - atJoining.both)
      add(.stalledByPrompts, spent.prefill - atJoining.prefill)
      add(.lostStep, now - max(since, spent.until))
    }
  }
}
