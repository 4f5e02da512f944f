/// Gathers what a run reports, in integers; divided once, at the end.
struct MetricsCollector: ~Copyable {
  private let source: RequestSourceInfo
  private let slo: SLO
  private let measuredPrompt: Int
  private let measuredContext: Int
  private var extrapolated = 0
  private let ttftBound: Int64
  private let tpotBound: Int64
  /// The measurement window: from the arrival of the first tenth of the requests to the last arrival.
  private let windowStartIndex: Int
  private var windowStart: Int64 = 0
  private var windowEnd: Int64 = 0
  private var emittedAtWindowStart = 0
  private var emittedAtWindowEnd = 0

  var events = 0
  var steps = 0
  var decodeSteps = 0
  var runs = 0
  var chunkSteps = 0
  var chunkRuns = 0
  /// Tokens emitted by runs that are over; `emittedSoFar` adds those of the steps completed since.
  var emitted = 0
  var preemptions = 0
  var longestChain = 0
  var cutAtContext = 0
  var faults = FaultSummary()
  /// When the last request ended.
  private var lastEnd: Int64 = 0
  var evictedUnits = 0
  private var prefixHitTokens = 0
  private var prefixAskedTokens = 0
  var movedBlocks = 0
  var downtime: Int128 = 0
  var managers = ProtocolSummary()
  var held: Int64 = 0
  var busy: Int128 = 0

  private var arrivedCount = 0
  private(set) var completedCount = 0
  private var rejectedCount: [RejectionReason: Int] = [:]
  private var promptTokens = 0
  private var outputTokens = 0
  private var wastedTokens = 0
  private var lastCompletion: Int64 = 0
  private var good = 0
  /// −1 before the first.
  private var worstStall: Int64 = -1
  private var longestPrompt = 0
  private var longestContext = 0
  private var rejectedIDs: [Int] = []
  private var mostUsed = 0
  private var borrowedNow = 0
  private var borrowedPeak = 0
  private var byClass: Slab<ClassMetrics>

  /// Prompt and output tokens of the requests that were ever queued, and of those that wait in a queue now.
  private var arrivedWork = 0
  private var waitingWork = 0
  private var judge: LoadJudge
  /// Sums over the samples inside the arrival window, for the load label.
  private var windowSamples = 0
  private var sampledUse = 0
  private var sampledSequences = 0
  var sampling: SampleClock

  var ended: Int { completedCount + rejectedIDs.count }

  init(source: RequestSourceInfo, slo: SLO, measured: MeasuredRange?) {
    self.source = source
    measuredPrompt = measured?.prefill ?? .max
    measuredContext = measured?.decodeContext ?? .max
    self.slo = slo
    ttftBound = slo.ttftSeconds.map { Int64(min($0 * 1e12, 9e18)) } ?? .max
    tpotBound = slo.tpotSeconds.map { Int64(min($0 * 1e12, 9e18)) } ?? .max
    windowStartIndex = source.count / 10
    judge = LoadJudge(count: source.count)
    byClass = Slab(count: LengthClass.allCases.count) { ClassMetrics() }
    sampling = SampleClock(span: source.lastArrival.picoseconds)
  }

  // MARK: - What happened

  mutating func arrived(_ request: TraceRequest, at now: Int64) {
    arrivedCount += 1
    if arrivedCount == judge.next { sampleLoad(at: now) }
    byClass[LengthClass(totalTokens: request.prompt + request.output).rawValue].arrived += 1
  }

  private mutating func sampleLoad(at now: Int64) {
    judge.add(
      LoadSample(
        time: now, arrivedWork: arrivedWork, waitingWork: waitingWork, arrived: arrivedCount - 1,
        ended: ended,
        completed: completedCount, good: good, outputTokens: outputTokens, promptTokens: promptTokens))
  }

  /// A request of so much work, in tokens, is queued for the first time.
  mutating func offered(_ work: Int) { arrivedWork += work }

