/// The routed experts' time of one model on one rank as a function of an iteration's tokens: straight lines between
/// knots at a power of two and its quarters, that never fall.
///
/// Drawing the load of experts anew for every number of tokens would cost too much and would be uneven; and where
/// the kernel changes its tiles it even gets faster, which a run should not reward.
public struct ExpertCurve: Sendable {
  private var knots: [(tokens: Int, microseconds: Double)] = []

  /// Times of `call` with any number of tokens, its experts loaded by a power law of exponent `skew`.
  public init(cost: FusedMoECost, call: MoECall, skew: Double) {
    var call = call
    var last = 0.0
    for tokens in Self.knotTokens {
      call.tokens = tokens
      last = max(last, cost.microseconds(call, load: .powerLaw(skew: skew, call: call)))
      knots.append((tokens, last))
    }
  }

  /// 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, … up to 131,072, more than any iteration measured.
  private static let knotTokens: [Int] =
    [1, 2, 3] + (2..<17).flatMap { octave in (4..<8).map { $0 << (octave - 2) } } + [1 << 17]

  /// µs for `tokens` ≥ 1; beyond the last knot the last line goes on.
  public func microseconds(tokens: Int) -> Double {
    let after = knots.firstIndex { $0.tokens >= tokens } ?? knots.count - 1
    guard after > 0 else { return knots[0].microseconds }
    let (a, b) = (knots[after - 1], knots[after])
    return a.microseconds
      + (b.microseconds - a.microseconds) * Double(tokens - a.tokens) / Double(b.tokens - a.tokens)
  }
}
