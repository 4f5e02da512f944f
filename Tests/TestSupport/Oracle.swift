import Sim
import Torture

/// Which instance a request is queued at (semantics.md 34); ties go to the lowest id.
public enum OracleRouter: String, Sendable, CaseIterable {
  /// By arrival count: request k goes to instance k mod n.
  case roundRobin
  /// Fewest requests queued + running.
  case leastLoaded
  /// Most (free blocks − blocks of queued prompts).
  case mostFreeKV
  /// The least used memory, in tokens, and four times the prompt tokens still to compute (14.12).
  case leastWork
}

/// What became of one request, times in picoseconds.
public struct OracleResult: Hashable, Sendable {
  /// When the first token appeared, ps; `nil` if it never did.
  public var firstToken: Int64?
  /// When the request completed or was rejected, ps.
  public var ended: Int64
  /// Why it was refused or given up; `nil` if it completed.
  public var rejected: RejectionReason?
  /// How often it lost its blocks and went back to its queue.
  public var preemptions: Int
  /// Tokens emitted.
  public var generated: Int

  public init(
    firstToken: Int64?, ended: Int64, rejected: RejectionReason?, preemptions: Int, generated: Int
  ) {
    self.firstToken = firstToken
    self.ended = ended
    self.rejected = rejected
    self.preemptions = preemptions
    self.generated = generated
  }
}

/// What a run of the oracle went through; tests of the scenario generator read it.
public struct OracleStatistics: Hashable, Sendable {
  /// Steps of all instances.
  public var steps = 0
  /// Steps that only decode.
  public var decodeSteps = 0
  /// Maximal runs of decode-only steps of one instance with the same requests.
  public var decodeRuns = 0
  /// Preemptions of all requests.
  public var preemptions = 0
  /// Instants at which two instances ended a step, or a request arrived as a step ended.
  public var coincidences = 0
  /// Blocks ever borrowed from other instances.
  public var borrowedBlocks = 0
  /// Loans for prompts.
  public var promptLoans = 0
  /// Loans for decode growth.
  public var growthLoans = 0
  /// Prompts that hosts took a part of although they were only offered.
  public var offersTaken = 0
  /// Admissions past a giant that waits, and requests that gave way to one.
  public var backfilled = 0
  public var gaveWay = 0
  /// Requests that another instance took.
  public var stolen = 0
  /// Units of shared prefix that were evicted, and requests that began with one.
  public var evictions = 0
  public var sharers: Set<Int> = []
}

/// A plain per-token simulator of the engine, written from the rules alone, that the real one is compared with.
///
/// Every decode step of every instance is walked, every request has an explicit table of block numbers, and
/// nothing is derived that can be counted. In the comments `S9` is rule 9 of the project's semantics, `A10` is
/// rule 10 of `docs/decisions/0001-exact-rules.md`, `C4` a rule of the chunked engine. Readings chosen where those
/// leave a gap are marked "Reading:".
///
/// Cost: O(steps × running requests). Covers both local engines, pipeline lanes, and lending in mode `passive`
/// with `paper` coupling, and theft; there is no planner and no move.
public struct Oracle {
  let topology: InstanceTopology
  let engine: EngineOptions
  let lending: LendingOptions
  let router: OracleRouter
  var costs: InstanceCosts

  var requests: [OracleRequest] = []
  var instances: [OracleInstance] = []
  /// The current instant, ps.
  var now: Int64 = 0
  /// Counts everything a decision changed, so that an instant ends when a pass over the instances changes nothing.
  var changes = 0
  /// How many units have been given up so far.
  var givenUp = 0
  /// Counts admissions and new heads of queues, to tell which was first.
  var events = 0
  /// Memory was freed, or a queue became empty, while a giant was blocked, since this was last asked (14.9).
  var isFreed = false
  /// How long completed requests took, by class (14.9).
  var completed: [Int: OracleClass] = [:]
  /// Blocks that a host keeps for each of its running requests in the loan that is being made (14.7b).
  var leaves = 0
  /// The expected start of the oldest giant that waits.
  var reckoning: OracleReckoning?
  /// What the last run went through.
  public internal(set) var statistics = OracleStatistics()

  let blocksPerInstance: Int
  /// What prompts share; caching only if the engine's option says so.
  let sharing: Sharing
  /// The fewest tokens of an offered prompt that a host takes (14.4).
  let shareFrom: Int
  /// Whether idle instances take waiting requests from others.
  let steals: Bool

  /// `lending.mode` must be `.off` or `.passive`, and its coupling `.paper`.
  public init(
    configuration: SimulationConfiguration, router: OracleRouter, lending: LendingOptions = LendingOptions(),
    sharing: Sharing = Sharing(), shareFrom: Int = 8_192, steals: Bool = false
  ) {
    precondition(lending.mode == .off || lending.mode == .passive, "the oracle knows no planner")
    precondition(
      lending.mode == .off || lending.coupling == .paper, "the oracle knows the paper's coupling only")
    topology = configuration.topology
    engine = configuration.engine
    costs = configuration.costs
    blocksPerInstance = configuration.blocksPerInstance
    self.router = router
    self.lending = lending
    self.sharing = sharing
    self.shareFrom = shareFrom
    self.steals = steals
  }

