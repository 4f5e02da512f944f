import GRDB
import GRDBSQLite

/// An INSERT for many rows: the values of one are bound in the order of the columns, then it is inserted.
///
/// SQLite's own functions, because GRDB makes an array of arguments for each row, which costs more than the row.
struct RowInsert {
  private let db: Database
  private let statement: Statement
  private let columns: Int32
  private var bound: Int32 = 0

  init(_ db: Database, into table: String, _ columns: String...) throws {
    self.db = db
    self.columns = Int32(columns.count)
    let places = Array(repeating: "?", count: columns.count).joined(separator: ", ")
    statement = try db.makeStatement(
      sql: "INSERT INTO \(table) (\(columns.joined(separator: ", "))) VALUES (\(places))")
  }

  mutating func bind(_ value: Int64) {
    bound += 1
    check(sqlite3_bind_int64(statement.sqliteStatement, bound, value))
  }

  mutating func bind(_ value: Int) { bind(Int64(value)) }

  mutating func bind(_ value: Int64?) {
    if let value { bind(value) } else { bindNull() }
  }

  mutating func bind(_ value: Int?) { bind(value.map(Int64.init)) }

  mutating func bind(_ value: Double) {
    bound += 1
    check(sqlite3_bind_double(statement.sqliteStatement, bound, value))
  }

  mutating func bind(_ text: String) {
    bound += 1
    // SQLITE_TRANSIENT, a cast of −1 in C: SQLite takes a copy.
    let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
    check(sqlite3_bind_text(statement.sqliteStatement, bound, text, Int32(text.utf8.count), transient))
  }

  mutating func bindNull() {
    bound += 1
    check(sqlite3_bind_null(statement.sqliteStatement, bound))
  }

  /// Writes the row that is bound.
  /// - Throws: `DatabaseError`.
  mutating func insert() throws {
    precondition(bound == columns, "\(statement.sql): \(bound) of \(columns) values are bound")
    bound = 0
    let code = sqlite3_step(statement.sqliteStatement)
    // The error is that of the step: reset repeats it.
    guard code == SQLITE_DONE else {
      let error = DatabaseError(
        resultCode: ResultCode(rawValue: code), message: db.lastErrorMessage, sql: statement.sql
      )
      sqlite3_reset(statement.sqliteStatement)
      throw error
    }
    sqlite3_reset(statement.sqliteStatement)
  }

  private func check(_ code: Int32) {
    precondition(code == SQLITE_OK, "\(statement.sql): value \(bound) cannot be bound: SQLite error \(code)")
  }
}
