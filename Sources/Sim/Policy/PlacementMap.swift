/// What an rManager says of its instance in a heartbeat. Moves under way count as done.
public struct InstanceReport: Hashable, Sendable {
  /// Requests that decode.
  public var batch = 0
  /// Requests that wait.
  public var queued = 0
  /// Requests the engine may still admit by its sequence limit.
  public var freeSequences = 0
  /// Blocks in use, hosted ones included.
  public var usedBlocks = KVBlocks.zero
  /// Tokens that the batch attends to at home.
  public var localTokens = 0
  /// Blocks hosted for other instances.
  public var hostedBlocks = KVBlocks.zero
  /// Slowest remote path of the batch now, ps per step and stage.
  public var remotePath: Int64 = 0
}

/// One row of the request placement map: how many blocks of a request lie on an instance (paper.md section 4).
public struct PlacementRow: Hashable, Sendable {
  public var request: RequestID
  /// The instance that it belongs to.
  public var home: InstanceID
  /// Blocks there, those of started steps included.
  public var blocks: KVBlocks
  /// Blocks that a move may take now: whole, filled, not on their way and rested.
  public var movable: KVBlocks
}

/// A waiting request, as far as a planner may know it.
public struct WaitingRequest: Hashable, Sendable {
  /// Blocks that its prompt, or its recompute, needs, and its tokens.
  public var blocks: Int
  public var tokens: Int
}

/// What the gManager knows when it plans: a report of every instance, and the request placement map. It cannot be kept
/// or copied. A question about an instance that is not there traps.
///
/// Where messages take no time it is what the rManagers have: rows are read where they lie, for the instances that a
/// planner asks about, and a plan costs nothing for the others (docs/decisions/0008). Else it is what heartbeats have told,
/// and an instance that is not heard of is full and does nothing (docs/decisions/0009).
public struct PlacementMap: ~Copyable {
  private let state: UnsafePointer<SimulationState>

  fileprivate init(_ state: UnsafePointer<SimulationState>) { self.state = state }

  private func at(_ i: InstanceID) -> Int { state.pointee.checked(i) }

  /// When the plan is made.
  public var now: SimTime { SimTime(picoseconds: state.pointee.now) }
  /// Instances, numbered from 0.
  public var count: Int { state.pointee.instanceCount }
  /// Usable blocks of every instance, and those that admissions leave free.
  public var blocksPerInstance: KVBlocks { KVBlocks(state.pointee.usableBlocks) }
  public var watermark: KVBlocks { KVBlocks(state.pointee.watermark) }
  /// Tokens in a block.
  public var blockSize: Int { state.pointee.blockSize }

  /// T(β, ΣS) = W(β)/f(β) + ΣS/g with the coefficients that the engine charges with: a decode step of `batch` requests
  /// that attend to `tokens` tokens at home, hold `hosted` tokens for others and wait for their slowest host, ps.
  public func stepTime(batch: Int, tokens: Int, hosted: Int, remotePath: Int64) -> Int64 {
    state.pointee.plannedStep(batch: batch, tokens: tokens, hosted: hosted, remotePath: remotePath)
  }

  /// The remote path of one request with `tokens` tokens on a host over `link`, ps per step and stage.
  public func remotePath(over link: LinkCosts, tokens: Int) -> Int64 {
    state.pointee.remotePath(over: link, tokens: tokens)
  }

  /// Whether `queries` borrowers over `link` fit beside the non-attention work of a home with `batch` more requests.
  public func linkFits(_ link: LinkCosts, queries: Int, batch: Int) -> Bool {
    state.pointee.linkFits(link, queries: queries, batch: batch)
  }

  /// The last heartbeat of an instance. O(1).
  public func report(_ i: InstanceID) -> InstanceReport {
    guard keepsMap else { return state.pointee.reports[at(i)] }
    guard state.pointee.isHeard(at(i)) else { return InstanceReport(usedBlocks: blocksPerInstance) }
    return state.pointee.gManager.views[at(i)].report
  }

  private var keepsMap: Bool { state.pointee.managers.keepsMap }

  /// What heartbeats have told of an instance, nothing of one that is not heard of.
  private func told(_ i: Int) -> ContiguousArray<PlacementRow> {
    state.pointee.isHeard(i) ? state.pointee.gManager.views[i].rows : []
  }

  /// A number for the node of an instance: equal for instances of one node.
  public func node(of i: InstanceID) -> Int { state.pointee.configuration.topology.nodeOfInstance[at(i)] }
  public func link(_ a: InstanceID, _ b: InstanceID) -> LinkCosts {
    state.pointee.exchangeLink(at(a), at(b))
  }
  /// Whether messages get through between two instances, both ways.
  public func reaches(_ a: InstanceID, _ b: InstanceID) -> Bool {
    state.pointee.reaches(at(a), at(b))
  }
  public var acrossNodes: LinkCosts { state.pointee.configuration.topology.acrossNodes }

  /// Shows the waiting requests of an instance, first come first, until `body` returns false; of heartbeats no more than
  /// could be admitted to the empty instance.
  public func forEachWaiting(at i: InstanceID, _ body: (WaitingRequest) -> Bool) {
    guard !keepsMap else {
      for waiting in state.pointee.gManager.views[at(i)].waiting where !body(waiting) { return }
      return
    }
    var slot = state.pointee.instances[at(i)].queue.head
    while slot >= 0, body(state.pointee.waitingRequest(Int(slot))) {
      slot = state.pointee.requests[Int(slot)].next
    }
  }

