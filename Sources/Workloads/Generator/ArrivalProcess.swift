import Sim

/// When requests arrive: gaps of some shape, stretched by a rate that may change with time.
///
///     ArrivalProcess(gaps: .gamma(cv: 2), pattern: .constant(rate: 4))
public struct ArrivalProcess: Hashable, Sendable {
  /// The shape of gaps between arrivals; their mean is 1 before the rate stretches them.
  public enum Gaps: Hashable, Sendable {
    /// A Poisson process.
    case exponential
    /// Gamma with this coefficient of variation, above 0 and at most 100.
    case gamma(cv: Double)
    /// Weibull with this shape, 0.1 to 100; below 1 is burstier than Poisson.
    case weibull(shape: Double)
    /// All alike.
    case fixed
  }

  /// How the rate, in arrivals per second, goes.
  public enum Pattern: Hashable, Sendable {
    /// All at time 0.
    case together
    /// Always the same.
    case constant(rate: Double)
    /// Two rates by turns, each for exponentially distributed times with these means in seconds.
    case onOff(onRate: Double, offRate: Double, on: Double, off: Double)
    /// A sine around `rate`, `amplitude` (0 to 1) of it up and down, in pieces of 1/288 of a period (seconds);
    /// it begins at the mean and rises.
    case diurnal(rate: Double, amplitude: Double, period: Double)
    /// From each start (seconds, ascending from 0) on this rate; the last goes on.
    case steps([Step])
    /// From one rate to another over so many seconds, in 256 pieces; then the last goes on.
    case ramp(from: Double, to: Double, over: Double)
    /// A mean rate times one lognormal factor of mean 1 per scale, redrawn every `seconds`.
    case modulated(rate: Double, scales: [Scale])
  }

  /// A rate from a time on.
  public struct Step: Hashable, Sendable {
    /// Seconds from the start.
    public var start: Double
    /// Arrivals per second.
    public var rate: Double
    public init(start: Double, rate: Double) { (self.start, self.rate) = (start, rate) }
  }

  /// A time scale on which the rate varies.
  public struct Scale: Hashable, Sendable {
    /// How long a factor holds.
    public var seconds: Double
    /// Coefficient of variation of the factors.
    public var cv: Double
    public init(seconds: Double, cv: Double) { (self.seconds, self.cv) = (seconds, cv) }
  }

  public var gaps: Gaps
  public var pattern: Pattern
  /// Arrivals are rounded down to whole multiples of so many seconds; 0 keeps them.
  public var quantum: Double

  /// All at time 0.
  public static let together = ArrivalProcess(pattern: .together)

  public init(gaps: Gaps = .exponential, pattern: Pattern, quantum: Double = 0) {
    (self.gaps, self.pattern, self.quantum) = (gaps, pattern, quantum)
  }

  /// Reads "together", "poisson:RATE", "fixed:RATE", "gamma:RATE:CV" or "weibull:RATE:SHAPE"; throws
  /// `invalidOption`.
  public init(parsing text: String) throws(TraceError) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    let numbers = parts.dropFirst().map { Double($0) ?? .nan }
    func number(_ index: Int, _ range: ClosedRange<Double>) throws(TraceError) -> Double {
      guard numbers.count > index, range.contains(numbers[index]) else { throw Self.unreadable(text) }
      return numbers[index]
    }
    let needed = ["together": 0, "poisson": 1, "fixed": 1, "gamma": 2, "weibull": 2][parts[0]]
    guard let needed, numbers.count == needed else { throw Self.unreadable(text) }
    if needed == 0 {
      self = .together
      return
    }
    let pattern = Pattern.constant(rate: try number(0, Self.rates))
    switch parts[0] {
    case "fixed": self.init(gaps: .fixed, pattern: pattern)
    case "gamma": self.init(gaps: .gamma(cv: try number(1, Self.cvs)), pattern: pattern)
    case "weibull": self.init(gaps: .weibull(shape: try number(1, Self.shapes)), pattern: pattern)
    default: self.init(gaps: .exponential, pattern: pattern)
    }
  }

  /// Rates that make sense, per second.
  static let rates = 1e-6...1e6
  static let cvs = 0.001...100.0
  static let shapes = 0.1...100.0

  private static func unreadable(_ text: String) -> TraceError {
    .invalidOption(
      name: "arrivals", found: quoted(text.utf8),
      expected: "together, poisson:RATE, fixed:RATE, gamma:RATE:CV or weibull:RATE:SHAPE, with a rate per "
        + "second from 0.000001 to 1000000")
  }
}

