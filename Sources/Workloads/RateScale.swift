/// A positive factor on the arrival rate, held exactly as a fraction in lowest terms.
///
/// "2" halves every arrival time, "0.1" makes it ten times later. Exact, so that a scale of k followed by one
/// of 1/k gives the same trace back whenever the scaled times are whole picoseconds.
public struct RateScale: Hashable, Sendable {
  /// Between 1 and 10¹⁸.
  public let numerator: Int64
  /// Between 1 and 10¹⁸.
  public let denominator: Int64

  /// A rate left as it is.
  public static let one = RateScale(numerator: 1, denominator: 1)

  private init(numerator: Int64, denominator: Int64) {
    self.numerator = numerator
    self.denominator = denominator
  }

  /// Reads a decimal such as "2", "0.75" or "1e-3"; `nil` unless it is above zero with at most 18 digits
  /// before and after the point, leading and trailing zeros not counted.
  public init?(_ decimal: String) {
    guard let number = DecimalNumber(decimal.utf8), !number.digits.isEmpty else { return nil }
    let digits = number.digits
    guard digits.count <= 18, number.exponent >= -18, digits.count + number.exponent <= 18 else { return nil }
    var numerator = digits.reduce(0) { $0 * 10 + Int64($1) }
    var denominator: Int64 = 1
    for _ in 0..<abs(number.exponent) {
      if number.exponent > 0 { numerator *= 10 } else { denominator *= 10 }
    }
    let divisor = Self.greatestCommonDivisor(numerator, denominator)
    self.init(numerator: numerator / divisor, denominator: denominator / divisor)
  }

  /// `picoseconds` (at most 100 days) divided by the scale, rounded down: order is kept.
  func apply(to picoseconds: Int64) -> Int128 {
    if numerator == denominator { return Int128(picoseconds) }
    return Int128(picoseconds) * Int128(denominator) / Int128(numerator)
  }

  private static func greatestCommonDivisor(_ a: Int64, _ b: Int64) -> Int64 {
    b == 0 ? a : greatestCommonDivisor(b, a % b)
  }
}

extension RateScale: CustomStringConvertible {
  /// The fraction in lowest terms, such as "2" or "3/4": one text per value, fit for a manifest.
  public var description: String { denominator == 1 ? "\(numerator)" : "\(numerator)/\(denominator)" }
}
