import Foundation
import Sim

/// What one row says, checked by itself.
struct Row {
  /// `nil` if the format has no times.
  var arrival: Instant?
  var prompt = 0
  var output = 0
  var details = TraceDetails()
  /// Names that the reader turns into numbers.
  var sessionName: String?
  var parent: Int64?
}

/// The checks of a row's fields, one by one and against each other.
struct RowRules {
  /// Most tokens that a prompt or an output may have: beyond any model, so a sign of a wrong column.
  static let maximumTokens = 100_000_000

  let format: TraceFormat
  /// What the arrival column counts; `nil` for calendar times and for none.
  let timeUnit: TimeUnit?
  /// Whether details are kept, or only checked.
  let keepsDetails: Bool
  private let columnNames: [String]

  init(format: TraceFormat, timeUnit: TimeUnit?, keepsDetails: Bool) {
    self.format = format
    self.timeUnit = timeUnit
    self.keepsDetails = keepsDetails
    columnNames = Role.allCases.map { role in format.columns.first { $0.role == role }?.name ?? "" }
  }

  /// The row that `fields` say.
  @inline(__always)
  func check(_ fields: borrowing Fields) throws(RowFault) -> Row {
    var row = Row()
    if format.times != .none { row.arrival = try time(fields) }
    switch format.unit {
    case .tokens:
      row.prompt = try tokens(fields, .prompt)
      row.output = try tokens(fields, .output)
    case .words, .averages: try approximate(fields, &row)
    }
    if fields.present & ~Self.basic != 0 { try checkDetails(fields, &row) }
    return row
  }

  private static let basic = Role.arrival.bit | Role.prompt.bit | Role.output.bit | Role.ignored.bit

  // MARK: Times and counts

  @inline(__always)
  private func time(_ fields: borrowing Fields) throws(RowFault) -> Instant {
    let text = fields[.arrival]
    guard fields.strings & Role.arrival.bit == 0, let instant = parseTime(text) else {
      throw badTime(text)
    }
    return instant
  }

  @inline(__always)
  private func parseTime(_ text: Bytes) -> Instant? {
    if let timeUnit { return DecimalSeconds.parse(text, in: timeUnit) }
    return Timestamp.hasZone(text) == (format.clock == .calendarWithZone) ? Timestamp.parse(text) : nil
  }

  @inline(__always)
  private func tokens(_ fields: borrowing Fields, _ role: Role) throws(RowFault) -> Int {
    let text = fields[role]
    guard fields.strings & role.bit == 0 else { throw badTokens(text, role) }
    var count = 0
    for byte in text {
      guard let digit = decimalDigit(byte), count <= Self.maximumTokens else { throw badTokens(text, role) }
      count = count * 10 + Int(digit)
    }
    guard count >= 1, count <= Self.maximumTokens else { throw badTokens(text, role) }
    return count
  }

  /// Lengths of sources that count words or averages.
  private func approximate(_ fields: borrowing Fields, _ row: inout Row) throws(RowFault) {
    func count(_ role: Role, thousandths: Int) throws(RowFault) -> Int {
      guard let number = DecimalSeconds.parse(fields[role]), number.seconds <= Int64(Self.maximumTokens)
      else { throw badTokens(fields[role], role) }
      let micro = Int(number.seconds) * 1_000_000 + Int(number.picoseconds / 1_000_000)
      let scaled = micro * thousandths / 1_000
      let tokens = thousandths == 1_000 ? (scaled + 500_000) / 1_000_000 : (scaled + 999_999) / 1_000_000
      guard micro > 0, tokens <= Self.maximumTokens else { throw badTokens(fields[role], role) }
      return max(tokens, 1)
    }
    if format.unit == .words {
      // Assumed: 1.35 tokens a word, between English prose (1.3) and code.
      row.prompt = try count(.prompt, thousandths: 1_350)
      row.output = TraceFormat.assumedOutput
    } else {
      row.prompt = try count(.prompt, thousandths: 1_000)
      row.output = try count(.output, thousandths: 1_000)
    }
  }

  // MARK: Details

