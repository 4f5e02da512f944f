/// Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434): the cache holds one compressed vector per token,
/// from which every head makes its keys and values.
///
/// The head dimension of the model is that of the part without rotary embedding.
public struct LatentAttention: Hashable, Sendable {
  /// `kv_lora_rank`: width of the compressed keys and values.
  public var rank: Int
  /// `qk_rope_head_dim`: width of the rotary key, shared by all heads.
  public var ropeDim: Int
  /// `v_head_dim`: width of one head's value.
  public var valueDim: Int
  /// `q_lora_rank`: width of the compressed query, or `nil` when queries are not compressed.
  public var queryRank: Int?

  /// Takes any values; `ModelSpec.validate()` says whether they make a model.
  public init(rank: Int, ropeDim: Int, valueDim: Int, queryRank: Int?) {
    self.rank = rank
    self.ropeDim = ropeDim
    self.valueDim = valueDim
    self.queryRank = queryRank
  }

  /// Elements that the cache holds of one token in one layer.
  public var width: Int { rank + ropeDim }
}
