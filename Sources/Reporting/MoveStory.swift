import GRDB
import Results
import Sim
import Storage

/// One order of a planner: what it rested on, and what came of it.
public struct MoveStory {
  /// An instance as the last sample before the order saw it.
  public struct State {
    public var time: SimTime
    public var running: Int
    public var queued: Int
    public var usedBlocks: Int
    public var hostedBlocks: Int
  }

  let run: RunChoice
  /// From 1, in the order in which the run's moves were ordered.
  public var number: Int
  public var count: Int
  /// `move`, `recall` or `move-refused`.
  public var order: DecisionRecord
  /// `landed` or `move-aborted`; `nil` for a refused one.
  public var end: DecisionRecord?
  public var request: RequestRecord?
  /// What the planner weighed; `nil` if the policy or an older program kept none.
  public var grounds: MoveGrounds?
  public var source: State?
  public var destination: State?

  /// - Throws: `ReportError` if there is no such move; `run` is needed if the database has several.
  public init(_ number: Int, run: Int64?, in store: ResultStore) throws {
    self = try store.read { db in
      try MoveStory(number, RunChoice.find(run, in: db, path: store.path), db)
    }
  }

  /// The ids of the decisions that order moves, in order: move N is the N-th.
  static func orders(of run: Int64, _ db: Database) throws -> [Int64] {
    try Int64.fetchAll(
      db,
      sql: """
        SELECT id FROM decision WHERE run_id = ? AND kind IN ('move', 'recall', 'move-refused') ORDER BY id
        """,
      arguments: [run])
  }

  private init(_ number: Int, _ run: RunChoice, _ db: Database) throws {
    self.run = run
    self.number = number
    let orders = try Self.orders(of: run.id, db)
    count = orders.count
    guard orders.indices.contains(number - 1),
      let row = try Row.fetchOne(
        db, sql: "SELECT * FROM decision WHERE id = ?", arguments: [orders[number - 1]])
    else { throw ReportError.noSuchMove(run: run.id, move: number, moves: orders.count) }
    order = try DecisionRecord(row)
    // One move of a request is under way at a time: the next end is this one's.
    if order.kind != .moveRefused {
      end = try Row.fetchOne(
        db,
        sql: """
          SELECT * FROM decision WHERE run_id = ? AND request_id = ? AND id > ?
            AND kind IN ('landed', 'move-aborted') ORDER BY id LIMIT 1
          """,
        arguments: [run.id, order.request.index, orders[number - 1]]
      ).map(DecisionRecord.init)
    }
    request = try Row.fetchOne(
      db, sql: "SELECT * FROM request WHERE run_id = ? AND request_id = ?",
      arguments: [run.id, order.request.index]
    ).map(RequestRecord.init)
    grounds = try Row.fetchOne(
      db, sql: "SELECT * FROM move_grounds WHERE decision_id = ?", arguments: [orders[number - 1]]
    ).map(MoveGrounds.init)
    source = try State.before(order.time, order.source, run: run.id, db)
    destination = try State.before(order.time, order.destination, run: run.id, db)
  }
}

extension MoveStory.State {
  fileprivate static func before(
    _ time: SimTime, _ instance: InstanceID, run: Int64, _ db: Database
  ) throws -> MoveStory.State? {
    try Row.fetchOne(
      db,
      sql: """
        SELECT * FROM instance_sample WHERE run_id = ? AND instance = ? AND time_ps <= ?
        ORDER BY time_ps DESC LIMIT 1
        """,
      arguments: [run, instance.index, time.picoseconds]
    ).map { row in
      MoveStory.State(
        time: SimTime(picoseconds: row["time_ps"]), running: row["running"], queued: row["queued"],
        usedBlocks: row["used_blocks"], hostedBlocks: row["hosted_blocks"])
    }
  }
}

extension MoveGrounds {
  init(_ row: Row) throws {
    let tried = try JSON(parsing: row["candidates"]).elements ?? []
    self.init(
      throughputBefore: row["throughput_before"], gain: row["gain"], sourceBatch: row["source_batch"],
      sourceFreeBlocks: row["source_free_blocks"], sourceQueued: row["source_queued"],
      destinationBatch: row["destination_batch"], destinationFreeBlocks: row["destination_free_blocks"],
      candidates: tried.compactMap { pair in
        guard let pair = pair.elements, pair.count == 2, let blocks = pair[0].integer,
          let gain = pair[1].number
        else { return nil }
        return Candidate(blocks: blocks, gain: gain)
      })
  }
}
