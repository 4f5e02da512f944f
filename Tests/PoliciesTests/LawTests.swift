import Foundation
import Synchronization
import TestSupport
import Testing
import Torture

/// All law suites, as `laws` tries them. `SCENARIOS` sets on how many random clusters each: by default what takes a minute.
@Suite struct LawTests {
  private static let scenarios = UInt64(ProcessInfo.processInfo.environment["SCENARIOS"] ?? "") ?? standard

  #if DEBUG
    private static let standard: UInt64 = 20
  #else
    private static let standard: UInt64 = 200
  #endif

  @Test(arguments: LawSuite.all)
  func `No random cluster breaks a law, and they go through enough`(suite: LawSuite) {
    var coverage = Coverage()
    var violations: [any Error] = []
    for seed in 0..<min(Self.scenarios, suite.seeds) where violations.count < 5 {
      do { coverage.add(try suite.check(seed)) } catch { violations.append(error) }
    }
    print("\(suite)\n\(coverage)")
    #expect(violations.isEmpty, "\(violations)")
    #expect(coverage.shortfalls.isEmpty, "\(coverage.shortfalls)")
  }

  @Test func `A floor is missed by fewer than chance allows, in many scenarios and in few`() {
    func misses(_ seen: Int, of count: Int, floor: Int) -> Bool {
      var coverage = Coverage()
      for k in 0..<count { coverage.add([Sight("happens", floor: floor, k < seen)]) }
      return !coverage.shortfalls.isEmpty
    }
    // 50 % of 100: three standard deviations are 15.
    #expect(misses(34, of: 100, floor: 50) && !misses(35, of: 100, floor: 50))
    // 10 % of 1,000: 9.5 each.
    #expect(misses(71, of: 1_000, floor: 10) && !misses(72, of: 1_000, floor: 10))
    // What never happens is seen to in twenty scenarios if a third of them should, and in two hundred if a twentieth.
    #expect(misses(0, of: 20, floor: 40) && !misses(0, of: 20, floor: 5) && misses(0, of: 200, floor: 5))
    #expect(!misses(0, of: 1, floor: 50))
  }

  @Test func `What cannot happen does not count`() {
    var coverage = Coverage()
    for _ in 0..<1_000 { coverage.add([Sight("happens", floor: 50, nil)]) }
    coverage.add([Sight("happens", floor: 50, true)])
    #expect(coverage.shortfalls.isEmpty && coverage.description.contains("100.0 %"))
  }

  @Test func `Results do not depend on the number of threads`() throws {
    func run(jobs: Int) -> (String, Digest) {
      var settings = TrialRun.Settings(seeds: 0...99) { "\($0) \($1)" }
      settings.jobs = jobs
      let broken = LawSuite("broken") { seed in
        if seed % 7 == 3 { throw LawViolation(law: "seven", seed: seed, details: "") }
        return [Sight("even", floor: 40, seed.isMultiple(of: 2))]
      }
      let text = Mutex("")
      let verdict = TrialRun([broken] + LawSuite.all.named("oracle/"), settings) { outcome in
        text.withLock {
          $0 += "\(outcome.suite) \(outcome.trials) \(outcome.violations) \(outcome.coverage)\n"
        }
      }.run()
      return (text.withLock { $0 }, verdict.fingerprint)
    }
    let (one, three) = (run(jobs: 1), run(jobs: 3))
    #expect(one == three)
    // The first five: seeds 3, 10, 17, 24 and 31.
    #expect(one.0.contains("seven seed 31") && !one.0.contains("seven seed 38"))
  }
}
