import Runs
import Formatting
import ArgumentParser
import Foundation
import Results
import Storage
import Studies

/// Who runs the points of a sweep.
enum SweepEngine: String, CaseIterable, ExpressibleByArgument {
  case local, slurm
}

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
  @Option(help: "Simulations at a time, with Slurm cores of a task. (default: one per core, with Slurm 1)")
  var jobs: Int?
  @Flag(help: "List the points and run nothing.")
  var dryRun = false
  @Option(help: ArgumentHelp("Run one of N shares of the points, for `merge`.", valueName: "i/N"))
  var shard: Shard?
  @Option(help: "Who runs the points: local threads, or slurm by a job array.")
  var engine = SweepEngine.local
  @Option(help: "With Slurm: tasks among which the points are dealt, 1 to 1000.")
  var chunks = 16
  @Option(help: "With Slurm: times that a task is submitted before the sweep gives up.")
  var tries = 3
  @Option(
    help: ArgumentHelp(
      "With Slurm: an option of sbatch, as --sbatch=--partition=main; repeatable.", valueName: "option"))
  var sbatch: [String] = []
  @OptionGroup var outcome: OutcomeFiles
  @Flag(help: "Run again what the database holds already.")
  var force = false
  @Flag(help: "No progress and no warnings.")
  var quiet = false

  mutating func validate() throws {
    if let jobs, !(1...1024).contains(jobs) {
      throw ValidationError("--jobs is \(jobs), expected 1 to 1024.")
    }
    if shard != nil, !outcome.isEmpty {
      throw ValidationError("A shard has no outcome: give --junit and --summary to `merge`.")
    }
    if engine == .slurm, shard != nil || force {
      throw ValidationError(
        "--engine slurm makes its own shards and runs what is missing: no --shard, no --force.")
    }
    if !(1...SlurmSweep.mostChunks).contains(chunks) {
      throw ValidationError("--chunks is \(chunks), expected 1 to \(SlurmSweep.mostChunks).")
    }
    if !(1...100).contains(tries) { throw ValidationError("--tries is \(tries), expected 1 to 100.") }
    if db == nil, !dryRun { throw ValidationError("Give --db FILE, or --dry-run.") }
  }

  func run() throws {
    var files = FileRoles()
    files.addInput("STUDY", study)
    files.addDatabase("--db", db)
    outcome.add(to: &files)
    try files.requireDistinct()
    // On Slurm only the tasks' jobs are for all cores.
    let jobs = jobs ?? (engine == .slurm ? 1 : ProcessInfo.processInfo.activeProcessorCount)
    let plan = try SweepPlan(
      try StudyYAML.read(path: study), path: study, shard: shard ?? .whole, jobs: jobs)
    if !quiet { IdleOption.warn(idle) }
    guard !dryRun, let db else { return try writeToStandardOutput(Self.list(plan)) }
    for options in plan.fileOptions { files.addInputs(of: options) }
    try files.requireDistinct()
    let outcome = try outcome.open(files)
    Interruption.keepsRuns(in: db)
    let store = try ResultStore.open(db)
    if engine == .slurm {
      let quiet = quiet
      try SlurmSweep(
        plan: plan, study: study, store: store, chunks: chunks, jobs: jobs, tries: tries,
        sbatchOptions: sbatch, log: { if !quiet { writeToStandardError("slurm: \($0)\n") } }
      ).run()
    }
    let progress = SweepProgress(quiet: quiet)
    Interruption.keepsRuns(in: db) { ", \(progress.text) made since the start" }
    let runner = try SweepRunner(plan, store: store, jobs: jobs, force: force, progress: progress)
    try runner.run()
    try store.close()

    if !quiet {
      for note in plan.notes { writeToStandardError("note: \(note)\n") }
      for sentence in plan.unvalidated { writeToStandardError("unvalidated: \(sentence)\n") }
      for warning in plan.warnings { writeToStandardError("warning: \(warning)\n") }
      for sentence in runner.extrapolations {
        writeToStandardError("warning: costs are extrapolated: \(sentence)\n")
      }
      if let note = runner.contextNote { writeToStandardError("warning: \(note)\n") }
      writeToStandardError(
        "note: \(grouped(runner.made)) runs made, \(grouped(runner.reused)) taken from \(db)\n")
    }
    guard let shard else { return try outcome.report(runner.results) }
    // What a share of the points lacks for an answer, `merge` has; a point that failed is a row.
    for point in runner.results.failedPoints {
      writeToStandardError("shard \(shard): point \(point.key.text): \(point.error)\n")
    }
  }

  private var idle: [IdleOption] {
    let ofSlurm = ["--chunks", "--tries", "--sbatch"]
    if dryRun {
      return IdleOption.given(
        ["--db", "--junit", "--summary", "--force", "--engine"] + ofSlurm, "with --dry-run")
    }
    return engine == .slurm ? [] : IdleOption.given(ofSlurm, "without --engine slurm")
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
