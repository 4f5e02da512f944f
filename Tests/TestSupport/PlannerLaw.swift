import Policies
import Sim
import Torture

/// The planner orders what the plain statement of its algorithm orders, round for round.
public enum PlannerLaw {
  /// - Throws: `LawViolation`.
  public static func check(engine: EngineKind, seed: UInt64, _ coverage: inout PlannerCoverage) throws {
    var scenarios = PolicyScenarios(policyName: "debtor-creditor", engine: engine)
    scenarios.movesOften = seed % 3 == 0
    scenarios.faults = seed % 4 == 1
    let scenario = try scenarios.scenario(seed: seed)
    let policy = PlannedTwice(try scenario.makePolicy())
    _ = try Simulation(scenario.configuration, policy: policy)
      .run(SharingSource(scenario.requests, scenario.sharing))
    coverage.add(policy)
    if let difference = policy.difference {
      throw LawViolation(
        law: "the planner orders what its plain statement orders", seed: seed,
        details: "\(difference); \(scenario.replay)")
    }
  }

  fileprivate final class PlannedTwice: SchedulingPolicy {
    private let policy: any SchedulingPolicy
    private var plain: PlainPlanner
    private(set) var difference: String?
    private(set) var rounds = 0, moves = 0, recalls = 0, faraway = 0, mostInRound = 0

    init(_ policy: any SchedulingPolicy) {
      self.policy = policy
      plain = PlainPlanner(options: policy.lending)
    }

    var name: String { policy.name }
    var lending: LendingOptions { policy.lending }
    var steals: Bool { policy.steals }
    func route(_ request: RequestView, _ cluster: borrowing ClusterView) -> InstanceID {
      policy.route(request, cluster)
    }
    func lend(_ ask: LoanRequest, _ cluster: borrowing ClusterView) -> [LoanPiece]? {
      policy.lend(ask, cluster)
    }

    func plan(_ map: borrowing PlacementMap) -> [MoveOrder] {
      let orders = policy.plan(map)
      let bare = orders.map { order in
        var order = order
        order.grounds = nil
        return order
      }
      let expected = plain.plan(map)
      if bare != expected, difference == nil { difference = "at \(map.now): \(bare), expected \(expected)" }
      rounds += 1
      mostInRound = max(mostInRound, orders.count)
      for order in orders {
        var isRecall = false
        map.forEachHosted(on: order.source) { row in isRecall = isRecall || row.request == order.request }
        if isRecall { recalls += 1 } else { moves += 1 }
        if map.node(of: order.source) != map.node(of: order.destination) { faraway += 1 }
      }
      return orders
    }

    func forgetPlans() {
      policy.forgetPlans()
      plain = PlainPlanner(options: policy.lending)
    }
  }
}

/// What the planners of the scenarios had to do.
public struct PlannerCoverage: Sendable, CustomStringConvertible {
  public var scenarios = 0
  public var moving = 0, recalling = 0, crossing = 0, many = 0
  public var rounds = 0

  public init() {}

  fileprivate mutating func add(_ policy: PlannerLaw.PlannedTwice) {
    scenarios += 1
    moving += policy.moves > 0 ? 1 : 0
    recalling += policy.recalls > 0 ? 1 : 0
    crossing += policy.faraway > 0 ? 1 : 0
    many += policy.mostInRound > 2 ? 1 : 0
    rounds += policy.rounds
  }

  private var parts: [(count: Int, percent: Int, what: String)] {
    [
      (moving, 25, "move"), (recalling, 5, "recall"), (crossing, 5, "move between nodes"),
      (many, 5, "order three in a round"),
    ]
  }

  /// The floors that were not reached, in words; none if all were.
  public var shortfalls: [String] {
    parts.compactMap { count, percent, what in
      count * 100 < scenarios * percent ? "\(count) of \(scenarios) \(what), not \(percent) %" : nil
    }
  }

  public var description: String {
    "\(scenarios) scenarios, \(rounds) rounds: "
      + parts.map { "\($0.what) \(scenarios == 0 ? 0 : $0.count * 100 / scenarios) %" }.joined(
        separator: ", ")
  }
}
