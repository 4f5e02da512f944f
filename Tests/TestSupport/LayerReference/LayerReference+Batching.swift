/// A part of a prompt that a step prefills.
struct LayerChunk {
  var request: Int
  /// Tokens of the prompt that were prefilled before.
  var cached: Int
  /// Tokens that this step prefills.
  var new: Int

  /// Positions of the tokens that it prefills.
  var tokens: Range<Int> { cached..<cached + new }
}

/// What a step does.
struct LayerBatch {
  /// Requests that decode a token each.
  var decodes: [Int] = []
  var chunks: [LayerChunk] = []

  var isEmpty: Bool { decodes.isEmpty && chunks.isEmpty }
}

extension LayerReference {
  /// Takes what the next step of `instance` does from its queue and its running requests.
  mutating func nextBatch(of instance: Int) -> LayerBatch {
    switch cluster.scheduler {
    case .vllmV0: nextWholeBatch(of: instance)
    case .chunked: nextMixedBatch(of: instance)
    }
  }

  /// Prompts or decodes, `vllm-v0`.
  private mutating func nextWholeBatch(of i: Int) -> LayerBatch {
    var batch = LayerBatch()
    if instances[i].prompt == nil, let head = instances[i].waiting.first, hasSlot(i, beside: batch),
      !cluster.requests[head].hosts.isEmpty
    {
      instances[i].prompt = instances[i].waiting.removeFirst()
    }
    if instances[i].prompt != nil {
      // Alone: neither decodes nor other prompts beside it; between its chunks the others decode a token.
      let isTheirTurn = instances[i].hasChunked && !instances[i].decoding.isEmpty
      instances[i].hasChunked = !isTheirTurn
      if isTheirTurn {
        batch.decodes = instances[i].decoding
      } else {
        addPromptUnderWay(
          of: i, tokens: cluster.prefill == .distributed ? cluster.tokenBudget : .max, to: &batch)
      }
      return batch
    }
    instances[i].hasChunked = false
    var tokens = 0
    while let head = instances[i].waiting.first, hasSlot(i, beside: batch),
      cluster.requests[head].hosts.isEmpty
    {
      let prompt = cluster.requests[head].prompt
      guard batch.chunks.isEmpty || tokens + prompt <= cluster.tokenBudget else { break }
      tokens += prompt
      instances[i].waiting.removeFirst()
      batch.chunks.append(LayerChunk(request: head, cached: 0, new: prompt))
    }
    if batch.chunks.isEmpty { batch.decodes = instances[i].decoding }
    return batch
  }

  /// Decodes and what prompts the budget has room for, `chunked`.
  private mutating func nextMixedBatch(of i: Int) -> LayerBatch {
    var batch = LayerBatch()
    batch.decodes = instances[i].decoding
    var left = cluster.tokenBudget - batch.decodes.count
    while left > 0 {
      if instances[i].prompt == nil {
        guard !instances[i].waiting.isEmpty, hasSlot(i, beside: batch) else { break }
        instances[i].prompt = instances[i].waiting.removeFirst()
      }
      left -= addPromptUnderWay(of: i, tokens: left, to: &batch)
    }
    return batch
  }

  /// Adds the next chunk of the prompt under way, which no longer is if that ends it. Says how many tokens it has.
  @discardableResult
  private mutating func addPromptUnderWay(of i: Int, tokens: Int, to batch: inout LayerBatch) -> Int {
    guard let request = instances[i].prompt else { return 0 }
    let cached = states[request].prefilled
    let new = min(tokens, cluster.requests[request].prompt - cached)
    batch.chunks.append(LayerChunk(request: request, cached: cached, new: new))
    if cached + new == cluster.requests[request].prompt { instances[i].prompt = nil }
    return new
  }

  /// Whether one more request may run beside those that do and those that `batch` begins.
  private func hasSlot(_ i: Int, beside batch: LayerBatch) -> Bool {
    instances[i].decoding.count + batch.chunks.count < cluster.mostSequences
  }
}
