#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The all-reduce of `ranks` GPUs in a node: (latency^q + (bytes / bandwidth)^q)^(1/q).
///
/// NCCL changes its algorithm and protocol with the size, so latency and bandwidth add to more than their sum
/// where they are alike: q is below 1.
public struct AllReduceFit: Hashable, Sendable {
  /// GPUs of the group.
  public var ranks: Int
  /// Time of an empty tensor, and bandwidth of an endless one.
  public var line: AlphaBeta
  /// q: above 0; 1 is the plain sum.
  public var exponent: Double

  /// Takes the parts as they are.
  public init(ranks: Int, alpha: Double, bytesPerSecond: Double, exponent: Double) {
    self.ranks = ranks
    line = AlphaBeta(alpha: alpha, bytesPerSecond: bytesPerSecond)
    self.exponent = exponent
  }

  /// µs for `bytes`.
  public func microseconds(bytes: Double) -> Double {
    let wire = bytes / line.bytesPerSecond * 1e6
    let larger = max(line.alpha, wire)
    guard larger > 0 else { return 0 }
    return larger * pow(1 + pow(min(line.alpha, wire) / larger, exponent), 1 / exponent)
  }
}

/// Sum of a tensor over the ranks of a TP group.
public enum AllReduceCost: Hashable, Sendable {
  /// Measured fits in ascending order of ranks, at least two. Assumed: other group sizes lie on the straight
  /// line, in the number of ranks, through the times of the two nearest sizes.
  case fits([AllReduceFit])
  /// The bandwidth bound: every rank sends 2 (n − 1) / n of the tensor.
  case ring(bytesPerSecond: Double)

  /// µs to sum `bytes` over `ranks` GPUs of one node; 0 for one rank.
  public func inNode(bytes: Int, ranks: Int) -> Double {
    guard ranks > 1 else { return 0 }
    let size = Double(bytes)
    switch self {
    case .ring(let bytesPerSecond):
      return 2 * Double(ranks - 1) / Double(ranks) * size / bytesPerSecond * 1e6
    case .fits(let fits):
      if let fit = fits.first(where: { $0.ranks == ranks }) { return fit.microseconds(bytes: size) }
      let upper = max(1, fits.firstIndex { $0.ranks > ranks } ?? fits.count - 1)
      let (a, b) = (fits[upper - 1], fits[upper])
      let (ta, tb) = (a.microseconds(bytes: size), b.microseconds(bytes: size))
      return ta + (tb - ta) * Double(ranks - a.ranks) / Double(b.ranks - a.ranks)
    }
  }

  /// µs to sum `bytes` over `ranks` GPUs spread evenly over `nodes` nodes.
  ///
  /// Assumed: hierarchical, as NCCL does it: a reduce-scatter and an all-gather in the node (together one
  /// all-reduce), and between them each GPU sums its share with its peers over its own NIC: 2 (m − 1) / m of
  /// the share on the wire, and the latency of a tree, 2 ⌈log₂ m⌉ messages.
  public func microseconds(bytes: Int, ranks: Int, nodes: Int, link: LinkCosts) -> Double {
    guard nodes > 1 else { return inNode(bytes: bytes, ranks: ranks) }
    let perNode = (ranks + nodes - 1) / nodes
    let share = Double(bytes) / Double(perNode)
    let m = Double(nodes)
    let depth = Int.bitWidth - (nodes - 1).leadingZeroBitCount
    let latency = 2 * Double(depth) * Double(link.latency) * 1e-6
    let wire = 2 * (m - 1) / m * share / link.bytesPerSecond * 1e6
    return inNode(bytes: bytes, ranks: perNode) + latency + wire
  }
}

/// vLLM's own all-reduce, for tensors up to a limit: two lines per group size, the time is the lower one.
public struct CustomAllReduce: Hashable, Sendable {
  /// The largest tensor that it is used for.
  public var mostBytes: Int
  /// Fits by group size; other sizes use NCCL.
  public var fits: [TwoLines]

  /// Takes the parts as they are.
  public init(mostBytes: Int, fits: [TwoLines]) {
    self.mostBytes = mostBytes
    self.fits = fits
  }

  /// Two lines of a group of `ranks` GPUs.
  public struct TwoLines: Hashable, Sendable {
    /// GPUs of the group.
    public var ranks: Int
    /// The line that is lower for small tensors.
    public var small: AlphaBeta
    /// The line that is lower for large tensors.
    public var large: AlphaBeta

    /// Takes the parts as they are.
    public init(ranks: Int, _ small: AlphaBeta, _ large: AlphaBeta) {
      self.ranks = ranks
      self.small = small
      self.large = large
    }
  }

  /// µs to sum `bytes` over `ranks` GPUs of one node, or `nil` where NCCL takes over.
  public func microseconds(bytes: Int, ranks: Int) -> Double? {
    guard bytes <= mostBytes, let fit = fits.first(where: { $0.ranks == ranks }) else { return nil }
    return min(fit.small.microseconds(bytes: Double(bytes)), fit.large.microseconds(bytes: Double(bytes)))
  }
}
