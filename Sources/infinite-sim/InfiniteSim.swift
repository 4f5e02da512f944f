import ArgumentParser
import Foundation
import Results
import Storage

/// The program.
@main
struct InfiniteSim: ParsableCommand {
  /// The version of the program: part of every manifest.
  static let programVersion = "0.1.0"

  static let configuration = CommandConfiguration(
    commandName: "infinite-sim",
    abstract: "Simulate GPU clusters that serve large language models.",
    discussion: """
      Exit codes: 0 done, 1 run failed, 64 usage, 65 bad input data, 66 missing input.
      Shell completions: infinite-sim --generate-completion-script bash (or zsh, fish).
      """,
    version: """
      infinite-sim \(programVersion)
      manifest \(Manifest.version)
      database schema \(ResultStore.schemaVersion)
      """,
    subcommands: [
      RunCommand.self, CompareCommand.self, SweepCommand.self, MergeCommand.self, DiffCommand.self,
      CapacityCommand.self, ReportCommand.self, ShowCommand.self, PoliciesCommand.self, ModelsCommand.self,
      HardwareCommand.self,
      EnginesCommand.self, CostCommand.self, ValidateCommand.self, CalibrateCommand.self, TraceCommand.self,
      BenchCommand.self, TortureCommand.self, KernelHostCommand.self,
    ])

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
