/// Bounds on latency that a request must keep to count as good. Every given bound must hold.
public struct SLO: Hashable, Sendable {
  /// Time to first token, seconds.
  public var ttftSeconds: Double?
  /// Time per output token, seconds.
  public var tpotSeconds: Double?

  public init(ttftSeconds: Double? = nil, tpotSeconds: Double? = nil) {
    self.ttftSeconds = ttftSeconds
    self.tpotSeconds = tpotSeconds
  }
}

/// Where the instances are and how they reach each other.
public struct InstanceTopology: Sendable {
  /// The node of each instance's first GPU, by instance.
  public var nodeOfInstance: [Int]
  /// The nodes that each instance's GPUs are in; `nil` where that is `nodeOfInstance` alone.
  public var spans: [ClosedRange<Int>]?
  /// A link between two instances of one node, and one between two nodes.
  public var withinNode: LinkCosts
  public var acrossNodes: LinkCosts
  /// GPUs of the whole cluster, for per-GPU figures.
  public var gpus: Int

  public init(
    nodeOfInstance: [Int], spans: [ClosedRange<Int>]? = nil, withinNode: LinkCosts, acrossNodes: LinkCosts,
    gpus: Int
  ) {
    self.nodeOfInstance = nodeOfInstance
    self.spans = spans
    self.withinNode = withinNode
    self.acrossNodes = acrossNodes
    self.gpus = gpus
  }

  public var count: Int { nodeOfInstance.count }

  /// The nodes of an instance: it is lost with any of them.
  public func nodes(of i: Int) -> ClosedRange<Int> {
    spans?[i] ?? nodeOfInstance[i]...nodeOfInstance[i]
  }
  public func sameNode(_ a: Int, _ b: Int) -> Bool { nodeOfInstance[a] == nodeOfInstance[b] }
  public func link(_ a: Int, _ b: Int) -> LinkCosts { sameNode(a, b) ? withinNode : acrossNodes }
}

/// All that a run depends on besides the policy and the trace.
public struct SimulationConfiguration: Sendable {
  public var topology: InstanceTopology
  public var costs: InstanceCosts
  /// KV blocks of every instance.
  public var blocksPerInstance: Int
  public var engine: EngineOptions
  public var managers = ProtocolOptions()
  public var slo: SLO
  /// Where the costs were measured, if that is known.
  public var measured: MeasuredRange?
  /// What goes wrong.
  public var faults: FaultPlan

  public init(
    topology: InstanceTopology, costs: InstanceCosts, blocksPerInstance: Int, engine: EngineOptions,
    slo: SLO = SLO(), measured: MeasuredRange? = nil, faults: FaultPlan = FaultPlan()
  ) {
    self.topology = topology
    self.costs = costs
    self.blocksPerInstance = blocksPerInstance
    self.engine = engine
    self.slo = slo
    self.measured = measured
    self.faults = faults
  }
}

/// How far a run has come, for a progress line.
public struct RunProgress: Sendable {
  public var ended: Int
  public var total: Int
  public var time: SimTime
}
