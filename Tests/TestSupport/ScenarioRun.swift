import Policies
import Sim
import Torture

/// Runs a scenario on the real engine, under a policy, and keeps what became of each request.
public struct ScenarioRun {
  public let summary: RunSummary
  /// By request id.
  public let results: [OracleResult]

  public init(_ scenario: Scenario, stepByStep: Bool = false, policy: (any SchedulingPolicy)? = nil) throws {
    var configuration = scenario.configuration
    configuration.engine.stepByStep = stepByStep
    let recorder = Recorder(count: scenario.requests.count)
    summary = try Trial.simulate(
      configuration, policy: policy ?? scenario.makePolicy(),
      source: SharingSource(scenario.requests, scenario.sharing), observer: recorder)
    results = recorder.results.map { $0! }
  }

  /// Replays `source` under vllm-m.
  public static func simulate<Source: RequestSource>(
    _ configuration: SimulationConfiguration, _ source: Source, observer: (any RunObserver)?
  ) throws -> RunSummary {
    try Trial.simulate(
      configuration, policy: VLLMMultiple(router: .roundRobin), source: source, observer: observer)
  }

  private final class Recorder: RunObserver {
    var results: [OracleResult?]
    init(count: Int) { results = Array(repeating: nil, count: count) }

    func requestEnded(_ record: RequestRecord) {
      var rejected: RejectionReason?
      if case .rejected(let reason) = record.outcome { rejected = reason }
      precondition(results[record.id.index] == nil, "a request ends once")
      results[record.id.index] = OracleResult(
        firstToken: record.firstToken?.picoseconds, ended: record.ended.picoseconds, rejected: rejected,
        preemptions: record.preemptions, generated: record.generated)
    }
  }
}

extension Scenario {
  /// The router by the policies' name for it.
  public var policyRouter: Router {
    switch router {
    case .roundRobin: .roundRobin
    case .leastLoaded: .leastLoaded
    case .mostFreeKV: .mostFreeKV
    case .leastWork: .leastWork
    }
  }

  /// vllm-m without lending, debtor-creditor with it.
  public func makePolicy() -> any SchedulingPolicy {
    lending.mode == .off
      ? VLLMMultiple(router: policyRouter)
      : DebtorCreditor(router: policyRouter, lending: lending, steals: steals, shareFrom: shareFrom)
  }
}
