/// `contended` coupling: a GPU's time is spent once, for its own layers and for others'
/// (docs/decisions/0020-a-gpus-time-is-spent-once.md).
///
/// Home and hosts meet in every layer: the home asks, a host answers between two of its own kernels, and its own step
/// takes longer by what it does for others. An instance publishes the pace of its steps, and what they ask of whom,
/// when its batch, a placement or the kind of its steps has changed; partners are charged by what was published last,
/// from their next steps on.
extension SimulationState {
  // MARK: - Waiting for hosts

  /// The remote paths of the decoders of instance `i`, by lane, with its hosts as they are now.
  mutating func refreshContendedPaths(of i: Int) {
    for lane in 0..<laneCount {
      gatherWork(of: i, lane: lane)
      let place = i * laneCount + lane
      let own = costs.linear(tokens: lanes[place].decoders) + lanes[place].merge
      var slowest: Int64 = 0
      for index in hostWork.indices {
        let item = hostWork[index]
        let work = decodeAttention(item.requests, Int64(item.tokens), longest: item.longest)
        let exchange = costs.exchange(over: exchangeLink(i, item.host), queries: item.requests)
        slowest = max(
          slowest,
          contendedPath(
            from: i, to: item.host, exchange: exchange, work: work, linear: own,
            attention: instances[i].decodeKernels.attention))
      }
      lanes[place].remotePath = slowest
    }
  }

  /// How long a home waits for a host in a step and stage: the exchange, in every layer the host's kernel under way,
  /// and the host's `work`. The home has `linear` work in the stage and `attention` of its own in a layer. Notes what
  /// is asked.
  mutating func contendedPath(
    from home: Int, to host: Int, exchange: Int64, work: Int64, linear: Int64, attention: Int64
  ) -> Int64 {
    let layers = Int64(costs.layersPerStage)
    let work = straggled(work, at: host)
    let perLayer = work / layers
    let gap = max(1, linear / layers + max(exchange / layers, attention - perLayer))
    let before = linear / 1_000 * Int64(costs.permilleBeforeAttention) / layers
    let wait = waitInLayer(at: host, of: home, gap: gap, work: perLayer, before: before)
    if let index = asks.firstIndex(where: { $0.host == host }) {
      asks[index].work += work
      // In a layer one piece comes after the other; lanes are at different stages.
      asks[index].perLayer =
        laneCount == 1 ? asks[index].perLayer + perLayer : max(asks[index].perLayer, perLayer)
    } else {
      asks.append(HostAsk(host: host, work: work, perLayer: perLayer))
    }
    return exchange + layers * wait + work
  }

  /// How long a query of `home` waits in a layer until `host` begins its `work`, ps, if it comes `gap` after the
  /// answer before and the home computes `before` until it asks.
  private func waitInLayer(at host: Int, of home: Int, gap: Int64, work: Int64, before: Int64) -> Int64 {
    let (share, perLayer) = services(of: host, besides: home)
    let pace = instances[host].pace
    let (wait, own): (Int64, Int64)
    if pace.step > 0 {
      (wait, own) = waitForOwn(of: host, share, by: home, gap: gap, work: work, before: before)
    } else {
      // Others alone: one of their pieces is met as often as it is there and is half done on average; and if that is
      // long against the home's own round, only the first query meets it, and the others find what time it leaves.
      wait = min(share.of(perLayer) / 2, share.stretch(gap + work) - gap - work)
      own = 0
    }
    // Where all of them would take more than the host has, it goes round: each home's piece, and one kernel of its own.
    return max(0, wait, min(perLayer + own - gap, share.stretch(work + own) - gap - work))
  }

  /// How long such a query waits for a kernel of the host's own, and how long one of them takes on average, ps.
  private func waitForOwn(
    of host: Int, _ share: GPUShare, by home: Int, gap: Int64, work: Int64, before: Int64
  ) -> (wait: Int64, own: Int64) {
    let pace = instances[host].pace
    let wait = pace.wait(gap: gap, beside: share)
    let layers = Int64(costs.layersPerStage * laneCount)
    func ofStep(_ time: Int64, _ part: Int64) -> Int64 {
      Int64(Int128(time) * Int128(part) / Int128(pace.step))
    }
    // While the host waits for others, or for its CPU, it answers at once.
    let working = min(pace.step, share.stretch(pace.layer) * layers)
    let own = ofStep(pace.layer / 3, working)
    guard instances[host].asked.contains(home) else { return (ofStep(wait, working), own) }
    // Two that wait for each other step by step fall into step: either both attend at the same time, or one computes
    // what comes after attention while the other waits for it. The latter is as likely as a first query that meets
    // such a kernel.
    let round = gap + work
    if pace.layer < 2 * round, round < 4 * pace.layer {
      let late = max(0, pace.after - before)
      return (max(wait, ofStep(late, min(layers * pace.after, pace.step))), own)
    }
    return (ofStep(wait, pace.step - min(pace.step, pace.idle)), own)
  }

