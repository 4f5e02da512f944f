/// What only observers need. None of it changes the state, but for counters.
extension SimulationState {
  /// Tells the observer that `steps` steps of the run under way are over, before they are booked.
  func tellWork(_ i: Int, steps: Int64) {
    let run = instances[i].run
    var prompts = 0
    var tokens = 0
    for chunk in instances[i].chunks where chunk.slot >= 0 {
      prompts += 1
      tokens += chunk.tokens * Int(steps)
    }
    observer.worked(
      WorkRecord(
        instance: InstanceID(i), start: SimTime(picoseconds: run.start),
        end: SimTime(picoseconds: run.start + run.elapsed(steps)), steps: Int(steps),
        decoding: run.decodes ? instances[i].batch.count : 0, prompts: prompts, promptTokens: tokens,
        usedBlocks: bookedBlocks[i], hostedBlocks: instances[i].hostedBlocks))
  }

  /// Counts and tells what happened to a move.
  mutating func note(_ kind: ProtocolRecord.Kind, _ move: Move) {
    note(
      kind, move.number, request: move.order.request.index, from: move.source, to: move.destination,
      blocks: move.blocks)
  }

  mutating func note(_ kind: ProtocolRecord.Kind, _ transfer: Transfer) {
    note(
      kind, transfer.number, request: transfer.request,
      from: transfer.isRecall ? transfer.host : transfer.home,
      to: transfer.isRecall ? transfer.home : transfer.host, blocks: transfer.blocks)
  }

  /// Counts and tells what happened to the gManager.
  mutating func note(_ kind: ProtocolRecord.Kind) { note(kind, 0, request: 0, from: 0, to: 0, blocks: 0) }

  private mutating func note(
    _ kind: ProtocolRecord.Kind, _ number: Int, request: Int, from source: Int, to destination: Int,
    blocks: Int
  ) {
    metrics.managers[kind] += 1
    observer.managed(
      ProtocolRecord(
        time: SimTime(picoseconds: now), kind: kind, move: number, request: RequestID(request),
        source: InstanceID(source), destination: InstanceID(destination), blocks: blocks))
  }

  func tellChange(_ kind: RequestChange.Kind, _ slot: Int, blocks: Int) {
    observer.changed(
      RequestChange(
        time: SimTime(picoseconds: now), kind: kind, request: RequestID(requests[slot].id),
        instance: InstanceID(requests[slot].home), blocks: blocks))
  }

  /// Tells the observer what the router could see when it chose the home of `slot`, which is not queued yet.
  ///
  /// How far a run under way has come is computed only for instances that may have the most free: a run only takes blocks.
  func tellArrival(_ slot: Int) {
    let home = requests[slot].home
    let freeAtHome = freeBlocks(of: home)
    var mostFree = freeAtHome
    bookedBlocks.order.visit(below: Int64(usableBlocks - mostFree)) { i in
      assert(freeBlocks(of: i) <= usableBlocks - bookedBlocks[i])
      if instances[i].isUp { mostFree = max(mostFree, freeBlocks(of: i)) }
      return Int64(usableBlocks - mostFree)
    }
    observer.arrived(
      ArrivalRecord(
        time: SimTime(picoseconds: requests[slot].arrival), request: RequestID(requests[slot].id),
        home: InstanceID(home), load: Int(loads.time(of: home)), leastLoad: Int(loads.earliestTime),
        mostLoad: Int(-heaviest.earliestTime), queued: instances[home].queue.count, freeBlocks: freeAtHome,
        mostFreeBlocks: mostFree))
  }
}

/// Stands where there is no observer.
final class Nobody: RunObserver {
  func requestEnded(_ record: RequestRecord) {}
}
