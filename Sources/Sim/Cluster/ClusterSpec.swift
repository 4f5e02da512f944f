/// Nodes of equal GPUs, and the link between nodes.
public struct ClusterSpec: Hashable, Sendable {
  /// Nodes, at least 1.
  public var nodes: Int
  /// GPUs of a node, at least 1.
  public var gpusPerNode: Int
  /// The GPUs, their links and their host.
  public var hardware: HardwareSpec
  /// Between nodes: per GPU, one NIC each.
  public var interNodeLink: LinkClass

  /// `interNodeLink` is the hardware's own unless given.
  public init(nodes: Int, gpusPerNode: Int, hardware: HardwareSpec, interNodeLink: LinkClass? = nil) {
    self.nodes = nodes
    self.gpusPerNode = gpusPerNode
    self.hardware = hardware
    self.interNodeLink = interNodeLink ?? hardware.interNodeLink
  }

  /// GPUs of the cluster.
  public var gpus: Int { nodes * gpusPerNode }

  /// Far beyond any cluster; keeps products within 64 bits.
  static let most = 1 << 20

  /// Throws unless there is at least one node with at least one GPU.
  public func validate() throws(ClusterError) {
    for (what, value) in [("number of nodes", nodes), ("GPUs per node", gpusPerNode)]
    where value < 1 || value > Self.most {
      throw .invalidCluster(what: what, found: value)
    }
  }
}
