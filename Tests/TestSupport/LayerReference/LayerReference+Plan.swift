/// What a home asks of a host in every layer of a step: one message there, one piece of work, one message back.
struct LayerAsk {
  var host: Int
  /// Queries, and so partial results.
  var queries: Int
  /// The host's work over all layers, ps.
  var work: Int64
}

/// New keys and values that go to another instance in every layer of a step.
struct LayerShipment {
  var request: Int
  var host: Int
  var tokens: Int
}

/// What a step will do, all of it known when it begins; times are totals over all layers, ps.
struct LayerPlan {
  var embedding: Int64
  var pre: Int64
  var attention: Int64
  var merge: Int64
  var post: Int64
  var head: Int64
  var samples: Int
  var asks: [LayerAsk]
  var shipments: [LayerShipment]
  var host: Int64
  /// The least time from the first kernel to the end of the step.
  var floor: Int64
}

extension LayerReference {
  /// What a step that does `batch` costs, `free` chunks already left out.
  func plan(_ batch: LayerBatch) -> LayerPlan {
    let costs = cluster.costs
    let tokens = batch.decodes.count + batch.chunks.reduce(0) { $0 + $1.new }
    let ended = batch.chunks.count { $0.tokens.upperBound == cluster.requests[$0.request].prompt }
    let samples = batch.decodes.count + ended
    let asks = decodeAsks(batch.decodes) + batch.chunks.flatMap(prefillAsks)
    let partials = asks.reduce(0) { $0 + $1.queries }
    let sequences = Int64(batch.decodes.count + batch.chunks.count)
    return LayerPlan(
      embedding: costs.embedding(tokens), pre: costs.pre(tokens),
      attention: decodeAtHome(batch.decodes) + prefillAtHome(batch.chunks),
      merge: asks.isEmpty ? 0 : costs.mergeFloor + costs.mergePerPartial * Int64(partials),
      post: costs.post(tokens), head: samples == 0 ? 0 : costs.head(samples), samples: samples, asks: asks,
      shipments: batch.chunks.flatMap(shipments), host: costs.hostBase + costs.hostPerSequence * sequences,
      floor: batch.chunks.isEmpty ? costs.decodeStepFloor : costs.prefillStepFloor)
  }

  // MARK: - Decode attention

  /// Positions that the next token of a decoding request attends to, its own included.
  private func attended(by request: Int) -> Range<Int> {
    let context = cluster.requests[request].prompt + states[request].emitted
    return max(0, context - cluster.costs.window)..<context
  }

  /// Decode attention of requests that attend to so many tokens each; those that attend to none are not there.
  private func decode(_ contexts: [Int]) -> Int64 {
    let contexts = contexts.filter { $0 > 0 }
    guard let longest = contexts.max() else { return 0 }
    return cluster.costs.decode(contexts.count, contexts.reduce(0, +), longest)
  }

  private func decodeAtHome(_ requests: [Int]) -> Int64 {
    decode(requests.map { cluster.requests[$0].countAtHome(of: attended(by: $0)) })
  }

  /// One for each instance that holds anything that is attended to.
  private func decodeAsks(_ requests: [Int]) -> [LayerAsk] {
    instances.indices.compactMap { host in
      let contexts = requests.map { request in
        cluster.requests[request].home == host
          ? 0 : cluster.requests[request].count(of: attended(by: request), on: host)
      }
      let queries = contexts.count { $0 > 0 }
      return queries == 0 ? nil : LayerAsk(host: host, queries: queries, work: decode(contexts))
    }
  }

  // MARK: - Prefill attention

  /// Pairs of a query of `queries` and a key of `keys`, no key after its query or further back than the window.
  private func pairs(_ queries: Range<Int>, _ keys: Range<Int>) -> Int64 {
    if cluster.costs.window == .max, keys.upperBound <= queries.lowerBound + 1 {
      return Int64(queries.count * keys.count)
    }
    return queries.reduce(0) { sum, query in
      let first = max(keys.lowerBound, query + 1 - cluster.costs.window)
      return sum + Int64(max(0, min(keys.upperBound, query + 1) - first))
    }
  }

  /// Pairs of a chunk with what lies on another instance: tokens of chunks before it.
  private func pairs(of chunk: LayerChunk, on host: Int) -> Int64 {
    cluster.requests[chunk.request].positions(on: host).reduce(0) {
      $0 + pairs(chunk.tokens, $1.clamped(to: 0..<chunk.cached))
    }
  }

  /// The hosts that take part in a chunk's attention.
  private func hosts(of chunk: LayerChunk) -> [Int] {
    cluster.prefill == .distributed ? cluster.requests[chunk.request].hosts : []
  }

  /// One launch for all chunks against what lies at home; a chunk's own tokens do while it is computed.
  private func prefillAtHome(_ chunks: [LayerChunk]) -> Int64 {
    guard !chunks.isEmpty else { return 0 }
    let costs = cluster.costs
    var time = costs.prefillFloor
    var longest = 0
    for chunk in chunks {
      let request = cluster.requests[chunk.request]
      let all = pairs(chunk.tokens, 0..<chunk.tokens.upperBound)
      let away = hosts(of: chunk).reduce(0) { $0 + pairs(of: chunk, on: $1) }
      time += costs.prefillTokenRate * Int64(chunk.new) + costs.prefillPairRate * (all - away)
      // What the last of its queries attends to.
      let reached = max(0, chunk.tokens.upperBound - costs.window)..<chunk.tokens.upperBound
      let before = reached.clamped(to: 0..<chunk.cached)
      let reach = hosts(of: chunk).reduce(reached.count) { $0 - request.count(of: before, on: $1) }
      longest = max(longest, reach)
    }
    return time + costs.prefillReachRate * Int64(longest)
  }

  /// One for each instance that holds cached tokens which the chunk attends to.
  private func prefillAsks(_ chunk: LayerChunk) -> [LayerAsk] {
    hosts(of: chunk).compactMap { host in
      let pairs = pairs(of: chunk, on: host)
      let work = cluster.costs.prefillFloor + cluster.costs.prefillPairRate * pairs
      return pairs == 0 ? nil : LayerAsk(host: host, queries: chunk.new, work: work)
    }
  }

  /// One for each instance that some of the chunk's tokens belong to.
  private func shipments(_ chunk: LayerChunk) -> [LayerShipment] {
    let request = cluster.requests[chunk.request]
    return request.hosts.compactMap { host in
      let tokens = request.count(of: chunk.tokens, on: host)
      return tokens == 0 ? nil : LayerShipment(request: chunk.request, host: host, tokens: tokens)
    }
  }
}
