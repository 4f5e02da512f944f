/// Compares outputs with the oracle's, and says how much error is allowed.
///
/// Two bounds, and both must hold:
///
/// 1. twice the error of naive attention in the same format (the criterion of flash-attention's tests), plus one unit in
///    the last place of fp32 at the largest value, as naive attention is exact by luck on a few tiny inputs;
/// 2. 10⁻⁵ · max|v| (sums in fp32) while logits are moderate; beyond |logit| 32, where a logit's own rounding in fp32
///    decides, (10⁻⁵ + 4 · |logit| · 2⁻²³) · max|v|, with the largest logit that carries weight.
///
/// A NaN fails where the oracle has none.
public struct Judge: Sendable {
  /// The oracle's output, `[rows, headDim]`.
  public let expected: [Double]
  /// The error of naive attention, or nil if it was not computed.
  public let naiveError: Double?
  /// The largest |v| among the part's tokens.
  public let largestValue: Double
  /// The largest |m| among rows that see a token.
  public let largestLogit: Double

  /// What was found.
  public struct Verdict: Hashable, Sendable {
    /// The largest difference from the oracle; infinite if a number is NaN.
    public var maxError: Double
    /// The mean difference.
    public var meanError: Double
    /// The largest that is allowed.
    public var bound: Double

    package init(maxError: Double, meanError: Double, bound: Double) {
      self.maxError = maxError
      self.meanError = meanError
      self.bound = bound
    }

    /// Whether the error is within its bound.
    public var isGood: Bool { maxError <= bound }
  }

  /// Computes the oracle, and naive attention unless told not to, for `query` over `part`.
  public init(_ query: AttentionQuery, over part: KVPart, withNaive: Bool = true) {
    self.init(
      state: Oracle.partial(query, over: part), largestValue: part.largestValue,
      naive: withNaive ? NaiveAttention.output(query, over: part) : nil)
  }

  /// A judge by the oracle's state, the largest |v| and the output of naive attention, if computed.
  public init(state: AttentionState<Double>, largestValue: Double, naive: [Float]?) {
    let expected = state.normalised()
    self.expected = expected
    self.largestValue = largestValue
    largestLogit = state.maximum.reduce(0) { $1 == -.infinity ? $0 : max($0, abs($1)) }
    naiveError = naive.map { Self.errors($0, expected).max }
  }

  /// The bound on the error: the smaller of the two.
  public var bound: Double { min(absoluteBound, naiveBound ?? .infinity) }

  /// The second bound.
  public var absoluteBound: Double {
    (1e-5 + (largestLogit > 32 ? 4 * largestLogit * 0x1p-23 : 0)) * largestValue
  }

  /// The first bound, if naive attention was computed.
  public var naiveBound: Double? { naiveError.map { 2 * $0 + 0x1p-23 * largestValue } }

  /// How far `output`, `[rows, headDim]`, is from the oracle's.
  public func verdict(_ output: [Float]) -> Verdict {
    let errors = Self.errors(output, expected)
    return Verdict(maxError: errors.max, meanError: errors.mean, bound: bound)
  }

  private static func errors(_ output: [Float], _ expected: [Double]) -> (max: Double, mean: Double) {
    precondition(output.count == expected.count, "outputs of one shape are compared")
    var (largest, sum) = (0.0, 0.0)
    for (found, wanted) in zip(output, expected) {
      let error = abs(Double(found) - wanted)
      // A NaN compares as not larger: it would pass.
      largest = error.isNaN ? .infinity : max(largest, error)
      sum += error
    }
    return (largest, output.isEmpty ? 0 : sum / Double(output.count))
  }
}
