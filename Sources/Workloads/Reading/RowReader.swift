import Foundation
import Sim

/// How the rows of a trace are read.
struct RowSettings: Hashable, Sendable {
  var format: TraceFormat.Name?
  var isLenient = false
  /// Where rows or sessions without times of their own arrive; all at once if `nil`.
  var arrivals: ArrivalProcess?
  var arrivalSeed: UInt64 = 0
  /// The unit of the arrival column, if not the format's own.
  var timeUnit: TimeUnit?
  /// Times are not judged.
  var acceptsTimes = false
  /// Columns or keys that are left unread.
  var ignoredColumns: Set<String> = []
  /// Windows of a client pool.
  var poolSpan: ClosedRange<Int>?
  var poolLimit = RowReader.maximumSorted
  /// Rows may be in any order of time: all are read into memory and sorted.
  var sorts = false
  var keepsDetails = false
  /// Whether this is the pass that validates: checks what later passes need not check again.
  var isFirstPass = false
}

/// The requests of a trace file in order, each row checked: times rebased to the first, order, token counts.
struct RowReader: ~Copyable {
  /// Most tokens that a prompt or an output may have.
  static let maximumTokens = RowRules.maximumTokens
  /// Most requests of a source that must be sorted in memory: session files and client pools.
  static let maximumSorted = 20_000_000

  let format: TraceFormat
  /// Rows taken, skipped ones not counted.
  private(set) var rows = 0
  /// Rows left out by `isLenient`, by reason.
  private(set) var skipped: [SkipReason: Int] = [:]
  /// The first fault of those rows.
  private(set) var firstSkipped: TraceError?
  /// What the row last returned says beyond its request, if details are kept.
  private(set) var details = TraceDetails()

  private let settings: RowSettings
  private var input: RowInput
  private let csv: CSVRow?
  private let json: JSONRow?
  private let rules: RowRules
  private var fields: Fields
  private var origin: Instant?
  private var previous: Int64 = 0
  private var sessions = SessionNumbers()
  private var ids: Set<Int64> = []
  private var turnOrder = TurnOrder()
  private var clock: ArrivalSampler
  /// Requests of a source that is sorted first.
  private var sorted: SortedRows?
  private var position = 0
  private let path: String

  /// Opens the file and finds its format.
  init(path: String, settings: RowSettings, digesting: Bool) throws(TraceError) {
    let opening = try Opening.look(path: path, settings: settings, digesting: digesting)
    input = try RowInput(path: path, opening: opening, digesting: digesting)
    fields = Fields()
    self.path = path
    self.settings = settings
    clock = ArrivalSampler(settings.arrivals ?? .together, seed: settings.arrivalSeed, stream: "arrivals")
    format = opening.format
    (csv, json) = (opening.csv, opening.json)
    sorted = opening.pool
    poolDigest = opening.poolDigest
    unread = opening.unread
    // Nothing of self here: the optimiser of Swift 6.3 would destroy `rules` before it is set.
    let unit = settings.timeUnit ?? opening.format.timeUnit
    rules = RowRules(format: opening.format, timeUnit: unit, keepsDetails: settings.keepsDetails)
  }

  /// To be called when the whole file has been read: throws if a column that was to be ignored is not there.
  /// A sentence to show for times that are hardly right; throws those that are not taken.
  func ended() throws(TraceError) -> String? {
    try unread.requireIgnored()
    return try timeCheck?.judge()
  }

  private var timeCheck: TimeCheck? {
    guard let unit = rules.timeUnit, let first = origin else { return nil }
    return TimeCheck(
      path: path, column: rules.name(.arrival), unit: unit, isDeclared: settings.timeUnit != nil,
      isAccepted: settings.acceptsTimes, rates: usualRates, rows: rows, first: first,
      span: sorted?.requests.last?.arrival.picoseconds ?? previous)
  }

  private let poolDigest: SHA256?
  private let unread: UnreadColumns

  /// Columns or keys that are not read and are not asked to be ignored, as far as the file has been read.
  var unreadColumns: [String] { unread.names }

  /// The unit of the arrival column; `nil` for calendar times and for none.
  var timeUnit: TimeUnit? { rules.timeUnit }

  /// Digest of the bytes read so far.
  var digest: SHA256? { poolDigest ?? input.digest }

  /// The next request, its arrival relative to the first; `nil` after the last. Throws `malformed` or
  /// `unreadable`, also for a file without any row.
  mutating func next() throws(TraceError) -> TraceRequest? {
    if input.lines != nil, sorted == nil, format.times != .perSession, !settings.sorts {
      return try nextLine()
    }
    return try nextOther()
  }

