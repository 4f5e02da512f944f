import Runs
import ArgumentParser
import Output
import Studies

/// Where the outcome of a study goes besides stdout.
struct OutcomeFiles: ParsableArguments {
  @Option(help: "Write expectations and failed points as JUnit XML to this path.")
  var junit: String?
  @Option(help: "Write what is printed, Markdown, to this path too.")
  var summary: String?

  var isEmpty: Bool { junit == nil && summary == nil }

  func add(to files: inout FileRoles) {
    files.addOutput("--junit", junit)
    files.addOutput("--summary", summary)
  }

  /// Makes sure that the files can be made, before anything is computed.
  func open(_ files: FileRoles) throws -> StudyOutcome {
    StudyOutcome(
      files: files,
      junit: try junit.map { try OutputFile($0, option: "--junit") },
      summary: try summary.map { try OutputFile($0, option: "--summary") })
  }
}

/// Tells what a study found, and fails if it is not what it expects.
struct StudyOutcome {
  var files: FileRoles
  var junit: OutputFile?
  var summary: OutputFile?

  /// Throws if a point failed or is missing or an expectation does not hold, with all that did, when all is written.
  func report(_ results: StudyResults) throws {
    let outcomes = results.checkAll()
    let report = SweepSummary(results: results, outcomes: outcomes)
    try files.finish {
      try OutputFile.write(
        [
          summary.map { ($0, report.text) },
          junit.map { ($0, JUnit(results: results, outcomes: outcomes).text) },
        ].compactMap(\.self))
      return report.text
    }

    let failed = results.failedPoints.map { "point \($0.key.text): \($0.error)" }
    let missing = results.missingPoints.map { "point \($0.text): is missing" }
    let broken = outcomes.filter { !$0.holds }
      .map { "expect \($0.expectation) [\($0.whereText)]: \($0.finding)" }
    guard !failed.isEmpty || !missing.isEmpty || !broken.isEmpty else { return }
    let counts =
      "\(failed.count) points failed, " + (missing.isEmpty ? "" : "\(missing.count) are missing, ")
      + "\(broken.count) of \(outcomes.count) expectations do not hold"
    let lines = Self.first(failed) + Self.first(missing) + broken
    throw CommandFailure(
      .runFailed, "\(results.study.name): \(counts)\n" + lines.map { "  \($0)\n" }.joined())
  }

  private static func first(_ lines: [String]) -> [String] {
    lines.count <= 20 ? lines : lines.prefix(20) + ["and \(lines.count - 20) more points"]
  }
}
