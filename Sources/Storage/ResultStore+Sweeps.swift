import GRDB
import Results
import Sim

extension ResultStore {
  // MARK: - Writing

  /// The row of the sweep of that name, made or brought up to date.
  public func openSweep(
    name: String, question: String, study: String, programVersion: String, startedAt: String
  )
    throws -> Int64
  {
    try write { db in
      try db.execute(
        sql: """
          INSERT INTO sweep (name, question, study, program_version, started_at) VALUES (?, ?, ?, ?, ?)
          ON CONFLICT (name) DO UPDATE SET question = excluded.question, study = excluded.study,
            program_version = excluded.program_version, started_at = excluded.started_at
          """, arguments: [name, question, study, programVersion, startedAt])
      return try Int64.fetchOne(db, sql: "SELECT id FROM sweep WHERE name = ?", arguments: [name])!
    }
  }

  /// Stores a finished run and links the points to it, in one transaction. If another process has stored the same
  /// run meanwhile, the points are linked to that one, unless it is to be stored `again`.
  /// - Returns: the id of the run's row.
  public func keep(_ run: FinishedRun, for points: [SweepPointKey], again: Bool = false) throws -> Int64 {
    try write { db in
      if !again, let known = try Self.completedRun(db, manifestHash: run.manifest.hash, with: run.kept) {
        let id: Int64 = try known.value("id")
        try Self.put(db, points, run: id, error: nil)
        return id
      }
      let id = try RunRow.insert(db, run.manifest, startedAt: run.startedAt)
      var writer = try RunWriter(db, run: id)
      try writer.write(run.requests)
      for sample in run.samples { try writer.write(sample) }
      for decision in run.decisions { try writer.write(decision) }
      try writer.write(run.work)
      try RunRow.complete(
        db, id: id, run.result, finishedAt: run.finishedAt, kept: run.kept, requests: run.digest)
      try Self.put(db, points, run: id, error: nil)
      return id
    }
  }

  /// Links points to a run that is there already.
  public func link(_ points: [SweepPointKey], to run: Int64) throws {
    try write { db in try Self.put(db, points, run: run, error: nil) }
  }

  /// Marks points as failed.
  public func fail(_ points: [SweepPointKey], error: String) throws {
    try write { db in try Self.put(db, points, run: nil, error: error) }
  }

  /// Removes all points of a sweep but those given: what the study no longer asks for.
  public func prune(sweep: Int64, keeping points: Set<SweepPointKey>) throws {
    try write { db in
      for row in try Row.fetchAll(db, sql: "SELECT * FROM sweep_point WHERE sweep_id = ?", arguments: [sweep])
      where !points.contains(try SweepPointKey(row)) {
        try db.execute(
          sql: "DELETE FROM sweep_point WHERE id = ?", arguments: [try row.value("id") as Int64])
      }
    }
  }

  static func put(_ db: Database, _ points: [SweepPointKey], run: Int64?, error: String?) throws {
    for point in points {
      try db.execute(
        sql: """
          INSERT INTO sweep_point (sweep_id, grid, label, axes, seed, heat, run_id, error)
          VALUES (?, ?, ?, ?, ?, ?, ?, ?)
          ON CONFLICT (sweep_id, grid, label, axes, seed, heat)
          DO UPDATE SET run_id = excluded.run_id, error = excluded.error
          """,
        arguments: [point.sweep, point.grid, point.label, point.axes, point.seed, point.heat, run, error])
    }
  }

  /// A point's row with the manifest of its run, if it is there.
  static func point(_ db: Database, _ key: SweepPointKey) throws -> Row? {
    try Row.fetchOne(
      db,
      sql: """
        SELECT sweep_point.*, run.manifest_hash FROM sweep_point LEFT JOIN run ON run.id = run_id
        WHERE (sweep_id, grid, label, axes, sweep_point.seed, heat) = (?, ?, ?, ?, ?, ?)
        """, arguments: [key.sweep, key.grid, key.label, key.axes, key.seed, key.heat])
  }

  func write<Value>(_ body: (Database) throws -> Value) throws -> Value {
    try Self.translatingDatabaseErrors(path) {
      var value: Value?
      try inTransaction { db in
        value = try body(db)
        return .commit
      }
      return value!
    }
  }

  // MARK: - Reading

  /// All sweeps by name.
  public func sweeps() throws -> [StoredSweep] {
    try read { db in
      try Row.fetchAll(db, sql: "SELECT * FROM sweep ORDER BY name").map { row in
        try StoredSweep(
          id: row.value("id"), name: row.value("name"), question: row.value("question"),
          study: row.value("study"), programVersion: row.value("program_version"),
          startedAt: row.value("started_at"))
      }
    }
  }

  /// The points of a sweep by grid, axes, label, seed and heat.
  public func points(sweep: Int64) throws -> [StoredPoint] {
    try read { db in
      // A run's columns are read once however many points share it.
      var runs: [Int64: StoredRun] = [:]
      return try Row.fetchAll(
        db,
        sql: """
          SELECT * FROM sweep_point WHERE sweep_id = ? ORDER BY grid, axes, label, seed, heat DESC
          """, arguments: [sweep]
      ).map { row in
        let id: Int64? = try row.value("run_id")
        if let id, runs[id] == nil {
          runs[id] = try Row.fetchOne(db, sql: "SELECT * FROM run WHERE id = ?", arguments: [id])
            .map(StoredRun.init)
        }
        return try StoredPoint(
          key: SweepPointKey(row), run: id.flatMap { runs[$0] }, error: row.value("error"))
      }
    }
  }
}

extension SweepPointKey {
  /// For errors.
  var text: String { "\(grid) \(axes), \(label), seed \(seed), \(heat)" }

  init(_ row: Row) throws {
    try self.init(
      sweep: row.value("sweep_id"), grid: row.value("grid"), label: row.value("label"),
      axes: row.value("axes"), seed: row.value("seed"), heat: row.value("heat"))
  }
}
