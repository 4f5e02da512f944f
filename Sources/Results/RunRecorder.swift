import GRDB
import Sim

/// Writes what it sees of a run into the run's transaction.
///
/// Observers cannot throw, so the first write that fails is kept and ends the run at `finish()`; nothing
/// is written after it. Valid inside the body of `ResultStore.record` only.
public final class RunRecorder: RunObserver {
  private let db: Database
  private let run: Int64
  private let insertRequest, insertAccount, insertSample, insertDecision, insertGrounds: Statement
  private var account = TimeAccount()
  private var isOpen = true
  private var failure: (any Error)?

  init(_ db: Database, run: Int64) throws {
    self.db = db
    self.run = run
    insertRequest = try db.makeStatement(
      sql: """
        INSERT INTO request (run_id, request_id, arrival_ps, prompt_tokens, output_tokens, generated_tokens,
          home, admitted_ps, first_token_ps, ended_ps, rejected_because, preemptions, borrowed_blocks_peak)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """)
    insertAccount = try db.makeStatement(
      sql: """
        INSERT INTO request_account (run_id, request_id, queued_ps, prefill_ps, decode_ps,
          decode_beside_prompts_ps, stalled_by_prompts_ps, requeued_ps, recompute_ps, lost_step_ps,
          routed_to, load, least_load, most_load, queued_ahead, free_blocks, most_free_blocks)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """)
    insertSample = try db.makeStatement(
      sql: """
        INSERT INTO instance_sample (run_id, time_ps, instance, running, queued, used_blocks, hosted_blocks)
        VALUES (?, ?, ?, ?, ?, ?, ?)
        """)
    insertDecision = try db.makeStatement(
      sql: """
        INSERT INTO decision (run_id, time_ps, kind, request_id, source, destination, blocks, reason)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        """)
    insertGrounds = try db.makeStatement(
      sql: """
        INSERT INTO move_grounds (decision_id, gain, throughput_before, source_batch, source_queued,
          source_free_blocks, destination_batch, destination_free_blocks, candidates)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        """)
  }

  public var watchesAll: Bool { true }
  public func arrived(_ arrival: ArrivalRecord) { account.arrived(arrival) }
  public func changed(_ change: RequestChange) { account.changed(change) }
  public func worked(_ work: WorkRecord) { account.worked(work) }

  public func requestEnded(_ record: RequestRecord) {
    let reason: String? =
      if case .rejected(let reason) = record.outcome { reason.rawValue } else { nil }
    write(
      insertRequest,
      [
        run, record.id.index, record.arrival.picoseconds, record.prompt, record.output, record.generated,
        record.home.index, record.admitted?.picoseconds, record.firstToken?.picoseconds,
        record.ended.picoseconds, reason, record.preemptions, record.borrowedBlocksPeak,
      ])
    if let known = account.take(record.id) { self.record(known, of: record.id) }
  }

  /// Writes where a request's time went; its own row must be there.
  func record(_ known: RequestAccount, of request: RequestID) {
    let (time, arrival) = (known.time, known.arrival)
    write(
      insertAccount,
      [run, request.index] + StatementArguments(TimeByCause.Cause.allCases.map { time[$0].picoseconds })
        + [
          arrival?.home.index, arrival?.load, arrival?.leastLoad, arrival?.mostLoad, arrival?.queued,
          arrival?.freeBlocks, arrival?.mostFreeBlocks,
        ])
  }

  public func sampled(_ sample: InstanceSample) {
    write(
      insertSample,
      [
        run, sample.time.picoseconds, sample.instance.index, sample.running, sample.queued,
        sample.usedBlocks, sample.hostedBlocks,
      ])
  }

  public func decided(_ decision: DecisionRecord) {
    write(
      insertDecision,
      [
        run, decision.time.picoseconds, decision.kind.rawValue, decision.request.index,
        decision.source.index, decision.destination.index, decision.blocks, decision.reason,
      ])
    guard let grounds = decision.grounds else { return }
    let tried = grounds.candidates.map { JSON.array([.int($0.blocks), .double($0.gain)]) }
    write(
      insertGrounds,
      [
        db.lastInsertedRowID, grounds.gain, grounds.throughputBefore, grounds.sourceBatch,
        grounds.sourceQueued,
        grounds.sourceFreeBlocks, grounds.destinationBatch, grounds.destinationFreeBlocks,
        JSON.array(tried).text,
      ])
  }

  /// Writes what is known only at the end of the run.
  /// - Throws: the first error of writing anything.
  func finish() throws {
    try record(account.spent)
  }

  /// Writes what instances did.
  /// - Throws: the first error of writing anything.
  func record(_ work: [TimeAccount.Spent]) throws {
    if let failure { throw failure }
    for (instance, spent) in work.enumerated() {
      try db.execute(
        sql: """
          INSERT INTO instance_work (run_id, instance, decode_ps, decode_and_prefill_ps, prefill_ps)
          VALUES (?, ?, ?, ?, ?)
          """,
        arguments: [run, instance, spent.decode, spent.both, spent.prefill])
    }
  }

  func close() { isOpen = false }

  private func write(_ statement: Statement, _ arguments: StatementArguments) {
    precondition(isOpen, "a recorder writes only inside the transaction of its run")
    guard failure == nil else { return }
    do { try statement.execute(arguments: arguments) } catch { failure = error }
  }
}

// MARK: - Reading back

extension RequestRecord {
  package init(_ row: Row) throws {
    func time(_ column: String) -> SimTime? {
      (row[column] as Int64?).map(SimTime.init(picoseconds:))
    }
    let outcome: RequestOutcome
    if let text: String = row["rejected_because"] {
      guard let reason = RejectionReason(rawValue: text) else {
        throw SummaryError(key: "rejected_because")
      }
      outcome = .rejected(reason)
    } else {
      outcome = .completed
    }
    self.init(
      id: RequestID(row["request_id"]), arrival: SimTime(picoseconds: row["arrival_ps"]),
      prompt: row["prompt_tokens"], output: row["output_tokens"], generated: row["generated_tokens"],
      home: InstanceID(row["home"]), admitted: time("admitted_ps"), firstToken: time("first_token_ps"),
      ended: SimTime(picoseconds: row["ended_ps"]), outcome: outcome, preemptions: row["preemptions"],
      borrowedBlocksPeak: row["borrowed_blocks_peak"])
  }
}

extension InstanceSample {
  package init(_ row: Row) {
    self.init(
      time: SimTime(picoseconds: row["time_ps"]), instance: InstanceID(row["instance"]),
      running: row["running"], queued: row["queued"], usedBlocks: row["used_blocks"],
      hostedBlocks: row["hosted_blocks"])
  }
}

extension DecisionRecord {
  package init(_ row: Row) throws {
    guard let kind = Kind(rawValue: row["kind"]) else { throw SummaryError(key: "decision.kind") }
    self.init(
      time: SimTime(picoseconds: row["time_ps"]), kind: kind, request: RequestID(row["request_id"]),
      source: InstanceID(row["source"]), destination: InstanceID(row["destination"]),
      blocks: row["blocks"], reason: row["reason"])
  }
}
