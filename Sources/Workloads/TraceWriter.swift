import Output
import Sim

/// Writes traces: in the plain format `arrival_s,input_tokens,output_tokens`, LF, exact decimal seconds without
/// trailing zeros, or in any other that can be written. One text per trace, so equal requests give equal bytes;
/// reading it back gives them again (times relative to the first arrival, as in every trace).
public enum TraceWriter {
  /// Writes all that is left of `source` to `path`, in one step: a reader sees what was there before or the whole new
  /// trace. Throws `OutputError`, or what the source throws; then nothing is changed.
  public static func write(_ source: some RequestSource, to path: String) throws {
    var source = source
    try write(to: path, format: .plain, given: []) { try source.next().map { TraceRecord($0) } }
  }

  /// Writes records, which `next` gives until `nil`, in `format` to `path`; `given` are the details that the
  /// file shall have room for. Throws as `write(_:to:)`.
  static func write(
    to path: String, format: TraceFormat, given: Set<TraceDetail>,
    next: () throws -> TraceRecord?
  ) throws {
    var layout = RowLayout(format: format, given: given)
    let output = try OutputWriter(OutputFile(path))
    var text = layout.header
    while let record = try next() {
      layout.number(record)
      layout.append(record, to: &text)
      output.write(text)
      text.removeAll(keepingCapacity: true)
    }
    output.write(text)
    try OutputWriter.publish([output])
  }
}

/// A detail of requests by the name under which `--drop` gives it up.
public enum TraceDetail: String, CaseIterable, Sendable {
  case id, session, turn, think, `class`, hashes, prefix
  /// Arrivals finer than the format writes, or none at all.
  case times

  /// The details that `record` has.
  static func of(_ details: TraceDetails) -> Set<TraceDetail> {
    var set: Set<TraceDetail> = []
    if details.id != nil { set.insert(.id) }
    if details.session != nil { set.insert(.session) }
    if details.turn != nil { set.insert(.turn) }
    if details.think != nil { set.insert(.think) }
    if details.label != nil { set.insert(.class) }
    if details.blockTokens != nil { set.insert(.hashes) }
    if details.prefixTokens != nil { set.insert(.prefix) }
    return set
  }

  var role: Role {
    switch self {
    case .id: .id
    case .session: .session
    case .turn: .turn
    case .think: .think
    case .class: .label
    case .hashes: .hashes
    case .prefix: .prefixTokens
    case .times: .arrival
    }
  }
}

extension TraceFormat {
  /// Whether requests can be written in this format: not in those that count words, hold texts or clients.
  public var isWritable: Bool { (grammar == .csv || grammar == .jsonLines) && unit == .tokens }

  /// Whether requests with `record`'s details lose some of them when written, and which.
  func losses(of record: TraceRecord) -> Set<TraceDetail> {
    var lost = TraceDetail.of(record.details).filter { detail in
      !columns.contains { $0.role == detail.role }
    }
    if lost.contains(.prefix), let size = blockTokens, columns.contains(where: { $0.role == .hitBlocks }),
      let prefix = record.details.prefixTokens,
      prefix % size == 0 || prefix == record.request.prompt
    {
      lost.remove(.prefix)
    }
    if let size = blockTokens, let given = record.details.blockTokens, size != given { lost.insert(.hashes) }
    // What follows from the chats and their parents.
    if lost.contains(.session), columns.contains(where: { $0.role == .parent }), record.details.id != nil {
      lost.remove(.session)
    }
    let arrival = record.request.arrival.picoseconds
    if times == .none && arrival > 0 || clock == .milliseconds && arrival % 1_000_000_000 != 0 {
      lost.insert(.times)
    }
    return lost
  }
}

/// How the rows of a format are written.
struct RowLayout {
  private let format: TraceFormat
  private let columns: [TraceFormat.Column]
  private var rows = 0
  /// Block identities made up for requests that have none: each is new.
  private var madeUp: UInt64 = 1 << 62
  private var lastOfSession: [Int: Int64] = [:]
  private var parent: Int64 = -1
  /// Where turns must rise within a session: the last of each. A chat that branches has some that do not.
  private var lastTurn: [Int: Int] = [:]
  private var hasTurn = true

  /// Optional columns are written for the details in `given`.
  init(format: TraceFormat, given: Set<TraceDetail>) {
    self.format = format
    let roles = Set(given.map(\.role) + (given.contains(.hashes) ? [.blockTokens] : []))
    columns = format.columns.filter { $0.isRequired || roles.contains($0.role) }
  }

  var header: [UInt8] {
    format.grammar == .csv ? Array((columns.map(\.name).joined(separator: ",") + "\n").utf8) : []
  }

  /// Counts `record` in, before it is appended.
  mutating func number(_ record: TraceRecord) {
    rows += 1
    if format.hasNumberedSessions, let turn = record.details.turn {
      let session = record.details.session
      hasTurn = session.map { turn > lastTurn[$0] ?? -1 } ?? false
      if hasTurn, let session { lastTurn[session] = turn }
    }
    guard format.columns.contains(where: { $0.role == .parent }) else { return }
    let id = record.details.id ?? Int64(rows)
    parent = -1
    if let session = record.details.session {
      parent = lastOfSession[session] ?? -1
      lastOfSession[session] = id
    }
  }

