import Runs
import Formatting
import ArgumentParser
import Results
import Storage
import Studies

/// `infinite-sim merge`: the shards of a study become one database.
struct MergeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merge", abstract: "Put the shards of a sweep into one database.",
    discussion: """
      Shards are what `sweep --shard i/n` wrote. All of it is added in one transaction or none; what is there already is \
      not added again. Then the study's expectations are checked, as `sweep` does, with its exit codes; points that no \
      shard has are named and the exit code is 1. `sweep STUDY --db OUT` runs what is missing.
      """)

  @Argument(help: "The database that takes everything; made if there is none.")
  var out: String
  @Argument(help: "The shards.")
  var shards: [String]
  @OptionGroup var outcome: OutcomeFiles
  @Flag(help: "No count of what was added.")
  var quiet = false

  func run() throws {
    var files = FileRoles()
    for shard in shards { files.addInput("SHARD", shard) }
    files.addDatabase("OUT", out)
    outcome.add(to: &files)
    try files.requireDistinct()
    let outcome = try outcome.open(files)
    let opened = try Shards(shards)
    let out = out
    Interruption.keepsRuns(in: out, goesOn: false)
    let store = try ResultStore.open(out)
    let merged = try Self.merge(opened, into: store)
    try store.close()
    Interruption.keeps { Interruption.Kept("the shards are merged into \(out)") }
    if !quiet {
      writeToStandardError(
        "note: \(grouped(merged.count.runs)) runs and \(grouped(merged.count.points)) points added to \(out)\n"
      )
    }
    try outcome.report(merged.results)
  }

  /// Merges the shards of a study and reads its outcomes back.
  static func merge(_ shards: Shards, into store: ResultStore) throws -> (
    count: MergeCount, results: StudyResults
  ) {
    let count = try store.merge(shards)
    let sweep = try store.sweeps().first { $0.name == shards.studyName }!
    // A shard that was stopped may hold points of an older text of the study.
    let points = try StudyYAML.parse(sweep.study, path: "study \(sweep.name) in \(store.path)").points
    try store.prune(
      sweep: sweep.id,
      keeping: Set(
        points.flatMap { point in
          [HeatKind.whole, .common].map { point.storeKey(sweep: sweep.id, heat: $0) }
        }))
    return (count, try StudyResults(sweep, in: store))
  }
}

extension StudyPoint {
  /// What names the point's row on a heat.
  func storeKey(sweep: Int64, heat: HeatKind) -> SweepPointKey {
    SweepPointKey(
      sweep: sweep, grid: cell.grid, label: contender.label, axes: cell.axesText, seed: seed,
      heat: heat.rawValue)
  }
}
