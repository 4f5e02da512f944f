/// What a step costs, from the integer coefficients of `InstanceCosts` (semantics.md 4, 5, 14, 16).
extension SimulationState {
  /// The lines whose maximum is the time of a stage, for the decoders of one lane, on top of `fixed` ps of other
  /// work that grows by `slope` ps a step: attention over all bytes, over the longest context where the kernel does not split, and the remote path
  /// or the launch `floor`. Returns for how many steps the first of them is straight.
  @inline(__always)
  private mutating func appendDecodeLines(
    _ lane: Int, of i: Int, fixed: Int64, slope: Int64 = 0, floor: Int64, slowdown: Slowdown
  ) -> Int64 {
    let work = lanes[lane]
    let context = work.storedTokens - work.unattended + Int64(work.growing)
    let step = Int64(work.growing - work.leaving)
    let line = costs.decodeLine(sequences: work.decoders, context: context)
    let rate = slowdown.scale(line.rate)
    costLines.append(
      CostLine(
        at: slowdown.scale(fixed + line.base + work.merge) + rate * (context - line.from),
        slope: rate * step + slope))
    if instances[i].borrowers > 0 {
      // Under `contended` coupling a wait is no work, which others' would lengthen.
      let at =
        contends
        ? slowdown.scale(fixed + work.merge) + work.remotePath
        : slowdown.scale(fixed + work.remotePath + work.merge)
      costLines.append(CostLine(at: at, slope: slope))
    }
    if floor > 0 {
      // Launches go on beside moves and hosted attention; a straggler is slow in everything.
      costLines.append(CostLine(at: Slowdown(straggle: slowdown.straggle).scale(floor), slope: 0))
    }
    if let longest = costs.longest {
      let first = costLines.count
      appendLongest(lane, of: i, longest, fixed: fixed + work.merge, slowdown: slowdown)
      for l in first..<costLines.count { costLines[l].slope += slope }
    }
    guard step > 0, line.until < .max else { return .max }
    return max(1, (line.until - context + step - 1) / step)
  }

  /// The lines of the longest context at home: of the requests that grow there, and of those that do not.
  private mutating func appendLongest(
    _ lane: Int, of i: Int, _ longest: LongestContext, fixed: Int64, slowdown: Slowdown
  ) {
    let rate = slowdown.scale(longest.rate)
    let constant = slowdown.scale(fixed + longest.time(sequences: lanes[lane].decoders, context: 0))
    let grower = longestGrower(lane, of: i)
    if grower >= 0 {
      let context = storedTokens(of: grower) - requests[grower].fixedTokens + 1
      let slope = context < costs.window ? rate : 0
      costLines.append(CostLine(at: constant + rate * Int64(min(context, costs.window)), slope: slope))
    }
    guard instances[i].borrowers > 0 else { return }
    var slot = instances[i].batch.head
    while slot >= 0 {
      let request = requests[Int(slot)]
      if request.fillsHost, i * laneCount + request.lane == lane {
        costLines.append(CostLine(at: constant + rate * Int64(request.fixedTokens), slope: 0))
      }
      slot = request.next
    }
  }

  /// The growing request of a lane with the most tokens at home, −1 if none grows. Looked for only when the last
  /// known one has left: all of them grow alike.
  mutating func longestGrower(_ lane: Int, of i: Int) -> Int {
    if lanes[lane].longest == Lane.unknown {
      lanes[lane].longest = -1
      var slot = instances[i].batch.head
      while slot >= 0 {
        noteLongest(Int(slot))
        slot = requests[Int(slot)].next
      }
    }
    return Int(lanes[lane].longest)
  }

  /// Makes a growing request the longest of its lane if it is.
  mutating func noteLongest(_ slot: Int) {
    let lane = requests[slot].home * laneCount + requests[slot].lane
    guard !requests[slot].fillsHost, lanes[lane].longest != Lane.unknown else { return }
    let known = Int(lanes[lane].longest)
    func atHome(_ slot: Int) -> Int { storedTokens(of: slot) - requests[slot].fixedTokens }
    if known < 0 || atHome(slot) > atHome(known) { lanes[lane].longest = Int32(slot) }
  }

