import Policies
import Sim
import Torture

/// What observers are told of an arrival is what its router could see, found there instance by instance.
public enum ArrivalLaw {
  /// - Throws: `LawViolation`.
  public static func check(engine: EngineKind, seed: UInt64, _ coverage: inout ArrivalCoverage) throws {
    var scenarios = PolicyScenarios(policyName: seed % 3 == 0 ? "vllm-m" : "debtor-creditor", engine: engine)
    scenarios.faults = seed % 2 == 0
    let scenario = try scenarios.scenario(seed: seed)
    let witness = Witness(try scenario.makePolicy())
    _ = try Simulation(scenario.configuration, policy: witness, observer: witness)
      .run(SharingSource(scenario.requests, scenario.sharing))
    coverage.scenarios += 1
    coverage.arrivals += witness.arrivals
    coverage.whileDown += witness.whileDown > 0 ? 1 : 0
    coverage.freeElsewhere += witness.freeElsewhere > 0 ? 1 : 0
    if let difference = witness.difference {
      throw LawViolation(
        law: "an arrival is told as its router saw it", seed: seed,
        details: "\(difference); \(scenario.replay)")
    }
  }

  private final class Witness: SchedulingPolicy, RunObserver {
    private let policy: any SchedulingPolicy
    /// What the router saw last, its home left open.
    private var request = RequestID(0)
    private var seen: [(isUp: Bool, queued: Int, running: Int, free: Int)] = []
    private(set) var difference: String?
    private(set) var arrivals = 0, whileDown = 0, freeElsewhere = 0

    init(_ policy: any SchedulingPolicy) { self.policy = policy }

    var name: String { policy.name }
    var lending: LendingOptions { policy.lending }
    var steals: Bool { policy.steals }

    func route(_ request: RequestView, _ cluster: borrowing ClusterView) -> InstanceID {
      self.request = request.id
      seen = []
      for i in 0..<cluster.count {
        let i = InstanceID(i)
        seen.append((cluster.isUp(i), cluster.queued(i), cluster.running(i), cluster.free(i).count))
      }
      return policy.route(request, cluster)
    }

    func lend(_ ask: LoanRequest, _ cluster: borrowing ClusterView) -> [LoanPiece]? {
      policy.lend(ask, cluster)
    }
    func plan(_ map: borrowing PlacementMap) -> [MoveOrder] { policy.plan(map) }
    func forgetPlans() { policy.forgetPlans() }

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
      arrivals += 1
      if up.count < seen.count { whileDown += 1 }
      if expected[5] > home.free { freeElsewhere += 1 }
    }
  }
}

/// What the routers of the scenarios saw.
public struct ArrivalCoverage: Sendable, CustomStringConvertible {
  public var scenarios = 0
  public var arrivals = 0
  /// Scenarios with an arrival while an instance was down, and where another than the home had the most free.
  public var whileDown = 0, freeElsewhere = 0

  public init() {}

  /// The floors that were not reached, in words; none if all were.
  public var shortfalls: [String] {
    [(whileDown, 5, "while an instance is down"), (freeElsewhere, 40, "with more free elsewhere")]
      .compactMap { count, percent, what in
        count * 100 < scenarios * percent ? "\(count) of \(scenarios) \(what), not \(percent) %" : nil
      }
  }

  public var description: String {
    "\(scenarios) scenarios, \(arrivals) arrivals: \(whileDown) while an instance is down, \(freeElsewhere) with more "
      + "free elsewhere"
  }
}
