import Foundation
import GRDB
import Output
import Results
import Sim

/// The SQLite database of runs.
///
///     let store = try ResultStore.open("runs.db")
///     let recorded = try store.record(manifest, startedAt: now()) { recorder in
///       (try simulate(observer: recorder), finishedAt: now())
///     }
///
/// A run is one transaction: it is there whole or not at all. A run that throws leaves a row with its error.
public final class ResultStore: StoredStudies, Sendable {
  /// The schema that this program writes.
  public static let schemaVersion = Schema.steps.count

  public let path: String
  package let queue: DatabaseQueue
  /// Who else writes is noticed by this, where no locks are held; `nil` where they are.
  private let stamp: FileStamp?

  private init(path: String, queue: DatabaseQueue, stamp: FileStamp? = nil) {
    self.path = path
    self.queue = queue
    self.stamp = stamp
  }

  /// Opens the database at `path`, creates it if there is none, and brings its schema up to date.
  ///
  /// Before an older schema is migrated the file is copied to `PATH.backup-vN`, N being the old version.
  /// A newer schema and a foreign database are refused, and it is made sure that the file can be written.
  ///
  /// A run holds the write lock while it is simulated. With `waits`, others wait for it as long as it takes, and `waits` is called
  /// when that is long; without, they give up.
  public static func open(_ path: String, waits: (@Sendable () -> Void)? = nil) throws(StoreError)
    -> ResultStore
  {
    try open(path, steps: Schema.steps, waits: waits)
  }

  package static func open(
    _ path: String, steps: [SchemaStep], patience: Double = patienceSeconds,
    waits: (@Sendable () -> Void)? = nil
  ) throws(StoreError) -> ResultStore {
    try translating(path) {
      let isNew = !FileManager.default.fileExists(atPath: path)
      if isNew { Leftovers.whenStopped { Self.removeIfEmpty(path) } }
      let version = isNew ? 0 : try Self.version(of: path, supported: steps.count)
      var configuration = Configuration()
      configuration.journalMode = .wal
      configuration.busyMode =
        waits.map { waits in
          .callback { tries in
            if tries == Int(patience / Self.retrySeconds) { waits() }
            Thread.sleep(forTimeInterval: Self.retrySeconds)
            return true
          }
        } ?? .timeout(patience)
      // 32 MiB: samples go to an index with a page for every instance, and pages that do not fit are written and read again.
      configuration.prepareDatabase { try $0.execute(sql: "PRAGMA cache_size = -32768") }
      let queue = try connect(path, configuration, patience: patience)
      if version < steps.count {
        if version > 0 { try backUp(queue, path: path, version: version) }
        try migrate(queue, steps: steps)
      }
      // Takes the write lock and gives it back: the file, its journal and its folder can be written.
      try queue.inTransaction(.immediate) { _ in .rollback }
      // Another process that made it and was stopped has removed it meanwhile.
      guard FileManager.default.fileExists(atPath: path) else {
        try? queue.close()
        return try open(path, steps: steps, patience: patience, waits: waits)
      }
      return ResultStore(path: path, queue: queue)
    }
  }

  /// How long to wait for others, seconds: another run may be committing.
  package static let patienceSeconds = 30.0
  /// How often to ask for the lock.
  private static let retrySeconds = 0.05

  /// Connects for writing. While several processes make one file SQLite refuses to turn to WAL without waiting for the others,
  /// so that is tried again for as long as the rest would wait.
  private static func connect(
    _ path: String, _ configuration: Configuration, patience: Double
  ) throws -> DatabaseQueue {
    let start = ContinuousClock.now
    while true {
      do { return try DatabaseQueue(path: path, configuration: configuration) } catch let error
        as DatabaseError
        where error.resultCode == .SQLITE_BUSY && ContinuousClock.now - start < .seconds(patience)
      {
        Thread.sleep(forTimeInterval: 0.1)
      }
    }
  }

  /// Opens an existing database to read it; nothing is created beside it, and neither it nor its folder need be writable. An
  /// older schema is migrated as by `open`.
  /// - Throws: also `StoreError.missing`.
  public static func openExisting(_ path: String) throws(StoreError) -> ResultStore {
    guard FileManager.default.fileExists(atPath: path) else { throw .missing(path: path) }
    return try translating(path) {
      let store = try openToRead(path)
      let expected = Schema.steps.count
      let found = try store.read { try version(in: $0, of: path, supported: expected) }
      if found == expected { return store }
      try store.close()
      // An empty file is a database to SQLite, and nobody has kept a run in it.
      guard found > 0 else { throw StoreError.notADatabase(path: path) }
      do { return try open(path) } catch StoreError.notWritable(_, let reason) {
        throw StoreError.olderSchema(path: path, found: found, expected: expected, reason: reason)
      }
    }
  }

