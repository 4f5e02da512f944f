/// The `chunked` engine: decode first, then prompt chunks within a token budget (semantics.md C1–C9).
extension SimulationState {
  mutating func decideChunked(_ i: Int) {
    let preemptions = metrics.preemptions
    var somebodyLeft = false
    if !instances[i].batch.isEmpty {
      somebodyLeft = prepareDecode(i)
      evictIdle(i, used: instances[i].usedBlocks + decodeNeed(i))
    }
    var budget = options.maxNumBatchedTokens - instances[i].batch.count
    if instances[i].partial >= 0 {
      budget -= chunkPartial(i, budget: budget)
    }
    // Admissions only if nobody was preempted in this step, or if nobody is left to serve.
    let preempted = metrics.preemptions > preemptions
    if !preempted || (instances[i].batch.isEmpty && instances[i].chunks.isEmpty) {
      admitChunks(i, budget: preempted ? options.maxNumBatchedTokens : budget)
    }
    if !instances[i].chunks.isEmpty {
      let decodes = !instances[i].batch.isEmpty
      instances[i].epochDue = true
      let time = prefillTime(i, decodes: decodes)
      begin(i, StepRun(start: now, first: time, increment: 0, count: 1, decodes: decodes))
    } else if !instances[i].batch.isEmpty {
      startDecode(i, queueChanged: preempted || somebodyLeft)
    }
  }

  /// Blocks that the decode tokens of this step will take at home.
  private func decodeNeed(_ i: Int) -> Int { growth(of: i, steps: 1) }

  /// The next chunk of the partial prompt: its tokens, 0 if it found no blocks and was preempted itself. It is the
  /// youngest of its instance, but what is hosted there may be younger.
  private mutating func chunkPartial(_ i: Int, budget: Int) -> Int {
    let slot = Int(instances[i].partial)
    let tokens = min(requests[slot].length - requests[slot].stored, budget)
    if !requests[slot].isBorrower {
      let need = blocks(for: requests[slot].stored + tokens) - requests[slot].localBlocks
      while usableBlocks - instances[i].usedBlocks - decodeNeed(i) < need {
        if borrowRest(slot, free: usableBlocks - instances[i].usedBlocks - decodeNeed(i)) { break }
        if !yield(to: slot) { return 0 }
      }
      if !requests[slot].isBorrower { takeAtHome(slot, blocks: need) }
    }
    instances[i].chunks.append(PrefillChunk(slot: Int32(slot), tokens: tokens, cached: requests[slot].stored))
    return tokens
  }

  private mutating func admitChunks(_ i: Int, budget initialBudget: Int) {
    let heldBefore = beginAdmission(i)
    defer { endAdmission(i, heldBefore: heldBefore) }
    var budget = initialBudget
    while instances[i].queue.head >= 0 {
      let slot = Int(instances[i].queue.head)
      let length = requests[slot].length
      if neverFits(slot) {
        dequeue(slot)
        reject(slot, .outgrewCapacity)
        continue
      }
      guard budget > 0, running(on: i) < options.maxNumSeqs else { return }
      guard !isHeldBack(slot) else {
        waitBehindGiant(slot)
        return
      }
      let hits = prefixHits(slot)
      let cached = hits.units * prefixUnit
      let tokens = min(length - cached, budget)
      let free = usableBlocks - instances[i].usedBlocks - decodeNeed(i)
      let reserve = running(on: i) > 0 ? watermark : 0
      let need = blocks(for: options.reserveISL ? length : cached + tokens) - sharedBlocks(hits)
      let isSpread = isSpread(slot) && borrowPrompt(slot, watermark: reserve, spreads: true)
      if !isSpread, free - reserve >= need {
        admit(slot, localBlocks: blocks(for: cached + tokens), hits: hits)
      } else if borrows {
        guard isSpread || borrowPrompt(slot, watermark: reserve) else {
          waitForSpace(slot)
          return
        }
        // It shares nothing, so all of it is to be computed.
        let tokens = min(length, budget)
        instances[i].chunks.append(PrefillChunk(slot: Int32(slot), tokens: tokens, cached: 0))
        if tokens < length {
          instances[i].partial = Int32(slot)
          return
        }
        budget -= tokens
        continue
      } else {
        return
      }
      instances[i].chunks.append(PrefillChunk(slot: Int32(slot), tokens: tokens, cached: cached))
      if cached + tokens < length {
        instances[i].partial = Int32(slot)
        return
      }
      budget -= tokens
    }
  }
}