  /// Sessions that begin together may come fast; those that begin when a process says so have no rate of their own.
  private var usualRates: ClosedRange<Double>? {
    if format.times == .shared { return TimeCheck.usualRates }
    return settings.arrivals == nil ? TimeCheck.usualRates.lowerBound...Double.infinity : nil
  }

  // MARK: Rows in order

  @inline(__always)
  private mutating func nextLine() throws(TraceError) -> TraceRequest? {
    while true {
      let line: Bytes?
      do { line = try input.lines!.next() } catch {
        guard settings.isLenient, error.isTooLongLine else { throw error }
        skip(error, .lineTooLong)
        try input.lines!.skipLine()
        continue
      }
      guard let line else {
        if rows == 0 { throw noRows() }
        return nil
      }
      do throws(RowFault) { return try accept(try row(line)) } catch {
        try handle(error)
      }
    }
  }

  @inline(__always)
  private mutating func row(_ line: Bytes) throws(RowFault) -> Row {
    if let csv { try csv.cut(line, into: &fields) } else { try json!.cut(line, into: &fields) }
    return try rules.check(fields)
  }

  /// A row that is right by itself, among the others.
  @inline(__always)
  private mutating func accept(_ row: Row) throws(RowFault) -> TraceRequest {
    let arrival: Int64
    if let instant = row.arrival {
      if origin == nil { origin = instant }
      guard let since = instant.since(origin!), since >= previous else { throw misplaced(instant) }
      arrival = since
    } else {
      arrival = rows == 0 ? 0 : clock.next()
    }
    // Rows that are sorted are looked at when they are in order.
    if settings.isFirstPass, !settings.sorts, let turn = row.details.turn { try requireOrder(turn, row) }
    if settings.isFirstPass, let id = row.details.id, !ids.insert(id).inserted {
      throw rules.fault(.id, "\(id) again", "an id that no row above has", .duplicateID)
    }
    previous = arrival
    rows += 1
    if settings.keepsDetails {
      details = row.details
      if let name = row.sessionName { details.session = sessions.number(of: name) }
      if let parent = row.parent, let id = row.details.id {
        details.session = sessions.number(ofChat: id, parent: parent)
      }
    }
    return TraceRequest(arrival: SimTime(picoseconds: arrival), prompt: row.prompt, output: row.output)
  }

  /// Where sessions are numbers: those that follow from parents may branch.
  @inline(never)
  private mutating func requireOrder(_ turn: Int, _ row: Row) throws(RowFault) {
    guard format.hasNumberedSessions, let session = row.details.session,
      let before = turnOrder.contradicted(by: turn, of: session)
    else { return }
    throw rules.contradiction(turn: turn, of: session, after: before)
  }

  /// Whether the last row gives `role`.
  func gives(_ role: Role) -> Bool { fields.has(role) }

  // MARK: Other sources

  /// `row`, called: rows that are sorted wait for the last one anyway.
  @inline(never)
  private mutating func sortedRow(_ line: Bytes) throws(RowFault) -> Row { try row(line) }

  /// `accept`, called.
  @inline(never)
  private mutating func acceptOther(_ row: Row) throws(RowFault) -> TraceRequest { try accept(row) }

  @inline(never)
  private mutating func nextOther() throws(TraceError) -> TraceRequest? {
    if input.objects != nil { return try nextTurn() }
    if sorted == nil { sorted = try format.times == .perSession ? sortSessions() : sortRows() }
    guard position < sorted!.requests.count else { return nil }
    if !sorted!.details.isEmpty { details = sorted!.details[position] }
    position += 1
    rows = position
    return sorted!.requests[position - 1]
  }

  /// Turns of a conversation that are not yet handed out.
  private var turns: [ConversationTurn] = []

  private mutating func nextTurn() throws(TraceError) -> TraceRequest? {
    while turns.isEmpty {
      do throws(RowFault) {
        guard let next = try input.objects!.nextConversation() else {
          if rows == 0 { throw RowFault(rethrowing: noRows()) }
          return nil
        }
        turns = next.reversed()
      } catch { try handle(error) }
    }
    let turn = turns.removeLast()
    do throws(RowFault) {
      let row = Row(arrival: nil, prompt: turn.prompt, output: turn.output, details: turn.details)
      return try acceptOther(row)
    } catch { throw error.rethrown ?? TraceError(error, path: path, line: lineNumber) }
  }

