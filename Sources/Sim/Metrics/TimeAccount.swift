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

  /// Picoseconds by cause: in place, so that an account of a request allocates nothing.
  private var parts = SIMD8<Int64>()

  public init() {}

  public subscript(cause: Cause) -> SimDuration {
    get { SimDuration(picoseconds: parts[cause.rawValue]) }
    set { parts[cause.rawValue] = newValue.picoseconds }
  }

  public var total: SimDuration { SimDuration(picoseconds: parts.wrappedSum()) }
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
    var id: RequestID
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
  /// Live requests, and the slots that no one is in.
  private var live: ContiguousArray<Live> = []
  private var vacant: [Int32] = []
  /// Slots of live requests, −1 where there is none, by id modulo the size: a power of two that grows until no two
  /// requests share a place. Ids follow arrivals, so four bytes for each id between the oldest that lives and the newest.
  private var slots: [Int32] = Array(repeating: -1, count: 1_024)

  public init() {}

  public mutating func arrived(_ arrival: ArrivalRecord) {
    insert(Live(id: arrival.request, since: arrival.time.picoseconds, arrival: arrival))
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
    let now = change.time.picoseconds
    // One that is refused at its arrival was never queued.
    if change.kind == .rejected, slot(of: change.request) == nil {
      insert(Live(id: change.request, since: now))
    }
    guard let slot = slot(of: change.request) else { return }
    let i = change.instance.index
    prepare(i)
    live[slot].changed(change.kind, at: now, spent[i])
  }

  /// What is known of a request that has ended; it is forgotten. `nil` for one never heard of.
  public mutating func take(_ request: RequestID) -> RequestAccount? {
    guard let slot = slot(of: request) else { return nil }
    slots[request.index & (slots.count - 1)] = -1
    vacant.append(Int32(slot))
    return RequestAccount(time: live[slot].time, arrival: live[slot].arrival)
  }

  private func slot(of request: RequestID) -> Int? {
    let slot = Int(slots[request.index & (slots.count - 1)])
    return slot >= 0 && live[slot].id == request ? slot : nil
  }

  /// Adds a request, in place of what is known of the same.
  private mutating func insert(_ request: Live) {
    if let slot = slot(of: request.id) {
      live[slot] = request
      return
    }
    while slots[request.id.index & (slots.count - 1)] >= 0 { growSlots() }
    let slot: Int32
    if let last = vacant.popLast() {
      slot = last
      live[Int(slot)] = request
    } else {
      slot = Int32(live.count)
      live.append(request)
    }
    slots[request.id.index & (slots.count - 1)] = slot
  }

  private mutating func growSlots() {
    var larger: [Int32] = Array(repeating: -1, count: 2 * slots.count)
    for slot in slots where slot >= 0 { larger[live[Int(slot)].id.index & (larger.count - 1)] = slot }
    slots = larger
  }

  private mutating func prepare(_ i: Int) {
    while spent.count <= i { spent.append(Spent()) }
  }
}

extension TimeAccount.Live {
  fileprivate mutating func changed(_ kind: RequestChange.Kind, at now: Int64, _ spent: TimeAccount.Spent) {
    switch kind {
    case .placed, .moved, .landed: return
    case .admitted:
      close(at: now, spent)
      phase = .prefilling
    case .firstToken, .resumed:
      close(at: now, spent)
      phase = .decoding
      atJoining = spent
    case .preempted:
      close(at: now, spent)
      phase = .queued
      wasPreempted = true
    case .completed, .rejected:
      close(at: now, spent)
    }
    since = now
  }

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
