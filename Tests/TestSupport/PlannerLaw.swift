import Policies
import Sim
import Torture

/// The planner orders what the plain statement of its algorithm orders, round for round.
public enum PlannerLaw {
  /// Returns what the planner of the scenario had to do.
  /// - Throws: `LawViolation`.
  public static func check(policy name: String, engine: EngineKind, seed: UInt64) throws -> [Sight] {
    var scenarios = PolicyScenarios(policyName: name, engine: engine)
    scenarios.isTorture = seed % 3 == 0
    scenarios.faults = seed % 4 == 1
    let scenario = try scenarios.scenario(seed: seed)
    let policy = PlannedTwice(try scenario.makePolicy())
    _ = try Trial.simulate(
      scenario.configuration, policy: policy, source: SharingSource(scenario.requests, scenario.sharing))
    if let difference = policy.difference {
      throw LawViolation(
        law: "the planner orders what its plain statement orders", seed: seed,
        details: "\(difference); \(scenario.replay)")
    }
    return [
      Sight("move", floor: 16, policy.moves > 0), Sight("recall", floor: 5, policy.recalls > 0),
      Sight("move between nodes", floor: 3, policy.faraway > 0),
      Sight("order three in a round", floor: 3, policy.mostInRound > 2),
    ]
  }

  private final class PlannedTwice: ForwardingPolicy {
    private var plain: PlainPlanner
    private(set) var difference: String?
    private(set) var moves = 0, recalls = 0, faraway = 0, mostInRound = 0

    override init(_ policy: any SchedulingPolicy) {
      plain = PlainPlanner(options: policy.lending)
      super.init(policy)
    }

    override func plan(_ map: borrowing PlacementMap) -> [MoveOrder] {
      let orders = super.plan(map)
      let bare = orders.map { order in
        var order = order
        order.grounds = nil
        return order
      }
      let expected = plain.plan(map)
      if bare != expected, difference == nil { difference = "at \(map.now): \(bare), expected \(expected)" }
      mostInRound = max(mostInRound, orders.count)
      for order in orders {
        var isRecall = false
        map.forEachHosted(on: order.source) { row in isRecall = isRecall || row.request == order.request }
        if isRecall { recalls += 1 } else { moves += 1 }
        if map.node(of: order.source) != map.node(of: order.destination) { faraway += 1 }
      }
      return orders
    }

    override func forgetPlans() {
      super.forgetPlans()
      plain = PlainPlanner(options: lending)
    }
  }
}
