/// Caches to compute on: contiguous, or paged with a shuffled block table.
public enum KVCache {
  /// `tokens` tokens at positions from 0 in one block, a token's heads side by side (`tokenMajor`) or a head's tokens.
  public static func contiguous(
    _ element: ElementType, _ shape: AttentionShape, tokens: Int, isTokenMajor: Bool = true
  ) -> KVPart {
    let layout: KVLayout =
      isTokenMajor
      ? .tokenMajor(blockTokens: max(tokens, 1), kvHeads: shape.kvHeads, headDim: shape.headDim)
      : .headMajor(blockTokens: max(tokens, 1), kvHeads: shape.kvHeads, headDim: shape.headDim)
    let store = KVStore(
      element, layout: layout, blocks: 1, kvHeads: shape.kvHeads, headDim: shape.headDim)
    return KVPart(store: store, table: [0], positions: [0], range: 0..<tokens)
  }

  /// `tokens` tokens at positions from 0 in blocks of `blockTokens` that lie in random order, with some blocks of the
  /// store left unused; `seed` sets the order.
  public static func paged(
    _ element: ElementType, _ shape: AttentionShape, tokens: Int, blockTokens: Int, isTokenMajor: Bool = true,
    seed: UInt64
  ) -> KVPart {
    let layout: KVLayout =
      isTokenMajor
      ? .tokenMajor(blockTokens: blockTokens, kvHeads: shape.kvHeads, headDim: shape.headDim)
      : .headMajor(blockTokens: blockTokens, kvHeads: shape.kvHeads, headDim: shape.headDim)
    let slots = (tokens + blockTokens - 1) / blockTokens
    let blocks = slots + slots / 8 + 1
    let store = KVStore(
      element, layout: layout, blocks: blocks, kvHeads: shape.kvHeads, headDim: shape.headDim)
    var random = RandomNumbers(seed: seed)
    let table = (0..<Int32(blocks)).shuffled(using: &random).prefix(slots)
    return KVPart(
      store: store, table: Array(table), positions: (0..<slots).map { Int32($0 * blockTokens) },
      range: 0..<tokens)
  }
}
