import ArgumentParser
import Policies
import Sim
import Workloads

extension EngineKind: ExpressibleByArgument {}

extension Router: ExpressibleByArgument {}

extension DecodeKernel: ExpressibleByArgument {}

/// What an element of the KV cache is stored as.
package enum KVType: String, CaseIterable, ExpressibleByArgument {
  /// Like weights and activations.
  case model
  case fp8
  case int8
}

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
  package var trace: String
  @Option(help: "Model preset, or the path of a Hugging Face config.json.")
  package var model = "llama2-7b"
  @Option(help: "Hardware profile, or the path of a YAML file; see `infinite-sim hardware`.")
  package var hardware = "a100-measured"
  @Option(help: ArgumentHelp("Engine profile; see `infinite-sim engines`. (default: the hardware's)"))
  var engineProfile: String?
  @Option(
    help: ArgumentHelp("Decode attention: flashinfer, flash-attention or no-split. (default: the profile's)"))
  var decodeKernel: DecodeKernel?
  @Option(help: "Element of the KV cache: model (as the weights), fp8 or int8 (half the bytes, unvalidated).")
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

  @Option(help: "Local engine: vllm-v0 or chunked.")
  package var engine = EngineKind.vllmV0
  @Option(help: "Sequences that an instance runs at once. (default: 256)")
  package var maxNumSeqs: Int?
  @Option(help: "Token budget of a step. (default: the model's context, at least 2048; chunked: 2048)")
  package var maxNumBatchedTokens: Int?
  @Option(
    help: ArgumentHelp(
      "Longest context that is served: a prompt of so many tokens or more is rejected, an output that would go beyond it is "
        + "cut. \"model\" is what the model was made for; a number may stretch or shorten it. (default: model)",
      valueName: "model|tokens"), transform: ContextLimit.init(argument:))
  package var maxModelLen = ContextLimit.model
  @Option(help: "KV blocks of an instance, instead of what its memory holds.")
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
    if atOnce, closedLoop {
      throw ValidationError(
        "--at-once and --closed-loop exclude each other: a session's turns wait for answers.")
    }
    if engine == .chunked, let seqs = maxNumSeqs, let budget = maxNumBatchedTokens, seqs >= budget {
      throw ValidationError(
        "--max-num-seqs \(seqs) must be below --max-num-batched-tokens \(budget) under chunked.")
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

  /// Whether the trace is generated, and each redraw of it anew.
  package var isGenerated: Bool { GeneratedTrace.isRecipe(trace) }

  /// How the trace is changed while it is read.
  package func traceOptions() throws(TraceError) -> TraceOptions {
    try reading.apply(to: TraceOptions(rateScale: rateScale, limit: limit, clipTotal: clipTotal))
  }
}
