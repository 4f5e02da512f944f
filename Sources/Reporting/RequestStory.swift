import GRDB
import Results
import Sim
import Storage

/// What became of one request, and why: read from the database of its run.
public struct RequestStory {
  /// A decision about the request, with the number of the move if it is an order of a planner.
  public struct Event {
    public var decision: DecisionRecord
    public var move: Int?
  }

  /// What its home was like while it waited, as far as samples were taken then.
  public struct Wait {
    public var samples: Int
    public var running: ClosedRange<Int>
    public var queued: ClosedRange<Int>
    public var usedBlocks: ClosedRange<Int>
  }

  /// What the router saw when the request arrived.
  public struct Routing {
    public var home: Int
    public var load: Int
    public var leastLoad: Int
    public var mostLoad: Int
    public var queuedAhead: Int
    public var freeBlocks: Int
    public var mostFreeBlocks: Int
  }

  let run: RunChoice
  public var request: RequestRecord
  /// Picoseconds by cause; `nil` for a run stored by a program that kept none.
  public var time: TimeByCause?
  public var routing: Routing?
  public var wait: Wait?
  public var events: [Event]

  /// - Throws: `ReportError` if there is no such request; `run` is needed if the database has several.
  public init(_ id: Int, run: Int64?, in store: ResultStore) throws {
    self = try store.read { db in
      try RequestStory(id, RunChoice.find(run, in: db, path: store.path), db)
    }
  }

  private init(_ id: Int, _ run: RunChoice, _ db: Database) throws {
    self.run = run
    guard
      let row = try Row.fetchOne(
        db, sql: "SELECT * FROM request WHERE run_id = ? AND request_id = ?", arguments: [run.id, id])
    else {
      let span = try Row.fetchOne(
        db, sql: "SELECT min(request_id), max(request_id) FROM request WHERE run_id = ?", arguments: [run.id])
      let (least, most) = (span?[0] as Int?, span?[1] as Int?)
      throw ReportError.noSuchRequest(
        run: run.id, request: id,
        known: least.map { "its requests are \($0) to \(most ?? $0)" } ?? "it has none")
    }
    request = try RequestRecord(row)
    let account = try Row.fetchOne(
      db, sql: "SELECT * FROM request_account WHERE run_id = ? AND request_id = ?", arguments: [run.id, id])
    time = account.map(TimeByCause.init)
    routing = account.flatMap(Routing.init)
    wait = try Wait(db, run: run.id, of: request)
    let orders = try MoveStory.orders(of: run.id, db)
    events = try Row.fetchAll(
      db, sql: "SELECT * FROM decision WHERE run_id = ? AND request_id = ? ORDER BY id",
      arguments: [run.id, id]
    ).map { row in
      Event(
        decision: try DecisionRecord(row), move: orders.firstIndex(of: row["id"]).map { $0 + 1 })
    }
  }
}

extension TimeByCause {
  /// The column of a cause in `request_account`.
  static func column(_ cause: Cause) -> String {
    switch cause {
    case .queued: "queued_ps"
    case .prefill: "prefill_ps"
    case .decode: "decode_ps"
    case .decodeBesidePrompts: "decode_beside_prompts_ps"
    case .stalledByPrompts: "stalled_by_prompts_ps"
    case .requeued: "requeued_ps"
    case .recompute: "recompute_ps"
    case .lostStep: "lost_step_ps"
    }
  }

  init(_ row: Row) {
    self.init()
    for cause in Cause.allCases { self[cause] = SimDuration(picoseconds: row[Self.column(cause)]) }
  }
}

extension TimeByCause.Cause {
  /// What a reader calls it.
  public var words: String {
    switch self {
    case .queued: "waiting in the queue"
    case .prefill: "its prompt being prefilled"
    case .decode: "decoding"
    case .decodeBesidePrompts: "decoding in steps that prefill others' prompts"
    case .stalledByPrompts: "waiting for others' prefill"
    case .requeued: "preempted, waiting in the queue again"
    case .recompute: "recomputing what the preemption threw away"
    case .lostStep: "in a step that a preemption made void"
    }
  }
}

extension RequestStory.Routing {
  init?(_ row: Row) {
    guard let home = row["routed_to"] as Int? else { return nil }
    self.home = home
    load = row["load"]
    leastLoad = row["least_load"]
    mostLoad = row["most_load"]
    queuedAhead = row["queued_ahead"]
    freeBlocks = row["free_blocks"]
    mostFreeBlocks = row["most_free_blocks"]
  }
}

extension RequestStory.Wait {
  /// `nil` if no sample fell into the wait for the first admission.
  fileprivate init?(_ db: Database, run: Int64, of request: RequestRecord) throws {
    let until = request.admitted ?? request.ended
    let row = try Row.fetchOne(
      db,
      sql: """
        SELECT count(*), min(running), max(running), min(queued), max(queued), min(used_blocks), max(used_blocks)
        FROM instance_sample WHERE run_id = ? AND instance = ? AND time_ps >= ? AND time_ps <= ?
        """,
      arguments: [run, request.home.index, request.arrival.picoseconds, until.picoseconds])
    guard let row, row[0] > 0 else { return nil }
    samples = row[0]
    running = row[1]...row[2]
    queued = row[3]...row[4]
    usedBlocks = row[5]...row[6]
  }
}
