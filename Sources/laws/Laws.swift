import ArgumentParser
import Foundation
import Policies
import TestSupport
import Torture

/// `laws`: whether a policy keeps the laws of the simulator, and whether enough was tried to say so.
@main
struct Laws: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "laws", abstract: "Try the laws on random clusters.",
    discussion: """
      Without a policy: all suites. Each tries its law on random clusters, one for each seed, and says in what share of \
      them things happened that make the law worth trying, beside the least share. A broken law is told with the command \
      that tries its seed again. Exit code 1 if a law was broken, if too little happened, or if a run does not end.
      """)

  @Argument(help: ArgumentHelp("Only the suites that say something of this policy.", valueName: "policy"))
  var policy: String?
  @Option(help: ArgumentHelp("Only the suites of this name, or whose names begin so.", valueName: "suite"))
  var suite: [String] = []
  @Option(help: ArgumentHelp("The first seed; without --count the only one. (default: 0)", valueName: "seed"))
  var seed: UInt64?
  @Option(help: ArgumentHelp("Seeds for each suite. (default: 1000)", valueName: "n"))
  var count: UInt64?
  @Option(
    help: ArgumentHelp(
      "Give up on a seed that takes longer, twice, and say where it is.", valueName: "seconds"))
  var limit = TrialRun.Settings.standardLimit / .seconds(1)
  @Option(help: ArgumentHelp("Threads. (default: one for each processor)", valueName: "n"))
  var jobs: Int?
  @Flag(help: "List the suites and try nothing.")
  var list = false

  private var seeds: ClosedRange<UInt64> {
    let first = seed ?? 0
    return first...(first + ((count ?? (seed == nil ? 1_000 : 1)) - 1))
  }

  func validate() throws {
    if let policy, PolicyCatalog[policy] == nil {
      throw unknown("policy", policy, PolicyCatalog.all.map(\.name))
    }
    for name in suite where LawSuite.all.named(name).isEmpty {
      throw unknown("suite", name, LawSuite.all.map(\.name))
    }
    if try suites().isEmpty {
      throw ValidationError("--suite \(suite.joined(separator: ", ")) says nothing of \(policy ?? "")")
    }
    if count == 0 { throw ValidationError("--count is 0, expected at least 1") }
    if let seed, let count, seed.addingReportingOverflow(count - 1).overflow {
      throw ValidationError("--seed is \(seed), expected at most 2^64 less --count")
    }
    if !(limit > 0 && limit < 1e6) {
      throw ValidationError("--limit is \(limit), expected more than 0 and less than a million seconds")
    }
    if let jobs, !(1...256).contains(jobs) {
      throw ValidationError("--jobs is \(jobs), expected 1 to 256")
    }
  }

  private func unknown(_ what: String, _ name: String, _ all: [String]) -> ValidationError {
    let nearest = all.max { $0.commonPrefix(with: name).count < $1.commonPrefix(with: name).count }
    let hint =
      nearest.flatMap { $0.commonPrefix(with: name).isEmpty ? nil : "did you mean \($0)? " } ?? ""
    return ValidationError("no \(what) \(name): \(hint)there are \(all.joined(separator: ", "))")
  }

  private func suites() throws -> [LawSuite] {
    let concerned = policy.map { LawSuite.all.concerning($0) } ?? LawSuite.all
    guard !suite.isEmpty else { return concerned }
    let wanted = Set(suite.flatMap { LawSuite.all.named($0).map(\.name) })
    return concerned.filter { wanted.contains($0.name) }
  }

  func run() throws {
    let suites = try suites()
    if list {
      for suite in suites { Self.say(suite.name) }
      return
    }
    var settings = TrialRun.Settings(seeds: seeds) { [limit] in Self.replay($0, $1, limit: limit) }
    settings.limit = .seconds(limit)
    if let jobs { settings.jobs = jobs }
    let replay = settings.replay
    let verdict = TrialRun(suites, settings) { outcome in
      Self.say(Self.report(outcome, replay: replay))
    }.run()
    Self.say(
      "suites: \(suites.count), trials: \(verdict.trials), violations: \(verdict.violations), "
        + "floors missed: \(verdict.shortfalls)")
    Self.say("fingerprints: \(verdict.fingerprint)")
    if !verdict.isGood { throw ExitCode.failure }
  }

  static func main() {
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch {
      guard exitCode(for: error) == .success else { exit(withError: error) }
      say(fullMessage(for: error))
      exit()
    }
  }

  /// Prints a line at once, so that a trap later on loses nothing. A verdict that nobody can read is none: exit code 1.
  private static func say(_ text: String) {
    do { try FileHandle.standardOutput.write(contentsOf: Data("\(text)\n".utf8)) } catch {
      let reason = String(cString: strerror(errno))
      try? FileHandle.standardError.write(contentsOf: Data("error: stdout: \(reason)\n".utf8))
      exit(withError: ExitCode.failure)
    }
  }

  /// What came of a suite, in the order in which it should be read.
  private static func report(
    _ outcome: TrialRun.Outcome, replay: (LawSuite, _ seed: UInt64) -> String
  ) -> String {
    var lines = ["\(outcome.suite.name): \(outcome.trials) trials"]
    if !outcome.coverage.isEmpty { lines.append("\(outcome.coverage)") }
    for violation in outcome.violations {
      lines.append("\(violation)\nreplay: \(replay(outcome.suite, violation.seed))")
    }
    lines += outcome.coverage.shortfalls.map { "too little coverage: \($0)" }
    return lines.joined(separator: "\n")
  }

  private static func replay(_ suite: LawSuite, _ seed: UInt64, limit: Double) -> String {
    #if DEBUG
      let release = ""
    #else
      let release = "-c release "
    #endif
    let isStandard = .seconds(limit) == TrialRun.Settings.standardLimit
    return "swift run \(release)laws --suite \(suite.name) --seed \(seed)"
      + (isStandard ? "" : " --limit \(limit)")
  }
}
