/// Which requests count in a run's latencies, where not all do: not the first, while the cluster fills, and not the last.
public struct LatencyWindow: Hashable, Sendable {
  /// What is left out at an end.
  public enum Margin: Hashable, Sendable, CustomStringConvertible {
    case requests(Int)
    /// Those that are sent within so many seconds of the first or the last.
    case seconds(Double)

    /// Reads "100" or "30s"; `nil` of anything else, and of nothing to leave out.
    public init?(_ text: String) {
      if let count = Int(text), count > 0 {
        self = .requests(count)
      } else if text.hasSuffix("s"), let seconds = Double(text.dropLast()), seconds > 0, seconds <= 8_640_000
      {
        self = .seconds(seconds)
      } else {
        return nil
      }
    }

    public var description: String {
      switch self {
      case .requests(let count): "\(count)"
      case .seconds(let seconds): "\(Int(exactly: seconds).map(String.init) ?? "\(seconds)")s"
      }
    }

    fileprivate var words: String {
      switch self {
      case .requests(let count): "\(count) requests"
      case .seconds: "\(description.dropLast()) s"
      }
    }
  }

  public var warmup: Margin?
  public var cutoff: Margin?

  /// `nil` if nothing is left out.
  public init?(warmup: Margin?, cutoff: Margin?) {
    guard warmup != nil || cutoff != nil else { return nil }
    (self.warmup, self.cutoff) = (warmup, cutoff)
  }

  /// Requests that are left out by their number.
  public var leftOut: Int {
    [warmup, cutoff].reduce(0) { sum, margin in
      if case .requests(let count) = margin { sum + min(count, 1 << 32) } else { sum }
    }
  }

  /// "without the first 100 requests and the last 30 s".
  public var text: String {
    "without "
      + [warmup.map { "the first \($0.words)" }, cutoff.map { "the last \($0.words)" }].compactMap(\.self)
      .joined(separator: " and ")
  }

  /// As manifests and results have it.
  public var json: JSON {
    [
      "warmup": warmup.map { .string($0.description) } ?? .null,
      "cutoff": cutoff.map { .string($0.description) } ?? .null,
    ]
  }

  /// Reads `json`.
  public init?(_ json: JSON) {
    self.init(
      warmup: json["warmup"]?.string.flatMap(Margin.init), cutoff: json["cutoff"]?.string.flatMap(Margin.init)
    )
  }
}
