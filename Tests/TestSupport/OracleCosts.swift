import Sim

/// What one lane (micro-batch) of a step does.
private struct LaneWork {
  var decodes = 0
  var context = 0
  var longest = 0
  var prompts = 0
  var promptTokens = 0
  var longestPrompt = 0
  var finishing = 0
  var prefillAttention: Int64 = 0
  var reach = 0

  var tokens: Int { decodes + promptTokens }
}

extension Oracle {
  /// The duration of a step that instance `i` starts now, ps (A5).
  mutating func duration(_ i: Int, decoding: [Int], chunks: [OracleChunk]) -> Int64 {
    // A7: with free prefills only the decoding counts.
    let isFree = engine.prefillAttention == .free
    if isFree, decoding.isEmpty { return 1 }
    let chargedChunks = isFree ? [] : chunks

    var lanes = Array(repeating: LaneWork(), count: costs.stages)
    for r in decoding {
      let lane = requests[r].lane
      lanes[lane].decodes += 1
      // All stored tokens and the one being written; a token written to a hosted block does not count (A16).
      // Of those, it attends to as many as its window holds.
      let attended = min(localTokens(r, of: requests[r].stored + 1), costs.window)
      lanes[lane].context += attended
      lanes[lane].longest = max(lanes[lane].longest, attended)
    }
    // Reading: chunks ask their hosts lane by lane.
    let inOrder = lanes.indices.flatMap { lane in chargedChunks.filter { requests[$0.request].lane == lane } }
    for chunk in inOrder {
      let lane = requests[chunk.request].lane
      lanes[lane].prompts += 1
      lanes[lane].promptTokens += chunk.tokens
      lanes[lane].longestPrompt = max(lanes[lane].longestPrompt, chunk.tokens)
      if chunk.cached + chunk.tokens == requests[chunk.request].length { lanes[lane].finishing += 1 }
      let cachedHere =
        engine.prefillAttention == .distributed ? localTokens(chunk.request, of: chunk.cached) : chunk.cached
      lanes[lane].reach = max(lanes[lane].reach, min(cachedHere + chunk.tokens, costs.window))
    }
    let isPadded = engine.padded && engine.kind == .vllmV0
    // A6: padding is linear work. Reading: each lane pads its own prompts.
    let linearTokens = lanes.map {
      $0.decodes + (isPadded ? $0.prompts * $0.longestPrompt : $0.promptTokens)
    }
    // 14.5 (b): what it owes to others' prompts it computes while it waits for its hosts, if it has any.
    var owed = instances[i].owedAttention
    instances[i].owedAttention = 0
    for chunk in inOrder {
      let lane = requests[chunk.request].lane
      let linear = costs.linear(tokens: linearTokens[lane])
      let hasHosts = requests[chunk.request].hasHosted
      lanes[lane].prefillAttention += prefillAttention(of: chunk, beside: linear, owed: hasHosts ? owed : 0)
      if hasHosts { owed = 0 }
    }

    // S16: hosts are charged for reserved blocks, in each stage, and once for what they owe to others' prompts.
    let hosted = costs.contextRate * Int64(hostedBlocks(on: i) * blockSize) + owed

    var longestStage: Int64 = 0
    var mostTokens = 0
    for (index, lane) in lanes.enumerated() {
      var stage = costs.linear(tokens: linearTokens[index])
      stage += costs.head(samples: lane.decodes + lane.finishing)
      stage += lane.prefillAttention
      if lane.prompts > 0 { stage += costs.prefillFloor + costs.prefillReachRate * Int64(lane.reach) }
      if lane.decodes > 0 {
        let (remote, merge) = remoteWork(decoding.filter { requests[$0].lane == index })
        var attention = costs.decodeTime(sequences: lane.decodes, context: Int64(lane.context))
        if let longest = costs.longest {
          attention = max(
            attention,
            longest.constant + longest.perSequence * Int64(lane.decodes) + longest.rate * Int64(lane.longest))
        }
        stage += max(attention, remote) + merge
      }
      // The floor bounds the instance's own work; what it does for others comes on top.
      let floor = lane.prompts > 0 ? costs.prefillStageFloor : costs.stageFloor
      longestStage = max(longestStage, max(stage, floor) + hosted)
      mostTokens = max(mostTokens, linearTokens[index])
    }
    let sequences = decoding.count + chargedChunks.count
    let stages = Int64(costs.stages)
    let host = costs.hostBase + costs.hostPerSequence * Int64(sequences)
    let gpus = stages * longestStage + stages * costs.handoff(tokens: mostTokens)
    // C1, ADR 18: scheduling in step, or beside the step before.
    return costs.overlapsHost ? max(host, gpus) : host + gpus
  }

