import Runs
import Formatting
import ArgumentParser
import Results
import Sim

/// `infinite-sim cost dist-attention`: DistAttention beside the other ways of spreading one request's attention.
struct CostDistAttentionCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dist-attention",
    abstract: "DistAttention, head-wise TP and ring attention: one layer, one request.",
    discussion: """
      The paper reports DistAttention 1–25 % faster than head-wise TP attention and 7.7–19.8 times faster than ring \
      attention, LLaMA2-13B on 4 GPUs, 4K to 256K tokens.
      """)

  @Option(help: "Model preset, or the path of a Hugging Face config.json.")
  var model = "llama2-13b"
  @Option(help: "Hardware profile, or the path of a YAML file; see `infinite-sim hardware`.")
  var hardware = "a100-measured"
  @Option(help: "GPUs of a node over which the request is spread.")
  var gpus = 4
  @Option(help: "Context lengths: a list as 1K,8K,100K, or a range as 4K..256K that doubles.")
  var contexts = "4K..256K"
  @Flag(help: "Print JSON.")
  var json = false

  mutating func validate() throws {
    guard (2...64).contains(gpus) else { throw ValidationError("--gpus is \(gpus), expected 2 to 64.") }
    _ = try CostSweepCommand.lengths(contexts)
  }

  func run() throws {
    let (model, _) = try Machine.model(model, kvType: .model)
    let hardware = try Machine.hardware(hardware)
    let rows = try CostSweepCommand.lengths(contexts).map { context in
      DistAttentionRow(
        context: context,
        splitting: .init(model, hardware, gpus: gpus, kernel: .flashInfer, context: context),
        unsplit: .init(model, hardware, gpus: gpus, kernel: .unsplit, context: context))
    }
    let extrapolations = hardware.measured.extrapolations(decodeContext: rows.map(\.context).max() ?? 0)
    for sentence in extrapolations { writeToStandardError("warning: costs are extrapolated: \(sentence)\n") }
    if json {
      try writeToStandardOutput(JSON.array(rows.map(\.json)).prettyText)
      return
    }
    var table = [
      [
        "context", "Dist, µs", "TP, µs", "TP / Dist", "ring, µs", "ring / Dist", "no-split: Dist, µs",
        "TP, µs",
        "TP / Dist", "ring / Dist",
      ]
    ]
    table += rows.map(\.cells)
    try writeToStandardOutput(
      "\(model.name), one layer, one request, \(gpus) GPUs of a node, \(hardware.name)\n"
        + "Paper: TP / Dist 1.01 to 1.25, ring / Dist 7.7 to 19.8\n\n" + markdownTable(table) + Self.reasons
        + extrapolations.map { "Extrapolated: \($0).\n" }.joined())
  }

  /// Why the columns differ from the paper's.
  static let reasons = """

    Both read the same bytes on every GPU, so head-wise TP and DistAttention differ by their messages and their
    kernels only. With a kernel that splits contexts (FlashInfer), DistAttention pays two messages of the measured
    NVLink latency where TP pays one all-reduce: it loses by that constant, less and less as contexts grow. With a
    kernel that does not split (PagedAttention v1, the vLLM of the paper's time), a head's keys are read by one
    thread block: cutting the context over GPUs then gains what cutting the heads cannot, far more than 25 %. The
    paper's 1 to 25 % lies between these two; it does not say which kernel or which messages it used. Ring attention
    sends the whole cache round, so its ratio grows from the ratio of the latencies to that of memory and NVLink.

    """
}

/// The three ways with one kernel, µs.
struct RemoteWays {
  var dist: Double
  var headWise: Double?
  var ring: Double

  init(_ model: ModelSpec, _ hardware: HardwareSpec, gpus: Int, kernel: DecodeKernel, context: Int) {
    let remote = RemoteAttention(model: model, hardware: hardware, gpus: gpus, kernel: kernel)
    dist = remote.dist(context: context)
    headWise = remote.headWise(context: context)
    ring = remote.ring(context: context)
  }

  var json: JSON {
    ["dist_us": .double(dist), "head_wise_us": .optional(headWise), "ring_us": .double(ring)]
  }
}

/// One context length.
struct DistAttentionRow {
  var context: Int
  var splitting: RemoteWays
  var unsplit: RemoteWays

  var cells: [String] {
    func ratio(_ ways: RemoteWays) -> String { ways.headWise.map { ratioText($0 / ways.dist) } ?? "–" }
    return [
      TokenCount.text(context), figure(splitting.dist), splitting.headWise.map(figure) ?? "–",
      ratio(splitting),
      figure(splitting.ring), ratioText(splitting.ring / splitting.dist), figure(unsplit.dist),
      unsplit.headWise.map(figure) ?? "–", ratio(unsplit), ratioText(unsplit.ring / unsplit.dist),
    ]
  }

  var json: JSON {
    ["context": .int(context), "flashinfer": splitting.json, "no_split": unsplit.json]
  }
}