  /// The next decode steps of the whole batch: the first one's time, the increment, and for how many steps both
  /// hold: a maximum of lines is a line until two of them cross, or one of them ends. `gpus` is the first one's time without
  /// a host that works beside it.
  mutating func decodeRun(_ i: Int) -> (run: StepRun, gpus: Int64, horizon: Int64) {
    let slowdown = slowdown(of: i, layer: instances[i].decodeKernels.layer)
    var horizon = Int64.max
    var mostTokens = 0
    if contends {
      forgetAsks()
      if instances[i].borrowers > 0 { refreshContendedPaths(of: i) }
    }
    costLines.removeAll()
    for lane in (i * laneCount)..<((i + 1) * laneCount) where lanes[lane].decoders > 0 {
      let decoders = lanes[lane].decoders
      mostTokens = max(mostTokens, decoders)
      let fixed = costs.linear(tokens: decoders) + costs.head(samples: decoders)
      let straight = appendDecodeLines(
        lane, of: i, fixed: fixed, floor: costs.stageFloor, slowdown: slowdown)
      horizon = min(horizon, straight)
    }
    let longest = longestLine(until: &horizon)
    let stages = Int64(laneCount)
    let sequences = instances[i].batch.count
    let host = costs.hostBase + costs.hostPerSequence * Int64(sequences)
    let links = stages * (hostedCharge(of: i) + costs.handoff(tokens: mostTokens))
    let gpus = CostLine(at: slowdown.scale(links) + stages * longest.at, slope: stages * longest.slope)
    let step = stepLine(host: shipping(of: i).scale(host), gpus: gpus, until: &horizon)
    let first = max(1, step.at)
    return (
      StepRun(first: first, increment: step.slope), gpus: costs.overlapsHost ? gpus.at : first, horizon
    )
  }

  /// The time of a step in which the host takes `host` and the GPUs what their line says; where they work side by side
  /// `horizon` is cut to the steps for which the longer one stays so.
  private func stepLine(host: Int64, gpus: CostLine, until horizon: inout Int64) -> CostLine {
    guard costs.overlapsHost else { return CostLine(at: host + gpus.at, slope: gpus.slope) }
    guard gpus.at < host else { return gpus }
    if gpus.slope > 0 { horizon = min(horizon, (host - gpus.at) / gpus.slope + 1) }
    return CostLine(at: host, slope: 0)
  }

