import Reference

/// One decode call: a query token of each of `sequences` sequences that have `tokens` cached tokens each.
public struct DecodeCall: Hashable, Sendable {
  /// Sequences, at least 1.
  public var sequences: Int
  /// Cached tokens of each, at least 1.
  public var tokens: Int

  /// A call of this size.
  public init(sequences: Int, tokens: Int) {
    self.sequences = sequences
    self.tokens = tokens
  }
}

/// The lower quartile, median and upper quartile of some measurements.
public struct Spread: Hashable, Sendable, Codable {
  public var lower: Double
  public var median: Double
  public var upper: Double

  /// Of `values`, at least one; between two of them the nearer to the lower end.
  public init(_ values: [Double]) {
    precondition(!values.isEmpty, "there is something measured")
    let sorted = values.sorted()
    func at(_ quarter: Int) -> Double { sorted[(sorted.count - 1) * quarter / 4] }
    lower = at(1)
    median = at(2)
    upper = at(3)
  }
}

/// How fast a decode call was, and how right.
public struct DecodeTiming: Hashable, Sendable {
  public var call: DecodeCall
  /// Keys and values that it reads, bytes.
  public var bytes: Int
  /// Seconds of the call on the device, cold caches.
  public var seconds: Spread
  /// The rate of a plain read of memory right before each call, bytes/s.
  public var readRate: Spread
  /// The multiprocessors' clock right after it, MHz, where the driver tells.
  public var clock: Int?
  /// The last sequence's output, if the context is short enough for the judge to be quick.
  public var verdict: Judge.Verdict?
}

/// What a call costs beside the reading of memory.
public struct LaunchCosts: Hashable, Sendable, Codable {
  /// Seconds on the device of a call over 64 tokens that was queued before.
  public var queued: Double
  /// Seconds from the launch of the same call to its end, as the host sees it.
  public var alone: Double
  /// Seconds for each of many such calls in a row.
  public var inARow: Double
}

/// Decode calls of one model in one format over a cache that fills much of the device's memory.
///
/// The device's blocks repeat those of a small store on the host, so that nothing large is made or copied there and yet any
/// sequence can be judged.
struct DecodeBench {
  private let device: CUDADevice
  private let heads: AttentionShape
  private let tensors = RandomTensors(seed: 1)
  private let store: KVStore
  private let keys: CUDADevice.Buffer
  private let values: CUDADevice.Buffer
  /// Blocks on the device.
  private let blocks: Int
  private let read: MemoryRead

  /// As vLLM and the simulator have it.
  private static let blockTokens = 16
  /// The store on the host, bytes of its keys.
  private static let storeBytes = 16 << 20
  /// Longer contexts are not judged: the oracle takes seconds.
  private static let mostJudged = 8192

  /// `bytes` of keys and values at most.
  init(_ heads: AttentionShape, _ element: ElementType, bytes: Int, on device: CUDADevice) throws(CUDAError) {
    self.device = device
    self.heads = heads
    read = try MemoryRead(on: device)
    let blockBytes = Self.blockTokens * heads.kvHeads * heads.headDim * element.bytes
    blocks = max(1, bytes / 2 / blockBytes)
    store = KVStore(
      element,
      layout: .tokenMajor(blockTokens: Self.blockTokens, kvHeads: heads.kvHeads, headDim: heads.headDim),
      blocks: min(blocks, max(1, Self.storeBytes / blockBytes)), kvHeads: heads.kvHeads,
      headDim: heads.headDim)
    let slots = (0..<Int32(store.blocks))
    tensors.fill(
      KVPart(
        store: store, table: Array(slots), positions: slots.map { $0 * Int32(Self.blockTokens) },
        range: 0..<store.blocks * Self.blockTokens))
    keys = try device.buffer(bytes: blocks * blockBytes)
    values = try device.buffer(bytes: blocks * blockBytes)
    try device.fill(keys, repeating: UnsafeRawBufferPointer(store.keys.bytes))
    try device.fill(values, repeating: UnsafeRawBufferPointer(store.values.bytes))
  }

  /// Whether the call's blocks fit.
  func fits(_ call: DecodeCall) -> Bool { call.sequences * Self.slots(call) <= blocks }

  private static func slots(_ call: DecodeCall) -> Int { (call.tokens + blockTokens - 1) / blockTokens }

