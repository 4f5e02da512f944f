import ArgumentParser

/// `infinite-sim validate`: checks of what the simulator rests on.
struct ValidateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "validate", abstract: "Check what the simulator rests on.",
    subcommands: [
      ValidateCosts.self, ValidateEngineCommand.self, ValidateKernelCommand.self, ValidateGPUCommand.self,
      ValidateLoadCommand.self, ValidateRunCommand.self, ValidateRunsCommand.self,
    ])
}
