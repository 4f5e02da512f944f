import GRDB
import Results

/// Why shards cannot be merged. Nothing was changed.
public enum MergeError: Error, Hashable, Sendable, CustomStringConvertible {
  case otherSchema(path: String, found: Int, expected: Int)
  /// A shard holds one study: what `sweep --shard` wrote.
  case notOneStudy(path: String, found: [String])
  case otherStudy(path: String, found: String, expected: String, than: String)
  /// The same study by name, but of another text or made by another version of the program.
  case changedStudy(path: String, study: String, what: String, than: String)
  /// One manifest with two results: one of the machines computes otherwise.
  case otherResult(path: String, manifest: String, found: String, expected: String, than: String)
  /// One point with two manifests: it was run on other inputs.
  case otherInputs(path: String, point: String, found: String, expected: String)

  public var description: String {
    switch self {
    case .otherSchema(let path, let found, let expected):
      "\(path): found schema version \(found), expected \(expected): shards are made and merged by one version of the "
        + "program"
    case .notOneStudy(let path, let found):
      "\(path): found \(found.isEmpty ? "no study" : "the studies " + found.joined(separator: ", ")), expected the one "
        + "that sweep --shard wrote"
    case .otherStudy(let path, let found, let expected, let other):
      "\(path): found the study \(found), expected \(expected) as in \(other)"
    case .changedStudy(let path, let study, let what, let other):
      "\(path): found the study \(study) with another \(what), expected that of \(other)"
    case .otherResult(let path, let manifest, let found, let expected, let other):
      "\(path): the run with manifest \(manifest.prefix(16)) has fingerprint \(found), expected \(expected) as in "
        + other
    case .otherInputs(let path, let point, let found, let expected):
      "\(path): the point \(point) is a run with manifest \(found.prefix(16)), expected \(expected.prefix(16)): it was "
        + "made of other inputs"
    }
  }
}

/// What a merge added.
public struct MergeCount: Hashable, Sendable {
  public var runs = 0
  public var points = 0
}

/// Shards of one study, opened to be merged.
public struct Shards {
  let stores: [ResultStore]
  /// The first shard's row of `sweep`.
  let study: Row
  /// Manifest → the run that is taken for it.
  private(set) var chosen: [String: ChosenRun] = [:]

  public var studyName: String { study["name"] }

  /// Opens shards, which must be of this program's schema and of one study.
  ///
  /// Of runs with one manifest the one with the most rows is taken.
  /// - Throws: `MergeError`, `StoreError`.
  public init(_ paths: [String]) throws {
    precondition(!paths.isEmpty, "there is something to merge")
    stores = try paths.map(Self.open)
    let studies = try stores.map(Self.study)
    study = studies[0]
    for (found, path) in zip(studies, paths) {
      guard found["name"] == studyName else {
        throw MergeError.otherStudy(path: path, found: found["name"], expected: studyName, than: paths[0])
      }
      try Self.requireSame(found, study, path: path, than: paths[0])
    }
    for (index, store) in stores.enumerated() { try choose(from: store, index) }
  }

  /// A shard of another schema is refused, not migrated.
  private static func open(_ path: String) throws -> ResultStore {
    guard let found = try ResultStore.schemaVersion(of: path) else { throw StoreError.missing(path: path) }
    let expected = ResultStore.schemaVersion
    guard found == expected else {
      throw MergeError.otherSchema(path: path, found: found, expected: expected)
    }
    return try ResultStore.openExisting(path)
  }

  private static func study(of store: ResultStore) throws -> Row {
    let rows = try store.read { try Row.fetchAll($0, sql: "SELECT * FROM sweep ORDER BY name") }
    guard rows.count == 1 else {
      throw MergeError.notOneStudy(path: store.path, found: try rows.map { try $0.value("name") })
    }
    return rows[0]
  }

  /// Throws unless two rows of `sweep` are the same study by the same program.
  static func requireSame(_ found: Row, _ expected: Row, path: String, than other: String) throws {
    for (column, what) in [("study", "text"), ("program_version", "program version")]
    where try found.value(column) as String != expected.value(column) {
      throw MergeError.changedStudy(path: path, study: try found.value("name"), what: what, than: other)
    }
  }

  private mutating func choose(from store: ResultStore, _ index: Int) throws {
    let rows = try store.read { db in
      try Row.fetchAll(
        db, sql: "SELECT id, manifest_hash, kept, fingerprint FROM run WHERE status = 'completed' ORDER BY id"
      )
    }
    for row in rows {
      let hash: String = try row.value("manifest_hash")
      guard let kept = KeptRows(rawValue: try row.value("kept")) else { throw SummaryError(key: "kept") }
      let run = try ChosenRun(
        shard: index, id: row.value("id"), kept: kept, fingerprint: row.value("fingerprint"),
        path: store.path)
      if let known = chosen[hash] {
        try known.requireResult(run.fingerprint, path: store.path, manifest: hash)
        if known.kept.includes(kept) { continue }
      }
      chosen[hash] = run
    }
  }
}

/// Which run of which shard is taken for a manifest.
struct ChosenRun {
  var shard: Int
  var id: Int64
  var kept: KeptRows
  var fingerprint: String
  var path: String

