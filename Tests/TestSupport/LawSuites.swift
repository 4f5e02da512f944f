import Policies
import Sim
import Torture

extension LawSuite {
  /// What the tests and `laws` try: every policy of the catalogue under every engine, what suits those that are declared to
  /// do more, the engine against the oracle, policies that must behave alike, and worked examples.
  public static let all: [LawSuite] =
    PolicyCatalog.all.flatMap(suites) + oracles + equivalences + ofCosts

  /// The suites of a policy by what it is declared to do.
  private static func suites(of policy: PolicyDescription) -> [LawSuite] {
    let name = policy.name
    func under(
      _ family: String, _ check: @escaping @Sendable (EngineKind, _ seed: UInt64) throws -> [Sight]
    ) -> [LawSuite] {
      EngineKind.allCases.map { engine in
        LawSuite("\(family)/\(name)/\(engine.rawValue)", policies: [name]) { try check(engine, $0) }
      }
    }
    @Sendable func scenarios(_ engine: EngineKind, faults: Bool = false) -> PolicyScenarios {
      var scenarios = PolicyScenarios(policyName: name, engine: engine)
      scenarios.faults = faults
      return scenarios
    }
    var suites = under("conformance") { try ConformanceLaw.check(scenarios($0), seed: $1) }
    suites += under("faults") { try ConformanceLaw.check(scenarios($0, faults: true), seed: $1) }
    suites += under("bound") { try BoundLaw.check(scenarios($0), seed: $1) }
    suites += under("progress") { try ProgressLaw.check(scenarios($0), seed: $1) }
    suites += under("alone") { try AloneLaw.check(scenarios($0), seed: $1) }
    if policy.does.contains(.lends) {
      suites += under("late") { try LateLaw.check(scenarios($0), seed: $1) }
      suites += under("overtaking") { try OvertakingLaw.check(scenarios($0), seed: $1) }
      suites += under("gpus") { try MoreGPUsLaw.check(policy: name, engine: $0, seed: $1) }
      suites += EngineKind.allCases.map { engine in
        LawSuite("gpus/\(name)/\(engine.rawValue)/400k", policies: [name], seeds: 1) { _ in
          try MoreGPUsLaw.checkLong(policy: name, engine: engine)
          return []
        }
      }
    }
    suites += under("arrivals") { try ArrivalLaw.check(policy: name, engine: $0, seed: $1) }
    if policy.sizedByLongest {
      suites += under("sizing") { try SizingLaw.check(policy: name, engine: $0, seed: $1) }
    } else {
      suites += under("memory") { try MemoryLaw.check(policy: name, engine: $0, seed: $1) }
    }
    if policy.does.contains(.plans) {
      suites += under("protocol") { try ProtocolLaw.check(scenarios($0), seed: $1) }
    }
    // Those that plan with `GreedyPlanner`.
    if ["debtor-creditor", "pooled"].contains(name) {
      suites += under("planner") { try PlannerLaw.check(policy: name, engine: $0, seed: $1) }
    }
    return suites + [Torture.suite(policy: name)]
  }

  /// The engine against the oracle: `vllm-m`, and `debtor-creditor` where it lends.
  private static var oracles: [LawSuite] {
    EngineKind.allCases.flatMap { engine in
      [false, true].flatMap { lending in
        let kind = "\(engine.rawValue)\(lending ? "/lending" : "")"
        let policies = [lending ? "debtor-creditor" : "vllm-m"]
        let sharing = ScenarioGenerator(engine: engine, lending: lending, sharing: true)
        return [
          LawSuite("oracle/\(kind)", policies: policies) {
            try OracleLaw.check(ScenarioGenerator(engine: engine, lending: lending).scenario(seed: $0))
          },
          LawSuite("prefix/\(kind)", policies: policies) { try OracleLaw.check(sharing.scenario(seed: $0)) },
          LawSuite("sessions/\(kind)", policies: policies) {
            try SessionLaw.check(sharing.scenario(seed: $0))
          },
        ]
      }
    }
  }

