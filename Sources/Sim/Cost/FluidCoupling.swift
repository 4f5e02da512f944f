/// Fixed-point arithmetic of `fluid` coupling: shares of an instance's memory bandwidth.
enum FluidCoupling {
  /// The whole bandwidth.
  static let whole: Int64 = 1 << 20
  /// The most that debtors may use: a host never stops altogether.
  static let most: Int64 = whole * 9 / 10

  /// value · numerator / denominator, rounded up, without overflow.
  static func scale(_ value: Int64, by numerator: Int64, over denominator: Int64) -> Int64 {
    let product = Int128(value) * Int128(numerator)
    return Int64((product + Int128(denominator) - 1) / Int128(denominator))
  }
}
