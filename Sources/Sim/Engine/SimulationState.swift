import HeapModule

/// Everything a run knows, in one value: no reference counting and static exclusivity in the loop.
///
/// The extensions hold the mechanism, one concern a file: the loop (`+Loop`), steps and runs of steps (`+Steps`,
/// `+Decode`, `+Costs`), the two local engines (`+VLLMv0`, `+Chunked`), the life of a request (`+Lifecycle`),
/// lending (`+Lending`, `+DistAttention`), moves and the managers (`+Moves`, `+Managers`), faults (`+Faults`).
struct SimulationState: ~Copyable {
  /// Never set. A type with an `Any` in it is passed by address; without one the compiler copies the whole state, some
  /// two kilobytes, wherever one of its readers is called (docs/decisions/0003).
  private let passedByAddress: Any? = nil

  let configuration: SimulationConfiguration
  let options: EngineOptions
  let lending: LendingOptions
  let managers: ProtocolOptions
  let policy: any SchedulingPolicy
  /// Not an optional: looking into one counts a reference.
  let observer: any RunEventHandler
  let isObserved: Bool
  /// The observer wants to be told of everything.
  let isWatched: Bool
  /// Shown every instant's end, for checkers outside the engine.
  var inspect: ((ClusterSnapshot) -> Void)?

  let instanceCount: Int
  let laneCount: Int
  let blockSize: Int
  /// Blocks an instance can use: N, less one for vLLM v1's null block.
  let usableBlocks: Int
  let watermark: Int
  /// Blocks that the largest admissible request may need (prompt + 1 tokens).
  let admissibleBlocks: Int
  let borrows: Bool
  let plans: Bool
  let steals: Bool
  /// Instances keep their batches in order of length, because planners read them where they lie.
  let ordersByLength: Bool
  let chunked: Bool
  let freePrefill: Bool
  /// Whether instances lend under `contended` coupling.
  let contends: Bool

  var costs: InstanceCosts
  /// What a lane's borrowers ask of its hosts. Reused: it is filled at every change of a placement.
  var hostWork: ContiguousArray<HostWork> = []
  /// `contended`: what the step that is being prepared asks of hosts; its own prefill attention and its wait for hosts beyond that,
  /// ps per stage.
  var asks: ContiguousArray<HostAsk> = []
  var ownAttention: Int128 = 0
  var waitForHosts: Int128 = 0
  var now: Int64 = 0
  var phase = Phase.arrival
  var timers: WinnerTree
  /// Requests queued and running at every instance, the fewest first; and, for an observer of everything, negated, the most
  /// first.
  var loads: WinnerTree
  var heaviest: WinnerTree
  var instances: Slab<InstanceState>
  var bookedBlocks: BookedBlocks
  /// `laneCount` per instance.
  var lanes: Slab<Lane>
  /// For each instance and residue: decoding requests that take a local block at the steps s ≡ residue.
  var growers: Slab<Int32>
  var requests = RequestTable()
  var loans = Slab<Loan>()
  var freedLoans = Slab<Int32>()

  /// Instances that must decide in this instant, a bit each; and the decision under way.
  var undecided: Slab<UInt64>
  var undecidedCount = 0
  var decider = -1
  var isFirstPass = true
  /// With stealing: the decision under way has taken a request from a queue, so that after one step there may be
  /// another to take.
  var looksAgain = false

  var transfers = Heap<Transfer>()
  /// Numbers of the moves that were aborted before they landed; looked up, never iterated.
  var abortedTransfers: Set<Int> = []

  /// What every rManager said last; empty, as `rManagers`, without plans.
  var reports: Slab<InstanceReport>
  var rManagers: Slab<RManager>
  var gManager: GManager
  /// Moves that have not started: what their sources wait for, and what their destinations keep for them, oldest first.
  var departures: ContiguousArray<Departure> = []
  var reservations: ContiguousArray<Reservation> = []
  /// Messages without delay that this instant still delivers; those on their way, and when the first of them arrives.
  var mailbox: ContiguousArray<Message> = []
  var messages = Heap<Message>()
  var nextMessage = Int64.max
  var nextHeartbeat: Int64
  var nextPlan: Int64
  /// The earlier of both.
  var nextTick: Int64

  /// Tokens and blocks of a unit of shared prefix; 0 without prefix caching.
  var prefixUnit = 0
  var prefixUnitBlocks = 0
  /// One per instance, and one per request slot; empty without prefix caching.
  var prefixCaches: ContiguousArray<PrefixCache> = []
  var prefixes: ContiguousArray<Prefix> = []
  /// Closed loops: the requests that have ended in this instant.
  var isClosedLoop = false
  var endedRequests: ContiguousArray<Int> = []

  var faults: FaultSchedule
  /// Requests that no live instance can hold, oldest first: they wait for one to return.
  var frontEnd = AgeList()

