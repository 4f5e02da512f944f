/// One request of a trace: when it arrives, how long its prompt is, how many tokens it will generate.
public struct TraceRequest: Hashable, Sendable {
  /// Time since the first arrival of the trace.
  public var arrival: SimTime
  /// Prompt tokens, at least 1.
  public var prompt: Int
  /// Output tokens, at least 1. Policies never see it.
  public var output: Int

  public init(arrival: SimTime, prompt: Int, output: Int) {
    self.arrival = arrival
    self.prompt = prompt
    self.output = output
  }
}

/// Requests in order of arrival, handed out one at a time so that a trace need not fit in memory.
public protocol RequestSource {
  /// What is known of the whole stream before it is replayed.
  var info: RequestSourceInfo { get }
  /// The next request, or `nil` after the last. Arrivals never decrease.
  mutating func next() throws -> TraceRequest?
  /// Identities of the whole units of `info.prefixUnit` tokens that the prompt of the request last handed out begins
  /// with: equal numbers are equal tokens after equal beginnings.
  var prefix: ContiguousArray<UInt64> { get }
  /// Whether later requests wait for earlier ones to end (sessions). Then `next` may be `nil` while requests live, and
  /// is asked again after `ended`.
  var isClosedLoop: Bool { get }
  /// The request handed out as number `index`, from 0, has ended at `time`, completed or rejected. What follows it
  /// arrives later than that. Called for closed loops only.
  mutating func ended(_ index: Int, at time: SimTime)
  /// Takes back the request last handed out, which may no longer be the next. Called for closed loops only.
  mutating func putBack(_ request: TraceRequest)
}

extension RequestSource {
  public var prefix: ContiguousArray<UInt64> { [] }
  public var isClosedLoop: Bool { false }
  public mutating func ended(_ index: Int, at time: SimTime) {}
  public mutating func putBack(_ request: TraceRequest) {
    preconditionFailure("an open-loop source takes nothing back")
  }
}

/// Size and span of a request stream, found by a first validating pass (or known to a generator).
public struct RequestSourceInfo: Hashable, Sendable {
  /// Number of requests, at least 1.
  public var count: Int
  /// Arrival of the last request, relative to the first; of a closed loop, of the last one that waits for nobody.
  public var lastArrival: SimTime
  /// Tokens of a unit of shared prefix, 0 where prompts share nothing.
  public var prefixUnit: Int

  public init(count: Int, lastArrival: SimTime, prefixUnit: Int = 0) {
    self.count = count
    self.lastArrival = lastArrival
    self.prefixUnit = prefixUnit
  }
}

/// A stream of requests held in an array: for tests, generators and resampled traces.
public struct ArraySource: RequestSource {
  public let info: RequestSourceInfo
  private let requests: [TraceRequest]
  private var position = 0

  /// `requests` must not be empty and must be sorted by arrival.
  public init(_ requests: [TraceRequest]) {
    precondition(!requests.isEmpty, "a request source holds at least one request")
    self.requests = requests
    info = RequestSourceInfo(count: requests.count, lastArrival: requests[requests.count - 1].arrival)
  }

  public mutating func next() -> TraceRequest? {
    guard position < requests.count else { return nil }
    defer { position += 1 }
    return requests[position]
  }
}
