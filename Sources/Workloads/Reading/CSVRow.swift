/// How the lines of a CSV file with a known header are cut into fields.
struct CSVRow {
  /// All column names, in the file's order.
  let columns: [String]
  /// The role of each column.
  private let roles: [Role]
  private let given: UInt32

  /// Throws if `unread` refuses a column that is not read.
  init(columns: [String], format: TraceFormat, ignoring asked: Set<String>, unread: UnreadColumns)
    throws(RowFault)
  {
    self.columns = columns
    var roles: [Role] = []
    for name in columns {
      let column = asked.contains(name) ? nil : format.columns.first { $0.name == name }
      let role = column?.role ?? .ignored
      if role == .ignored { _ = try unread.meet(name) }
      roles.append(role)
    }
    self.roles = roles
    given = roles.reduce(0) { $0 | $1.bit }
  }

  /// Cuts `line` into `fields`, once it is known to have one field per column.
  @inline(__always)
  func cut(_ line: Bytes, into fields: inout Fields) throws(RowFault) {
    var cutter = CSVFields(line)
    var index = 0
    let count = roles.count
    do throws(CSVFields.Fault) {
      try roles.withUnsafeBufferPointer { roles throws(CSVFields.Fault) in
        while let field = try cutter.next() {
          if index < count { fields[roles[index]] = field }
          index += 1
        }
      }
    } catch {
      throw fault(index, found: error.found, expected: error.expected, .badText)
    }
    guard index == count else { throw wrongCount(index, line) }
    if cutter.hasNonASCII, String(validating: line, as: UTF8.self) == nil {
      throw fault(nil, found: "bytes that are not UTF-8", expected: "UTF-8 text", .badText)
    }
    fields.present = given
  }

  @inline(never)
  private func fault(_ index: Int?, found: String, expected: String, _ reason: SkipReason) -> RowFault {
    let column = index.flatMap { $0 < columns.count ? columns[$0] : nil }
    return RowFault(column: column, found: found, expected: expected, reason: reason)
  }

  @inline(never)
  private func wrongCount(_ count: Int, _ line: Bytes) -> RowFault {
    let found = line.isEmpty ? "an empty line" : count == 1 ? "1 field" : "\(count) fields"
    let blamed = count < columns.count ? (line.isEmpty ? 0 : count) : nil
    return fault(blamed, found: found, expected: "\(columns.count) fields, as in the header", .fieldCount)
  }
}

extension CSVFields.Fault {
  /// What was met, for a message.
  var found: String {
    switch self {
    case .nulByte: "a NUL byte"
    case .strayQuote: "a quote inside a field"
    case .unclosedQuote: "an opening quote only"
    }
  }

  /// What should have been there, for a message.
  var expected: String {
    switch self {
    case .nulByte: "UTF-8 text"
    case .strayQuote: "quotes around a whole field or none"
    case .unclosedQuote: "a closing quote on the same line"
    }
  }
}
