import Sim

/// What the beginning of a file shows: its format and how its lines are cut.
struct Opening {
  var format: TraceFormat
  var csv: CSVRow?
  var json: JSONRow?
  /// What is not read of it.
  var unread: UnreadColumns
  /// A UTF-8 byte order mark comes first.
  var hasMark = false
  /// The requests of a client pool, which is no file of rows, and its digest.
  var pool: SortedRows?
  var poolDigest: SHA256?

  /// Reads as far as needed: a line, or two where two formats share a header.
  static func look(path: String, settings: RowSettings, digesting: Bool) throws(TraceError) -> Opening {
    let named = settings.format.flatMap { TraceFormat.named($0) }
    let isPool = named == nil ? try ClientPool.isPool(path) : named!.grammar == .clientPool
    if isPool {
      try requireTimes(.serveGenPool, path: path, settings)
      let pool = try ClientPool(path: path, digesting: digesting).draw(
        seed: settings.arrivalSeed, span: settings.poolSpan, limit: settings.poolLimit)
      return Opening(
        format: .serveGenPool,
        unread: UnreadColumns(format: .serveGenPool, ignoring: settings.ignoredColumns), pool: pool,
        poolDigest: digesting ? try ClientPool.digest(path) : nil)
    }
    var lines = try LineReader(path: path, digesting: false)
    let opening: Opening
    do throws(RowFault) { opening = try look(&lines, named: named, ignoring: settings.ignoredColumns) } catch
    {
      throw error.rethrown ?? TraceError(error, path: path, line: 1)
    }
    let format = opening.format
    try requireTimes(format, path: path, settings)
    if let approximation = format.approximation, !settings.isLenient {
      throw .malformed(
        path: path, line: 1, column: format.columns.first { $0.role == .prompt }?.name,
        found: format.unit == .words ? "words, no tokens" : "averages of tasks, no requests",
        expected: "tokens of requests; --lenient takes \(approximation)")
    }
    return opening
  }

  /// Throws if the user names a unit of times that are no numbers.
  private static func requireTimes(_ format: TraceFormat, path: String, _ settings: RowSettings)
    throws(TraceError)
  {
    guard settings.timeUnit != nil, format.timeUnit == nil else { return }
    throw .invalidOption(
      name: "time-unit", found: "\(path) of format \(format.name), whose times are: \(format.timeText)",
      expected: "a format whose times are numbers")
  }

  private static func look(
    _ lines: inout LineReader, named: TraceFormat?, ignoring asked: Set<String>
  ) throws(RowFault) -> Opening {
    let head: [UInt8]
    do { head = try lines.head() } catch { throw RowFault(rethrowing: error) }
    if head.starts(with: [0xFF, 0xFE]) || head.starts(with: [0xFE, 0xFF]) {
      throw fault("a UTF-16 byte order mark", "UTF-8 text")
    }
    guard !head.isEmpty else { throw fault("an empty file", "a header and rows") }
    let hasMark = head.starts(with: [0xEF, 0xBB, 0xBF])
    if hasMark { lines.dropMark() }
    let first = head.dropFirst(hasMark ? 3 : 0).first { $0 > 0x20 }
    if first == UInt8(ascii: "[") {
      if let named, named.grammar != .conversations {
        throw FormatDetection.mismatch(named, found: "a JSON array")
      }
      return Opening(
        format: .shareGPT, unread: UnreadColumns(format: .shareGPT, ignoring: asked), hasMark: hasMark)
    }
    if first == UInt8(ascii: "{") { lines.maximumLength = LineReader.maximumObjectLength }
    guard let line = try next(&lines) else { throw fault("an empty file", "a header and rows") }
    if first == UInt8(ascii: "{") {
      let keys = JSONRow.keys(of: line) ?? []
      let format = try FormatDetection.jsonLines(keys.filter { !asked.contains($0) }, named: named)
      let unread = UnreadColumns(format: format, ignoring: asked)
      let json = JSONRow(format: format, ignoring: asked, unread: unread)
      return Opening(format: format, json: json, unread: unread, hasMark: hasMark)
    }
    let header = try names(line)
    var format = try FormatDetection.csv(header.filter { !asked.contains($0) }, named: named)
    if named == nil, format.name == TraceFormat.azure2023.name,
      let row = try next(&lines), hasZone(row, header.firstIndex(of: "TIMESTAMP") ?? 0)
    {
      format = .azure2024
    }
    let unread = UnreadColumns(format: format, ignoring: asked)
    let csv = try CSVRow(columns: header, format: format, ignoring: asked, unread: unread)
    return Opening(format: format, csv: csv, unread: unread, hasMark: hasMark)
  }

  private static func next(_ lines: inout LineReader) throws(RowFault) -> Bytes? {
    do { return try lines.next() } catch { throw RowFault(rethrowing: error) }
  }

  private static func fault(_ found: String, _ expected: String) -> RowFault {
    RowFault(column: nil, found: found, expected: expected, reason: .badText)
  }

  /// The names in a header line.
  private static func names(_ line: Bytes) throws(RowFault) -> [String] {
    guard String(validating: line, as: UTF8.self) != nil else {
      throw fault("bytes that are not UTF-8", "UTF-8 text")
    }
    var cutter = CSVFields(line)
    var names: [String] = []
    do throws(CSVFields.Fault) {
      while let field = try cutter.next() { names.append(String(decoding: field, as: UTF8.self)) }
    } catch {
      throw fault(error.found, error.expected)
    }
    return names
  }

  /// Whether field number `index` of a row is a time with a zone.
  private static func hasZone(_ row: Bytes, _ index: Int) -> Bool {
    var cutter = CSVFields(row)
    for place in 0... {
      guard let field = try? cutter.next() else { return false }
      if place == index { return Timestamp.hasZone(field) }
    }
    return false
  }
}

/// Where the rows come from: lines, or the objects of one array, or neither.
struct RowInput: ~Copyable {
  var lines: LineReader?
  var objects: ObjectReader?

  private init(lines: consuming LineReader?, objects: consuming ObjectReader?) {
    self.lines = lines
    self.objects = objects
  }

  /// Opens `path` at its first row.
  init(path: String, opening: Opening, digesting: Bool) throws(TraceError) {
    if opening.format.grammar == .conversations {
      self.init(
        lines: nil, objects: try ObjectReader(path: path, unread: opening.unread, digesting: digesting))
    } else if opening.pool != nil {
      self.init(lines: nil, objects: nil)
    } else {
      var reader = try LineReader(path: path, digesting: digesting)
      if opening.json != nil { reader.maximumLength = LineReader.maximumObjectLength }
      if opening.hasMark {
        _ = try reader.head()
        reader.dropMark()
      }
      if opening.csv != nil { _ = try reader.next() }
      self.init(lines: reader, objects: nil)
    }
  }

  /// Digest of the bytes read so far.
  var digest: SHA256? {
    switch lines {
    case .some(let reader): return reader.digest
    case .none: break
    }
    switch objects {
    case .some(let reader): return reader.digest
    case .none: return nil
    }
  }

  /// Line last read.
  var lineNumber: Int {
    switch lines {
    case .some(let reader): return reader.lineNumber
    case .none: break
    }
    switch objects {
    case .some(let reader): return reader.lineNumber
    case .none: return 0
    }
  }
}