  @inline(never)
  private func checkDetails(_ fields: borrowing Fields, _ row: inout Row) throws(RowFault) {
    if fields.has(.total) {
      let total = try integer(fields, .total)
      guard total == row.prompt + row.output else {
        throw fault(
          .total, quoted(fields[.total]), "\(row.prompt + row.output), the sum of the row", .contradiction)
      }
    }
    if fields.has(.id), !isBlank(fields, .id) { row.details.id = Int64(try integer(fields, .id)) }
    if fields.has(.parent) {
      row.parent = fields[.parent].elementsEqual("-1".utf8) ? -1 : Int64(try integer(fields, .parent))
    }
    if fields.has(.session), !isBlank(fields, .session) {
      if format.hasNumberedSessions {
        row.details.session = try integer(fields, .session)
      } else if keepsDetails {
        row.sessionName = String(decoding: fields[.session], as: UTF8.self)
      }
    } else if format.times == .perSession {
      throw fault(.session, "\"\"", "the name of a session", .badNumber)
    }
    if fields.has(.turn), !isBlank(fields, .turn) { row.details.turn = try integer(fields, .turn) }
    if fields.has(.think), !isBlank(fields, .think) { row.details.think = try span(fields) }
    if row.details.turn != nil || row.details.think != nil || sharesPrefix(fields) {
      try requireSession(fields)
    }
    if fields.has(.label) {
      if format.grammar == .jsonLines, fields.strings & Role.label.bit == 0 {
        throw fault(.label, quoted(fields[.label]), "a string", .badText)
      }
      if keepsDetails, !fields[.label].isEmpty { row.details.label = try label(fields) }
    }
    try checkPrefix(fields, &row)
  }

  private func sharesPrefix(_ fields: borrowing Fields) -> Bool {
    fields.has(.prefixTokens) && !fields[.prefixTokens].allSatisfy { $0 == UInt8(ascii: "0") }
  }

  /// A turn, the time to think before it and tokens shared with the turn before are of a session. Where sessions follow from parents there is always one.
  private func requireSession(_ fields: borrowing Fields) throws(RowFault) {
    let name = name(.session)
    guard !name.isEmpty, !fields.has(.session) || isBlank(fields, .session) else { return }
    let given = [Role.turn, .think, .prefixTokens].filter { fields.has($0) && !isBlank(fields, $0) }
    throw fault(
      given[0], "\(quoted(fields[given[0]])) and no \(name)",
      "the \(name) that \(given.map(self.name).joined(separator: " and ")) \(given.count > 1 ? "are" : "is") of, or "
        + "--ignore-columns \(given.map(self.name).joined(separator: ","))", .contradiction)
  }

  /// The fault of a turn that does not come after the one `before` it in its session.
  func contradiction(turn: Int, of session: Int, after before: Int) -> RowFault {
    fault(
      .turn, "turn \(turn) of session \(session) \(turn == before ? "again" : "after turn \(before)")",
      "turns that rise with time within a session", .contradiction)
  }

  /// A label with its quotes and escapes undone.
  private func label(_ fields: borrowing Fields) throws(RowFault) -> String {
    let raw = String(decoding: fields[.label], as: UTF8.self)
    var text: String? = raw.replacing("\"\"", with: "\"")
    if format.grammar == .jsonLines {
      text = raw.contains("\\") ? try? JSONDecoder().decode(String.self, from: Data("\"\(raw)\"".utf8)) : raw
    }
    guard let text, text.unicodeScalars.allSatisfy({ $0.value >= 0x20 }) else {
      throw fault(.label, quoted(fields[.label]), "text without control characters", .badText)
    }
    return text
  }

  private func checkPrefix(_ fields: borrowing Fields, _ row: inout Row) throws(RowFault) {
    if fields.has(.prefixTokens), !isBlank(fields, .prefixTokens) {
      let count = try integer(fields, .prefixTokens)
      guard count <= row.prompt else {
        throw fault(
          .prefixTokens, quoted(fields[.prefixTokens]), "at most the prompt's tokens", .contradiction)
      }
      row.details.prefixTokens = count
    }
    if fields.has(.hitBlocks), let size = format.blockTokens {
      let (hits, blocks) = (try integer(fields, .hitBlocks), try integer(fields, .hashBlocks))
      guard hits <= blocks else {
        throw fault(
          .hitBlocks, quoted(fields[.hitBlocks]), "at most the blocks of the prompt", .contradiction)
      }
      row.details.prefixTokens = min(hits * size, row.prompt)
    }
    guard fields.has(.hashes) else { return }
    var size = format.blockTokens
    if fields.has(.blockTokens) { size = try integer(fields, .blockTokens) }
    guard let size, size >= 1, size <= Self.maximumTokens else {
      throw fault(.hashes, "no block size", "block_tokens, 1 or more, beside hash_ids", .contradiction)
    }
    let expected = (row.prompt + size - 1) / size
    if keepsDetails { row.details.hashes.reserveCapacity(expected) }
    let count =
      keepsDetails || fields.hashCount < 0
      ? try hashes(fields[.hashes], keeping: &row.details.hashes) : fields.hashCount
    guard count == expected else {
      throw fault(
        .hashes, "\(count) blocks", "\(expected) for \(row.prompt) tokens in blocks of \(size)",
        .contradiction)
    }
    if keepsDetails { row.details.blockTokens = size }
  }

