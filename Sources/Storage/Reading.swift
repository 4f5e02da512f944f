import Foundation
import GRDB
import GRDBSQLite

/// What a file is by its name, its size and the time of the last change.
struct FileStamp: Equatable {
  private let parts: [Int64]

  init(_ path: String) {
    var found = stat()
    guard stat(path, &found) == 0 else {
      parts = []
      return
    }
    #if os(Linux)
      let time = found.st_mtim
    #else
      let time = found.st_mtimespec
    #endif
    parts = [
      Int64(found.st_dev), Int64(truncatingIfNeeded: found.st_ino), Int64(found.st_size), Int64(time.tv_sec),
      Int64(time.tv_nsec),
    ]
  }
}

/// How a database is read without making anything beside it (sqlite.org/wal.html, 5; sqlite.org/uri.html).
struct Reading {
  private enum Way {
    /// With SQLite's locks: a log and its index are there, or a journal of the old kind.
    case locked
    /// There is no log, so all is in the file.
    case alone
    /// There is a log without its index, which nobody writes: the index is made in memory.
    case log
  }
  private let path: String
  private let way: Way

  /// `isHeld`: the caller has the file locked and nobody else writes it.
  init(_ path: String, isHeld: Bool = false) {
    self.path = Self.resolved(path)
    let file = self.path
    func has(_ suffix: String) -> Bool { FileManager.default.fileExists(atPath: file + suffix) }
    // Not every system's SQLite knows the names below.
    guard sqlite3_compileoption_used("USE_URI") != 0 else {
      way = .locked
      return
    }
    way = has("-wal") ? (has("-shm") && !isHeld ? .locked : .log) : has("-journal") ? .locked : .alone
  }

  /// SQLite follows symbolic links before it names what is beside.
  static func resolved(_ path: String) -> String { URL(fileURLWithPath: path).resolvingSymlinksInPath().path }

  /// Keeps all other processes from the database until this one ends, unless one has it open.
  static func hold(_ path: String) -> Bool {
    // Not closed: that would give the lock back.
    let file = open(path, O_RDWR | O_CLOEXEC)
    guard file >= 0 else { return false }
    // Where SQLite keeps its shared locks (sqlite.org/src, os.h): every connection to a database in WAL mode has one.
    var lock = flock()
    (lock.l_type, lock.l_whence) = (Int16(F_WRLCK), Int16(SEEK_SET))
    (lock.l_start, lock.l_len) = (0x4000_0002, 510)
    return fcntl(file, F_SETLK, &lock) == 0
  }

  /// - Returns: also what must stay the same while it is read, where SQLite takes no locks.
  func connect(patience: Double) throws -> (queue: DatabaseQueue, stamp: FileStamp?) {
    var configuration = Configuration()
    configuration.readonly = true
    configuration.busyMode = .timeout(patience)
    let stamp = way == .locked ? nil : FileStamp(path)
    if way == .log {
      configuration.prepareDatabase { try $0.execute(sql: "PRAGMA locking_mode = EXCLUSIVE") }
    }
    return (try DatabaseQueue(path: name, configuration: configuration), stamp)
  }

  /// What SQLite is given.
  private var name: String {
    let option: String
    switch way {
    case .locked: return path
    case .alone: option = "immutable=1"
    case .log: option = "vfs=unix-none"
    }
    let plain = path.addingPercentEncoding(
      withAllowedCharacters: .alphanumerics.union(.init(charactersIn: "/._-")))!
    return "file:\(plain)?mode=ro&\(option)"
  }
}

extension ResultStore {
  /// The complete runs in the database at `path`, whatever its schema; `nil` if it is not there or cannot be read. For the end of
  /// the process, beside a store that is open.
  public static func completeRuns(in path: String) -> Int? {
    guard FileManager.default.fileExists(atPath: path),
      let queue = try? Reading(path).connect(patience: 0.5).queue
    else { return nil }
    return try? queue.read {
      try Int.fetchOne($0, sql: "SELECT count(*) FROM run WHERE status = 'completed'")
    }
  }

  /// Removes a database that this process has made and is going to leave without a run or a failed point, unless another process
  /// has it open. For the end of the process.
  static func removeIfEmpty(_ path: String) {
    guard Reading.hold(path),
      let queue = try? Reading(path, isHeld: true).connect(patience: 0).queue
    else { return }
    let isEmpty = try? queue.read { db in
      for table in ["run", "sweep_point"] where try db.tableExists(table) {
        if try Int.fetchOne(db, sql: "SELECT EXISTS (SELECT 1 FROM \(table))") != 0 { return false }
      }
      return true
    }
    // Closing it would give the lock back.
    _ = Unmanaged.passRetained(queue)
    guard isEmpty == true else { return }
    let resolved = Reading.resolved(path)
    for suffix in ["", "-wal", "-shm"] { unlink(resolved + suffix) }
  }
}