  /// What takes `time` on a GPU that is not slow.
  private mutating func straggled(_ time: Int64, at i: Int) -> Int64 {
    let factor = instances[i].straggle
    return factor == 1_000 ? time : inRange((Int128(time) * Int128(factor) + 999) / 1_000)
  }

  /// The share of an instance's time that goes to others than `home`, and their work in a layer.
  func services(of i: Int, besides home: Int) -> (share: GPUShare, perLayer: Int64) {
    var share = GPUShare()
    var perLayer: Int64 = 0
    for index in instances[i].services.indices where instances[i].services[index].home != home {
      share += instances[i].services[index].share
      perLayer += instances[i].services[index].perLayer
    }
    return (share, perLayer)
  }

  /// Decode attention of requests that attend to `context` tokens together and to `longest` at most, ps per stage.
  @inline(never)
  private mutating func decodeAttention(_ sequences: Int, _ context: Int64, longest: Int) -> Int64 {
    guard sequences > 0 else { return 0 }
    let time = costs.decodeLine(sequences: sequences, context: context).time(context: context)
    return max(time, costs.longest?.time(sequences: sequences, context: Int64(longest)) ?? 0)
  }

  // MARK: - Publishing

  /// Whether anybody asks an instance for anything, or it asks others.
  func hasPartners(_ i: Int) -> Bool {
    !instances[i].loans.isEmpty || instances[i].borrowers > 0 || !instances[i].asked.isEmpty
  }

  /// Instance `i` had no partners and gets one: what its step under way tells of itself. Of a run of steps it is the
  /// one that has started, so that it does not matter how far the run is skipped through.
  mutating func publishFirst(_ i: Int) {
    instances[i].pace = StepPace()
    guard contends, instances[i].isBusy else { return }
    let run = instances[i].run
    let (completed, started) = progress(of: i)
    if run.repeats, started == completed { return }
    let step = run.repeats ? run.duration(ofStep: started - 1) : run.first
    var (most, decoders) = (0, 0)
    for lane in 0..<laneCount {
      let decoding = run.decodes ? lanes[i * laneCount + lane].decoders : 0
      var tokens = decoding
      if !freePrefill {
        for chunk in instances[i].chunks where chunk.slot >= 0 && requests[Int(chunk.slot)].lane == lane {
          tokens += chunk.tokens
        }
      }
      if tokens > most { (most, decoders) = (tokens, decoding) }
    }
    let sequences = (run.decodes ? instances[i].batch.count : 0) + instances[i].chunks.count
    let cpu = costs.overlapsHost ? 0 : costs.hostBase + costs.hostPerSequence * Int64(sequences)
    let gpus = max(0, step - cpu)
    let whole = Int64(Int128(gpus) * 1_000 / Int128(instances[i].straggle))
    let attention = whole / Int64(laneCount) - costs.linear(tokens: most) - costs.head(samples: decoders)
    instances[i].pace = kernels(of: i, tokens: most, attention: max(0, attention))
    instances[i].pace.step = step
    instances[i].pace.idle = step - gpus
  }

  /// The kernels of the decode steps of instance `i` as its batch and placement are now: those of the lane with the
  /// most decoders.
  mutating func noteDecodeKernels(of i: Int) {
    instances[i].decodeKernels = kernels(
      of: i, tokens: lanes[busiestLane(of: i)].decoders, attention: attentionOfDecoders(i))
  }

  /// The lane with the most decoders.
  private func busiestLane(of i: Int) -> Int {
    var lane = i * laneCount
    for other in lane..<(lane + laneCount) where lanes[other].decoders > lanes[lane].decoders { lane = other }
    return lane
  }

  /// Decode attention at home of the lane with the most decoders, ps per stage.
  mutating func attentionOfDecoders(_ i: Int) -> Int64 {
    let lane = busiestLane(of: i)
    let context = lanes[lane].storedTokens - lanes[lane].unattended + Int64(lanes[lane].growing)
    var longest = 0
    if costs.longest != nil {
      let slot = longestGrower(lane, of: i)
      if slot >= 0 { longest = storedTokens(of: slot) - requests[slot].fixedTokens + 1 }
    }
    return decodeAttention(lanes[lane].decoders, context, longest: longest)
  }

  /// The kernels of a step of instance `i` with `tokens` tokens that attends for `attention` ps of its own in a stage.
  mutating func kernels(of i: Int, tokens: Int, attention: Int64) -> StepPace {
    let layers = Int64(costs.layersPerStage)
    let attention = straggled(attention, at: i)
    let linear = straggled(costs.linear(tokens: tokens), at: i)
    let before = linear / 1_000 * Int64(costs.permilleBeforeAttention)
    return StepPace(before: before / layers, attention: attention / layers, after: (linear - before) / layers)
  }

