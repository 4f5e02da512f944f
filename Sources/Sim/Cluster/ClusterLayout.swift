/// What an instance's own traffic runs over.
public struct InstanceWiring: Hashable, Sendable {
  /// Nodes that one TP group spans.
  public var tpNodes: Int
  /// The slowest link between two consecutive pipeline stages.
  public var stageLink: LinkCosts
  /// The link between nodes.
  public var interNode: LinkCosts

  /// Takes the parts as they are.
  public init(tpNodes: Int, stageLink: LinkCosts, interNode: LinkCosts) {
    self.tpNodes = tpNodes
    self.stageLink = stageLink
    self.interNode = interNode
  }

  /// All of the instance in one node.
  public static func inOneNode(_ hardware: HardwareSpec) -> InstanceWiring {
    InstanceWiring(
      tpNodes: 1, stageLink: hardware.inNodeLink.costs, interNode: hardware.interNodeLink.costs)
  }
}

/// Which GPUs every instance has.
///
/// Instances take GPUs in node order, stage by stage. A TP group that fits a node never straddles two: if the
/// node's rest is too small it stays idle. A larger group needs `tpAcrossNodes` and starts on a fresh node.
public struct ClusterLayout: Hashable, Sendable {
  /// The cluster that is laid out.
  public let cluster: ClusterSpec
  /// The shape of every instance.
  public let shape: InstanceShape
  /// First GPU of each stage's TP group, by instance and stage. GPU `g` is in node `g / gpusPerNode`.
  private let stageStarts: [[Int]]

  /// Lays out `instances` instances, or as many as fit when it is `nil`.
  /// Throws `ClusterError`; whether a model can be cut so is for `InstanceShape.validate(for:)`.
  public static func make(
    cluster: ClusterSpec, shape: InstanceShape, instances: Int? = nil
  ) throws(ClusterError) -> ClusterLayout {
    try cluster.validate()
    for (what, value) in [("TP", shape.tp), ("PP", shape.pp), ("number of instances", instances ?? 1)]
    where value < 1 || value > ClusterSpec.most {
      throw .invalidCluster(what: what, found: value)
    }
    guard shape.tp <= cluster.gpusPerNode || shape.tpAcrossNodes else {
      throw .tpExceedsNode(tp: shape.tp, gpusPerNode: cluster.gpusPerNode)
    }
    var starts: [[Int]] = []
    var next = 0
    while starts.count < instances ?? .max,
      let stages = Self.place(shape: shape, cluster: cluster, next: &next)
    {
      starts.append(stages)
    }
    guard starts.count >= instances ?? 1 else {
      throw .tooManyInstances(
        asked: instances ?? 1, fitting: starts.count, shape: shape, gpus: cluster.gpus)
    }
    return ClusterLayout(cluster: cluster, shape: shape, stageStarts: starts)
  }

  /// First GPUs of the stages of one instance from GPU `next` on, or `nil` if the cluster is full.
  private static func place(shape: InstanceShape, cluster: ClusterSpec, next: inout Int) -> [Int]? {
    var stages: [Int] = []
    for _ in 0..<shape.pp {
      let inNode = next % cluster.gpusPerNode
      if inNode != 0, inNode + shape.tp > cluster.gpusPerNode { next += cluster.gpusPerNode - inNode }
      guard next + shape.tp <= cluster.gpus else { return nil }
      stages.append(next)
      next += shape.tp
    }
    return stages
  }

  /// Number of instances.
  public var count: Int { stageStarts.count }

  /// All instances, ascending.
  public var instances: [InstanceID] { (0..<count).map(InstanceID.init) }

  /// GPUs that no instance uses.
  public var idleGPUs: Int { cluster.gpus - count * shape.gpus }

  /// The node of the instance's first GPU.
  public func homeNode(of instance: InstanceID) -> Int { node(stageStarts[instance.index][0]) }

  /// The nodes that hold any of the instance's GPUs, ascending.
  public func nodes(of instance: InstanceID) -> [Int] {
    let nodes = stageStarts[instance.index].flatMap { node($0)...node($0 + shape.tp - 1) }
    return Array(Set(nodes)).sorted()
  }

  /// Whether every stage of `a` is in the node of the same stage of `b`, so that traffic between equal ranks
  /// never leaves a node.
  public func sameNode(_ a: InstanceID, _ b: InstanceID) -> Bool {
    zip(stageStarts[a.index], stageStarts[b.index]).allSatisfy { x, y in
      node(x) == node(y) && node(x + shape.tp - 1) == node(y + shape.tp - 1)
    }
  }

  /// The link from a rank of `from` to the equal rank of `to`.
  public func link(from: InstanceID, to: InstanceID) -> LinkCosts {
    sameNode(from, to) ? cluster.hardware.inNodeLink.costs : cluster.interNodeLink.costs
  }

  /// What the instance's own collectives and hand-offs run over.
  public func wiring(of instance: InstanceID) -> InstanceWiring {
    let starts = stageStarts[instance.index]
    let crosses = shape.tp > cluster.gpusPerNode || starts.contains { node($0) != node(starts[0]) }
    return InstanceWiring(
      tpNodes: (shape.tp + cluster.gpusPerNode - 1) / cluster.gpusPerNode,
      stageLink: crosses ? cluster.interNodeLink.costs : cluster.hardware.inNodeLink.costs,
      interNode: cluster.interNodeLink.costs)
  }

  private func node(_ gpu: Int) -> Int { gpu / cluster.gpusPerNode }
}
