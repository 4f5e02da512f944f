#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Time of a matrix product (M × K) · (K × N): floor + (memory^q + compute^q)^(1/q).
///
/// Memory time moves the weights, the input and the output once at 2 bytes per element; compute time is 2·M·N·K
/// flops with M padded to whole tiles above a threshold, the one quantisation that measured data reward
/// (costmodel.md 1). An infinite exponent is the roofline's hard maximum.
public struct GEMMCost: Hashable, Sendable {
  /// Launch floor, µs.
  public var floor: Double
  /// Memory bandwidth reached.
  public var bytesPerSecond: Double
  /// Arithmetic rate reached.
  public var flopsPerSecond: Double
  /// q: how softly memory and compute time overlap.
  public var exponent: Double
  /// Tile height to which M is padded when it is above `padAbove`.
  public var padTokensTo: Int
  /// Largest M that is not padded.
  public var padAbove: Int

  /// Takes the parts as they are.
  public init(
    floor: Double, bytesPerSecond: Double, flopsPerSecond: Double, exponent: Double, padTokensTo: Int,
    padAbove: Int
  ) {
    self.floor = floor
    self.bytesPerSecond = bytesPerSecond
    self.flopsPerSecond = flopsPerSecond
    self.exponent = exponent
    self.padTokensTo = padTokensTo
    self.padAbove = padAbove
  }

  /// µs for `rows` = M tokens, `inner` = K, `columns` = N.
  public func microseconds(rows: Int, inner: Int, columns: Int) -> Double {
    let (m, k, n) = (Double(rows), Double(inner), Double(columns))
    let memory = 2 * (n * k + m * k + m * n) / bytesPerSecond * 1e6
    let padded = rows > padAbove ? (rows + padTokensTo - 1) / padTokensTo * padTokensTo : rows
    let compute = 2 * Double(padded) * n * k / flopsPerSecond * 1e6
    return floor + norm(memory, compute)
  }

  /// (a^q + b^q)^(1/q), scaled by the larger so that no power overflows.
  private func norm(_ a: Double, _ b: Double) -> Double {
    let larger = max(a, b)
    guard exponent.isFinite else { return larger }
    return larger * pow(1 + pow(min(a, b) / larger, exponent), 1 / exponent)
  }
}
