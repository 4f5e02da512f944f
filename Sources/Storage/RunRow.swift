import GRDB
import Results
import Sim

/// Writes rows of the `run` table.
enum RunRow {
  static func insert(_ db: Database, _ manifest: Manifest, startedAt: String) throws -> Int64 {
    let json = manifest.json
    try db.execute(
      sql: """
        INSERT INTO run (manifest, manifest_hash, status, program_version, policy, trace, seed, started_at, replayed)
        VALUES (?, ?, 'running', ?, ?, ?, ?, ?, ?)
        """,
      arguments: [
        json.text, json.digest, manifest.programVersion, manifest.policy, manifest.trace,
        manifest.seed, startedAt, manifest.heat.rawValue,
      ])
    return db.lastInsertedRowID
  }

  /// `requests` says what is known of the requests where their rows are not all kept.
  static func complete(
    _ db: Database, id: Int64, _ result: RunResult, finishedAt: String, kept: KeptRows = .all,
    requests: RequestDigest? = nil
  ) throws {
    let s = result.summary
    try db.execute(
      sql: """
        UPDATE run SET status = 'completed', fingerprint = :fingerprint, finished_at = :finished,
          summary = :summary, arrived = :arrived, completed = :completed, rejected = :rejected,
          unfinished = :unfinished, preemptions = :preemptions, output_tokens = :output,
          wasted_tokens = :wasted, makespan_s = :makespan, output_tokens_per_s = :rate,
          window_output_tokens_per_s = :window, load = :load, ttft_p50_s = :ttft50, ttft_p99_s = :ttft99,
          tpot_p50_s = :tpot50, tpot_p99_s = :tpot99, e2e_p50_s = :e2e50, e2e_p99_s = :e2e99,
          max_context_tokens = :context, kept = :kept, rejected_requests = :ids,
          longest_prompt_tokens = :prompt, longest_context_tokens = :longest,
          costs = :costs, unvalidated = :unvalidated, over_measured = :over
        WHERE id = :id
        """,
      arguments: [
        "fingerprint": s.fingerprint, "finished": finishedAt, "summary": JSON(result).text,
        "arrived": s.arrived, "completed": s.completed, "rejected": s.rejected, "unfinished": s.unfinished,
        "preemptions": s.preemptions, "output": s.outputTokens, "wasted": s.wastedTokens,
        "makespan": s.makespanSeconds, "rate": s.outputTokensPerSecond,
        "window": s.windowOutputTokensPerSecond, "load": s.load?.label.rawValue,
        "ttft50": s.ttft.p50, "ttft99": s.ttft.p99, "tpot50": s.tpot.p50, "tpot99": s.tpot.p99,
        "e2e50": s.e2e.p50, "e2e99": s.e2e.p99, "context": s.maxContextTokens,
        "kept": kept.rawValue, "ids": requests.map { JSON.array($0.rejected.map(JSON.int)).text },
        "costs": result.basis.costs?.rawValue, "unvalidated": result.basis.unvalidated.count,
        "over": result.overMeasured, "prompt": requests?.longest.prompt, "longest": requests?.longest.context,
        "id": id,
      ])
  }

  static func fail(_ db: Database, id: Int64, error: String) throws {
    try db.execute(
      sql: "UPDATE run SET status = 'failed', error = ? WHERE id = ?", arguments: [error, id])
  }
}
