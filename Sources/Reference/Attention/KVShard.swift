/// Consecutive tokens of a random cache, as one process of a demonstration holds or checks them.
public struct KVShard: Hashable, Sendable {
  /// The format of queries, keys and values.
  public var element: ElementType
  /// The sizes.
  public var shape: AttentionShape
  /// The positions of the shard's tokens.
  public var positions: Range<Int>
  /// What the whole cache is made from.
  public var tensors: RandomTensors

  /// A shard of the cache that `tensors` describes.
  public init(_ element: ElementType, _ shape: AttentionShape, positions: Range<Int>, tensors: RandomTensors)
  {
    self.element = element
    self.shape = shape
    self.positions = positions
    self.tensors = tensors
  }

  /// The shard's keys and values, in memory.
  public func part() -> KVPart {
    let empty = KVCache.contiguous(element, shape, tokens: positions.count)
    let part = KVPart(
      store: empty.store, table: [0], positions: [Int32(positions.lowerBound)], range: 0..<positions.count)
    tensors.fill(part)
    return part
  }

  /// The oracle's state over the shard and its largest |v|, made and forgotten a thousand tokens at a time.
  public func judged(_ query: AttentionQuery) -> (state: AttentionState<Double>, largestValue: Double) {
    var state = AttentionState<Double>(identity: shape)
    var largest = 0.0
    for start in stride(from: positions.lowerBound, to: positions.upperBound, by: 1024) {
      var piece = self
      piece.positions = start..<min(start + 1024, positions.upperBound)
      let part = piece.part()
      state.merge(Oracle.partial(query, over: part))
      largest = max(largest, part.largestValue)
    }
    return (state, largest)
  }

  /// Bytes of the shard's keys and values.
  public var kvBytes: Int { shape.kvBytes(element, tokens: positions.count) }
}