  func requireResult(_ found: String, path: String, manifest: String) throws {
    guard found == fingerprint else {
      throw MergeError.otherResult(
        path: path, manifest: manifest, found: found, expected: fingerprint, than: self.path)
    }
  }
}

extension ResultStore {
  /// Adds what the shards hold of their study, in one transaction: all or nothing.
  ///
  /// Runs are told apart by their manifests and points by their names, so that nothing is there twice however often
  /// it is merged. Row ids are given anew.
  /// - Throws: `MergeError`, `StoreError`.
  public func merge(_ shards: Shards) throws -> MergeCount {
    try write { db in
      let merge = try Merge(into: db, path: path, shards)
      for (index, shard) in shards.stores.enumerated() {
        try shard.read { try merge.addRuns($0, shard: index) }
      }
      for shard in shards.stores { try shard.read { try merge.addPoints($0, path: shard.path) } }
      return merge.count
    }
  }
}

/// A merge in progress, inside the transaction of the database that takes everything.
private final class Merge {
  private let db: Database
  private let chosen: [String: ChosenRun]
  /// The id of the study's row here.
  private let sweep: Int64
  /// Manifest → the run's id here.
  private var ids: [String: Int64] = [:]
  private(set) var count = MergeCount()

  init(into db: Database, path: String, _ shards: Shards) throws {
    (self.db, chosen) = (db, shards.chosen)
    let here = try Row.fetchOne(db, sql: "SELECT * FROM sweep WHERE name = ?", arguments: [shards.studyName])
    if let here { try Shards.requireSame(shards.study, here, path: shards.stores[0].path, than: path) }
    sweep = try here?.value("id") ?? Self.insert(shards.study, into: "sweep", of: db)
    for (hash, run) in chosen {
      for found in try String.fetchAll(
        db, sql: "SELECT fingerprint FROM run WHERE manifest_hash = ? AND status = 'completed'",
        arguments: [hash])
      {
        try run.requireResult(found, path: path, manifest: hash)
      }
      ids[hash] = try ResultStore.completedRun(db, manifestHash: hash, with: run.kept)?.value("id")
    }
  }

  // MARK: - Runs

  /// Copies those runs of a shard that were chosen and are not here.
  func addRuns(_ shard: Database, shard index: Int) throws {
    for row in try Row.fetchAll(shard, sql: "SELECT * FROM run WHERE status = 'completed' ORDER BY id") {
      let hash: String = try row.value("manifest_hash")
      guard ids[hash] == nil, let run = chosen[hash], run.shard == index,
        run.id == (try row.value("id") as Int64)
      else { continue }
      let id = try Self.insert(row, into: "run", of: db)
      for table in Schema.tablesOfRuns {
        let rows = try Row.fetchCursor(
          shard, sql: "SELECT * FROM \(table.name) WHERE run_id = ? ORDER BY \(table.key)",
          arguments: [run.id])
        while let row = try rows.next() {
          let copy = try Self.insert(row, into: table.name, of: db, replacing: ["run_id": id.databaseValue])
          guard table.name == "decision",
            let grounds = try Row.fetchOne(
              shard, sql: "SELECT * FROM move_grounds WHERE decision_id = ?",
              arguments: [try row.value("id") as Int64])
          else { continue }
          try Self.insert(
            grounds, into: "move_grounds", of: db, replacing: ["decision_id": copy.databaseValue])
        }
      }
      ids[hash] = id
      count.runs += 1
    }
  }

  /// Inserts a row of another database with an id of its own.
  @discardableResult
  private static func insert(
    _ row: Row, into table: String, of db: Database, replacing values: [String: DatabaseValue] = [:]
  ) throws -> Int64 {
    let columns = row.columnNames.filter { $0 != "id" }
    // They are names from a file.
    let names = columns.map(\.quotedDatabaseIdentifier)
    let marks = columns.map { _ in "?" }.joined(separator: ", ")
    try db.cachedStatement(
      sql: "INSERT INTO \(table) (\(names.joined(separator: ", "))) VALUES (\(marks))"
    ).execute(arguments: StatementArguments(columns.map { values[$0] ?? row[$0] as DatabaseValue }))
    return db.lastInsertedRowID
  }

  // MARK: - Points

  /// Adds a shard's points; the runs of all shards must be here.
  func addPoints(_ shard: Database, path: String) throws {
    for row in try Row.fetchAll(
      shard,
      sql: """
        SELECT sweep_point.*, run.manifest_hash FROM sweep_point LEFT JOIN run ON run.id = run_id
        ORDER BY sweep_point.id
        """)
    {
      var key = try SweepPointKey(row)
      key.sweep = sweep
      let manifest: String? = try row.value("manifest_hash")
      let here = try ResultStore.point(db, key)
      let known: String? = try here?.value("manifest_hash")
      // What could not be run here may have been run there, and the other way round.
      if here != nil, manifest == nil { continue }
      if let manifest, let known, manifest != known {
        throw MergeError.otherInputs(path: path, point: key.text, found: manifest, expected: known)
      }
      let run = try manifest.map { manifest in
        guard let id = ids[manifest] else {
          throw StoreError.damaged(path: path, reason: "a point rests on a run that is not completed")
        }
        return id
      }
      if let run, run == (try here?.value("run_id") as Int64?) { continue }
      try ResultStore.put(db, [key], run: run, error: try row.value("error"))
      count.points += 1
    }
  }
}
