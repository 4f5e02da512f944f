@_spi(Checking) import Sim
import Synchronization

/// One suite tried on one seed: every run of a law is simulated through it, so that all runs leave a fingerprint and one
/// that does not end can be looked at.
public final class Trial: Sendable {
  @TaskLocal static var current: Trial?

  private let ended = Mutex((runs: 0, fingerprint: Digest()))
  private let witness: TrialWitness?

  /// - Parameter witness: is told of every step of every run, which takes longer.
  init(witness: TrialWitness? = nil) { self.witness = witness }

  /// Over the fingerprints of its runs, in order.
  var fingerprint: Digest { ended.withLock { $0.fingerprint } }
  /// Runs that have ended.
  var runs: Int { ended.withLock { $0.runs } }

  /// Runs `body` as this trial.
  func run<Result>(_ body: () throws -> Result) rethrows -> Result {
    try Self.$current.withValue(self, operation: body)
  }

  /// Simulates a run of the trial under way, if there is one.
  public static func simulate<Source: RequestSource>(
    _ configuration: SimulationConfiguration, policy: any SchedulingPolicy, source: Source,
    observer: (any RunObserver)? = nil
  ) throws -> RunSummary {
    try simulate(configuration, policy: policy, source: source, observer: observer, inspect: nil)
  }

  /// - Parameter inspect: is shown the end of every instant.
  @_spi(Checking) public static func simulate<Source: RequestSource>(
    _ configuration: SimulationConfiguration, policy: any SchedulingPolicy, source: Source,
    observer: (any RunObserver)? = nil, managerOutages: [Range<SimTime>] = [],
    inspect: ((ClusterSnapshot) -> Void)?
  ) throws -> RunSummary {
    let summary: RunSummary
    if let witness = current?.witness {
      witness.begin("\(policy.name), \(configuration.engine.kind.rawValue)")
      let told = WitnessObserver(witness, observer)
      summary = try Simulation(configuration, policy: WitnessPolicy(witness, policy), observer: told)
        .run(source, managerOutages: managerOutages) { snapshot in
          witness.note(snapshot)
          inspect?(snapshot)
        }
    } else if inspect == nil, managerOutages.isEmpty {
      summary = try Simulation(configuration, policy: policy, observer: observer).run(source)
    } else {
      summary = try Simulation(configuration, policy: policy, observer: observer)
        .run(source, managerOutages: managerOutages, inspect: inspect)
    }
    current?.ended.withLock {
      $0.runs += 1
      // Sixteen hexadecimal digits.
      $0.fingerprint.fold(UInt64(summary.fingerprint, radix: 16)!)
    }
    return summary
  }
}
