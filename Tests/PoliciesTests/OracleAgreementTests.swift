import Foundation
import Sim
import TestSupport
import Testing

@testable import Policies

/// The engine against the per-token oracle, which was written separately from the rules.
@Suite struct OracleAgreementTests {
  @Test(arguments: [EngineKind.vllmV0, .chunked], [false, true])
  func engineAndOracleAgreeToThePicosecond(engine: EngineKind, lending: Bool) throws {
    let generator = ScenarioGenerator(engine: engine, lending: lending)
    let count = UInt64(ProcessInfo.processInfo.environment["SCENARIOS"] ?? "300")!
    var bad = 0
    for seed in 0..<count {
      let scenario = generator.scenario(seed: seed)
      let skip = try ScenarioRun(scenario)
      let step = try ScenarioRun(scenario, stepByStep: true)
      if skip.summary.fingerprint != step.summary.fingerprint {
        bad += 1
        if bad < 12 { print("SKIP≠STEP", engine.rawValue, lending, seed) }
      }
      var oracle = Oracle(
        configuration: scenario.configuration, router: scenario.router, lending: scenario.lending)
      let expected = oracle.run(scenario.requests)
      if step.results != expected {
        bad += 1
        let first = expected.indices.filter { step.results[$0] != expected[$0] }
          .min { expected[$0].ended < expected[$1].ended }!
        if bad < 12 {
          print(
            "ORACLE≠", engine.rawValue, lending, seed, first, "of", expected.count, "expected",
            expected[first], "found",
            step.results[first])
        }
      }
    }
    print(engine.rawValue, lending, "bad", bad, "of", count)
    #expect(bad == 0)
  }
}
