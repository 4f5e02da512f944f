import Sim

/// One batch of equal requests, all at once, of which the time of the whole is known.
enum StaticBatchRows {
  static let format = RunFormat(
    name: "static-batch",
    summary: "Equal requests, all at time 0; duration_s is their time together.",
    columns: [
      "engine", "gpu", "model", "tensor_parallel", "requests", "input_tokens_per_request",
      "output_tokens_per_request", "duration_s",
    ], optional: ["engine_version", "dtype", "concurrency", "suspect"])

  static func read(_ row: RunTable.Row, set: String) throws -> ReadRun {
    let requests = try row.requiredInt("requests", in: 1...1_000_000)
    let lengths = RunLoad.Lengths(
      prompt: try row.requiredInt("input_tokens_per_request"),
      output: try row.requiredInt("output_tokens_per_request"))
    let run = MeasuredRun(
      set: set, place: row.place, engine: try row.required("engine"),
      version: row.text("engine_version") ?? "",
      model: try row.required("model"), gpu: try row.required("gpu"),
      tp: try row.requiredInt("tensor_parallel", in: 1...1_024),
      load: .atOnce(Array(repeating: lengths, count: requests)),
      measured: [(.duration, try row.requiredPositive("duration_s"))])
    if row.text("suspect") != nil { return .leftOut("marked suspect by the file") }
    if let concurrency = try row.int("concurrency"), concurrency != requests {
      return .leftOut("concurrency is not the number of requests: no static batch")
    }
    return Precision(row.text("dtype")).apply(to: run)
  }
}

/// How a file names what weights are stored as.
struct Precision {
  private var name: String

  init(_ name: String?) { self.name = name?.lowercased() ?? "" }

  /// The run with that format, or why there is none.
  func apply(to run: MeasuredRun) -> ReadRun {
    var run = run
    switch name {
    case "", "auto", "none", "null", "nan": run.weights = nil
    // An engine's dtype is what it computes in: `ModelSpec.take` leaves a quantised checkpoint as it is.
    case "float16", "fp16", "half", "bfloat16", "bf16": run.weights = .bf16
    // Checkpoints in 8 bits per tensor name an 8-bit KV cache too (NVIDIA's hf_quant_config.json:
    // kv_cache_quant_algo FP8), which engines follow.
    case "fp8": (run.weights, run.kvBytesPerElement) = (.fp8, 1)
    case "fp8_block", "fp8-block": run.weights = .fp8Block
    case "int4", "w4a16", "awq", "gptq": run.weights = .int4
    // 4 bits on a GPU without such arithmetic: as the checkpoint stores them.
    case "fp4", "mxfp4": run.weights = .mxfp4
    default: return .leftOut("precision \(name) is not simulated")
    }
    return .run(run)
  }
}
