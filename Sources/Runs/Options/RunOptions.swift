import ArgumentParser
import Policies
import Sim
import Workloads

extension EngineKind: ExpressibleByArgument {}

extension Router: ExpressibleByArgument {}

extension DecodeKernel: ExpressibleByArgument {}

/// What an element of the KV cache is stored as.
package enum KVType: String, CaseIterable, ExpressibleByArgument {
  /// As the model's file says, else like activations.
  case model
  case fp8
  case int8

  /// `auto` is vLLM's word for `model`.
  package init?(argument: String) { self.init(rawValue: argument == "auto" ? "model" : argument) }
}

extension WeightFormat: ExpressibleByArgument {}

/// How `run` and `compare` make and keep their runs: nothing of it changes a result.
package struct ExecutionOptions: ParsableArguments, Sendable {
  @Option(
    help:
      "SQLite database in which runs are kept. A run that is in it is not run again; step by step it is, and compared."
  )
  package var db: String?
  @Flag(help: "Run again what the database holds already.")
  package var force = false
  @Flag(help: "Print one JSON line on stderr: loop_s, requests_per_s, peak_rss_mb. The bound is left out.")
  package var timing = false
  @Flag(help: "Walk every decode step instead of skipping ahead: the same result, slowly.")
  package var stepByStep = false

  package init() {}

  package var idle: [IdleOption] {
    guard force else { return [] }
    if db == nil { return [IdleOption("--force", "without --db")] }
    return stepByStep ? [IdleOption("--force", "with --step-by-step, which always runs")] : []
  }
}

