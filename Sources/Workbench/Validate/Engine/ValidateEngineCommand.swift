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
      it has "distserve", and else with --engine-profile.
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
  @Option(
    help: "A vLLM start-up log whose KV blocks are compared; --model and the options below describe the run.")
  var log: String?
  @Option(help: "Of --log: model preset, or the path of a config.json.")
  var model = "llama2-7b"
  @Option(help: "Of --log: tensor-parallel ranks.")
  var tp = 1
  @Option(help: "Of --log: pipeline stages.")
  var pp = 1
  @Option(help: "Of --log: gpu_memory_utilization.")
  var gpuMemoryUtilization = 0.9
  @Option(help: "Of --log: max_num_batched_tokens.")
  var maxNumBatchedTokens = 4_096
  @Option(help: "Of --log: max_num_seqs.")
  var maxNumSeqs = 256
  @Option(help: "Of --log: tokens of a block.")
  var blockSize = 16
  @Flag(help: "Print JSON.")
  var json = false

  func run() throws {
    if log == nil {
      IdleOption.warn(
        IdleOption.given(
          [
            "--model", "--tp", "--pp", "--gpu-memory-utilization", "--max-num-batched-tokens",
            "--max-num-seqs", "--block-size",
          ], "without --log"))
    }
    if json { IdleOption.warn(IdleOption.given(["--points"], "with --json")) }
    let hardware = try Machine.hardware(hardware)
    var validation = try EngineValidation(
      data: data, hardware: hardware,
      ownEngine: try Machine.engine(engineProfile, decodeKernel: nil, on: hardware))
    if fit { try validation.fitProfiles() }
    try validation.score()
    if let log { validation.scored.append(try score(log: log, hardware)) }
    let report = EngineReport(validation: validation, showsPoints: points, showsFit: fit)
    try writeToStandardOutput(json ? report.json.prettyText : report.text)
  }

  private func score(log: String, _ hardware: HardwareSpec) throws -> ScoredPoint {
    let (spec, _) = try Machine.model(model, kvType: .model)
    let capacity = try KVCapacity(
      model: spec, hardware: hardware, shape: InstanceShape(tp: tp, pp: pp),
      settings: KVMemorySettings(
        utilisation: gpuMemoryUtilization, blockSize: blockSize, maxBatchedTokens: maxNumBatchedTokens,
        maxSequences: maxNumSeqs))
    let measured = try BlockCounts.tokens(
      inLog: try EngineValidation.text(log), file: log, blockSize: blockSize)
    return ScoredPoint(
      operation: "KV tokens", group: log, label: "\(spec.name) TP\(tp) PP\(pp)", measured: Double(measured),
      predicted: Double(capacity.tokens), isHeldOut: true)
  }
}
