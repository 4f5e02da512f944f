import Sim

/// A load in one line, as benchmarks are told: lengths, when requests are sent, and how many.
///
///     1200:250@20/s                             prompts of 1,200 tokens, outputs of 250, 20 requests per second
///     1024:128@concurrency=64,requests=640      64 at a time, the next as soon as any ends
///     1024:128@inf,range-ratio=0.2              all at once; lengths evenly from 0.8 to 1.2 times those given
public struct LoadLine: Hashable, Sendable {
  /// When requests are sent.
  public enum Sending: Hashable, Sendable {
    /// So many per second, a Poisson process.
    case rate(Double)
    /// All at once.
    case together
    /// So many at a time.
    case concurrency(Int)
  }

  /// Mean tokens.
  public var prompt: Int
  public var output: Int
  /// `nil` if the line does not say.
  public var sending: Sending?
  public var requests = Self.defaultRequests
  /// Lengths are whole numbers drawn evenly from so much below the mean to so much above it, as a share of it; 0 and more, below 1.
  public var rangeRatio = 0.0

  /// The fewest with which `capacity` finds a rate.
  public static let defaultRequests = 2_000

  /// Reads what the examples show; throws `invalidOption`.
  public init(parsing text: String) throws(TraceError) {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false)
    let head = (parts.first ?? "").split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
    let lengths = (head.first ?? "").split(separator: ":", omittingEmptySubsequences: false).map { Int($0) }
    guard lengths.count == 2, let prompt = lengths[0], let output = lengths[1],
      Self.tokens.contains(prompt), Self.tokens.contains(output)
    else {
      throw Self.wrong(head.first ?? "", "PROMPT:OUTPUT, 1 to 100000000 tokens each, such as 1200:250@20/s")
    }
    (self.prompt, self.output) = (prompt, output)
    if head.count > 1 { sending = try Self.sending(head[1]) }
    var seen: Set<Substring> = []
    for part in parts.dropFirst() {
      let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard pair.count == 2, seen.insert(pair[0]).inserted else {
        throw Self.wrong(part, "requests=N or range-ratio=R, each once")
      }
      switch pair[0] {
      case "requests":
        guard let count = Int(pair[1]), (1...RowReader.maximumSorted).contains(count) else {
          throw Self.wrong(part, "requests=N with N from 1 to \(RowReader.maximumSorted)")
        }
        requests = count
      case "range-ratio":
        guard let ratio = Double(pair[1]), ratio >= 0, ratio < 1 else {
          throw Self.wrong(part, "range-ratio=R with R from 0 to below 1")
        }
        rangeRatio = ratio
      default: throw Self.wrong(part, "requests=N or range-ratio=R, each once")
      }
    }
  }

  private static func sending(_ text: Substring) throws(TraceError) -> Sending {
    if text == "inf" { return .together }
    if text.hasSuffix("/s"), let rate = Double(text.dropLast(2)), ArrivalProcess.rates.contains(rate) {
      return .rate(rate)
    }
    let key = "concurrency="
    if text.hasPrefix(key), let most = Int(text.dropFirst(key.count)), concurrencies.contains(most) {
      return .concurrency(most)
    }
    throw wrong(
      "@" + text,
      "@RATE/s with 0.000001 to 1000000 requests per second, @concurrency=N with N from 1 to "
        + "\(concurrencies.upperBound), or @inf")
  }

  /// Requests that may be under way at a time.
  public static let concurrencies = 1...1_000_000
  private static let tokens = 1...RowRules.maximumTokens

  private static func wrong(_ found: some StringProtocol, _ expected: String) -> TraceError {
    .invalidOption(name: "load", found: quoted(found.utf8), expected: expected)
  }

  /// The requests, all at 0: `sending` is not part of it.
  public var spec: WorkloadSpec {
    WorkloadSpec(
      seed: 0, requests: requests,
      classes: [
        RequestClass(
          name: "load", source: .open(.together), prompt: lengths(around: prompt),
          output: lengths(around: output))
      ])
  }

  /// As `--random-range-ratio` of `vllm bench serve` draws them.
  private func lengths(around mean: Int) -> LengthDistribution {
    let low = max((Double(mean) * (1 - rangeRatio)).rounded(.down), 1)
    let high = min((Double(mean) * (1 + rangeRatio)).rounded(.up), Double(RowRules.maximumTokens))
    // Every whole number has as much room.
    return low == high ? .fixed(low) : .clamped(.uniform(low - 0.5, high + 0.5), low, high)
  }
}
