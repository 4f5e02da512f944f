import ArgumentParser
import Foundation
import Results
import Studies

/// `infinite-sim sweep`: all points of a study, and what it expects of them.
struct SweepCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sweep", abstract: "Run a study: contenders × axes × seeds, with expectations.",
    discussion: """
      docs/sweeps.md has the form of a study. All points are checked before the first runs. What the database holds \
      already is not run again, so the same command resumes a sweep that was stopped.
      """)

  @Argument(help: "The study (YAML).")
  var study: String
  @Option(help: "SQLite database in which runs and points are kept; any number of studies share one.")
  var db: String?
  @Option(help: "Simulations at a time. (default: one per core)")
  var jobs: Int?
  @Flag(help: "List the points and run nothing.")
  var dryRun = false
  @Option(help: "Write expectations and failed points as JUnit XML to this path.")
  var junit: String?
  @Option(help: "Write what is printed, Markdown, to this path too.")
  var summary: String?
  @Flag(help: "Run again what the database holds already.")
  var force = false
  @Flag(help: "No progress and no warnings.")
  var quiet = false

  mutating func validate() throws {
    if let jobs, !(1...1024).contains(jobs) {
      throw ValidationError("--jobs is \(jobs), expected 1 to 1024.")
    }
    if db == nil, !dryRun { throw ValidationError("Give --db FILE, or --dry-run.") }
  }

  func run() throws {
    var files = FileRoles()
    files.addInput("STUDY", study)
    files.addOutput("--db", db)
    files.addOutput("--junit", junit)
    files.addOutput("--summary", summary)
    try files.requireDistinct()
    let plan = try SweepPlan(try StudyYAML.read(path: study), path: study)
    guard !dryRun, let db else { return try writeToStandardOutput(Self.list(plan)) }
    for options in plan.fileOptions { files.addInputs(of: options) }
    try files.requireDistinct()
    let junitFile = try junit.map { try AtomicFile($0, option: "--junit") }
    let summaryFile = try summary.map { try AtomicFile($0, option: "--summary") }
    let runner = try SweepRunner(
      plan, store: try ResultStore.open(db), jobs: jobs ?? ProcessInfo.processInfo.activeProcessorCount,
      force: force, progress: SweepProgress(quiet: quiet))
    try runner.run()

    for sentence in plan.unvalidated { writeToStandardError("unvalidated: \(sentence)\n") }
    if !quiet {
      for warning in plan.warnings { writeToStandardError("warning: \(warning)\n") }
      for sentence in runner.extrapolations {
        writeToStandardError("warning: costs are extrapolated: \(sentence)\n")
      }
      writeToStandardError(
        "note: \(grouped(runner.made)) runs made, \(grouped(runner.reused)) taken from \(db)\n")
    }
    let outcomes = runner.results.checkAll()
    let report = SweepSummary(results: runner.results, outcomes: outcomes)
    try summaryFile?.write(report.text)
    try junitFile?.write(JUnit(results: runner.results, outcomes: outcomes).text)
    try writeToStandardOutput(report.text)
    try Self.requireSuccess(runner.results, outcomes)
  }

  /// Throws if a point failed or an expectation does not hold, with all that did.
  private static func requireSuccess(_ results: StudyResults, _ outcomes: [CheckOutcome]) throws {
    let failed = results.failedPoints
    let broken = outcomes.filter { !$0.holds }
    guard !failed.isEmpty || !broken.isEmpty else { return }
    var lines = failed.prefix(20).map { "point \($0.key.text): \($0.error)" }
    if failed.count > 20 { lines.append("and \(failed.count - 20) more points") }
    lines += broken.map { "expect \($0.expectation) [\($0.whereText)]: \($0.finding)" }
    throw CommandFailure(
      .runFailed,
      "\(results.study.name): \(failed.count) points failed, \(broken.count) of \(outcomes.count) expectations do "
        + "not hold\n" + lines.map { "  \($0)\n" }.joined())
  }

  private static func list(_ plan: SweepPlan) -> String {
    let points = plan.heats.flatMap { heat in
      heat.members.map {
        [heat.name.cell.text, $0.label, "seed \(heat.name.seed)", $0.manifest.hash.prefix(16).description]
      }
    }
    let runs = Set(plan.heats.flatMap { $0.members.map(\.manifest.hash) }).count
    return points.map { $0.joined(separator: "  ") + "\n" }.joined()
      + "\(grouped(points.count)) points, \(grouped(runs)) runs\n"
  }
}
