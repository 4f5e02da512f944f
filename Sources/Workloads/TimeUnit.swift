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
  var thousands: Int {
    switch self {
    case .s: 0
    case .ms: 1
    case .us: 2
    case .ns: 3
    }
  }

  /// Seconds of one unit.
  var seconds: Double {
    switch self {
    case .s: 1
    case .ms: 1e-3
    case .us: 1e-6
    case .ns: 1e-9
    }
  }
}
