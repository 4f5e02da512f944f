import Sim

/// The requests of a trace file in order, each row checked: times rebased to the first, order, token counts.
struct RowReader: ~Copyable {
  /// Most tokens that a prompt or an output may have: beyond any model, so a sign of a wrong column.
  static let maximumTokens = 100_000_000

  let header: TraceHeader
  private var lines: LineReader
  private var origin: Instant?
  private var previous: Int64 = 0

  /// Opens the file and reads its header.
  init(path: String, digesting: Bool) throws(TraceError) {
    var lines = try LineReader(path: path, digesting: digesting)
    guard let line = try lines.next() else {
      throw .malformed(
        path: path, line: 1, column: nil, found: "an empty file", expected: "a header and rows")
    }
    header = try TraceHeader(Self.columnNames(line, path: path), path: path)
    self.lines = lines
  }

  /// Digest of the bytes read so far.
  var digest: SHA256? { lines.digest }

  /// The next request, its arrival relative to the first; `nil` after the last. Throws `malformed` or
  /// `unreadable`, also for a file without any row.
  mutating func next() throws(TraceError) -> TraceRequest? {
    guard let line = try lines.next() else {
      if origin == nil { throw noRows() }
      return nil
    }
    let fields = try split(line)
    let arrival = try arrival(fields.arrival)
    return TraceRequest(
      arrival: SimTime(picoseconds: arrival),
      prompt: try tokens(fields.prompt, column: header.prompt),
      output: try tokens(fields.output, column: header.output))
  }

  // MARK: Fields

  private typealias Bytes = UnsafeBufferPointer<UInt8>

  /// The three fields that are read, once the line is known to have one field per column.
  @inline(__always)
  private func split(_ line: Bytes) throws(TraceError) -> (arrival: Bytes, prompt: Bytes, output: Bytes) {
    var fields = CSVFields(line)
    var wanted = (arrival: line, prompt: line, output: line)
    var index = 0
    do {
      while let field = try fields.next() {
        if index == header.arrival { wanted.arrival = field }
        if index == header.prompt { wanted.prompt = field }
        if index == header.output { wanted.output = field }
        index += 1
      }
    } catch {
      throw cutFault(error, field: index)
    }
    guard index == header.columns.count else { throw wrongCount(index, line) }
    if fields.hasNonASCII, String(validating: line, as: UTF8.self) == nil {
      throw fault(nil, found: "bytes that are not UTF-8", expected: "UTF-8 text")
    }
    return wanted
  }

  /// Picoseconds since the first arrival; keeps the order and the span in check.
  @inline(__always)
  private mutating func arrival(_ field: Bytes) throws(TraceError) -> Int64 {
    let parsed = header.format.clock == .seconds ? DecimalSeconds.parse(field) : Timestamp.parse(field)
    guard let instant = parsed else {
      let expected = header.format.clock == .seconds ? DecimalSeconds.expected : Timestamp.expected
      throw fault(header.arrival, found: quoted(field), expected: expected)
    }
    if origin == nil { origin = instant }
    guard let arrival = instant.since(origin!), arrival >= previous else { throw misplaced(instant, field) }
    previous = arrival
    return arrival
  }

  @inline(__always)
  private func tokens(_ field: Bytes, column: Int) throws(TraceError) -> Int {
    var count = 0
    for byte in field {
      guard let digit = decimalDigit(byte), count <= Self.maximumTokens else {
        throw badTokens(field, column)
      }
      count = count * 10 + Int(digit)
    }
    guard count >= 1, count <= Self.maximumTokens else { throw badTokens(field, column) }
    return count
  }

  // MARK: Header

  /// Cuts the header line, after a UTF-8 byte order mark if there is one.
  private static func columnNames(_ line: Bytes, path: String) throws(TraceError) -> [String] {
    func fault(found: String, expected: String) -> TraceError {
      .malformed(path: path, line: 1, column: nil, found: found, expected: expected)
    }
    if line.starts(with: [0xFF, 0xFE]) || line.starts(with: [0xFE, 0xFF]) {
      throw fault(found: "a UTF-16 byte order mark", expected: "UTF-8 text")
    }
    let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
    let text = line.starts(with: mark) ? Bytes(rebasing: line[mark.count...]) : line
    guard String(validating: text, as: UTF8.self) != nil else {
      throw fault(found: "bytes that are not UTF-8", expected: "UTF-8 text")
    }
    var fields = CSVFields(text)
    var names: [String] = []
    do {
      while let field = try fields.next() { names.append(String(decoding: field, as: UTF8.self)) }
    } catch {
      throw fault(found: error.found, expected: error.expected)
    }
    return names
  }

  // MARK: Faults

  /// A fault on the current line; `column` is an index into the header.
  private func fault(_ column: Int?, found: String, expected: String) -> TraceError {
    let name = column.flatMap { $0 < header.columns.count ? header.columns[$0] : nil }
    return .malformed(
      path: lines.path, line: lines.lineNumber, column: name, found: found, expected: expected)
  }

  @inline(never)
  private func cutFault(_ error: CSVFields.Fault, field: Int) -> TraceError {
    fault(field, found: error.found, expected: error.expected)
  }

  @inline(never)
  private func wrongCount(_ count: Int, _ line: Bytes) -> TraceError {
    let fields = line.isEmpty ? "an empty line" : count == 1 ? "1 field" : "\(count) fields"
    let isShort = count < header.columns.count
    let expected = "\(header.columns.count) fields, as in the header"
    return fault(isShort ? (line.isEmpty ? 0 : count) : nil, found: fields, expected: expected)
  }

  @inline(never)
  private func misplaced(_ instant: Instant, _ field: Bytes) -> TraceError {
    let isEarlier = instant.since(origin!).map { $0 < previous } ?? (instant.seconds < origin!.seconds)
    return fault(
      header.arrival, found: quoted(field),
      expected: isEarlier ? "a time not before the row above" : "a time within 100 days of the first")
  }

  @inline(never)
  private func badTokens(_ field: Bytes, _ column: Int) -> TraceError {
    fault(column, found: quoted(field), expected: "a whole number of tokens from 1 to \(Self.maximumTokens)")
  }

  private func noRows() -> TraceError {
    .malformed(
      path: lines.path, line: lines.lineNumber + 1, column: nil, found: "the end of the file",
      expected: "at least one row")
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