  /// A step that prefills `instances[i].chunks`, with the batch decoding beside it if `decodes`.
  mutating func prefillTime(_ i: Int, decodes: Bool) -> Int64 {
    let base = i * laneCount
    var owed = instances[i].owed
    instances[i].owed = 0
    var longest: Int64 = 0
    var mostTokens = 0
    var sequences = decodes ? instances[i].batch.count : 0
    if contends {
      ownAttention = 0
      waitForHosts = 0
      forgetAsks()
      if decodes, instances[i].borrowers > 0 { refreshContendedPaths(of: i) }
    }
    for lane in 0..<laneCount {
      let decoders = decodes ? lanes[base + lane].decoders : 0
      var tokens = decoders
      var samples = decoders
      var attention: Int128 = 0
      var count = 0
      var longestPrompt = 0
      var reach = 0
      if !freePrefill {
        for index in instances[i].chunks.indices {
          let chunk = instances[i].chunks[index]
          let slot = Int(chunk.slot)
          guard requests[slot].lane == lane else { continue }
          tokens += chunk.tokens
          count += 1
          longestPrompt = max(longestPrompt, chunk.tokens)
          if chunk.cached + chunk.tokens == requests[slot].length { samples += 1 }
          let (work, seen): (Int128, Int)
          if requests[slot].isBorrower {
            (work, seen) = spreadAttention(
              chunk, owed: owed, linear: linearWork(of: i, lane: lane, decoders: decoders))
            owed = 0
          } else {
            (work, seen) = prefillAttention(chunk)
            if contends { ownAttention += work }
          }
          attention += work
          reach = max(reach, seen)
        }
        if count > 0 {
          attention += Int128(costs.prefillFloor) + Int128(costs.prefillReachRate) * Int128(reach)
        }
        sequences += count
        if options.padded, !chunked, count > 1 { tokens = decoders + count * longestPrompt }
      }
      guard tokens > 0 else { continue }
      let fixed = inRange(
        Int128(costs.linear(tokens: tokens) + costs.head(samples: samples)) + attention)
      let floor = count > 0 ? costs.prefillStageFloor : costs.stageFloor
      var time = max(fixed, floor)
      if decoders > 0 {
        costLines.removeAll()
        _ = appendDecodeLines(base + lane, of: i, fixed: fixed, floor: floor, slowdown: .none)
        for l in 0..<costLines.count { time = max(time, costLines[l].at) }
      }
      longest = max(longest, time)
      mostTokens = max(mostTokens, tokens)
    }
    guard sequences > 0 else { return 1 }
    let stages = Int64(laneCount)
    let host = costs.hostBase + costs.hostPerSequence * Int64(sequences)
    let gpu = inRange(
      Int128(stages) * Int128(longest + hostedCharge(of: i) + costs.handoff(tokens: mostTokens)))
    let cpu = shipping(of: i).scale(host)
    guard contends else {
      return max(1, costs.iteration(host: cpu, gpu: slowdown(of: i).scale(gpu) + owed))
    }
    if decodes, hasPartners(i) { ownAttention += Int128(attentionOfDecoders(i)) }
    let kernels = kernels(of: i, tokens: mostTokens, attention: inRange(ownAttention))
    let waits = inRange(Int128(stages) * waitForHosts)
    let gpus = slowdown(of: i, layer: kernels.layer).scale(gpu - waits) + waits
    let time = max(1, costs.iteration(host: cpu, gpu: gpus))
    publish(i, kernels, step: time, gpus: gpus)
    return time
  }

  /// At most `limit` steps that each prefill one chunk, all alike, of the partial prompt, with the batch decoding beside
  /// it if `decodes`: as `prefillTime`, with every line's slope. `nil` where steps are not additive: something is owed,
  /// or a rounded factor stretches them.
  mutating func chunkRun(_ i: Int, decodes: Bool, atMost limit: Int64) -> StepRun? {
    guard !freePrefill, costs.window == .max, instances[i].owed == 0, shipping(of: i).isNone,
      slowdown(of: i).isNone
    else { return nil }
    let chunk = instances[i].chunks[0]
    let (work, seen) = prefillAttention(chunk)
    let attention = work + Int128(costs.prefillFloor) + Int128(costs.prefillReachRate) * Int128(seen)
    let perChunk =
      Int128(costs.prefillPairRate) * Int128(chunk.tokens) * Int128(chunk.tokens)
      + Int128(costs.prefillReachRate) * Int128(chunk.tokens)
    // Far from the clock's range, so that no step of the run needs to be looked at.
    guard attention + perChunk * Int128(limit) < Self.longestStep / 2 else { return nil }

    let ofChunk = i * laneCount + requests[Int(chunk.slot)].lane
    var horizon = limit
    var mostTokens = 0
    costLines.removeAll()
    for lane in (i * laneCount)..<((i + 1) * laneCount) {
      let decoders = decodes ? lanes[lane].decoders : 0
      let tokens = decoders + (lane == ofChunk ? chunk.tokens : 0)
      guard tokens > 0 else { continue }
      let fixed =
        costs.linear(tokens: tokens) + costs.head(samples: decoders)
        + (lane == ofChunk ? Int64(attention) : 0)
      let slope = lane == ofChunk ? Int64(perChunk) : 0
      costLines.append(CostLine(at: fixed, slope: slope))
      let floor = lane == ofChunk ? costs.prefillStageFloor : costs.stageFloor
      costLines.append(CostLine(at: floor, slope: 0))
      if decoders > 0 {
        let straight = appendDecodeLines(
          lane, of: i, fixed: fixed, slope: slope, floor: floor, slowdown: .none)
        horizon = min(horizon, straight)
      }
      mostTokens = max(mostTokens, tokens)
    }
    let longest = longestLine(until: &horizon)
    let stages = Int64(laneCount)
    let sequences = (decodes ? instances[i].batch.count : 0) + 1
    let host = costs.hostBase + costs.hostPerSequence * Int64(sequences)
    let links = hostedCharge(of: i) + costs.handoff(tokens: mostTokens)
    let gpus = CostLine(at: stages * (longest.at + links), slope: stages * longest.slope)
    let step = stepLine(host: host, gpus: gpus, until: &horizon)
    guard horizon > 1 else { return nil }
    return StepRun(
      start: now, first: max(1, step.at), increment: step.slope, count: horizon, decodes: decodes,
      chunk: chunk.tokens)
  }

