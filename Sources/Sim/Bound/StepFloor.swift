/// What no step is cheaper than: the costs that runs charge, relaxed until they add up over requests.
///
/// A pipelined instance is taken lane by lane: a step lasts at least the mean of its lanes' stages, times the stages.
/// With `spread` above 1 attention may be shared by that many instances (see `ThroughputBound.RemoteAttention`).
final class StepFloor: Sendable {
  let window: Int
  private let instances: Double
  private let stages: Double
  /// Blocks of an instance in tokens.
  private let tokens: Double
  /// Tokens that a step can attend to at home: more than `tokens` where prefixes are shared.
  private let reach: Double
  private let mostSequences: Int
  private let budget: Int
  private let chunked: Bool
  private let spread: Int
  private let borrows: Bool
  private let freePrefill: Bool
  private let prefixUnit: Bool
  private let spreadsPrefill: Bool
  /// Whether memory is counted: not where prefixes are shared, nor where work is charged in full although several
  /// instances may share it, as it then holds memory for less time than it costs.
  private let memoryHasPrice: Bool
  private let costs: InstanceCosts
  private let hostBase: Double
  private let hostPerSequence: Double

  /// By tokens, up to the budget: the least of `linear + handoff` of as many tokens or more, ps.
  private let linear: ContiguousArray<Int64>
  /// By batch: `linear + handoff`, exact, and the least `head` of as many samples or more, ps.
  private let head: ContiguousArray<Int64>
  /// The most that a prompt token can be charged: no step of prompts costs less for each of its tokens, ps.
  private let tokenRate: Double
  /// Least LM head and host time of a sample, ps of a lane.
  private let perPrompt: Int64
  /// Attention over the contexts of a batch, by batch: the pieces of the decode line.
  private let pieces: ContiguousArray<ContiguousArray<DecodeLine>>
  /// The least time of a decode step in which some request attends to that many tokens: at context `gridContext(k)`,
  /// and the sum over all contexts below.
  private let stepAt: ContiguousArray<Int64>
  private let stepsBelow: ContiguousArray<Int128>

  init(_ configuration: SimulationConfiguration, spread: Int, borrows: Bool) {
    var costs = configuration.costs
    let engine = configuration.engine
    // A request that decodes holds a block.
    let most = max(
      1,
      min(engine.maxNumSeqs, configuration.blocksPerInstance * (borrows ? configuration.topology.count : 1)))
    window = costs.window
    instances = Double(configuration.topology.count)
    stages = Double(costs.stages)
    tokens = Double(configuration.blocksPerInstance * engine.blockSize)
    reach = tokens * (engine.prefixCaching ? Double(most) : 1)
    mostSequences = most
    budget = engine.maxNumBatchedTokens
    chunked = engine.kind == .chunked
    self.spread = spread
    self.borrows = borrows
    freePrefill = engine.prefillAttention == .free
    prefixUnit = engine.prefixCaching
    memoryHasPrice = !engine.prefixCaching && !(borrows && spread == 1)
    spreadsPrefill = spread > 1 && engine.prefillAttention == .distributed
    hostBase = Double(costs.hostBase)
    hostPerSequence = Double(costs.hostPerSequence)

    // A step has at most the budget of prompt tokens, or one prompt; under `chunked` decoders count among them.
    let largest = max(budget, most)
    var linear = ContiguousArray(repeating: Int64(0), count: largest + 1)
    for t in 1...largest { linear[t] = costs.linear(tokens: t) + costs.handoff(tokens: t) }
    var rate = Double.infinity
    for t in 1...largest { rate = min(rate, (Double(linear[t]) + hostBase / stages) / Double(t)) }
    tokenRate = rate
    for t in stride(from: largest - 1, through: 0, by: -1) where t > 0 {
      linear[t] = min(linear[t], linear[t + 1])
    }
    self.linear = linear
    var head = ContiguousArray(repeating: Int64(0), count: most + 1)
    var headRate = Double.infinity
    for b in 1...most {
      head[b] = costs.head(samples: b)
      headRate = min(headRate, Double(head[b]) / Double(b))
    }
    for b in stride(from: most - 1, to: 0, by: -1) { head[b] = min(head[b], head[b + 1]) }
    self.head = head
    perPrompt = Int64(headRate.rounded(.down)) + Int64(hostPerSequence / stages)

    var pieces: ContiguousArray<ContiguousArray<DecodeLine>> = [[]]
    for b in 1...most {
      var lines: ContiguousArray<DecodeLine> = []
      var from = Int64(b)
      while Double(from) <= reach || lines.isEmpty {
        let line = costs.decodeLine(sequences: b, context: from)
        lines.append(line)
        guard line.until < .max else { break }
        from = line.until
      }
      pieces.append(lines)
    }
    self.pieces = pieces
    self.costs = costs

    let cells = Self.cell(of: max(2, Int(tokens) * (borrows ? configuration.topology.count : 1))) + 2
    var stepAt: ContiguousArray<Int64> = []
    var below: ContiguousArray<Int128> = []
    for cell in 0..<cells {
      let context = Self.gridContext(cell)
      var least = Int64.max
      for b in 1...most {
        // The others of the batch attend to a token each, at least.
        let share = Int64((max(1, min(context, costs.window)) + b - 1) / spread)
        var attention = Self.line(pieces[b], at: share).time(context: share)
        if let longest = costs.longest {
          let own = Int64(max(1, min(context, costs.window)) / spread)
          attention = max(attention, longest.time(sequences: b, context: own))
        }
        if spread > 1 { attention = share < b ? 0 : min(attention, costs.contextRate * share) }
        least = min(least, linear[b] + head[b] + max(0, attention))
      }
      least = max(least, costs.stageFloor)
      let step = costs.hostBase + costs.hostPerSequence + Int64(costs.stages) * least
      let before =
        cell == 0
        ? 0
        : below[cell - 1] + Int128(stepAt[cell - 1]) * Int128(context - Self.gridContext(cell - 1))
      stepAt.append(step)
      below.append(before)
    }
    // A longer context is never cheaper.
    self.stepAt = stepAt
    stepsBelow = below
  }

