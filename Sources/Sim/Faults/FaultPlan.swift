/// What goes wrong in a run, and when. The empty plan is a run without faults.
///
/// A fault is a condition that lasts: it begins, and ends or does not. Faults may overlap: an instance is down as long as
/// one of them holds it down, shrinks add up, and of two slow-downs the worse counts.
public struct FaultPlan: Hashable, Sendable {
  /// Faults at given times.
  public var timed: [TimedFault]
  /// Faults that come and go at random.
  public var random: [RandomFault]
  /// What the random faults are drawn from.
  public var seed: UInt64

  public init(timed: [TimedFault] = [], random: [RandomFault] = [], seed: UInt64 = 0) {
    self.timed = timed
    self.random = random
    self.seed = seed
  }

  /// How often the random faults of a plan may begin in a run, all together. With a mean of nanoseconds a run would have no
  /// end.
  public static let mostRandomFaults = 1_000_000

  public var isEmpty: Bool { timed.isEmpty && random.isEmpty }
}

/// What is wrong while a fault lasts. Nodes are numbered as in the topology.
public enum Fault: Hashable, Sendable {
  /// An instance is down, and everything on it lost.
  case crash(InstanceID)
  /// All instances of a node are down.
  case nodeLoss(Int)
  /// Nothing gets through from one node to another.
  case linkLoss(LinkEnds)
  /// Messages between nodes take so many thousandths of their time, at least 1,000.
  case linkSlowdown(LinkEnds, permille: Int)
  /// The gManager is down: no heartbeats and no plans. Serving goes on.
  case managerCrash
  /// An instance's steps take so many thousandths of their time, at least 1,000.
  case straggler(InstanceID, permille: Int)
  /// An instance has so many usable blocks fewer.
  case memoryShrink(InstanceID, blocks: Int)

  /// The word for it in files and random streams.
  public var name: String {
    switch self {
    case .crash: "crash"
    case .nodeLoss: "node-loss"
    case .linkLoss: "link-loss"
    case .linkSlowdown: "link-slowdown"
    case .managerCrash: "manager-crash"
    case .straggler: "straggler"
    case .memoryShrink: "memory-shrink"
    }
  }

  /// What it befalls, in words.
  var place: String {
    switch self {
    case .crash(let instance), .straggler(let instance, _), .memoryShrink(let instance, _):
      "instance \(instance.index)"
    case .nodeLoss(let node): "node \(node)"
    case .linkLoss(let ends), .linkSlowdown(let ends, _):
      "from node \(ends.from) to " + (ends.to.map { "node \($0)" } ?? "all others")
    case .managerCrash: "the gManager"
    }
  }
}

/// The links between two nodes, or between a node and all others.
public struct LinkEnds: Hashable, Sendable {
  public var from: Int
  /// `nil` for all others.
  public var to: Int?
  /// Only what goes out of `from`.
  public var isOneWay: Bool

  public init(from: Int, to: Int? = nil, isOneWay: Bool = false) {
    self.from = from
    self.to = to
    self.isOneWay = isOneWay
  }

  /// Whether messages from node `a` to node `b` run over these links.
  func carries(_ a: Int, _ b: Int) -> Bool {
    (a == from && (to ?? b) == b && a != b) || (!isOneWay && b == from && (to ?? a) == a && a != b)
  }
}

/// A fault from `start` until `end`, or for ever.
public struct TimedFault: Hashable, Sendable {
  public var fault: Fault
  public var start: SimTime
  public var end: SimTime?

  public init(_ fault: Fault, start: SimTime, end: SimTime? = nil) {
    self.fault = fault
    self.start = start
    self.end = end
  }
}

/// A fault that comes and goes: sound times and repairs are exponential, their draws addressed by (kind of fault, entity,
/// ordinal), so that an instance meets the same luck whatever else is in the plan.
public struct RandomFault: Hashable, Sendable {
  public var fault: Fault
  /// Mean time from a repair to the next fault, and from a fault to its repair.
  public var meanBetween: SimDuration
  public var meanRepair: SimDuration
  /// None begins later than this.
  public var last: SimTime?

  public init(
    _ fault: Fault, meanBetween: SimDuration, meanRepair: SimDuration, last: SimTime? = nil
  ) {
    self.fault = fault
    self.meanBetween = meanBetween
    self.meanRepair = meanRepair
    self.last = last
  }
}

extension FaultPlan {
  /// - Throws: `ConfigurationError` for a fault that cannot be on this cluster.
  func validate(on topology: InstanceTopology) throws(ConfigurationError) {
    for timed in timed {
      try timed.fault.validate(on: topology)
      guard timed.start >= .zero, timed.end.map({ $0 > timed.start }) ?? true else {
        throw ConfigurationError(
          setting: "faults: \(timed.fault.name)",
          found: "\(timed.start.seconds) s to \(timed.end.map { "\($0.seconds) s" } ?? "the end")",
          expected: "an end after its start, and a start at 0 or later")
      }
    }
    for random in random {
      try random.fault.validate(on: topology)
      for (mean, what) in [(random.meanBetween, "between faults"), (random.meanRepair, "to a repair")] {
        guard mean.picoseconds >= 1_000 else {
          throw ConfigurationError(
            setting: "faults: \(random.fault.name)", found: "a mean time \(what) of \(mean.seconds) s",
            expected: "at least a nanosecond")
        }
      }
    }
  }
}

extension Fault {
  fileprivate func validate(on topology: InstanceTopology) throws(ConfigurationError) {
    func require(_ value: Int, _ range: ClosedRange<Int>, _ what: String) throws(ConfigurationError) {
      guard range.contains(value) else {
        throw ConfigurationError(
          setting: "faults: \(name): \(what)", found: String(value),
          expected: "\(range.lowerBound) to \(range.upperBound)")
      }
    }
    let instances = 0...(topology.count - 1)
    let nodes = 0...((0..<topology.count).map { topology.nodes(of: $0).upperBound }.max() ?? 0)
    switch self {
    case .crash(let instance): try require(instance.index, instances, "instance")
    case .nodeLoss(let node): try require(node, nodes, "node")
    case .linkLoss(let ends):
      try require(ends.from, nodes, "from")
      if let to = ends.to { try require(to, nodes, "to") }
    case .linkSlowdown(let ends, let permille):
      try require(ends.from, nodes, "from")
      if let to = ends.to { try require(to, nodes, "to") }
      try require(permille, 1_000...1_000_000, "thousandths")
    case .managerCrash: break
    case .straggler(let instance, let permille):
      try require(instance.index, instances, "instance")
      try require(permille, 1_000...1_000_000, "thousandths")
    case .memoryShrink(let instance, let blocks):
      try require(instance.index, instances, "instance")
      try require(blocks, 1...(1 << 36), "blocks")
    }
  }
}

/// A fault has begun or ended.
public struct FaultRecord: Hashable, Sendable {
  public var time: SimTime
  public var fault: Fault
  public var begins: Bool
}
