import Runs
import ArgumentParser
import Foundation
import Results
import Sim

/// `infinite-sim validate engine`: whole iterations and KV capacities.
struct ValidateEngineCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "engine", abstract: "Compare whole iterations and KV capacities with measured engines.",
    discussion: """
      Reads every file in --data that has a known form, whatever its name: DistServe's profiler coefficients (JSON), \
      its KV capacities (\(BlockCounts.header)), and whole iterations of your own (\(IterationCSV.header)). \
      DistServe coefficients are scored with vllm-2023-eager where the file's name has "vllm", with cuda-graph where \
      it has "distserve", and else with --engine-profile. The log of an engine's start is compared by `kv-capacity --log`.
      """)

  @Option(help: "Folder of measurements.")
  var data = "../shared/data/profiles"
  @Option(help: "Hardware profile, or the path of a YAML file; see `infinite-sim hardware`.")
  var hardware = "a100-measured"
  @Option(help: ArgumentHelp("Engine profile of your own iterations. (default: the hardware's)"))
  var engineProfile: String?
  @Flag(help: "Fit the engine profiles anew on OPT-13B, print their constants and score those.")
  var fit = false
  @Flag(help: "Print every point.")
  var points = false
  @Flag(help: "Print JSON.")
  var json = false

  func run() throws {
    if json { IdleOption.warn(IdleOption.given(["--points"], "with --json")) }
    let hardware = try Machine.hardware(hardware)
    var validation = try EngineValidation(
      data: data, hardware: hardware,
      ownEngine: try Machine.engine(engineProfile, decodeKernel: nil, on: hardware))
    if fit { try validation.fitProfiles() }
    try validation.score()
    let report = EngineReport(validation: validation, showsPoints: points, showsFit: fit)
    try writeToStandardOutput(json ? report.json.prettyText : report.text)
  }
}
