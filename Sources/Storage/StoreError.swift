import GRDB

/// Why a database could not be opened, read or written. Nothing was changed unless the case says so.
public enum StoreError: Error, Hashable, Sendable, CustomStringConvertible {
  case notWritable(path: String, reason: String)
  case notADatabase(path: String)
  /// There is no file to read.
  case missing(path: String)
  case isAFolder(path: String)
  /// A SQLite database of some other program.
  case foreignDatabase(path: String)
  case newerSchema(path: String, found: Int, supported: Int)
  /// It must be migrated to be read, and cannot be.
  case olderSchema(path: String, found: Int, expected: Int, reason: String)
  case notReadable(path: String, reason: String)
  /// Somebody has written the file while it was read, and what was read may be of both.
  case changed(path: String)
  /// The copy to be made before a migration exists already, left by a migration that failed.
  case backupExists(path: String, backup: String)
  /// Another process has held the write lock for longer than we wait.
  case busy(path: String)
  case damaged(path: String, reason: String)
  case other(path: String, reason: String)

  public var description: String {
    switch self {
    case .notWritable(let path, let reason):
      "\(path): the database cannot be written: \(reason)"
    case .notADatabase(let path):
      "\(path): this file is not a SQLite database of runs; give another path"
    case .missing(let path):
      "\(path): there is no such database; `run`, `compare` and `sweep` make one with --db"
    case .isAFolder(let path):
      "\(path): is a folder; give the path of a file"
    case .foreignDatabase(let path):
      "\(path): this SQLite database belongs to another program; give another path"
    case .newerSchema(let path, let found, let supported):
      "\(path): the database has schema version \(found), this program knows versions up to \(supported); "
        + "use the newer program or another path"
    case .olderSchema(let path, let found, let expected, let reason):
      "\(path): found schema version \(found), expected \(expected), and it cannot be migrated here: \(reason); copy it to a "
        + "folder that can be written, with its -wal if there is one, and give that path"
    case .notReadable(let path, let reason):
      "\(path): the database cannot be read: \(reason)"
    case .changed(let path):
      "\(path): the database was written while it was read; try again"
    case .backupExists(let path, let backup):
      "\(path): its schema must be migrated, but the copy to be made first exists already: \(backup); "
        + "move it away and try again"
    case .busy(let path):
      "\(path): the database is being written by another run"
    case .damaged(let path, let reason):
      "\(path): the database is damaged: \(reason)"
    case .other(let path, let reason):
      "\(path): \(reason)"
    }
  }

  init(_ error: DatabaseError, path: String) {
    let reason = error.message ?? "SQLite error \(error.resultCode.rawValue)"
    switch error.resultCode {
    case .SQLITE_NOTADB: self = .notADatabase(path: path)
    case .SQLITE_READONLY, .SQLITE_CANTOPEN, .SQLITE_PERM, .SQLITE_FULL, .SQLITE_IOERR:
      self = .notWritable(path: path, reason: reason)
    case .SQLITE_BUSY, .SQLITE_LOCKED: self = .busy(path: path)
    case .SQLITE_CORRUPT: self = .damaged(path: path, reason: reason)
    default: self = .other(path: path, reason: reason)
    }
  }
}
