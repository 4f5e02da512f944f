import CDistAttention

/// Random queries, keys and values of which any part can be made again anywhere: an element depends on its tensor's seed,
/// its position in the request, its head and its place in the head, never on where or in which order it is stored.
public struct RandomTensors: Hashable, Sendable {
  /// The seed; keys, values and queries are independent.
  public var seed: UInt64
  /// The standard deviation of queries; that of logits is as large, as keys have 1 and logits the factor 1/√headDim.
  public var querySpread: Float
  /// The mean of values, whose standard deviation is 1.
  public var valueMean: Float

  /// Random tensors; moderate logits unless said otherwise.
  public init(seed: UInt64, querySpread: Float = 1, valueMean: Float = 0) {
    self.seed = seed
    self.querySpread = querySpread
    self.valueMean = valueMean
  }

  /// Queries of a shape, in a format.
  public func queries(_ element: ElementType, _ shape: AttentionShape) -> ElementBuffer {
    let buffer = ElementBuffer(element, count: shape.rows * shape.headDim)
    dist_attention_random(
      element.code, buffer.bytes.baseAddress, stream(0), 0, buffer.count, 0, querySpread)
    return buffer
  }

  /// Writes the keys and values of the part's tokens into its store.
  public func fill(_ part: KVPart) {
    let (store, dim) = (part.store, part.store.headDim)
    for index in part.range {
      let (block, offset, position) = part.locate(index)
      for head in 0..<store.kvHeads {
        let target = store.layout.index(block: block, offset: offset, head: head) * store.element.bytes
        let source = UInt64((position * store.kvHeads + head) * dim)
        dist_attention_random(
          store.element.code, store.keys.bytes.baseAddress.map { $0 + target }, stream(1), source, dim, 0, 1)
        dist_attention_random(
          store.element.code, store.values.bytes.baseAddress.map { $0 + target }, stream(2), source, dim,
          valueMean, 1)
      }
    }
  }

  private func stream(_ tensor: UInt64) -> UInt64 {
    var numbers = RandomNumbers(seed: seed &* 3 &+ tensor)
    return numbers.next()
  }
}

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): the same numbers on every machine. Not for cryptography.
public struct RandomNumbers: RandomNumberGenerator, Sendable {
  private var state: UInt64

  /// Numbers that depend on the seed alone.
  public init(seed: UInt64) { state = seed }

  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// A whole number in `range`, almost evenly: the bias is below count / 2⁶⁴.
  public mutating func integer(_ range: ClosedRange<Int>) -> Int {
    range.lowerBound + Int(next().multipliedFullWidth(by: UInt64(range.count)).high)
  }
}
