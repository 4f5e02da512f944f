/// Time of a kernel that visits every element once: max(least, base + perElement · elements).
public struct ElementwiseCost: Hashable, Sendable {
  /// The shortest time seen, µs.
  public var least: Double
  /// Launch and set-up, µs.
  public var base: Double
  /// µs per element.
  public var perElement: Double

  /// Takes the parts as they are.
  public init(least: Double = 0, base: Double, perElement: Double) {
    self.least = least
    self.base = base
    self.perElement = perElement
  }

  /// A kernel that only moves `bytesPerElement` at the memory's bandwidth.
  public static func streaming(bytesPerElement: Double, bytesPerSecond: Double) -> Self {
    Self(base: 0, perElement: bytesPerElement / bytesPerSecond * 1e6)
  }

  /// µs for `elements`.
  public func microseconds(elements: Int) -> Double { max(least, base + perElement * Double(elements)) }
}
