import Sim

/// Requests of which at most so many are under way at a time: each is sent at its own time, but no earlier than a place is
/// free, in their order. Requests that all arrive at 0 are sent so many at a time, the next as soon as any ends.
///
/// As the semaphore of benchmark clients has it (`--max-concurrency` of `vllm bench serve`).
public struct LimitedSource: RequestSource {
  public let info: RequestSourceInfo
  public let isClosedLoop = true
  private var base: any RequestSource
  /// The request last handed out, at its own time; whether it was put back.
  private var last: TraceRequest?
  private var isBack = false
  /// When those places are free that nobody has taken, descending.
  private var free: [Int64]

  /// The requests of `base`, an open loop, at most `most` at a time.
  public init(_ base: any RequestSource, most: Int) {
    precondition(most > 0 && !base.isClosedLoop, "an open loop is limited to at least one request")
    self.base = base
    info = base.info
    free = Array(repeating: 0, count: min(most, base.info.count))
  }

  public var prefix: ContiguousArray<UInt64> { base.prefix }

  public mutating func next() throws -> TraceRequest? {
    guard let time = free.last else { return nil }
    if !isBack { last = try base.next() }
    isBack = false
    guard var request = last else { return nil }
    free.removeLast()
    request.arrival = max(request.arrival, SimTime(picoseconds: time))
    return request
  }

  public mutating func putBack(_ request: TraceRequest) {
    isBack = true
    // Its place was free earlier, perhaps; no later request is sent before this one.
    add(request.arrival.picoseconds)
  }

  public mutating func ended(_ index: Int, at time: SimTime) { add(time.picoseconds + 1) }

  private mutating func add(_ time: Int64) {
    free.insert(time, at: free.firstIndex { $0 <= time } ?? free.endIndex)
  }
}