  private static func line(_ lines: ContiguousArray<DecodeLine>, at context: Int64) -> DecodeLine {
    for line in lines where context < line.until { return line }
    return lines[lines.count - 1]
  }

  // MARK: - One request

  /// What the prefill of a prompt takes at least.
  struct Prefill {
    /// Tokens whose linear work is charged at the shared rate.
    var sharedTokens = 0
    /// Everything else, ps of a lane.
    var time: Int128 = 0
    /// Tokens held while it lasts, on average.
    var held = 0
  }

  /// Tokens of a prompt that must be computed: with prefix caching its whole units may be there already.
  private func computed(_ prompt: Int) -> Int { prefixUnit ? 1 : prompt }

  private func attention(of new: Int) -> Int128 {
    let pairs = InstanceCosts.pairs(new: new, cached: 0, window: window)
    let time = Int128(costs.prefillPairRate) * pairs
    return Int128(costs.prefillTokenRate) * Int128(new) + (spreadsPrefill ? time / Int128(spread) : time)
  }

  func prefill(prompt: Int) -> Prefill {
    guard !freePrefill else { return Prefill() }
    let new = computed(prompt)
    var work = Prefill()
    work.time = attention(of: new) + Int128(perPrompt)
    work.held = prefixUnit ? 0 : chunked ? prompt / 2 : prompt
    // Above the budget a prompt is alone in its step, or in chunks if it has hosts.
    guard new > budget, !chunked else {
      work.sharedTokens = new
      return work
    }
    let alone = aloneInStep(new) + Int64(hostBase / stages)
    if Double(alone) < tokenRate * Double(new) || !borrows {
      work.time += Int128(alone)
    } else {
      work.sharedTokens = new
    }
    return work
  }

  private func aloneInStep(_ new: Int) -> Int64 {
    costs.linearTime(tokens: new) + costs.handoff(tokens: new)
  }

  /// From its arrival to its end if it never waits, ps. A preemption may save a decode step.
  func alone(prompt: Int, output: Int, preemptions: Int) -> Int64 {
    let time =
      prefillAlone(computed(prompt)) + stepSum(upTo: prompt + output) - stepSum(upTo: prompt + 1)
      - (preemptions > 0 ? Int128(preemptions) * Int128(recomputeSaving(upTo: prompt + output)) : 0)
    return Int64(min(max(0, time), Int128(1 << 62)))
  }

  private func prefillAlone(_ new: Int) -> Int128 {
    guard !freePrefill else { return 0 }
    var chunks: Int64 { max(linear[1], Int64((tokenRate * Double(new) - hostBase / stages).rounded(.down))) }
    let work: Int64 =
      if chunked { chunks } else if new <= budget {
        self.linear[new] + head[1]
      } else if borrows { min(chunks, aloneInStep(new)) } else { aloneInStep(new) }
    return Int128(costs.hostBase + costs.hostPerSequence)
      + Int128(costs.stages) * (Int128(work + costs.prefillFloor) + attention(of: new))
  }

  /// The most by which computing a request again may be faster than the decode step whose token it emits, ps.
  private func recomputeSaving(upTo context: Int) -> Int64 {
    var saving: Int128 = 0
    for cell in 0...min(Self.cell(of: context), stepAt.count - 1) {
      let recompute = prefillAlone(computed(max(1, Self.gridContext(cell))))
      saving = max(saving, Int128(stepAt[cell]) - recompute)
    }
    return Int64(saving)
  }