extension ArrivalProcess.Gaps {
  /// Gap number `index`, of mean 1.
  func unit(_ draws: RandomDraws, _ index: Int) -> Double {
    switch self {
    case .exponential: return -Elementary.ln(draws.unit(index, 0))
    case .fixed: return 1
    case .gamma(let cv): return draws.gamma(shape: 1 / (cv * cv), entity: index) * cv * cv
    case .weibull(let shape):
      let draw = Elementary.pow(max(-Elementary.ln(draws.unit(index, 0)), 1e-290), 1 / shape)
      return draw / Elementary.exp(Elementary.lnGamma(1 + 1 / shape))
    }
  }
}

/// Arrival times of a process, one after another.
///
/// Gaps are drawn in operational time, where the rate is 1, and mapped through the integral of the rate, which
/// is constant by pieces. Times are whole microseconds.
struct ArrivalSampler {
  private let process: ArrivalProcess
  private let gapDraws: RandomDraws
  private let rateDraws: RandomDraws
  private var count = 0
  /// Seconds.
  private var time = 0.0
  private var piece = (end: 0.0, rate: 0.0)
  private var pieces = 0
  private var factors: [(end: Double, factor: Double, drawn: Int)]

  init(_ process: ArrivalProcess, seed: UInt64, stream: String) {
    self.process = process
    gapDraws = RandomDraws(seed: seed, name: stream + "-gaps")
    rateDraws = RandomDraws(seed: seed, name: stream + "-rate")
    if case .modulated(_, let scales) = process.pattern {
      factors = scales.map { _ in (0, 1, 0) }
    } else {
      factors = []
    }
  }

  /// The next arrival in picoseconds, at most 100 days.
  mutating func next() -> Int64 {
    if case .together = process.pattern { return 0 }
    var rest = process.gaps.unit(gapDraws, count)
    count += 1
    while true {
      if time >= piece.end { advance() }
      let mass = (piece.end - time) * piece.rate
      if rest <= mass, piece.rate > 0 {
        time += rest / piece.rate
        break
      }
      rest -= mass
      time = piece.end
      // Beyond 100 days nothing is told apart.
      if time > 1e7 { break }
    }
    let seconds = process.quantum > 0 ? (time / process.quantum).rounded(.down) * process.quantum : time
    let latest = Double(Instant.longestSpan / 1_000_000)
    return Int64(min((seconds * 1e6).rounded(.down), latest)) * 1_000_000
  }

  /// The next piece of constant rate.
  private mutating func advance() {
    defer { pieces += 1 }
    let start = piece.end
    switch process.pattern {
    case .together: piece = (.infinity, 0)
    case .constant(let rate): piece = (1e9, rate)
    case .onOff(let onRate, let offRate, let on, let off):
      let isOn = pieces % 2 == 0
      let length = -Elementary.ln(rateDraws.unit(pieces, 0)) * (isOn ? on : off)
      piece = (start + max(length, 1e-6), isOn ? onRate : offRate)
    case .diurnal(let rate, let amplitude, let period):
      let turn = (Double(pieces) + 0.5) / 288
      piece = (period * Double(pieces + 1) / 288, rate * (1 + amplitude * Elementary.sine(turns: turn)))
    case .steps(let steps):
      let index = min(pieces, steps.count - 1)
      piece = (index + 1 < steps.count ? steps[index + 1].start : 1e9, steps[index].rate)
    case .ramp(let first, let last, let span):
      let share = (Double(pieces) + 0.5) / 256
      piece =
        pieces < 256
        ? (span * Double(pieces + 1) / 256, first + (last - first) * share) : (1e9, last)
    case .modulated(let rate, let scales):
      for index in scales.indices where factors[index].end <= start {
        let drawn = factors[index].drawn
        factors[index] = (
          Double(drawn + 1) * scales[index].seconds,
          Self.lognormal(cv: scales[index].cv, rateDraws.unit(drawn, index)), drawn + 1
        )
      }
      piece = (factors.map(\.end).min() ?? 1e9, rate * factors.reduce(1) { $0 * $1.factor })
    }
  }

  /// The lognormal number of mean 1 with this CV that lies at `u` of its distribution.
  private static func lognormal(cv: Double, _ u: Double) -> Double {
    let variance = Elementary.ln(1 + cv * cv)
    return Elementary.exp(
      min(max(variance.squareRoot() * Elementary.normalQuantile(u) - variance / 2, -690), 690))
  }
}
