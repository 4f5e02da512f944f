import Policies
import Sim
import Torture

/// One named law to try on a seed: what the tests and the planted bugs share.
public struct LawCase: Sendable {
  public let name: String
  /// Whether other seeds try other things.
  public let isRandom: Bool
  let body: @Sendable (_ seed: UInt64) throws -> Void

  /// Throws a `LawViolation` if the law is broken. A wrong answer of a policy is a broken law like others.
  public func check(_ seed: UInt64) throws {
    do { try body(seed) } catch let error as PolicyError {
      throw LawViolation(law: error.law.rawValue, seed: seed, details: "\(error)")
    }
  }

  /// Conformance of every policy, agreement with the oracle, equivalences of policies, and worked examples.
  public static var all: [LawCase] {
    var cases = LawSuite.all.map { suite in
      LawCase(name: "\(suite.scenarios.policyName)/\(suite.scenarios.engine.rawValue)", isRandom: true) {
        seed in
        var coverage = LawCoverage()
        try suite.check(seed: seed, &coverage)
      }
    }
    for policy in PolicyCatalog.all {
      for engine in EngineKind.allCases {
        let suite = LawSuite(policyName: policy.name, engine: engine, faults: true)
        cases.append(
          LawCase(name: "faults/\(policy.name)/\(engine.rawValue)", isRandom: true) { seed in
            var coverage = LawCoverage()
            try suite.check(seed: seed, &coverage)
          })
      }
    }
    cases += LawSuite.all.map { suite in
      LawCase(name: "bound/\(suite.scenarios.policyName)/\(suite.scenarios.engine.rawValue)", isRandom: true)
      {
        seed in try BoundLaw.check(suite.scenarios, seed: seed)
      }
    }
    for engine in EngineKind.allCases {
      for lending in [false, true] {
        let kind = "\(engine.rawValue)\(lending ? "/lending" : "")"
        cases.append(
          LawCase(name: "oracle/\(kind)", isRandom: true) { seed in
            try OracleLaw.check(ScenarioGenerator(engine: engine, lending: lending).scenario(seed: seed))
          })
        let sharing = ScenarioGenerator(engine: engine, lending: lending, sharing: true)
        cases.append(
          LawCase(name: "prefix/\(kind)", isRandom: true) { seed in
            try OracleLaw.check(sharing.scenario(seed: seed))
          })
        cases.append(
          LawCase(name: "sessions/\(kind)", isRandom: true) { seed in
            try SessionLaw.check(sharing.scenario(seed: seed))
          })
      }
    }
    for engine in EngineKind.allCases {
      cases.append(
        LawCase(name: "protocol/\(engine.rawValue)", isRandom: true) { seed in
          var coverage = ProtocolCoverage()
          try ProtocolLaw.check(engine: engine, seed: seed, &coverage)
        })
      cases.append(
        LawCase(name: "planner/\(engine.rawValue)", isRandom: true) { seed in
          var coverage = PlannerCoverage()
          try PlannerLaw.check(engine: engine, seed: seed, &coverage)
        })
      cases.append(
        LawCase(name: "arrivals/\(engine.rawValue)", isRandom: true) { seed in
          var coverage = ArrivalCoverage()
          try ArrivalLaw.check(engine: engine, seed: seed, &coverage)
        })
    }
    cases.append(
      LawCase(name: "torture", isRandom: true) { seed in
        do { _ = try Torture.check(Torture.scenario(seed: seed), alsoStepByStep: true) } catch let violation
          as TortureViolation
        {
          throw LawViolation(law: violation.law, seed: seed, details: violation.details)
        }
      })
    cases.append(LawCase(name: "costs", isRandom: true) { try CostLaws.check(seed: $0) })
    for engine in EngineKind.allCases {
      for way in Equivalence.Disabled.allCases {
        cases.append(
          LawCase(name: "\(way.rawValue)/\(engine.rawValue)", isRandom: true) { seed in
            try Equivalence.lendingDisabled(way, engine: engine, seed: seed)
          })
      }
      cases.append(
        LawCase(name: "one-instance/\(engine.rawValue)", isRandom: true) { seed in
          try Equivalence.oneInstance(engine: engine, seed: seed)
        })
      cases.append(
        LawCase(name: "scaling/\(engine.rawValue)", isRandom: true) { seed in
          try Equivalence.scaling(engine: engine, lending: seed.isMultiple(of: 2), seed: seed)
        })
    }
    cases.append(LawCase(name: "answers", isRandom: false) { _ in try AnswerLaw.check() })
    cases.append(
      LawCase(name: "by-hand", isRandom: false) { _ in
        func require(_ holds: Bool, _ law: String) throws {
          if !holds { throw LawViolation(law: law, seed: 0, details: "see WorkedExamples.swift") }
        }
        try require(try WorkedExample.borrow() == WorkedExample.borrowEnds, "a borrow by hand is exact")
        try require(
          try WorkedExample.hostedDelay(stages: 2) == 3 * 2 * 800, "hosted blocks lengthen the host's steps")
        let gap = WorkedExample.service - 4
        let waits = try WorkedExample.waits(arrivals: (0..<50).map { $0 * gap })
        try require(waits == (0..<50).map { $0 * 4 }, "D/D/1 waits exactly")
      })
    return cases
  }
}

/// The engine gives every request the times that the separately written oracle gives it.
public enum OracleLaw {
  /// - Throws: `LawViolation`.
  public static func check(_ scenario: Scenario) throws {
    var oracle = Oracle(
      configuration: scenario.configuration, router: scenario.router, lending: scenario.lending,
      sharing: scenario.sharing)
    let expected = oracle.run(scenario.requests)
    let run = try ScenarioRun(scenario)
    guard run.results != expected else { return }
    let first = expected.indices.filter { run.results[$0] != expected[$0] }.min {
      expected[$0].ended < expected[$1].ended
    }!
    throw LawViolation(
      law: "the engine agrees with the oracle to the picosecond", seed: scenario.seed,
      details:
        "request \(first) of \(expected.count): expected \(expected[first]), found \(run.results[first])")
  }
}
