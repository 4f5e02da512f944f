import Sim

/// A conversion that would lose what the trace says and was not told to.
public struct LossyConversion: Error, Hashable, Sendable, CustomStringConvertible {
  /// The format that lacks the room.
  public var format: String
  /// What would be lost, by the names of `--drop`.
  public var lost: [TraceDetail]

  /// What is lost and how to agree to it.
  public var description: String {
    let names = lost.map(\.rawValue)
    return "format \(format) has no room for \(names.joined(separator: ", ")) of this trace; "
      + names.map { "--drop \($0)" }.joined(separator: " ") + " gives it up"
  }
}

/// Writes a trace in another format.
public struct TraceConversion: Sendable {
  /// What is written: `TraceFormat.isWritable`.
  public var format: TraceFormat
  /// Details that may be lost, or are left out though there is room.
  public var dropped: Set<TraceDetail> = []
  /// Share of the sessions that is kept, above 0 and at most 1; of requests without session, each by itself.
  public var sessionShare = 1.0
  /// Seed of the choice of sessions.
  public var seed: UInt64 = 0

  /// Throws `invalidOption` for a format that cannot be written or a share out of range.
  public init(
    to format: TraceFormat, dropping dropped: Set<TraceDetail> = [], sessionShare: Double = 1,
    seed: UInt64 = 0
  ) throws(TraceError) {
    guard format.isWritable else {
      let writable = TraceFormat.all.filter(\.isWritable).map(\.name)
      throw .invalidOption(name: "to", found: format.name, expected: writable.joined(separator: ", "))
    }
    guard sessionShare > 0, sessionShare <= 1 else {
      throw .invalidOption(
        name: "sample-sessions", found: "\(sessionShare)", expected: "a share above 0, at most 1")
    }
    (self.format, self.dropped, self.sessionShare, self.seed) = (format, dropped, sessionShare, seed)
  }

  /// Writes `trace`, opened with `keepsDetails`, to `path` in two passes. Arrivals count from the first that is
  /// left. Throws `LossyConversion`, or what reading and writing throw; then nothing is written. Returns how
  /// many requests were written.
  public func run(_ trace: TraceFile, to path: String) throws -> Int {
    let choice = SessionChoice(share: sessionShare, seed: seed)
    func kept() throws(TraceError) -> TraceRecord? {
      while let record = try trace.record() {
        if choice.keeps(record, number: choice.count) { return reduced(record) }
      }
      return nil
    }
    try trace.rewind()
    var given: Set<TraceDetail> = []
    var lost: Set<TraceDetail> = []
    var first: SimTime?
    var rows = 0
    while var record = try kept() {
      if first == nil { first = record.request.arrival }
      record.request.arrival = SimTime(picoseconds: (record.request.arrival - first!).picoseconds)
      given.formUnion(TraceDetail.of(record.details))
      lost.formUnion(format.losses(of: record))
      rows += 1
    }
    guard let first else {
      throw TraceError.invalidOption(
        name: "sample-sessions", found: "no request", expected: "a larger share, or another seed")
    }
    lost.subtract(dropped)
    guard lost.isEmpty else {
      throw LossyConversion(
        format: format.name, lost: lost.sorted { $0.rawValue < $1.rawValue })
    }
    try trace.rewind()
    choice.count = 0
    try TraceWriter.write(to: path, format: format, given: given) {
      guard var record = try kept() else { return nil }
      record.request.arrival = SimTime(picoseconds: (record.request.arrival - first).picoseconds)
      return record
    }
    return rows
  }

  private func reduced(_ record: TraceRecord) -> TraceRecord {
    var record = record
    for detail in dropped {
      switch detail {
      case .id: record.details.id = nil
      case .session: record.details.session = nil
      case .turn: record.details.turn = nil
      case .think: record.details.think = nil
      case .class: record.details.label = nil
      case .hashes: (record.details.hashes, record.details.blockTokens) = ([], nil)
      case .prefix: record.details.prefixTokens = nil
      case .times: break
      }
    }
    return record
  }

  /// Writes generated records to `path`: all that they say, in a format with room for it.
  public static func write(_ records: [TraceRecord], as format: TraceFormat, to path: String) throws {
    var given: Set<TraceDetail> = []
    var lost: Set<TraceDetail> = []
    for record in records {
      given.formUnion(TraceDetail.of(record.details))
      lost.formUnion(format.losses(of: record))
    }
    guard format.isWritable, lost.isEmpty else {
      throw LossyConversion(format: format.name, lost: lost.sorted { $0.rawValue < $1.rawValue })
    }
    var position = 0
    try TraceWriter.write(to: path, format: format, given: given) {
      guard position < records.count else { return nil }
      position += 1
      return records[position - 1]
    }
  }

  /// Which sessions are kept: a class, as the passes share its count.
  private final class SessionChoice {
    var count = 0
    private let share: Double
    private let draws: RandomDraws

    init(share: Double, seed: UInt64) {
      self.share = share
      draws = RandomDraws(seed: seed, name: "sample-sessions")
    }

    func keeps(_ record: TraceRecord, number: Int) -> Bool {
      count += 1
      if share == 1 { return true }
      return record.details.session.map { draws.unit($0, 0) <= share } ?? (draws.unit(number, 1) <= share)
    }
  }
}