  /// All rows of a file whose times count from the start of each session, by arrival; ties in the file's
  /// order.
  private mutating func sortSessions() throws(TraceError) -> SortedRows {
    struct Session {
      var start: Int64
      var last: Int64
      var turns: Int
    }
    var numbers: [String: Int] = [:]
    var sessions: [Session] = []
    var current = -1
    var currentName: [UInt8] = []
    var places: [SortedPlace] = []
    var lengths: [(prompt: Int32, output: Int32)] = []
    var details: [TraceDetails] = []
    let origin = Instant(seconds: 0, picoseconds: 0)
    while true {
      let line: Bytes?
      do { line = try input.lines!.next() } catch {
        guard settings.isLenient, error.isTooLongLine else { throw error }
        skip(error, .lineTooLong)
        try input.lines!.skipLine()
        continue
      }
      guard let line else { break }
      do throws(RowFault) {
        var row = try sortedRow(line)
        let (session, agent) = (fields[.session], fields[.agent])
        // Rows of a session usually stand together: only then are names compared, not looked up.
        if current < 0 || !Self.isName(currentName, session, agent) {
          currentName = session + [UInt8(ascii: "/")] + agent
          let name = String(decoding: currentName, as: UTF8.self)
          current = numbers[name] ?? sessions.count
          if current == sessions.count {
            numbers[name] = current
            sessions.append(Session(start: current == 0 ? 0 : clock.next(), last: 0, turns: 0))
          }
        }
        let known = sessions[current]
        if self.origin == nil { self.origin = row.arrival }
        guard let since = row.arrival?.since(origin), since <= Instant.longestSpan - known.start else {
          throw tooLate("a time within 100 days")
        }
        guard since >= known.last else {
          throw rules.fault(
            .arrival, quoted(fields[.arrival]), "a time not before the session's row above", .timeGoingBack)
        }
        guard places.count < Self.maximumSorted else {
          throw rules.fault(.session, "more than \(Self.maximumSorted) rows", "fewer", .badNumber)
        }
        sessions[current].last = since
        sessions[current].turns += 1
        places.append(SortedPlace(arrival: known.start + since, index: Int32(places.count)))
        lengths.append((Int32(row.prompt), Int32(row.output)))
        if settings.keepsDetails {
          row.details.session = current
          row.details.turn = known.turns + 1
          details.append(row.details)
        }
      } catch { try handle(error) }
    }
    guard !places.isEmpty else { throw noRows() }
    SortedPlace.sort(&places)
    let first = places[0].arrival
    return SortedRows(
      requests: places.map { place in
        let length = lengths[Int(place.index)]
        return TraceRequest(
          arrival: SimTime(picoseconds: place.arrival - first), prompt: Int(length.prompt),
          output: Int(length.output))
      },
      details: details.isEmpty ? [] : places.map { details[Int($0.index)] })
  }

  /// Whether `name` is "session/agent".
  private static func isName(_ name: [UInt8], _ session: Bytes, _ agent: Bytes) -> Bool {
    guard name.count == session.count + 1 + agent.count else { return false }
    return name.withUnsafeBufferPointer { name in
      memcmp(name.baseAddress!, session.baseAddress!, session.count) == 0
        && (agent.isEmpty
          || memcmp(name.baseAddress! + session.count + 1, agent.baseAddress!, agent.count) == 0)
    }
  }

  /// All rows of a file whose rows are in any order, by arrival; ties in the file's order.
  private mutating func sortRows() throws(TraceError) -> SortedRows {
    struct Placed {
      var since: Int64
      var record: TraceRecord
      /// Of its session, and where it stands in the file.
      var turn: (session: Int, number: Int, line: Int)?
    }
    var all: [Placed] = []
    while let line = try input.lines!.next() {
      do throws(RowFault) {
        let row = try sortedRow(line)
        guard let instant = row.arrival else {
          throw RowFault(
            rethrowing: .invalidOption(name: "sort", found: "a format without times", expected: "times"))
        }
        if origin == nil { origin = instant }
        guard let since = instant.since(origin!), all.count < Self.maximumSorted else {
          throw misplaced(instant)
        }
        // Accepted like a row in order, so that ids and sessions are seen to.
        var placed = row
        placed.arrival = origin
        previous = 0
        var request = try acceptOther(placed)
        request.arrival = .zero
        var turn: (Int, Int, Int)?
        if settings.isFirstPass, let session = row.details.session, let number = row.details.turn {
          turn = (session, number, lineNumber)
        }
        all.append(Placed(since: since, record: TraceRecord(request, details), turn: turn))
      } catch { try handle(error) }
    }
    guard let earliest = all.map(\.since).min() else { throw noRows() }
    let order = all.indices.sorted { (all[$0].since, $0) < (all[$1].since, $1) }
    for index in order {
      guard let turn = all[index].turn, format.hasNumberedSessions,
        let before = turnOrder.contradicted(by: turn.number, of: turn.session)
      else { continue }
      let fault = rules.contradiction(turn: turn.number, of: turn.session, after: before)
      throw TraceError(fault, path: path, line: turn.line)
    }
    guard all[order[order.count - 1]].since - earliest <= Instant.longestSpan else {
      throw .invalidOption(name: "sort", found: "more than 100 days", expected: "a span of at most 100 days")
    }
    return SortedRows(
      requests: order.map { index in
        var request = all[index].record.request
        request.arrival = SimTime(picoseconds: all[index].since - earliest)
        return request
      },
      details: settings.keepsDetails ? order.map { all[$0].record.details } : [])
  }

