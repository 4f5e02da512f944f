/// The loop: drain an instant phase by phase, then decide, once.
extension SimulationState {
  mutating func run<Source: RequestSource>(
    _ source: inout Source, onProgress: ((RunProgress) -> Void)?
  ) throws -> RunSummary {
    let total = source.info.count
    isClosedLoop = source.isClosedLoop
    var pending = try source.next()
    var previousArrival: Int64 = 0
    var untilProgress = 4096

    while true {
      var next = timers.earliestTime
      if let pending { next = min(next, pending.arrival.picoseconds) }
      if !transfers.isEmpty, let landing = transfers.min { next = min(next, landing.landing) }
      if nextMessage < next { next = nextMessage }
      let isManaging = requests.live > 0
      // Faults go on only while there is somebody to suffer: what is left then, such as an aborted transfer, concerns nobody.
      if faults.nextTime < next, pending != nil || isManaging { next = faults.nextTime }
      // Whoever still waits, waits for ever: managers only move what runs.
      if next == .max { break }
      // Heartbeats and plans likewise.
      if nextTick < next, isManaging { next = nextTick }
      if metrics.sampling.next <= next { sampleUntil(next) }
      now = next
      if nextTick < now { skipIdleTicks() }

      phase = .transferLanded
      if !transfers.isEmpty { landTransfers() }
      phase = .messageDelivered
      if nextMessage == now { deliverDueMessages() }
      phase = .iterationEnded
      endIterations()
      if faults.nextTime == now { passFaults() }
      phase = .arrival
      while let request = pending, request.arrival.picoseconds == now {
        precondition(now >= previousArrival, "arrivals never decrease")
        previousArrival = now
        arrive(request, prefix: prefixUnit > 0 ? source.prefix : [])
        metrics.events += 1
        pending = try source.next()
        if let pending, pending.arrival.picoseconds < now {
          preconditionFailure("arrivals never decrease")
        }
      }
      if nextTick == now, isManaging || requests.live > 0 { tick() }
      phase = .decision
      decide()
      if !endedRequests.isEmpty {
        for index in endedRequests { source.ended(index, at: SimTime(picoseconds: now)) }
        endedRequests.removeAll(keepingCapacity: true)
        if let request = pending { source.putBack(request) }
        pending = try source.next()
      }
      if mustEnd { throw reasonToEnd() }
      if let inspect {
        isFirstPass = false
        inspect(snapshot())
      }

      if let onProgress {
        untilProgress -= 1
        if untilProgress == 0 {
          untilProgress = 4096
          onProgress(RunProgress(ended: metrics.ended, total: total, time: SimTime(picoseconds: now)))
        }
      }
    }
    if let error = stranded() { throw error }
    precondition(requests.live == 0, "every request ends completed or rejected, and nothing is left waiting")
    precondition(
      departures.isEmpty && reservations.isEmpty,
      "every reservation ends in a transfer, a release or its expiry")
    precondition(
      (0..<instances.count).allSatisfy { instances[$0].asked.isEmpty && instances[$0].services.isEmpty },
      "who has nothing to do asks nobody for anything")
    return metrics.summary(of: self)
  }

  /// Ends every run that is over now. Ending one may cut another short at this very instant.
  mutating func endIterations() {
    while timers.earliestTime == now {
      metrics.events += 1
      endRun(timers.earliestInstance)
    }
  }

  /// Takes the decisions of an instant in ascending instance id. An idle instance that a later one wakes
  /// decides in a further pass; as each starts at most one step per instant, the passes end.
  mutating func decide() {
    isFirstPass = true
    decider = -1
    if isOutlookDue { renewOutlook() }
    while undecidedCount > 0 {
      decider = -1
      while undecidedCount > 0 {
        let i = nextUndecided(after: decider)
        if i < 0 { break }
        decider = i
        undecided[i >> 6] &= ~(UInt64(1) << UInt64(i & 63))
        undecidedCount -= 1
        if !instances[i].isBusy, instances[i].isUp { decide(i) }
      }
      isFirstPass = false
      decider = -1
      // Decisions have freed memory: those held back may start in this instant.
      if isOutlookDue { renewOutlook() }
    }
  }

  mutating func decide(_ i: Int) {
    looksAgain = false
    if steals { steal(into: i) }
    let waited = !instances[i].queue.isEmpty
    if chunked { decideChunked(i) } else { decideVLLMv0(i) }
    if contends { publishIdle(i) }
    // All that waited here has been rejected: it may steal in a further pass.
    if steals, waited, !instances[i].isBusy, instances[i].queue.isEmpty { markUndecided(i) }
  }
}
