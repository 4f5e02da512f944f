import Sim

/// A generated trace: short chat mixed with long documents, arriving as a Poisson process.
///
/// Chat prompts have 32 to 4,096 tokens and outputs 10 to 600, lognormal-like with medians 362 and 77:
/// the logarithm is the mean of three uniform draws, a bell without tails. A document's prompt is log-uniform
/// from 8,192 to `longMaximum` tokens, its output 16 to 512 with the same bell (median 90).
/// Assumed: ranges set by hand, chat after the spread of Azure's 2023 conversations; nothing is fitted.
/// Left out: bursts, daily rhythm, sessions, shared prefixes.
///
/// The same parameters give the same requests on every machine, and more requests only add to the end.
public struct MixedTrace: Hashable, Sendable {
  /// Seed of all draws.
  public let seed: UInt64
  /// How many, 1 to 10,000,000.
  public let requests: Int
  /// Mean arrivals per second, 0.001 to 1,000,000.
  public let rate: Double
  /// Share of requests that are long documents, 0 to 1.
  public let longShare: Double
  /// Most tokens of a document's prompt, 8,192 to 100,000,000.
  public let longMaximum: Int

  /// Throws `invalidOption` for a parameter out of range, or when the arrivals are likely to span more
  /// than 50 days.
  public init(
    seed: UInt64, requests: Int = 3_000, rate: Double = 12, longShare: Double = 0.04,
    longMaximum: Int = 500_000
  ) throws(TraceError) {
    func check(_ isGood: Bool, _ name: String, _ found: String, _ expected: String) throws(TraceError) {
      guard isGood else { throw .invalidOption(name: name, found: found, expected: expected) }
    }
    try check((1...10_000_000).contains(requests), "requests", "\(requests)", "1 to 10000000 requests")
    try check((0.001...1e6).contains(rate), "rate", "\(rate)", "0.001 to 1000000 requests per second")
    try check(
      Double(requests) / rate <= 50 * 86_400, "requests", "\(requests) at \(rate) per second",
      "a trace of at most 50 days")
    try check((0...1).contains(longShare), "long-share", "\(longShare)", "a share from 0 to 1")
    try check(
      (Self.longMinimum...RowReader.maximumTokens).contains(longMaximum), "long-maximum", "\(longMaximum)",
      "\(Self.longMinimum) to \(RowReader.maximumTokens) tokens")
    self.seed = seed
    self.requests = requests
    self.rate = rate
    self.longShare = longShare
    self.longMaximum = longMaximum
  }

  /// Fewest tokens of a document's prompt.
  public static let longMinimum = 8_192

  /// All requests in order of arrival; arrivals are whole microseconds, the first at 0.
  public func generate() -> [TraceRequest] {
    let gaps = RandomStream(seed: seed, name: "mixed-gaps")
    let lengths = RandomStream(seed: seed, name: "mixed-lengths")
    var microseconds: Int64 = 0
    return (0..<requests).map { index in
      if index > 0 {
        microseconds += Int64(-Elementary.ln(gaps.unit(entity: index, ordinal: 0)) * 1e6 / rate)
      }
      let arrival = SimTime.zero + .microseconds(microseconds)
      func unit(_ ordinal: Int) -> Double { lengths.unit(entity: index, ordinal: ordinal) }
      func bell(_ first: Int) -> Double { (unit(first) + unit(first + 1) + unit(first + 2)) / 3 }
      if unit(0) <= longShare {
        return TraceRequest(
          arrival: arrival, prompt: Self.logarithmic(Self.longMinimum, longMaximum, at: unit(1)),
          output: Self.logarithmic(16, 512, at: bell(4)))
      }
      return TraceRequest(
        arrival: arrival, prompt: Self.logarithmic(32, 4_096, at: bell(1)),
        output: Self.logarithmic(10, 600, at: bell(4)))
    }
  }

  /// The whole number that lies at `position` (0 to 1) of the way from `low` to `high` on a logarithmic
  /// scale.
  private static func logarithmic(_ low: Int, _ high: Int, at position: Double) -> Int {
    let span = Elementary.ln(Double(high) / Double(low))
    return min(Int(Double(low) * Elementary.exp(position * span)), high)
  }
}