  /// The schema version of the database at `path`, `nil` if there is no file; 0 is an empty one.
  static func schemaVersion(of path: String) throws(StoreError) -> Int? {
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    return try translating(path) {
      try openToRead(path).read { try version(in: $0, of: path, supported: .max) }
    }
  }

  /// Connects for reading. Nothing is made beside the file: SQLite itself would make a -wal and a -shm for a database in WAL mode
  /// that lacks them, and fail where it may not.
  private static func openToRead(_ path: String) throws -> ResultStore {
    try requireDatabase(path)
    let (queue, stamp) = try Reading(path).connect(patience: patienceSeconds)
    return ResultStore(path: path, queue: queue, stamp: stamp)
  }

  /// The schema version of the database at `path`, which others may be making.
  private static func version(of path: String, supported: Int) throws -> Int {
    try requireDatabase(path)
    var configuration = Configuration()
    configuration.readonly = true
    configuration.busyMode = .timeout(patienceSeconds)
    return try DatabaseQueue(path: path, configuration: configuration).read {
      try version(in: $0, of: path, supported: supported)
    }
  }

  private static func version(in db: Database, of path: String, supported: Int) throws -> Int {
    let version = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
    let application = try Int32.fetchOne(db, sql: "PRAGMA application_id") ?? 0
    let isEmpty = try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_schema") == 0
    guard application == Schema.applicationID || (isEmpty && application == 0 && version == 0) else {
      throw StoreError.foreignDatabase(path: path)
    }
    guard version <= supported else {
      throw StoreError.newerSchema(path: path, found: version, supported: supported)
    }
    return version
  }

  /// The first bytes of every SQLite file that is not empty (sqlite.org/fileformat2.html, 1.3.1).
  private static let header = Data("SQLite format 3\0".utf8)

  /// Throws unless the file is empty or begins as a database: SQLite takes a file shorter than a page for empty.
  private static func requireDatabase(_ path: String) throws {
    let file = URL(fileURLWithPath: path).resolvingSymlinksInPath()
    let type = try FileManager.default.attributesOfItem(atPath: file.path)[.type] as? FileAttributeType
    if type == .typeDirectory { throw StoreError.isAFolder(path: path) }
    guard type == .typeRegular else { throw StoreError.notADatabase(path: path) }
    guard access(file.path, R_OK) == 0 else {
      throw StoreError.notReadable(path: path, reason: String(cString: strerror(errno)))
    }
    let handle = try FileHandle(forReadingFrom: file)
    defer { try? handle.close() }
    let start = try handle.read(upToCount: header.count) ?? Data()
    guard start.isEmpty || start == header else { throw StoreError.notADatabase(path: path) }
  }

  /// Folds the journal into the file, which then can be moved or copied alone. Nothing can be read or written after it.
  public func close() throws(StoreError) { try Self.translating(path) { try queue.close() } }

  private static func backUp(_ queue: DatabaseQueue, path: String, version: Int) throws {
    let backup = "\(path).backup-v\(version)"
    guard !FileManager.default.fileExists(atPath: backup) else {
      throw StoreError.backupExists(path: path, backup: backup)
    }
    // Half a copy must not stand in the way of the next try.
    let partial = "\(backup).partial-\(getpid())"
    Leftovers.add(partial)
    defer { Leftovers.remove(partial) }
    try queue.writeWithoutTransaction { db in
      try db.execute(sql: "VACUUM INTO ?", arguments: [partial])
    }
    try FileManager.default.moveItem(atPath: partial, toPath: backup)
  }

  private static func migrate(_ queue: DatabaseQueue, steps: [SchemaStep]) throws {
    try queue.inTransaction(.immediate) { db in
      // Another process may have migrated since the version was read.
      let current = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
      for step in steps.dropFirst(current) { try step.migrate(db) }
      try db.execute(sql: "PRAGMA application_id = \(Schema.applicationID)")
      try db.execute(sql: "PRAGMA user_version = \(max(current, steps.count))")
      return .commit
    }
  }

  // MARK: - Writing

  /// Rows of a batch, and how many batches may wait to be written before the run waits: a quarter of a million requests of some
  /// 320 bytes each.
  private static let (batchSize, batchesWaiting) = (4_096, 64)
  /// Batches whose memory the writing thread has touched before the run needs it, and that are used again.
  private static let spareBatches = 4

