import Sim

/// Sarathi / vLLM v1: decode first, then prompt chunks within a token budget (C1–C9, A12–A14).
extension Oracle {
  mutating func decideChunked(_ i: Int) {
    let preemptionsBefore = statistics.preemptions

    // Decoders, oldest first, exact need.
    for r in instances[i].running where requests[r].state == .decoding { findBlocks(r, tokens: 1) }
    // The decoders that are left. (A partial prompt is looked for only now: it may have been preempted.)
    var decoding = instances[i].running.filter { requests[$0].state == .decoding }
    var chunks: [OracleChunk] = []

    // Then the partial prompt, with what is left of the budget. One shortage later a decoder may be gone too.
    if let r = instances[i].running.first(where: { requests[$0].state == .prefilling }) {
      let rest = requests[r].length - requests[r].stored
      let tokens = min(rest, engine.maxNumBatchedTokens - decoding.count)
      if findBlocks(r, tokens: tokens) {
        chunks.append(OracleChunk(request: r, cached: requests[r].stored, tokens: tokens))
      }
      decoding = decoding.filter { requests[$0].state == .decoding }
    }

    // A13: admissions only if nobody was preempted, or if nothing else is left to do.
    if statistics.preemptions == preemptionsBefore || (decoding.isEmpty && chunks.isEmpty) {
      admitChunks(i, decoding: decoding.count, chunks: &chunks)
    }
    guard !decoding.isEmpty || !chunks.isEmpty else { return }
    for chunk in chunks { chargeHosts(for: chunk) }
    startStep(i, decoding: decoding, chunks: chunks)
  }

  /// C3: the blocks that raise the stored length of `r` by `tokens`, all or nothing. False if `r` itself had to go.
  @discardableResult
  private mutating func findBlocks(_ r: Int, tokens: Int) -> Bool {
    let home = requests[r].home
    // An older requester's shortage may have sent it away already.
    guard requests[r].state == .decoding || requests[r].state == .prefilling else { return false }
    while true {
      let need = blocks(requests[r].stored + tokens) - requests[r].table.count
      if need <= 0 { return true }
      if need <= available(home) {
        take(need, on: home, for: r)
        return true
      }
      if requests[r].state == .decoding {
        if borrowForGrowth(r) { return true }
      } else if takeRestWithHosts(r) {
        // A13: a partial prompt short of blocks takes what is free at home and borrows the rest of its blocks.
        return true
      }
      if yieldBlocks(to: r) == .requesterWent { return false }
    }
  }

  /// A13, C4: admits from the head while budget and slots remain.
  private mutating func admitChunks(_ i: Int, decoding: Int, chunks: inout [OracleChunk]) {
    var blocked: Int?
    defer { noteBlocked(blocked, on: i) }

    while let r = instances[i].queue.first {
      let length = requests[r].length
      // A9 with A12: it can never be admitted, not even alone, where no watermark binds.
      let most = lends ? topology.count * (capacity - watermark) + watermark : capacity
      if blocks(length) > most {
        reject(r, .outgrewCapacity)
        continue
      }
      let left = engine.maxNumBatchedTokens - decoding - chunks.reduce(0) { $0 + $1.tokens }
      guard left > 0, instances[i].running.count < engine.maxNumSeqs else { break }
      guard !awaitsTurn(r), !isHeldBack(r) else {
        if lends, isGiant(r) { blocked = r }
        break
      }
      // A prompt with hosts shares nothing: all of it is computed. 14.2: a long one is offered first.
      let all = min(length, left)
      if takeOffered(r) {
        admit(r)
        chunks.append(OracleChunk(request: r, cached: 0, tokens: all))
        if all < length { break }
        continue
      }
      let hit = cachedUnits(of: r)
      let cached = hit * sharing.unit
      let tokens = min(length - cached, left)
      let binding = instances[i].running.isEmpty ? 0 : watermark
      // What others use already needs no memory.
      let tested = blocks(engine.reserveISL ? length : cached + tokens) - blocksInUse(by: r, units: hit)
      if available(i) - binding - roomForOthers(r, on: i) >= tested {
        share(hit, with: r)
        take(blocks(cached + tokens) - requests[r].table.count, on: i, for: r)
        admit(r)
        requests[r].stored = cached
        chunks.append(OracleChunk(request: r, cached: cached, tokens: tokens))
        if cached + tokens < length { break }
        continue
      }
      if !takeWithHosts(r) {
        if giveWay(to: r) { continue }  // 14.10: it is asked for anew
        if lends, isGiant(r) { blocked = r }
        break
      }
      admit(r)
      chunks.append(OracleChunk(request: r, cached: 0, tokens: all))
      if all < length { break }
    }
  }
}
