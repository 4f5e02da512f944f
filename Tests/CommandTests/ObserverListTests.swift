import Sim
import Testing
import Torture

import Runs
import Experiments

/// `ObserverList` conforms to a protocol without defaults, and so does the spy: a requirement that is added later compiles in
/// neither until it is written down.
@Suite struct ObserverListTests {
  private final class Spy: RunEventHandler {
    let watchesAll: Bool
    private(set) var told: [String] = []
    init(watchesAll: Bool) { self.watchesAll = watchesAll }

    func requestEnded(_ record: RequestRecord) { told.append("requestEnded") }
    func sampled(_ sample: InstanceSample) { told.append("sampled") }
    func decided(_ decision: DecisionRecord) { told.append("decided") }
    func managed(_ record: ProtocolRecord) { told.append("managed") }
    func arrived(_ arrival: ArrivalRecord) { told.append("arrived") }
    func changed(_ change: RequestChange) { told.append("changed") }
    func worked(_ work: WorkRecord) { told.append("worked") }
    func faulted(_ fault: FaultRecord) { told.append("faulted") }
  }

  private static let all: Set = [
    "requestEnded", "sampled", "decided", "managed", "arrived", "changed", "worked", "faulted",
  ]
  /// What only those are told that watch everything.
  private static let watched: Set = ["sampled", "arrived", "changed", "worked"]

  @Test func `Every observer of a list is told all that one alone is told`() throws {
    var seen: Set<String> = []
    for seed in 0..<20 as Range<UInt64> {
      let scenario = try Torture.scenario(seed: seed)
      func watch(_ observer: any RunEventHandler) throws {
        _ = try Simulation(scenario.configuration, policy: scenario.makePolicy(), observer: observer)
          .run(SharingSource(scenario.requests, scenario.sharing))
      }
      let alone = Spy(watchesAll: true)
      try watch(alone)
      let spies = [false, true, false, true].map(Spy.init)
      try watch(ObserverList(spies))
      for spy in spies {
        #expect(
          spy.told == alone.told.filter { spy.watchesAll || !Self.watched.contains($0) }, "seed \(seed)")
      }
      seen.formUnion(alone.told)
    }
    #expect(seen == Self.all)
  }
}
