/// How keys (and, alike, values) lie in memory: blocks of tokens, and where a token's head begins within its block.
///
/// A contiguous cache is one with a single block. All strides are in elements.
public struct KVLayout: Hashable, Sendable {
  /// Tokens per block, at least 1.
  public var blockTokens: Int
  /// From one block to the next.
  public var blockStride: Int
  /// From one token to the next within a block.
  public var tokenStride: Int
  /// From one head to the next within a token.
  public var headStride: Int

  /// `[blocks, blockTokens, kvHeads, headDim]`: a token's heads side by side.
  public static func tokenMajor(blockTokens: Int, kvHeads: Int, headDim: Int) -> KVLayout {
    KVLayout(
      blockTokens: blockTokens, blockStride: blockTokens * kvHeads * headDim,
      tokenStride: kvHeads * headDim, headStride: headDim)
  }

  /// `[blocks, kvHeads, blockTokens, headDim]`: a head's tokens side by side.
  public static func headMajor(blockTokens: Int, kvHeads: Int, headDim: Int) -> KVLayout {
    KVLayout(
      blockTokens: blockTokens, blockStride: blockTokens * kvHeads * headDim,
      tokenStride: headDim, headStride: blockTokens * headDim)
  }

  /// Elements from a store's start to head `head` of the token at `offset` in block `block`.
  public func index(block: Int, offset: Int, head: Int) -> Int {
    block * blockStride + offset * tokenStride + head * headStride
  }
}

/// The memory of a KV cache: physical blocks of keys and of values.
public final class KVStore: Sendable {
  /// Where things lie, for keys and values alike.
  public let layout: KVLayout
  /// Physical blocks.
  public let blocks: Int
  /// KV heads per token.
  public let kvHeads: Int
  /// Elements per head.
  public let headDim: Int
  /// `blocks · layout.blockStride` elements.
  public let keys: ElementBuffer
  /// As `keys`.
  public let values: ElementBuffer

  /// A store of zeros.
  public init(_ element: ElementType, layout: KVLayout, blocks: Int, kvHeads: Int, headDim: Int) {
    self.layout = layout
    self.blocks = blocks
    self.kvHeads = kvHeads
    self.headDim = headDim
    keys = ElementBuffer(element, count: blocks * layout.blockStride)
    values = ElementBuffer(element, count: blocks * layout.blockStride)
  }

  /// The format of keys and values.
  public var element: ElementType { keys.element }
}