  /// The line of `costLines` that is the greatest now; `horizon` is cut to the steps for which it stays so.
  private func longestLine(until horizon: inout Int64) -> CostLine {
    var longest = CostLine(at: 0, slope: 0)
    for l in 0..<costLines.count {
      let line = costLines[l]
      if line.at > longest.at || (line.at == longest.at && line.slope > longest.slope) { longest = line }
    }
    for l in 0..<costLines.count where costLines[l].slope > longest.slope {
      let line = costLines[l]
      horizon = min(horizon, (longest.at - line.at) / (line.slope - longest.slope) + 1)
    }
    return longest
  }

  /// Prefill attention of one chunk beyond its launch, ps per stage, and the longest context that one of its tokens
  /// meets at home.
  private func prefillAttention(_ chunk: PrefillChunk) -> (work: Int128, reach: Int) {
    let perToken = Int128(costs.prefillTokenRate) * Int128(chunk.tokens)
    let pairs = costs.pairs(new: chunk.tokens, cached: chunk.cached)
    return (
      perToken + Int128(costs.prefillPairRate) * pairs, min(chunk.cached + chunk.tokens, costs.window)
    )
  }

  /// Linear work of the tokens that a lane has in the step to come, ps.
  private mutating func linearWork(of i: Int, lane: Int, decoders: Int) -> Int64 {
    var tokens = decoders
    for chunk in instances[i].chunks where requests[Int(chunk.slot)].lane == lane { tokens += chunk.tokens }
    return costs.linear(tokens: tokens)
  }

  /// A time of one step in picoseconds, if the clock can hold it; otherwise the run ends with an error.
  mutating func inRange(_ picoseconds: Int128) -> Int64 {
    if picoseconds <= Self.longestStep { return Int64(picoseconds) }
    mustEnd = true
    return 1
  }

  /// About 13 days, in picoseconds.
  private static var longestStep: Int128 { 1 << 60 }

  /// What instance `i` pays per step and stage for the blocks it hosts (`paper` coupling).
  private func hostedCharge(of i: Int) -> Int64 {
    guard lending.coupling == .paper else { return 0 }
    return costs.contextRate * Int64(instances[i].hostedBlocks * blockSize)
  }

  /// What lengthens every step of an instance: moves that leave it above the free budget (8.6 % at 32 tokens per
  /// step, linear; paper.md section 7), and what makes it a straggler.
  private func shipping(of i: Int) -> Slowdown {
    let straggle = instances[i].straggle
    guard instances[i].departures > 0, lending.moveTokensPerStep > 16 else {
      return Slowdown(straggle: straggle)
    }
    return Slowdown(
      numerator: Int64(16_000 + 86 * (lending.moveTokensPerStep - 16)), denominator: 16_000,
      straggle: straggle)
  }

