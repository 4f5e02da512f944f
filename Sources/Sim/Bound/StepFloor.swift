/// What no step is cheaper than: the costs that runs charge, relaxed until they add up over requests.
///
/// A pipelined instance is taken lane by lane: a step lasts at least the mean of its lanes' stages, times the stages.
/// Attention may be shared by instances as `Hosts` says.
final class StepFloor: Sendable {
  /// Who may attend to a part of a context.
  enum Hosts {
    /// Only its home.
    case none
    /// So many instances, the home among them, and they do so for nothing.
    case free(Int)
    /// So many instances, and it is work of theirs. What a request has there stays there unless it `comesHome`.
    case paid(Int, comesHome: Bool)
  }

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
  /// Instances that share a context's attention, for nothing.
  private let spread: Int
  /// Instances that may work for a request at the same time, whoever pays.
  private let together: Int
  private let borrows: Bool
  private let comesHome: Bool
  private let freePrefill: Bool
  private let prefixUnit: Bool
  private let spreadsPrefill: Bool
  /// Whether memory is counted: not where prefixes are shared.
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
  private let remote: Remote
  /// The least time of a decode step in which some request attends to that many tokens: at context `gridContext(k)`,
  /// and the sum over all contexts below.
  private let steps: Steps
  /// The same of steps in which hosts attend to it as well.
  private let stepsWithHosts: Steps

