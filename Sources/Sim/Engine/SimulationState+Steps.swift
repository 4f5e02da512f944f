/// Starting, cutting short and ending steps and runs of steps.
extension SimulationState {
  /// Starts the step or run that `decide` has prepared in `instances[i].run`.
  mutating func begin(_ i: Int, _ run: StepRun) {
    precondition(run.first > 0 && run.count > 0, "a step lasts at least a picosecond")
    var run = run
    run.count = min(run.count, StepRun.mostSteps)
    let end = run.endInRange ?? cut(&run)
    if prefixUnit > 0, run.decodes {
      evictIdle(i, used: bookedBlocks[i] + growth(of: i, at: instances[i].clock))
    }
    instances[i].run = run
    instances[i].isBusy = true
    timers.set(i, to: end)
  }

  /// A run that would outlast the clock is cut; a step that does ends the simulation with an error. Returns its end.
  private mutating func cut(_ run: inout StepRun) -> Int64 {
    while run.count > 1 {
      run.count /= 2
      if let end = run.endInRange { return end }
    }
    mustEnd = true
    run.first = 1
    return run.end
  }

  /// Makes instance `i` decide again at the end of the step that is under way now, or now if it is idle.
  ///
  /// Costs are additive over any split, so cutting a run short never changes what happens in it; and a run is
  /// only ever skipped through when nothing outside could have changed it.
  mutating func touch(_ i: Int) {
    guard instances[i].isBusy else {
      markUndecided(i)
      return
    }
    guard instances[i].run.repeats, instances[i].run.count > 1 else { return }
    let started = progress(of: i).started
    guard started < instances[i].run.count else { return }
    instances[i].run.count = max(1, started)
    timers.set(i, to: instances[i].run.end)
    if instances[i].run.end == now, phase > .iterationEnded {
      metrics.events += 1
      endRun(i)
    }
  }

  /// Blocks of an instance are about to be given back: what it uses now, in steps not booked yet, may be its peak.
  mutating func noteUse(of i: Int) {
    if instances[i].isBusy { metrics.noteUtilisation(used: usedBlocks(of: i)) }
  }

  /// Brings the counters of a running instance to the start of the step under way, which becomes its last.
  mutating func settle(_ i: Int) {
    noteUse(of: i)
    touch(i)
    guard instances[i].isBusy, instances[i].run.repeats, instances[i].run.count > 1 else { return }
    let run = instances[i].run
    if run.chunk > 0 { bookChunks(i, steps: run.count - 1) }
    let elapsed = run.elapsed(run.count - 1)
    advance(i, by: run.count - 1, lasting: elapsed)
    instances[i].run.start = run.start + elapsed
    instances[i].run.first = run.duration(ofStep: run.count - 1)
    instances[i].run.count = 1
    if run.decodes {
      instances[i].lastDecodeEnd = instances[i].run.start
      instances[i].oldestToken = instances[i].run.start
    }
    evictIdle(i)
  }

  /// Books `steps` completed steps of the run under way, which took `elapsed` ps.
  private mutating func advance(_ i: Int, by steps: Int64, lasting elapsed: Int64) {
    guard steps > 0 else { return }
    if isWatched { tellWork(i, steps: steps) }
    metrics.steps += Int(steps)
    metrics.busy += Int128(elapsed)
    if instances[i].run.decodes { advanceBatch(i, by: steps) }
  }

  private mutating func advanceBatch(_ i: Int, by steps: Int64) {
    let run = instances[i].run
    // Within a run the first step waited for whatever came before it; later ones only for themselves.
    if instances[i].oldestToken != .max {
      metrics.noteStall(run.start + run.first - instances[i].oldestToken)
    }
    if steps > 1 { metrics.noteStall(run.duration(ofStep: steps - 1)) }
    bookedBlocks[i] += growth(of: i, steps: steps)
    metrics.noteUtilisation(used: bookedBlocks[i])
    for l in (i * laneCount)..<((i + 1) * laneCount) {
      lanes[l].storedTokens += Int64(lanes[l].growing) * steps
      lanes[l].unattended += Int64(lanes[l].leaving) * steps
    }
    instances[i].clock += steps
    if costs.window < .max { fillWindows(of: i) }
    metrics.emitted += instances[i].batch.count * Int(steps)
    metrics.decodeSteps += Int(steps)
  }

