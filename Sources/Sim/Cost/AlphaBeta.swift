/// A time that is a floor plus bytes over a bandwidth.
public struct AlphaBeta: Hashable, Sendable {
  /// Floor, µs.
  public var alpha: Double
  /// Bandwidth, bytes per second.
  public var bytesPerSecond: Double

  /// Takes a floor in µs and a bandwidth.
  public init(alpha: Double, bytesPerSecond: Double) {
    self.alpha = alpha
    self.bytesPerSecond = bytesPerSecond
  }

  /// µs for `bytes`.
  public func microseconds(bytes: Double) -> Double { alpha + bytes / bytesPerSecond * 1e6 }
}
