import Runs

/// Stages of a run at a constant rate, whose prompts are a few over and over, and the table of workloads that belongs to it.
enum ConstantRateRows {
  static let format = RunFormat(
    name: "constant-rate",
    summary: "Requests at equal distances; a row for each stage, with the file of workloads beside it.",
    columns: [
      "run", "stage", "engine", "gpu", "model", "tensor_parallel", "requested_rate_req_per_s", "requests",
      "prompt_tokens_mean", "output_tokens_asked", "e2e_mean_ms", "ttft_mean_ms",
    ],
    optional: ["engine_version", "failures", "max_num_batched_tokens", "max_num_seqs", "tpot_from_means_ms"])

  /// What tells a file of workloads.
  static let workloadColumns = ["run", "effective_distinct_prompts"]

  /// Which prompts a run had.
  struct Workload {
    var distinct: Int
    var groups: Int
    var shared: Int
  }

  /// The workloads of `tables` by their run.
  static func workloads(_ tables: [RunTable]) throws -> [String: Workload] {
    var known: [String: Workload] = [:]
    for row in tables.flatMap(\.rows) {
      let distinct = try row.requiredInt("effective_distinct_prompts")
      known[try row.required("run")] = Workload(
        distinct: distinct, groups: try row.int("effective_num_groups") ?? distinct,
        shared: try row.int("effective_system_prompt_tokens", in: 0...(1 << 30)) ?? 0)
    }
    return known
  }

  static func read(_ row: RunTable.Row, set: String, workloads: [String: Workload]) throws -> ReadRun {
    let name = try row.required("run")
    if row.text("stage") == "summary" { return .leftOut("a summary of stages that are rows themselves") }
    if let failures = try row.int("failures", in: 0...(1 << 30)), failures > 0 {
      return .leftOut("an overload: requests failed")
    }
    guard let workload = workloads[name] else {
      return .leftOut("its run is not in a file of workloads, so that its prompts are not known")
    }
    let output = try row.requiredInt("output_tokens_asked")
    let (e2e, ttft) = (try row.requiredPositive("e2e_mean_ms"), try row.requiredPositive("ttft_mean_ms"))
    var measured: [(metric: RunMetric, seconds: Double)] = [(.e2e, e2e * 1e-3), (.ttft, ttft * 1e-3)]
    if output > 1 {
      // Of the means, since clients may count a token twice.
      let tpot = try row.positive("tpot_from_means_ms") ?? (e2e - ttft) / Double(output - 1)
      measured.append((.tpot, tpot * 1e-3))
    }
    let rate = try row.requiredPositive("requested_rate_req_per_s")
    let requests = try row.requiredInt("requests", in: 1...1_000_000)
    guard Double(requests) / rate <= 1e6 else {
      throw CommandFailure(
        .badData,
        "\(row.place): \(requests) requests at \(rate) a second, expected at most a million seconds of them")
    }
    return .run(
      MeasuredRun(
        set: set, place: row.place, engine: try row.required("engine"),
        version: row.text("engine_version") ?? "", model: try row.required("model"),
        gpu: try row.required("gpu"), tp: try row.requiredInt("tensor_parallel", in: 1...1_024),
        maxNumSeqs: try row.int("max_num_seqs"), maxNumBatchedTokens: try row.int("max_num_batched_tokens"),
        load: .constantRate(
          perSecond: rate, requests: requests,
          lengths: .init(
            prompt: max(1, Int(try row.requiredPositive("prompt_tokens_mean").rounded())), output: output),
          distinct: workload.distinct, groups: workload.groups, shared: workload.shared),
        measured: measured))
  }
}
