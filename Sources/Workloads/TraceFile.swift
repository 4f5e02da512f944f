import Sim

/// A trace on disk, validated as a whole when opened and then replayed from disk, one request at a time.
///
///     let trace = try TraceFile.open(path: "trace.csv", options: TraceOptions(limit: 1_000))
///     while let request = try trace.next() { … }
///
/// A trace of at most `mostKept` requests is kept in memory once it is validated; a longer one is read a second time, and
/// memory does not grow with the file, except where requests must be sorted first (sessions with times of their
/// own, client pools) and by 16 bytes for each id of a format that has them. A class, because a place in a file
/// has identity: two holders of one `TraceFile` share its position, so open the file twice to replay it twice
/// at once.
public final class TraceFile: RequestSource {
  /// Path as given.
  public let path: String
  /// How it was read and what was changed.
  public let options: TraceOptions
  /// Format that the content showed or the options named.
  public let format: TraceFormat
  /// Requests and span, after `options`.
  public let info: RequestSourceInfo
  /// Totals, after `options`.
  public let totals: TraceTotals
  /// Tokens of the longest request after `options`, as `BlockLimits.total(prompt:output:)` counts them.
  public let longest: Int
  /// Rows of the file, all of them whatever the limit.
  public let count: RowCount
  /// The unit of the arrival column; `nil` where arrivals are calendar times or none.
  public let timeUnit: TimeUnit?
  /// Columns or keys that were not read and not asked to be ignored, in order of appearance.
  public let unreadColumns: [String]
  /// What a user should know of the way in which the file was read: sentences.
  public let notes: [String]
  /// SHA-256 of the file's bytes as they are on disk, all of them whatever the limit, as 64 hexadecimal digits.
  public let digest: String

  /// Requests up to which a trace is kept: 1.5 MB.
  static let mostKept = 1 << 16

  private let fold: UInt64
  /// All requests; none of a longer trace or one with details.
  private let kept: [TraceRequest]
  private var position = 0
  /// The second reading, of a trace that is not kept.
  private var replay: Replay?

  /// Reads the whole file once, rows beyond the limit included, and checks every row. Throws `missing`,
  /// `notAFile`, `unreadable`, `malformed`, `tooManySkipped`, or `invalidOption` for a scale that stretches the
  /// trace beyond 100 days. O(file size), at most 0.6 MB of memory and once the longest line.
  public static func open(
    path: String, options: TraceOptions = .unchanged
  ) throws(TraceError) -> TraceFile {
    try open(path: path, options: options, keepingAtMost: mostKept)
  }

  package static func open(
    path: String, options: TraceOptions, keepingAtMost most: Int
  ) throws(TraceError) -> TraceFile {
    var replay = try Replay(path: path, options: options, isFirstPass: true)
    var kept: [TraceRequest] = []
    if !options.keepsDetails { kept.reserveCapacity(min(most, options.limit ?? most)) }
    while let request = try replay.next() {
      if !options.keepsDetails, replay.count <= most { kept.append(request) }
    }
    if replay.count > most { kept = [] }
    try replay.readToEnd()
    return try TraceFile(validated: replay, kept: kept)
  }

