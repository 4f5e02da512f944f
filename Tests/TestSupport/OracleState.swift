import Sim

/// One KV block: number `id` of the memory of `instance`.
struct OracleBlock: Hashable {
  var instance: Int
  var id: Int
}

/// A request's whole state. Requests are known by their index, which is also their age (A4).
struct OracleRequest {
  enum State { case unborn, waiting, prefilling, decoding, ended }

  let arrival: Int64
  let prompt: Int
  let output: Int
  var state = State.unborn
  var home = 0
  /// The micro-batch, chosen at admission.
  var lane = 0
  /// Tokens emitted.
  var generated = 0
  /// Tokens whose keys and values are stored.
  var stored = 0
  /// The blocks held, in the order in which they are filled: token t lies in `table[t / blockSize]`.
  /// Those past ⌈stored / blockSize⌉ are reserved and still empty.
  var table: [OracleBlock] = []
  /// Whether any block of `table` is not at home.
  var hasHosted = false
  /// Its tokens lie evenly on all its blocks, as they are computed (14.3).
  var isBalanced = false
  /// The units of `table`'s beginning that others may use too.
  var units: [UInt64] = []

  var firstToken: Int64?
  var ended: Int64 = 0
  var rejected: RejectionReason?
  var preemptions = 0
  /// Preemptions in a row, each but the first fruitless, and the tokens at the last of them (14.7).
  var row = 0
  var generatedThen = 0
  /// When it was last admitted, ps, and that admission's place among all events.
  var admittedAt: Int64 = 0
  var admission = 0
  /// The event by which it became the head of its queue.
  var headSince = 0
  /// A giant has taken its memory once (14.10).
  var gaveWay = false

  init(_ request: TraceRequest) {
    arrival = request.arrival.picoseconds
    prompt = request.prompt
    output = request.output
  }

  /// What a prefill of the waiting request has to store: its prompt and all it has generated.
  var length: Int { prompt + generated }
}

/// `tokens` new tokens of a prompt, after `cached` stored ones.
struct OracleChunk {
  var request: Int
  var cached: Int
  var tokens: Int
}

/// A step under way.
struct OracleStep {
  var end: Int64
  var decoding: [Int]
  var chunks: [OracleChunk]
}

/// An instance's whole state.
struct OracleInstance {
  /// Numbers of the free blocks.
  var free: [Int]
  /// Requests admitted here, oldest first.
  var running: [Int] = []
  /// Requests waiting here, oldest first (A4).
  var queue: [Int] = []
  /// Who was first in `queue` when it last changed.
  var head: Int?
  /// The last step was a chunk of a prompt that is not yet computed: one decode step is due (14.6).
  var decodesNext = false
  var step: OracleStep?
  /// The head of the queue, if it is a giant that was refused at the last decision (A21, 14.9).
  var blockedGiant: Int?
  /// Prefill attention owed to other homes' chunks, charged to the next step, ps (A18).
  var owedAttention: Int64 = 0
  /// When it has computed the parts of other homes' chunks that it has been given so far (decisions/0011).
  var servesUntil: Int64 = 0
  /// Who decoded in the last step, if it only decoded.
  var lastDecoding: [Int] = []
  /// Units of shared prefix, in use or not.
  var units: [OracleUnit] = []

  init(blocks: Int) { free = Array((0..<blocks).reversed()) }
}

extension Oracle {
  var blockSize: Int { engine.blockSize }
  var lends: Bool { lending.mode == .passive }

  /// Blocks of an instance that can be used: N, or N − 1 under `chunked` (C3, A12).
  var capacity: Int { engine.kind == .chunked ? blocksPerInstance - 1 : blocksPerInstance }

  /// ⌊N · percent⌋ (A8, A12).
  var watermark: Int {
    let percent = engine.kind == .chunked ? engine.chunkedWatermarkPercent : engine.watermarkPercent
    return blocksPerInstance * percent / 100
  }

