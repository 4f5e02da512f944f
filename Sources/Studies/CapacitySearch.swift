/// Finds the highest rate that passes: a scan of the whole range first, because the answer need not be monotone,
/// then bisection of the first interval in which passing turns into failing.
///
/// 1. `scan` rates from `from` to `to`, evenly on a logarithmic scale, are tried.
/// 2. If the lowest fails or none does, that is the answer: nothing is rounded to the nearest rate.
/// 3. The interval between the last pass before the first failure and that failure is bisected at its geometric
///    mean until its ends are within `precision` of each other.
/// 4. 5 % below and above the answer are tried as well: the first should pass and the second should fail.
public struct CapacitySearch: Sendable {
  public var from: Double
  public var to: Double
  public var scan: Int
  /// The bracket's width over its lower end at which bisection stops.
  public var precision: Double

  public init(from: Double, to: Double, scan: Int, precision: Double) {
    (self.from, self.to, self.scan, self.precision) = (from, to, scan, precision)
  }

  public enum Answer: Hashable, Sendable {
    /// Even the lowest rate fails.
    case belowLowest
    /// No rate fails.
    case aboveHighest
    /// The highest rate found to pass and the lowest found to fail above it.
    case bracket(passes: Double, fails: Double)
  }

  public struct Outcome: Sendable {
    public var answer: Answer
    /// Every rate tried, ascending.
    public var tried: [(rate: Double, passes: Bool)]
    /// Whether 5 % below the answer passes and 5 % above it fails; `nil` without a bracket.
    public var passesBelow: Bool?
    public var failsAbove: Bool?

    /// Whether no rate passes above one that fails.
    public var isMonotone: Bool {
      guard let firstFailure = tried.firstIndex(where: { !$0.passes }) else { return true }
      return !tried[firstFailure...].contains { $0.passes }
    }
  }

  /// Asks `passes` about several rates at a time; the answers are in the order of the rates.
  public func run(_ passes: ([Double]) throws -> [Bool]) rethrows -> Outcome {
    var tried: [Double: Bool] = [:]
    func ask(_ rates: [Double]) throws -> [Bool] {
      let unknown = rates.filter { tried[$0] == nil }
      if !unknown.isEmpty {
        for (rate, answer) in zip(unknown, try passes(unknown)) { tried[rate] = answer }
      }
      return rates.map { tried[$0]! }
    }
    func outcome(_ answer: Answer) -> Outcome {
      Outcome(answer: answer, tried: tried.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
    }
    let rates = (0..<scan).map { Self.rounded(from * power(to / from, Double($0) / Double(scan - 1))) }
    let answers = try ask(rates)
    guard let firstFailure = answers.firstIndex(of: false) else { return outcome(.aboveHighest) }
    guard firstFailure > 0 else { return outcome(.belowLowest) }
    var (low, high) = (rates[firstFailure - 1], rates[firstFailure])
    while high / low > 1 + precision {
      let middle = Self.rounded((low * high).squareRoot())
      guard low < middle, middle < high else { break }
      if try ask([middle])[0] { low = middle } else { high = middle }
    }
    let around = try ask([Self.rounded(low * 0.95), Self.rounded(low * 1.05)])
    var found = outcome(.bracket(passes: low, fails: high))
    (found.passesBelow, found.failsAbove) = (around[0], !around[1])
    return found
  }

  /// The rate to five digits, so that it can be given to `--rate-scale` as it is printed.
  static func rounded(_ rate: Double) -> Double {
    guard rate > 0, rate.isFinite else { return rate }
    var (scaled, scale) = (rate, 1.0)
    while scaled < 10_000 { (scaled, scale) = (scaled * 10, scale * 10) }
    while scaled >= 100_000 { (scaled, scale) = (scaled / 10, scale / 10) }
    return scaled.rounded() / scale
  }

  /// base^exponent for an exponent from 0 to 1, by square roots: the same digits on every machine.
  private func power(_ base: Double, _ exponent: Double) -> Double {
    var (result, root, rest) = (1.0, base, exponent)
    if rest >= 1 { return base }
    for _ in 0..<52 where rest > 0 {
      root = root.squareRoot()
      rest *= 2
      if rest >= 1 { (result, rest) = (result * root, rest - 1) }
    }
    return result
  }
}
