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
      instances[i].windowFillers.insert(UInt64(windowClock(of: slot)) << 24 | UInt64(slot))
    }
  }

  /// The clock at which a decoding request's context, the token being written included, fills the window.
  private func windowClock(of slot: Int) -> Int64 {
    requests[slot].joinClock + Int64(costs.window - 1 - requests[slot].stored)
  }

  /// Of the requests whose context has filled the window by now, tokens leave it from now on.
  mutating func fillWindows(of i: Int) {
    while let entry = instances[i].windowFillers.min, Int64(entry >> 24) <= instances[i].clock {
      instances[i].windowFillers.removeMin()
      // A request preempted and back with the same clock has two entries.
      if instances[i].windowFillers.min == entry { continue }
      let slot = Int(entry & 0xFF_FFFF)
      if isWindowFiller(slot, entry: entry, on: i) { lanes[i * laneCount + requests[slot].lane].leaving += 1 }
    }
  }

  /// Steps before the next request fills its window.
  mutating func stepsBeforeWindow(of i: Int) -> Int64 {
    while let entry = instances[i].windowFillers.min {
      if isWindowFiller(Int(entry & 0xFF_FFFF), entry: entry, on: i) {
        return Int64(entry >> 24) - instances[i].clock
      }
      instances[i].windowFillers.removeMin()
    }
    return .max
  }

  private func isWindowFiller(_ slot: Int, entry: UInt64, on i: Int) -> Bool {
    requests[slot].phase == .decoding && requests[slot].home == i
      && windowClock(of: slot) == Int64(entry >> 24)
  }
}
