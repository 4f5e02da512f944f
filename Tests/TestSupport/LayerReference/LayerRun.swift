/// What the layer-by-layer reference says of a cluster.
public struct LayerRun: Hashable, Sendable {
  /// A request's times, ps.
  public struct Request: Hashable, Sendable {
    /// When it arrived.
    public var arrival: Int64
    /// When its first token was there.
    public var firstToken: Int64
    /// When its last one was.
    public var end: Int64
    /// From arrival to end.
    public var endToEnd: Int64 { end - arrival }
  }

  /// An instance's GPU, ps; the three add to the makespan.
  public struct GPU: Hashable, Sendable {
    /// Time that it worked for its own requests.
    public var own: Int64 = 0
    /// Time that it worked for other instances.
    public var others: Int64 = 0
    /// Time that it waited.
    public var waited: Int64 = 0
  }

  /// A piece of work that a GPU did, ps.
  public struct Work: Hashable, Sendable {
    /// The GPU's instance.
    public var instance: Int
    /// The instance that the work is for.
    public var asker: Int
    /// What it is: `embedding`, `pre`, `attention`, `partial`, `merge`, `post` or `head`.
    public var name: String
    /// When it could have begun.
    public var ready: Int64
    /// When it began.
    public var begin: Int64
    /// When it ended.
    public var end: Int64
  }

  /// By request.
  public var requests: [Request]
  /// By instance.
  public var gpus: [GPU]
  /// From the first arrival to the last end.
  public var makespan: Int64
  /// All work in the order in which it began; empty unless asked for.
  public var work: [Work]
}

extension LayerRun {
  /// How far other ends of the same requests are from these, relative to these.
  public struct Errors: Hashable, Sendable {
    /// Mean over the requests of |E2E error|.
    public var meanEndToEnd: Double
    /// The largest |E2E error|.
    public var worstEndToEnd: Double
    /// Of the makespan, positive where the other one is longer.
    public var makespan: Double
  }

  /// Holds `ends`, by request, against this run.
  public func errors(of ends: [Int64]) -> Errors {
    precondition(ends.count == requests.count && !ends.isEmpty, "every request needs an end")
    let errors = zip(ends, requests).map { abs(Double($0 - $1.end)) / Double($1.endToEnd) }
    let first = requests.map(\.arrival).min() ?? 0
    let other = (ends.max() ?? 0) - first
    return Errors(
      meanEndToEnd: errors.reduce(0, +) / Double(errors.count), worstEndToEnd: errors.max() ?? 0,
      makespan: Double(other - makespan) / Double(makespan))
  }
}
