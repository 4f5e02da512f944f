import GRDB
import Sim

// What was written of a run, read back.

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
