/// One iteration of an instance: requests that decode, prompts that are prefilled, or both.
public struct Iteration: Hashable, Sendable {
  /// Requests that decode a token each.
  public var sequences: Int
  /// Tokens that each of them attends to, the new one included.
  public var context: Int
  /// Prompts, or chunks of them, that are prefilled.
  public var prompts: Int
  /// New tokens of each prompt.
  public var newTokens: Int
  /// Tokens of each prompt that are in the cache already.
  public var cachedTokens: Int

  /// Takes any values; see `validate()`.
  public init(
    sequences: Int = 0, context: Int = 1, prompts: Int = 0, newTokens: Int = 1, cachedTokens: Int = 0
  ) {
    self.sequences = sequences
    self.context = context
    self.prompts = prompts
    self.newTokens = newTokens
    self.cachedTokens = cachedTokens
  }

  /// Throws unless the iteration does something and its sizes are within 2^24 sequences and 2^30 tokens of context.
  public func validate() throws(IterationError) {
    let bounds = [
      ("sequences", sequences, 0...(1 << 24)), ("context", context, 1...(1 << 30)),
      ("prompts", prompts, 0...(1 << 24)), ("new tokens", newTokens, 1...(1 << 30)),
      ("cached tokens", cachedTokens, 0...(1 << 30)),
      ("tokens of the iteration", sequences + prompts * newTokens, 1...(1 << 30)),
    ]
    for (what, found, range) in bounds where !range.contains(found) {
      throw IterationError(what: what, found: found, least: range.lowerBound, most: range.upperBound)
    }
  }

  /// The share of one of `stages` pipeline stages that has most to do: requests are dealt out evenly.
  func share(of stages: Int) -> Iteration {
    var share = self
    share.sequences = (sequences + stages - 1) / stages
    share.prompts = (prompts + stages - 1) / stages
    return share
  }

  /// Tokens that go through the layers.
  var tokens: Int { sequences + prompts * newTokens }
}

/// A size of an iteration that is out of range.
public struct IterationError: Error, Hashable, CustomStringConvertible {
  public var what: String
  public var found: Int
  public var least: Int
  public var most: Int

  /// One sentence: what was found and what was expected.
  public var description: String { "\(what): \(found), expected \(least) to \(most)" }
}

/// The parts of an iteration's time as an engine charges them, ps; those of a stage are of the fullest one.
struct IterationParts {
  /// Layers without attention, embedding and LM head, per stage.
  var fixed: Int128
  /// Decode attention, per stage.
  var decode: Int128
  /// Prefill attention, per stage.
  var prefill: Int128
  /// What a stage waits for its launches, per stage.
  var idle: Int128
  /// Handing on, per stage.
  var handoff: Int128
  /// The CPU, once; what the GPUs wait for it where it works beside them.
  var host: Int128
  /// All stages, hand-offs and the host.
  var total: Int128
}

extension InstanceCosts {
  /// What a step of an instance that does only this takes, ps: the composition of the engine, without lending.
  /// `nil` beyond what the engine's clock can hold (about 13 days).
  public func time(of iteration: Iteration) -> Int64? {
    let total = parts(of: iteration).total
    return total <= 1 << 60 ? Int64(total) : nil
  }

  func parts(of iteration: Iteration) -> IterationParts {
    let share = iteration.share(of: stages)
    let fixed = Int128(linearTime(tokens: share.tokens) + headTime(samples: share.sequences + share.prompts))
    let reach = min(share.context, window)
    var decode: Int128 = 0
    if share.sequences > 0 {
      decode = Int128(decodeTime(sequences: share.sequences, context: Int64(share.sequences * reach)))
      if let longest {
        decode = max(decode, Int128(longest.time(sequences: share.sequences, context: Int64(reach))))
      }
    }
    var prefill: Int128 = 0
    if share.prompts > 0 {
      let pairs = pairs(new: share.newTokens, cached: share.cachedTokens)
      let each = Int128(prefillTokenRate) * Int128(share.newTokens) + Int128(prefillPairRate) * pairs
      let longest = min(share.cachedTokens + share.newTokens, window)
      prefill =
        Int128(prefillFloor) + Int128(share.prompts) * each + Int128(prefillReachRate) * Int128(longest)
    }
    let busy = fixed + decode + prefill
    let idle = max(0, Int128(share.prompts > 0 ? prefillStageFloor : stageFloor) - busy)
    let handoff = Int128(handoff(tokens: share.tokens))
    let gpu = Int128(stages) * (busy + idle + handoff)
    var host = Int128(hostBase) + Int128(hostPerSequence) * Int128(iteration.sequences + iteration.prompts)
    if overlapsHost { host = max(0, host - gpu) }
    return IterationParts(
      fixed: fixed, decode: decode, prefill: prefill, idle: idle, handoff: handoff, host: host,
      total: host + gpu)
  }
}