  /// Runs `body` and keeps what it returns and what its observer saw, in one transaction.
  ///
  /// The transaction is begun before `body` and written on a thread of its own, while `body` runs on the caller's; `body`
  /// must not use the store. If a row cannot be written, the error is thrown when `body` is done. If `body` throws,
  /// nothing of the run is kept but a row with status `failed` and the error's text, and the error is thrown on. Times
  /// are given by the caller: this target does not read the clock.
  ///
  /// If the manifest's run is there already with all its rows, as when another process has made it while this one waited for
  /// the lock, `body` is not called, unless the run is to be made `again`.
  /// - Returns: the id of the run's row, and whether it was made now.
  public func record(
    _ manifest: Manifest, startedAt: String, again: Bool = false,
    _ body: (RunRecorder) throws -> (result: RunResult, finishedAt: String)
  ) throws -> (id: Int64, isNew: Bool) {
    try record(
      manifest, startedAt: startedAt, again: again, batchSize: Self.batchSize,
      batchesWaiting: Self.batchesWaiting, body)
  }

  package func record(
    _ manifest: Manifest, startedAt: String, again: Bool = false, batchSize: Int, batchesWaiting: Int,
    _ body: (RunRecorder) throws -> (result: RunResult, finishedAt: String)
  ) throws -> (id: Int64, isNew: Bool) {
    do {
      return try Self.translatingDatabaseErrors(path) {
        let messages = BoundedChannel<RunMessage>(capacity: batchesWaiting)
        let spares = BoundedChannel<RunBatch>(capacity: Self.spareBatches)
        // That the transaction has begun, and how it ended; only the latter if it could not begin, or the run is there.
        let replies = BoundedChannel<Result<(id: Int64, isNew: Bool), any Error>>(capacity: 2)
        // Not retained: the caller waits for the last reply, and a thread that let go of the store later would close the
        // database while others open it.
        Thread.detachNewThread { [unowned(unsafe) self] in
          replies.send(
            Result {
              try write(manifest, startedAt: startedAt, again: again, from: messages, spares: spares) {
                replies.send(.success(($0, true)))
                for _ in 0..<Self.spareBatches { spares.offer(RunBatch(roomFor: batchSize)) }
              }
            })
        }
        let first = try replies.receive().get()
        guard first.isNew else { return first }
        let recorder = RunRecorder(messages, spares: spares, batchSize: batchSize)
        do {
          let (result, finishedAt) = try body(recorder)
          recorder.complete(result, finishedAt: finishedAt)
        } catch {
          recorder.abandon()
          _ = replies.receive()
          throw error
        }
        return try replies.receive().get()
      }
    } catch {
      // The run's own error matters more than a second one while its row is written.
      try? inTransaction { db in
        let id = try RunRow.insert(db, manifest, startedAt: startedAt)
        try RunRow.fail(db, id: id, error: String(describing: error))
        return .commit
      }
      throw error
    }
  }

  /// Writes a run as it is told of it, in one transaction, until it is told of its end.
  private func write(
    _ manifest: Manifest, startedAt: String, again: Bool, from messages: BoundedChannel<RunMessage>,
    spares: BoundedChannel<RunBatch>, begun: (Int64) -> Void
  ) throws -> (id: Int64, isNew: Bool) {
    var id: Int64 = 0
    var isNew = true
    try inTrustedTransaction { db in
      if !again, let known = try Self.completedRun(db, manifestHash: manifest.hash, with: .all) {
        (id, isNew) = (try known.value("id"), false)
        return .rollback
      }
      id = try RunRow.insert(db, manifest, startedAt: startedAt)
      var writer = try RunWriter(db, run: id)
      begun(id)
      var failure: (any Error)?
      while true {
        switch messages.receive() {
        case .batch(var batch):
          // After a row that could not be written the rest is received and let go, so that nobody waits for room.
          guard failure == nil else { continue }
          do { try writer.write(batch) } catch { failure = error }
          batch.removeAll()
          spares.offer(batch)
        case .completed(let result, let work, let finishedAt):
          if let failure { throw failure }
          try writer.write(work)
          try RunRow.complete(db, id: id, result, finishedAt: finishedAt)
          return .commit
        case .abandoned:
          return .rollback
        }
      }
    }
    return (id, isNew)
  }

  /// A transaction whose rows refer to rows that it inserts itself: SQLite does not look for these again.
  private func inTrustedTransaction(_ body: (Database) throws -> Database.TransactionCompletion) throws {
    try queue.writeWithoutTransaction { db in
      // Says nothing within a transaction, so around it.
      try db.execute(sql: "PRAGMA foreign_keys = OFF")
      defer { try? db.execute(sql: "PRAGMA foreign_keys = ON") }
      try Self.inTransaction(db, body)
    }
  }

  /// A transaction whose commit a signal waits for: after it nothing is committed any more.
  func inTransaction(_ body: (Database) throws -> Database.TransactionCompletion) throws {
    try queue.writeWithoutTransaction { try Self.inTransaction($0, body) }
  }

