/// How one instance is cut: TP ranks per layer, PP stages of layers.
public struct InstanceShape: Hashable, Sendable {
  /// Tensor-parallel ranks of a stage.
  public var tp: Int
  /// Pipeline stages.
  public var pp: Int
  /// Whether a TP group may span nodes.
  public var tpAcrossNodes: Bool
  /// Whether a rank of the TP group holds whole experts, 1 / TP of them, instead of a slice of each (EP = TP).
  public var expertParallel: Bool

  /// Takes any values; `validate(for:)` says whether a model can be cut so.
  public init(tp: Int = 1, pp: Int = 1, tpAcrossNodes: Bool = false, expertParallel: Bool = false) {
    self.tp = tp
    self.pp = pp
    self.tpAcrossNodes = tpAcrossNodes
    self.expertParallel = expertParallel
  }

  /// GPUs of one instance.
  public var gpus: Int { tp * pp }

  /// Layers of the longest stage, ⌈layers / PP⌉.
  public func layersPerStage(of model: ModelSpec) -> Int { (model.layers + pp - 1) / pp }

  /// The TP degrees up to `maximum` that cut `model` evenly: TP divides the query heads and the intermediate
  /// sizes, and divides the KV heads or is a multiple of them (semantics.md 13). Ascending; never empty.
  public static func legalTP(model: ModelSpec, maximum: Int) -> [Int] {
    (1...max(1, min(maximum, model.queryHeads))).filter { tp in
      model.queryHeads.isMultiple(of: tp) && model.intermediate.isMultiple(of: tp)
        && (model.experts?.intermediate ?? tp).isMultiple(of: tp)
        && (model.kvHeads.isMultiple(of: tp) || tp.isMultiple(of: model.kvHeads))
    }
  }

  /// Throws unless `model` is sound and can be cut this way.
  public func validate(for model: ModelSpec) throws {
    try model.validate()
    let legal = Self.legalTP(model: model, maximum: model.queryHeads)
    guard legal.contains(tp) else {
      throw ClusterError.illegalTP(tp: tp, model: model.name, legal: legal)
    }
    guard (1...model.layers).contains(pp) else {
      throw ClusterError.illegalPP(pp: pp, model: model.name, layers: model.layers)
    }
    if expertParallel {
      guard let experts = model.experts, experts.count.isMultiple(of: tp) else {
        throw ClusterError.illegalEP(ranks: tp, model: model.name, experts: model.experts?.count)
      }
    }
  }
}

/// Why a cluster, a shape or a layout cannot be built.
public enum ClusterError: Error, Hashable, CustomStringConvertible {
  case invalidCluster(what: String, found: Int)
  case illegalTP(tp: Int, model: String, legal: [Int])
  case illegalPP(pp: Int, model: String, layers: Int)
  case illegalEP(ranks: Int, model: String, experts: Int?)
  case tpExceedsNode(tp: Int, gpusPerNode: Int)
  case tooManyInstances(asked: Int, fitting: Int, shape: InstanceShape, gpus: Int)
  /// The weights and reserves leave no block of KV cache; `account` are the lines that show it.
  case modelDoesNotFit(model: String, shape: InstanceShape, account: [String])

  /// One sentence: what was found and what was expected.
  public var description: String {
    switch self {
    case .invalidCluster(let what, let found):
      return "\(what) is \(found), expected at least 1 (and at most \(ClusterSpec.most))"
    case .illegalTP(let tp, let model, let legal):
      let list = legal.map(String.init).joined(separator: ", ")
      return "TP \(tp) cannot cut \(model) evenly; legal TP: \(list)"
    case .illegalPP(let pp, let model, let layers):
      return "PP \(pp) cannot cut \(model) into stages; legal PP: 1...\(layers)"
    case .illegalEP(let ranks, let model, let experts):
      let found = experts.map { "\($0) experts" } ?? "no experts"
      return "\(model) has \(found), expected a multiple of the \(ranks) ranks that share them"
    case .tpExceedsNode(let tp, let gpusPerNode):
      return "TP \(tp) does not fit a node of \(gpusPerNode) GPUs; use PP across nodes or let TP cross them"
    case .tooManyInstances(let asked, let fitting, let shape, let gpus):
      return
        "\(asked) instances of TP \(shape.tp) × PP \(shape.pp) asked, \(fitting) fit the cluster's \(gpus) GPUs"
    case .modelDoesNotFit(let model, let shape, let account):
      return "\(model) does not fit with TP \(shape.tp) × PP \(shape.pp):\n"
        + account.joined(separator: "\n")
    }
  }
}
