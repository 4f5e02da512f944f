import Sim

/// Closed loops at a number of clients, of which mean times to first and per output token are known.
enum ClosedLoopRows {
  static let format = RunFormat(
    name: "closed-loop",
    summary: "So many clients that each ask again when they have their answer.",
    columns: ["backend", "model_path", "system", "isl", "osl", "silicon_ttft_ms", "silicon_tpot_ms"],
    optional: [
      "backend_version", "concurrency_requests", "batch_size", "tp_size", "pp_size", "attention_dp_size",
      "moe_ep_size", "precision", "gemm_quant_mode", "moe_quant_mode", "mode", "silicon_data_source",
    ])

  static func read(_ row: RunTable.Row, set: String) throws -> ReadRun {
    if let mode = row.text("mode"), mode != "agg" {
      return .leftOut("\(mode): prefill and decode on GPUs of their own")
    }
    let dp = try row.int("attention_dp_size") ?? 1
    guard dp == 1 else { return .leftOut("data-parallel attention") }
    // Ten requests of each client: a million, as in other formats.
    let most = 1_000_000 / RunLoad.requestsPerClient
    let batch = try row.int("batch_size", in: 1...most)
    guard let clients = try row.int("concurrency_requests", in: 1...most) ?? batch else {
      return .leftOut("its concurrency is not known")
    }
    guard batch == nil || batch == clients else {
      return .leftOut("batch_size is not the concurrency: data-parallel attention")
    }
    guard var tp = try row.int("tp_size", in: 1...1_024) else { return .leftOut("its TP is not known") }
    let experts = try row.int("moe_ep_size", in: 0...1_024) ?? 1
    // Where a source gives TP and EP, which are the same GPUs, the file has their product and each of them for the experts: such
    // rows' ids say tp8_ep8 where tp_size is 64.
    if experts > 1, experts * experts == tp, try row.int("moe_tp_size", in: 0...1_024) == experts {
      tp = experts
    }
    let run = MeasuredRun(
      set: set, place: row.place, engine: try row.required("backend"),
      version: row.text("backend_version") ?? "", model: try row.required("model_path"),
      gpu: try row.required("system"), tp: tp, pp: try row.int("pp_size", in: 1...1_024) ?? 1,
      expertRanks: max(1, experts),
      load: .closedLoop(
        clients: clients,
        lengths: .init(prompt: try row.requiredInt("isl"), output: try row.requiredInt("osl")),
        leastShare: Self.leastShare(row.text("silicon_data_source"))),
      measured: [
        (.tpot, try row.requiredPositive("silicon_tpot_ms") * 1e-3),
        (.ttft, try row.requiredPositive("silicon_ttft_ms") * 1e-3),
      ])
    let modes = [row.text("moe_quant_mode"), row.text("gemm_quant_mode")]
    return Precision(modes.contains("fp8_block") ? "fp8_block" : row.text("precision")).apply(to: run)
  }

  /// What lengths are drawn from, as a share of those given.
  ///
  /// The dumps by date are SemiAnalysis' InferenceX, whose client draws lengths evenly from 0.8 of what is asked to all of it
  /// (SemiAnalysisAI/InferenceX, utils/bench_serving/benchmark_serving.py, `sample_random_requests`, with
  /// RANDOM_RANGE_RATIO 0.8); the tables below data/ are NVIDIA's own, of fixed lengths.
  private static func leastShare(_ source: String?) -> Double {
    guard let source else { return 1 }
    return source.hasPrefix("source_file=data/") ? 1 : 0.8
  }
}
