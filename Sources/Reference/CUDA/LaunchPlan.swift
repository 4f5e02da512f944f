import Reference

/// `Shape` of distattention.cu: the same fields in the same order.
package struct LaunchShape: BitwiseCopyable {
  var blockStride: UInt64
  var tokenStride: UInt64
  var headStride: UInt64
  var blockTokens: UInt32
  package var tableStride: UInt32
  package var splitTokens: UInt32
  var kvHeads: UInt32
  var group: UInt32
  var queries: UInt32
  var causal: UInt32
  var window: UInt32
  var biasStride: UInt32
  var scale: Float
}

/// How partial attention is launched: which kernel, on what grid.
package struct LaunchPlan {
  package var kernel: String
  package var shape: LaunchShape
  /// Rows of a tile, tiles of a KV head, splits of a sequence's part, sequences.
  var tileRows: Int
  var tiles: Int
  package var splits: Int
  var sequences: Int

  package var grid: (x: Int, y: Int, z: Int) { (Int(shape.kvHeads) * tiles, splits, sequences) }
  /// Four warps, as the kernels are written.
  package static let threads = 128
  /// Rows that there are kernels for.
  static let tileSizes = [1, 4, 8]

  /// `query` over the part of each of `sequences` sequences, which have blocks and lengths like `part`.
  ///
  /// Enough blocks for `multiprocessors` to be busy, none with less than a few tiles for each of its warps.
  package init(_ query: AttentionQuery, over part: KVPart, sequences: Int = 1, multiprocessors: Int) {
    let layout = part.store.layout
    let rows = query.shape.group * query.shape.queries
    tileRows = Self.tileSizes.first { $0 >= rows } ?? 8
    tiles = (rows + tileRows - 1) / tileRows
    self.sequences = sequences
    // Assumed: four blocks of 128 threads on a multiprocessor hide latency; 256 tokens are four tiles for each warp.
    let unsplit = query.shape.kvHeads * tiles * sequences
    let wanted = (4 * multiprocessors + unsplit - 1) / unsplit
    let most = (part.count + 255) / 256
    let split = max(64, (part.count / max(1, min(wanted, most)) + 63) / 64 * 64)
    splits = max(1, (part.count + split - 1) / split)
    kernel = "partial_\(part.store.element)_\(query.shape.headDim)_\(tileRows)"
    shape = LaunchShape(
      blockStride: UInt64(layout.blockStride), tokenStride: UInt64(layout.tokenStride),
      headStride: UInt64(layout.headStride), blockTokens: UInt32(layout.blockTokens),
      tableStride: UInt32(part.table.count), splitTokens: UInt32(split), kvHeads: UInt32(query.shape.kvHeads),
      group: UInt32(query.shape.group), queries: UInt32(query.shape.queries), causal: query.isCausal ? 1 : 0,
      window: UInt32(query.window ?? 0), biasStride: UInt32(part.count), scale: query.scale)
  }

  /// Why the kernels do not take a call, or nil if they do.
  static func refusal(_ query: AttentionQuery, over part: KVPart) -> String? {
    let layout = part.store.layout
    guard part.store.element != .fp32 else { return "the kernels read fp16 and bf16" }
    guard [64, 128].contains(query.shape.headDim) else {
      return "the kernels have 64 or 128 elements per head, not \(query.shape.headDim)"
    }
    guard [layout.blockStride, layout.tokenStride, layout.headStride].allSatisfy({ $0 % 8 == 0 }) else {
      return "the kernels read 16 bytes at once: strides must be multiples of 8 elements"
    }
    // Positions and tokens are counted in 31 bits, the grid's second extent in 16.
    let most = Int(Int32.max) - 1
    guard part.table.count * layout.blockTokens < most, query.shape.queries < most,
      query.firstPosition > -most, query.firstPosition < most - query.shape.queries, query.window ?? 1 < most
    else { return "the kernels count tokens and positions in 31 bits" }
    return nil
  }
}
