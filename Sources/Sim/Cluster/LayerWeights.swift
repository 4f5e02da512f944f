/// Weights of some layers on one rank, by how they are stored.
struct LayerWeights: Hashable {
  /// Of attention, dense feed-forward parts and shared experts: in the model's format.
  var matrices: Int
  /// Of routed experts: in theirs.
  var experts: Int
  /// Of norms and routers: in 16 bits.
  var plain: Int

  var total: Int { matrices + experts + plain }
}

extension ModelSpec {
  /// Weights of `count` layers on one of `tp` ranks: attention, feed-forward and experts are cut, the norms, the
  /// router and what leads into a latent are copied. Fewer layers than all are taken from the end, where the
  /// experts are.
  func layerWeights(count: Int, tp: Int) -> LayerWeights {
    let attention = attentionWeights(tp: tp)
    var sum = LayerWeights(
      matrices: count * attention.matrices, experts: 0, plain: count * attention.plain)
    let dense = hidden * (intermediate / tp) * (gatedFFN ? 3 : 2)
    guard let experts else {
      sum.matrices += count * dense
      return sum
    }
    let denseLayers = max(0, count - (layers - experts.denseLayers))
    let mixed = count - denseLayers
    let expert = 3 * hidden * experts.intermediate
    sum.matrices += denseLayers * dense + mixed * (experts.shared * expert / tp)
    sum.experts += mixed * (experts.count * expert / tp)
    sum.plain += mixed * hidden * experts.count
    return sum
  }

  /// The number of them.
  func layerParameters(count: Int, tp: Int) -> Int { layerWeights(count: count, tp: tp).total }

  /// Their bytes, each in the format that it is stored in.
  func layerBytes(count: Int, tp: Int) -> Int {
    let weights = layerWeights(count: count, tp: tp)
    return bytes(of: weights.matrices, in: self.weights)
      + bytes(of: weights.experts, in: experts?.weights ?? self.weights) + weights.plain * bytesPerElement
  }

  private func bytes(of parameters: Int, in format: WeightFormat) -> Int {
    guard format != .bf16 else { return parameters * bytesPerElement }
    return Int((Double(parameters) * format.bitsPerWeight / 8).rounded(.up))
  }

  /// One layer's attention and norms on one of `tp` ranks.
  private func attentionWeights(tp: Int) -> (matrices: Int, plain: Int) {
    let heads = queryHeads / tp
    guard let latent else {
      let queries = heads * headDim
      return (
        hidden * (queries + 2 * kvHeadsPerRank(tp: tp) * headDim) + queries * hidden, 2 * hidden
      )
    }
    let query = heads * (headDim + latent.ropeDim)
    let down = latent.queryRank.map { hidden * $0 + $0 * query } ?? hidden * query
    return (
      down + hidden * latent.width + heads * latent.rank * (headDim + latent.valueDim)
        + heads * latent.valueDim * hidden,
      (latent.queryRank ?? 0) + latent.rank + 2 * hidden
    )
  }

  /// Stores the weights of all layers' matrices, those of the experts among them, as `format`.
  public mutating func store(as format: WeightFormat) {
    weights = format
    experts?.weights = nil
  }

  /// The name, and how the weights are stored where it is not in 16 bits.
  public var title: String {
    let format = experts?.weights ?? weights
    return format == .bf16 ? name : "\(name) (\(format.rawValue) weights)"
  }
}
