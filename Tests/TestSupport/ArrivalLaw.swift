import Policies
import Sim
import Torture

/// What observers are told of an arrival is what its router could see, found there instance by instance.
public enum ArrivalLaw {
  /// Returns what the router of the scenario saw.
  /// - Throws: `LawViolation`.
  public static func check(policy name: String, engine: EngineKind, seed: UInt64) throws -> [Sight] {
    var scenarios = PolicyScenarios(policyName: name, engine: engine)
    scenarios.faults = seed % 2 == 0
    let scenario = try scenarios.scenario(seed: seed)
    let witness = Witness(try scenario.makePolicy())
    _ = try Trial.simulate(
      scenario.configuration, policy: witness, source: SharingSource(scenario.requests, scenario.sharing),
      observer: witness)
    if let difference = witness.difference {
      throw LawViolation(
        law: "an arrival is told as its router saw it", seed: seed,
        details: "\(difference); \(scenario.replay)")
    }
    let isOne = scenario.configuration.topology.count == 1
    return [
      Sight(
        "an arrival while an instance is down", floor: 16,
        isOne || !scenarios.faults ? nil : witness.whileDown > 0),
      Sight(
        "an arrival while some have more free than others", floor: 48,
        isOne ? nil : witness.unlike > 0),
    ]
  }

  private final class Witness: ForwardingPolicy, RunObserver {
    /// What the router saw last, its home left open.
    private var request = RequestID(0)
    private var seen: [(isUp: Bool, queued: Int, running: Int, free: Int)] = []
    private(set) var difference: String?
    private(set) var whileDown = 0, unlike = 0

    override func route(_ request: RequestView, _ cluster: borrowing ClusterView) -> InstanceID {
      self.request = request.id
      seen = []
      for i in 0..<cluster.count {
        let i = InstanceID(i)
        seen.append((cluster.isUp(i), cluster.queued(i), cluster.running(i), cluster.free(i).count))
      }
      return super.route(request, cluster)
    }

    var watchesAll: Bool { true }
    func requestEnded(_ record: RequestRecord) {}

    func arrived(_ arrival: ArrivalRecord) {
      // One that no instance could take at its arrival is routed later, by the engine.
      guard arrival.request == request, difference == nil else { return }
      let up = seen.filter(\.isUp)
      let loads = up.map { $0.queued + $0.running }
      let home = seen[arrival.home.index]
      guard home.isUp else { return }
      let expected = [
        home.queued + home.running, loads.min()!, loads.max()!, home.queued, home.free, up.map(\.free).max()!,
      ]
      let told = [
        arrival.load, arrival.leastLoad, arrival.mostLoad, arrival.queued, arrival.freeBlocks,
        arrival.mostFreeBlocks,
      ]
      if told != expected { difference = "request \(request.index): \(told), expected \(expected)" }
      if up.count < seen.count { whileDown += 1 }
      if expected[5] > up.map(\.free).min()! { unlike += 1 }
    }
  }
}
