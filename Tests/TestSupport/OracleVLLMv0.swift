import Sim

/// vLLM 0.4–0.6 without chunked prefill: prompts first and whole, never in one step with decoding (S9).
extension Oracle {
  mutating func decideVLLMv0(_ i: Int) {
    let decodesNext = instances[i].decodesNext
    instances[i].decodesNext = false
    if let r = partialPrompt(i) {
      // S19: a distributed prompt goes on, chunk by chunk. 14.6: between chunks the others decode once.
      if decodesNext, startDecode(i) { return }
      if partialPrompt(i) == r { return startChunkAlone(r) }
    } else {
      if startPrefill(i) { return }
      if startDecode(i) { return }
    }
    // A10: nobody is left running, so the queue is packed once more.
    if instances[i].running.isEmpty { _ = startPrefill(i) }
  }

  /// The request whose prompt is computed in chunks.
  private func partialPrompt(_ i: Int) -> Int? {
    instances[i].running.first { requests[$0].state == .prefilling }
  }

  /// A10: a decode step of all that run, if they find their blocks. False if nobody is left.
  private mutating func startDecode(_ i: Int) -> Bool {
    growRunning(i)
    let decoding = instances[i].running.filter { requests[$0].state == .decoding }
    guard !decoding.isEmpty else { return false }
    startStep(i, decoding: decoding, chunks: [])
    return true
  }

  /// A8, A9: packs prompts from the head of the queue and starts their step. False if none could be packed.
  private mutating func startPrefill(_ i: Int) -> Bool {
    var blocked: Int?
    defer { noteBlocked(blocked, on: i) }

    var chunks: [OracleChunk] = []
    while let r = instances[i].queue.first {
      let length = requests[r].length
      let need = blocks(length)
      // S10: vLLM ends a prompt above the budget. Reading: when it is at the head, before any other test.
      if engine.overBudget == .ignore, length > engine.maxNumBatchedTokens {
        reject(r, .overBudget)
        continue
      }
      // A9: it can never be admitted.
      if need > (lends ? topology.count * (capacity - watermark) + watermark : capacity - watermark) {
        reject(r, .outgrewCapacity)
        continue
      }
      // (i) a slot, (ii) the budget, (iii) blocks above the watermark
      guard instances[i].running.count < engine.maxNumSeqs else { break }
      guard !awaitsTurn(r), !isHeldBack(r) else {
        if lends, isGiant(r) { blocked = r }
        break
      }
      let hit = cachedUnits(of: r)
      let cached = hit * sharing.unit
      guard chunks.isEmpty || fitsBudget(chunks.map(\.tokens) + [length - cached]) else { break }
      // 14.2: a long prompt is offered, if nothing has been packed.
      if chunks.isEmpty, takeOffered(r) {
        admit(r)
        startChunkAlone(r)
        return true
      }
      if available(i) - (need - blocksInUse(by: r, units: hit)) >= watermark + roomForOthers(r, on: i) {
        share(hit, with: r)
        take(need - requests[r].table.count, on: i, for: r)
        admit(r)
        requests[r].stored = cached
        chunks.append(OracleChunk(request: r, cached: cached, tokens: length - cached))
      } else if chunks.isEmpty, takeWithHosts(r) {
        // A15: a prompt that needs hosts is prefilled alone.
        admit(r)
        startChunkAlone(r)
        return true
      } else if chunks.isEmpty, giveWay(to: r) {
        continue  // 14.10: it is asked for anew
      } else {
        if chunks.isEmpty, lends, isGiant(r) { blocked = r }
        break
      }
    }
    guard !chunks.isEmpty else { return false }
    startStep(i, decoding: [], chunks: chunks)
    return true
  }

  /// A8 (ii), or A6 when prompts are padded. The first prompt is packed whatever its length.
  private func fitsBudget(_ lengths: [Int]) -> Bool {
    let total = lengths.reduce(0, +)
    guard engine.padded else { return total <= engine.maxNumBatchedTokens }
    let padded = lengths.count * (lengths.max() ?? 0)
    return padded <= engine.maxNumBatchedTokens && padded - total <= 256
  }

  /// A15: the next chunk of a prompt with hosted blocks, `budget` tokens if the hosts compute too, else all of it.
  private mutating func startChunkAlone(_ r: Int) {
    let rest = requests[r].length - requests[r].stored
    let isChunked = engine.prefillAttention == .distributed
    let chunk = OracleChunk(
      request: r, cached: requests[r].stored,
      tokens: isChunked ? min(rest, engine.maxNumBatchedTokens) : rest)
    chargeHosts(for: chunk)
    startStep(requests[r].home, decoding: [], chunks: [chunk])
    instances[requests[r].home].decodesNext = chunk.tokens < rest
  }

  /// A10, A16: before a decode step the running requests, oldest first, each find the block they need.
  private mutating func growRunning(_ i: Int) {
    var position = 0
    while position < instances[i].running.count {
      let r = instances[i].running[position]
      // A partial prompt has its blocks.
      if requests[r].state == .prefilling {
        position += 1
        continue
      }
      if findBlock(r) { position += 1 }  // else r has left, and the next one is in its place
    }
  }

  /// False if `r` itself had to go.
  private mutating func findBlock(_ r: Int) -> Bool {
    let home = requests[r].home
    while true {
      if blocks(requests[r].stored) < requests[r].table.count { return true }  // a reserved block is left
      let isNeeded = requests[r].stored % blockSize == 0
      if !isNeeded, engine.appendCheck == .exact { return true }
      if available(home) > 0 {
        if isNeeded { take(1, on: home, for: r) }
        return true
      }
      if borrowForGrowth(r) { return true }
      if yieldBlocks(to: r) == .requesterWent { return false }
    }
  }
}
