/// What is asked of a KV cache: query vectors, the scale of their logits, and which tokens each may see.
///
/// The logit of query i with the token at position p is `scale` · (q · k), and plus `bias` if there is one. The token
/// is seen if p ≤ `firstPosition` + i (when `isCausal`) and p > `firstPosition` + i − `window` (when there is a
/// window); otherwise its logit is −∞.
public struct AttentionQuery: Sendable {
  /// The sizes.
  public var shape: AttentionShape
  /// `[queries, queryHeads, headDim]`, in the format of the cache.
  public var values: ElementBuffer
  /// The factor of q · k; 1/√headDim unless said otherwise.
  public var scale: Float
  /// The position in the request of query 0; query i stands at `firstPosition` + i.
  public var firstPosition: Int
  /// Whether a query sees only tokens up to its own position.
  public var isCausal: Bool
  /// Positions that a query sees, up to and with its own; nil for all. At least 1.
  public var window: Int?
  /// Added to logits: `[queries, tokens of the part]`, alike for all heads; −∞ hides a token. Nil for none.
  public var bias: [Float]?

  /// Traps unless `values` has an element for each of the shape's.
  public init(
    shape: AttentionShape, values: ElementBuffer, scale: Float? = nil, firstPosition: Int = 0,
    isCausal: Bool = false, window: Int? = nil, bias: [Float]? = nil
  ) {
    precondition(values.count == shape.rows * shape.headDim, "a query has headDim elements per row")
    precondition(window ?? 1 >= 1, "a window holds at least the query's own position")
    self.shape = shape
    self.values = values
    self.scale = scale ?? 1 / Float(shape.headDim).squareRoot()
    self.firstPosition = firstPosition
    self.isCausal = isCausal
    self.window = window
    self.bias = bias
  }

  /// Whether query `index` may see the token at `position`, by causality and window.
  public func sees(_ index: Int, _ position: Int) -> Bool {
    let own = firstPosition + index
    return (!isCausal || position <= own) && (window.map { position > own - $0 } ?? true)
  }

  /// Traps unless the query and the part are of one model and format, and the bias has a number for each token.
  public func check(over part: KVPart) {
    precondition(
      values.element == part.store.element && shape.kvHeads == part.store.kvHeads
        && shape.headDim == part.store.headDim,
      "a query asks a cache of its own format and heads")
    precondition(
      bias.map { $0.count == shape.queries * part.count } ?? true, "a bias has a number per query and token")
  }

  /// The query for the tokens in `ranges` (numbered from 0) of a part with `count` tokens: the same but for its bias.
  public func restricted(to ranges: [Range<Int>], of count: Int) -> AttentionQuery {
    guard let bias else { return self }
    var query = self
    query.bias = (0..<shape.queries).flatMap { row in
      ranges.flatMap { bias[row * count + $0.lowerBound..<row * count + $0.upperBound] }
    }
    return query
  }
}