  // MARK: Faults

  private var lineNumber: Int { input.lineNumber }

  private mutating func handle(_ fault: RowFault) throws(TraceError) {
    let error = fault.rethrown ?? TraceError(fault, path: path, line: lineNumber)
    guard settings.isLenient, fault.rethrown == nil, !fault.isOfFile else { throw error }
    skip(error, fault.reason)
  }

  private mutating func skip(_ error: TraceError, _ reason: SkipReason) {
    skipped[reason, default: 0] += 1
    if firstSkipped == nil { firstSkipped = error }
  }

  @inline(never)
  private func misplaced(_ instant: Instant) -> RowFault {
    let isEarlier = instant.since(origin!).map { $0 < previous } ?? (instant.seconds < origin!.seconds)
    guard isEarlier else { return tooLate("a time within 100 days of the first") }
    return rules.fault(
      .arrival, quoted(fields[.arrival]), "a time not before the row above; --sort takes rows in any order",
      .timeGoingBack)
  }

  /// The fault of a time beyond what a trace may span: that of all times, if their unit is to blame.
  @inline(never)
  private func tooLate(_ expected: String) -> RowFault {
    do { try timeCheck?.requireNoEpoch() } catch { return RowFault(rethrowing: error) }
    let hint = rules.timeUnit.map { " in \($0.name); --time-unit says what else the column counts" } ?? ""
    return rules.fault(.arrival, quoted(fields[.arrival]), expected + hint, .badTime)
  }

  private func noRows() -> TraceError {
    if let firstSkipped { return firstSkipped }
    return .malformed(
      path: path, line: lineNumber + 1, column: nil, found: "the end of the file",
      expected: "at least one row")
  }
}

/// Requests that had to be sorted, in memory: 24 bytes each, and their details if they are kept.
struct SortedRows {
  var requests: [TraceRequest]
  /// As many as requests, or none.
  var details: [TraceDetails]
}

/// The last turn of every session: turns rise with time.
private struct TurnOrder {
  private var last: [Int: Int] = [:]

  /// The turn that came before and is not lower; `nil` if `turn` is right, and counts from now on.
  mutating func contradicted(by turn: Int, of session: Int) -> Int? {
    if let before = last[session], before >= turn { return before }
    last[session] = turn
    return nil
  }
}

/// Numbers for the sessions of a trace, in order of appearance.
struct SessionNumbers {
  private var byName: [String: Int] = [:]
  private var byChat: [Int64: Int] = [:]
  private var count = 0

  mutating func number(of name: String) -> Int {
    if let known = byName[name] { return known }
    byName[name] = count
    count += 1
    return count - 1
  }

  /// The session of a chat is its parent's; a chat without parent, or with one that the trace lacks, begins
  /// one.
  mutating func number(ofChat id: Int64, parent: Int64) -> Int {
    let number = byChat[parent] ?? count
    if number == count { count += 1 }
    byChat[id] = number
    return number
  }
}

extension RowFault {
  /// A fault that only carries an error of the file up.
  init(rethrowing error: TraceError) {
    self.init(column: nil, found: "", expected: "", reason: .badText)
    rethrown = error
  }
}

extension TraceError {
  init(_ fault: RowFault, path: String, line: Int) {
    self = .malformed(
      path: path, line: line, column: fault.column, found: fault.found, expected: fault.expected)
  }

  /// Whether a line was too long to be held.
  var isTooLongLine: Bool {
    if case .malformed(_, _, nil, let found, _) = self { return found.hasPrefix("a line of more than") }
    return false
  }
}