  /// A request of so much work joins a queue, or with a negative number leaves one.
  mutating func waits(_ work: Int) { waitingWork += work }

  /// Whether the tokens emitted so far are wanted now: at the window's ends.
  var wantsEmitted: Bool { arrivedCount == windowStartIndex + 1 || arrivedCount == source.count }

  mutating func noteEmitted(_ tokens: Int, at now: Int64) {
    if arrivedCount == windowStartIndex + 1 {
      windowStart = now
      emittedAtWindowStart = tokens
    }
    if arrivedCount == source.count { (windowEnd, emittedAtWindowEnd) = (now, tokens) }
  }

  mutating func completed(prompt: Int, output: Int, arrival: Int64, firstToken: Int64, at now: Int64) {
    completedCount += 1
    lastEnd = now
    promptTokens += prompt
    outputTokens += output
    lastCompletion = max(lastCompletion, now)
    noteLongest(prompt: prompt, output: output)
    if prompt > measuredPrompt || prompt + output > measuredContext {
      extrapolated += 1
    }
    let ttft = firstToken - arrival
    let lengthClass = LengthClass(totalTokens: prompt + output).rawValue
    byClass[lengthClass].ttft.record(ttft)
    byClass[lengthClass].e2e.record(now - arrival)
    var isGood = ttft <= ttftBound
    if output > 1 {
      let tpot = (now - firstToken) / Int64(output - 1)
      byClass[lengthClass].tpot.record(tpot)
      isGood = isGood && tpot <= tpotBound
    }
    if isGood { good += 1 }
  }

  mutating func rejected(_ request: RequestState, _ reason: RejectionReason, at now: Int64) {
    lastEnd = now
    rejectedCount[reason, default: 0] += 1
    rejectedIDs.append(request.id)
    if request.firstAdmission >= 0 { noteLongest(prompt: request.prompt, output: request.output) }
    byClass[LengthClass(totalTokens: request.prompt + request.output).rawValue].rejected += 1
    if request.firstToken >= 0 { wastedTokens += request.prompt + request.generated }
  }

  private mutating func noteLongest(prompt: Int, output: Int) {
    longestPrompt = max(longestPrompt, prompt)
    longestContext = max(longestContext, prompt + output)
  }

  /// A request that lost its blocks is to compute `tokens` tokens again.
  mutating func recomputed(_ tokens: Int, after cause: RecomputeCause) {
    faults.recomputedTokens[cause.rawValue] += tokens
  }

  /// An admitted prompt of `asked` tokens found `hit` of them cached.
  mutating func notePrefix(hit: Int, of asked: Int) {
    prefixHitTokens += hit
    prefixAskedTokens += asked
  }

  mutating func noteStall(_ picoseconds: Int64) { worstStall = max(worstStall, picoseconds) }
  mutating func noteUtilisation(used: Int) { mostUsed = max(mostUsed, used) }

  mutating func borrowed(by blocks: Int) {
    borrowedNow += blocks
    borrowedPeak = max(borrowedPeak, borrowedNow)
  }

  mutating func sampledWindow(used: Int, running: Int) {
    windowSamples += 1
    sampledUse += used
    sampledSequences += running
  }

  // MARK: - The answer

