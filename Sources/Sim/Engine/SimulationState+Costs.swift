/// What a step costs, from the integer coefficients of `InstanceCosts` (semantics.md 4, 5, 14, 16).
extension SimulationState {
  /// One lane's time as a function of the step j: max(at + slope·j, floor), all in ps.
  private struct LaneTime {
    var at: Int64
    var slope: Int64
    var floor: Int64
    var value: Int64 { max(at, floor) }
    var currentSlope: Int64 { at >= floor ? slope : 0 }
  }

  private func decodeTime(_ lane: Lane, fixed: Int64, slowdown: Slowdown) -> LaneTime {
    let context = lane.storedTokens + Int64(lane.growing)
    let rate = slowdown.scale(costs.contextRate)
    return LaneTime(
      at: slowdown.scale(fixed + costs.decodeFloor + lane.merge) + rate * context,
      slope: rate * Int64(lane.growing),
      floor: max(slowdown.scale(fixed + lane.remotePath + lane.merge), costs.stageFloor))
  }

  /// The next decode steps of the whole batch: the first one's time, the increment, and for how many steps both
  /// hold: a maximum of lines is a line until two of them cross.
  mutating func decodeRun(_ i: Int) -> (run: StepRun, horizon: Int64) {
    let base = i * laneCount
    let slowdown = slowdown(of: i)
    var longest = LaneTime(at: 0, slope: 0, floor: 0)
    var horizon = Int64.max
    var mostTokens = 0
    if laneCount == 1 {
      let decoders = lanes[base].decoders
      mostTokens = decoders
      longest = decodeTime(
        lanes[base], fixed: costs.linear(tokens: decoders) + costs.head(samples: decoders), slowdown: slowdown
      )
    } else {
      var times = ContiguousArray<LaneTime>()
      for lane in base..<(base + laneCount) where lanes[lane].decoders > 0 {
        let decoders = lanes[lane].decoders
        mostTokens = max(mostTokens, decoders)
        let time = decodeTime(
          lanes[lane], fixed: costs.linear(tokens: decoders) + costs.head(samples: decoders),
          slowdown: slowdown)
        times.append(time)
        if (time.value, time.currentSlope) > (longest.value, longest.currentSlope) { longest = time }
      }
      for other in times where other.slope > longest.currentSlope {
        horizon = min(
          horizon, (longest.value - min(other.at, longest.value)) / (other.slope - longest.currentSlope) + 1)
      }
    }
    if longest.at < longest.floor, longest.slope > 0 {
      horizon = min(horizon, (longest.floor - longest.at) / longest.slope + 1)
    }
    let stages = Int64(laneCount)
    let sequences = instances[i].batch.count
    let host = costs.hostBase + costs.hostPerSequence * Int64(sequences)
    let links = stages * (hostedCharge(of: i) + costs.handoff(tokens: mostTokens))
    let first = shipping(of: i).scale(host) + slowdown.scale(links) + stages * longest.value
    return (StepRun(first: max(1, first), increment: stages * longest.currentSlope), horizon)
  }

  /// A step that prefills `instances[i].chunks`, with the batch decoding beside it if `decodes`.
  mutating func prefillTime(_ i: Int, decodes: Bool) -> Int64 {
    let base = i * laneCount
    var longest: Int64 = 0
    var mostTokens = 0
    var sequences = decodes ? instances[i].batch.count : 0
    for lane in 0..<laneCount {
      let decoders = decodes ? lanes[base + lane].decoders : 0
      var tokens = decoders
      var samples = decoders
      var attention: Int128 = 0
      var count = 0
      var longestPrompt = 0
      if !freePrefill {
        for chunk in instances[i].chunks where requests[Int(chunk.slot)].lane == lane {
          let slot = Int(chunk.slot)
          tokens += chunk.tokens
          count += 1
          longestPrompt = max(longestPrompt, chunk.tokens)
          if chunk.cached + chunk.tokens == requests[slot].length { samples += 1 }
          attention += prefillAttention(chunk)
        }
        sequences += count
        if options.padded, !chunked, count > 1 { tokens = decoders + count * longestPrompt }
      }
      guard tokens > 0 else { continue }
      let fixed = inRange(
        Int128(costs.linear(tokens: tokens) + costs.head(samples: samples)) + attention)
      let time =
        decoders > 0
        ? decodeTime(lanes[base + lane], fixed: fixed, slowdown: .none).value : max(fixed, costs.stageFloor)
      longest = max(longest, time)
      mostTokens = max(mostTokens, tokens)
    }
    guard sequences > 0 else { return 1 }
    let stages = Int64(laneCount)
    let host = costs.hostBase + costs.hostPerSequence * Int64(sequences)
    let gpu = inRange(
      Int128(stages) * Int128(longest + hostedCharge(of: i) + costs.handoff(tokens: mostTokens)))
    let owed = instances[i].owed
    instances[i].owed = 0
    return max(1, shipping(of: i).scale(host) + slowdown(of: i).scale(gpu) + owed)
  }

  /// Prefill attention of one chunk, ps per stage.
  private mutating func prefillAttention(_ chunk: PrefillChunk) -> Int128 {
    let x = Int128(chunk.tokens)
    let c = Int128(chunk.cached)
    let overhead = Int128(costs.prefillFloor) + Int128(costs.prefillTokenRate) * x
    if requests[Int(chunk.slot)].isBorrower { return overhead + spreadAttention(chunk) }
    return overhead + Int128(costs.prefillPairRate) * (x * c + x * (x + 1) / 2)
  }

  /// A time of one step in picoseconds, if the clock can hold it; otherwise the run ends with an error.
  mutating func inRange(_ picoseconds: Int128) -> Int64 {
    if picoseconds <= Self.longestStep { return Int64(picoseconds) }
    isBeyondRange = true
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
  /// step, linear; paper.md section 7).
  private func shipping(of i: Int) -> Slowdown {
    guard instances[i].departures > 0, lending.moveTokensPerStep > 16 else { return .none }
    return Slowdown(numerator: Int128(16_000 + 86 * (lending.moveTokensPerStep - 16)), denominator: 16_000)
  }

  /// What lengthens the GPUs' part of a step: besides, under `fluid`, the bandwidth that hosted attention uses.
  private func slowdown(of i: Int) -> Slowdown {
    var slowdown = shipping(of: i)
    if lending.coupling == .fluid, instances[i].hostedBlocks > 0 {
      slowdown.numerator *= Int128(FluidShare.whole)
      slowdown.denominator *= Int128(FluidShare.whole - fluidLoad(of: i))
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
  var numerator: Int128
  var denominator: Int128

  static var none: Slowdown { Slowdown(numerator: 1, denominator: 1) }

  func scale(_ picoseconds: Int64) -> Int64 {
    if numerator == denominator { return picoseconds }
    return Int64((Int128(picoseconds) * numerator + denominator - 1) / denominator)
  }
}

/// Shares of an instance's memory bandwidth, in fixed point.
private enum FluidShare {
  static let whole: Int64 = 1 << 20
  /// The most that debtors may use (Assumed: a host never stops altogether).
  static let most: Int64 = whole * 9 / 10
}
