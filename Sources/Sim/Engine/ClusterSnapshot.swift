/// Where every block of a run lies at the end of one instant, for checkers outside the engine.
///
/// It says what each request has, not what that adds up to: `instances` holds the ledger's own counters, and it is
/// for the checker to find out whether the two agree.
@_spi(Checking) public struct ClusterSnapshot: Sendable {
  /// A live request and its blocks.
  public struct Placement: Sendable {
    /// `waiting`: at the front end, for an instance to return.
    public enum Phase: Sendable { case waiting, queued, prefilling, decoding }
    public var request: RequestID
    public var phase: Phase
    public var home: InstanceID
    /// Tokens that a prefill must store: the prompt and what was generated before it.
    public var length: Int
    /// Tokens stored, those of the step under way included; their part at home while decoding.
    public var storedTokens: Int
    public var tokensAtHome: Int
    /// Blocks on other instances.
    public var loans: [Loan]
    /// Blocks at home of one that is being prefilled.
    public var blocksAtHome: Int
    /// Blocks that a move takes, from the source's first try until it lands or is given up.
    public var movingBlocks: Int
    /// The units of shared prefix at home that it refers to; requests of one home that share have equal ones.
    public var units: [Int]
  }

  /// Blocks of one request on one instance that is not its home.
  public struct Loan: Sendable {
    public var host: InstanceID
    /// Landed blocks, and those that a move has reserved there.
    public var blocks: Int
    public var arriving: Int
  }

  /// A move under way.
  public struct Move: Sendable {
    public var request: RequestID
    public var source: InstanceID
    public var destination: InstanceID
    public var blocks: Int
  }

  /// Blocks kept for a transfer that has not started.
  public struct Reservation: Sendable {
    public var move: Int
    public var destination: InstanceID
    public var blocks: Int
  }

  /// What the gManager knows of an instance from its heartbeats.
  public struct View: Sendable {
    /// When the heartbeat was sent that it rests on; `nil` if none has come.
    public var sent: SimTime?
    public var rows: [PlacementRow]
  }

  /// What the ledger says of an instance.
  public struct Instance: Sendable {
    public var isUp: Bool
    /// Less what faults withhold.
    public var capacity: Int
    public var usedBlocks: Int
    public var hostedBlocks: Int
    /// Blocks of units of shared prefix that nobody refers to.
    public var idleBlocks: Int
    /// Requests in its batch or being prefilled, and waiting.
    public var running: Int
    public var queued: Int
    /// When the run of steps under way ends; `nil` if it is idle.
    public var busyUntil: SimTime?
  }

  public var time: SimTime
  /// By ascending request.
  public var placements: [Placement]
  public var moves: [Move]
  /// Moves that their sources have asked for and that have not started.
  public var departures: [Move]
  public var reservations: [Reservation]
  /// By instance; empty if the gManager keeps no map.
  public var views: [View]
  public var instances: [Instance]
  /// Blocks of a unit of shared prefix.
  public var unitBlocks: Int
}

extension SimulationState {
  /// The state at the end of this instant.
  func snapshot() -> ClusterSnapshot {
    var placements: [ClusterSnapshot.Placement] = []
    for slot in 0..<requests.slotCount where requests[slot].phase != .free {
      placements.append(placement(of: slot))
    }
    placements.sort { $0.request < $1.request }
    var moves: [ClusterSnapshot.Move] = []
    for transfer in transfers.unordered where !abortedTransfers.contains(transfer.number) {
      let (home, host) = (InstanceID(transfer.home), InstanceID(transfer.host))
      moves.append(
        ClusterSnapshot.Move(
          request: RequestID(transfer.request), source: transfer.isRecall ? host : home,
          destination: transfer.isRecall ? home : host, blocks: transfer.blocks))
    }
    let asked = departures.map {
      let order = $0.move.order
      return ClusterSnapshot.Move(
        request: order.request, source: order.source, destination: order.destination,
        blocks: order.blocks.count)
    }
    let reserved = reservations.map {
      ClusterSnapshot.Reservation(
        move: $0.move.number, destination: $0.move.order.destination, blocks: $0.move.blocks)
    }
    let views = gManager.views.map {
      ClusterSnapshot.View(
        sent: $0.sequence > 0 ? SimTime(picoseconds: $0.sent) : nil, rows: Array($0.rows))
    }
    let ledger = (0..<instanceCount).map { i in
      ClusterSnapshot.Instance(
        isUp: instances[i].isUp, capacity: usableBlocks - instances[i].withheldBlocks,
        usedBlocks: usedBlocks(of: i) - instances[i].withheldBlocks, hostedBlocks: instances[i].hostedBlocks,
        idleBlocks: prefixUnit > 0 ? prefixCaches[i].idle * prefixUnitBlocks : 0, running: running(on: i),
        queued: instances[i].queue.count,
        busyUntil: instances[i].isBusy ? SimTime(picoseconds: instances[i].run.end) : nil)
    }
    return ClusterSnapshot(
      time: SimTime(picoseconds: now), placements: placements, moves: moves, departures: asked,
      reservations: reserved,
      views: views, instances: ledger,
      unitBlocks: prefixUnitBlocks)
  }

  private func placement(of slot: Int) -> ClusterSnapshot.Placement {
    let r = requests[slot]
    var loansOfIt: [ClusterSnapshot.Loan] = []
    var loan = r.firstLoan
    while loan >= 0 {
      let piece = loans[Int(loan)]
      loansOfIt.append(
        ClusterSnapshot.Loan(host: InstanceID(piece.host), blocks: piece.blocks, arriving: piece.arriving))
      loan = piece.next
    }
    var stored = r.stored
    var atHome = r.stored
    switch r.phase {
    case .decoding:
      stored = storedTokens(of: slot) + Int(progress(of: r.home).started)
      atHome = r.fillsHost ? r.fixedTokens : stored - r.fixedTokens
    case .prefilling:
      let steps = max(1, Int(progress(of: r.home).started))
      for chunk in instances[r.home].chunks where chunk.slot == Int32(slot) { stored += steps * chunk.tokens }
      atHome = stored
    case .queued, .free: break
    }
    return ClusterSnapshot.Placement(
      request: RequestID(r.id),
      phase: r.phase == .decoding
        ? .decoding : r.phase == .prefilling ? .prefilling : r.isRouted ? .queued : .waiting,
      home: InstanceID(r.home), length: r.length, storedTokens: stored, tokensAtHome: atHome,
      loans: loansOfIt, blocksAtHome: r.phase == .prefilling ? blocksOfPrompt(slot) : 0,
      movingBlocks: r.movingBlocks,
      units: prefixUnit > 0 ? prefixes[slot].units.map(Int.init) : [])
  }
}

extension Simulation {
  /// Replays `source`, showing every instant's end to `inspect`: slow, for checkers.
  /// - Throws: what reading the source throws.
  @_spi(Checking) public func run<Source: RequestSource>(
    _ source: Source, managerOutages: [Range<SimTime>] = [], onProgress: ((RunProgress) -> Void)? = nil,
    inspect: ((ClusterSnapshot) -> Void)?
  ) throws -> RunSummary {
    var source = source
    var state = makeState(source.info)
    state.inspect = inspect
    state.scheduleOutages(managerOutages)
    return try state.run(&source, onProgress: onProgress)
  }
}