  var hungryCount = 0
  /// Instances whose head waits until it is the oldest.
  var turnWaiters = 0
  /// Times that memory was freed, or a queue emptied, anywhere.
  var frees = 0
  /// The oldest blocked head that is larger than an instance (its id): younger requests are held back for it.
  var holdingGiant = Int.max
  /// The instance that is admitting, −1 for none, and the giant that it has refused in this round, `.max` for none.
  var admitting = -1
  var refusedGiant = Int.max
  var holdSince: Int64 = 0
  /// When it is expected to start, and whether that must be estimated again because memory was freed. The service times of completed
  /// requests, ps, by class of prompt length. Admissions so far, and running requests that were admitted past an older giant.
  var outlook = Outlook()
  var isOutlookDue = false
  var services = ContiguousArray(repeating: (sum: Int128(0), count: 0), count: Int.bitWidth)
  var admissions = 0
  var passing = 0

  /// The run ends with an error after this instant: with `failure`, or else because a time has left the range of the clock.
  /// A flag of its own: the functions that set it are in the loop, where a call costs registers even if it is never made.
  var mustEnd = false
  private var failure: (any Error)?
  var nextID = 0
  var metrics: MetricsCollector
  var fingerprint = Fingerprint()
  var completionBuffer: ContiguousArray<Int32> = []
  var costLines = Slab<CostLine>()

  init(
    _ configuration: SimulationConfiguration, policy: any SchedulingPolicy, source: RequestSourceInfo,
    observer: (any RunEventHandler)?
  ) {
    let options = configuration.engine
    let lending = policy.lending
    let count = configuration.topology.count
    let chunked = options.kind == .chunked
    let limits = BlockLimits(blocks: configuration.blocksPerInstance, engine: options)
    let borrows = (lending.mode == .passive || lending.mode == .proactive) && count > 1
    let plans = (lending.mode == .proactive || lending.mode == .plannerOnly) && count > 1
    self.configuration = configuration
    self.policy = policy
    self.observer = observer ?? Nobody()
    isObserved = observer != nil
    isWatched = observer?.watchesAll ?? false
    self.options = options
    self.lending = lending
    let managers = configuration.managers
    self.managers = managers
    self.chunked = chunked
    watermark = limits.watermark
    self.borrows = borrows
    self.plans = plans
    steals = policy.steals
    ordersByLength = plans && !managers.keepsMap
    instanceCount = count
    laneCount = configuration.costs.stages
    blockSize = options.blockSize
    usableBlocks = limits.usable
    admissibleBlocks = limits.admissible * (borrows ? count : 1)
    contends = lending.mode != .off && lending.coupling == .contended
    freePrefill = options.prefillAttention == .free
    costs = configuration.costs
    timers = WinnerTree(count: count)
    loads = WinnerTree(count: count)
    for i in 0..<count { loads.set(i, to: 0) }
    heaviest = WinnerTree(count: isWatched ? count : 1)
    for i in 0..<(isWatched ? count : 0) { heaviest.set(i, to: 0) }
    instances = Slab(repeating: InstanceState(), count: count)
    bookedBlocks = BookedBlocks(count: count, keepsOrder: isWatched)
    lanes = Slab(repeating: Lane(), count: count * configuration.costs.stages)
    growers = Slab(repeating: 0, count: count * options.blockSize)
    undecided = Slab(repeating: 0, count: (count + 63) / 64)
    faults = FaultSchedule(configuration.faults)
    reports = Slab(repeating: InstanceReport(), count: plans ? count : 0)
    rManagers = Slab(repeating: RManager(), count: plans ? count : 0)
    gManager = GManager(
      views: ContiguousArray(repeating: GManager.View(), count: plans && managers.keepsMap ? count : 0),
      waitsUntil: managers.silence(period: lending.period).picoseconds)
    nextPlan = plans ? lending.period.picoseconds : .max
    nextHeartbeat = plans ? (managers.heartbeatPeriod ?? lending.period).picoseconds : .max
    nextTick = min(nextHeartbeat, nextPlan)
    if options.prefixCaching, source.prefixUnit > 0 {
      prefixUnit = source.prefixUnit
      prefixUnitBlocks = source.prefixUnit / options.blockSize
      prefixCaches = ContiguousArray(repeating: PrefixCache(), count: count)
    }
    metrics = MetricsCollector(source: source, slo: configuration.slo, measured: configuration.measured)
  }

  // MARK: - Failing

  /// The run ends with `error` after this instant, unless another came first. What is done until then does not matter.
  mutating func fail(_ error: any Error) {
    if !mustEnd { failure = error }
    mustEnd = true
  }

  @inline(never)
  func reasonToEnd() -> any Error {
    failure ?? SimulationError.beyondRange(after: SimTime(picoseconds: now))
  }

