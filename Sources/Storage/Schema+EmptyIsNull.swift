import GRDB

extension Schema {
  /// What is a statistic of nothing was 0 and becomes NULL, in the columns and in the summary; which requests a run replayed
  /// and what its costs rest on, from its manifest.
  static let emptyIsNull = SchemaStep(name: "a statistic of nothing is NULL; replayed, costs, over_measured")
  { db in
    try db.execute(
      sql: """
        -- 'whole': all requests of the trace; 'common': those that all contenders of a comparison complete.
        ALTER TABLE run ADD COLUMN replayed TEXT NOT NULL DEFAULT 'whole' CHECK (replayed IN ('whole', 'common'));
        -- What the costs rest on: 'fits' to measurements, or rates of a 'data-sheet'. NULL: not known.
        ALTER TABLE run ADD COLUMN costs TEXT CHECK (costs IN ('fits', 'data-sheet'));
        -- How many of the costs no measurement supports; `summary` has a sentence for each.
        ALTER TABLE run ADD COLUMN unvalidated INTEGER;
        -- The longest served prompt or context over the longest measured; above 1 costs are extrapolated.
        ALTER TABLE run ADD COLUMN over_measured REAL;
        UPDATE run SET replayed = 'common' WHERE json_type(manifest, '$.workload.dropped') IS NOT NULL;
        """)
    for (paths, condition) in emptied {
      let changes = paths.map { "'$.\($0)', NULL" }.joined(separator: ", ")
      try db.execute(
        sql:
          "UPDATE run SET summary = json_replace(summary, \(changes)) WHERE status = 'completed' AND \(condition)"
      )
    }
    for (column, path) in [
      ("makespan_s", "makespan_s"), ("output_tokens_per_s", "throughput.output_tokens_per_s"),
      ("window_output_tokens_per_s", "throughput.window_output_tokens_per_s"), ("load", "load"),
      ("ttft_p50_s", "ttft_s.p50"), ("ttft_p99_s", "ttft_s.p99"), ("tpot_p50_s", "tpot_s.p50"),
      ("tpot_p99_s", "tpot_s.p99"), ("e2e_p50_s", "e2e_s.p50"), ("e2e_p99_s", "e2e_s.p99"),
    ] {
      try db.execute(sql: "UPDATE run SET \(column) = NULL WHERE json_type(summary, '$.\(path)') = 'null'")
    }
    try db.execute(sql: basis)
  }

  /// Paths into the summary, and where what is 0 there was of nothing.
  private static var emptied: [(paths: [String], condition: String)] {
    func number(_ path: String) -> String { "json_extract(summary, '$.\(path)')" }
    let latencies = ["ttft_s", "tpot_s", "e2e_s"]
    let distributions =
      latencies + ["short", "medium", "long"].flatMap { name in latencies.map { "classes.\(name).\($0)" } }
    let nothing = "\(number("requests.completed")) = 0"
    let rates = [
      "output_tokens_per_s", "total_tokens_per_s", "requests_per_s", "per_gpu_output_tokens_per_s",
    ]
    let isFree =
      "json_extract(manifest, '$.engine.prefill_attention') = 'free' AND \(number("decode_steps")) = 0"
    return distributions.map { path in
      (["mean", "p50", "p90", "p99", "max"].map { "\(path).\($0)" }, "\(number("\(path).count")) = 0")
    } + [
      (["load", "extrapolated_share"], nothing),
      (
        ["makespan_s", "goodput_requests_per_s", "throughput.window_output_tokens_per_s"]
          + rates.map { "throughput.\($0)" },
        "(\(nothing) OR \(isFree))"
      ),
      // A bound on TPOT that no completed request has.
      (
        ["goodput_requests_per_s"],
        "\(number("tpot_s.count")) = 0 AND json_extract(manifest, '$.slo.tpot_s') IS NOT NULL"
      ),
      // All arrived at once: there was no window.
      (
        ["throughput.window_output_tokens_per_s"],
        "\(number("throughput.window_output_tokens_per_s")) = 0 AND kept <> 'summary'"
          + " AND (SELECT max(arrival_ps) FROM request WHERE run_id = run.id) = 0"
      ),
      (["worst_stall_s"], "\(number("worst_stall_s")) = 0 AND \(number("tpot_s.count")) = 0"),
      (["kv.peak_utilisation"], "\(number("kv.peak_utilisation")) = 0"),
    ]
  }

  /// The basis of old runs, as far as manifest and requests say it. 9223372036854775807 stands for no range.
  private static let basis = """
    CREATE TEMP TABLE old_basis AS
    SELECT id,
      CASE WHEN json_type(manifest, '$.hardware.gemm') IS NULL THEN NULL
        WHEN json_extract(manifest, '$.hardware.gemm.floor') = 0
          AND json_extract(manifest, '$.hardware.gemm.exponent') IS NULL THEN 'data-sheet'
        ELSE 'fits' END AS costs,
      coalesce(json_array_length(summary, '$.unvalidated'), 0) AS unvalidated,
      coalesce(longest_prompt_tokens, (SELECT max(prompt_tokens) FROM request
        WHERE run_id = run.id AND admitted_ps IS NOT NULL), 0) AS prompt,
      coalesce(longest_context_tokens, (SELECT max(prompt_tokens + output_tokens) FROM request
        WHERE run_id = run.id AND admitted_ps IS NOT NULL), 0) AS context,
      nullif(json_extract(manifest, '$.hardware.measured.prefill'), 9223372036854775807) AS measured_prompt,
      nullif(json_extract(manifest, '$.hardware.measured.decodeContext'), 9223372036854775807) AS measured_context
    FROM run WHERE status = 'completed';
    UPDATE run SET costs = old.costs, unvalidated = old.unvalidated, over_measured = nullif(max(
      coalesce(1.0 * prompt / measured_prompt, 0), coalesce(1.0 * context / measured_context, 0)), 0)
    FROM old_basis AS old WHERE old.id = run.id;
    UPDATE run SET summary = json_set(summary, '$.heat', replayed, '$.basis', json_object(
      'costs', old.costs, 'is_data_sheet', json(CASE old.costs WHEN 'data-sheet' THEN 'true' WHEN 'fits' THEN 'false' ELSE 'null' END),
      'unvalidated', old.unvalidated,
      'extrapolated', coalesce(prompt > measured_prompt, 0) + coalesce(context > measured_context, 0),
      'over_measured', over_measured,
      'longest_prompt_tokens', prompt, 'measured_prompt_tokens', measured_prompt,
      'longest_context_tokens', context, 'measured_context_tokens', measured_context))
    FROM old_basis AS old WHERE old.id = run.id;
    DROP TABLE old_basis;
    """
}
