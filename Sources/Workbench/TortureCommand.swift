import Runs
import ArgumentParser
import Policies
import Synchronization
import Torture

/// `infinite-sim torture`: random clusters under faults and a lossy network, with a checker outside the engine.
struct TortureCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "torture", abstract: "Attack random clusters with faults and check every record.",
    discussion: """
      Each seed is a random cluster, model, policy, workload, network of the managers and fault schedule. A checker \
      rebuilds from the records of the run who has which blocks. A seed that fails is shrunk and printed with the command \
      that replays it. Exit code 1 if a law was broken, or if the scenarios went through too little to count (docs/faults.md).
      """)

  @Option(help: ArgumentHelp("Seeds to try, one after the other.", valueName: "n"))
  var seeds: UInt64 = 10_000
  @Option(help: ArgumentHelp("Stop after so many minutes, whatever is left.", valueName: "minutes"))
  var minutes: Double?
  @Option(help: ArgumentHelp("The first seed.", valueName: "seed"))
  var from: UInt64 = 0
  @Option(help: ArgumentHelp("Threads. (default: one for each processor)", valueName: "n"))
  var jobs: Int?
  @Option(
    help: ArgumentHelp("Give up on a seed whose run takes longer, and say where it is.", valueName: "seconds")
  )
  var limit = TrialRun.Settings.standardLimit / .seconds(1)
  @Option(
    help: ArgumentHelp(
      "Torture this policy alone. (default: all of the catalogue, those that lend more often)",
      valueName: "policy"))
  var policy: String?
  @Option(
    help: ArgumentHelp("Try this seed alone, step by step as well, and say what it is.", valueName: "seed"))
  var replay: UInt64?

  func validate() throws {
    if seeds == 0 { throw ValidationError("--seeds is 0, expected at least 1") }
    if let minutes, !(minutes > 0 && minutes < 1e6) {
      throw ValidationError("--minutes is \(minutes), expected more than 0 and less than a million")
    }
    if let jobs, !(1...256).contains(jobs) {
      throw ValidationError("--jobs is \(jobs), expected 1 to 256")
    }
    if !(limit > 0 && limit < 1e6) {
      throw ValidationError("--limit is \(limit), expected more than 0 and less than a million seconds")
    }
    if let policy, PolicyCatalog[policy] == nil {
      let all = PolicyCatalog.all.map(\.name)
      throw ValidationError("--policy is \(policy), expected one of \(all.joined(separator: ", "))")
    }
    if from.addingReportingOverflow(seeds - 1).overflow {
      throw ValidationError("--from is \(from), expected at most 2^64 less --seeds")
    }
  }

  func run() throws {
    if let replay {
      IdleOption.warn(IdleOption.given(["--seeds", "--from", "--minutes", "--jobs"], "with --replay"))
      try replayAlone(replay)
      return
    }
    var settings = settings(from...(from + seeds - 1))
    settings.end = minutes.map { .now + .seconds($0 * 60) }
    let outcomes = Mutex<[TrialRun.Outcome]>([])
    _ = TrialRun([Torture.suite(policy: policy)], settings) { outcome in
      outcomes.withLock { $0.append(outcome) }
    }
    .run()
    let outcome = outcomes.withLock { $0[0] }
    for violation in outcome.violations { try report(violation) }
    try writeToStandardOutput("\(outcome.coverage)\n")
    let shortfalls = outcome.coverage.shortfalls
    for shortfall in shortfalls { try writeToStandardOutput("too little coverage: \(shortfall)\n") }
    try writeToStandardOutput("scenarios: \(outcome.trials), violations: \(outcome.violations.count)\n")
    if outcome.trials == 0 {
      throw CommandFailure(.runFailed, "no seed was tried in \(minutes ?? 0) minutes")
    }
    guard outcome.violations.isEmpty, shortfalls.isEmpty else {
      throw CommandFailure(
        .runFailed,
        outcome.violations.isEmpty ? "too little coverage" : "\(outcome.violations.count) laws broken")
    }
  }

  private func settings(_ seeds: ClosedRange<UInt64>) -> TrialRun.Settings {
    var settings = TrialRun.Settings(seeds: seeds) { [policy, limit] _, seed in
      Self.replay(policy, seed, limit: limit)
    }
    settings.limit = .seconds(limit)
    if let jobs { settings.jobs = jobs }
    return settings
  }

  /// The command that tries a seed alone. It names the policy: the policy that a seed draws changes with the catalogue.
  private static func replay(_ policy: String?, _ seed: UInt64, limit: Double) -> String {
    let policy = policy ?? Torture.policy(of: seed)
    let isStandard = .seconds(limit) == TrialRun.Settings.standardLimit
    return "infinite-sim torture --policy \(policy) --replay \(seed)"
      + (isStandard ? "" : " --limit \(limit)")
  }

  /// Tries a seed step by step as well; what it is is said before.
  private func replayAlone(_ seed: UInt64) throws {
    let scenario = try Torture.scenario(seed: seed, policy: policy)
    try writeToStandardOutput("\(scenario.replay)\n\(scenario.story)")
    let suite = LawSuite("torture/\(scenario.policyName)") { _ in
      Torture.sights(try Torture.check(scenario, alsoStepByStep: true), of: scenario)
    }
    let outcomes = Mutex<[TrialRun.Outcome]>([])
    _ = TrialRun([suite], settings(seed...seed)) { outcome in outcomes.withLock { $0.append(outcome) } }.run()
    let outcome = outcomes.withLock { $0[0] }
    for violation in outcome.violations { try report(violation) }
    try writeToStandardOutput("\(outcome.coverage)\nscenarios: 1, violations: \(outcome.violations.count)\n")
    if !outcome.violations.isEmpty { throw CommandFailure(.runFailed, "1 law broken") }
  }

  /// Writes a violation and how to see it again; then the smallest scenario found that breaks the same law, if the search
  /// for it ends.
  private func report(_ violation: LawViolation) throws {
    try writeToStandardOutput("\(violation)\nreplay: \(Self.replay(policy, violation.seed, limit: limit))\n")
    // What broke may be the drawing of the scenario itself.
    guard let scenario = try? Torture.scenario(seed: violation.seed, policy: policy) else { return }
    let search = LawSuite("the search for a smaller scenario") { _ in
      let smaller = Torture.shrink(scenario, law: violation.law)
      try writeToStandardOutput("shrunk to: \(smaller.replay)\n\(smaller.story)")
      return []
    }
    // Under its limit: a smaller scenario may not end.
    _ = TrialRun([search], settings(violation.seed...violation.seed)) { _ in }.run()
  }
}
