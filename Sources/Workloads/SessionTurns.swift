import Sim

/// What a run needs of a trace whose requests share prefixes or wait for each other.
public struct SessionTurns {
  /// Which of the two a run wants.
  public var closesLoop: Bool
  public var sharesPrefixes: Bool
  /// How often the records hold the same prompts, one round after another.
  public var rounds: Int

  /// Takes the parts as they are.
  public init(closesLoop: Bool, sharesPrefixes: Bool, rounds: Int = 1) {
    self.closesLoop = closesLoop
    self.sharesPrefixes = sharesPrefixes
    self.rounds = rounds
  }

  /// Tokens of a unit where a trace says how many leading tokens a session has seen, and not in which blocks.
  static let defaultUnit = 64

  /// All of `trace`, which must keep its details, in memory: a turn of a session follows the one before it if the
  /// loop is closed, at once where only its think time is missing; else every request comes when the trace says.
  ///
  /// - Throws: `TraceError` where the trace does not say what is wanted.
  public func source(of trace: TraceFile) throws(TraceError) -> SessionSource {
    try source(of: try trace.allRecords())
  }

  /// The same of records in memory.
  public func source(of records: [TraceRecord]) throws(TraceError) -> SessionSource {
    var turns: [SessionSource.Turn] = []
    turns.reserveCapacity(records.count)
    var last: [Int: Int] = [:]
    let round = records.count / rounds
    var prefixes = PrefixNames()
    // A prompt of which nothing is told still begins like itself in other rounds.
    if rounds > 1 {
      prefixes.unitOfOthers =
        records.lazy.compactMap(\.details.blockTokens).first
        ?? (records.contains { $0.details.session != nil } ? Self.defaultUnit : EngineOptions().blockSize)
    }
    var hasThinkTimes = false
    for (index, record) in records.enumerated() {
      var turn = SessionSource.Turn(request: record.request)
      if closesLoop, let session = record.details.session, let previous = last[session] {
        // A turn without a think time, in a trace that has them, follows at once.
        let think = record.details.think?.picoseconds
        hasThinkTimes = hasThinkTimes || think != nil
        turn.follows = previous
        turn.think = SimDuration(picoseconds: max(1, think ?? 1))
      }
      if sharesPrefixes {
        turn.prefix =
          index < round ? try prefixes.names(of: record, number: index) : turns[index - round].prefix
      }
      if let session = record.details.session { last[session] = index }
      turns.append(turn)
    }
    if closesLoop, !turns.contains(where: { $0.follows != nil }) {
      throw .invalidOption(
        name: "closed-loop", found: "no session of two requests", expected: "a trace with sessions")
    }
    if closesLoop, !hasThinkTimes {
      throw .invalidOption(
        name: "closed-loop", found: "sessions without any think time",
        expected: "a trace with the think times of its turns")
    }
    if sharesPrefixes, rounds == 1,
      !records.contains(where: { $0.details.prefixTokens != nil || !$0.details.hashes.isEmpty })
    {
      throw .invalidOption(
        name: "prefix-caching", found: "no word on what prompts share",
        expected: "a trace with hash_ids, or with the leading tokens that a session has seen, or --repeat")
    }
    return SessionSource(turns, prefixUnit: prefixes.unit ?? 0)
  }
}

/// Names prompts' units: by the trace's hashes, or, where it only counts leading tokens, by session.
private struct PrefixNames {
  private(set) var unit: Int?
  /// Of prompts of no session and without hashes; `nil` if they have no names.
  var unitOfOthers: Int?
  private var ofSession: [Int: ContiguousArray<UInt64>] = [:]
  private var fresh: UInt64 = 0

  mutating func names(of record: TraceRecord, number: Int) throws(TraceError) -> ContiguousArray<UInt64> {
    let details = record.details
    if let tokens = details.blockTokens, !details.hashes.isEmpty {
      try use(tokens, number: number)
      return ContiguousArray(details.hashes.prefix(record.request.prompt / tokens))
    }
    guard let session = details.session else {
      guard let tokens = unitOfOthers else { return [] }
      try use(tokens, number: number)
      // Far from the trace's hashes.
      let names = (0..<record.request.prompt / tokens).map { .max - fresh - UInt64($0) }
      fresh += UInt64(names.count)
      return ContiguousArray(names)
    }
    let seen = details.prefixTokens ?? 0
    let tokens = details.blockTokens ?? SessionTurns.defaultUnit
    try use(tokens, number: number)
    var names = ContiguousArray((ofSession[session] ?? []).prefix(seen / tokens))
    while names.count < record.request.prompt / tokens {
      names.append(fresh)
      fresh += 1
    }
    ofSession[session] = names
    return names
  }

  private mutating func use(_ tokens: Int, number: Int) throws(TraceError) {
    guard unit ?? tokens == tokens else {
      throw .invalidOption(
        name: "prefix-caching", found: "blocks of \(tokens) tokens in request \(number)",
        expected: "blocks of \(unit ?? 0) tokens throughout")
    }
    unit = tokens
  }
}
