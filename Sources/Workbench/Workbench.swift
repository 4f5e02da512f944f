import ArgumentParser

/// The commands that need no database: what the model is made of, and how good and how fast it is.
package enum Workbench {
  /// As the program's help lists them.
  package static let commands: [any ParsableCommand.Type] = [
    CapacityCommand.self, KVCapacityCommand.self, PoliciesCommand.self, ModelsCommand.self,
    HardwareCommand.self, EnginesCommand.self,
    CostCommand.self, ValidateCommand.self, CalibrateCommand.self, TraceCommand.self, BenchCommand.self,
    TortureCommand.self, KernelHostCommand.self,
  ]
}