  /// Times a call that fits, `samples` times, and judges one of its outputs.
  func timing(_ call: DecodeCall, samples: Int) throws(CUDAError) -> DecodeTiming {
    let prepared = try prepare(call)
    // The first launches of kernels load them, and clocks rise with work.
    try prepared.call.launch()
    for _ in 0..<2 * samples { try read.launch() }
    try device.synchronise()
    var (seconds, rates): ([Double], [Double]) = ([], [])
    for _ in 0..<samples {
      // While the first read runs, the rest is queued: no gap between events is the host's.
      let times = try device.seconds([read.launch, read.launch, prepared.call.launch])
      rates.append(Double(read.bytes) / times[1])
      seconds.append(times[2])
    }
    let clock = device.management?.multiprocessorClock
    return DecodeTiming(
      call: call, bytes: call.sequences * heads.kvBytes(store.element, tokens: call.tokens),
      seconds: Spread(seconds), readRate: Spread(rates), clock: clock, verdict: try judge(prepared))
  }

  /// The costs of a small call, from `samples` of each.
  func launchCosts(samples: Int) throws(CUDAError) -> LaunchCosts {
    let small = try prepare(DecodeCall(sequences: 1, tokens: 64)).call
    try small.launch()
    try device.synchronise()
    var (queued, alone): ([Double], [Double]) = ([], [])
    for _ in 0..<samples { queued.append(try device.seconds([read.launch, small.launch])[1]) }
    for _ in 0..<samples {
      alone.append(
        try hostSeconds { () throws(CUDAError) in
          try small.launch()
          try device.synchronise()
        })
    }
    let inARow = try hostSeconds { () throws(CUDAError) in
      for _ in 0..<10 * samples { try small.launch() }
      try device.synchronise()
    }
    return LaunchCosts(
      queued: Spread(queued).median, alone: Spread(alone).median,
      inARow: inARow / Double(10 * samples))
  }

  private func hostSeconds(_ work: () throws(CUDAError) -> Void) throws(CUDAError) -> Double {
    let start = ContinuousClock.now
    try work()
    return (ContinuousClock.now - start) / .seconds(1)
  }

  /// A call in device memory, and its last sequence as the host sees it.
  private struct Prepared {
    var call: PartialCall
    var query: AttentionQuery
    var part: KVPart
  }

  private func prepare(_ call: DecodeCall) throws(CUDAError) -> Prepared {
    let (slots, rows) = (Self.slots(call), heads.rows * heads.headDim)
    var random = RandomNumbers(seed: UInt64(call.tokens))
    let table = (0..<Int32(blocks)).shuffled(using: &random).prefix(call.sequences * slots)
    let positions = (0..<slots).map { Int32($0 * Self.blockTokens) }
    var shape = heads
    shape.queries = call.sequences
    let queries = tensors.queries(store.element, shape)
    let query = AttentionQuery(
      shape: heads,
      values: ElementBuffer(store.element, queries.floats((call.sequences - 1) * rows..<queries.count)),
      firstPosition: call.tokens - 1, isCausal: true)
    // What the last sequence reads is in the host's blocks too.
    let part = KVPart(
      store: store, table: table.suffix(slots).map { $0 % Int32(store.blocks) }, positions: positions,
      range: 0..<call.tokens)
    let plan = LaunchPlan(
      query, over: part, sequences: call.sequences, multiprocessors: device.multiprocessors)
    let queryBuffer = try device.buffer(bytes: queries.bytes.count)
    try device.copy(UnsafeRawBufferPointer(queries.bytes), to: queryBuffer, at: 0)
    func each<T>(_ values: [T]) -> [T] { (0..<call.sequences).flatMap { _ in values } }
    let inputs = PartialInputs(
      query: queryBuffer, keys: keys, values: values, table: try device.buffer(Array(table)),
      positions: try device.buffer(each(positions)),
      range: try device.buffer(each([UInt32(0), UInt32(call.tokens)])),
      firstQuery: try device.buffer(each([Int32(call.tokens - 1)])))
    return Prepared(call: try PartialCall(plan, heads, inputs, on: device), query: query, part: part)
  }

  private func judge(_ prepared: Prepared) throws(CUDAError) -> Judge.Verdict? {
    guard prepared.part.count <= Self.mostJudged else { return nil }
    let output = try prepared.call.result().normalised()
    return Judge(prepared.query, over: prepared.part).verdict(
      Array(output.suffix(prepared.query.values.count)))
  }
}
