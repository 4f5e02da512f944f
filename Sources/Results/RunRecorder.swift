import GRDB
import Sim

/// Writes what it sees of a run into the run's transaction.
///
/// Observers cannot throw, so the first write that fails is kept and ends the run at `checkWritten()`; nothing
/// is written after it. Valid inside the body of `ResultStore.record` only.
public final class RunRecorder: RunObserver {
  private let run: Int64
  private let insertRequest, insertSample, insertDecision: Statement
  private var isOpen = true
  private var failure: (any Error)?

  init(_ db: Database, run: Int64) throws {
    self.run = run
    insertRequest = try db.makeStatement(
      sql: """
        INSERT INTO request (run_id, request_id, arrival_ps, prompt_tokens, output_tokens, generated_tokens,
          home, admitted_ps, first_token_ps, ended_ps, rejected_because, preemptions, borrowed_blocks_peak)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
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
  }

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
  }

  func checkWritten() throws {
    if let failure { throw failure }
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
  init(_ row: Row) throws {
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
  init(_ row: Row) {
    self.init(
      time: SimTime(picoseconds: row["time_ps"]), instance: InstanceID(row["instance"]),
      running: row["running"], queued: row["queued"], usedBlocks: row["used_blocks"],
      hostedBlocks: row["hosted_blocks"])
  }
}

extension DecisionRecord {
  init(_ row: Row) throws {
    guard let kind = Kind(rawValue: row["kind"]) else { throw SummaryError(key: "decision.kind") }
    self.init(
      time: SimTime(picoseconds: row["time_ps"]), kind: kind, request: RequestID(row["request_id"]),
      source: InstanceID(row["source"]), destination: InstanceID(row["destination"]),
      blocks: row["blocks"], reason: row["reason"])
  }
}
