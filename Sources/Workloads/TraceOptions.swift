import Sim

/// What is changed in a trace while it is read: first its length, then each request's size and arrival.
public struct TraceOptions: Hashable, Sendable {
  /// Factor on the arrival rate: arrivals are divided by it and rounded down to a picosecond.
  /// The limit of 100 days holds before and after.
  public let rateScale: RateScale
  /// Only the first so many requests are taken; `nil` takes all. At least 1.
  public let limit: Int?
  /// Most tokens of prompt and output together; `nil` keeps all lengths. At least 2.
  public let clipTotal: Int?

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
}