  /// ⌈tokens / blockSize⌉.
  func blocks(_ tokens: Int) -> Int { (tokens + blockSize - 1) / blockSize }

  /// Of the first `count` tokens of `r`, those in blocks at its home.
  func localTokens(_ r: Int, of count: Int) -> Int {
    guard requests[r].hasHosted else { return count }
    // 14.3: until the prompt is computed.
    if requests[r].isBalanced, requests[r].state == .prefilling {
      return count * held(r, on: requests[r].home) / requests[r].table.count
    }
    var local = 0
    for (position, block) in requests[r].table.enumerated() where block.instance == requests[r].home {
      local += min(blockSize, max(0, count - position * blockSize))
    }
    return local
  }

  /// Blocks that `r` holds on instance `i`.
  func held(_ r: Int, on i: Int) -> Int {
    requests[r].table.reduce(0) { $0 + ($1.instance == i ? 1 : 0) }
  }

  // MARK: - Blocks

  /// Appends `count` free blocks of instance `i` to the table of `r`.
  mutating func take(_ count: Int, on i: Int, for r: Int) {
    while instances[i].free.count < count { evictUnit(i) }
    for _ in 0..<count {
      requests[r].table.append(OracleBlock(instance: i, id: instances[i].free.removeLast()))
    }
    if i != requests[r].home, count > 0 { requests[r].hasHosted = true }
  }

  private mutating func release(_ r: Int) {
    let shared = unshare(r)
    if !requests[r].table.isEmpty { noteFreed() }
    for block in requests[r].table where !shared.contains(block) {
      instances[block.instance].free.append(block.id)
    }
    requests[r].table = []
    requests[r].hasHosted = false
    requests[r].isBalanced = false
  }

  /// Block conservation: on every instance, free and held blocks are all its blocks, each once.
  func checkBlocks() {
    if sharing.unit > 0, engine.prefixCaching { return checkShares() }
    var count = instances.map(\.free.count)
    for instance in instances {
      for r in instance.running {
        if requests[r].hasHosted {
          for block in requests[r].table { count[block.instance] += 1 }
        } else {
          count[requests[r].home] += requests[r].table.count
        }
        precondition(
          requests[r].table.count * blockSize >= requests[r].stored, "stored tokens lie in held blocks")
      }
    }
    for i in instances.indices {
      precondition(count[i] == capacity, "free and held blocks of an instance are all its blocks")
    }
    // Which blocks they are is looked at in small clusters only: it costs as much as the memory is large.
    guard capacity * instances.count <= 512 else { return }
    var seen = Array(repeating: false, count: capacity * instances.count)
    func see(_ block: OracleBlock) {
      let number = block.instance * capacity + block.id
      precondition(!seen[number], "no block is held twice or both held and free")
      seen[number] = true
    }
    for i in instances.indices {
      for id in instances[i].free { see(OracleBlock(instance: i, id: id)) }
      for r in instances[i].running { requests[r].table.forEach(see) }
    }
  }

  // MARK: - A request's changes of state

  mutating func enqueue(_ r: Int) {
    requests[r].state = .waiting
    let home = requests[r].home
    let place = instances[home].queue.firstIndex { $0 > r } ?? instances[home].queue.endIndex
    instances[home].queue.insert(r, at: place)
    noteQueue(home)
  }

  /// The queue of `i` has changed: it may be empty, or have another head.
  mutating func noteQueue(_ i: Int) {
    if instances[i].queue.isEmpty { noteFreed() }
    guard instances[i].head != instances[i].queue.first else { return }
    instances[i].head = instances[i].queue.first
    instances[i].blockedGiant = nil
    events += 1
    if let head = instances[i].head { requests[head].headSince = events }
  }

