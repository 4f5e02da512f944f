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
}

/// Size and span of a request stream, found by a first validating pass (or known to a generator).
public struct RequestSourceInfo: Hashable, Sendable {
  /// Number of requests, at least 1.
  public var count: Int
  /// Arrival of the last request, relative to the first.
  public var lastArrival: SimTime

  public init(count: Int, lastArrival: SimTime) {
    self.count = count
    self.lastArrival = lastArrival
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
