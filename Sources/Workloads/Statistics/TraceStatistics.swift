import Sim

/// What a trace is like, found in one pass.
public struct TraceStatistics: Sendable {
  /// Prompt tokens.
  public private(set) var prompts = LengthCounts()
  /// Output tokens.
  public private(set) var outputs = LengthCounts()
  /// Prompt + output tokens.
  public private(set) var contexts = LengthCounts()
  /// Counts in windows of 1, 10 and 60 seconds.
  public private(set) var windows = [1, 10, 60].map { ArrivalWindows(seconds: $0) }
  /// Prefixes, as far as the trace tells.
  public private(set) var prefixes = PrefixCounts()
  /// Sessions, if the trace has any.
  public var sessions: Int { turns.count }
  /// Mean and largest number of requests of a session.
  public var turnsPerSession: (mean: Double, maximum: Int) {
    (Double(withSession) / Double(max(sessions, 1)), turns.values.max() ?? 0)
  }
  /// Requests that say how long their session thought before them, and the mean of that in seconds.
  public private(set) var thinks = 0
  public var meanThink: Double { thinks == 0 ? 0 : thinkSum / Double(thinks) }
  /// The longest time without arrivals, and when it began.
  public private(set) var longestGap = SimDuration.zero
  public private(set) var longestGapStart = SimTime.zero
  /// Gaps of zero.
  public private(set) var zeroGaps = 0
  /// Arrival of the last request.
  public private(set) var last = SimTime.zero

  private var turns: [Int: Int] = [:]
  private var withSession = 0
  private var thinkSum = 0.0
  private var gapSquares = 0.0
  /// For each candidate of a rounding, arrivals that are multiples of it, give or take 5 ms.
  private var multiples = [Int](repeating: 0, count: TraceStatistics.quanta.count)

  public init() {}

  /// Statistics of all that is left of a trace opened with `keepsDetails`.
  public init(of trace: TraceFile) throws(TraceError) {
    while let record = try trace.record() { add(record) }
  }

  /// Takes in the next request in order of arrival.
  public mutating func add(_ record: TraceRecord) {
    let request = record.request
    if rows > 0 {
      let gap = request.arrival - last
      gapSquares += gap.seconds * gap.seconds
      if gap.picoseconds == 0 { zeroGaps += 1 }
      if gap > longestGap { (longestGap, longestGapStart) = (gap, last) }
    }
    last = request.arrival
    for index in windows.indices { windows[index].add(request.arrival) }
    for (index, quantum) in Self.quanta.enumerated() {
      let rest = request.arrival.picoseconds % (quantum * 1_000_000_000)
      if min(rest, quantum * 1_000_000_000 - rest) <= 5_000_000_000 { multiples[index] += 1 }
    }
    prompts.add(request.prompt)
    outputs.add(request.output)
    contexts.add(request.prompt + request.output)
    prefixes.add(record)
    if let session = record.details.session {
      turns[session, default: 0] += 1
      withSession += 1
    }
    if let think = record.details.think {
      thinks += 1
      thinkSum += think.seconds
    }
  }

  /// Requests.
  public var rows: Int { prompts.count }
  /// Arrivals per second: 1 / mean gap; `nil` if all arrive at once.
  public var rate: Double? { last.picoseconds > 0 ? Double(rows - 1) / last.seconds : nil }
  /// Standard deviation of the gaps between arrivals over their mean; `nil` if all arrive at once.
  public var gapCV: Double? {
    guard let rate else { return nil }
    let variance = gapSquares / Double(rows - 1) - 1 / (rate * rate)
    return max(variance, 0).squareRoot() * rate
  }

  /// Roundings looked for, in milliseconds, the coarsest first.
  private static let quanta: [Int64] = [60_000, 30_000, 10_000, 5_000, 3_000, 2_000, 1_000, 500, 100]

  /// Seconds that at least 98 % of the arrivals are multiples of, give or take 5 ms; `nil` if none is found.
  public var quantum: Double? {
    guard rows >= 20, last.picoseconds > 0 else { return nil }
    let index = multiples.firstIndex { Double($0) >= 0.98 * Double(rows) }
    return index.map { Double(Self.quanta[$0]) / 1_000 }
  }

