import Sim
import TestSupport
import Testing

/// What is kept of a router's choice.
@Suite struct ArrivalTests {
  @Test(arguments: EngineKind.allCases)
  func `An arrival is told as its router saw it`(engine: EngineKind) {
    var coverage = ArrivalCoverage()
    let violations = EquivalenceTests.every { try ArrivalLaw.check(engine: engine, seed: $0, &coverage) }
    print("arrivals \(engine.rawValue): \(coverage)")
    #expect(violations.isEmpty, "\(violations)")
    #expect(coverage.shortfalls.isEmpty, "\(coverage.shortfalls)")
  }
}