  /// Counts the whole numbers of a JSON array, whose syntax is known to be right.
  private func hashes(_ text: Bytes, keeping list: inout [UInt64]) throws(RowFault) -> Int {
    guard text.count >= 2, text[0] == UInt8(ascii: "[") else {
      throw fault(.hashes, quoted(text), "an array of whole numbers", .badNumber)
    }
    var count = 0
    var value: UInt64 = 0
    var digits = 0
    for index in 1..<text.count {
      let byte = text[index]
      if let digit = decimalDigit(byte) {
        digits += 1
        guard digits <= 19 else {
          throw fault(.hashes, "a number of more than 19 digits", "whole numbers", .badNumber)
        }
        value = value * 10 + UInt64(digit)
      } else if byte == UInt8(ascii: ",") || byte == UInt8(ascii: "]") {
        if digits > 0 {
          count += 1
          if keepsDetails { list.append(value) }
        }
        (value, digits) = (0, 0)
      } else if byte > 0x20 {
        throw fault(.hashes, quoted(Bytes(rebasing: text[index...])), "whole numbers", .badNumber)
      }
    }
    return count
  }

  private func isBlank(_ fields: borrowing Fields, _ role: Role) -> Bool {
    fields[role].isEmpty && fields.strings & role.bit == 0
  }

  /// A whole number of at most 18 digits.
  private func integer(_ fields: borrowing Fields, _ role: Role) throws(RowFault) -> Int {
    let text = fields[role]
    var value = 0
    guard !text.isEmpty, text.count <= 18, fields.strings & role.bit == 0 else {
      throw badInteger(text, role)
    }
    for byte in text {
      guard let digit = decimalDigit(byte) else { throw badInteger(text, role) }
      value = value * 10 + Int(digit)
    }
    return value
  }

  private func span(_ fields: borrowing Fields) throws(RowFault) -> SimDuration {
    let text = fields[.think]
    guard fields.strings & Role.think.bit == 0, let instant = DecimalSeconds.parse(text),
      let span = instant.since(Instant(seconds: 0, picoseconds: 0))
    else { throw fault(.think, quoted(text), "seconds from 0 to 100 days", .badNumber) }
    return SimDuration(picoseconds: span)
  }

  // MARK: Faults

  func name(_ role: Role) -> String { columnNames[role.rawValue] }

  func fault(_ role: Role, _ found: String, _ expected: String, _ reason: SkipReason) -> RowFault {
    RowFault(column: name(role), found: found, expected: expected, reason: reason)
  }

  @inline(never)
  private func badTime(_ text: Bytes) -> RowFault {
    let expected =
      if let timeUnit {
        (timeUnit == .s ? DecimalSeconds.expected : "\(timeUnit.name) as a decimal number of 0 or more")
          + (text.count > 18 && text.allSatisfy { decimalDigit($0) != nil }
            ? ", or --time-unit, which says what else the column counts" : "")
      } else if format.clock == .calendarWithZone {
        "a time with a zone such as 2024-05-10 00:00:00.009930+00:00"
      } else {
        "a time without a zone such as 2023-11-16 18:15:46.6805900"
      }
    return fault(.arrival, quoted(text), expected, .badTime)
  }

  @inline(never)
  private func badTokens(_ text: Bytes, _ role: Role) -> RowFault {
    let isNone = role == .output && (text.isEmpty || text.allSatisfy { $0 == UInt8(ascii: "0") })
    return fault(
      role, quoted(text),
      "a whole number of tokens from 1 to \(Self.maximumTokens)"
        + (isNone ? "; --lenient leaves out requests without output" : ""),
      isNone ? .noOutput : .badNumber)
  }

  @inline(never)
  private func badInteger(_ text: Bytes, _ role: Role) -> RowFault {
    fault(
      role, quoted(text),
      "a whole number of 0 or more with at most 18 digits"
        + (role == .session ? "; --ignore-columns takes the requests without their sessions" : ""), .badNumber
    )
  }
}