  /// For steps of at most `requests` requests.
  init(_ configuration: SimulationConfiguration, hosts: Hosts, requests: Int = .max) {
    var costs = configuration.costs
    switch hosts {
    case .none: (borrows, spread, together, comesHome) = (false, 1, 1, true)
    case .free(let count): (borrows, spread, together, comesHome) = (true, count, count, true)
    case .paid(let count, let comes): (borrows, spread, together, comesHome) = (true, 1, count, comes)
    }
    let engine = configuration.engine
    // A request that decodes holds a block.
    let most = max(
      1,
      min(
        requests, engine.maxNumSeqs,
        configuration.blocksPerInstance * (borrows ? configuration.topology.count : 1)))
    window = costs.window
    instances = Double(configuration.topology.count)
    stages = Double(costs.stages)
    tokens = Double(configuration.blocksPerInstance * engine.blockSize)
    reach = tokens * (engine.prefixCaching ? Double(most) : 1)
    mostSequences = most
    budget = engine.maxNumBatchedTokens
    chunked = engine.kind == .chunked
    freePrefill = engine.prefillAttention == .free
    prefixUnit = engine.prefixCaching
    memoryHasPrice = !engine.prefixCaching
    spreadsPrefill = together > 1 && engine.prefillAttention == .distributed
    // A host that works beside the GPUs is no work of theirs: it bounds a step, and is in no sum.
    hostBase = costs.overlapsHost ? 0 : Double(costs.hostBase)
    hostPerSequence = costs.overlapsHost ? 0 : Double(costs.hostPerSequence)

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

    remote = Self.remote(configuration.topology, costs)
    let kernel = together > spread ? Self.kernelFloor(costs, pieces, upTo: Int(reach) * together) : []

    let cells = Self.cell(of: max(2, Int(tokens) * (borrows ? configuration.topology.count : 1))) + 2
    var steps = Steps()
    var stepsWithHosts = Steps()
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
      func step(_ lane: Int64) -> Int64 {
        costs.iteration(
          host: costs.hostBase + costs.hostPerSequence,
          gpu: Int64(costs.stages) * max(lane, costs.stageFloor))
      }
      if !kernel.isEmpty, context > 1 {
        let attention = Self.shared(context, over: together, kernel, exchange: remote.exchange)
        let hosted = linear[1] + head[1] + remote.merge + attention
        stepsWithHosts.append(step(hosted), at: context)
        least = min(least, hosted)
      } else {
        stepsWithHosts.append(step(least), at: context)
      }
      steps.append(step(least), at: context)
    }
    // A longer context is never cheaper.
    self.steps = steps
    self.stepsWithHosts = stepsWithHosts
  }

  /// By cell: a time of a step, and the sum over all contexts below the cell.
  private struct Steps {
    var time: ContiguousArray<Int64> = []
    var below: ContiguousArray<Int128> = []

    mutating func append(_ step: Int64, at context: Int) {
      let before = context - StepFloor.gridContext(max(0, time.count - 1))
      below.append(time.isEmpty ? 0 : below[time.count - 1] + Int128(time[time.count - 1]) * Int128(before))
      time.append(step)
    }

    /// Σ over the contexts from `first` on and below `end`.
    func sum(from first: Int, below end: Int) -> Int128 { sum(below: end) - sum(below: first) }

    private func sum(below context: Int) -> Int128 {
      let cell = min(StepFloor.cell(of: context), time.count - 1)
      return below[cell] + Int128(time[cell]) * Int128(context - StepFloor.gridContext(cell))
    }
  }

  /// What a step with hosts has at least beside attention: one exchange and one merge, ps.
  private struct Remote {
    var exchange: Int64 = 0
    var merge: Int64 = 0
    /// An exchange of no query, and what each query adds.
    var latency = 0.0
    var perQuery = 0.0
  }

  private static func remote(_ topology: InstanceTopology, _ costs: InstanceCosts) -> Remote {
    let nodes = topology.nodeOfInstance
    var links: [LinkCosts] = []
    if Set(nodes).count < nodes.count { links.append(topology.withinNode) }
    if Set(nodes).count > 1 { links.append(topology.acrossNodes) }
    guard var best = links.first else { return Remote() }
    for link in links {
      best.latency = min(best.latency, link.latency)
      best.bytesPerSecond = max(best.bytesPerSecond, link.bytesPerSecond)
    }
    let bytes = Double(costs.layersPerStage * (costs.queryBytes + costs.partialBytes))
    return Remote(
      exchange: costs.exchange(over: best, queries: 1), merge: costs.mergeFloor + costs.mergePerPartial,
      latency: Double(costs.exchange(over: best, queries: 0)), perQuery: bytes / best.bytesPerSecond * 1e12)
  }

  /// By cell: the least time of a decode kernel that reads so many tokens of one request, in whatever batch, ps.
  private static func kernelFloor(
    _ costs: InstanceCosts, _ pieces: ContiguousArray<ContiguousArray<DecodeLine>>, upTo tokens: Int
  ) -> ContiguousArray<Int64> {
    var floor: ContiguousArray<Int64> = []
    for cell in 0...(cell(of: tokens) + 1) {
      let own = Int64(gridContext(cell))
      var least = own == 0 ? 0 : Int64.max
      if own > 0 {
        for b in 1..<pieces.count {
          let all = own + Int64(b) - 1
          let time = line(pieces[b], at: all).time(context: all)
          least = min(least, max(time, costs.longest?.time(sequences: b, context: own) ?? 0))
        }
      }
      floor.append(max(0, least))
    }
    for cell in floor.indices.reversed().dropFirst() { floor[cell] = min(floor[cell], floor[cell + 1]) }
    return floor
  }

  /// The least time in which a home and its hosts read `context` tokens of one request, each its part: the hosts'
  /// after the exchange.
  private static func shared(
    _ context: Int, over instances: Int, _ kernel: ContiguousArray<Int64>, exchange: Int64
  ) -> Int64 {
    func time(_ tokens: Int) -> Int64 { kernel[min(cell(of: tokens), kernel.count - 1)] }
    func hosted(_ atHome: Int) -> Int64 {
      exchange + time((context - atHome + instances - 2) / (instances - 1))
    }
    // The home's part, and with it its time, grows until the hosts are no longer the slower ones.
    var (low, high) = (0, context - 1)
    while low < high {
      let middle = (low + high) / 2
      if time(middle) >= hosted(middle) { high = middle } else { low = middle + 1 }
    }
    return min(max(time(low), hosted(low)), low > 0 ? hosted(low - 1) : .max)
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
    /// The same as the time that it lasts at least: others may work for it meanwhile.
    var lasting: Int128 = 0
    /// Tokens held while it lasts, on average.
    var held = 0
  }

  /// Tokens of a prompt that must be computed: with prefix caching its whole units may be there already.
  private func computed(_ prompt: Int) -> Int { prefixUnit ? 1 : prompt }

  private func attention(of new: Int, sharedBy instances: Int) -> Int128 {
    let pairs = InstanceCosts.pairs(new: new, cached: 0, window: window)
    let time = Int128(costs.prefillPairRate) * pairs
    return Int128(costs.prefillTokenRate) * Int128(new) + (spreadsPrefill ? time / Int128(instances) : time)
  }

  /// How long a prompt's attention lasts at least. One that is computed in a single step is the home's; else hosts may share
  /// it, after an exchange.
  private func attentionLasting(_ new: Int) -> Int128 {
    guard spreadsPrefill, together > spread, window == .max else {
      return attention(of: new, sharedBy: together)
    }
    guard chunked || new > budget else { return attention(of: new, sharedBy: 1) }
    return Int128(costs.prefillTokenRate) * Int128(new) + sharedPairs(new)
  }

  /// Attention of a prompt's tokens if each of them is attended to by its home alone, or by all together after an exchange
  /// of its query, whichever takes less time.
  private func sharedPairs(_ new: Int) -> Int128 {
    let rate = Double(costs.prefillPairRate)
    guard rate > 0 else { return 0 }
    let instances = Double(together)
    // Up to here the exchange takes longer.
    let alone = min(Double(new), (remote.perQuery / rate).rounded(.down))
    let shared = (Double(new) * Double(new + 1) - alone * (alone + 1)) / 2
    let time =
      rate * alone * (alone + 1) / 2
      + (rate * shared + (instances - 1) * remote.perQuery * (Double(new) - alone)) / instances
    return Int128((time * (1 - 1e-12)).rounded(.down))
  }

  func prefill(prompt: Int) -> Prefill {
    guard !freePrefill else { return Prefill() }
    let new = computed(prompt)
    var work = Prefill()
    work.time = attention(of: new, sharedBy: spread) + Int128(perPrompt)
    work.lasting = attentionLasting(new) + Int128(perPrompt)
    work.held = prefixUnit ? 0 : chunked ? prompt / 2 : prompt
    // Above the budget a prompt is alone in its step, or in chunks if it has hosts.
    guard new > budget, !chunked else {
      work.sharedTokens = new
      return work
    }
    let alone = aloneInStep(new) + Int64(hostBase / stages)
    if Double(alone) < tokenRate * Double(new) || !borrows {
      work.time += Int128(alone)
      work.lasting += Int128(alone)
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
    let new = computed(prompt)
    let (first, end) = (prompt + 1, prompt + output)
    let decode = steps.sum(from: first, below: end)
    var time = prefillAlone(new) + decode
    if together > spread {
      // With hosts from its prompt on it has them to its end, unless it starts again.
      let stays = !comesHome && preemptions == 0
      time = min(time, prefillWithHosts(new) + (stays ? stepsWithHosts.sum(from: first, below: end) : decode))
    }
    if preemptions > 0 { time -= Int128(preemptions) * Int128(recomputeSaving(upTo: prompt + output)) }
    return Int64(min(max(0, time), Int128(1 << 62)))
  }

  /// A chunk's last tile meets all its own tokens at least, and those of all chunks together are the prompt.
  private func reach(_ new: Int) -> Int128 { Int128(costs.prefillReachRate) * Int128(min(new, window)) }

  private func prefillAlone(_ new: Int) -> Int128 {
    guard !freePrefill else { return 0 }
    var chunks: Int64 { max(linear[1], Int64((tokenRate * Double(new) - hostBase / stages).rounded(.down))) }
    let work: Int64 =
      if chunked { chunks } else if new <= budget {
        self.linear[new] + head[1]
      } else if spread > 1 { min(chunks, aloneInStep(new)) } else { aloneInStep(new) }
    let host = Int128(costs.hostBase + costs.hostPerSequence)
    let gpus =
      Int128(costs.stages)
      * (Int128(work + costs.prefillFloor) + attention(of: new, sharedBy: spread) + reach(new))
    return costs.overlapsHost ? max(host, gpus) : host + gpus
  }

  /// The least of prefilling in any number of chunks. Of n tokens in k chunks the home attends itself to n²/2k pairs at
  /// least, those within the chunks.
  private func prefillWithHosts(_ new: Int) -> Int128 {
    guard spreadsPrefill, window == .max else { return prefillAlone(new) }
    let fewest = (new + budget - 1) / budget
    var least = Int128.max
    func consider(chunks: Int, linear: Int128, attention: Int128) {
      let host = Int128(chunks) * Int128(costs.hostBase + costs.hostPerSequence)
      let floors = Int128(chunks) * Int128(costs.prefillFloor) + Int128(head[1])
      let gpus =
        Int128(costs.stages)
        * (linear + floors + attention + Int128(costs.prefillTokenRate) * Int128(new) + reach(new))
      least = min(least, costs.overlapsHost ? max(host, gpus) : host + gpus)
    }
    let rate = Int128(costs.prefillPairRate)
    // In one step its home attends to all of it.
    if fewest == 1 || !chunked {
      let linear = fewest == 1 ? self.linear[new] : aloneInStep(new)
      consider(chunks: 1, linear: Int128(linear), attention: rate * Int128(new) * Int128(new + 1) / 2)
    }
    guard chunked || fewest > 1 else { return least }
    let last = chunked ? max(2, fewest) + 2 * together : fewest
    for chunks in max(2, fewest)...last {
      let rest = new - (chunks - 1) * budget
      let linear =
        chunked
        ? max(
          Int128(chunks) * Int128(self.linear[1]),
          Int128((tokenRate * Double(new) - Double(chunks) * hostBase / stages).rounded(.down)))
        : Int128(chunks - 1) * Int128(self.linear[budget]) + Int128(self.linear[rest])
      // The last number of chunks stands for all larger ones.
      let own =
        chunked
        ? chunks == last ? 0 : Int128(new) * Int128(new) / Int128(2 * chunks)
        : (Int128(chunks - 1) * Int128(budget) * Int128(budget) + Int128(rest) * Int128(rest)) / 2
      let latency = Int128((remote.latency * Double(together - 1) / Double(together)).rounded(.down))
      let shared = min(sharedPairs(new) + latency, rate * Int128(new) * Int128(new + 1) / 2)
      consider(chunks: chunks, linear: linear, attention: max(rate * own, shared))
    }
    return least
  }

  /// The most by which computing a request again may be faster than the decode step whose token it emits, ps.
  private func recomputeSaving(upTo context: Int) -> Int64 {
    var saving: Int128 = 0
    for cell in 0...min(Self.cell(of: context), steps.time.count - 1) {
      let new = computed(max(1, Self.gridContext(cell)))
      let recompute = together > spread ? min(prefillAlone(new), prefillWithHosts(new)) : prefillAlone(new)
      saving = max(saving, Int128(steps.time[cell]) - recompute)
    }
    return Int64(saving)
  }

  /// Contexts are gathered in cells, 64 to an octave.
  private static func cell(of context: Int) -> Int {
    guard context >= 128 else { return context }
    let octave = Int.bitWidth - 1 - context.leadingZeroBitCount
    return 128 + (octave - 7) * 64 + (context >> (octave - 6)) - 64
  }

  private static func gridContext(_ cell: Int) -> Int {
    guard cell >= 128 else { return cell }
    let octave = (cell - 128) / 64 + 7
    return (64 + (cell - 128) % 64) << (octave - 6)
  }

  // MARK: - All requests

  /// A dual solution: the price of memory, and what a decoded token and a prompt token cost at that price.
  struct Price {
    /// λ, the share of memory in what is charged.
    var memory: Double
    /// s of a decode step, p and q of a decoded token, ps and ps per attended token.
    var step: Double
    var token: Double
    var context: Double
    /// θ of a prompt token, ps of a lane.
    var prompt: Double
  }

  /// The sums of a `ThroughputBound.Span` as prices multiply them.
  struct Work {
    let steps, decodes, context, sharedTokens, prefill, sharedTokensHeld, prefillHeld: Double

    init(_ span: ThroughputBound.Span) {
      steps = Double(span.steps)
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
    let decode = price.step * work.steps + price.token * work.decodes + price.context * work.context
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
    return Double(preemptions) * max(0, price.step + price.token + price.context * c - a * c - b * c * c)
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
      // Of many requests none is so long that its steps matter.
      for byStep in work.steps * 64 < work.decodes ? [0] : [0, 0.25, 0.5, 0.75, 1] {
        func price(_ memory: Double, _ context: Double, _ batches: [Int]) -> Price {
          let (step, token) = decode(memory, context, fixed, batches, byStep: byStep)
          return Price(memory: memory, step: step, token: token, context: context, prompt: prompt)
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

  /// s and p: the largest charges per decode step and per decoded token at which no step is overcharged; `byStep` is the part of
  /// a token's charge that is left to its step.
  private func decode(
    _ memory: Double, _ context: Double, _ fixed: ContiguousArray<Double>, _ batches: [Int], byStep: Double
  ) -> (step: Double, token: Double) {
    let costs = batchCosts(memory, context, fixed, batches)
    var token = Double.infinity
    for (b, cost) in costs { token = min(token, cost / Double(b)) }
    guard token > 0, byStep > 0 else { return (0, token) }
    token *= 1 - byStep
    var step = Double.infinity
    for (b, cost) in costs { step = min(step, cost - token * Double(b)) }
    return (max(0, step), token)
  }

  /// By batch: the least cost of a decode step less the charge for what it attends to.
  private func batchCosts(
    _ memory: Double, _ context: Double, _ fixed: ContiguousArray<Double>, _ batches: [Int]
  ) -> [(batch: Int, cost: Double)] {
    let own = 1 - memory
    let held = memory * stages / tokens
    let spread = Double(spread)
    var all: [(batch: Int, cost: Double)] = []
    // What hosts add at most to what a step is charged beyond its cost: the least, up to the batch, of what one kernel
    // takes less the charge for its tokens.
    var host = 0.0
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
      if borrows, self.spread == 1 {
        // With hosts: a kernel of each of them, and for the memory only what is not attention.
        let charged = context - held * fixed[b]
        host = min(host, kernels(b, from: 0, own: own, charged: charged))
        let home = kernels(b, from: 0, own: own, charged: charged)
        cheapest = min(
          cheapest, (fixed[b] + Double(remote.merge)) * own + home + Double(together - 1) * host)
      }
      // A batch that does not fit: its least step, with all memory attended to.
      if cheapest == .infinity { cheapest = fixed[b] * own - context * reach * spread }
      all.append((b, cheapest + hostPerSequence * own * Double(b)))
    }
    return all
  }

  /// The least over C in from...tokens of own · (time of a decode kernel of `b` sequences and C tokens) − charged · C.
  private func kernels(_ b: Int, from: Double, own: Double, charged: Double) -> Double {
    var split = Double.infinity
    for line in pieces[b] {
      let start = min(max(Double(line.from), from), reach)
      let end = min(Double(min(line.until, 1 << 60)), reach)
      guard start <= end else { continue }
      func at(_ c: Double) -> Double {
        own * max(0, Double(line.base) + Double(line.rate) * (c - Double(line.from))) - charged * c
      }
      split = min(split, at(start), at(end))
    }
    guard let longest = costs.longest else { return split }
    func at(_ c: Double) -> Double {
      own * (Double(longest.time(sequences: b, context: 0)) + Double(longest.rate) * c / Double(b)) - charged
        * c
    }
    return max(split, min(at(from), at(reach)))
  }
}
