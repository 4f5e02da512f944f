import Sim

/// A trace on disk, validated as a whole when opened and then replayed from disk, one request at a time.
///
///     let trace = try TraceFile.open(path: "trace.csv", options: TraceOptions(limit: 1_000))
///     while let request = try trace.next() { … }
///
/// Memory does not grow with the file. A class, because a place in a file has identity: two holders of one
/// `TraceFile` share its position, so open the file twice to replay it twice at once.
public final class TraceFile: RequestSource {
  /// Path as given.
  public let path: String
  /// What was changed while reading.
  public let options: TraceOptions
  /// Format that the header named.
  public let format: TraceFormat
  /// Requests and span, after `options`.
  public let info: RequestSourceInfo
  /// Totals, after `options`.
  public let totals: TraceTotals
  /// SHA-256 of the file's bytes, all of them whatever the limit, as 64 hexadecimal digits.
  public let digest: String

  private let fold: UInt64
  private var replay: Replay

  /// Reads the whole file once, rows beyond the limit included, and checks every row. Throws `missing`,
  /// `notAFile`, `unreadable`, `malformed`, or `invalidOption` for a scale that stretches the trace beyond
  /// 100 days. O(file size), at most 0.4 MB of memory.
  public static func open(
    path: String, options: TraceOptions = .unchanged
  ) throws(TraceError) -> TraceFile {
    var replay = try Replay(path: path, options: options, digesting: true)
    while try replay.next() != nil {}
    try replay.readToEnd()
    return try TraceFile(validated: replay)
  }

  private init(validated: consuming Replay) throws(TraceError) {
    path = validated.path
    options = validated.options
    format = validated.rows.header.format
    info = RequestSourceInfo(count: validated.count, lastArrival: validated.lastArrival)
    totals = validated.totals
    fold = validated.fold
    digest = validated.rows.digest.map { $0.finish() } ?? ""
    replay = try Replay(path: validated.path, options: validated.options, digesting: false)
  }

  /// The next request. Throws `changed` in place of the end (or `malformed` before it) if the requests are no
  /// longer those that were validated.
  public func next() throws(TraceError) -> TraceRequest? {
    if let request = try replay.next() { return request }
    guard replay.count == info.count, replay.fold == fold else { throw .changed(path: path) }
    return nil
  }

  /// Goes back to the first request.
  public func rewind() throws(TraceError) {
    replay = try Replay(path: path, options: options, digesting: false)
  }

  /// All requests from the first, in memory: 24 bytes each. The position is at the end afterwards.
  public func all() throws(TraceError) -> [TraceRequest] {
    try rewind()
    var requests: [TraceRequest] = []
    requests.reserveCapacity(info.count)
    while let request = try next() { requests.append(request) }
    return requests
  }
}

/// Sums over the requests of a trace.
public struct TraceTotals: Hashable, Sendable {
  /// Tokens of all prompts.
  public var promptTokens = 0
  /// Tokens of all outputs.
  public var outputTokens = 0
  /// Requests that the option `clipTotal` shortened.
  public var clippedRequests = 0
}

/// One pass over a file with the options applied.
private struct Replay: ~Copyable {
  let path: String
  let options: TraceOptions
  var rows: RowReader
  private(set) var count = 0
  private(set) var lastArrival = SimTime.zero
  private(set) var totals = TraceTotals()
  /// FNV-1a over the numbers of all requests, 64 bits at a time: tells one pass from another.
  private(set) var fold: UInt64 = 0xCBF2_9CE4_8422_2325

  init(path: String, options: TraceOptions, digesting: Bool) throws(TraceError) {
    self.path = path
    self.options = options
    rows = try RowReader(path: path, digesting: digesting)
  }

  mutating func next() throws(TraceError) -> TraceRequest? {
    if let limit = options.limit, count == limit { return nil }
    guard var request = try rows.next() else { return nil }
    let arrival = options.rateScale.apply(to: request.arrival.picoseconds)
    guard arrival <= Int128(Instant.longestSpan) else {
      throw .invalidOption(
        name: "rate-scale", found: "\(options.rateScale)",
        expected: "a scale that keeps \(path) within 100 days")
    }
    request.arrival = SimTime(picoseconds: Int64(arrival))
    if options.clip(&request) { totals.clippedRequests += 1 }
    count += 1
    lastArrival = request.arrival
    totals.promptTokens += request.prompt
    totals.outputTokens += request.output
    include(request.arrival.picoseconds)
    include(Int64(request.prompt))
    include(Int64(request.output))
    return request
  }

  private mutating func include(_ number: Int64) { fold = (fold ^ UInt64(number)) &* 0x100_0000_01B3 }

  /// Checks the rows beyond the limit.
  mutating func readToEnd() throws(TraceError) {
    while try rows.next() != nil {}
  }
}