  /// The attention of a chunk of x tokens after c (A5; A18 if some of the request's blocks are hosted), in a step whose
  /// linear work in that lane takes `linear`, with what the home owes to others.
  /// Reading: with `home` all pairs are the home's and the write-outs still overlap with them.
  private mutating func prefillAttention(
    of chunk: OracleChunk, beside linear: Int64, owed: Int64
  ) -> Int64 {
    let r = chunk.request
    let x = chunk.tokens
    let distributed = engine.prefillAttention == .distributed
    let cachedHere = distributed ? localTokens(r, of: chunk.cached) : chunk.cached
    // Each new token meets what is cached here, the new ones before it and itself, as far as its window reaches.
    var pairs = 0
    if costs.window == .max {
      pairs = x * cachedHere + x * (x + 1) / 2
    } else {
      for token in 1...x { pairs += min(cachedHere + token, costs.window) }
    }
    var slowest = costs.prefillPairRate * Int64(pairs) + owed
    for share in hostShares(of: chunk) {
      let link = topology.link(requests[r].home, share.host)
      if distributed, share.cached > 0 {
        let messages = costs.layersPerStage * x * (costs.queryBytes + costs.partialBytes)
        let work = costs.prefillPairRate * Int64(x * share.cached)
        let path =
          Int64(costs.layersPerStage * 2) * link.latency + link.transfer(bytes: messages)
          + costs.prefillFloor + work
        // The host takes up one chunk after the other, all stages of it.
        let stages = Int64(costs.stages)
        let wait = max(0, instances[share.host].servesUntil - now)
        instances[share.host].servesUntil = now + wait + stages * work
        // 14.5 (a): the wait overlaps with the home's linear work.
        slowest = max(slowest, path + max(0, (wait + stages - 1) / stages - linear))
      }
      if share.written > 0 {
        let bytes = costs.kvBytesPerTokenPerStage * share.written
        slowest = max(slowest, link.latency + link.transfer(bytes: bytes))
      }
    }
    return costs.prefillTokenRate * Int64(x) + slowest
  }

  /// A17: the slowest remote path of the `decoding` requests of one lane, and the merging at home.
  private func remoteWork(_ decoding: [Int]) -> (remote: Int64, merge: Int64) {
    guard let first = decoding.first, decoding.contains(where: { requests[$0].hasHosted }) else {
      return (0, 0)
    }
    let home = requests[first].home
    var slowest: Int64 = 0
    var pairs = 0
    for host in instances.indices where host != home {
      let reserved = decoding.map { held($0, on: host) }.filter { $0 > 0 }
      guard !reserved.isEmpty else { continue }
      pairs += reserved.count
      let link = topology.link(home, host)
      let messages = costs.layersPerStage * reserved.count * (costs.queryBytes + costs.partialBytes)
      let path =
        Int64(costs.layersPerStage * 2) * link.latency + link.transfer(bytes: messages)
        + costs.decodeFloor + costs.contextRate * Int64(reserved.reduce(0, +) * blockSize)
      slowest = max(slowest, path)
    }
    return (slowest, costs.mergeFloor + costs.mergePerPartial * Int64(pairs))
  }
}
