import Policies
import Sim
import Torture

/// No run ends before `ThroughputBound` says, and the best placement of a tiny cluster ends not much later.
public enum BoundLaw {
  /// Runs the scenario of `seed`. Returns whether it came near the bound, if any request completed: a bound far above every
  /// run says nothing.
  /// - Throws: `LawViolation`.
  public static func check(_ scenarios: PolicyScenarios, seed: UInt64) throws -> [Sight] {
    let scenario = try scenarios.scenario(seed: seed)
    let share = try check(
      scenario.configuration, scenario.makePolicy(), SharingSource(scenario.requests, scenario.sharing),
      seed: seed, replay: scenario.replay)
    return [
      Sight("complete a request", floor: 49, share != nil),
      Sight("reach half of the bound", floor: 31, share.map { $0 > 0.5 }),
    ]
  }

  /// Returns the share of the bound that a run reached: the least makespan over its own; `nil` if no request completed.
  static func check<Source: RequestSource>(
    _ configuration: SimulationConfiguration, _ policy: any SchedulingPolicy, _ source: Source, seed: UInt64,
    replay: String
  ) throws -> Double? {
    let observer = BoundObserver(
      ThroughputBound(configuration, lending: policy.lending, arrivalsAreFixed: !source.isClosedLoop))
    _ = try Trial.simulate(configuration, policy: policy, source: source, observer: observer)
    guard observer.lastEnd > 0 else { return nil }
    let least = observer.bound.leastMakespan
    guard least <= Double(observer.lastEnd) else {
      throw LawViolation(
        law: "no run exceeds the bound", seed: seed,
        details: "ended at \(observer.lastEnd) ps, bound \(least) ps; \(replay)")
    }
    return least / Double(observer.lastEnd)
  }

  // MARK: - The exhaustive optimum

  /// The makespan of the best placement found on the tiny cluster of `seed`, and the bound, ps.
  public struct Optimum: Sendable {
    public var makespan: Double
    public var bound: Double
    /// By how much a run ended before its own bound at most, ps.
    public var excess = -Double.infinity
    public var placements: Int
  }

  /// No placement of the tiny cluster of `seed`, where requests lend, ends before its own bound. Returns whether the best one
  /// is near it.
  /// - Throws: `LawViolation`.
  public static func checkOptimum(engine: EngineKind, seed: UInt64) throws -> [Sight] {
    let optimum = try optimum(engine: engine, lending: true, seed: seed)
    guard optimum.excess <= 0 else {
      throw LawViolation(
        law: "no placement exceeds the bound", seed: seed,
        details: "one ended \(optimum.excess) ps before it")
    }
    return [
      Sight(
        "are within 25 % of the bound", floor: 65,
        optimum.placements > 0 ? optimum.makespan <= 1.25 * optimum.bound : nil)
    ]
  }

  /// Tries every routing of at most six requests over two or three instances, each without loans, with the prompts of some
  /// length on spread over all or over two instances, and with what does not fit packed on the first or the last; keeps
  /// the shortest.
  public static func optimum(engine: EngineKind, lending: Bool, seed: UInt64) throws -> Optimum {
    var random = SeededRandom(seed: seed)
    let instances = random.integer(2...3)
    var scenario = ScenarioGenerator(engine: engine, lending: lending).scenario(seed: seed)
    scenario.configuration.topology.nodeOfInstance = Array(repeating: 0, count: instances)
    scenario.configuration.engine.overBudget = .alone
    scenario.lending.coupling = .contended
    let capacity = scenario.configuration.blocksPerInstance * scenario.configuration.engine.blockSize
    scenario.requests = (0..<random.integer(3...(instances == 2 ? 6 : 5))).map { _ in
      TraceRequest(
        arrival: .zero, prompt: random.integer(1...capacity / 2), output: random.integer(1...capacity / 4))
    }
    let total = Int((0..<scenario.requests.count).reduce(1.0) { result, _ in result * Double(instances) })
    // Placements differ in preemptions only.
    var bounds: [[Int]: Double] = [:]
    var best = Optimum(makespan: .infinity, bound: 0, placements: 0)
    for style in try ScriptedPlacement.Style.all(lending: lending, prompts: scenario.requests.map(\.prompt)) {
      for routing in 0..<total {
        var lends = scenario.lending
        if style.hosts == .none { lends.mode = .off }
        lends.spreadFrom = style.spreadFrom
        lends.placement = style.hosts == .first || style.hosts == .last ? .pack : .balanced
        let policy = ScriptedPlacement(routing: routing, style: style, lending: lends)
        let observer = BoundObserver(
          ThroughputBound(scenario.configuration, lending: lending ? scenario.lending : lends))
        let summary = try Trial.simulate(
          scenario.configuration, policy: policy, source: ArraySource(scenario.requests), observer: observer)
        guard summary.completed == scenario.requests.count else { continue }
        best.placements += 1
        best.makespan = min(best.makespan, Double(observer.lastEnd))
        let known = bounds[observer.preemptions]
        let bound = known ?? observer.bound.leastMakespan
        bounds[observer.preemptions] = bound
        best.excess = max(best.excess, bound - Double(observer.lastEnd))
        best.bound = max(best.bound, bound)
      }
    }
    return best
  }
}

