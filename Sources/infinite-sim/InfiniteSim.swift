import ArgumentParser
import Experiments
import Foundation
import Output
import Results
import Runs
import Storage
import Workbench

/// The program.
@main
struct InfiniteSim: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "infinite-sim",
    abstract: "Simulate GPU clusters that serve large language models.",
    discussion: """
      An output whose path is - goes to stdout, and what is printed otherwise to stderr.
      Exit codes: 0 done, 1 run failed, 64 usage, 65 bad input data, 66 missing input, 128 + n stopped by signal n.
      Shell completions: infinite-sim --generate-completion-script bash (or zsh, fish).
      """,
    version: """
      infinite-sim \(ThisProgram.version)
      manifest \(Manifest.version)
      database schema \(ResultStore.schemaVersion)
      """,
    subcommands: Experiments.commands + Workbench.commands)

  static func main() {
    // What is opened next must not become one of these.
    for standard in 0...2 as ClosedRange<Int32> where fcntl(standard, F_GETFD) < 0 {
      // The wrong way round, so that reading and writing still fail.
      _ = open("/dev/null", standard == 0 ? O_WRONLY : O_RDONLY)
    }
    // A file that may not grow, and a reader who is gone, are errors of the write, and not the end of the process.
    signal(SIGXFSZ, SIG_IGN)
    signal(SIGPIPE, SIG_IGN)
    Interruption.watch()
    var command: any ParsableCommand
    do { command = try parseAsRoot() } catch { exit(withError: error) }
    do { try command.run() } catch {
      // Help and the like are errors that end well.
      if exitCode(for: error) == .success || error is ValidationError { exit(withError: error) }
      if (error as? OutputError)?.kind != .unread { writeToStandardError("error: \(error)\n") }
      Foundation.exit(FailureStatus(error).rawValue)
    }
  }
}
