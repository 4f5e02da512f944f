/// What only observers need: none of it runs without one, and none of it changes the state.
extension SimulationState {
  /// Tells the observer that `steps` steps of the run under way are over, before they are booked.
  func tellWork(_ i: Int, steps: Int64) {
    guard let observer else { return }
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
        usedBlocks: instances[i].usedBlocks, hostedBlocks: instances[i].hostedBlocks))
  }

  func tellChange(_ kind: RequestChange.Kind, _ slot: Int, blocks: Int) {
    observer?.changed(
      RequestChange(
        time: SimTime(picoseconds: now), kind: kind, request: RequestID(requests[slot].id),
        instance: InstanceID(requests[slot].home), blocks: blocks))
  }

  /// Tells the observer what the router could see when it chose the home of `slot`, which is not queued yet.
  func tellArrival(_ slot: Int) {
    guard let observer else { return }
    let home = requests[slot].home
    var record = ArrivalRecord(
      time: SimTime(picoseconds: requests[slot].arrival), request: RequestID(requests[slot].id),
      home: InstanceID(home), load: 0,
      leastLoad: .max, mostLoad: 0, queued: instances[home].queue.count, freeBlocks: 0, mostFreeBlocks: 0)
    for i in 0..<instanceCount {
      let load = running(on: i) + instances[i].queue.count
      let free = freeBlocks(of: i)
      record.leastLoad = min(record.leastLoad, load)
      record.mostLoad = max(record.mostLoad, load)
      record.mostFreeBlocks = max(record.mostFreeBlocks, free)
      if i == home {
        record.load = load
        record.freeBlocks = free
      }
    }
    observer.arrived(record)
  }
}
