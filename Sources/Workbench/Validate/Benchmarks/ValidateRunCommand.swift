import ArgumentParser
import Foundation
import Output
import Results
import Runs
import Sim

/// `infinite-sim validate run`: results of benchmark clients against their replays.
struct ValidateRunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Replay a benchmark of your own and print measured beside simulated.",
    discussion: """
      Reads what `vllm bench serve --save-result --save-detailed`, GuideLLM (benchmarks.json) and AIPerf (profile_export.jsonl) \
      write, sends the same requests as the client did (at its times, all at once or so many at a time), and compares TTFT, TPOT, \
      ITL, E2E and throughput. The options say what ran: the file knows neither GPU nor engine. docs/benchmark-files.md \
      has the definitions and the traps of each format.

        infinite-sim validate run result.json --hardware h100-measured --tp 2 --engine-profile vllm-0.14
      """)

  @Argument(help: "Results of vllm bench serve, GuideLLM or AIPerf.") var files: [String]
  @Option(help: "Model preset, name at Hugging Face or config.json. (default: the file's)") var model: String?
  @Option(
    help: "Hardware profile, or the path of a YAML file. (default: the file's \"gpu\", where a user added it)"
  )
  var hardware: String?
  @Option(help: "Engine profile, or an engine and its version such as vllm-0.6.1. (default: the hardware's)")
  var engineProfile: String?
  @Option(help: "Ranks of a tensor-parallel group. (default: the file's \"tensor_parallel\", else 1)") var tp:
    Int?
  @Option(help: "Pipeline stages of an instance. (default: 1)") var pp: Int?
  @Option(help: "Instances behind a round-robin router. (default: 1)") var instances = 1
  @Option(
    name: .customLong("option"),
    parsing: .singleValue,
    help: ArgumentHelp(
      "Another option of `run` and its value, such as max-num-seqs=64, kv-blocks=5000, weights=fp8. May be repeated.",
      valueName: "name=value"))
  var others: [String] = []
  @Option(help: ArgumentHelp("Write the comparisons as JSON to this path.", valueName: "file")) var json:
    String?
  @Option(
    help: ArgumentHelp(
      "Draw how each metric is distributed, measured beside simulated, into this file (SVG; needs gnuplot).",
      valueName: "file"))
  var figure: String?

  mutating func validate() throws {
    for (name, value) in [("--tp", tp), ("--pp", pp), ("--instances", instances)] {
      if let value, !(1...1024).contains(value) {
        throw ValidationError("\(name) is \(value), expected 1 to 1024.")
      }
    }
  }

  func run() throws {
    var roles = FileRoles()
    for file in files { roles.addInput("FILE", file) }
    roles.addOutput("--json", json)
    roles.addOutput("--figure", figure)
    try roles.requireDistinct()
    let jsonFile = try json.map { try OutputFile($0, option: "--json") }
    let figureFile = try figure.map { try OutputFile($0, option: "--figure") }
    let gnuplot = try figure.map { _ in try Gnuplot() }
    var compared: [BenchmarkComparison] = []
    for run in try files.flatMap({ try BenchmarkFiles.runs($0) }) {
      let plan = try plan(for: run)
      for warning in plan.warnings { writeToStandardError("warning: \(run.place): \(warning)\n") }
      for sentence in plan.unvalidated { writeToStandardError("unvalidated: \(sentence)\n") }
      compared.append(
        BenchmarkComparison(
          run, simulated: try BenchmarkReplay(plan: plan).figures(of: run), model: plan.model,
          setUp: "\(plan.model) on \(plan.hardware), \(plan.layout), \(plan.blocksPerInstance) KV blocks"))
    }
    try roles.finish {
      let drawing = try gnuplot.map { try BenchmarkFigure(compared).svg(by: $0) }
      var texts: [(file: OutputFile, text: String)] = []
      if let jsonFile { texts.append((jsonFile, JSON.array(compared.map(\.json)).prettyText)) }
      if let figureFile, let drawing { texts.append((figureFile, drawing)) }
      try OutputFile.write(texts)
      return compared.map(\.text).joined(separator: "\n") + BenchmarkComparison.clock
    }
  }

  /// What ran, by the options and else by the file.
  private func plan(for run: BenchmarkRun) throws -> RunPlan {
    guard let model = model ?? run.model.flatMap({ ModelName.preset($0)?.name }) else {
      throw CommandFailure(
        .usage,
        "\(run.place): the model is \(run.model.map { "“\($0)”, which is no preset" } ?? "not in the file"): --model says which"
      )
    }
    guard let hardware = hardware ?? run.gpu.flatMap({ GPUName($0).profile }) else {
      throw CommandFailure(
        .usage,
        "\(run.place): the file does not say on which GPU it ran: --hardware does; see `infinite-sim hardware`"
      )
    }
    let (tp, pp) = (tp ?? run.tp ?? 1, pp ?? 1)
    var arguments = [
      "--trace", run.place, "--model", model, "--hardware", hardware, "--tp", "\(tp)", "--pp", "\(pp)",
      "--nodes", "1", "--gpus-per-node", "\(tp * pp * instances)", "--router", "round-robin", "--quiet",
    ]
    if let engineProfile { arguments += ["--engine-profile", engineProfile] }
    for other in others {
      let parts = other.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2, Self.forwarded.contains(parts[0]) else {
        throw CommandFailure(
          .usage,
          "--option is “\(other)”, expected name=value with one of \(Self.forwarded.joined(separator: ", "))")
      }
      arguments += ["--\(parts[0])", parts[1]]
    }
    var options: RunOptions
    do { options = try RunOptions.parse(arguments) } catch {
      throw CommandFailure(.usage, RunOptions.message(for: error))
    }
    options.stepByStep = true
    return try RunPlan.make(policy: "vllm-m", options: options, pairs: try OptionPairs([]), scope: .itself)
  }

  /// What of `run` may be said of the engine.
  private static let forwarded = [
    "decode-kernel", "engine", "gpu-memory-utilization", "kv-accounting", "kv-blocks", "kv-dtype",
    "max-model-len",
    "max-num-batched-tokens", "max-num-seqs", "weights",
  ]
}
