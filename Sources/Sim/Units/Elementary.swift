/// Logarithm and exponential made of + − × ÷ only, which IEEE 754 rounds the same way everywhere.
///
/// The C library's own differ in the last bit between machines and versions, and a generated trace must not.
/// Relative error below 10⁻¹⁴ over the ranges used here (0 < x ≤ 10¹⁸, |y| ≤ 50).
package enum Elementary {
  /// ln 2 to the nearest `Double`.
  private static let ln2 = 0x1.62e42fefa39efp-1

  /// The natural logarithm of a normal positive number: x = m·2ᵏ with m near 1, and
  /// ln m = 2·(s + s³/3 + s⁵/5 + …) with s = (m − 1)/(m + 1), |s| ≤ 0.172, cut below 10⁻¹⁸.
  package static func ln(_ x: Double) -> Double {
    precondition(x.isNormal && x > 0, "the logarithm needs a normal positive number")
    var m = x.significand
    var k = Double(x.exponent)
    if m > 1.4142135623730951 {
      m /= 2
      k += 1
    }
    let s = (m - 1) / (m + 1)
    let square = s * s
    var sum = 0.0
    for odd in stride(from: 23.0, through: 1.0, by: -2.0) { sum = sum * square + 1 / odd }
    return k * ln2 + 2 * s * sum
  }

  /// e to the power y: y = k·ln 2 + r with |r| ≤ 0.35, and Taylor's series for eʳ, cut below 10⁻¹⁸.
  package static func exp(_ y: Double) -> Double {
    precondition(y.magnitude <= 700, "the exponential needs |y| ≤ 700")
    let k = (y / ln2).rounded()
    let r = y - k * ln2
    var sum = 1.0
    for term in stride(from: 16.0, through: 1.0, by: -1.0) { sum = 1 + sum * r / term }
    return sum * Double(sign: .plus, exponent: Int(k), significand: 1)
  }

  /// x to the power y for x > 0; 0 where the result is below 10⁻³⁰⁰, at most 10³⁰⁰.
  package static func pow(_ x: Double, _ y: Double) -> Double {
    let exponent = y * ln(x)
    return exponent < -690 ? 0 : exp(min(exponent, 690))
  }

  /// The sine of `turns` whole turns, by Taylor's series on an eighth of a turn or less.
  package static func sine(turns: Double) -> Double {
    var x = turns - turns.rounded(.down)
    var sign = 1.0
    if x >= 0.5 { (x, sign) = (x - 0.5, -1) }
    if x > 0.25 { x = 0.5 - x }
    let angle = 2 * Double.pi * x
    var sum = 1.0
    for term in stride(from: 20.0, through: 2.0, by: -2.0) {
      sum = 1 - sum * angle * angle / (term * (term + 1))
    }
    return sign * angle * sum
  }

  /// The probability that a standard normal number is at most `z`; error below 10⁻⁷.
  ///
  /// Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.2.17.
  package static func normalCDF(_ z: Double) -> Double {
    guard z.magnitude < 37 else { return z < 0 ? 0 : 1 }
    let t = 1 / (1 + 0.2316419 * z.magnitude)
    let polynomial =
      t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
    let tail = exp(-z * z / 2) * 0.3989422804014327 * polynomial
    return z < 0 ? tail : 1 - tail
  }

  /// The number that a standard normal one is at most with probability `p` (0 < p < 1); relative error below
  /// 1.2·10⁻⁹.
  ///
  /// Source of the coefficients: P. J. Acklam, "An algorithm for computing the inverse normal cumulative
  /// distribution function", 2003.
  package static func normalQuantile(_ p: Double) -> Double {
    let p = min(max(p, 1e-300), 1 - 0x1p-53)
    func tail(_ p: Double) -> Double {
      let q = (-2 * ln(p)).squareRoot()
      let c = [
        -7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838, -2.549732539343734,
        4.374664141464968, 2.938163982698783,
      ]
      let d = [7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996, 3.754408661907416, 1]
      return c.reduce(0) { $0 * q + $1 } / d.reduce(0) { $0 * q + $1 }
    }
    if p < 0.02425 { return tail(p) }
    if p > 1 - 0.02425 { return -tail(1 - p) }
    let q = p - 0.5
    let a = [
      -3.969683028665376e+01, 2.209460984245205e+02, -2.759285104469687e+02, 1.383577518672690e+02,
      -3.066479806614716e+01, 2.506628277459239,
    ]
    let b = [
      -5.447609879822406e+01, 1.615858368580409e+02, -1.556989798598866e+02, 6.680131188771972e+01,
      -1.328068155288572e+01, 1,
    ]
    return a.reduce(0) { $0 * q * q + $1 } * q / b.reduce(0) { $0 * q * q + $1 }
  }

  /// The logarithm of Γ(x) for x > 0; relative error of Γ below 10⁻¹³.
  ///
  /// Source of the coefficients (g = 7, n = 9): C. Lanczos, SIAM J. Numer. Anal. B 1 (1964), as computed by
  /// P. Godfrey.
  package static func lnGamma(_ x: Double) -> Double {
    let c = [
      0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
      12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
    ]
    // Γ(x) = Γ(x + 1) / x keeps the series where it converges well.
    if x < 1 { return lnGamma(x + 1) - ln(x) }
    let z = x - 1
    let t = z + 7.5
    let sum = (1..<9).reduce(c[0]) { $0 + c[$1] / (z + Double($1)) }
    return 0.9189385332046727 + (z + 0.5) * ln(t) - t + ln(sum)
  }
}
