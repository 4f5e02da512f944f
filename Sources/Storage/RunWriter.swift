import GRDB
import Results
import Sim

/// Writes the rows of a run into the transaction that is open.
struct RunWriter {
  private let db: Database
  private let run: Int64
  private var request, account: BulkInsert
  private var sample, decision, grounds, work: RowInsert

  init(_ db: Database, run: Int64) throws {
    self.db = db
    self.run = run
    request = try BulkInsert(
      db, into: "request",
      "run_id", "request_id", "arrival_ps", "prompt_tokens", "output_tokens", "generated_tokens", "home",
      "admitted_ps", "first_token_ps", "ended_ps", "rejected_because", "preemptions", "borrowed_blocks_peak",
      "cut_at_context")
    account = try BulkInsert(
      db, into: "request_account",
      "run_id", "request_id", "queued_ps", "prefill_ps", "decode_ps", "decode_beside_prompts_ps",
      "stalled_by_prompts_ps", "requeued_ps", "recompute_ps", "lost_step_ps", "routed_to", "load",
      "least_load",
      "most_load", "queued_ahead", "free_blocks", "most_free_blocks")
    sample = try RowInsert(
      db, into: "instance_sample",
      "run_id", "time_ps", "instance", "running", "queued", "used_blocks", "hosted_blocks")
    decision = try RowInsert(
      db, into: "decision",
      "run_id", "time_ps", "kind", "request_id", "source", "destination", "blocks", "reason")
    grounds = try RowInsert(
      db, into: "move_grounds",
      "decision_id", "gain", "throughput_before", "source_batch", "source_queued", "source_free_blocks",
      "destination_batch", "destination_free_blocks", "candidates")
    work = try RowInsert(
      db, into: "instance_work", "run_id", "instance", "decode_ps", "decode_and_prefill_ps", "prefill_ps")
  }

  mutating func write(_ batch: RunBatch) throws {
    try write(batch.requests)
    for row in batch.samples { try write(row) }
    for row in batch.decisions { try write(row) }
  }

  /// Writes requests by id, table after table: neighbours in the file follow each other, so that SQLite fills page after page.
  mutating func write(_ requests: some RandomAccessCollection<EndedRequest>) throws {
    let byID = requests.indices.sorted { requests[$0].record.id < requests[$1].record.id }
    let run = run
    try request.insert(byID) { row, i in row.bind(requests[i].record, run: run) }
    try account.insert(byID.filter { requests[$0].account != nil }) { row, i in
      row.bind(requests[i].account!, of: requests[i].record.id, run: run)
    }
  }

  mutating func write(_ row: InstanceSample) throws {
    sample.bind(run)
    sample.bind(row.time.picoseconds)
    sample.bind(row.instance.index)
    sample.bind(row.running)
    sample.bind(row.queued)
    sample.bind(row.usedBlocks)
    sample.bind(row.hostedBlocks)
    try sample.insert()
  }

  mutating func write(_ row: DecisionRecord) throws {
    decision.bind(run)
    decision.bind(row.time.picoseconds)
    decision.bind(row.kind.rawValue)
    decision.bind(row.request.index)
    decision.bind(row.source.index)
    decision.bind(row.destination.index)
    decision.bind(row.blocks)
    decision.bind(row.reason)
    try decision.insert()
    guard let why = row.grounds else { return }
    grounds.bind(db.lastInsertedRowID)
    grounds.bind(why.gain)
    grounds.bind(why.throughputBefore)
    grounds.bind(why.sourceBatch)
    grounds.bind(why.sourceQueued)
    grounds.bind(why.sourceFreeBlocks)
    grounds.bind(why.destinationBatch)
    grounds.bind(why.destinationFreeBlocks)
    grounds.bind(JSON.array(why.candidates.map { .array([.int($0.blocks), .double($0.gain)]) }).text)
    try grounds.insert()
  }

  /// Writes what instances did, by instance.
  mutating func write(_ spent: [TimeAccount.Spent]) throws {
    for (instance, spent) in spent.enumerated() {
      work.bind(run)
      work.bind(instance)
      work.bind(spent.decode)
      work.bind(spent.both)
      work.bind(spent.prefill)
      try work.insert()
    }
  }
}

extension RowInsert {
  fileprivate mutating func bind(_ record: RequestRecord, run: Int64) {
    bind(run)
    bind(record.id.index)
    bind(record.arrival.picoseconds)
    bind(record.prompt)
    bind(record.output)
    bind(record.generated)
    bind(record.home.index)
    bind(record.admitted?.picoseconds)
    bind(record.firstToken?.picoseconds)
    bind(record.ended.picoseconds)
    if case .rejected(let reason) = record.outcome {
      bind(reason.rawValue)
    } else {
      bindNull()
    }
    bind(record.preemptions)
    bind(record.borrowedBlocksPeak)
    bind(record.outcome == .cutAtContext ? 1 : 0)
  }

  fileprivate mutating func bind(_ known: RequestAccount, of id: RequestID, run: Int64) {
    bind(run)
    bind(id.index)
    bind(known.time[.queued].picoseconds)
    bind(known.time[.prefill].picoseconds)
    bind(known.time[.decode].picoseconds)
    bind(known.time[.decodeBesidePrompts].picoseconds)
    bind(known.time[.stalledByPrompts].picoseconds)
    bind(known.time[.requeued].picoseconds)
    bind(known.time[.recompute].picoseconds)
    bind(known.time[.lostStep].picoseconds)
    let arrival = known.arrival
    bind(arrival?.home.index)
    bind(arrival?.load)
    bind(arrival?.leastLoad)
    bind(arrival?.mostLoad)
    bind(arrival?.queued)
    bind(arrival?.freeBlocks)
    bind(arrival?.mostFreeBlocks)
  }
}
