import Sim

/// Query and KV heads of one rank.
struct HeadShape: Hashable {
  var query: Int
  var kv: Int

  /// Those of the presets on 1, 2, 4 and 8 ranks.
  static let ofPresets = Set(
    ModelCatalog.all.filter { $0.latent == nil }.flatMap { model in
      [1, 2, 4, 8].filter { model.queryHeads.isMultiple(of: $0) }.map {
        HeadShape(query: model.queryHeads / $0, kv: model.kvHeadsPerRank(tp: $0))
      }
    })

  /// Whether `measurement` is of attention of such a shape.
  static func isOfPresets(_ measurement: Measurement) -> Bool {
    if case .prefill(let query, let kv, _, _, _, _, _) = measurement.operation {
      return ofPresets.contains(HeadShape(query: query, kv: kv))
    }
    return false
  }
}
