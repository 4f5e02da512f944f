/// Where a request is in its life.
enum RequestPhase: UInt8 {
  case free, queued, prefilling, decoding
}

/// A live request. Slots are reused: memory follows live requests, not history.
///
/// While a request decodes nothing of it changes per token: its stored length is
/// `stored + (clock − joinClock)`, where `clock` counts the decode steps that its instance has completed.
struct RequestState {
  // First what is read of all requests of a batch one after the other, so that it is in one cache line. Small fields stand
  // together, so that rows have no gaps.

  /// Neighbours in the queue or the batch of its home, −1 at the ends.
  var next: Int32 = -1
  var previous: Int32 = -1
  /// Tokens in the KV cache, as of `joinClock` while decoding; tokens prefilled so far while prefilling.
  var stored = 0
  /// The decode clock at which it joined the batch, and at which its last token appears.
  var joinClock: Int64 = 0
  var finishClock: Int64 = 0

  var id = 0
  var phase = RequestPhase.free
  /// It has been given its home: one that no cluster could hold is rejected before.
  var isRouted = false
  /// The newest token lies in a hosted block, so decoding grows there.
  var fillsHost = false
  /// Its prompt's tokens are shared out over home and hosts as they are computed; else the first are at home.
  var isBalanced = false
  /// Its output was cut where the model's context ends.
  var isCut = false
  /// Why it lost its blocks, until they are computed again.
  var lostTo: RecomputeCause?
  /// Index of its first loan, −1 if all its blocks are at home.
  var firstLoan: Int32 = -1

  var arrival: Int64 = 0
  var prompt = 0
  var output = 0
  var home = 0
  /// Micro-batch of a pipelined instance.
  var lane = 0
  /// Tokens emitted, as of `joinClock` while decoding.
  var generated = 0
  var joinTime: Int64 = 0

  /// Blocks taken at home while prefilling (while decoding they follow from the stored length).
  var localBlocks = 0
  /// Landed blocks reserved on other instances, those of all its loans together.
  var hostedBlocks = 0
  /// Tokens in the part that does not grow: at home if `fillsHost`, else on hosts.
  var fixedTokens = 0
  /// Blocks of it that are on their way between two instances.
  var movingBlocks = 0
  /// When the planner last moved blocks of it.
  var lastLanding: Int64 = -1

  var firstAdmission: Int64 = -1
  var firstToken: Int64 = -1
  var lastToken: Int64 = -1
  var preemptions = 0
  /// Its chain: preemptions in a row with fewer than 16 new tokens between them. And the tokens it had at the last one.
  var starts = 0
  var generatedBefore = 0
  /// When it was last admitted, ps, and the number of that admission among all of the run.
  var admitted: Int64 = 0
  var admission = 0
  /// It was admitted while an older request, larger than an instance, was the head of a queue. It has given way to such a one.
  var passes = false
  var gaveWay = false
  /// Times that it lost its home to a fault.
  var restarts = 0
  var borrowedPeak = 0

  /// Tokens to prefill: the prompt and, after a preemption, what was generated.
  var length: Int { prompt + generated }
  /// What it adds to the backlog, tokens.
  var work: Int { prompt + output }
  var isBorrower: Bool { hostedBlocks > 0 }
  /// While decoding: stored tokens less the clock of its instance, the same at every step (`LengthOrder`).
  var lengthKey: Int64 { Int64(stored) - joinClock }
}

/// Requests of one instance in order of age (id), linked through their slots.
struct AgeList {
  var head: Int32 = -1
  var tail: Int32 = -1
  var count = 0

  var isEmpty: Bool { count == 0 }
}

/// The request slots of a run and the lists threaded through them.
struct RequestTable: ~Copyable {
  private var slots = Slab<RequestState>()
  private var freed = Slab<Int32>()

  var live: Int { slots.count - freed.count }
  /// Slots in use and free ones.
  var slotCount: Int { slots.count }

  @inline(__always)
  subscript(slot: Int) -> RequestState {
    _read { yield slots[slot] }
    _modify { yield &slots[slot] }
  }

  mutating func make(_ state: RequestState) -> Int {
    if let slot = freed.popLast() {
      slots[Int(slot)] = state
      return Int(slot)
    }
    precondition(slots.count < 1 << 24, "at most 16,777,216 requests are alive at once")
    slots.append(state)
    return slots.count - 1
  }

  mutating func free(_ slot: Int) {
    precondition(slots[slot].phase != .free, "a request ends once")
    slots[slot].phase = .free
    freed.append(Int32(slot))
  }

  /// Puts `slot` at its place by age: O(1) if it is the youngest or the oldest.
  mutating func insert(_ slot: Int, into list: inout AgeList) {
    let id = slots[slot].id
    var before = list.tail
    if list.head >= 0, slots[Int(list.head)].id > id { before = -1 }
    while before >= 0, slots[Int(before)].id > id { before = slots[Int(before)].previous }
    let after = before >= 0 ? slots[Int(before)].next : list.head
    slots[slot].previous = before
    slots[slot].next = after
    if before >= 0 { slots[Int(before)].next = Int32(slot) } else { list.head = Int32(slot) }
    if after >= 0 { slots[Int(after)].previous = Int32(slot) } else { list.tail = Int32(slot) }
    list.count += 1
  }

  mutating func remove(_ slot: Int, from list: inout AgeList) {
    let before = slots[slot].previous
    let after = slots[slot].next
    if before >= 0 { slots[Int(before)].next = after } else { list.head = after }
    if after >= 0 { slots[Int(after)].previous = before } else { list.tail = before }
    slots[slot].previous = -1
    slots[slot].next = -1
    list.count -= 1
  }
}
