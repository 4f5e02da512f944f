import Foundation
import Policies
import Reporting
import Results
import Sim
import TestSupport
import Testing
import Torture

@Suite("Where a request's time went")
struct TimeByCauseTests {
  /// Accounts as an observer keeps them, and what is known of each request at its end.
  private final class Accountant: RunObserver {
    var account = TimeAccount()
    var ends: [(record: RequestRecord, time: TimeByCause)] = []
    var watchesAll: Bool { true }
    func arrived(_ arrival: ArrivalRecord) { account.arrived(arrival) }
    func changed(_ change: RequestChange) { account.changed(change) }
    func worked(_ work: WorkRecord) { account.worked(work) }
    func requestEnded(_ record: RequestRecord) {
      ends.append((record, account.take(record.id)!.time))
    }
  }

  private func run(_ scenario: PolicyScenario, stepByStep: Bool) throws -> Accountant {
    var configuration = scenario.configuration
    configuration.engine.stepByStep = stepByStep
    let accountant = Accountant()
    _ = try Simulation(configuration, policy: scenario.makePolicy(), observer: accountant)
      .run(SharingSource(scenario.requests, scenario.sharing))
    return accountant
  }

  @Test(
    "The parts add up to E2E in picoseconds, whatever the policy and the engine, and skipping ahead changes none",
    arguments: PolicyCatalog.all.map(\.name), EngineKind.allCases)
  func partsAddUp(policy: String, engine: EngineKind) throws {
    var seen: Set<TimeByCause.Cause> = []
    for seed in 1...150 as ClosedRange<UInt64> {
      let scenario = try PolicyScenarios(policyName: policy, engine: engine).scenario(seed: seed)
      let skip = try run(scenario, stepByStep: false)
      let step = try run(scenario, stepByStep: true)
      #expect(skip.ends.count == scenario.requests.count)
      for (end, other) in zip(skip.ends, step.ends) {
        let (record, time) = end
        #expect(time.total == record.e2e, "request \(record.id.index), \(scenario.replay)")
        #expect(time == other.time, "request \(record.id.index), \(scenario.replay)")
        for cause in TimeByCause.Cause.allCases {
          #expect(time[cause] >= .zero, "\(cause) of request \(record.id.index), \(scenario.replay)")
          if time[cause] > .zero { seen.insert(cause) }
        }
        if let admitted = record.admitted {
          #expect(
            time[.queued] == admitted - record.arrival, "request \(record.id.index), \(scenario.replay)")
        }
        let lost = time[.requeued].picoseconds + time[.recompute].picoseconds + time[.lostStep].picoseconds
        #expect(record.preemptions > 0 || lost == 0, "request \(record.id.index), \(scenario.replay)")
      }
    }
    // A law that nothing tried is no law that held.
    var expected: Set<TimeByCause.Cause> = [.queued, .prefill, .decode, .requeued, .recompute]
    expected.insert(engine == .chunked ? .decodeBesidePrompts : .stalledByPrompts)
    #expect(seen.isSuperset(of: expected), "seen only \(seen)")
  }
}
