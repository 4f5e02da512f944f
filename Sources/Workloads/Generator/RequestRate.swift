import Sim

/// At which rate a client sends requests, as `vllm bench serve` has it.
///
/// A gap is gamma distributed with shape `burstiness`, its mean 1 / rate: 1 is a Poisson process, less is burstier, infinity
/// makes all gaps alike. At a constant rate all gaps are then stretched alike so that requests / gaps is the rate itself; on a ramp the rate
/// goes from request to request. Source: `get_request` in vllm/benchmarks/serve.py.
public struct RequestRate: Hashable, Sendable {
  /// How the rate, requests per second, goes.
  public enum Course: Hashable, Sendable {
    case constant(Double)
    /// From the first request to the last.
    case ramp(Ramp, from: Double, to: Double)
  }

  /// By equal steps, or by equal factors.
  public enum Ramp: String, CaseIterable, Sendable {
    case linear, exponential
  }

  public let course: Course
  public let burstiness: Double

  /// Throws `invalidOption` for what is out of range, by the name of the option that says it.
  public init(_ course: Course, burstiness: Double = 1) throws(TraceError) {
    func check(_ rate: Double, _ name: String) throws(TraceError) {
      guard ArrivalProcess.rates.contains(rate) else {
        throw .invalidOption(
          name: name, found: "\(rate)", expected: "requests per second from 0.000001 to 1000000")
      }
    }
    switch course {
    case .constant(let rate): try check(rate, "request-rate")
    case .ramp(_, let first, let last):
      try check(first, "ramp-up-start-rps")
      try check(last, "ramp-up-end-rps")
    }
    guard burstiness == .infinity || Self.burstinesses.contains(burstiness) else {
      throw .invalidOption(
        name: "burstiness", found: "\(burstiness)",
        expected: "0.0001 to 1000000, or inf; 1 is a Poisson process")
    }
    (self.course, self.burstiness) = (course, burstiness)
  }

  private static let burstinesses = 1e-4...1e6

  /// "20 requests/s" or "2 to 20 requests/s, linear", and the burstiness if it is not 1.
  public var text: String {
    let rate =
      switch course {
      case .constant(let rate): "\(Self.text(rate)) requests/s"
      case .ramp(let ramp, let first, let last):
        "\(Self.text(first)) to \(Self.text(last)) requests/s, \(ramp.rawValue)"
      }
    return rate + (burstiness == 1 ? "" : ", burstiness \(Self.text(burstiness))")
  }

  private static func text(_ number: Double) -> String {
    Int(exactly: number).map(String.init) ?? "\(number)"
  }

  /// When so many requests are sent, from the first on, a scale making the rate higher. Throws `invalidOption` beyond 100 days.
  public func arrivals(_ count: Int, scale: RateScale = .one, seed: UInt64) throws(TraceError) -> [SimTime] {
    let times = times(count, draws: RandomDraws(seed: seed, name: "request-rate"))
    var arrivals: [SimTime] = []
    arrivals.reserveCapacity(count)
    for time in times {
      let sent = (time - times[0]) * 1e12
      guard sent <= Double(Instant.longestSpan),
        case let scaled = scale.apply(to: Int64(sent.rounded())), scaled <= Int128(Instant.longestSpan)
      else {
        throw .invalidOption(
          name: "request-rate", found: text,
          expected: "a rate at which \(count) requests come within 100 days")
      }
      arrivals.append(SimTime(picoseconds: Int64(scaled)))
    }
    return arrivals
  }

  /// Seconds from the client's start, which is one gap before the first request.
  package func times(_ count: Int, draws: RandomDraws) -> [Double] {
    let gaps: ArrivalProcess.Gaps =
      burstiness == 1
      ? .exponential : burstiness == .infinity ? .fixed : .gamma(cv: (1 / burstiness).squareRoot())
    var time = 0.0
    let times = (0..<count).map { index in
      time += gaps.unit(draws, index) / relative(index, of: count)
      return time
    }
    guard case .constant(let rate) = course, time > 0 else { return times }
    let scale = Double(count) / rate / time
    return times.map { $0 * scale }
  }

  /// The rate at a request: on a ramp in requests per second, else in multiples of the constant one.
  private func relative(_ index: Int, of count: Int) -> Double {
    guard case .ramp(let ramp, let first, let last) = course else { return 1 }
    let progress = Double(index) / Double(max(count - 1, 1))
    return switch ramp {
    case .linear: first + (last - first) * progress
    case .exponential: first * Elementary.pow(last / first, progress)
    }
  }
}
