import Sim

/// Numbers of tokens, or seconds, by their inverse distribution function, so that one uniform number gives one
/// value and two values can be correlated through their uniform numbers.
public indirect enum LengthDistribution: Hashable, Sendable {
  case fixed(Double)
  /// Evenly between the two.
  case uniform(Double, Double)
  /// Evenly on a logarithmic scale; both above 0.
  case logUniform(Double, Double)
  /// With this median, and this standard deviation of the logarithm.
  case lognormal(median: Double, sigma: Double)
  /// exp(−x / mean).
  case exponential(mean: Double)
  /// Whole numbers k from `first` on, `count` of them, by (k − first + 1)^−exponent.
  case zipf(ZipfTable)
  /// A power law from `minimum` on with this tail exponent.
  case pareto(minimum: Double, alpha: Double)
  /// Straight lines, on a logarithmic scale, between points (share, value), both ascending; equal values make
  /// a step.
  case quantiles([Quantile])
  /// Components by weight; correlation is kept only as far as they are in ascending order.
  case mixture([Component])
  /// Another one cut to a range: values beyond are drawn to its ends.
  case clamped(LengthDistribution, Double, Double)

  /// A point of a distribution.
  public struct Quantile: Hashable, Sendable {
    /// The share of all values that are at most `value`.
    public var share: Double
    public var value: Double
    public init(share: Double, value: Double) { (self.share, self.value) = (share, value) }
  }

  /// A part of a mixture.
  public struct Component: Hashable, Sendable {
    /// Above 0; weights need not sum to 1.
    public var weight: Double
    public var distribution: LengthDistribution
    public init(weight: Double, distribution: LengthDistribution) {
      (self.weight, self.distribution) = (weight, distribution)
    }
  }

  /// Cumulative shares of a Zipf distribution.
  public struct ZipfTable: Hashable, Sendable {
    let first: Int
    let exponent: Double
    let cumulative: [Double]

    /// `count` from 1 to 1,000,000; `exponent` from 0 to 20.
    public init(first: Int, count: Int, exponent: Double) {
      (self.first, self.exponent) = (first, exponent)
      var sum = 0.0
      cumulative = (1...count).map { rank in
        sum += Elementary.pow(Double(rank), -exponent)
        return sum
      }
    }
  }

  /// The value that a share `u` (above 0, at most 1) of all does not exceed.
  package func value(at u: Double) -> Double {
    switch self {
    case .fixed(let value): return value
    case .uniform(let low, let high): return low + (high - low) * u
    case .logUniform(let low, let high): return low * Elementary.exp(Elementary.ln(high / low) * u)
    case .lognormal(let median, let sigma):
      return median * Elementary.exp(min(max(sigma * Elementary.normalQuantile(u), -600), 600))
    case .exponential(let mean): return -mean * Elementary.ln(max(1 - u, 0x1p-53))
    case .zipf(let table):
      let target = u * (table.cumulative.last ?? 1)
      return Double(table.first + min(table.cumulative.partition(at: target), table.cumulative.count - 1))
    case .pareto(let minimum, let alpha): return minimum * Elementary.pow(max(1 - u, 0x1p-53), -1 / alpha)
    case .quantiles(let points): return Self.interpolate(points, u)
    case .mixture(let components):
      let total = components.reduce(0) { $0 + $1.weight }
      var rest = u * total
      for component in components.dropLast() {
        if rest <= component.weight {
          return component.distribution.value(at: max(rest / component.weight, 0x1p-53))
        }
        rest -= component.weight
      }
      guard let last = components.last else { return 0 }
      return last.distribution.value(at: min(max(rest / last.weight, 0x1p-53), 1))
    case .clamped(let distribution, let low, let high): return min(max(distribution.value(at: u), low), high)
    }
  }

  /// A whole number of tokens, at least 1 and at most 100,000,000, rounded to the nearest.
  func tokens(at u: Double) -> Int {
    let value = value(at: u)
    return Int(min(max(value.rounded(), 1), Double(RowRules.maximumTokens)))
  }

  private static func interpolate(_ points: [Quantile], _ u: Double) -> Double {
    guard let first = points.first, let last = points.last else { return 0 }
    if u <= first.share { return first.value }
    if u >= last.share { return last.value }
    var (low, high) = (0, points.count - 1)
    while high - low > 1 {
      let middle = (low + high) / 2
      if points[middle].share < u { low = middle } else { high = middle }
    }
    let (a, b) = (points[low], points[high])
    let share = (u - a.share) / (b.share - a.share)
    guard a.value > 0 else { return a.value + (b.value - a.value) * share }
    return a.value * Elementary.exp(Elementary.ln(b.value / a.value) * share)
  }
}
