import Sim
import TestSupport
import Testing

/// The planner against Algorithm 1 written plainly.
@Suite struct PlannerTests {
  @Test(arguments: EngineKind.allCases)
  func `The planner orders what the plain algorithm orders`(engine: EngineKind) {
    var coverage = PlannerCoverage()
    let violations = EquivalenceTests.every { try PlannerLaw.check(engine: engine, seed: $0, &coverage) }
    print("planner \(engine.rawValue): \(coverage)")
    #expect(violations.isEmpty, "\(violations)")
    #expect(coverage.shortfalls.isEmpty, "\(coverage.shortfalls)")
  }
}
