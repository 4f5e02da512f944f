import Sim

/// Draws of one named stream by (entity, ordinal), and those distributions that need several of them.
package struct RandomDraws {
  private let stream: RandomStream

  package init(seed: UInt64, name: String) { stream = RandomStream(seed: seed, name: name) }

  /// A number in (0, 1].
  package func unit(_ entity: Int, _ ordinal: Int) -> Double { stream.unit(entity: entity, ordinal: ordinal) }

  /// A gamma number of scale 1 by Marsaglia and Tsang's method.
  ///
  /// Source: "A simple method for generating gamma variables", ACM Trans. Math. Softw. 26 (2000). Shapes below
  /// 1 use that of shape + 1 times a power of a uniform number.
  func gamma(shape: Double, entity: Int) -> Double {
    let d = (shape < 1 ? shape + 1 : shape) - 1.0 / 3
    let c = 1 / (9 * d).squareRoot()
    var ordinal = 1
    while true {
      let x = Elementary.normalQuantile(unit(entity, ordinal))
      let v = 1 + c * x
      let u = unit(entity, ordinal + 1)
      ordinal += 2
      guard v > 0 else { continue }
      let cube = v * v * v
      guard Elementary.ln(u) < x * x / 2 + d - d * cube + d * Elementary.ln(cube) else { continue }
      return shape < 1 ? d * cube * Elementary.pow(unit(entity, 0), 1 / shape) : d * cube
    }
  }
}
