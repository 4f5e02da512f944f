import Runs
import ArgumentParser
import Calibration
import Foundation
import Output
import Sim

/// `infinite-sim calibrate`: a hardware file from measurements of one's own.
struct CalibrateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "calibrate", abstract: "Fit the cost constants of a GPU to measurements of it.",
    discussion: """
      Reads the formats of `infinite-sim validate costs`. Constants without measurements keep the base's values.
      With --synthesize it writes measurements of a GPU that does not exist instead: the base with every constant
      multiplied by --scale, at the shapes of --data, scattered by --noise; --truth then shows what was found.
      """)

  @Option(help: "Folder of measurement files.") var data: String
  @Option(help: "Profile to start from: of the catalogue, or a hardware file (YAML).") var base =
    "a100-measured"
  @Option(help: "The hardware file to write; with --synthesize the folder.") var output: String
  @Option(help: "What the profile is called. (default: the file's name)") var name: String?
  @Option(help: "A hardware file to compare the found constants with.") var truth: String?
  @Flag(help: "Write synthetic measurements and the hardware file truth.yaml.") var synthesize = false
  @Option(help: "With --synthesize: factor of every constant.") var scale = 1.0
  @Option(help: "With --synthesize: standard deviation of the logarithm of a time.") var noise = 0.03
  @Option(help: "With --synthesize: which scatter.") var seed: UInt64 = 1

  func validate() throws {
    guard scale > 0, scale.isFinite else { throw ValidationError("--scale is \(scale), expected above 0") }
    guard noise >= 0, noise < 1 else { throw ValidationError("--noise is \(noise), expected 0..<1") }
  }

  func run() throws {
    let spec = try Machine.hardware(base)
    let folder = try MeasurementFolder(path: data, hardware: spec)
    guard !folder.measurements.isEmpty else {
      throw CommandFailure(
        .badData, "\(data): no file has a known format; see `infinite-sim validate costs --help`")
    }
    var files = FileRoles()
    for file in folder.files where file.format != nil { files.addInput("--data", file.path) }
    if Machine.isPath(hardware: base) { files.addInput("--base", base) }
    if let truth { files.addInput("--truth", truth) }
    IdleOption.warn(
      synthesize
        ? IdleOption.given(["--name", "--truth"], "with --synthesize")
        : IdleOption.given(["--scale", "--noise", "--seed"], "without --synthesize"))
    if synthesize { return try writeSynthetic(folder, spec, &files) }
    files.addOutput("--output", output)
    try files.requireDistinct()
    let file = try OutputFile(output, option: "--output")
    let known = try truth.map { try HardwareFile(path: $0).spec }
    let stem = ((output as NSString).lastPathComponent as NSString).deletingPathExtension
    let calibration = Calibration(folder.measurements, base: spec, name: name ?? stem)
    try files.finish {
      try file.write(HardwareFile(spec: calibration.hardware).yaml)
      return calibration.text(truth: known)
    }
  }

  private func writeSynthetic(_ folder: MeasurementFolder, _ spec: HardwareSpec, _ files: inout FileRoles)
    throws
  {
    let hardware = SyntheticData.scaled(spec, by: scale, name: "synthetic")
    let data = SyntheticData(hardware: hardware, noise: noise, seed: seed)
    let target = try OutputFolder(output, option: "--output")
    var texts = [(name: "truth.yaml", text: HardwareFile(spec: hardware).yaml)]
    for (ordinal, measured) in folder.files.enumerated()
    where measured.measurements.contains(where: { !$0.cells.isEmpty }) {
      texts.append(
        (measured.plainName, try data.text(of: measured, ordinal: ordinal)))
    }
    for text in texts { files.addOutput("--output", target.path(of: text.name)) }
    try files.requireDistinct()
    try target.write(texts)
  }
}
