/// Part of a prompt that a step prefills.
struct PrefillChunk {
  /// The request, or −1 if it was preempted by another instance while the step ran.
  var slot: Int32
  /// New tokens, and those cached before them.
  var tokens: Int
  var cached: Int
}

/// The step, or run of identical decode steps, that an instance is working on.
///
/// The steps of a run take `first`, `first + increment`, `first + 2·increment`, … so `k` of them take
/// `k·first + increment·k(k−1)/2`: exact, and additive over any split of the run.
struct StepRun {
  var start: Int64 = 0
  var first: Int64 = 0
  var increment: Int64 = 0
  /// Steps in the run; 1 for a step that prefills, but for equal chunks of one long prompt.
  var count: Int64 = 0
  /// Whether the batch decodes in it.
  var decodes = false
  /// `chunked`: tokens that every step computes of the instance's partial prompt and that do not end it; 0 for other
  /// steps.
  var chunk = 0

  /// Whether the steps of the run are alike, so that it may have more than one.
  var repeats: Bool { decodes || chunk > 0 }

  /// The most steps of one run: k(k−1)/2 stays far inside an Int64. A longer stretch is two runs.
  static let mostSteps: Int64 = 1 << 31

  func elapsed(_ k: Int64) -> Int64 { k * first + increment * (k * (k - 1) / 2) }
  var end: Int64 { start + elapsed(count) }
  /// `end`, if it lies on the clock.
  var endInRange: Int64? {
    let (flat, flatOverflows) = count.multipliedReportingOverflow(by: first)
    let (bent, bentOverflows) = increment.multipliedReportingOverflow(by: count * (count - 1) / 2)
    let (elapsed, elapsedOverflows) = flat.addingReportingOverflow(bent)
    let (end, endOverflows) = start.addingReportingOverflow(elapsed)
    return flatOverflows || bentOverflows || elapsedOverflows || endOverflows || end == .max ? nil : end
  }
  /// How long the `k`-th step (from 0) takes.
  func duration(ofStep k: Int64) -> Int64 { first + increment * k }

  /// The steps that are over at `now`: the largest k ≤ count with start + elapsed(k) ≤ now.
  func completed(at now: Int64) -> Int64 {
    let gone = now - start
    if gone <= 0 { return 0 }
    var k: Int64
    if increment == 0 {
      k = gone / first
    } else {
      let b = Double(first) - Double(increment) / 2
      let root = (b * b + 2 * Double(increment) * Double(gone)).squareRoot()
      k = Int64(max(0, (root - b) / Double(increment)))
    }
    k = min(k, count)
    while k < count, elapsed(k + 1) <= gone { k += 1 }
    while k > 0, elapsed(k) > gone { k -= 1 }
    return k
  }
}

/// A micro-batch of a pipelined instance; an instance without a pipeline has one.
struct Lane {
  /// Decoding requests, and how many of them grow at home.
  var decoders = 0
  var growing = 0
  /// Σ tokens stored at home by the decoding requests, as of the instance's clock.
  var storedTokens: Int64 = 0
  /// Of those, with the tokens being written, the ones that lie outside their request's sliding window; and the
  /// requests for which these grow with every step.
  var unattended: Int64 = 0
  var leaving = 0
  /// Of the growing requests the one with the most tokens at home, −1 for none; kept for kernels without splits.
  var longest = Lane.unknown
  /// Tokens of the prompts being prefilled.
  var pendingTokens = 0
  /// The slowest remote path and the merge of this lane's borrowers, ps per step and stage.
  var remotePath: Int64 = 0
  var merge: Int64 = 0

  /// The longest request has left: the next must be looked for.
  static let unknown: Int32 = -2

  var context: Int64 { storedTokens + Int64(pendingTokens) }
}

/// One serving instance: its queue, its batch, the step under way and its blocks.
struct InstanceState {
  var queue = AgeList()
  var batch = AgeList()
  /// The prompt that is being prefilled over several steps, −1 if none.
  var partial: Int32 = -1
  var chunks: ContiguousArray<PrefillChunk> = []
  /// Requests admitted whose prompt is not prefilled yet.
  var prefilling = 0

  /// What faults have done to it: whether it is up, the blocks that they withhold, which count as used, and the
  /// thousandths of their time that its steps take.
  var isUp = true
  var withheldBlocks = 0
  var straggle: Int64 = 1_000
  var downSince: Int64 = 0

  var isBusy = false
  var run = StepRun()
  /// Decode steps completed since the beginning: the batch's own time.
  var clock: Int64 = 0
  /// The batch by the clock at which its requests finish. May hold entries of preempted requests.
  var finishers = ClockQueue()
  /// The batch by length, if planners read it.
  var lengths = LengthOrder()
  /// The requests by the clock at which their context fills the sliding window; may hold entries of requests
  /// that have left.
  var windowFillers = ClockQueue()

  /// Landed blocks held for requests of other instances.
  var hostedBlocks = 0
  /// Loans of other instances' requests here, and moves on their way in.
  var loans: ContiguousArray<Int32> = []
  /// Requests of this batch that have blocks on other instances.
  var borrowers = 0
  /// Requests of this batch that take their next block here: the sum of its `growers`.
  var growing = 0

  /// The end of the last decode step, and the least "last token" time over the batch.
  var lastDecodeEnd: Int64 = -1
  var oldestToken: Int64 = .max
  /// The head of the queue waits for memory that other instances might lend.
  var isHungry = false
  /// The head of its queue may start, or may start sooner, when no older request is left.
  var waitsForTurn = false
  /// Its head, if that is larger than an instance and waits for memory: the id, `Int.max` if not.
  var blockedGiant = Int.max
  /// The id of the head of its queue, −1 for none, and the number of admissions in the whole run when it became the head.
  var headID = -1
  var headSince = 0
  /// The giant that found no loan last, and how often memory had been freed anywhere by then.
  var refusedGiant = -1
  var refusedAtFrees = -1
  /// Prefill attention computed for others, to be paid in the next step, ps.
  var owed: Int64 = 0
  /// When the prefill attention is done that it has been asked for.
  var servesUntil: Int64 = 0
  /// Moves leaving it.
  var departures = 0
  /// The batch or the placement has changed since the last run of steps began: coupled rates are due.
  var epochDue = true
  /// `fluid`: time of its decode step as of its last epoch, ps; 0 while prompts stall its decoding.
  var epochStep: Int64 = 0
  /// `contended`: the kernels of its decode steps as of its last epoch, what partners know of its steps, the hosts that these ask, and what it does for others in theirs.
  var decodeKernels = StepPace()
  var pace = StepPace()
  /// `contended`: the clock at which it published last, that at which it does so again, and, as of then, what others took of
  /// it and how long it waited for them.
  var publishedAt: Int64 = 0
  var publishAt = Int64.max
  var publishedShare = GPUShare()
  var publishedPath: Int64 = 0
  var asked: ContiguousArray<Int> = []
  var services: ContiguousArray<HostService> = []
}
