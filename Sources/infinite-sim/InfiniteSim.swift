import ArgumentParser
import Experiments
import Foundation
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
      Exit codes: 0 done, 1 run failed, 64 usage, 65 bad input data, 66 missing input.
      Shell completions: infinite-sim --generate-completion-script bash (or zsh, fish).
      """,
    version: """
      infinite-sim \(ThisProgram.version)
      manifest \(Manifest.version)
      database schema \(ResultStore.schemaVersion)
      """,
    subcommands: Experiments.commands + Workbench.commands)

  static func main() {
    // A file that may not grow is an error of the write, with a sentence, and not the end of the process.
    signal(SIGXFSZ, SIG_IGN)
    var command: any ParsableCommand
    do { command = try parseAsRoot() } catch { exit(withError: error) }
    do { try command.run() } catch {
      // Help and the like are errors that end well.
      if exitCode(for: error) == .success || error is ValidationError { exit(withError: error) }
      writeToStandardError("error: \(error)\n")
      Foundation.exit(FailureStatus(error).rawValue)
    }
  }
}
