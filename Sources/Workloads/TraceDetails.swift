import Sim

/// What a trace says of a request beyond arrival and lengths: kept apart, since few traces say it.
public struct TraceDetails: Hashable, Sendable {
  /// Number of the request in its source, unique in the trace.
  public var id: Int64?
  /// Number of the session (conversation, agent) that the request belongs to.
  public var session: Int?
  /// Place of the request in its session, as the source counts.
  public var turn: Int?
  /// Time between the end of the session's previous request and this arrival.
  public var think: SimDuration?
  /// Kind of request or tenant, such as "chat".
  public var label: String?
  /// Identities of the prompt's blocks, in order: equal numbers are equal tokens, at equal places.
  public var hashes: [UInt64] = []
  /// Tokens of a block of `hashes`, the last of which may be partial.
  public var blockTokens: Int?
  /// Leading tokens of the prompt that the session has seen before.
  public var prefixTokens: Int?

  public init() {}

  /// Whether nothing is said.
  public var isEmpty: Bool { self == TraceDetails() }
}

/// A request with all that its trace says of it.
public struct TraceRecord: Hashable, Sendable {
  /// Arrival and lengths.
  public var request: TraceRequest
  /// The rest.
  public var details: TraceDetails

  public init(_ request: TraceRequest, _ details: TraceDetails = TraceDetails()) {
    self.request = request
    self.details = details
  }
}