  /// Moves the head of the queue of instance `i` to its batch. Its first blocks have been taken.
  mutating func admit(_ r: Int) {
    let home = requests[r].home
    precondition(instances[home].queue.first == r, "nobody passes the head of the queue")
    countBackfill(r)
    requests[r].lane = laneWithLeastContext(home)
    requests[r].state = .prefilling
    requests[r].admittedAt = now
    events += 1
    requests[r].admission = events
    instances[home].queue.removeFirst()
    noteQueue(home)
    let place = instances[home].running.firstIndex { $0 > r } ?? instances[home].running.endIndex
    instances[home].running.insert(r, at: place)
    changes += 1
  }

  /// A5: the lane with the least context, ties to the lowest.
  ///
  /// A prompt being prefilled counts whole, so that prompts packed together spread over the lanes.
  private func laneWithLeastContext(_ i: Int) -> Int {
    guard costs.stages > 1 else { return 0 }
    var context = Array(repeating: 0, count: costs.stages)
    for r in instances[i].running {
      context[requests[r].lane] +=
        requests[r].state == .prefilling ? requests[r].length : localTokens(r, of: requests[r].stored)
    }
    var best = 0
    for lane in context.indices where context[lane] < context[best] { best = lane }
    return best
  }

  /// Back to the queue with nothing stored; its blocks are freed everywhere (S20).
  /// If a step of its home is under way, the step ends at its old cost and emits nothing for this request.
  mutating func preempt(_ r: Int) {
    leaveBatch(r)
    requests[r].preemptions += 1
    statistics.preemptions += 1
    // 14.7
    let isFruitless = requests[r].row > 0 && requests[r].generated - requests[r].generatedThen < 16
    requests[r].row = isFruitless ? requests[r].row + 1 : 1
    requests[r].generatedThen = requests[r].generated
    requests[r].stored = 0
    enqueue(r)
  }

  /// The last token has appeared.
  mutating func end(_ r: Int) {
    countCompleted(r)
    leaveBatch(r)
    requests[r].state = .ended
    requests[r].ended = now
  }

  mutating func reject(_ r: Int, _ reason: RejectionReason) {
    switch requests[r].state {
    case .unborn, .ended: break
    case .waiting:
      instances[requests[r].home].queue.removeAll { $0 == r }
      noteQueue(requests[r].home)
    case .prefilling, .decoding: leaveBatch(r)
    }
    requests[r].state = .ended
    requests[r].ended = now
    requests[r].rejected = reason
    changes += 1
  }

  private mutating func leaveBatch(_ r: Int) {
    let home = requests[r].home
    release(r)
    instances[home].running.removeAll { $0 == r }
    instances[home].step?.decoding.removeAll { $0 == r }
    instances[home].step?.chunks.removeAll { $0.request == r }
    changes += 1
  }

  // MARK: - Shortage

  /// What came of a shortage.
  enum Shortage {
    /// Somebody else went: look again.
    case somebodyWent
    /// The requester itself went.
    case requesterWent
  }

  /// S20, A10: `r` cannot have a block at home, nor borrow one. The youngest request that holds a block there goes
  /// if it is younger; else `r` itself; and `r` is given up if it is the only one.
  mutating func yieldBlocks(to r: Int) -> Shortage {
    let home = requests[r].home
    let holders = instances.flatMap(\.running).filter { held($0, on: home) > 0 }
    if let youngest = holders.max(), youngest > r {
      preempt(youngest)
      return .somebodyWent
    }
    if holders.contains(where: { $0 != r }) {
      preempt(r)
      return .requesterWent
    }
    // A20: a giant alone at home turns to the creditors before it is given up.
    if lends, isGiant(r), let youngest = youngestOnCreditors(of: r) {
      if youngest > r {
        preempt(youngest)
        return .somebodyWent
      }
      preempt(r)
      return .requesterWent
    }
    // A22: alone it would find one; it may not borrow while an older giant waits.
    if mayNotBorrow(r) {
      preempt(r)
      return .requesterWent
    }
    reject(r, .outgrewCapacity)
    return .requesterWent
  }
}
