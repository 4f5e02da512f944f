/// The sizes of one attention call, but for the number of cached tokens.
///
/// Query head h reads key and value head h / `group`. Rows are numbered query by query: row = query · `queryHeads`
/// + head.
public struct AttentionShape: Hashable, Sendable {
  /// Query tokens: 1 while decoding, more for a chunk of a prompt. At least 1.
  public var queries: Int
  /// Query heads; a multiple of `kvHeads`.
  public var queryHeads: Int
  /// Key and value heads: as many as query heads in MHA, fewer in GQA, one in MQA.
  public var kvHeads: Int
  /// Elements per head, 1 … 256.
  public var headDim: Int

  /// Traps unless every size is in range and query heads are a multiple of KV heads.
  public init(queries: Int = 1, queryHeads: Int, kvHeads: Int, headDim: Int) {
    precondition(
      queries >= 1 && kvHeads >= 1 && queryHeads >= kvHeads && queryHeads % kvHeads == 0
        && (1...Self.maxHeadDim).contains(headDim),
      "attention needs a query, heads in whole groups and 1 … \(Self.maxHeadDim) elements per head")
    self.queries = queries
    self.queryHeads = queryHeads
    self.kvHeads = kvHeads
    self.headDim = headDim
  }

  /// The largest head that the kernels take.
  public static let maxHeadDim = 256

  /// Query heads that share one key and value head.
  public var group: Int { queryHeads / kvHeads }
  /// Rows of the result: one per query token and query head.
  public var rows: Int { queries * queryHeads }
}