  /// The decoding request with the most movable blocks at home of those that `mayMove`, ties to the oldest; `nil` if none
  /// has any. Looks at those that are about as long as it, and at all of the instance where messages take time.
  public func longest(at i: InstanceID, where mayMove: (RequestID) -> Bool) -> PlacementRow? {
    guard !keepsMap else {
      var longest: PlacementRow?
      for row in told(at(i))
      where row.home == i && row.movable > longest?.movable ?? .zero && mayMove(row.request) {
        longest = row
      }
      return longest
    }
    return state.pointee.longest(at: at(i), where: mayMove)
  }

  /// Shows what an instance hosts for requests that decode elsewhere and have blocks at home too, in no order that means
  /// anything.
  public func forEachHosted(on host: InstanceID, _ body: (PlacementRow) -> Void) {
    guard !keepsMap else {
      for row in told(at(host)) where row.home != host && isAtHome(row) { body(row) }
      return
    }
    for index in state.pointee.instances[at(host)].loans {
      let loan = state.pointee.loans[Int(index)]
      guard loan.blocks > 0, state.pointee.hasBlocksAtHome(Int(loan.slot)) else { continue }
      body(state.pointee.hostedRow(of: loan))
    }
  }

  /// No more requests than this have hosted blocks on an instance. O(1).
  public func mostHosted(on host: InstanceID) -> Int {
    keepsMap ? told(at(host)).count : state.pointee.instances[at(host)].loans.count
  }

  /// Whether a request has blocks at its home too, as far as heartbeats tell.
  private func isAtHome(_ row: PlacementRow) -> Bool {
    state.pointee.gManager.views[row.home.index].row(of: row.request)?.home == row.home
  }

  /// Whether a decoding request of `home` has blocks at home and elsewhere. O(1) if none borrows; from heartbeats O(rows of
  /// all instances).
  public func isBorrowing(_ home: InstanceID) -> Bool {
    guard !keepsMap else {
      return (0..<count).contains { host in
        told(host).contains { $0.home == home && host != at(home) && isAtHome($0) }
      }
    }
    guard state.pointee.instances[at(home)].borrowers > 0 else { return false }
    var slot = state.pointee.instances[at(home)].batch.head
    while slot >= 0 {
      let s = Int(slot)
      if state.pointee.requests[s].isBorrower, state.pointee.hasBlocksAtHome(s) { return true }
      slot = state.pointee.requests[s].next
    }
    return false
  }

  /// What an instance has of a decoding request of its own, or holds for another's; `nil` if nothing. O(batch + loans), from
  /// heartbeats O(log rows).
  public func row(of request: RequestID, on i: InstanceID) -> PlacementRow? {
    guard !keepsMap else { return state.pointee.gManager.views[at(i)].row(of: request) }
    return state.pointee.row(of: request, on: at(i))
  }

  /// Landed blocks that a host holds of a request.
  public func blocks(of request: RequestID, on host: InstanceID) -> Int {
    guard !keepsMap else {
      guard let row = state.pointee.gManager.views[at(host)].row(of: request), row.home != host else {
        return 0
      }
      return row.blocks.count
    }
    for index in state.pointee.instances[at(host)].loans {
      let loan = state.pointee.loans[Int(index)]
      if loan.blocks > 0, state.pointee.requests[Int(loan.slot)].id == request.index { return loan.blocks }
    }
    return 0
  }
}

extension SimulationState {
  /// Lends the map for the length of one call.
  func withPlacementMap<Result>(_ body: (borrowing PlacementMap) -> Result) -> Result {
    withUnsafePointer(to: self) { body(PlacementMap($0)) }
  }

  // Costs are read by the state's own functions: read through a pointer they would be copied, tables and all.

  /// A decode step as a planner reckons with it, its batch spread evenly over the stages and attention at the
  /// long-context rate, ps (semantics.md 25).
  fileprivate func plannedStep(batch: Int, tokens: Int, hosted: Int, remotePath: Int64) -> Int64 {
    let stages = laneCount
    let lane = (batch + stages - 1) / stages
    let attention = max(
      costs.decodeFloor + costs.contextRate * Int64((tokens + batch) / stages), remotePath)
    let merge = remotePath > 0 ? costs.mergeFloor + costs.mergePerPartial : 0
    let stage =
      costs.linearTime(tokens: lane) + costs.headTime(samples: lane) + attention + merge
      + costs.contextRate * Int64(hosted)
    return costs.iteration(
      host: costs.hostBase + costs.hostPerSequence * Int64(batch),
      gpu: Int64(stages) * (stage + costs.handoff(tokens: lane)))
  }

  fileprivate func remotePath(over link: LinkCosts, tokens: Int) -> Int64 {
    costs.remotePath(over: link, queries: 1, tokens: tokens)
  }

  func linkFits(_ link: LinkCosts, queries: Int, batch: Int) -> Bool {
    costs.overlapped(over: link, queries: queries) <= costs.linearTime(tokens: batch)
  }

  fileprivate func hasBlocksAtHome(_ slot: Int) -> Bool {
    requests[slot].phase == .decoding
      && (localBlocks(of: slot, steps: 0) > 0
        || localBlocks(of: slot, steps: progress(of: requests[slot].home).started) > 0)
  }
}
