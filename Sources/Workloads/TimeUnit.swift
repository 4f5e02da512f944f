/// What the numbers of an arrival column count.
public enum TimeUnit: String, CaseIterable, Sendable {
  case s, ms, us, ns

  /// The unit in words.
  public var name: String {
    switch self {
    case .s: "seconds"
    case .ms: "milliseconds"
    case .us: "microseconds"
    case .ns: "nanoseconds"
    }
  }

  /// How often a second is divided by a thousand.
  var thousands: Int { Self.allCases.firstIndex(of: self)! }

  /// Seconds of one unit.
  var seconds: Double { [1, 1e-3, 1e-6, 1e-9][thousands] }
}
