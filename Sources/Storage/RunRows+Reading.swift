import GRDB
import Results
import Sim

// What was written of a run, read back.

extension Row {
  /// What a column holds.
  /// - Throws: if there is no such column or it holds something else, as in a file that was tampered with.
  package func value<Value: DatabaseValueConvertible & StatementColumnConvertible>(
    _ column: String
  ) throws -> Value {
    try decode(forColumn: column)
  }
}

extension StoredRun {
  init(row: Row) throws {
    let error: String? = try row.value("error")
    guard let kept = KeptRows(rawValue: try row.value("kept")) else { throw SummaryError(key: "kept") }
    var requests: RequestDigest?
    if let ids: String = try row.value("rejected_requests") {
      requests = RequestDigest(
        rejected: try JSON(parsing: ids).elements?.compactMap(\.integer) ?? [],
        longest: LongestRequests(
          prompt: try row.value("longest_prompt_tokens") as Int? ?? 0,
          context: try row.value("longest_context_tokens") as Int? ?? 0))
    }
    try self.init(
      id: row.value("id"), manifest: row.value("manifest"), manifestHash: row.value("manifest_hash"),
      status: error.map(Status.failed)
        ?? .completed(RunResult(JSON(parsing: row.value("summary")))),
      policy: row.value("policy"), trace: row.value("trace"), seed: row.value("seed"),
      programVersion: row.value("program_version"), startedAt: row.value("started_at"),
      finishedAt: row.value("finished_at"), kept: kept, requests: requests)
  }
}

extension RequestRecord {
  package init(_ row: Row) throws {
    func time(_ column: String) throws -> SimTime? {
      (try row.value(column) as Int64?).map(SimTime.init(picoseconds:))
    }
    let outcome: RequestOutcome
    if let text: String = try row.value("rejected_because") {
      guard let reason = RejectionReason(rawValue: text) else {
        throw SummaryError(key: "rejected_because")
      }
      outcome = .rejected(reason)
    } else {
      outcome = try row.value("cut_at_context") == 1 ? .cutAtContext : .completed
    }
    try self.init(
      id: RequestID(row.value("request_id")), arrival: SimTime(picoseconds: row.value("arrival_ps")),
      prompt: row.value("prompt_tokens"), output: row.value("output_tokens"),
      generated: row.value("generated_tokens"),
      home: InstanceID(row.value("home")), admitted: time("admitted_ps"), firstToken: time("first_token_ps"),
      ended: SimTime(picoseconds: row.value("ended_ps")), outcome: outcome,
      preemptions: row.value("preemptions"),
      borrowedBlocksPeak: row.value("borrowed_blocks_peak"))
  }
}

extension InstanceSample {
  package init(_ row: Row) throws {
    try self.init(
      time: SimTime(picoseconds: row.value("time_ps")), instance: InstanceID(row.value("instance")),
      running: row.value("running"), queued: row.value("queued"), usedBlocks: row.value("used_blocks"),
      hostedBlocks: row.value("hosted_blocks"))
  }
}

extension DecisionRecord {
  package init(_ row: Row) throws {
    guard let kind = Kind(rawValue: try row.value("kind")) else { throw SummaryError(key: "decision.kind") }
    try self.init(
      time: SimTime(picoseconds: row.value("time_ps")), kind: kind,
      request: RequestID(row.value("request_id")),
      source: InstanceID(row.value("source")), destination: InstanceID(row.value("destination")),
      blocks: row.value("blocks"), reason: row.value("reason"))
  }
}
