/// The `vllm-v0` engine: prompts first, whole; then decode; no mixed steps (semantics.md 9–12).
extension SimulationState {
  mutating func decideVLLMv0(_ i: Int) {
    if instances[i].partial >= 0 {
      // Between the chunks of a prompt with hosts the batch decodes.
      if instances[i].batch.isEmpty || instances[i].run.decodes {
        continuePartial(i)
        return
      }
    } else {
      if packPrompts(i) { return }
      guard !instances[i].batch.isEmpty else { return }
    }
    let yielded = prepareDecode(i)
    if instances[i].batch.isEmpty {
      // Everybody yielded: what was freed may admit the head again.
      if instances[i].partial >= 0 { continuePartial(i) } else { _ = packPrompts(i) }
    } else {
      startDecode(i, queueChanged: yielded || instances[i].partial >= 0)
    }
  }

  /// Whether the newly queued head of `i` could be admitted at the end of the step under way, or takes its place in the line
  /// of the giants then.
  func mightAdmit(_ slot: Int, at i: Int) -> Bool {
    // Equal chunks leave no budget.
    if instances[i].run.chunk > 0 { return false }
    if !chunked, options.overBudget == .ignore, requests[slot].length > options.maxNumBatchedTokens {
      return true
    }
    guard running(on: i) < options.maxNumSeqs else { return false }
    if isOutlookOld { return true }
    if isHeldBack(slot) { return isGiant(slot) }
    if borrows { return true }
    // A first chunk is as short as the budget left then.
    if chunked, !options.reserveISL { return true }
    let need = blocks(for: requests[slot].length)
    return need > usableBlocks - watermark
      || hasFree(need - sharedBlocks(prefixHits(slot)) + watermark, on: i)
  }

  /// Admits prompts from the head of the queue and starts their prefill. Returns false if there was none.
  private mutating func packPrompts(_ i: Int) -> Bool {
    if instances[i].queue.isEmpty, !instances[i].isHungry, instances[i].blockedGiant == .max { return false }
    beginAdmission(i)
    defer { endAdmission(i) }
    var tokens = 0
    var packed = 0
    var longest = 0
    while instances[i].queue.head >= 0 {
      let slot = Int(instances[i].queue.head)
      let length = requests[slot].length
      if length > options.maxNumBatchedTokens, options.overBudget == .ignore {
        dequeue(slot)
        reject(slot, .overBudget)
        continue
      }
      if neverFits(slot) {
        dequeue(slot)
        reject(slot, .outgrewCapacity)
        continue
      }
      guard running(on: i) < options.maxNumSeqs else { break }
      ensureOutlook()
      guard !isHeldBack(slot) else {
        waitBehindGiant(slot)
        break
      }
      guard !awaitsTurn(slot) else {
        setWaitsForTurn(i, true)
        waitBehindGiant(slot)
        break
      }
      let hits = prefixHits(slot)
      let new = length - hits.units * prefixUnit
      if new > options.maxNumBatchedTokens, packed > 0 { break }
      if options.padded {
        let newLongest = max(longest, new)
        let padding = newLongest * (packed + 1) - tokens - new
        if packed > 0, newLongest * (packed + 1) > options.maxNumBatchedTokens || padding > 256 { break }
        longest = newLongest
      } else if packed > 0, tokens + new > options.maxNumBatchedTokens {
        break
      }
      if packed == 0, isSpread(slot), borrowPrompt(slot, watermark: watermark, spreads: true) {
        instances[i].partial = Int32(slot)
        continuePartial(i)
        return true
      }
      let need = blocks(for: length)
      let room = roomForBatch(slot, on: i)
      if usableBlocks - bookedBlocks[i] - (need - sharedBlocks(hits)) >= watermark + room {
        admit(slot, localBlocks: need, hits: hits)
        instances[i].chunks.append(PrefillChunk(slot: Int32(slot), tokens: new, cached: length - new))
        packed += 1
        tokens += new
        continue
      }
      // A prompt that needs hosts is prefilled alone.
      guard borrows, packed == 0 else { break }
      if borrowPrompt(slot, watermark: watermark) {
        instances[i].partial = Int32(slot)
        continuePartial(i)
        return true
      }
      if makeWay(for: slot, watermark: watermark) { continue }
      waitForSpace(slot)
      break
    }
    guard packed > 0 else { return false }
    startPrefill(i)
    return true
  }

  private mutating func startPrefill(_ i: Int) {
    instances[i].epochDue = true
    // Decoding stalls: its hosts have nothing to do for it meanwhile.
    if lending.coupling == .fluid { noteEpoch(i, step: 0) }
    let time = prefillTime(i, decodes: false)
    begin(i, StepRun(start: now, first: time, increment: 0, count: 1, decodes: false))
  }

  /// The next chunk of a prompt that is prefilled over several steps; decoding waits for it.
  private mutating func continuePartial(_ i: Int) {
    let slot = Int(instances[i].partial)
    let rest = requests[slot].length - requests[slot].stored
    let whole = options.prefillAttention != .distributed
    let tokens = whole ? rest : min(rest, options.maxNumBatchedTokens)
    instances[i].chunks.append(PrefillChunk(slot: Int32(slot), tokens: tokens, cached: requests[slot].stored))
    startPrefill(i)
  }

  /// Whether a queued request is too large ever to be admitted again under this policy.
  func neverFits(_ slot: Int) -> Bool {
    // Under `chunked` without lending an empty instance has no watermark (A12); with it, one that has grown into the watermark
    // of its home may take it again.
    let most =
      borrows ? admissibleBlocks + watermark : chunked ? usableBlocks : admissibleBlocks
    return blocks(for: requests[slot].length) > most
  }
}