  /// Instance `i` takes steps of these kernels from now on, in `step` each of which its GPUs work for `gpus`, and
  /// asks for `asks`. Its partners are charged anew from their next steps on, unless there is hardly a difference.
  mutating func publish(_ i: Int, _ kernels: StepPace, step: Int64, gpus: Int64) {
    defer { forgetAsks() }
    guard hasPartners(i) || !asks.isEmpty else {
      instances[i].pace = StepPace()
      instances[i].publishAt = .max
      return
    }
    notePublished(i)
    var pace = kernels
    pace.step = step
    pace.idle = max(0, step - gpus)
    if instances[i].pace.isAlike(pace), asksAsBefore(i, step: pace.step) { return }
    instances[i].pace = pace
    for index in instances[i].loans.indices {
      touchIfBusy(requests[Int(loans[Int(instances[i].loans[index])].slot)].home)
    }
    withdrawAsks(of: i)
    for ask in asks {
      instances[i].asked.append(ask.host)
      instances[ask.host].services.append(
        HostService(home: i, share: GPUShare(ask.work, in: pace.step), perLayer: ask.perLayer))
      touchWithGuests(ask.host)
    }
  }

  /// When an instance has published, and what its partners made of its steps then.
  private mutating func notePublished(_ i: Int) {
    var context: Int64 = 0
    for lane in (i * laneCount)..<((i + 1) * laneCount) { context += lanes[lane].storedTokens }
    let growth = context / Int64(8 * max(1, instances[i].batch.count))
    instances[i].publishedAt = instances[i].clock
    instances[i].publishAt = instances[i].clock + max(Self.leastEpoch, growth)
    instances[i].publishedShare = services(of: i, besides: i).share
    instances[i].publishedPath = remotePath(of: i)
  }

  /// How long the decoders of instance `i` wait for their hosts, in all stages.
  private func remotePath(of i: Int) -> Int64 {
    var path: Int64 = 0
    for lane in (i * laneCount)..<((i + 1) * laneCount) { path += lanes[lane].remotePath }
    return path
  }

  /// Decode steps after which an instance publishes again at the earliest, if only others have changed.
  private static var leastEpoch: Int64 { 16 }

  /// Sees whether the decode steps of instance `i` are to be published again although its batch is the same: contexts have
  /// grown by an eighth, or its partners take another share of it or keep it waiting otherwise. All but the first changes
  /// only where a run of steps begins anew.
  mutating func noteDue(_ i: Int) {
    let share = services(of: i, besides: i).share
    if !StepPace.isAlike(share.parts, instances[i].publishedShare.parts)
      || !StepPace.isAlike(remotePath(of: i), instances[i].publishedPath)
    {
      instances[i].publishAt = min(instances[i].publishAt, instances[i].publishedAt + Self.leastEpoch)
    }
    if instances[i].clock >= instances[i].publishAt { instances[i].epochDue = true }
  }

  /// The share of its GPUs' time that an instance works for others in steps of kernels of `layer` ps. Each kernel of its own
  /// waits for one piece of each home at most.
  func othersShare(of i: Int, layer: Int64) -> GPUShare {
    let (share, perLayer) = services(of: i, besides: i)
    return share.atMost(3 * perLayer, beside: layer)
  }

  /// Cheaper than `removeAll`, for a few as a rule.
  mutating func forgetAsks() {
    while asks.popLast() != nil {}
  }

  /// Instance `i` asks nobody for anything any more.
  mutating func withdrawAsks(of i: Int) {
    while let host = instances[i].asked.popLast() {
      instances[host].services.removeAll { $0.home == i }
      touchWithGuests(host)
    }
  }

  /// Instance `i` has become slower or faster in everything: who waits for it is charged anew.
  mutating func chargeGuestsAnew(of i: Int) {
    guard contends else { return }
    for index in instances[i].services.indices {
      instances[instances[i].services[index].home].epochDue = true
      touchIfBusy(instances[i].services[index].home)
    }
  }

  private mutating func touchIfBusy(_ i: Int) {
    if instances[i].isBusy { touch(i) }
  }

  /// What others ask of a host has changed: for itself, and for all who wait for it.
  private mutating func touchWithGuests(_ host: Int) {
    touchIfBusy(host)
    for index in instances[host].services.indices { touchIfBusy(instances[host].services[index].home) }
  }

  private func asksAsBefore(_ i: Int, step: Int64) -> Bool {
    guard instances[i].asked.count == asks.count else { return false }
    for ask in asks {
      guard let known = instances[ask.host].services.first(where: { $0.home == i }),
        StepPace.isAlike(known.share.parts, GPUShare(ask.work, in: step).parts),
        StepPace.isAlike(known.perLayer, ask.perLayer)
      else { return false }
    }
    return true
  }

  /// Instance `i` has nothing to do.
  mutating func publishIdle(_ i: Int) {
    guard instances[i].pace.step > 0, !instances[i].isBusy else { return }
    forgetAsks()
    publish(i, StepPace(), step: 0, gpus: 0)
  }
}