  private init(validated: consuming Replay, kept: [TraceRequest]) throws(TraceError) {
    self.kept = kept
    path = validated.path
    options = validated.options
    format = validated.rows.format
    info = RequestSourceInfo(count: validated.count, lastArrival: validated.lastArrival)
    totals = validated.totals
    longest = validated.longest
    count = RowCount(
      read: validated.rows.rows, skipped: validated.rows.skipped,
      firstSkipped: validated.rows.firstSkipped)
    if options.arrivals != nil, format.times == .shared {
      throw .invalidOption(
        name: "arrivals", found: "a process",
        expected:
          "nothing: \(validated.path) has times of its own (--ignore-columns leaves them out, --rate-scale changes their rate)"
      )
    }
    guard Double(count.allSkipped) <= options.maximumSkippedShare * Double(count.all) else {
      throw .tooManySkipped(path: validated.path, count: count, share: options.maximumSkippedShare)
    }
    timeUnit = validated.rows.timeUnit
    unreadColumns = validated.rows.unreadColumns
    var notes: [String] = []
    if !unreadColumns.isEmpty {
      notes.append(
        "\(path): not read: \(unreadColumns.prefix(20).joined(separator: ", "))"
          + (unreadColumns.count > 20 ? " and \(unreadColumns.count - 20) more" : ""))
    }
    // Elsewhere the format says what they are.
    let kept = [("id", Role.id), ("class", .label)].filter { validated.rows.gives($0.1) }.map(\.0)
    if format.name.hasPrefix("plain"), !kept.isEmpty {
      notes.append(
        "\(path): \(kept.joined(separator: " and ")) stay in converted traces; a run numbers its requests by row and has "
          + "classes by length")
    }
    if let warning = try validated.rows.ended() { notes.append(warning) }
    self.notes = notes
    fold = validated.fold
    digest = validated.rows.digest.map { $0.finish() } ?? ""
    try rewind()
  }

  /// The next request. Where the trace is not kept, throws `changed` in place of the end (or `malformed` before it) if
  /// the requests are no longer those that were validated.
  public func next() throws(TraceError) -> TraceRequest? {
    if position < kept.count {
      position += 1
      return kept[position - 1]
    }
    guard kept.isEmpty else { return nil }
    if let request = try replay?.next() { return request }
    guard replay?.count == info.count, replay?.fold == fold else { throw .changed(path: path) }
    return nil
  }

  /// The next request with its details, which are empty unless `TraceOptions.keepsDetails`.
  public func record() throws(TraceError) -> TraceRecord? {
    try next().map { TraceRecord($0, replay?.details ?? TraceDetails()) }
  }

  /// Goes back to the first request.
  public func rewind() throws(TraceError) {
    position = 0
    guard kept.isEmpty else { return }
    replay = try Replay(path: path, options: options, isFirstPass: false)
  }

  /// All requests from the first, in memory: 24 bytes each. The position is at the end afterwards.
  public func all() throws(TraceError) -> [TraceRequest] {
    try rewind()
    var requests: [TraceRequest] = []
    requests.reserveCapacity(info.count)
    while let request = try next() { requests.append(request) }
    return requests
  }

  /// All requests with their details from the first, in memory.
  public func allRecords() throws(TraceError) -> [TraceRecord] {
    try rewind()
    var records: [TraceRecord] = []
    records.reserveCapacity(info.count)
    while let record = try record() { records.append(record) }
    return records
  }

  /// How arrivals were read, in a word or two.
  public var timeText: String { options.timeUnit?.name ?? format.timeText }

  /// Whether the path is a pipe, socket or device, of which nobody knows what will come.
  public static func isStream(path: String) -> Bool { ByteSource.isStream(path: path) }

  /// One pass over all rows, checked and thrown away, without a digest: all that a reader does, and no more.
  public static func countRows(
    path: String, options: TraceOptions = .unchanged
  ) throws(TraceError) -> (format: TraceFormat, count: RowCount) {
    var rows = try RowReader(
      path: path, settings: try options.rowSettings(isFirstPass: true), digesting: false)
    while try rows.next() != nil {}
    _ = try rows.ended()
    return (rows.format, RowCount(read: rows.rows, skipped: rows.skipped, firstSkipped: rows.firstSkipped))
  }
}

/// Rows of a file: read + skipped = all.
public struct RowCount: Hashable, Sendable {
  /// Rows that are requests.
  public var read: Int
  /// Rows left out, by reason.
  public var skipped: [SkipReason: Int] = [:]
  /// What was wrong with the first of those.
  public var firstSkipped: TraceError?

