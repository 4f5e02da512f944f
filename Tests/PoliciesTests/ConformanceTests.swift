import Foundation
import Policies
import Sim
import TestSupport
import Testing

/// The laws that every policy keeps. `SCENARIOS` sets how many clusters each policy and engine is tried on: 1,000 in
/// release, where they take half a minute, and 150 in debug, where one takes twenty times as long.
@Suite struct ConformanceTests {
  static let scenarios = UInt64(ProcessInfo.processInfo.environment["SCENARIOS"] ?? "") ?? standard

  #if DEBUG
    private static let standard: UInt64 = 150
  #else
    private static let standard: UInt64 = 1_000
  #endif

  @Test(arguments: PolicyCatalog.all.map(\.name), EngineKind.allCases)
  func `Requests and blocks are conserved at every instant, and skipping ahead changes nothing`(
    policy: String, engine: EngineKind
  ) {
    let suite = LawSuite(policyName: policy, engine: engine)
    var coverage = LawCoverage()
    var violations: [any Error] = []
    for seed in 0..<Self.scenarios where violations.count < 5 {
      do { try suite.check(seed: seed, &coverage) } catch { violations.append(error) }
    }
    print("\(policy) \(engine.rawValue): \(coverage)")
    #expect(violations.isEmpty, "\(violations)")
    let lends =
      PolicyCatalog.all.first { $0.name == policy }?.options.contains { $0.key == "lending" } ?? false
    #expect(coverage.shortfalls(lends: lends).isEmpty, "\(coverage.shortfalls(lends: lends))")
  }
}
