import Runs
import ArgumentParser
import Formatting
import Foundation
import Results
import Sim
import Studies
import Synchronization
import Workloads

/// `infinite-sim capacity`: the highest rate under an SLO, or the fewest nodes for a trace.
struct CapacityCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "capacity",
    abstract: "Find the highest rate that a policy sustains under an SLO, or the fewest nodes for a trace.",
    discussion: """
      A rate passes if every given bound (--slo-ttft, --slo-tpot, --slo-normalised) holds at the percentile in the mean \
      over the seeds, every seed is stable or saturated (docs/load.md), and all requests of all seeds are completed, none of them cut at the context. \
      Rates are multiples of the trace's own: the range is scanned, then the first interval where passing turns into \
      failing is bisected. What is printed holds in the steady state. A trace with fewer than 2,000 requests, or with \
      too few for a 95 % interval of the rate within ± 3 %, is refused unless it may be repeated.
      """)

  @Option(help: "Policy; see `infinite-sim policies`.")
  var policy: String
  @Option(help: "Bound on seconds from arrival to end over output tokens.")
  var sloNormalised: Double?
  @Option(help: "Percentile at which the bounds hold, above 0 and at most 100.")
  var percentile = 99.0
  @Option(help: "Seeds per rate, at least 5.")
  var seeds = 5
  @Option(help: "Lowest multiple of the trace's rate.")
  var from = 0.1
  @Option(help: "Highest multiple of the trace's rate.")
  var to = 10.0
  @Option(help: "Rates tried over the whole range before bisection.")
  var scan = 6
  @Option(help: "Width of the bracket, over its lower end, at which bisection stops; at most 0.05.")
  var precision = 0.02
  @Option(help: "Instead of the rate: the fewest nodes, from 1 to N, that sustain the trace at its own rate.")
  var fewestNodes: Int?
  @Flag(
    help:
      "Where the trace has too few requests, replay it several times, one after another; a generated one gets more."
  )
  var repeatTrace = false
  @Option(help: "The fewest requests of a run; where too few leave it undecided, more of them decide.")
  var requests = CapacityTrial.fewestRequests
  @Option(help: "Price of a GPU for an hour, in any currency.")
  var gpuHourPrice: Double?
  @Option(help: "Simulations at a time. (default: one per core)")
  var jobs: Int?
  @OptionGroup var options: RunOptions

  mutating func validate() throws {
    func require(_ holds: Bool, _ text: String) throws { if !holds { throw ValidationError(text) } }
    try require(
      options.sloTtft != nil || options.sloTpot != nil || sloNormalised != nil,
      "Give an SLO: --slo-ttft, --slo-tpot or --slo-normalised.")
    try require(
      sloNormalised.map { $0 > 0 && $0.isFinite } ?? true, "--slo-normalised: expected seconds above 0.")
    try require(
      percentile > 0 && percentile <= 100, "--percentile is \(percentile), expected above 0, at most 100.")
    try require((5...10_000).contains(seeds), "--seeds is \(seeds), expected 5 to 10000.")
    try require(from > 0 && from < to && to.isFinite, "--from \(from) --to \(to): expected 0 < from < to.")
    try require((2...1_000).contains(scan), "--scan is \(scan), expected 2 to 1000.")
    try require(
      precision > 0 && precision <= 0.05, "--precision is \(precision), expected above 0, at most 0.05.")
    try require(
      (CapacityTrial.fewestRequests...Self.mostRequests).contains(requests),
      "--requests is \(requests), expected \(CapacityTrial.fewestRequests) to \(Self.mostRequests).")
    try require(fewestNodes.map { (1...1_000).contains($0) } ?? true, "--fewest-nodes: expected 1 to 1000.")
    try require(gpuHourPrice.map { $0 >= 0 && $0.isFinite } ?? true, "--gpu-hour-price: expected 0 or more.")
    try require(jobs.map { (1...1024).contains($0) } ?? true, "--jobs: expected 1 to 1024.")
    try require(
      options.rateScale == "1" || fewestNodes != nil,
      "--rate-scale is what capacity looks for; use --from and --to.")
    let sending = try options.sending()
    try require(
      !options.atOnce && !options.closedLoop && sending.concurrency == nil && !sending.isRamp,
      "--at-once, --closed-loop, a concurrency and a ramp have no rate.")
    try require(
      options.client.latencyWindow() == nil,
      "--warmup and --cutoff: capacity looks at the steady state alone.")
  }

  private var slo: CapacitySLO {
    CapacitySLO(
      ttft: options.sloTtft, tpot: options.sloTpot, normalised: sloNormalised, percentile: percentile)
  }

  func run() throws {
    let pairs = try OptionPairs(options.optionArguments)
    try pairs.requireKnown(RunPlan.optionKeys(policies: [policy]))
    var loaded: Workload?
    let plan = try RunPlan.make(policy: policy, options: options, pairs: pairs, scope: .itself) {
      // There are several seeds, of which one plan must be right for all.
      if options.isGenerated { return nil }
      loaded = try Workload.load(options, seed: options.seed)
      return loaded?.longest
    }
    let workload = try loaded ?? Workload.load(options, seed: options.seed)
    _ = try Self.rate(of: workload)
    if let note = plan.sizingNote { writeToStandardError("note: \(note)\n") }
    if !options.quiet {
      for sentence in plan.unvalidated { writeToStandardError("unvalidated: \(sentence)\n") }
      workload.writeNotes()
      IdleOption.warn(try idle(plan, pairs, loaded) + workload.idle)
      for warning in plan.warnings { writeToStandardError("warning: \(warning)\n") }
    }
    let recipe = try GeneratedTrace.isRecipe(options.source) ? GeneratedTrace.spec(options.source) : nil
    var base = RunJob(policy: policy, options: options, seed: options.seed, recipe: recipe)
    var needed = requests
    var report: CapacityReport?
    while report == nil {
      base.times = try times(for: needed, workload)
      let rate = try meanRate(of: base)
      let found = try fewestNodes.map { try nodes(upTo: $0, base, rate) } ?? rates(base, rate)
      if let more = found.requestsNeeded {
        needed = max(more, workload.requests * base.times + 1)
      } else {
        report = found
      }
    }
    guard var report else { return }
    (report.requests, report.times) = (workload.requests, base.times)
    if !options.quiet, let note = report.contextNote { writeToStandardError("warning: \(note)\n") }
    try writeToStandardOutput(options.json ? report.json.prettyText : report.text)
  }

  /// What changes nothing, on however many nodes.
  private func idle(_ plan: RunPlan, _ pairs: OptionPairs, _ workload: Workload?) throws -> [IdleOption] {
    guard let fewestNodes else { return plan.idle }
    var most = options
    most.nodes = fewestNodes
    let onMost = try RunPlan.make(policy: policy, options: most, pairs: pairs, scope: .itself) {
      workload?.longest
    }
    return IdleOption.inAll([plan, onMost].map { IdleOption.Sharer($0.idle) })
      + IdleOption.given(["--from", "--to", "--scan", "--precision", "--nodes"], "with --fewest-nodes")
  }

  /// How often the trace must be replayed to give so many requests.
  private func times(for needed: Int, _ workload: Workload) throws -> Int {
    let times = (needed + workload.requests - 1) / workload.requests
    guard times > 1 else { return 1 }
    let text =
      "\(options.source): \(grouped(workload.requests)) requests are too few for a capacity; it needs \(grouped(needed)) or more"
    guard repeatTrace else {
      throw CommandFailure(
        .badData, "\(text). Give a longer trace, or --repeat-trace to replay this one \(grouped(times)) times"
      )
    }
    guard needed <= Self.mostRequests else {
      throw CommandFailure(
        .badData,
        "\(text), and --repeat-trace repeats to \(grouped(Self.mostRequests)) at most. Use more --seeds"
      )
    }
    if !options.quiet {
      writeToStandardError("note: the trace is replayed \(grouped(times)) times\n")
      // A recipe gives so many times as many, all of them drawn.
      if workload.requests < Self.fewestVaried, !options.isGenerated {
        writeToStandardError(
          "warning: \(options.source) has \(workload.requests) requests, and \(grouped(times)) replays repeat their pattern: "
            + "the capacity is that of the pattern; \(Self.fewestVaried) or more say something of the traffic\n"
        )
      }
    }
    return times
  }

  private static let mostRequests = 2_000_000
  /// Requests below which what is replayed is said to be one pattern.
  private static let fewestVaried = 100

  /// Requests per second of the trace as `options` change it.
  private static func rate(of workload: Workload) throws -> Double {
    let span = try workload.open().info.lastArrival.seconds
    guard workload.requests > 1, span > 0 else {
      throw CommandFailure(
        .badData, "\(workload.name): all requests arrive at once, so there is no rate to scale")
    }
    return Double(workload.requests - 1) / span
  }

  /// The same of what is replayed, in the mean over the seeds.
  private func meanRate(of job: RunJob) throws -> Double {
    let rates = try (0..<seeds).map { offset in
      var job = job
      job.seed = options.seed + offset
      return try Self.rate(of: job.workload())
    }
    return rates.reduce(0, +) / Double(rates.count)
  }

  // MARK: - Trials

  private func rates(_ base: RunJob, _ rate: Double) throws -> CapacityReport {
    var trials: [Double: CapacityTrial] = [:]
    let search = CapacitySearch(from: from, to: to, scan: scan, precision: precision)
    let outcome = try search.run { factors in
      let jobs = try factors.map { factor in
        var job = base
        job.options.rateScale = "\(factor)"
        _ = try job.options.traceOptions()
        return job
      }
      let done = try trial(jobs)
      for (factor, trial) in zip(factors, done) { trials[factor] = trial }
      return done.map(\.passes)
    }
    return CapacityReport(
      policy: policy, trace: options.source, slo: slo, price: gpuHourPrice, rate: rate, outcome: outcome,
      trials: outcome.tried.map { ($0.rate, trials[$0.rate]!) })
  }

  private func nodes(upTo most: Int, _ base: RunJob, _ rate: Double) throws -> CapacityReport {
    var trials: [(Double, CapacityTrial)] = []
    var found: Int?
    for nodes in 1...most {
      var job = base
      job.options.nodes = nodes
      let trial = try trial([job])[0]
      trials.append((Double(nodes), trial))
      // One more, to see whether more nodes keep what fewer do.
      if found != nil { break }
      if trial.passes { found = nodes }
    }
    return CapacityReport(
      policy: policy, trace: options.source, slo: slo, price: gpuHourPrice, rate: rate, outcome: nil,
      fewestNodes: found, trials: trials)
  }

  /// Every job on every seed, all of them side by side.
  private func trial(_ jobs: [RunJob]) throws -> [CapacityTrial] {
    let runs = jobs.enumerated().flatMap { index, job in
      (0..<seeds).map { offset in
        var job = job
        job.seed = options.seed + offset
        return Numbered(number: index * seeds + offset, job: job)
      }
    }
    let progress = SweepProgress(quiet: options.quiet)
    progress.expect(runs.count)
    let found = Mutex<[Int: CapacityRun]>([:])
    let slo = slo
    try forEachInParallel(runs, jobs: self.jobs ?? ProcessInfo.processInfo.activeProcessorCount) { run in
      let result = try run.job.capacityRun(slo, scope: .itself)
      found.withLock { $0[run.number] = result }
      progress.advance()
    }
    progress.clear()
    let all = found.withLock { $0 }
    return jobs.indices.map { index in
      CapacityTrial(runs: (0..<seeds).map { all[index * seeds + $0]! }, slo: slo)
    }
  }

  private struct Numbered: Sendable {
    var number: Int
    var job: RunJob
  }
}
