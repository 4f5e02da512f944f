/// A mean and its 95 % interval from paired replications, by Student's t.
public struct PairedInterval: Hashable, Sendable {
  /// The mean of the values.
  public var mean: Double
  /// Half the interval's width; the interval is mean ± halfWidth.
  public var halfWidth: Double

  /// `nil` for fewer than two values: one run says nothing about its spread.
  public init?(_ values: [Double]) {
    guard values.count >= 2 else { return nil }
    let n = Double(values.count)
    let mean = values.reduce(0, +) / n
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (n - 1)
    self.mean = mean
    halfWidth = Self.t(freedom: values.count - 1) * (variance / n).squareRoot()
  }

  /// The value that |t| exceeds in 5 % of cases with that many degrees of freedom (at least 1).
  /// Between the table's rows the next lower one is taken, which makes the interval wider, never narrower.
  public static func t(freedom: Int) -> Double {
    if freedom <= table.count { return table[freedom - 1] }
    return sparse.last { $0.freedom <= freedom }?.t ?? table[table.count - 1]
  }

  /// Two-sided 95 % points of Student's t for 1 to 30 degrees of freedom.
  /// Source: NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2, column 0.975.
  private static let table = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
  ]

  /// The same column further on.
  private static let sparse: [(freedom: Int, t: Double)] = [
    (40, 2.021), (50, 2.009), (60, 2.000), (80, 1.990), (100, 1.984),
  ]
}
