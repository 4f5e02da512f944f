import Foundation
import Sim
import TestSupport
import Testing

/// Policies and clusters that must behave alike. `SCENARIOS` sets on how many clusters each law is tried.
@Suite struct EquivalenceTests {
  static let scenarios = UInt64(ProcessInfo.processInfo.environment["SCENARIOS"] ?? "") ?? 300

  /// Tries a law on the seeds; stops at the fifth violation.
  static func every(_ check: (UInt64) throws -> Void) -> [String] {
    var violations: [String] = []
    for seed in 0..<scenarios where violations.count < 5 {
      do { try check(seed) } catch { violations.append("\(error)") }
    }
    return violations
  }

  @Test(arguments: EngineKind.allCases, Equivalence.Disabled.allCases)
  func `Debtor-creditor with lending disabled is vllm-m`(engine: EngineKind, way: Equivalence.Disabled) {
    let violations = Self.every { try Equivalence.lendingDisabled(way, engine: engine, seed: $0) }
    #expect(violations.isEmpty, "\(violations)")
  }

  @Test(arguments: EngineKind.allCases)
  func `Debtor-creditor on one instance is vllm-s`(engine: EngineKind) {
    let violations = Self.every { try Equivalence.oneInstance(engine: engine, seed: $0) }
    #expect(violations.isEmpty, "\(violations)")
  }

  @Test(arguments: EngineKind.allCases, [false, true])
  func `Scaling every cost and arrival scales every time`(engine: EngineKind, lending: Bool) {
    let violations = Self.every { try Equivalence.scaling(engine: engine, lending: lending, seed: $0) }
    #expect(violations.isEmpty, "\(violations)")
  }
}