  func append(_ record: TraceRecord, to text: inout [UInt8]) {
    let isCSV = format.grammar == .csv
    if !isCSV { text.append(UInt8(ascii: "{")) }
    for (index, column) in columns.enumerated() {
      if index > 0 { text += isCSV ? ",".utf8 : ", ".utf8 }
      if !isCSV { text += "\"\(column.name)\": ".utf8 }
      if column.role == .hashes {
        appendHashes(record, to: &text)
      } else {
        let value = value(of: column, in: record)
        text += (isCSV ? Self.csv(value.text) : value.isString ? Self.json(value.text) : value.text).utf8
      }
    }
    text += isCSV ? "\n".utf8 : "}\n".utf8
  }

  private func value(
    of column: TraceFormat.Column, in record: TraceRecord
  ) -> (text: String, isString: Bool) {
    let (request, details) = (record.request, record.details)
    let isCSV = format.grammar == .csv
    let absent = isCSV ? "" : "null"
    switch column.role {
    case .arrival: return (time(request.arrival.picoseconds), false)
    case .prompt: return ("\(request.prompt)", false)
    case .output: return ("\(request.output)", false)
    case .total: return ("\(request.prompt + request.output)", false)
    case .id: return (details.id.map { "\($0)" } ?? (column.isRequired ? "\(rows)" : absent), false)
    case .parent: return ("\(parent)", false)
    case .session:
      let fallback = column.isRequired ? "\(rows)" : absent
      return (details.session.map { "\($0)" } ?? fallback, false)
    case .agent: return ("main", true)
    case .turn:
      return (hasTurn ? details.turn.map { "\($0)" } ?? (column.isRequired ? "1" : absent) : absent, false)
    case .think:
      let isKept = details.session != nil || !format.hasNumberedSessions
      return (isKept ? details.think.map { Self.seconds($0.picoseconds) } ?? absent : absent, false)
    case .label:
      if let label = details.label { return (label, true) }
      return column.isRequired ? ("unknown", true) : (absent, false)
    case .hashBlocks:
      let size = format.blockTokens ?? 1
      return ("\((request.prompt + size - 1) / size)", false)
    case .hitBlocks:
      let size = format.blockTokens ?? 1
      let prefix = details.prefixTokens ?? 0
      return ("\(prefix == request.prompt ? (prefix + size - 1) / size : prefix / size)", false)
    case .blockTokens: return (details.blockTokens.map { "\($0)" } ?? absent, false)
    case .prefixTokens: return (details.prefixTokens.map { "\($0)" } ?? absent, false)
    case .hashes: return ("", false)
    case .ignored: return (column.filler, true)
    }
  }

  private func appendHashes(_ record: TraceRecord, to text: inout [UInt8]) {
    let details = record.details
    if details.blockTokens == nil, format.blockTokens == nil {
      text += "null".utf8
      return
    }
    var list = details.hashes
    if let size = format.blockTokens, details.blockTokens != size {
      // None, or those of other blocks: all new, so that nothing is shared.
      let count = (record.request.prompt + size - 1) / size
      list = (0..<count).map { madeUp + UInt64(rows) << 24 + UInt64($0) }
    }
    text.append(UInt8(ascii: "["))
    for (index, hash) in list.enumerated() {
      if index > 0 { text += ", ".utf8 }
      text += "\(hash)".utf8
    }
    text.append(UInt8(ascii: "]"))
  }

  private func time(_ picoseconds: Int64) -> String {
    switch format.clock {
    case .seconds: return Self.seconds(picoseconds)
    case .milliseconds: return "\(picoseconds / 1_000_000_000)"
    case .calendar, .calendarWithZone:
      let (seconds, rest) = picoseconds.quotientAndRemainder(dividingBy: Instant.picosecondsPerSecond)
      let (days, second) = seconds.quotientAndRemainder(dividingBy: 86_400)
      func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
      // From 2024-01-01 on: 100 days end in April.
      var (month, day): (Int64, Int64) = (1, days + 1)
      for length in [31, 29, 31, 30] as [Int64] where day > length {
        month += 1
        day -= length
      }
      let digits = String(rest)
      let fraction = String(repeating: "0", count: 12 - digits.count) + digits
      // Seven digits as in the original, unless more are needed to be exact.
      let isShort = rest % 100_000 == 0
      return "2024-\(two(month))-\(two(day)) \(two(second / 3_600)):\(two(second / 60 % 60)):"
        + "\(two(second % 60)).\(isShort ? String(fraction.prefix(7)) : fraction)"
        + (format.clock == .calendarWithZone ? "+00:00" : "")
    }
  }

  /// Exact decimal seconds without trailing zeros.
  static func seconds(_ picoseconds: Int64) -> String {
    let time = picoseconds.quotientAndRemainder(dividingBy: Instant.picosecondsPerSecond)
    guard time.remainder > 0 else { return "\(time.quotient)" }
    let digits = String(time.remainder)
    var fraction = String(repeating: "0", count: 12 - digits.count) + digits
    while fraction.last == "0" { fraction.removeLast() }
    return "\(time.quotient).\(fraction)"
  }

  private static func csv(_ text: String) -> String {
    guard text.utf8.contains(where: { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "\"") }) else {
      return text
    }
    return "\"" + text.replacing("\"", with: "\"\"") + "\""
  }

  private static func json(_ text: String) -> String {
    var out = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case _ where scalar.value < 0x20:
        let hex = String(scalar.value, radix: 16)
        out += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out + "\""
  }
}