  /// The longest gap of a Poisson process with as many arrivals, in mean gaps, is beyond this once in a
  /// thousand traces.
  private var longestPlausibleGap: Double { Elementary.ln(Double(max(rows, 2))) + 7 }

  /// What a user should know before replaying the trace.
  public var warnings: [String] {
    var list: [String] = []
    func text(_ value: Double) -> String { "\((value * 1000).rounded() / 1000)" }
    if let quantum {
      list.append(
        "arrivals are quantised: nearly all are multiples of \(text(quantum)) s, and "
          + "\(Int((100 * Double(zeroGaps) / Double(max(rows - 1, 1))).rounded())) % of the gaps are 0 "
          + "(--jitter \(text(quantum)) spreads them)")
    } else if rows > 20, 2 * zeroGaps > rows, rate != nil {
      list.append("\(zeroGaps) of \(rows - 1) gaps are 0")
    }
    if let rate, rows > 20, longestGap.seconds * rate > longestPlausibleGap, longestGap.seconds > 1,
      quantum.map({ longestGap.seconds > 2 * $0 + 0.1 }) ?? true
    {
      list.append(
        "an empty stretch of \(text(longestGap.seconds)) s begins at \(text(longestGapStart.seconds)) s: "
          + "\(Int((longestGap.seconds * rate).rounded())) mean gaps")
    }
    if rate == nil, rows > 1 { list.append("all requests arrive at once: there are no arrival times") }
    return list
  }
}

/// Arrivals in consecutive windows of one length, from the first arrival on.
public struct ArrivalWindows: Sendable {
  /// Length of a window.
  public let seconds: Int
  private var current: Int64 = 0
  private var count = 0
  private var sum = 0.0
  private var squares = 0.0
  private var whole = 0

  public init(seconds: Int) { self.seconds = seconds }

  /// Takes in the next arrival.
  public mutating func add(_ arrival: SimTime) {
    let index = arrival.picoseconds / (Int64(seconds) * 1_000_000_000_000)
    if index > current {
      close()
      whole += Int(index - current - 1)
      current = index
    }
    count += 1
  }

  private mutating func close() {
    sum += Double(count)
    squares += Double(count) * Double(count)
    whole += 1
    count = 0
  }

  /// Variance over mean of the counts in whole windows (1 for a Poisson process); `nil` below two windows.
  public var dispersion: Double? {
    guard whole >= 2, sum > 0 else { return nil }
    let mean = sum / Double(whole)
    return (squares / Double(whole) - mean * mean) / mean
  }
}

/// How much of the prompts is known from earlier prompts, if nothing is ever evicted.
///
/// With block identities a block hits if it and all blocks before it were in an earlier prompt. Without them
/// the trace's own counts (`prefixTokens`) are added up. Memory: 8 bytes and more for each different block.
public struct PrefixCounts: Sendable {
  /// Blocks of all prompts, and those that hit.
  public private(set) var blocks = 0
  public private(set) var hitBlocks = 0
  /// Prompt tokens of requests that say anything of prefixes, and those known before.
  public private(set) var tokens = 0
  public private(set) var hitTokens = 0
  private var seen: Set<UInt64> = []

  public init() {}

  /// Takes in the next request.
  public mutating func add(_ record: TraceRecord) {
    let details = record.details
    if let size = details.blockTokens {
      var hits = 0
      while hits < details.hashes.count, seen.contains(details.hashes[hits]) { hits += 1 }
      for hash in details.hashes[hits...] { seen.insert(hash) }
      blocks += details.hashes.count
      hitBlocks += hits
      tokens += record.request.prompt
      hitTokens += min(hits * size, record.request.prompt)
    } else if let prefix = details.prefixTokens {
      tokens += record.request.prompt
      hitTokens += prefix
    }
  }

  /// Share of the blocks that hit; `nil` without block identities.
  public var blockHitRate: Double? { blocks == 0 ? nil : Double(hitBlocks) / Double(blocks) }
  /// Share of the prompt tokens known before; `nil` if the trace says nothing of prefixes.
  public var tokenHitRate: Double? { tokens == 0 ? nil : Double(hitTokens) / Double(tokens) }
}