  /// Contexts are gathered in cells, 16 to an octave.
  private static func cell(of context: Int) -> Int {
    guard context >= 32 else { return context }
    let octave = Int.bitWidth - 1 - context.leadingZeroBitCount
    return 32 + (octave - 5) * 16 + (context >> (octave - 4)) - 16
  }

  private static func gridContext(_ cell: Int) -> Int {
    guard cell >= 32 else { return cell }
    let octave = (cell - 32) / 16 + 5
    return (16 + (cell - 32) % 16) << (octave - 4)
  }

  /// Σ over the contexts below `context` of the least step.
  private func stepSum(upTo context: Int) -> Int128 {
    let cell = min(Self.cell(of: context), stepAt.count - 1)
    return stepsBelow[cell] + Int128(stepAt[cell]) * Int128(context - Self.gridContext(cell))
  }

  // MARK: - All requests

  /// A dual solution: the price of memory, and what a decoded token and a prompt token cost at that price.
  struct Price {
    /// λ, the share of memory in what is charged.
    var memory: Double
    /// p and q of a decoded token, ps and ps per attended token.
    var token: Double
    var context: Double
    /// θ of a prompt token, ps of a lane.
    var prompt: Double
  }

  /// The sums of a `ThroughputBound.Span` as prices multiply them.
  struct Work {
    let decodes, context, sharedTokens, prefill, sharedTokensHeld, prefillHeld: Double

    init(_ span: ThroughputBound.Span) {
      decodes = Double(span.decodes)
      context = Self.double(span.context)
      sharedTokens = Double(span.sharedTokens)
      prefill = Self.double(span.prefill)
      sharedTokensHeld = Self.double(span.sharedTokensHeld)
      prefillHeld = Self.double(span.prefillHeld)
    }

    /// The library's own conversion is generic and takes microseconds.
    private static func double(_ x: Int128) -> Double {
      Double(Int64(truncatingIfNeeded: x >> 64)) * 0x1p64 + Double(UInt64(truncatingIfNeeded: x))
    }
  }

  /// The makespan, ps, that `work` needs at a price, of which preemptions may save decode steps of `saving` ps.
  func time(of work: Work, at price: Price, saving: Double) -> Double {
    let held = stages / tokens
    let prefill =
      (1 - price.memory) * (work.prefill + price.prompt * work.sharedTokens)
      + price.memory * held * (work.prefillHeld + price.prompt * work.sharedTokensHeld)
    let decode = price.token * work.decodes + price.context * work.context
    return (prefill + max(0, decode - saving)) / instances
  }

  /// The most that recomputes may save, each the decode step whose token it emits, less what it costs itself.
  func saving(at price: Price, longestContext: Int, preemptions: Int) -> Double {
    guard preemptions > 0 else { return 0 }
    let most = Double(longestContext)
    // p + q·c − (a·c + b·c²) is concave: the most is at its vertex.
    var a = 0.0
    var b = 0.0
    if !freePrefill, !prefixUnit {
      a = (1 - price.memory) * (price.prompt + Double(costs.prefillTokenRate))
      b =
        (1 - price.memory) * Double(costs.prefillPairRate) / (2 * Double(spread))
        + price.memory * stages / tokens * price.prompt / (chunked ? 2 : 1)
      if window < .max { b = price.memory * stages / tokens * price.prompt / (chunked ? 2 : 1) }
    }
    let vertex = b > 0 ? (price.context - a) / (2 * b) : price.context > a ? most : 2
    let c = min(max(vertex, 2), most)
    return Double(preemptions) * max(0, price.token + price.context * c - a * c - b * c * c)
  }

  /// The prices that bound the makespan of `work` best, as far as a small search finds them. Every one is valid.
  func prices(
    for work: Work, requests: Int, longestContext: Int, preemptions: Int
  ) -> [Price] {
    let most = min(mostSequences, requests)
    // Batches looked at while searching; what is returned holds for all.
    var sample = Array(1...min(most, 64))
    while let last = sample.last, last < most { sample.append(min(most, last + max(1, last / 16))) }
    var found: [Price] = []
    for share in chunked ? [1, 0.9, 0.75, 0.5, 0] : [1] {
      let prompt = tokenRate * share
      let fixed = fixedTimes(prompt: prompt)
      func price(_ memory: Double, _ context: Double, _ batches: [Int]) -> Price {
        Price(
          memory: memory, token: token(memory, context, fixed, batches), context: context, prompt: prompt)
      }
      func best(_ memory: Double) -> (at: Double, value: Double) {
        Self.maximise(0...contextCeiling(memory)) { context in
          let price = price(memory, context, sample)
          return time(
            of: work, at: price,
            saving: saving(at: price, longestContext: longestContext, preemptions: preemptions))
        }
      }
      let memory = memoryHasPrice ? Self.maximise(0...1) { best($0).value }.at : 0
      for memory in Set([0, memory, memoryHasPrice ? 1 : 0]).sorted() {
        for context in [0, best(memory).at] { found.append(price(memory, context, Array(1...most))) }
      }
    }
    return found
  }