  private static func inTransaction(
    _ db: Database, _ body: (Database) throws -> Database.TransactionCompletion
  ) throws {
    try db.beginTransaction(.immediate)
    do {
      switch try body(db) {
      case .commit: try Leftovers.whole { try db.commit() }
      case .rollback: try db.rollback()
      }
    } catch {
      // SQLite may have done so itself.
      if db.isInsideTransaction { try? db.rollback() }
      throw error
    }
  }

  // MARK: - Reading

  /// The newest completed run of a manifest that has at least the wanted rows, if there is one.
  public func completedRun(manifestHash: String, with rows: KeptRows = .all) throws -> StoredRun? {
    try read { db in try Self.completedRun(db, manifestHash: manifestHash, with: rows).map(StoredRun.init) }
  }

  static func completedRun(_ db: Database, manifestHash: String, with rows: KeptRows) throws -> Row? {
    try Row.fetchOne(
      db,
      sql: """
        SELECT * FROM run WHERE manifest_hash = ? AND status = 'completed' AND kept IN (\(rows.superset))
        ORDER BY id DESC LIMIT 1
        """,
      arguments: [manifestHash])
  }

  /// All runs in the order in which they were stored.
  public func runs() throws -> [StoredRun] {
    try read { db in try Row.fetchAll(db, sql: "SELECT * FROM run ORDER BY id").map(StoredRun.init) }
  }

  /// The requests of a run in order of arrival.
  public func requests(run: Int64) throws -> [RequestRecord] {
    try read { db in
      try Row.fetchAll(
        db, sql: "SELECT * FROM request WHERE run_id = ? ORDER BY request_id", arguments: [run]
      ).map(RequestRecord.init)
    }
  }

  /// The ids of a run's rejected requests, ascending.
  public func rejectedRequests(run: Int64) throws -> [Int] {
    try read { db in
      try Int.fetchAll(
        db,
        sql: """
          SELECT request_id FROM request WHERE run_id = ? AND rejected_because IS NOT NULL ORDER BY request_id
          """,
        arguments: [run])
    }
  }

  /// The longest prompt and the longest context of a run's admitted requests, 0 if there are none.
  public func longestRequests(run: Int64) throws -> LongestRequests {
    try read { db in
      let row = try Row.fetchOne(
        db,
        sql: """
          SELECT max(prompt_tokens) AS prompt, max(prompt_tokens + output_tokens) AS context FROM request
          WHERE run_id = ? AND admitted_ps IS NOT NULL
          """,
        arguments: [run])
      return LongestRequests(
        prompt: try row?.value("prompt") as Int? ?? 0, context: try row?.value("context") as Int? ?? 0)
    }
  }

  /// The samples of a run by instance and time.
  public func samples(run: Int64) throws -> [InstanceSample] {
    try read { db in
      try Row.fetchAll(
        db, sql: "SELECT * FROM instance_sample WHERE run_id = ? ORDER BY instance, time_ps, id",
        arguments: [run]
      ).map(InstanceSample.init)
    }
  }

  /// The decisions of a run in the order in which they were taken.
  public func decisions(run: Int64) throws -> [DecisionRecord] {
    try read { db in
      try Row.fetchAll(db, sql: "SELECT * FROM decision WHERE run_id = ? ORDER BY id", arguments: [run])
        .map(DecisionRecord.init)
    }
  }

  /// SQLite's own check of the file: "ok", or what is wrong with it.
  public func integrity() throws -> String {
    try read { db in
      try String.fetchAll(db, sql: "PRAGMA integrity_check").joined(separator: "; ")
    }
  }

  /// Reads in one transaction.
  package func read<Value>(_ body: (Database) throws -> Value) throws -> Value {
    try Self.translatingDatabaseErrors(path) {
      let value = Result { try queue.read(body) }
      // Half of it may be old and half new, and what is torn may look damaged.
      if let stamp, stamp != FileStamp(path) { throw StoreError.changed(path: path) }
      return try value.get()
    }
  }

  /// Turns the errors of SQLite, and of rows that are not of our schema, into ours; leaves others as they are.
  static func translatingDatabaseErrors<Value>(_ path: String, _ body: () throws -> Value) throws
    -> Value
  {
    do { return try body() } catch let error as DatabaseError {
      throw StoreError(error, path: path)
    } catch let error as RowDecodingError {
      throw StoreError.damaged(path: path, reason: String(describing: error))
    }
  }

  private static func translating<Value>(_ path: String, _ body: () throws -> Value) throws(StoreError)
    -> Value
  {
    do { return try body() } catch let error as StoreError {
      throw error
    } catch let error as DatabaseError {
      throw StoreError(error, path: path)
    } catch {
      throw .other(path: path, reason: String(describing: error))
    }
  }
}
