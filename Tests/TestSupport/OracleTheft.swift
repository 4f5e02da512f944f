import Sim

/// Idle instances take waiting requests from others (S34, decisions/0014, 11 and 13).
extension Oracle {
  /// 14.13: before it decides, an instance without a queue and without a partial prompt takes the head of the longest other
  /// queue, again and again, as long as it has a slot for it and may have it.
  mutating func steal(into thief: Int) {
    guard instances[thief].queue.isEmpty, !hasPartialPrompt(thief) else { return }
    while instances[thief].running.count + instances[thief].queue.count < engine.maxNumSeqs {
      var longest: Int?
      for j in instances.indices where j != thief {
        if instances[j].queue.count > (longest.map { instances[$0].queue.count } ?? 0) { longest = j }
      }
      guard let longest, let r = instances[longest].queue.first, mayTake(r, thief) else { return }
      instances[longest].queue.removeFirst()
      noteQueue(longest)
      requests[r].home = thief
      enqueue(r)
      changes += 1
      statistics.stolen += 1
    }
  }

  /// Whether a prompt is computed there of which more is left than the step under way computes.
  private func hasPartialPrompt(_ i: Int) -> Bool {
    instances[i].running.contains { r in
      let chunk = instances[i].step?.chunks.first { $0.request == r }
      let stored = requests[r].stored + (chunk?.tokens ?? 0)
      return requests[r].state == .prefilling && stored < requests[r].length
    }
  }

  private mutating func mayTake(_ r: Int, _ thief: Int) -> Bool {
    if awaitsTurn(r) { return false }
    // 14.11: a giant need not wait for the prompt that its home computes.
    if lends, isGiant(r), hasPartialPrompt(requests[r].home) { return true }
    let queued = instances[thief].queue.reduce(0) { $0 + blocks(requests[$1].length) }
    let free = available(thief) - growth(thief) - queued
    return free - blocks(requests[r].length) >= watermark + roomForOthers(r, on: thief) && !isHeldBack(r)
  }

  /// Under `chunked`: blocks at home that the decoding requests of `i` which grow there need in the step to come.
  private func growth(_ i: Int) -> Int {
    guard engine.kind == .chunked else { return 0 }
    return instances[i].running.filter { r in
      requests[r].state == .decoding && blocks(requests[r].stored + 1) > requests[r].table.count
        && requests[r].table.last?.instance == i
    }.count
  }
}
