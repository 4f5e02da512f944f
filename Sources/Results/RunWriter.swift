import GRDB
import Sim

/// Writes the rows of a run into the transaction that is open.
struct RunWriter {
  private let db: Database
  private let run: Int64
  /// Of the requests that are live in what was written.
  private var accounts = TimeAccount()
  private var request, account, sample, decision, grounds, work: RowInsert

  init(_ db: Database, run: Int64) throws {
    self.db = db
    self.run = run
    request = try RowInsert(
      db, into: "request",
      "run_id", "request_id", "arrival_ps", "prompt_tokens", "output_tokens", "generated_tokens", "home",
      "admitted_ps", "first_token_ps", "ended_ps", "rejected_because", "preemptions", "borrowed_blocks_peak")
    account = try RowInsert(
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

  /// Writes what there is to write of a batch; `finish` writes the rest.
  mutating func write(_ batch: RunBatch) throws {
    var (arrivals, changes, work, ends) = (0, 0, 0, 0)
    for kind in batch.order {
      switch kind {
      case .arrival:
        accounts.arrived(batch.arrivals[arrivals])
        arrivals += 1
      case .change:
        accounts.changed(batch.changes[changes])
        changes += 1
      case .work:
        accounts.worked(batch.work[work])
        work += 1
      case .end:
        try write(batch.ends[ends], accounts.take(batch.ends[ends].id))
        ends += 1
      case .sample, .decision: break  // They take no part in accounts.
      }
    }
    for row in batch.samples { try write(row) }
    for row in batch.decisions { try write(row) }
  }

  /// Writes what is known only at the end of a run.
  mutating func finish() throws { try write(accounts.spent) }

  mutating func write(_ record: RequestRecord, _ known: RequestAccount?) throws {
    request.bind(run)
    request.bind(record.id.index)
    request.bind(record.arrival.picoseconds)
    request.bind(record.prompt)
    request.bind(record.output)
    request.bind(record.generated)
    request.bind(record.home.index)
    request.bind(record.admitted?.picoseconds)
    request.bind(record.firstToken?.picoseconds)
    request.bind(record.ended.picoseconds)
    if case .rejected(let reason) = record.outcome {
      request.bind(reason.rawValue)
    } else {
      request.bindNull()
    }
    request.bind(record.preemptions)
    request.bind(record.borrowedBlocksPeak)
    try request.insert()
    if let known { try write(known, of: record.id) }
  }

  private mutating func write(_ known: RequestAccount, of id: RequestID) throws {
    account.bind(run)
    account.bind(id.index)
    account.bind(known.time[.queued].picoseconds)
    account.bind(known.time[.prefill].picoseconds)
    account.bind(known.time[.decode].picoseconds)
    account.bind(known.time[.decodeBesidePrompts].picoseconds)
    account.bind(known.time[.stalledByPrompts].picoseconds)
    account.bind(known.time[.requeued].picoseconds)
    account.bind(known.time[.recompute].picoseconds)
    account.bind(known.time[.lostStep].picoseconds)
    let arrival = known.arrival
    account.bind(arrival?.home.index)
    account.bind(arrival?.load)
    account.bind(arrival?.leastLoad)
    account.bind(arrival?.mostLoad)
    account.bind(arrival?.queued)
    account.bind(arrival?.freeBlocks)
    account.bind(arrival?.mostFreeBlocks)
    try account.insert()
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
