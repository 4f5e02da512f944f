#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Attention over some subset of a KV cache, so that the states of disjoint subsets merge into that of their union.
///
/// For each row with logits s_t (natural logarithm, scale and masks applied) over the subset's tokens:
///
///     m  = max s_t                  −∞ over no token
///     e  = Σ exp(s_t − m)           0 over no token
///     MA = Σ exp(s_t − m) · v_t     zeros over no token
///
/// `merge` is a commutative monoid (up to rounding in its sums) with the state over no token as identity. Merging costs
/// O(rows · headDim) and never reads the cache.
public struct AttentionState<Scalar: AttentionScalar>: Hashable, Sendable {
  /// Rows: query tokens × query heads.
  public let rows: Int
  /// Elements per row of the output.
  public let headDim: Int
  /// MA, the unnormalised output: `[rows, headDim]`.
  public var output: [Scalar]
  /// m, the largest logit of each row: `[rows]`.
  public var maximum: [Scalar]
  /// e, the sum of exponentials of each row: `[rows]`.
  public var sum: [Scalar]

  /// The state over no token.
  public init(identity rows: Int, headDim: Int) {
    self.rows = rows
    self.headDim = headDim
    output = Array(repeating: 0, count: rows * headDim)
    maximum = Array(repeating: -.infinity, count: rows)
    sum = Array(repeating: 0, count: rows)
  }

  /// The state over no token, of a shape.
  public init(identity shape: AttentionShape) {
    self.init(identity: shape.rows, headDim: shape.headDim)
  }

  /// Takes in the state over other tokens.
  @inlinable
  public mutating func merge(_ other: AttentionState) {
    precondition(rows == other.rows && headDim == other.headDim, "states of one shape merge")
    for row in 0..<rows {
      let mine = maximum[row]
      let theirs = other.maximum[row]
      // A maximum of −∞ means no token; a NaN is passed on.
      let largest = mine.isNaN || mine > theirs ? mine : theirs
      maximum[row] = largest
      if largest == -.infinity { continue }
      let keep = Scalar.exponential(mine - largest)
      let take = Scalar.exponential(theirs - largest)
      sum[row] = sum[row] * keep + other.sum[row] * take
      for element in row * headDim..<(row + 1) * headDim {
        output[element] = output[element] * keep + other.output[element] * take
      }
    }
  }

  /// This state and the one over other tokens.
  @inlinable
  public func merged(with other: AttentionState) -> AttentionState {
    var both = self
    both.merge(other)
    return both
  }

  /// The attention output MA / e, `[rows, headDim]`; zeros in a row that saw no token.
  public func normalised() -> [Scalar] {
    var out = output
    for row in 0..<rows {
      let isEmpty = maximum[row] == -.infinity
      for element in row * headDim..<(row + 1) * headDim {
        out[element] = isEmpty ? 0 : out[element] / sum[row]
      }
    }
    return out
  }
}

/// A number that a state can be made of.
public protocol AttentionScalar: BinaryFloatingPoint, Sendable {
  /// eˣ, and 0 for −∞.
  static func exponential(_ x: Self) -> Self
}

extension Float: AttentionScalar {
  /// eˣ of the system's mathematics library.
  public static func exponential(_ x: Float) -> Float { exp(x) }
}

extension Double: AttentionScalar {
  /// eˣ of the system's mathematics library.
  public static func exponential(_ x: Double) -> Double { exp(x) }
}
