/// Sliding windows: a token attends to the last `window` tokens of its context, itself included, so a context's cost
/// stops growing when it fills the window. A lane counts the tokens outside (`unattended`) and the requests for which
/// they grow with every step (`leaving`); a run of steps ends when the next context fills its window.
extension SimulationState {
  /// A request's part in what lies outside the sliding window, the token being written included.
  mutating func countWindow(_ slot: Int, stored: Int, by sign: Int) {
    let i = requests[slot].home
    let lane = i * laneCount + requests[slot].lane
    let beyond = stored + 1 - costs.window
    if beyond >= 0 {
      lanes[lane].unattended += Int64(sign * beyond)
      lanes[lane].leaving += sign
    } else if sign > 0 {
      instances[i].windowFillers.insert(ClockQueue.Entry(clock: windowClock(of: slot), slot: slot))
    }
  }

  /// The clock at which a decoding request's context, the token being written included, fills the window.
  private func windowClock(of slot: Int) -> Int64 {
    requests[slot].joinClock + Int64(costs.window - 1 - requests[slot].stored)
  }

  /// Of the requests whose context has filled the window by now, tokens leave it from now on.
  mutating func fillWindows(of i: Int) {
    while let entry = instances[i].windowFillers.first, entry.clock <= instances[i].clock {
      instances[i].windowFillers.removeFirst()
      // A request preempted and back with the same clock has two entries.
      if instances[i].windowFillers.first == entry { continue }
      if isWindowFiller(entry, on: i) { lanes[i * laneCount + requests[entry.slot].lane].leaving += 1 }
    }
  }

  /// Steps before the next request fills its window.
  mutating func stepsBeforeWindow(of i: Int) -> Int64 {
    while let entry = instances[i].windowFillers.first {
      if isWindowFiller(entry, on: i) { return entry.clock - instances[i].clock }
      instances[i].windowFillers.removeFirst()
    }
    return .max
  }

  private func isWindowFiller(_ entry: ClockQueue.Entry, on i: Int) -> Bool {
    let slot = entry.slot
    return requests[slot].phase == .decoding && requests[slot].home == i
      && windowClock(of: slot) == entry.clock
  }
}