  /// What lengthens the GPUs' part of a step: besides, under `fluid`, the bandwidth that hosted attention uses, and under
  /// `contended` the time, where kernels of its own take `layer` ps in a layer.
  private func slowdown(of i: Int, layer: Int64 = 0) -> Slowdown {
    var slowdown = shipping(of: i)
    if lending.coupling == .fluid, instances[i].hostedBlocks > 0 {
      slowdown.numerator *= FluidShare.whole
      slowdown.denominator *= FluidShare.whole - fluidLoad(of: i)
    }
    if contends, !instances[i].services.isEmpty {
      slowdown.others = othersShare(of: i, layer: layer)
    }
    return slowdown
  }

  // MARK: - Fluid coupling (semantics.md 17)

  /// The share of an instance's bandwidth that its debtors use at the step rates of their last epochs.
  private func fluidLoad(of i: Int) -> Int64 {
    var load: Int64 = 0
    for index in instances[i].loans {
      let loan = loans[Int(index)]
      let step = instances[requests[Int(loan.slot)].home].epochStep
      guard step > 0, loan.blocks > 0, requests[Int(loan.slot)].phase == .decoding else { continue }
      let work = Int128(costs.contextRate) * Int128(loan.blocks * blockSize) * Int128(FluidShare.whole)
      load += Int64(min(work / Int128(step), Int128(FluidShare.most)))
    }
    return min(load, FluidShare.most)
  }

  /// The home's batch or placement has changed: its hosts are charged at the new step rate from their next steps.
  mutating func noteEpoch(_ i: Int, step: Int64) {
    guard instances[i].epochStep != step else { return }
    instances[i].epochStep = step
    guard instances[i].borrowers > 0 else { return }
    var slot = instances[i].batch.head
    while slot >= 0 {
      touchHosts(of: Int(slot))
      slot = requests[Int(slot)].next
    }
  }

  /// `fluid`: the hosts of a request are charged anew from their next steps on.
  mutating func touchHosts(of slot: Int) {
    guard lending.coupling == .fluid else { return }
    var loan = requests[slot].firstLoan
    while loan >= 0 {
      touch(loans[Int(loan)].host)
      loan = loans[Int(loan)].next
    }
  }

  /// A planner tick is an epoch for everybody: the rate is that of the last step that has started.
  mutating func noteEpochs() {
    guard lending.coupling == .fluid else { return }
    for i in 0..<instanceCount where instances[i].borrowers > 0 && instances[i].run.decodes {
      let run = instances[i].run
      let started = instances[i].isBusy ? progress(of: i).started : run.count
      noteEpoch(i, step: run.duration(ofStep: max(0, started - 1)))
    }
  }
}

/// A factor ≥ 1 on the constants and the rate of a step, so that the cost stays additive over any split of a run.
private struct Slowdown {
  var numerator: Int64 = 1
  var denominator: Int64 = 1
  /// Thousandths, on top.
  var straggle: Int64 = 1_000
  /// `contended`: the share of the GPU's time that others take.
  var others = GPUShare()

  static var none: Slowdown { Slowdown() }
  var isNone: Bool { isWhole && others.parts == 0 }
  private var isWhole: Bool { numerator == denominator && straggle == 1_000 }

  @inline(__always)
  func scale(_ picoseconds: Int64) -> Int64 {
    others.stretch(isWhole ? picoseconds : scaled(picoseconds))
  }

  private func scaled(_ picoseconds: Int64) -> Int64 {
    let shared = (Int128(picoseconds) * Int128(numerator) + Int128(denominator) - 1) / Int128(denominator)
    return Int64((shared * Int128(straggle) + 999) / 1_000)
  }
}

/// A time as a function of the step j: at + slope · j, ps.
struct CostLine {
  var at: Int64
  var slope: Int64
}

/// Shares of an instance's memory bandwidth, in fixed point.
private enum FluidShare {
  static let whole: Int64 = 1 << 20
  /// The most that debtors may use (Assumed: a host never stops altogether).
  static let most: Int64 = whole * 9 / 10
}