  /// The most that a unit of context could be charged.
  private func contextCeiling(_ memory: Double) -> Double {
    let rates = Double(costs.contextRate) + Double(linear[min(linear.count - 1, mostSequences)]) / tokens
    return 8 * rates * (1 + stages)
  }

  /// The largest value of a concave function on an interval, by golden sections.
  private static func maximise(_ range: ClosedRange<Double>, _ f: (Double) -> Double) -> (
    at: Double, value: Double
  ) {
    let ratio = 0.618_033_988_749_894_9
    var (low, high) = (range.lowerBound, range.upperBound)
    var a = high - ratio * (high - low)
    var b = low + ratio * (high - low)
    var (fa, fb) = (f(a), f(b))
    for _ in 0..<16 {
      if fa >= fb {
        (high, b, fb) = (b, a, fa)
        a = high - ratio * (high - low)
        fa = f(a)
      } else {
        (low, a, fa) = (a, b, fb)
        b = low + ratio * (high - low)
        fb = f(b)
      }
    }
    return fa >= fb ? (a, fa) : (b, fb)
  }

  /// By batch: the part of a step's lane that does not depend on contexts, less what prompt tokens beside it pay, ps.
  private func fixedTimes(prompt: Double) -> ContiguousArray<Double> {
    var fixed = ContiguousArray(repeating: 0.0, count: mostSequences + 1)
    for b in 1...mostSequences { fixed[b] = Double(linear[b] + head[b]) + hostBase / stages }
    guard chunked, !freePrefill else { return fixed }
    var least = Double.infinity
    for t in stride(from: linear.count - 1, through: 1, by: -1) {
      least = min(least, Double(linear[t]) - prompt * Double(t))
      if t <= mostSequences {
        fixed[t] = least + prompt * Double(t) + Double(head[t]) + hostBase / stages
      }
    }
    return fixed
  }

  /// p: the largest charge per decoded token at which no step is overcharged.
  private func token(
    _ memory: Double, _ context: Double, _ fixed: ContiguousArray<Double>, _ batches: [Int]
  ) -> Double {
    let own = 1 - memory
    let held = memory * stages / tokens
    let spread = Double(spread)
    var least = Double.infinity
    for b in batches {
      var cheapest = Double.infinity
      /// Least over C in from...to of (constant + rate·C) · (own + held·spread·C) − context·spread·C.
      func consider(_ constant: Double, _ rate: Double, _ from: Double, _ to: Double) {
        let a2 = rate * held * spread
        let a1 = rate * own + constant * held * spread - context * spread
        func at(_ c: Double) -> Double { constant * own + (a1 + a2 * c) * c }
        cheapest = min(cheapest, at(from), at(to))
        if a2 > 0 {
          let vertex = -a1 / (2 * a2)
          if vertex > from, vertex < to { cheapest = min(cheapest, at(vertex)) }
        }
      }
      let from = Double(b) / spread
      if spread > 1 {
        // Shared so thinly that nothing is known of the kernel's time; or at the rate of long contexts.
        consider(fixed[b], 0, min(from, reach), min(Double(b), reach))
        consider(fixed[b], Double(costs.contextRate), min(from, reach), reach)
      }
      for line in pieces[b] {
        let start = max(Double(line.from), Double(b))
        let end = min(Double(min(line.until, 1 << 60)), reach)
        guard start <= end else { continue }
        consider(
          fixed[b] + Double(line.base) - Double(line.rate) * Double(line.from), Double(line.rate), start, end)
      }
      if spread == 1, let longest = costs.longest {
        // The longest context is at least the mean one, and the kernel takes the greater time.
        let split = cheapest
        cheapest = .infinity
        consider(
          fixed[b] + Double(longest.time(sequences: b, context: 0)), Double(longest.rate) / Double(b),
          Double(b), max(Double(b), reach))
        cheapest = split == .infinity ? cheapest : max(split, cheapest)
      }
      // A batch that does not fit: its least step, with all memory attended to.
      if cheapest == .infinity { cheapest = fixed[b] * own - context * reach * spread }
      least = min(least, (cheapest + hostPerSequence * own * Double(b)) / Double(b))
    }
    return least
  }
}
