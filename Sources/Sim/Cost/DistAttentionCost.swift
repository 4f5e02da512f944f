/// What DistAttention sends for one request in one layer on one of `tp` ranks.
public struct DistAttentionTraffic: Hashable, Sendable {
  /// Elements of the partial output MA: query heads · value width.
  public var outputElements: Int
  /// Bytes of the query.
  public var queryBytes: Int
  /// Bytes of the partial result: MA like the query, m and e as FP32, one pair per head.
  public var partialBytes: Int

  /// The traffic of `model`; on a latent the query is the absorbed one, and MA has the latent's rank.
  public init(model: ModelSpec, tp: Int) {
    let heads = model.queryHeads / tp
    outputElements = heads * (model.latent?.rank ?? model.headDim)
    queryBytes = heads * (model.latent?.width ?? model.headDim) * model.bytesPerElement
    partialBytes = outputElements * model.bytesPerElement + heads * 2 * 4
  }
}

/// DistAttention's own operators, on the coefficients of one instance.
extension InstanceCosts {
  /// Queries out and partial results back over a stage's layers: latency there and back in each layer, and the
  /// bytes of `queries` requests (or prefilled tokens), ps.
  public func exchange(over link: LinkCosts, queries: Int) -> Int64 {
    Int64(layersPerStage) * 2 * link.latency
      + link.transfer(bytes: layersPerStage * queries * (queryBytes + partialBytes))
  }

  /// A decode step's remote path over one link: the exchange, the partial kernels' launch floor, and `tokens`
  /// hosted tokens at the host's attention rate, ps per stage.
  public func remotePath(over link: LinkCosts, queries: Int, tokens: Int) -> Int64 {
    exchange(over: link, queries: queries) + decodeFloor + contextRate * Int64(tokens)
  }

  /// What must fit the home's own work for a link to qualify for lending (semantics.md 22): the exchange of
  /// `queries` requests and the new token's keys and values, ps per stage.
  public func overlapped(over link: LinkCosts, queries: Int) -> Int64 {
    exchange(over: link, queries: queries) + link.latency + link.transfer(bytes: kvBytesPerTokenPerStage)
  }
}
