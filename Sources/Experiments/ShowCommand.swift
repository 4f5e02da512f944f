import Runs
import ArgumentParser
import Reporting
import Results
import Storage

/// `infinite-sim show`: why one thing happened in a stored run.
struct ShowCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Explain a request or a move of a stored run.",
    discussion: """
      Runs are stored by `run`, `compare` and `sweep` with --db. Requests are numbered from 0 in the order of their \
      arrival, moves from 1 in the order in which they were ordered.
      """,
    subcommands: [ShowRequestCommand.self, ShowMoveCommand.self])
}

/// The stored run that is asked about.
struct StoredRunOptions: ParsableArguments {
  @Option(help: "Database that holds the run.")
  var db: String
  @Option(help: ArgumentHelp("Id of the run. (default: the only one)"))
  var run: Int64?
  @Flag(help: "Print one JSON object.")
  var json = false
}

/// `infinite-sim show request ID`.
struct ShowRequestCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "request",
    abstract: "Where a request's time went, and why it was placed, moved, preempted or rejected.")

  @Argument(help: "Number of the request, from 0.")
  var id: Int
  @OptionGroup var options: StoredRunOptions

  func run() throws {
    let story = try RequestStory(id, run: options.run, in: ResultStore.openExisting(options.db))
    try writeToStandardOutput(options.json ? story.json.prettyText : story.text)
  }
}

/// `infinite-sim show move N`.
struct ShowMoveCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "move", abstract: "What a planner weighed before it ordered a move, and what came of it.")

  @Argument(help: "Number of the move in its run, from 1.")
  var number: Int
  @OptionGroup var options: StoredRunOptions

  func run() throws {
    let story = try MoveStory(number, run: options.run, in: ResultStore.openExisting(options.db))
    try writeToStandardOutput(options.json ? story.json.prettyText : story.text)
  }
}
