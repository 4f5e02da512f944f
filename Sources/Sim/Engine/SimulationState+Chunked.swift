/// The `chunked` engine: decode first, then prompt chunks within a token budget (semantics.md C1–C9).
extension SimulationState {
  mutating func decideChunked(_ i: Int) {
    let preemptions = metrics.preemptions
    var somebodyLeft = false
    if !instances[i].batch.isEmpty {
      somebodyLeft = prepareDecode(i)
      evictIdle(i, used: bookedBlocks[i] + decodeNeed(i))
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
      let alike = preempted || somebodyLeft ? 1 : alikeChunks(i)
      let run = alike > 1 ? chunkRun(i, decodes: decodes, atMost: alike) : nil
      if let run {
        if contends { withdrawAsks(of: i) }
        begin(i, run)
      } else {
        let time = prefillTime(i, decodes: decodes)
        begin(i, StepRun(start: now, first: time, increment: 0, count: 1, decodes: decodes))
      }
    } else if !instances[i].batch.isEmpty {
      startDecode(i, queueChanged: preempted || somebodyLeft)
    }
  }

  /// Blocks that the decode tokens of this step will take at home.
  private func decodeNeed(_ i: Int) -> Int { growth(of: i, at: instances[i].clock) }

  /// The next chunk of the partial prompt: its tokens, 0 if it found no blocks and was preempted itself. It is the
  /// youngest of its instance, but what is hosted there may be younger.
  private mutating func chunkPartial(_ i: Int, budget: Int) -> Int {
    let slot = Int(instances[i].partial)
    let tokens = min(requests[slot].length - requests[slot].stored, budget)
    if !requests[slot].isBorrower {
      let need = blocks(for: requests[slot].stored + tokens) - requests[slot].localBlocks
      while usableBlocks - bookedBlocks[i] - decodeNeed(i) < need {
        if borrowRest(slot, free: usableBlocks - bookedBlocks[i] - decodeNeed(i)) { break }
        if !yield(to: slot) { return 0 }
      }
      if !requests[slot].isBorrower { takeAtHome(slot, blocks: need) }
    }
    instances[i].chunks.append(PrefillChunk(slot: Int32(slot), tokens: tokens, cached: requests[slot].stored))
    return tokens
  }

  private mutating func admitChunks(_ i: Int, budget initialBudget: Int) {
    beginAdmission(i)
    defer { endAdmission(i) }
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
      ensureOutlook()
      guard !isHeldBack(slot) else {
        waitBehindGiant(slot)
        return
      }
      guard !awaitsTurn(slot) else {
        setWaitsForTurn(i, true)
        waitBehindGiant(slot)
        return
      }
      let hits = prefixHits(slot)
      let cached = hits.units * prefixUnit
      let tokens = min(length - cached, budget)
      let free = usableBlocks - bookedBlocks[i] - decodeNeed(i)
      let reserve = running(on: i) > 0 ? watermark : 0
      let room = roomForBatch(slot, on: i)
      let need = blocks(for: options.reserveISL ? length : cached + tokens) - sharedBlocks(hits)
      let isSpread = isSpread(slot) && borrowPrompt(slot, watermark: reserve, spreads: true)
      if !isSpread, free - reserve - room >= need {
        admit(slot, localBlocks: blocks(for: cached + tokens), hits: hits)
      } else if borrows {
        guard isSpread || borrowPrompt(slot, watermark: reserve) else {
          if makeWay(for: slot, watermark: reserve) { continue }
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

  // MARK: - Runs of chunks (semantics.md C8, C9)

  /// For how many steps from now the partial prompt gets equal chunks and nothing else can happen: each takes all of the
  /// budget that decoding leaves, so neither arrivals nor the queue matter; none of them ends the prompt or completes a
  /// request, and all find their blocks.
  private mutating func alikeChunks(_ i: Int) -> Int64 {
    guard !options.stepByStep, instances[i].chunks.count == 1, instances[i].borrowers == 0, prefixUnit == 0,
      !contends || instances[i].loans.isEmpty
    else {
      return 1
    }
    let chunk = instances[i].chunks[0]
    let slot = Int(chunk.slot)
    guard instances[i].partial == chunk.slot, !requests[slot].isBorrower,
      chunk.tokens == options.maxNumBatchedTokens - instances[i].batch.count
    else { return 1 }
    // The step before which no more than a chunk is left is run singly.
    var steps = Int64((requests[slot].length - chunk.cached - 1) / chunk.tokens)
    if !instances[i].batch.isEmpty { steps = min(steps, nextFinish(of: i) - instances[i].clock) }
    guard steps > 1 else { return 1 }
    return chunksWithRoom(i, chunk, atMost: steps)
  }

  /// Steps of which each finds its blocks: what they need together never falls, so the first shortage is found by
  /// bisection. The blocks of the first are known to be there.
  private func chunksWithRoom(_ i: Int, _ chunk: PrefillChunk, atMost limit: Int64) -> Int64 {
    let free = usableBlocks - bookedBlocks[i]
    let held = requests[Int(chunk.slot)].localBlocks
    var (enough, short) = (Int64(1), limit + 1)
    while enough + 1 < short {
      let steps = (enough + short) / 2
      let need =
        growth(of: i, steps: steps) + blocks(for: chunk.cached + Int(steps) * chunk.tokens) - held
      if need <= free { enough = steps } else { short = steps }
    }
    return enough
  }

  /// Blocks that the run's chunks have taken after the first when `steps` of its steps have started.
  func chunkBlocks(of i: Int, steps: Int64) -> Int {
    guard steps > 1 else { return 0 }
    let chunk = instances[i].chunks[0]
    return blocks(for: chunk.cached + Int(steps) * chunk.tokens) - blocks(for: chunk.cached + chunk.tokens)
  }

  /// Books `steps` chunks of the run under way as stored. Another has started, and has taken its blocks.
  mutating func bookChunks(_ i: Int, steps: Int64) {
    guard steps > 0 else { return }
    let taken = chunkBlocks(of: i, steps: steps + 1)
    let slot = Int(instances[i].chunks[0].slot)
    bookedBlocks[i] += taken
    requests[slot].localBlocks += taken
    requests[slot].stored += Int(steps) * instances[i].run.chunk
    instances[i].chunks[0].cached = requests[slot].stored
    metrics.noteUtilisation(used: bookedBlocks[i])
  }
}