  /// The run of `i` is over: tokens appear, requests complete, finished prompts join the batch.
  mutating func endRun(_ i: Int) {
    let run = instances[i].run
    assert(run.end == now, "a run ends at its end")
    instances[i].isBusy = false
    timers.set(i, to: .max)
    if run.chunk > 0 {
      metrics.chunkRuns += 1
      metrics.chunkSteps += Int(run.count)
      bookChunks(i, steps: run.count - 1)
    }
    advance(i, by: run.count, lasting: now - run.start)
    if run.decodes {
      metrics.runs += 1
      evictIdle(i)
      instances[i].lastDecodeEnd = now
      instances[i].oldestToken = instances[i].batch.isEmpty ? .max : now
      completeFinished(i)
    }
    if !instances[i].chunks.isEmpty { endChunks(i) }
    markUndecided(i)
  }

  /// Ends the requests whose last token has just appeared, by ascending id.
  private mutating func completeFinished(_ i: Int) {
    guard let first = nextFinished(on: i) else { return }
    guard let second = nextFinished(on: i) else {
      leaveBatch(first)
      complete(first)
      spaceFreed(at: i)
      return
    }
    completionBuffer.removeAll(keepingCapacity: true)
    completionBuffer.append(Int32(first))
    completionBuffer.append(Int32(second))
    while let slot = nextFinished(on: i) { completionBuffer.append(Int32(slot)) }
    completionBuffer.sort { requests[Int($0)].id < requests[Int($1)].id }
    // A request preempted and back with the same finish has two entries.
    var last: Int32 = -1
    completionBuffer.removeAll { slot in
      defer { last = slot }
      return slot == last
    }
    for index in completionBuffer.indices {
      let slot = Int(completionBuffer[index])
      leaveBatch(slot)
      complete(slot)
    }
    spaceFreed(at: i)
  }

  /// Takes a request out of the finish queue of `i` whose last token has appeared.
  private mutating func nextFinished(on i: Int) -> Int? {
    while let entry = instances[i].finishers.first, entry.clock <= instances[i].clock {
      instances[i].finishers.removeFirst()
      if isFinisher(entry, on: i) { return entry.slot }
    }
    return nil
  }

  /// Whether a finish-queue entry still stands for a decoding request of `i`.
  func isFinisher(_ entry: ClockQueue.Entry, on i: Int) -> Bool {
    let slot = entry.slot
    return requests[slot].phase == .decoding && requests[slot].home == i
      && requests[slot].finishClock == entry.clock
  }

  /// Books the prompt tokens that the step has prefilled.
  private mutating func endChunks(_ i: Int) {
    // The chunks are taken out: completing a request may touch this instance. Swapped: a copy counts references.
    var chunks: ContiguousArray<PrefillChunk> = []
    swap(&instances[i].chunks, &chunks)
    var freed = false
    for index in chunks.indices where chunks[index].slot >= 0 {
      let chunk = chunks[index]
      let slot = Int(chunk.slot)
      requests[slot].stored += chunk.tokens
      if requests[slot].stored < requests[slot].length {
        instances[i].partial = chunk.slot
        continue
      }
      if instances[i].partial == chunk.slot { instances[i].partial = -1 }
      freed = finishPrefill(slot) || freed
    }
    // One or two as a rule: cheaper than `removeAll`.
    while chunks.popLast() != nil {}
    swap(&instances[i].chunks, &chunks)
    if freed { spaceFreed(at: i) }
  }
}