  func summary(of state: borrowing SimulationState) -> RunSummary {
    var s = RunSummary()
    s.fingerprint = state.fingerprint.text
    s.policy = state.policy.name
    s.arrived = arrivedCount
    s.completed = completedCount
    s.rejectedByReason = rejectedCount
    s.rejected = rejectedIDs.count
    s.rejectedIDs = rejectedIDs.sorted()
    s.longest = LongestRequests(prompt: longestPrompt, context: longestContext)
    s.unfinished = arrivedCount - s.completed - s.rejected
    s.preemptions = preemptions
    s.longestChain = longestChain
    s.cutAtContext = cutAtContext
    s.promptTokens = promptTokens
    s.outputTokens = outputTokens
    s.wastedTokens = wastedTokens
    s.recomputedTokens = faults.recomputedTokens.reduce(0, +)
    s.faults = faultSummary(of: state)
    s.prefixAskedTokens = prefixAskedTokens
    s.prefixHitTokens = prefixHitTokens
    s.evictedUnits = evictedUnits
    if completedCount > 0 {
      s.extrapolatedShare = Double(extrapolated) / Double(completedCount)
    }
    let isCharged = !state.freePrefill || decodeSteps > 0
    if completedCount > 0, lastCompletion > 0, isCharged {
      let makespan = Double(lastCompletion) * 1e-12
      s.makespanSeconds = makespan
      let rate = Double(outputTokens) / makespan
      s.outputTokensPerSecond = rate
      s.totalTokensPerSecond = Double(outputTokens + promptTokens) / makespan
      s.requestsPerSecond = Double(completedCount) / makespan
      s.outputTokensPerSecondPerGPU = rate / Double(state.configuration.topology.gpus)
      let window = windowEnd - windowStart
      if window > 0 {
        s.windowOutputTokensPerSecond =
          Double(emittedAtWindowEnd - emittedAtWindowStart) / (Double(window) * 1e-12)
      }
    }
    let (load, from) = judge.judge(
      instances: state.instanceCount, isBusy: isBusy(state), lost: rejectedCount[.noLiveInstance, default: 0])
    if completedCount > 0 { s.load = load }
    if let from, s.makespanSeconds != nil { s.steady = steadyState(from: from) }
    if worstStall >= 0 { s.worstStallSeconds = Double(worstStall) * 1e-12 }
    var ttft = LatencyHistogram()
    var tpot = LatencyHistogram()
    var e2e = LatencyHistogram()
    for index in 0..<byClass.count {
      ttft.merge(byClass[index].ttft)
      tpot.merge(byClass[index].tpot)
      e2e.merge(byClass[index].e2e)
      s.classes[index].arrived = byClass[index].arrived
      s.classes[index].completed = byClass[index].e2e.count
      s.classes[index].rejected = byClass[index].rejected
      s.classes[index].ttft = byClass[index].ttft.distribution
      s.classes[index].tpot = byClass[index].tpot.distribution
      s.classes[index].e2e = byClass[index].e2e.distribution
    }
    s.ttft = ttft.distribution
    s.tpot = tpot.distribution
    s.e2e = e2e.distribution
    s.steps = steps
    s.decodeSteps = decodeSteps
    s.decodeRuns = runs
    s.chunkSteps = chunkSteps
    s.chunkRuns = chunkRuns
    s.events = events
    s.instances = state.instanceCount
    s.gpus = state.configuration.topology.gpus
    s.blocksPerInstance = state.configuration.blocksPerInstance
    if mostUsed > 0 { s.peakUtilisation = Double(mostUsed) / Double(state.configuration.blocksPerInstance) }
    s.borrowedBlocksPeak = borrowedPeak
    s.movedBlocks = movedBlocks
    s.managers = managers
    s.maxContextTokens = min(state.admissibleBlocks * state.blockSize, state.options.maxModelLen)
    s.giantReserveSeconds = Double(held) * 1e-12
    s.instanceSecondsBusy = Double(busy) * 1e-12
    return s
  }

  private func faultSummary(of state: borrowing SimulationState) -> FaultSummary {
    var s = faults
    var down = downtime
    for i in 0..<state.instanceCount where !state.instances[i].isUp {
      down += Int128(max(0, lastEnd - state.instances[i].downSince))
    }
    s.instanceSecondsDown = Double(down) * 1e-12
    return s
  }

  /// KV blocks or sequence slots were at least 95 % busy while requests arrived; not said of fewer than 64 samples of an
  /// instance, a quarter of what a trace of more than 256 ms has.
  private func isBusy(_ state: borrowing SimulationState) -> Bool {
    let slots = windowSamples * state.options.maxNumSeqs
    let blocks = windowSamples * state.usableBlocks
    return windowSamples >= 64 * state.instanceCount
      && (sampledUse * 100 >= blocks * 95 || sampledSequences * 100 >= slots * 95)
  }