/// What a run is of: all that `run`, `compare` and `capacity` have in common.
package struct RunOptions: ParsableArguments, Sendable {
  @Option(
    help: ArgumentHelp(
      "Trace in any format that `infinite-sim trace formats` lists, also .gz or .zst; or a generator (.yaml), or paper:N."
    ))
  package var trace: String?
  @Option(
    help: ArgumentHelp(
      "Instead of a trace: PROMPT:OUTPUT tokens, sent @RATE/s, @concurrency=N or @inf, perhaps with ,requests=N (2000 unless said) and "
        + ",range-ratio=R (lengths evenly from 1 - R to 1 + R times those given): 1200:250@20/s, 1024:128@concurrency=64,requests=640.",
      valueName: "load"))
  package var load: String?
  @Option(
    help:
      "Model preset by its name or its Hugging Face name (see `infinite-sim models`), or the path of a config.json."
  )
  package var model = "llama2-7b"
  @Option(
    name: [.customLong("weights"), .customLong("quantization")],
    help: ArgumentHelp(
      "Weights of the layers: bf16, fp8, fp8-block, int4 or mxfp4. (default: as the model is published)"))
  package var weights: WeightFormat?
  @Option(help: "Hardware profile, or the path of a YAML file; see `infinite-sim hardware`.")
  package var hardware = "a100-measured"
  @Option(
    help: ArgumentHelp(
      "Engine profile, or an engine and its version such as vllm-0.6.1; see `infinite-sim engines`. (default: the hardware's)"
    ))
  var engineProfile: String?
  @Option(
    help: ArgumentHelp("Decode attention: flashinfer, flash-attention or no-split. (default: the profile's)"))
  var decodeKernel: DecodeKernel?
  @Option(
    name: [.customLong("kv-dtype"), .customLong("kv-cache-dtype")],
    help:
      "Element of the KV cache: model or auto (as the model is published), fp8 or int8 of a byte each (fp8 is measured on h100-measured and h200-measured, int8 nowhere)."
  )
  var kvDtype = KVType.model
  @Flag(help: "Ranks of a TP group hold whole experts, 1 / TP of them, instead of a slice of each.")
  var expertParallel = false
  @Option(help: "Nodes of the cluster.")
  package var nodes = 1
  @Option(help: "GPUs of a node.")
  package var gpusPerNode = 8
  @Option(help: ArgumentHelp("Link between nodes; see `infinite-sim hardware`. (default: the profile's)"))
  var interNode: String?
  @Option(help: "Share of GPU memory that the engine uses, above 0 and at most 1.")
  var gpuMemoryUtilization = 0.9
  @Option(
    help: ArgumentHelp(
      "How the engine finds what is left for the KV cache, or its vLLM version such as 0.6.3; see `infinite-sim kv-capacity`. (default: the profile's)",
      valueName: "account|version"), completion: .list(AccountChoice.names),
    transform: AccountChoice.init(argument:))
  var kvAccounting: AccountChoice?

  @Option(help: "Ranks of a tensor-parallel group; vllm-m-fit chooses its own. (default: 1)")
  package var tp: Int?
  @Option(help: "Pipeline stages of an instance. (default: 1)")
  package var pp: Int?
  @Option(help: "Instances. (default: as many as the GPUs allow)")
  package var instances: Int?
  @Option(
    help: ArgumentHelp(
      "For vllm-m-fit: the longest request's prompt + output, 2 or more. (default: that of the trace, if known in advance)",
      valueName: "tokens"))
  package var longest: Int?

  @Option(help: ArgumentHelp("Local engine: vllm-v0 or chunked. (default: the profile's)"))
  package var engine: EngineKind?
  @Option(help: "Sequences that an instance runs at once. (default: the profile's)")
  package var maxNumSeqs: Int?
  @Option(help: "Token budget of a step. (default: the profile's)")
  package var maxNumBatchedTokens: Int?
  @Option(
    help: ArgumentHelp(
      "Longest context that is served: a prompt of so many tokens or more is rejected, an output that would go beyond it is "
        + "cut. \"model\" is what the model was made for; a number may stretch or shorten it. (default: model)",
      valueName: "model|tokens"), transform: ContextLimit.init(argument:))
  package var maxModelLen = ContextLimit.model
  @Option(
    help: "KV blocks of an instance, instead of what its memory holds (also where the model does not fit).")
  package var kvBlocks: Int?
  @Option(
    help: ArgumentHelp(
      "Router: round-robin, least-loaded, least-work or most-free-kv. (default: least-work for debtor-creditor, "
        + "least-loaded for the others; pooled routes by itself)"))
  package var router: Router?
  @Option(
    name: .customLong("option"),
    help: ArgumentHelp(
      "Setting of a policy or of the engine; see `infinite-sim policies`. May be repeated.",
      valueName: "key=value"))
  package var optionArguments: [String] = []

  @Option(help: "Divide all arrival times by this.")
  package var rateScale = "1"
  @Option(help: "Take the first N requests of the trace.")
  var limit: Int?
  @Option(help: "Shorten prompts until prompt + output is at most N tokens.")
  package var clipTotal: Int?
  @Flag(help: "All requests arrive at time 0.")
  package var atOnce = false
  @Option(help: "Goodput counts requests with a time to first token up to this, seconds.")
  package var sloTtft: Double?
  @Option(help: "Goodput counts requests with a time per output token up to this, seconds.")
  package var sloTpot: Double?
  @Option(
    help:
      "0 replays the trace; k > 0 its k-th redraw (arrivals and blocks of lengths; a generated trace anew).")
  package var seed = 0

  @Flag(
    help: "Share leading blocks of prompts that the trace says are alike (hash_ids, or a session's prefix).")
  var prefixCaching = false
  @Flag(help: "A session's next request arrives its think time after the simulated end of the one before.")
  package var closedLoop = false

  @Option(
    help: ArgumentHelp("Faults of the simulated cluster, a YAML file (docs/faults.md).", valueName: "file"))
  var faults: String?

  @OptionGroup(title: "Sending the requests, as clients of benchmarks do") package var client: SendingOptions

  @OptionGroup(title: "Reading the trace") package var reading: ReadingOptions

  @Flag(help: "Print JSON.")
  package var json = false
  @Flag(help: "No progress, notes or warnings; what costs rest on is in the result as well.")
  package var quiet = false

  /// What `ExecutionOptions` says, where a command has them.
  package var stepByStep = false

  package init() {}

  package mutating func validate() throws {
    try requirePositive("--nodes", nodes)
    try requirePositive("--gpus-per-node", gpusPerNode)
    try requirePositive("--tp", tp)
    try requirePositive("--pp", pp)
    try requirePositive("--instances", instances)
    try requirePositive("--max-num-seqs", maxNumSeqs)
    try requirePositive("--max-num-batched-tokens", maxNumBatchedTokens)
    try requirePositive("--kv-blocks", kvBlocks)
    try requirePositive("--longest", longest, from: 2)
    for (name, bound) in [("--slo-ttft", sloTtft), ("--slo-tpot", sloTpot)] {
      guard let bound, !(bound > 0 && bound.isFinite) else { continue }
      throw ValidationError("\(name) is \(bound), expected seconds above 0.")
    }
    guard gpuMemoryUtilization > 0, gpuMemoryUtilization <= 1 else {
      throw ValidationError(
        "--gpu-memory-utilization is \(gpuMemoryUtilization), expected above 0, at most 1.")
    }
    guard (0...Self.lastSeed).contains(seed) else {
      throw ValidationError("--seed is \(seed), expected 0 to \(Self.lastSeed).")
    }
    guard (trace == nil) != (load == nil) else {
      throw ValidationError("Give either --trace or --load.")
    }
    do {
      _ = try (sending(), client.latencyWindow())
    } catch {
      throw ValidationError("--\(error)")
    }
  }

  private func requirePositive(_ name: String, _ value: Int?, from least: Int = 1) throws {
    guard let value, !(least...Self.most).contains(value) else { return }
    throw ValidationError("\(name) is \(value), expected \(least) to \(Self.most).")
  }

  /// Far beyond any use; keeps products of counts within 64 bits.
  private static let most = 1 << 30

  /// 2^53: a JSON reader that counts in doubles still reads the seed as it is.
  package static let lastSeed = 1 << 53

  /// The bounds that goodput counts by.
  package var slo: SLO { SLO(ttftSeconds: sloTtft, tpotSeconds: sloTpot) }

  /// What the requests are read from or generated by: a path or a recipe.
  package var source: String { load.map { GeneratedTrace.loadPrefix + $0 } ?? trace ?? "" }

  /// Whether the trace is generated, and each redraw of it anew.
  package var isGenerated: Bool { GeneratedTrace.isRecipe(source) }

  /// How the trace is changed while it is read.
  package func traceOptions() throws(TraceError) -> TraceOptions {
    try reading.apply(to: TraceOptions(rateScale: rateScale, limit: limit, clipTotal: clipTotal))
  }
}
