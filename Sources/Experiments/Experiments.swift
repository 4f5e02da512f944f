import ArgumentParser

/// The commands that make, keep, compare and report runs.
package enum Experiments {
  /// As the program's help lists them.
  package static let commands: [any ParsableCommand.Type] = [
    RunCommand.self, CompareCommand.self, SweepCommand.self, MergeCommand.self, DiffCommand.self,
    ReportCommand.self, ShowCommand.self,
  ]
}
