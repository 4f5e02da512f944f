/// Logarithm and exponential made of + − × ÷ only, which IEEE 754 rounds the same way everywhere.
///
/// The C library's own differ in the last bit between machines and versions, and a generated trace must not.
/// Relative error below 10⁻¹⁴ over the ranges used here (0 < x ≤ 10¹⁸, |y| ≤ 50).
enum Elementary {
  /// ln 2 to the nearest `Double`.
  private static let ln2 = 0x1.62e42fefa39efp-1

  /// The natural logarithm of a normal positive number: x = m·2ᵏ with m near 1, and
  /// ln m = 2·(s + s³/3 + s⁵/5 + …) with s = (m − 1)/(m + 1), |s| ≤ 0.172, cut below 10⁻¹⁸.
  static func ln(_ x: Double) -> Double {
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
  static func exp(_ y: Double) -> Double {
    precondition(y.magnitude <= 700, "the exponential needs |y| ≤ 700")
    let k = (y / ln2).rounded()
    let r = y - k * ln2
    var sum = 1.0
    for term in stride(from: 16.0, through: 1.0, by: -1.0) { sum = 1 + sum * r / term }
    return sum * Double(sign: .plus, exponent: Int(k), significand: 1)
  }
}
