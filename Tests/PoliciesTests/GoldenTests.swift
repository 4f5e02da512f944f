import Foundation
import Sim
import TestSupport
import Testing
import Torture

/// Fingerprints that every process and every build must give: run it in debug and in release.
///
/// After a change of the results that is meant, `GOLDENS=print swift test --filter GoldenTests` prints the table anew;
/// the commit says which results moved and why.
@Suite struct GoldenTests {
  @Test func `Fingerprints are those of every other process and build`() throws {
    var found: [Golden] = []
    for golden in Golden.all {
      let scenario = try PolicyScenarios(policyName: golden.policy, engine: golden.engine).scenario(
        seed: golden.seed)
      let summary = try Simulation(scenario.configuration, policy: scenario.makePolicy())
        .run(SharingSource(scenario.requests, scenario.sharing))
      found.append(
        Golden(
          policy: golden.policy, engine: golden.engine, seed: golden.seed, fingerprint: summary.fingerprint,
          outputTokens: summary.outputTokens))
    }
    if ProcessInfo.processInfo.environment["GOLDENS"] == "print" {
      for golden in found {
        let engine = golden.engine == .chunked ? ".chunked" : ".vllmV0"
        print(
          """
              Golden(
                policy: "\(golden.policy)", engine: \(engine), seed: \(golden.seed),
                fingerprint: "\(golden.fingerprint)", outputTokens: \(golden.outputTokens)),
          """)
      }
    }
    #expect(found == Golden.all)
  }
}