  /// Rows left out.
  public var allSkipped: Int { skipped.values.reduce(0, +) }
  /// Rows of the file.
  public var all: Int { read + allSkipped }

  /// "24,005 read + 10 skipped (no-output 10) = 24,015 rows", without the thousands marks.
  public var text: String {
    let reasons = SkipReason.allCases.compactMap { reason in
      skipped[reason].map { "\(reason.rawValue) \($0)" }
    }
    let list = reasons.isEmpty ? "" : " (\(reasons.joined(separator: ", ")))"
    return "\(read) read + \(allSkipped) skipped\(list) = \(all) rows"
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

  package init(promptTokens: Int = 0, outputTokens: Int = 0, clippedRequests: Int = 0) {
    self.promptTokens = promptTokens
    self.outputTokens = outputTokens
    self.clippedRequests = clippedRequests
  }
}

/// One pass over a file with the options applied.
private struct Replay: ~Copyable {
  let path: String
  let options: TraceOptions
  var rows: RowReader
  private(set) var count = 0
  private(set) var lastArrival = SimTime.zero
  private(set) var totals = TraceTotals()
  private(set) var longest = 0
  private(set) var details = TraceDetails()
  /// FNV-1a over the numbers of all requests, 64 bits at a time: tells one pass from another.
  private(set) var fold: UInt64 = 0xCBF2_9CE4_8422_2325
  private var spread: BucketSpread?

  init(path: String, options: TraceOptions, isFirstPass: Bool) throws(TraceError) {
    self.path = path
    self.options = options
    rows = try RowReader(
      path: path, settings: try options.rowSettings(isFirstPass: isFirstPass), digesting: isFirstPass)
    spread = options.jitter.map { BucketSpread(width: $0, seed: options.seed) }
  }

  mutating func next() throws(TraceError) -> TraceRequest? {
    if let limit = options.limit, count == limit { return nil }
    guard var request = try nextRow() else { return nil }
    let arrival = options.rateScale.apply(to: request.arrival.picoseconds)
    guard arrival <= Int128(Instant.longestSpan) else {
      throw .invalidOption(
        name: "rate-scale", found: "\(options.rateScale)",
        expected: "a scale that keeps \(path) within 100 days")
    }
    request.arrival = SimTime(picoseconds: Int64(arrival))
    if options.clip(&request) {
      totals.clippedRequests += 1
      if options.keepsDetails { details.shorten(toPrompt: request.prompt) }
    }
    count += 1
    lastArrival = request.arrival
    totals.promptTokens += request.prompt
    totals.outputTokens += request.output
    longest = max(longest, BlockLimits.total(prompt: request.prompt, output: request.output))
    include(request.arrival.picoseconds)
    include(Int64(request.prompt))
    include(Int64(request.output))
    return request
  }

  private mutating func nextRow() throws(TraceError) -> TraceRequest? {
    guard spread != nil else {
      guard let request = try rows.next() else { return nil }
      if options.keepsDetails { details = rows.details }
      return request
    }
    while !spread!.isReady {
      guard let request = try rows.next() else {
        spread!.finish()
        break
      }
      spread!.add(TraceRecord(request, options.keepsDetails ? rows.details : TraceDetails()))
    }
    guard let record = spread!.take() else { return nil }
    details = record.details
    return record.request
  }

  private mutating func include(_ number: Int64) { fold = (fold ^ UInt64(number)) &* 0x100_0000_01B3 }

  /// Checks the rows beyond the limit.
  mutating func readToEnd() throws(TraceError) {
    while try rows.next() != nil {}
  }
}

extension TraceDetails {
  /// Leaves out what a shortened prompt has no more.
  mutating func shorten(toPrompt prompt: Int) {
    if let blockTokens {
      hashes.removeLast(max(hashes.count - (prompt + blockTokens - 1) / blockTokens, 0))
    }
    prefixTokens = prefixTokens.map { min($0, prompt) }
  }
}
