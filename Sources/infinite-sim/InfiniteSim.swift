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
    do {
      try requireArguments(CommandLine.arguments)
      command = try parseAsRoot()
    } catch { end(error) }
    do { try command.run() } catch {
      // Help and the like are errors that end well.
      if exitCode(for: error) == .success || error is ValidationError { end(error) }
      fail(error)
    }
  }

  /// No argument of any command is an empty text: it is a variable of a script that is not set.
  private static func requireArguments(_ arguments: [String]) throws {
    for (before, argument) in zip(arguments, arguments.dropFirst()) {
      if argument.isEmpty {
        let what = before.hasPrefix("-") ? "\(before) ''" : "''"
        throw ValidationError("\(what): found an empty argument, expected a value.")
      }
      if argument.hasPrefix("--"), argument.firstIndex(of: "=") == argument.indices.last {
        throw ValidationError("\(argument): found nothing behind =, expected a value.")
      }
    }
  }

  /// Ends with ArgumentParser's text for `error`; of help and the like all must have been printed.
  private static func end(_ error: any Error) -> Never {
    guard exitCode(for: error) == .success else { exit(withError: error) }
    do { try writeToStandardOutput(fullMessage(for: error) + "\n") } catch { fail(error) }
    Foundation.exit(0)
  }

  private static func fail(_ error: any Error) -> Never {
    if (error as? OutputError)?.kind != .unread { writeToStandardError("error: \(error)\n") }
    let code = FailureStatus(error).rawValue
    // As after a signal, nothing half done is left: a database that was made and holds nothing is none.
    Leftovers.end { _ in Foundation.exit(code) }
  }
}