  /// Simulates `trace` (arrivals must not decrease) to its end; results are indexed by request.
  public mutating func run(_ trace: [TraceRequest]) -> [OracleResult] {
    requests = trace.map { OracleRequest($0) }
    instances = (0..<topology.count).map { _ in OracleInstance(blocks: capacity) }
    statistics = OracleStatistics()
    completed = [:]
    reckoning = nil
    var nextArrival = 0

    while true {
      // S1: one instant at a time, the earliest of all steps' ends and the next arrival.
      var instant = Int64.max
      if nextArrival < requests.count { instant = requests[nextArrival].arrival }
      for instance in instances {
        if let step = instance.step { instant = min(instant, step.end) }
      }
      guard instant < .max else { break }
      precondition(instant >= now, "time never runs backwards")
      now = instant

      // S2: first the steps that end now, then the arrivals, then decisions.
      var ended = 0
      for i in instances.indices where instances[i].step?.end == now {
        endStep(i)
        ended += 1
      }
      let firstArrival = nextArrival
      while nextArrival < requests.count, requests[nextArrival].arrival == now {
        arrive(nextArrival)
        nextArrival += 1
      }
      if ended > 1 || (ended == 1 && nextArrival > firstArrival) { statistics.coincidences += 1 }
      decideAll()
      checkBlocks()
    }
    return requests.indices.map { r in
      let request = requests[r]
      precondition(request.state == .ended, "every request ends: nobody is left waiting for ever")
      return OracleResult(
        firstToken: request.firstToken, ended: request.ended, rejected: request.rejected,
        preemptions: request.preemptions, generated: request.generated)
    }
  }

  /// A3: instances without a step under way decide in ascending id, each at most one step per instant.
  ///
  /// Reading: passes are repeated as long as the last one changed anything anywhere, since memory freed (or a
  /// queue emptied) by a later instance may let an idle earlier one admit by borrowing in the same instant.
  private mutating func decideAll() {
    var before = -1
    reckonIfFreed()
    while before != changes {
      before = changes
      for i in instances.indices where instances[i].step == nil {
        if steals { steal(into: i) }
        switch engine.kind {
        case .vllmV0: decideVLLMv0(i)
        case .chunked: decideChunked(i)
        }
      }
      reckonIfFreed()
    }
  }

  // MARK: - Arrivals

  private mutating func arrive(_ r: Int) {
    let home = route(r)
    requests[r].home = home
    // S10, A9, A12: only prompt + 1 is tested, against what an empty cluster can hold.
    let pool = lends ? topology.count * (capacity - watermark) : capacity - watermark
    guard blocks(requests[r].prompt + 1) <= pool else { return reject(r, .exceedsCapacity) }
    enqueue(r)
  }

  /// S34.
  private func route(_ r: Int) -> Int {
    var best = 0
    switch router {
    case .roundRobin:
      best = r % topology.count
    case .leastLoaded:
      for i in instances.indices where load(i) < load(best) { best = i }
    case .mostFreeKV:
      for i in instances.indices where freeAfterQueue(i) > freeAfterQueue(best) { best = i }
    case .leastWork:
      let isSpread = requests[r].prompt >= lending.spreadFrom
      func key(_ i: Int) -> (Int, Int, Int) { isSpread ? spreadKey(i) : (work(i), 0, 0) }
      for i in instances.indices where key(i) < key(best) { best = i }
    }
    return best
  }

  /// 14.12.
  private func work(_ i: Int) -> Int { (capacity - available(i)) * blockSize + 4 * tokensToCompute(i) }

  /// 14.12: where a prompt goes that is spread over a node.
  private func spreadKey(_ i: Int) -> (Int, Int, Int) {
    let ofNode = instances.indices.filter { topology.sameNode($0, i) }.reduce(0) { $0 + work($1) }
    return (ofNode, tokensToCompute(i) > 0 ? 1 : 0, work(i))
  }

  /// 14.4: prompt tokens that instance `i` has to compute, queued or begun.
  func tokensToCompute(_ i: Int) -> Int {
    let queued = instances[i].queue.reduce(0) { $0 + requests[$1].length }
    let begun = instances[i].running.filter { requests[$0].state == .prefilling }
    return begun.reduce(queued) { $0 + requests[$1].length - requests[$1].stored }
  }

  private func load(_ i: Int) -> Int { instances[i].queue.count + instances[i].running.count }

  /// Reading: a queued request that was preempted counts prompt + generated, what it would prefill.
  private func freeAfterQueue(_ i: Int) -> Int {
    instances[i].queue.reduce(available(i)) { $0 - blocks(requests[$1].length) }
  }

  // MARK: - Steps

  /// Starts a step of instance `i` now. Its blocks have been taken (A2).
  mutating func startStep(_ i: Int, decoding: [Int], chunks: [OracleChunk]) {
    precondition(instances[i].step == nil, "an instance has one step under way at a time")
    precondition(!decoding.isEmpty || !chunks.isEmpty, "a step serves somebody")
    let duration = duration(i, decoding: decoding, chunks: chunks)
    precondition(duration > 0, "a step takes time")
    instances[i].step = OracleStep(end: now + duration, decoding: decoding, chunks: chunks)
    changes += 1

    statistics.steps += 1
    if chunks.isEmpty {
      statistics.decodeSteps += 1
      if instances[i].lastDecoding != decoding { statistics.decodeRuns += 1 }
      instances[i].lastDecoding = decoding
    } else {
      instances[i].lastDecoding = []
    }
  }

  /// A1: tokens appear, prefills finish, completed requests free their blocks.
  private mutating func endStep(_ i: Int) {
    guard let step = instances[i].step else { return }
    instances[i].step = nil
    for r in step.decoding {
      requests[r].stored += 1
      emit(r)
    }
    for chunk in step.chunks {
      requests[chunk.request].stored += chunk.tokens
      // A14: only the chunk that finishes a prompt or recompute emits a token.
      if requests[chunk.request].stored == requests[chunk.request].length {
        requests[chunk.request].state = .decoding
        publish(chunk.request)
        emit(chunk.request)
      }
    }
  }

  private mutating func emit(_ r: Int) {
    requests[r].generated += 1
    if requests[r].firstToken == nil { requests[r].firstToken = now }
    if requests[r].generated == requests[r].output { end(r) }
  }
}
