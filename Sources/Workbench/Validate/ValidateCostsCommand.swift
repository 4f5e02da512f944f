import Runs
import ArgumentParser
import Calibration
import Foundation
import Output
import Sim

/// `infinite-sim validate costs`: how far the cost forms are from measured kernels.
struct ValidateCosts: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "costs", abstract: "Score the cost forms on measured kernels, links and host times.",
    discussion: """
      Every file of --data whose columns match a known format is scored, whatever its name:
      \(MeasurementFormat.all.map { "  \($0.name) (\($0.origin)): \($0.columns.joined(separator: ", "))" }.joined(separator: "\n"))
      """)

  @Option(help: "Folder of measurement files.") var data = "../shared/data/profiles"
  @Option(help: "A profile of the catalogue, or a hardware file (YAML).") var hardware = "a100-measured"
  @Flag(help: "Print rows as JSON.") var json = false
  @Flag(help: "Leave out the refits of held-out rows.") var quick = false
  @Option(help: "Also write README.md and accuracy.json into this folder.") var report: String?
  @Flag(help: "Fail unless every target is met or missed as is known, but those named in --allow.")
  var check = false
  @Option(help: "With --check: a target that may be missed.") var allow: [String] = []

  func run() throws {
    if !check { IdleOption.warn(IdleOption.given(["--allow"], "without --check")) }
    let spec = try Machine.hardware(hardware)
    let folder = try MeasurementFolder(path: data, hardware: spec)
    guard folder.files.contains(where: { !$0.measurements.isEmpty }) else {
      throw CommandFailure(
        .badData, "\(data): no file has a measurement in a known format (`validate costs --help` lists them)")
    }
    let reportFolder = try report.map { try OutputFolder($0, option: "--report") }
    let names = ["README.md", "accuracy.json"]
    var files = FileRoles()
    if let reportFolder {
      for file in folder.files where file.format != nil { files.addInput("--data", file.path) }
      if Machine.isPath(hardware: hardware) { files.addInput("--hardware", hardware) }
      for name in names { files.addOutput("--report", reportFolder.path(of: name)) }
      try files.requireDistinct()
    }
    let validation = try CostValidation(folder, hardware: spec, folds: !quick)
    try files.finish {
      try reportFolder?.write(Array(zip(names, [validation.markdown, validation.json])))
      return json ? validation.json : validation.text
    }
    let missed = validation.targets.filter {
      !$0.judgements.allSatisfy(\.isAsKnown) && !allow.contains($0.target.name)
    }
    if check, !missed.isEmpty || validation.targets.isEmpty {
      let names = missed.map(\.target.name).joined(separator: "; ")
      throw CommandFailure(.runFailed, missed.isEmpty ? "no target has data" : "targets missed: \(names)")
    }
  }
}
