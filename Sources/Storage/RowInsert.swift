import GRDB
import GRDBSQLite

/// An INSERT that is run many times: the values of its row or rows are bound in the order of the columns, then inserted.
///
/// SQLite's own functions, because GRDB makes an array of arguments for each row, which costs more than the row.
struct RowInsert {
  private let db: Database
  private let statement: Statement
  private let values: Int32
  private var bound: Int32 = 0

  init(_ db: Database, into table: String, _ columns: String...) throws {
    try self.init(db, into: table, columns, rows: 1)
  }

  fileprivate init(_ db: Database, into table: String, _ columns: [String], rows: Int) throws {
    self.db = db
    values = Int32(columns.count * rows)
    func list(_ words: [String]) -> String { "(" + words.joined(separator: ", ") + ")" }
    let row = list(Array(repeating: "?", count: columns.count))
    statement = try db.makeStatement(
      sql: "INSERT INTO \(table) \(list(columns)) VALUES "
        + Array(repeating: row, count: rows).joined(separator: ", "))
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

  /// Writes what is bound.
  /// - Throws: `DatabaseError`.
  mutating func insert() throws {
    precondition(bound == values, "\(statement.sql): \(bound) of \(values) values are bound")
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

/// Inserts many rows into a table, eight by one statement: SQLite then begins and ends, and opens the table, once for all
/// eight.
struct BulkInsert {
  private static let rows = 8
  private var one, eight: RowInsert

  init(_ db: Database, into table: String, _ columns: String...) throws {
    one = try RowInsert(db, into: table, columns, rows: 1)
    eight = try RowInsert(db, into: table, columns, rows: Self.rows)
  }

  /// Writes the rows that `bind` makes of `elements`.
  /// - Throws: `DatabaseError`.
  mutating func insert<Elements: RandomAccessCollection>(
    _ elements: Elements, bind: (inout RowInsert, Elements.Element) -> Void
  ) throws {
    var rest = elements[...]
    while rest.count >= Self.rows {
      for element in rest.prefix(Self.rows) { bind(&eight, element) }
      try eight.insert()
      rest = rest.dropFirst(Self.rows)
    }
    for element in rest {
      bind(&one, element)
      try one.insert()
    }
  }
}
