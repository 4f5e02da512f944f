import Sim

/// A workload to generate: classes of requests, each with its arrivals, lengths, and perhaps sessions.
///
/// The same specification gives the same requests on every machine. `GeneratorYAML` reads one from a file.
public struct WorkloadSpec: Hashable, Sendable {
  /// Seed of all draws.
  public var seed: UInt64
  /// Stop after so many requests in all, 1 to 50,000,000.
  public var requests: Int?
  /// Stop at this many seconds, up to 100 days. One of the two must be given.
  public var duration: Double?
  /// At least one; names differ.
  public var classes: [RequestClass]

  public init(seed: UInt64, requests: Int? = nil, duration: Double? = nil, classes: [RequestClass]) {
    (self.seed, self.requests, self.duration, self.classes) = (seed, requests, duration, classes)
  }

  /// The same, with so many times as many requests, and so many times as long.
  package func lasting(times: Int) -> WorkloadSpec {
    var spec = self
    spec.requests = requests.map { min($0 * times, Self.maximumRequests) }
    spec.duration = duration.map { $0 * Double(times) }
    return spec
  }

  /// Most requests that are generated.
  public static let maximumRequests = 50_000_000
}

/// Requests of one kind or tenant.
public struct RequestClass: Hashable, Sendable {
  public var name: String
  public var source: Source
  public var prompt: LengthDistribution
  public var output: LengthDistribution
  /// Spearman's rank correlation of prompt and output, −1 to 1, through a Gaussian copula.
  public var correlation: Double
  /// What the tenant was promised, in seconds; carried, not enforced.
  public var slo: SLO
  public var sessions: SessionSpec?

  /// Where requests, or with `sessions` the sessions' first requests, come from.
  public enum Source: Hashable, Sendable {
    /// An arrival process: what comes does not depend on what was served.
    case open(ArrivalProcess)
    /// So many users, each sending a request when its last one has been answered and thought about. Generated
    /// as sessions that all begin at 0; the recorded arrivals assume that answers take `service` seconds.
    case closed(users: Int, think: LengthDistribution, service: Double)
  }

  public init(
    name: String, source: Source, prompt: LengthDistribution, output: LengthDistribution,
    correlation: Double = 0, slo: SLO = SLO(), sessions: SessionSpec? = nil
  ) {
    (self.name, self.source, self.prompt, self.output) = (name, source, prompt, output)
    (self.correlation, self.slo, self.sessions) = (correlation, slo, sessions)
  }
}

/// Conversations of several turns: each prompt is all that was said before and a new message.
public struct SessionSpec: Hashable, Sendable {
  /// Turns of a session.
  public var turns: LengthDistribution
  /// Seconds between an answer and the next message.
  public var think: LengthDistribution
  /// Seconds that recorded arrivals assume an answer to take.
  public var service: Double
  /// Longest prompt; a session ends before it would be exceeded.
  public var maximumPrompt: Int

  public init(
    turns: LengthDistribution, think: LengthDistribution, service: Double = 0,
    maximumPrompt: Int = 100_000_000
  ) {
    (self.turns, self.think, self.service, self.maximumPrompt) = (turns, think, service, maximumPrompt)
  }
}
