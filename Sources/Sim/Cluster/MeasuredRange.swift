/// The ranges in which a profile's constants were measured.
public struct MeasuredRange: Hashable, Sendable {
  /// Tokens of one iteration.
  public var tokens: ClosedRange<Int>
  /// The longest context of a decoding sequence, tokens.
  public var decodeContext: Int
  /// The longest prompt, tokens.
  public var prefill: Int

  /// Takes the parts as they are.
  public init(tokens: ClosedRange<Int>, decodeContext: Int, prefill: Int) {
    self.tokens = tokens
    self.decodeContext = decodeContext
    self.prefill = prefill
  }

  /// One sentence for each bound that a run left, which says by how much; empty when all costs were interpolated.
  /// Pass the extremes that occurred, 0 for what did not.
  public func extrapolations(tokens: Int = 0, decodeContext: Int = 0, prefill: Int = 0) -> [String] {
    var sentences: [String] = []
    if tokens > self.tokens.upperBound {
      sentences.append("an iteration of \(Self.beyond(tokens, self.tokens.upperBound))")
    }
    if decodeContext > self.decodeContext {
      sentences.append("a context of \(Self.beyond(decodeContext, self.decodeContext))")
    }
    if prefill > self.prefill {
      sentences.append("a prompt of \(Self.beyond(prefill, self.prefill))")
    }
    return sentences
  }

  /// "20000 tokens is beyond the measured 16384 by 3616, 1.22 times as long".
  private static func beyond(_ tokens: Int, _ measured: Int) -> String {
    let hundredths = (Double(tokens) / Double(measured) * 100).rounded()
    return "\(tokens) tokens is beyond the measured \(measured) by \(tokens - measured), "
      + "\(hundredths / 100) times as long"
  }
}