  // MARK: - Reading at an instant

  /// Whether a run whose step boundary is exactly now has started its next step (decisions go by ascending id).
  func hasDecided(_ i: Int) -> Bool {
    phase == .decision && (!isFirstPass || i <= decider)
  }

  /// Steps of the run under way that are over, and those that have started, at this instant; none of a single prefill.
  func progress(of i: Int) -> (completed: Int64, started: Int64) {
    guard instances[i].isBusy, instances[i].run.repeats else { return (0, 0) }
    let run = instances[i].run
    let completed = run.completed(at: now)
    if completed == run.count { return (completed, completed) }
    let atBoundary = run.start + run.elapsed(completed) == now && now > run.start
    return (completed, atBoundary && !hasDecided(i) ? completed : completed + 1)
  }

  /// Local blocks that the batch takes in the decode step at `clock`.
  func growth(of i: Int, at clock: Int64) -> Int {
    Int(growers[i * blockSize + Int(clock % Int64(blockSize))])
  }

  /// Local blocks that the batch takes in the next `steps` decode steps.
  func growth(of i: Int, steps: Int64) -> Int {
    guard steps > 0, instances[i].growing > 0 else { return 0 }
    let size = Int64(blockSize)
    let cycles = steps / size
    let rest = Int32(steps - cycles * size)
    let residue = Int32(instances[i].clock % size)
    let base = i * blockSize
    var blocks: Int32 = 0
    // The residues that the rest of a cycle meets. All are looked at, without a branch: the compiler takes several at once.
    for r in 0..<blockSize {
      let steps = Int32(truncatingIfNeeded: r) &- residue
      let isMet = (steps < 0 ? steps &+ Int32(truncatingIfNeeded: blockSize) : steps) < rest
      blocks &+= growers[base &+ r] & (isMet ? -1 : 0)
    }
    return instances[i].growing * Int(cycles) + Int(blocks)
  }

  /// Blocks at home that the next `steps` steps of the run under way take beyond what is booked: those of the first chunk
  /// of a prompt are booked when it starts.
  func taken(by i: Int, steps: Int64) -> Int {
    let run = instances[i].run
    return (run.decodes ? growth(of: i, steps: steps) : 0)
      + (run.chunk > 0 ? chunkBlocks(of: i, steps: steps) : 0)
  }

  /// Blocks in use at this instant, those of steps that have started included.
  func usedBlocks(of i: Int) -> Int {
    guard instances[i].isBusy, instances[i].run.repeats else { return bookedBlocks[i] }
    return bookedBlocks[i] + taken(by: i, steps: progress(of: i).started)
  }

  func freeBlocks(of i: Int) -> Int { usableBlocks - usedBlocks(of: i) }

  /// Whether `blocks` blocks are free at this instant. How far the run under way has come is computed only if it
  /// decides: it has taken no block at the least, and at the most all that it will.
  func hasFree(_ blocks: Int, on i: Int) -> Bool {
    let free = usableBlocks - bookedBlocks[i]
    guard free >= blocks else { return false }
    guard instances[i].isBusy, instances[i].run.repeats else { return true }
    guard instances[i].run.chunk == 0 else { return freeBlocks(of: i) >= blocks }
    let cycles = instances[i].run.count / Int64(blockSize) + 1
    return free - Int(cycles) * instances[i].growing >= blocks || freeBlocks(of: i) >= blocks
  }

  /// Requests in the batch or being prefilled.
  func running(on i: Int) -> Int { instances[i].batch.count + instances[i].prefilling }

  /// A request has come to an instance, or has left it.
  mutating func count(_ requests: Int64, at i: Int) { setLoad(loads.time(of: i) + requests, at: i) }

  /// `nil` for an instance that is down.
  mutating func setLoad(_ load: Int64?, at i: Int) {
    loads.set(i, to: load ?? .max)
    if isWatched { heaviest.set(i, to: load.map { -$0 } ?? .max) }
  }

  func blocks(for tokens: Int) -> Int { BlockLimits.blocks(for: tokens, of: blockSize) }

  // MARK: - Who must decide

  mutating func markUndecided(_ i: Int) {
    let word = i >> 6
    let bit = UInt64(1) << UInt64(i & 63)
    if undecided[word] & bit == 0 {
      undecided[word] |= bit
      undecidedCount += 1
    }
  }

  /// The lowest undecided instance above `i`, or −1.
  func nextUndecided(after i: Int) -> Int {
    var word = (i + 1) >> 6
    guard word < undecided.count else { return -1 }
    var bits = undecided[word] & ~((UInt64(1) << UInt64((i + 1) & 63)) &- 1)
    while bits == 0 {
      word += 1
      if word == undecided.count { return -1 }
      bits = undecided[word]
    }
    return word << 6 + bits.trailingZeroBitCount
  }
}
