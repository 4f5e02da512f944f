import ArgumentParser
import Foundation
import Output
import Runs
import Sim

/// `infinite-sim validate runs`: whole runs of real engines against their replays.
struct ValidateRunsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "runs", abstract: "Replay measured runs of real engines and score what was predicted.",
    discussion: """
      Every run is replayed with the default options but for its engine, model, parallelism and load, on the hardware that it \
      names. No option fits anything. What cannot be replayed is counted with its reason. A file's format is told by its \
      columns; unknown ones are not read (docs/validation.md):
      \(RunFormat.help)
      """)

  @Argument(help: "CSV and JSON files of measured runs.") var files: [String]
  @Option(
    help: ArgumentHelp("Profile of all runs; see `infinite-sim engines`. (default: by engine and version)"))
  var engineProfile: String?
  @Option(help: ArgumentHelp("Write a JSON object for each metric of each run.", valueName: "file"))
  var json: String?
  @Option(help: ArgumentHelp("Write the same as CSV.", valueName: "file")) var csv: String?
  @Option(help: "Simulations at a time. (default: one per core)") var jobs: Int?

  mutating func validate() throws {
    guard jobs.map({ (1...1024).contains($0) }) ?? true else {
      throw ValidationError("--jobs: expected 1 to 1024.")
    }
  }

  func run() throws {
    let profile = try engineProfile.map { name in
      guard let known = EngineCatalog.named(name) else {
        throw CommandFailure(
          .usage,
          "--engine-profile is “\(name)”, expected one of \(EngineCatalog.all.map(\.name).joined(separator: ", ")), or a version of vLLM such as vllm-0.6.1"
        )
      }
      return known
    }
    var roles = FileRoles()
    for file in files { roles.addInput("FILE", file) }
    roles.addOutput("--json", json)
    roles.addOutput("--csv", csv)
    try roles.requireDistinct()
    let jsonFile = try json.map { try OutputFile($0, option: "--json") }
    let csvFile = try csv.map { try OutputFile($0, option: "--csv") }
    let score = try RunScore(
      RunFiles(paths: files), profile: profile, jobs: jobs ?? ProcessInfo.processInfo.activeProcessorCount,
      progress: SweepProgress(quiet: isatty(STDERR_FILENO) != 1))
    let report = RunScoreReport(score: score)
    try roles.finish {
      try jsonFile?.write(report.json)
      try csvFile?.write(report.csv)
      return report.text
    }
    guard !score.scored.isEmpty else {
      throw CommandFailure(.badData, "no row could be scored: all are left out, for the reasons above")
    }
  }
}
