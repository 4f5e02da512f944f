import ArgumentParser
import Foundation
import Runs
import Sim

/// `infinite-sim kv-capacity`: how many KV blocks an instance has, and why.
struct KVCapacityCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kv-capacity",
    abstract: "Explain how many KV blocks an instance has, and compare with what vLLM's log says.",
    discussion: """
      An engine takes its share of a GPU, less its weights, less what a full step needs, and makes blocks of the rest. How it \
      counts depends on its version: --engine-version takes one (0.6.3, v0.11.2), or an account's name (\
      \(AccountChoice.names.joined(separator: ", "))). `run --engine-profile vllm-0.6.3` counts the same. Without \
      either it is as the hardware's own engine counts, which is what a run does.

      --log reads the lines that vLLM prints when it starts, from a file or from standard input (-). What they say of the model, \
      its weights, the cache, TP and the step is taken unless an option says other, which is then named as a doubt. Without \
      doubts it says which --kv-blocks makes a run have the same cache.

      A model that does not fit is an error (64) that says what is missing and what would fit; with --log both are printed.
      """)

  @Option(
    help: ArgumentHelp(
      "Model preset by its name or its Hugging Face name (see `infinite-sim models`), or the path of a config.json. (default: the log's, else \(LoggedModel.byDefault))"
    ))
  var model: String?
  @Option(
    name: [.customLong("weights"), .customLong("quantization")],
    help: ArgumentHelp(
      "Weights of the layers: bf16, fp8, fp8-block, int4 or mxfp4. (default: the log's, else as the model is published)"
    ))
  var weights: WeightFormat?
  @Option(
    name: [.customLong("kv-dtype"), .customLong("kv-cache-dtype")],
    help: ArgumentHelp(
      "Element of the KV cache: model or auto (as the model is published), fp8 or int8 (a byte each). (default: the log's, else model)"
    ))
  var kvDtype: KVType?
  @Option(help: "Hardware profile, or the path of a YAML file; see `infinite-sim hardware`.")
  var hardware = "a100-measured"
  @Option(help: ArgumentHelp("Engine profile, as in a run; see `infinite-sim engines`."))
  var engineProfile: String?
  @Option(help: ArgumentHelp("Ranks of a tensor-parallel group. (default: the log's, else 1)"))
  var tp: Int?
  @Option(help: ArgumentHelp("Pipeline stages. (default: the log's, else 1)"))
  var pp: Int?
  @Flag(
    help:
      "Ranks of a TP group hold whole experts, 1 / TP of them, instead of a slice of each: the same memory.")
  var expertParallel = false
  @Option(
    name: [.customLong("kv-accounting"), .customLong("engine-version")],
    help: ArgumentHelp(
      "How the engine counts: its vLLM version or an account's name. (default: the version in the log, else the hardware's engine)",
      valueName: "account|version"), completion: .list(AccountChoice.names),
    transform: AccountChoice.init(argument:))
  var accounting: AccountChoice?
  @Option(
    help: "Share of GPU memory that the engine uses, above 0 and at most 1. (default: the log's, else 0.9)")
  var gpuMemoryUtilization: Double?
  @Option(help: ArgumentHelp("Tokens of a block. (default: the log's, else 16)"))
  var blockSize: Int?
  @Option(help: ArgumentHelp("Longest context that is served. (default: the log's, else the model's)"))
  var maxModelLen: Int?
  @Option(help: ArgumentHelp("Tokens of a full step. (default: that of the version, see docs/models.md)"))
  var maxNumBatchedTokens: Int?
  @Option(help: ArgumentHelp("Sequences of a full step. (default: that of the version)"))
  var maxNumSeqs: Int?
  @Option(
    help: ArgumentHelp("What vLLM printed when it started; - reads standard input.", valueName: "file|-"))
  var log: String?
  @Flag(help: "Print JSON.")
  var json = false

  func validate() throws {
    for (name, value) in [
      ("--tp", tp ?? 1), ("--pp", pp ?? 1), ("--block-size", blockSize ?? 1),
      ("--max-model-len", maxModelLen ?? 1),
      ("--max-num-batched-tokens", maxNumBatchedTokens ?? 1), ("--max-num-seqs", maxNumSeqs ?? 1),
    ] where !(1...1 << 24).contains(value) {
      throw ValidationError("\(name) is \(value), expected 1 to \(1 << 24).")
    }
    if let share = gpuMemoryUtilization, !(share > 0 && share <= 1) {
      throw ValidationError("--gpu-memory-utilization is \(share), expected above 0, at most 1.")
    }
  }

  func run() throws {
    let log = try self.log.map { try StartUpLog(Self.text($0), file: $0) }
    let model = try LoggedModel(model: model, weights: weights, kvType: kvDtype, log: log)
    let machine = try Machine.hardware(hardware)
    let maxModelLen = self.maxModelLen ?? log?.maxModelLen ?? model.spec.maxPosition
    var engine =
      try engineProfile.map { try Machine.engineChoice($0, decodeKernel: nil, on: machine) }
      ?? accounting?.engine ?? log?.engine ?? EngineChoice(machine.engine)
    if let accounting { engine.profile.accounting = accounting.account }
    engine.profile = engine.profile.serving(model.spec, maxModelLen: maxModelLen)
    let settings = log?.settings
    let report = try KVCapacityReport(
      model: model.spec, hardware: machine,
      shape: InstanceShape(
        tp: tp ?? settings?.tensorParallel ?? 1, pp: pp ?? settings?.pipelineParallel ?? 1,
        expertParallel: expertParallel || settings?.expertParallel == true),
      engine: engine, utilisation: gpuMemoryUtilization ?? log?.utilisation ?? 0.9,
      blockSize: blockSize ?? settings?.blockSize ?? 16, maxModelLen: maxModelLen,
      maxBatchedTokens: maxNumBatchedTokens ?? settings?.maxNumBatchedTokens,
      maxSequences: maxNumSeqs ?? settings?.maxNumSeqs, log: log, doubts: model.doubts + doubts(log))
    for note in model.notes + [engine.warning, report.startUpWarning].compactMap(\.self) {
      writeToStandardError("warning: \(note)\n")
    }
    try writeToStandardOutput(json ? report.json.prettyText : report.text)
  }

  /// Options that are given and say other than the log.
  private func doubts(_ log: StartUpLog?) -> [String] {
    guard let log else { return [] }
    let settings = log.settings
    let counts: [(String, Int?, String, Int?)] = [
      ("--tp", tp, "tensor_parallel_size", settings.tensorParallel),
      ("--pp", pp, "pipeline_parallel_size", settings.pipelineParallel),
      ("--max-model-len", maxModelLen, "a longest context of", log.maxModelLen),
      ("--block-size", blockSize, "block_size", settings.blockSize),
      ("--max-num-seqs", maxNumSeqs, "max_num_seqs", settings.maxNumSeqs),
      (
        "--max-num-batched-tokens", maxNumBatchedTokens, "max_num_batched_tokens",
        settings.maxNumBatchedTokens
      ),
    ]
    var doubts: [String] = []
    for (option, given, name, logged) in counts {
      guard let given, let logged, given != logged else { continue }
      doubts.append("the log has \(name) \(logged), \(option) is \(given)")
    }
    if let given = gpuMemoryUtilization, let logged = log.utilisation, given != logged {
      doubts.append("the log has gpu_memory_utilization \(logged), --gpu-memory-utilization is \(given)")
    }
    return doubts
  }

  private static func text(_ path: String) throws -> String {
    let data =
      path == "-"
      ? FileHandle.standardInput.readDataToEndOfFile() : FileManager.default.contents(atPath: path)
    guard let data else { throw CommandFailure(.missingInput, "\(path): cannot be read") }
    return String(decoding: data, as: UTF8.self)
  }
}
