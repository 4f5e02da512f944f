/// How far predictions are from measurements: predicted / measured − 1, as fractions.
public struct ErrorSummary: Hashable, Sendable {
  /// Measurements.
  public var points: Int
  /// Mean of the absolute errors.
  public var mape: Double
  /// The absolute error that nine in ten do not exceed (interpolated).
  public var p90: Double
  /// The largest absolute error.
  public var max: Double
  /// Mean of the signed errors: positive when predictions are too long.
  public var bias: Double

  /// The summary of `errors`, signed; `nil` of none.
  public init?(_ errors: [Double]) {
    guard !errors.isEmpty else { return nil }
    let sizes = errors.map(abs).sorted()
    points = errors.count
    mape = sizes.reduce(0, +) / Double(points)
    let position = 0.9 * Double(points - 1)
    let below = Int(position)
    let above = Swift.min(below + 1, points - 1)
    p90 = sizes[below] + (sizes[above] - sizes[below]) * (position - Double(below))
    max = sizes[points - 1]
    bias = errors.reduce(0, +) / Double(points)
  }
}
