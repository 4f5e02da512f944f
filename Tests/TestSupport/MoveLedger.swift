@_spi(Checking) import Sim

/// Rebuilds from the records of a run alone which moves are reserved and under way and what every host holds, checks the
/// protocol's laws on them, and compares with what the engine says.
public struct MoveLedger {
  /// The first broken laws: name and what was found.
  private(set) var violations: [(law: String, details: String)] = []

  /// What is known of one number.
  private struct Story {
    enum Stage { case none, reserved, refused, underWay, over }
    var record: ProtocolRecord
    var stage = Stage.none
    var isStale = false
  }
  private var stories: [Int: Story] = [:]
  /// Numbers that are reserved or under way, by stage.
  private var held: Set<Int> = []
  /// Landed and borrowed blocks by request and host.
  private var hosted: [Int: [Int: Int]] = [:]
  private var isManagerDown = false
  /// When the gManager last ordered a move.
  private(set) var lastOrder: SimTime?
  /// gManager restarts while a move was reserved or under way.
  public private(set) var restartsWithMoves = 0

  /// Reserved blocks by destination.
  var reserved: [(destination: Int, blocks: Int)] {
    held.compactMap { stories[$0] }.filter { $0.stage == .reserved }
      .map { ($0.record.destination.index, $0.record.blocks) }
  }

  var open: [Int] { held.sorted() }
  var isSettled: Bool { held.isEmpty }

  private mutating func check(_ holds: Bool, _ law: String, _ record: ProtocolRecord) {
    if !holds, violations.count < 8 { violations.append((law, "\(record)")) }
  }

  // MARK: - Records

  mutating func managed(_ record: ProtocolRecord) {
    switch record.kind {
    case .managerDown, .managerUp:
      check(isManagerDown == (record.kind == .managerUp), "the gManager is up or down", record)
      isManagerDown = record.kind == .managerDown
      if record.kind == .managerUp, !held.isEmpty { restartsWithMoves += 1 }
      return
    case .ordered:
      check(!isManagerDown, "a gManager that is down orders nothing", record)
      check(stories[record.move] == nil, "a number is of one move", record)
      lastOrder = record.time
      stories[record.move] = Story(record: record)
      return
    default: break
    }
    guard var story = stories[record.move] else { return check(false, "a move was ordered", record) }
    let ordered = story.record
    check(
      record.request == ordered.request && record.source == ordered.source
        && record.destination == ordered.destination && record.blocks == ordered.blocks,
      "a number is of one move", record)
    let stage = story.stage
    switch record.kind {
    case .reserved:
      check(stage == .none, "a number reserves once", record)
      story.stage = .reserved
      held.insert(record.move)
    case .refused:
      check(stage == .none, "a destination answers a number once", record)
      story.stage = .refused
    case .started:
      check(stage == .reserved, "a transfer starts only into its reservation", record)
      story.stage = .underWay
    case .released, .expired:
      check(stage == .reserved, "a reservation ends once", record)
      story.stage = .over
    case .landed, .aborted:
      check(stage == .underWay, "what lands or is aborted was under way", record)
      story.stage = .over
    case .stale:
      check(!story.isStale && stage == .none, "a source that does not follow an order asks nobody", record)
      story.isStale = true
    case .timedOut, .cancelled:
      check(!story.isStale && stage != .underWay, "who waits has asked", record)
    case .late, .duplicate, .ordered, .managerDown, .managerUp: break
    }
    if story.stage == .over { held.remove(record.move) }
    stories[record.move] = story
    if record.kind == .landed { land(record) }
  }

  /// A host's blocks go home, or blocks of a home to a host: a home is no host of its own request.
  private mutating func land(_ record: ProtocolRecord) {
    let request = record.request.index
    let isRecall = hosted[request]?[record.source.index, default: 0] ?? 0 > 0
    add(
      isRecall ? -record.blocks : record.blocks, of: request,
      to: (isRecall ? record.source : record.destination).index)
  }

  mutating func decided(_ decision: DecisionRecord) {
    let request = decision.request.index
    if decision.kind == .borrow { add(decision.blocks, of: request, to: decision.destination.index) }
    if decision.kind == .preempt || decision.kind == .lost { forget(request) }
  }

  /// The request has lost its blocks.
  mutating func forget(_ request: Int) { hosted[request] = nil }

  private mutating func add(_ blocks: Int, of request: Int, to host: Int) {
    hosted[request, default: [:]][host, default: 0] += blocks
    if hosted[request]?[host] == 0 { hosted[request]?[host] = nil }
  }

  // MARK: - Instants

  mutating func inspect(_ snapshot: ClusterSnapshot) {
    func mismatch(_ law: String, _ details: String) {
      if violations.count < 8 { violations.append((law, details)) }
    }
    if held.isEmpty, hosted.isEmpty, snapshot.moves.isEmpty, snapshot.departures.isEmpty,
      snapshot.reservations.isEmpty,
      snapshot.placements.allSatisfy({ $0.movingBlocks == 0 && $0.loans.isEmpty })
    {
      return
    }
    let reserved = held.filter { stories[$0]!.stage == .reserved }
    if reserved.count != snapshot.reservations.count
      || !snapshot.reservations.allSatisfy({ reserved.contains($0.move) })
    {
      mismatch("reservations are what the records say", "\(reserved) and \(snapshot.reservations)")
    }
    let underWay = held.subtracting(reserved).map { stories[$0]!.record.request.index }.sorted()
    if underWay != snapshot.moves.map(\.request.index).sorted() {
      mismatch("transfers are what the records say", "\(underWay) and \(snapshot.moves)")
    }
    if zip(underWay, underWay.dropFirst()).contains(where: ==) {
      mismatch("one transfer of a request is under way at a time", "\(underWay)")
    }
    var found: [Int: [Int: Int]] = [:]
    for placement in snapshot.placements {
      var moving = 0
      for move in snapshot.moves where move.request == placement.request { moving += move.blocks }
      for move in snapshot.departures where move.request == placement.request { moving += move.blocks }
      if placement.movingBlocks != moving {
        mismatch("a request moves while a move of it is asked for or under way", "\(placement)")
      }
      for loan in placement.loans where loan.blocks > 0 {
        found[placement.request.index, default: [:]][loan.host.index] = loan.blocks
      }
    }
    let expected = hosted.filter { !$0.value.isEmpty }
    if found != expected {
      mismatch("hosts hold what the records say", "\(expected) and \(found)")
    }
  }
}
