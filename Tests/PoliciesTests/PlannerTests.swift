import Sim
import TestSupport
import Testing

/// The planner against Algorithm 1 written plainly.
@Suite struct PlannerTests {
  private static let scenarios = ConformanceTests.scenarios / 3

  @Test(arguments: EngineKind.allCases)
  func `The planner orders what the plain algorithm orders`(engine: EngineKind) {
    var coverage = PlannerCoverage()
    var violations: [any Error] = []
    for seed in 0..<Self.scenarios where violations.count < 5 {
      do { try PlannerLaw.check(engine: engine, seed: seed, &coverage) } catch { violations.append(error) }
    }
    print("planner \(engine.rawValue): \(coverage)")
    #expect(violations.isEmpty, "\(violations)")
    #expect(coverage.shortfalls.isEmpty, "\(coverage.shortfalls)")
  }
}