  /// From the sample of that number to the last arrival; `nil` if no time passes or nothing completes in between.
  private func steadyState(from first: Int) -> SteadyState? {
    let (start, end) = (judge.samples[first], judge.samples[judge.samples.count - 1])
    guard start.time < end.time, start.completed < end.completed else { return nil }
    let seconds = Double(end.time - start.time) * 1e-12
    let keepsBounds = slo.tpotSeconds == nil ? slo.ttftSeconds != nil : hasTPOT
    let output = end.outputTokens - start.outputTokens
    return SteadyState(
      from: Double(start.time) * 1e-12, to: Double(end.time) * 1e-12,
      requestsPerSecond: Double(end.completed - start.completed) / seconds,
      goodputRequestsPerSecond: keepsBounds ? Double(end.good - start.good) / seconds : nil,
      outputTokensPerSecond: Double(output) / seconds,
      totalTokensPerSecond: Double(output + end.promptTokens - start.promptTokens) / seconds)
  }

  private var hasTPOT: Bool {
    for index in 0..<byClass.count where byClass[index].tpot.count > 0 { return true }
    return false
  }
}

/// What is gathered for one length class.
struct ClassMetrics: ~Copyable {
  var arrived = 0
  var rejected = 0
  var ttft = LatencyHistogram()
  var tpot = LatencyHistogram()
  var e2e = LatencyHistogram()
}

/// When to sample: 256 times over the arrival window, then at the same pace; when more than 2,048 samples have
/// been taken, at half the pace.
struct SampleClock {
  private(set) var next: Int64
  private(set) var interval: Int64
  private var taken = 0

  init(span: Int64) {
    interval = max(1_000_000_000, span / 256)
    next = interval
  }

  mutating func advance() {
    taken += 1
    if taken == 2_048 {
      taken = 1_024
      interval *= 2
    }
    add(interval)
  }

  /// The last sample of a run that nears the clock's end lies beyond all events.
  fileprivate mutating func add(_ span: Int64) {
    let (sum, isBeyond) = next.addingReportingOverflow(span)
    next = isBeyond ? .max : sum
  }
}

extension SimulationState {
  /// Tokens emitted up to now, those of completed steps of the runs under way included.
  func emittedSoFar() -> Int {
    var tokens = metrics.emitted
    for i in 0..<instanceCount {
      tokens += Int(progress(of: i).completed) * instances[i].batch.count
    }
    return tokens
  }

  /// Takes the samples that lie before the next event, or at it: a sample sees what was before its instant.
  mutating func sampleUntil(_ next: Int64) {
    while metrics.sampling.next <= next, requests.live > 0 || metrics.sampling.next <= metrics.lastArrival {
      now = metrics.sampling.next
      phase = .transferLanded
      let inWindow = now <= metrics.lastArrival
      for i in 0..<instanceCount where inWindow || isWatched {
        let used = usedBlocks(of: i) - instances[i].withheldBlocks
        let count = running(on: i)
        if inWindow { metrics.sampledWindow(used: used, running: count) }
        guard isWatched else { continue }
        observer.sampled(
          InstanceSample(
            time: SimTime(picoseconds: now), instance: InstanceID(i), running: count,
            queued: instances[i].queue.count, usedBlocks: used, hostedBlocks: instances[i].hostedBlocks))
      }
      metrics.sampling.advance()
    }
    if metrics.sampling.next <= next { metrics.sampling.skip(to: next) }
  }
}

extension MetricsCollector {
  var lastArrival: Int64 { source.lastArrival.picoseconds }
}

extension SampleClock {
  /// Nothing to see until `time`.
  mutating func skip(to time: Int64) {
    if next <= time { add(((time - next) / interval + 1) * interval) }
  }
}
