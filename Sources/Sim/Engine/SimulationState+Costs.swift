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

  private func decodeTime(_ lane: Lane, fixed: Int64) -> LaneTime {
    let context = lane.storedTokens + Int64(lane.growing)
    return LaneTime(
      at: fixed + costs.decodeFloor + costs.contextRate * context + lane.merge,
      slope: costs.contextRate * Int64(lane.growing),
      floor: max(fixed + lane.remotePath + lane.merge, costs.stageFloor))
  }

  /// The next decode steps of the whole batch: the first one's time, the increment, and for how many steps both
  /// hold: a maximum of lines is a line until two of them cross.
  mutating func decodeRun(_ i: Int) -> (run: StepRun, horizon: Int64) {
    let base = i * laneCount
    var longest = LaneTime(at: 0, slope: 0, floor: 0)
    var horizon = Int64.max
    var mostTokens = 0
    if laneCount == 1 {
      let decoders = lanes[base].decoders
      mostTokens = decoders
      longest = decodeTime(
        lanes[base], fixed: costs.linear(tokens: decoders) + costs.head(samples: decoders))
    } else {
      var times = ContiguousArray<LaneTime>()
      for lane in base..<(base + laneCount) where lanes[lane].decoders > 0 {
        let decoders = lanes[lane].decoders
        mostTokens = max(mostTokens, decoders)
        let time = decodeTime(
          lanes[lane], fixed: costs.linear(tokens: decoders) + costs.head(samples: decoders))
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
    var first =
      costs.hostBase + costs.hostPerSequence * Int64(sequences)
      + stages * (longest.value + hostedCharge(of: i)) + stages * costs.handoff(tokens: mostTokens)
    var increment = stages * longest.currentSlope
    stretch(i, &first, &increment)
    return (StepRun(first: max(1, first), increment: increment), horizon)
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
      var attention: Int64 = 0
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
      let fixed = costs.linear(tokens: tokens) + costs.head(samples: samples) + attention
      let time = decoders > 0 ? decodeTime(lanes[base + lane], fixed: fixed).value : max(fixed, costs.stageFloor)
      longest = max(longest, time)
      mostTokens = max(mostTokens, tokens)
    }
    guard sequences > 0 else { return 1 }
    let stages = Int64(laneCount)
    var first =
      costs.hostBase + costs.hostPerSequence * Int64(sequences) + stages * (longest + hostedCharge(of: i))
      + stages * costs.handoff(tokens: mostTokens)
    var increment: Int64 = 0
    stretch(i, &first, &increment)
    first += instances[i].owed
    instances[i].owed = 0
    return max(1, first)
  }

  /// Prefill attention of one chunk, ps per stage.
  private mutating func prefillAttention(_ chunk: PrefillChunk) -> Int64 {
    let x = Int64(chunk.tokens)
    let c = Int64(chunk.cached)
    let overhead = costs.prefillFloor + costs.prefillTokenRate * x
    if requests[Int(chunk.slot)].isBorrower { return overhead + spreadAttention(chunk) }
    return overhead + costs.prefillPairRate * (x * c + x * (x + 1) / 2)
  }

  /// What instance `i` pays per step and stage for the blocks it hosts (`paper` coupling).
  private func hostedCharge(of i: Int) -> Int64 {
    guard lending.coupling == .paper else { return 0 }
    return costs.contextRate * Int64(instances[i].hostedBlocks * blockSize)
  }

  /// Lengthens a step by what leaves the instance: moves above the free budget (8.6 % at 32 tokens per step,
  /// linear; paper.md section 7), and under `fluid` the bandwidth that hosted attention uses.
  private func stretch(_ i: Int, _ first: inout Int64, _ increment: inout Int64) {
    if instances[i].departures > 0, lending.moveTokensPerStep > 16 {
      let penalty = Int64(86 * (lending.moveTokensPerStep - 16) / 16)
      first += first / 1000 * penalty
      increment += increment / 1000 * penalty
    }
    if lending.coupling == .fluid, instances[i].fluidLoad > 0 {
      let left = max(1, FluidCoupling.whole - instances[i].fluidLoad)
      first = FluidCoupling.scale(first, by: FluidCoupling.whole, over: left)
      increment = FluidCoupling.scale(increment, by: FluidCoupling.whole, over: left)
    }
  }
}
