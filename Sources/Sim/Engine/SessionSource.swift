import HeapModule

/// Requests of which some wait for others: the turns of sessions, each of which arrives a think time after its
/// predecessor has ended. Held in memory, since nobody knows in which order they will arrive.
public struct SessionSource: RequestSource {
  /// One request and what it waits for and shares.
  public struct Turn: Hashable, Sendable {
    /// Lengths; the arrival counts only for a turn that follows none.
    public var request: TraceRequest
    /// Index of the turn that must end before, or `nil`.
    public var follows: Int?
    /// Time from that end to this arrival, at least a picosecond.
    public var think: SimDuration
    /// Identities of the prompt's whole units; see `RequestSource.prefix`.
    public var prefix: ContiguousArray<UInt64>

    /// Takes the parts as they are.
    public init(
      request: TraceRequest, follows: Int? = nil, think: SimDuration = SimDuration(picoseconds: 1),
      prefix: ContiguousArray<UInt64> = []
    ) {
      self.request = request
      self.follows = follows
      self.think = think
      self.prefix = prefix
    }
  }

  /// A turn whose arrival is known, in order of arrival and then of index.
  private struct Scheduled: Comparable {
    var arrival: Int64
    var turn: Int
    static func < (a: Self, b: Self) -> Bool { (a.arrival, a.turn) < (b.arrival, b.turn) }
  }

  public let info: RequestSourceInfo
  public let isClosedLoop: Bool
  private let turns: [Turn]
  /// Turns that wait for each turn.
  private let followers: [[Int]]
  private var scheduled: Heap<Scheduled>
  /// Turns in the order in which they were handed out.
  public private(set) var handedOut: [Int] = []

  /// `turns` must not be empty; a turn follows an earlier one of the array, so that none waits for ever.
  public init(_ turns: [Turn], prefixUnit: Int = 0) {
    precondition(!turns.isEmpty, "a request source holds at least one request")
    var followers: [[Int]] = Array(repeating: [], count: turns.count)
    var scheduled = Heap<Scheduled>()
    var last = SimTime(picoseconds: 0)
    for (index, turn) in turns.enumerated() {
      if let follows = turn.follows {
        precondition(follows >= 0 && follows < index, "a turn follows an earlier one")
        precondition(turn.think.picoseconds >= 1, "a turn arrives after its predecessor's end")
        followers[follows].append(index)
      } else {
        scheduled.insert(Scheduled(arrival: turn.request.arrival.picoseconds, turn: index))
        last = max(last, turn.request.arrival)
      }
    }
    self.turns = turns
    self.followers = followers
    self.scheduled = scheduled
    isClosedLoop = scheduled.count < turns.count
    info = RequestSourceInfo(count: turns.count, lastArrival: last, prefixUnit: prefixUnit)
  }

  public mutating func next() -> TraceRequest? {
    guard let first = scheduled.popMin() else { return nil }
    handedOut.append(first.turn)
    var request = turns[first.turn].request
    request.arrival = SimTime(picoseconds: first.arrival)
    return request
  }

  public var prefix: ContiguousArray<UInt64> { handedOut.last.map { turns[$0].prefix } ?? [] }

  public mutating func putBack(_ request: TraceRequest) {
    let turn = handedOut.removeLast()
    scheduled.insert(Scheduled(arrival: request.arrival.picoseconds, turn: turn))
  }

  public mutating func ended(_ index: Int, at time: SimTime) {
    for turn in followers[handedOut[index]] {
      scheduled.insert(
        Scheduled(arrival: time.picoseconds + turns[turn].think.picoseconds, turn: turn))
    }
  }
}
