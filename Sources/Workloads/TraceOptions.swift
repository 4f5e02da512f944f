import Sim

/// How a trace is read, and what is changed in it meanwhile: first its length, then each request's size and
/// arrival.
public struct TraceOptions: Hashable, Sendable {
  /// Factor on the arrival rate: arrivals are divided by it and rounded down to a picosecond.
  /// The limit of 100 days holds before and after.
  public let rateScale: RateScale
  /// Only the first so many requests are taken; `nil` takes all. At least 1.
  public package(set) var limit: Int?
  /// Most tokens of prompt and output together; `nil` keeps all lengths. At least 2.
  public let clipTotal: Int?

  /// The format by name; `nil` finds it from the content.
  public var format: String?
  /// Rows that cannot be read are counted and left out, up to `maximumSkippedShare` of all.
  public var isLenient = false
  /// The largest share of rows that may be left out, 0 to 1.
  public var maximumSkippedShare = 0.01
  /// What the arrival column counts, if not what the format says.
  public var timeUnit: TimeUnit?
  /// Times that can hardly be in the unit that they are read in are taken none the less.
  public var acceptsTimes = false
  /// Columns or keys that are left unread, those that the format reads among them.
  public var ignoredColumns: Set<String> = []
  /// When requests without times arrive, or when sessions whose times count from their own start begin; all at
  /// time 0 if `nil`.
  public var arrivals: ArrivalProcess?
  /// Width of the buckets, in picoseconds, over which arrivals are spread that the source has rounded to a
  /// multiple of it; `nil` keeps them.
  public var jitter: Int64?
  /// Seed of the draws for `arrivals`, `jitter` and client pools.
  public var seed: UInt64 = 0
  /// Seconds of a client pool whose windows are taken; `nil` takes all.
  public var poolSpan: ClosedRange<Int>?
  /// The most requests that are drawn of a client pool.
  package var poolLimit = RowReader.maximumSorted
  /// Rows may be in any order of time: all are read into memory, at most 20,000,000, and sorted.
  public var sorts = false
  /// Whether `TraceFile.record()` gives what a trace says beyond arrival and lengths.
  public var keepsDetails = false

  /// The trace as it is.
  public static let unchanged = TraceOptions(scale: .one, limit: nil, clipTotal: nil)

  private init(scale: RateScale, limit: Int?, clipTotal: Int?) {
    rateScale = scale
    self.limit = limit
    self.clipTotal = clipTotal
  }

  /// Throws `invalidOption` for a scale that is no positive decimal ("2", "0.75", "1e-3"), a limit below 1
  /// or a total below 2.
  public init(rateScale: String = "1", limit: Int? = nil, clipTotal: Int? = nil) throws(TraceError) {
    guard let scale = RateScale(rateScale) else {
      throw .invalidOption(
        name: "rate-scale", found: quoted(rateScale.utf8),
        expected: "a decimal above 0 with at most 18 digits on either side of the point")
    }
    if let limit, limit < 1 {
      throw .invalidOption(name: "limit", found: "\(limit)", expected: "1 or more requests")
    }
    if let clipTotal, clipTotal < 2 {
      throw .invalidOption(name: "clip-total", found: "\(clipTotal)", expected: "2 or more tokens")
    }
    self.init(scale: scale, limit: limit, clipTotal: clipTotal)
  }

  /// Shortens the prompt until prompt + output ≤ `clipTotal`. The prompt keeps at least 1 token: an output
  /// that leaves it none is cut to `clipTotal` − 1. Returns whether anything was cut.
  func clip(_ request: inout TraceRequest) -> Bool {
    guard let clipTotal, request.prompt + request.output > clipTotal else { return false }
    request.output = min(request.output, clipTotal - 1)
    request.prompt = clipTotal - request.output
    return true
  }

  /// The names of columns in a list with commas, as `ignoredColumns` takes them: nothing is trimmed.
  public static func columns(_ list: String) -> Set<String> {
    Set(list.split(separator: ",").map(String.init))
  }

  /// What the reader of rows needs of this.
  func rowSettings(isFirstPass: Bool) throws(TraceError) -> RowSettings {
    if let format, TraceFormat.named(format) == nil {
      throw .invalidOption(
        name: "format", found: quoted(format.utf8),
        expected: TraceFormat.all.map(\.name).joined(separator: ", "))
    }
    guard (0...1).contains(maximumSkippedShare) else {
      throw .invalidOption(
        name: "max-skipped", found: "\(maximumSkippedShare)", expected: "a share from 0 to 1")
    }
    if let jitter, jitter < 1 || jitter > 86_400 * Instant.picosecondsPerSecond {
      throw .invalidOption(name: "jitter", found: "\(jitter) ps", expected: "up to a day of seconds")
    }
    return RowSettings(
      format: format, isLenient: isLenient, arrivals: arrivals, arrivalSeed: seed, timeUnit: timeUnit,
      acceptsTimes: acceptsTimes, ignoredColumns: ignoredColumns, poolSpan: poolSpan, poolLimit: poolLimit,
      sorts: sorts, keepsDetails: keepsDetails, isFirstPass: isFirstPass)
  }
}