  private static var equivalences: [LawSuite] {
    EngineKind.allCases.flatMap { engine in
      Equivalence.Disabled.allCases.map { way in
        LawSuite("\(way.rawValue)/\(engine.rawValue)", policies: ["debtor-creditor", "vllm-m"]) {
          try Equivalence.lendingDisabled(way, engine: engine, seed: $0)
          return []
        }
      } + [
        // A seed takes most of a second; `BoundTests` tries more.
        LawSuite("optimum/\(engine.rawValue)", policies: ["debtor-creditor"], seeds: 8) {
          try BoundLaw.checkOptimum(engine: engine, seed: $0)
        },
        LawSuite("context/\(engine.rawValue)", policies: ["debtor-creditor", "vllm-m"]) {
          try ContextLaw.check(engine: engine, seed: $0)
        },
        LawSuite("one-instance/\(engine.rawValue)", policies: ["debtor-creditor", "vllm-s"]) {
          try Equivalence.oneInstance(engine: engine, seed: $0)
          return []
        },
        LawSuite("scaling/\(engine.rawValue)", policies: ["debtor-creditor", "vllm-m"]) {
          try Equivalence.scaling(engine: engine, lending: $0.isMultiple(of: 2), seed: $0)
          return []
        },
      ]
    }
  }

  private static var ofCosts: [LawSuite] {
    [
      LawSuite("costs") { try CostLaws.check(seed: $0) },
      LawSuite("answers", seeds: 1) { _ in
        try AnswerLaw.check()
        return []
      },
      LawSuite("lending-reference", seeds: 1) { _ in
        try LendingAccuracy.check(clusters: 40)
        return []
      },
      LawSuite("shared-hosts", seeds: 1) { _ in
        try SharedHostLaw.check()
        return []
      },
      LawSuite("by-hand", seeds: 1) { _ in
        func require(_ holds: Bool, _ law: String) throws {
          if !holds { throw LawViolation(law: law, seed: 0, details: "see WorkedExamples.swift") }
        }
        try require(try WorkedExample.borrow() == WorkedExample.borrowEnds, "a borrow by hand is exact")
        try require(
          try WorkedExample.hostedDelay(stages: 2) == 3 * 2 * 2_400, "hosted blocks lengthen the host's steps"
        )
        let grown = try WorkedExample.grownIntoTheWatermark()
        try require(
          grown[1].preemptions == 1 && grown.allSatisfy { $0.rejected == nil },
          "who has grown into the watermark starts again")
        let gap = WorkedExample.service - 4
        let waits = try WorkedExample.waits(arrivals: (0..<50).map { $0 * gap })
        try require(waits == (0..<50).map { $0 * 4 }, "D/D/1 waits exactly")
        return []
      },
    ]
  }
}

/// The engine gives every request the times that the separately written oracle gives it.
public enum OracleLaw {
  /// Returns what the scenario went through.
  /// - Throws: `LawViolation`.
  @discardableResult
  public static func check(_ scenario: Scenario) throws -> [Sight] {
    var oracle = Oracle(
      configuration: scenario.configuration, router: scenario.router, lending: scenario.lending,
      sharing: scenario.sharing, shareFrom: scenario.shareFrom, steals: scenario.steals)
    let expected = oracle.run(scenario.requests)
    let run = try ScenarioRun(scenario)
    guard run.results != expected else {
      let sharers = oracle.statistics.sharers.count
      let shares = scenario.configuration.engine.prefixCaching
      let backfills = scenario.lending.mode != .off && scenario.lending.reserveGiants == .backfill
      func of(
        _ name: String, floor: Int, _ applies: Bool, _ count: KeyPath<OracleStatistics, Int>
      ) -> Sight {
        Sight(name, floor: floor, applies ? oracle.statistics[keyPath: count] > 0 : nil)
      }
      return [
        Sight(
          "a fifth of the requests share a prefix", floor: 35, shares ? sharers * 5 >= expected.count : nil),
        Sight("evict a prefix", floor: 38, shares ? oracle.statistics.evictions > 0 : nil),
        of("a prompt lies on hosts", floor: 27, scenario.lending.mode != .off, \.promptLoans),
        of(
          "hosts take a part of an offered prompt", floor: 18, scenario.lending.spreadFrom < .max,
          \.offersTaken),
        of("start before a giant that waits", floor: 8, backfills, \.backfilled),
        of("give way to a giant", floor: 4, backfills, \.gaveWay),
        of("steal", floor: 44, scenario.steals, \.stolen),
      ]
    }
    let stepByStep = try ScenarioRun(scenario, stepByStep: true)
    let first = expected.indices.filter { run.results[$0] != expected[$0] }.min {
      expected[$0].ended < expected[$1].ended
    }!
    throw LawViolation(
      law: "the engine agrees with the oracle to the picosecond", seed: scenario.seed,
      details:
        "request \(first) of \(expected.count): expected \(expected[first]), found \(run.results[first])"
        + (stepByStep.results == expected ? "; step by step they agree" : ""))
  }
}