private final class BoundObserver: RunObserver {
  var bound: ThroughputBound
  var lastEnd: Int64 = 0
  /// By request.
  var preemptions: [Int] = []

  init(_ bound: ThroughputBound) { self.bound = bound }

  func requestEnded(_ record: RequestRecord) {
    guard record.outcome.isServed else { return }
    lastEnd = max(lastEnd, record.ended.picoseconds)
    if preemptions.count <= record.id.index {
      preemptions += Array(repeating: 0, count: record.id.index + 1 - preemptions.count)
    }
    preemptions[record.id.index] = record.preemptions
    bound.completed(
      arrival: record.arrival.picoseconds, prompt: record.prompt, output: record.output,
      preemptions: record.preemptions)
  }
}

/// One placement of the exhaustive search: request k goes to digit k of `routing`.
private final class ScriptedPlacement: SchedulingPolicy {
  /// Who hosts, and the shortest prompt that is spread although its home could hold it.
  struct Style {
    enum Hosts { case none, all, one, other, first, last }

    var hosts: Hosts
    var spreadFrom = Int.max
    /// A host's part of what is spread, in percent of the home's.
    var part = 100

    static func all(lending: Bool, prompts: [Int]) throws -> [Style] {
      guard lending else { return [Style(hosts: .none)] }
      let thresholds = Array(Set(prompts)).sorted() + [.max]
      return [Style(hosts: .none)]
        + [Hosts.all, .one, .other].flatMap { hosts in
          thresholds.flatMap { from in [100, 40].map { Style(hosts: hosts, spreadFrom: from, part: $0) } }
        }
        + [Style(hosts: .first), Style(hosts: .last)]
    }
  }

  let name = "scripted"
  private(set) var lending: LendingOptions
  private let routing: Int
  private let style: Style

  init(routing: Int, style: Style, lending: LendingOptions) {
    self.routing = routing
    self.style = style
    self.lending = lending
    self.lending.lendWhileQueueing = true
  }

  func route(_ request: RequestView, _ cluster: borrowing ClusterView) -> InstanceID {
    var digits = routing
    for _ in 0..<request.id.index { digits /= cluster.count }
    return InstanceID(digits % cluster.count)
  }

  func lend(_ ask: LoanRequest, _ cluster: borrowing ClusterView) -> [LoanPiece]? {
    var hosts = (0..<cluster.count).map {
      InstanceID(style.hosts == .last || style.hosts == .other ? cluster.count - 1 - $0 : $0)
    }
    .filter { $0 != ask.home && cluster.free($0) > cluster.watermark }
    if style.hosts == .one || style.hosts == .other { hosts = Array(hosts.prefix(1)) }
    let isSpread = style.spreadFrom < .max && !ask.isGrowth
    // Home and hosts have like parts of what is spread.
    var left =
      isSpread
      ? min(
        ask.blocks.count,
        max(ask.minimum.count, ask.whole.count * hosts.count * style.part / (100 + hosts.count * style.part)))
      : ask.blocks.count
    let least = ask.minimum.count - left
    var pieces: [LoanPiece] = []
    for (index, host) in hosts.enumerated() where left > 0 {
      let most = (cluster.free(host) - cluster.watermark).count
      let share =
        style.hosts == .first || style.hosts == .last
        ? left : (left + hosts.count - index - 1) / (hosts.count - index)
      let blocks = min(most, share)
      if blocks > 0 { pieces.append(LoanPiece(host: host, blocks: KVBlocks(blocks))) }
      left -= blocks
    }
    return least + left <= 0 && !pieces.isEmpty ? pieces : nil
  }
}
