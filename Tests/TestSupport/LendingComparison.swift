import Policies
import Sim
import Torture

/// A small cluster that lends, run by the engine and layer by layer (docs/layer-reference.md).
///
/// Homes and pieces are those of the engine's run: what differs is only how long everything takes. Memory is never
/// short, so that requests wait for nothing but steps.
public struct LendingCluster: Sendable {
  /// What it was drawn with.
  public var seed: UInt64
  var configuration: SimulationConfiguration
  var lending: LendingOptions
  var router: Router
  var requests: [TraceRequest]
  /// The same costs for the reference.
  var costs: LayerCosts

  /// The cluster of a seed. In a `crowded` one several long prompts come at the same time, whose homes have one host, which has work
  /// of its own.
  public init(seed: UInt64, crowded: Bool = false) throws {
    self.seed = seed
    var random = SeededRandom(seed: seed &* 0x9E37_79B9)
    let instances = crowded ? random.integer(3...5) : random.integer(2...4)
    let model = Self.model(&random)
    let hardware = random.pick([HardwareCatalog.a100Measured, HardwareCatalog.h100Measured])
    let kind = random.pick([EngineKind.vllmV0, .chunked])
    let profile = Self.profile(kind, &random)
    let shape = InstanceShape()
    let wiring = InstanceWiring.inOneNode(hardware)
    costs = try LayerCosts(model: model, hardware: hardware, shape: shape, wiring: wiring, engine: profile)
    let near = LinkCosts(
      latency: Int64(random.pick([2, 5, 10, 35])) * 1_000_000,
      bytesPerSecond: random.pick([300e9, 258e9, 100e9]))
    let far = LinkCosts(
      latency: Int64(random.pick([5, 20, 109])) * 1_000_000, bytesPerSecond: random.pick([25e9, 20.85e9]))
    let nodes = crowded ? 1 : random.pick([1, 1, 2])
    configuration = SimulationConfiguration(
      topology: InstanceTopology(
        nodeOfInstance: (0..<instances).map { $0 * nodes / instances }, withinNode: near, acrossNodes: far,
        gpus: instances),
      costs: try InstanceCosts(
        model: model, hardware: hardware, shape: shape, wiring: wiring, engine: profile),
      blocksPerInstance: 0, engine: EngineOptions())
    configuration.engine.kind = kind
    configuration.engine.maxNumBatchedTokens = random.pick([512, 1_024, 2_048, 4_096, 8_192])
    configuration.engine.prefillAttention =
      crowded
      ? .distributed
      : random.pick([.distributed, .distributed, .distributed, .distributed, .distributed, .home, .free])
    lending = LendingOptions()
    lending.mode = .passive
    lending.lendWhileQueueing = true
    router = crowded ? .leastWork : random.pick([.roundRobin, .leastLoaded, .leastWork])
    requests = []
    if crowded { crowd(&random) } else { draw(&random) }
  }

  /// A few layers of models that are served: nobody waits longer for many layers than for some, by their number.
  private static func model(_ random: inout SeededRandom) -> ModelSpec {
    var model = random.pick([
      ModelCatalog.llama7B, ModelCatalog.llama13B, ModelCatalog.llama3of8B, ModelCatalog.qwen7B,
    ])
    model.layers = random.integer(4...12)
    return model
  }

  private static func profile(_ kind: EngineKind, _ random: inout SeededRandom) -> EngineProfile {
    kind == .chunked
      ? random.pick([EngineCatalog.vllmV1Async, EngineCatalog.vllmV1, EngineCatalog.sglang])
      : random.pick([EngineCatalog.vllm, EngineCatalog.vllmV0, EngineCatalog.kernelsOnly])
  }

  /// A request that decodes all the time, and as many long ones as there are other instances.
  private mutating func crowd(_ random: inout SeededRandom) {
    let instances = configuration.topology.count
    let long = random.pick([12_000, 24_000, 48_000])
    func add(_ microseconds: Int, _ prompt: Int, _ output: Int) {
      requests.append(
        TraceRequest(
          arrival: SimTime(picoseconds: Int64(microseconds) * 1_000_000), prompt: prompt, output: output))
    }
    add(0, random.integer(8...1_000), random.pick([200, 400, 1_000]))
    var arrival = 1_000
    for _ in 1..<instances {
      arrival += random.integer(1...2_000)
      add(arrival, random.integer(long...2 * long), random.pick([2, 40, 200]))
    }
    lending.spreadFrom = long
    configuration.blocksPerInstance = requests.reduce(0) { $0 + $1.prompt + $1.output + 64 } / 8
  }

  /// A request that decodes for long and has a host, and short ones beside it, one after the other, at the host. Nothing
  /// is planned.
  public static func growing() throws -> LendingCluster {
    var cluster = try LendingCluster(seed: 1, crowded: true)
    cluster.configuration.engine.kind = .chunked
    cluster.requests = [TraceRequest(arrival: .zero, prompt: 40_000, output: 100_000)]
    for index in 1...12 {
      let arrival = SimTime(picoseconds: Int64(index) * 12_000_000_000_000)
      cluster.requests.append(TraceRequest(arrival: arrival, prompt: 64, output: 100))
    }
    cluster.configuration.topology.nodeOfInstance = [0, 0]
    cluster.configuration.blocksPerInstance = 10_000
    cluster.lending.spreadFrom = 40_000
    cluster.router = .leastLoaded
    return cluster
  }

  /// As many homes as long prompts, all of which come while every instance computes a short one, so that they have one
  /// host together. If it is `busy`, it decodes a request of its own meanwhile.
  public static func oneHost(of homes: Int, busy: Bool) throws -> LendingCluster {
    var cluster = try LendingCluster(seed: 1, crowded: true)
    cluster.configuration.engine.kind = .chunked
    cluster.configuration.engine.maxNumBatchedTokens = 2_048
    cluster.configuration.topology.nodeOfInstance = Array(repeating: 0, count: homes + 1)
    cluster.configuration.blocksPerInstance = 20_000
    cluster.lending.spreadFrom = 50_000
    cluster.router = .leastWork
    let short = TraceRequest(arrival: .zero, prompt: 1_000, output: 2)
    let long = (1...homes).map {
      TraceRequest(
        arrival: SimTime(picoseconds: 1_000_000_000 + Int64($0) * 1_000_000), prompt: 120_000, output: 2)
    }
    let own = TraceRequest(arrival: .zero, prompt: 1_000, output: busy ? 1_000 : 2)
    cluster.requests = Array(repeating: short, count: homes) + [own] + long
    return cluster
  }

  /// When its requests' first tokens came and when they ended, ps, with a host that takes so many thousandths of the time.
  public func times(slowing host: Int = 0, permille: Int = 1_000) throws -> [(first: Int64, end: Int64)] {
    var slowed = configuration
    if permille != 1_000 {
      slowed.faults = FaultPlan(
        timed: [TimedFault(.straggler(InstanceID(host), permille: permille), start: .zero)])
    }
    let times = Times(requests.count)
    _ = try Trial.simulate(
      slowed, policy: DebtorCreditor(router: router, lending: lending, shareFrom: 1_024),
      source: SharingSource(requests, Sharing()), observer: times)
    return times.found
  }

  private final class Times: RunObserver {
    var found: [(first: Int64, end: Int64)]

    init(_ count: Int) { found = Array(repeating: (0, 0), count: count) }

    func requestEnded(_ record: RequestRecord) {
      found[record.id.index] = (record.firstToken?.picoseconds ?? 0, record.ended.picoseconds)
    }
  }

  /// Short requests all the time and some long ones, which lie on several instances: because they are long, or because
  /// they are larger than one.
  private mutating func draw(_ random: inout SeededRandom) {
    let long = random.pick([6_000, 12_000, 24_000])
    let isLarge = random.chance(40)
    let instances = configuration.topology.count
    let lends = random.chance(99)
    let mostOutput = random.pick([8, 40, 120])
    var step = costs.embedding(64) + costs.pre(64) + costs.post(64) + costs.head(64)
    step += costs.hostBase
    let gap = step * Int64(random.pick([1, 4, 16]))
    var arrival: Int64 = 0
    var tokens = 0
    var count = 0
    for _ in 0..<random.integer(8...40) {
      if !random.chance(25) { arrival += gap * Int64(random.integer(1...20)) / 10 }
      var prompt = random.integer(8...1_500)
      if lends, count < 4, random.chance(15) || requests.isEmpty {
        count += 1
        prompt = random.integer(long...2 * long)
      }
      tokens += prompt + mostOutput + 64
      requests.append(
        TraceRequest(
          arrival: SimTime(picoseconds: arrival), prompt: prompt, output: random.integer(2...mostOutput)))
    }
    lending.spreadFrom = isLarge ? .max : long
    let size = configuration.engine.blockSize
    // A large one is larger than an instance, and all others fit beside a like part of it.
    let large = requests.map(\.prompt).max() ?? 0
    configuration.blocksPerInstance =
      isLarge && lends && large >= long
      ? max(large * 9 / 10, (tokens + large) * 3 / (2 * instances)) / size : 4 * tokens / size
  }
}

/// A cluster's run held against the reference.
public struct LendingComparison: Sendable {
  /// How far the run is from the reference.
  public var errors: LayerRun.Errors
  /// Whether any block was lent, and whether a prompt of several chunks had hosts that computed their part.
  public var lends: Bool
  public var spreads: Bool
  /// When each request ended in the run and in the reference, ps.
  public var ends: [(run: Int64, reference: Int64)]
  /// What the reference says.
  public var reference: LayerRun
  /// What the reference was given.
  public var cluster: LayerCluster

  /// Runs both. `nil` if the run did what the reference does not know: rejected, preempted, or borrowed for an answer.
  public init?(_ cluster: LendingCluster, coupling: Coupling) throws {
    var lending = cluster.lending
    lending.coupling = coupling
    let witness = Witness(cluster.requests.count)
    _ = try Trial.simulate(
      cluster.configuration,
      policy: DebtorCreditor(router: cluster.router, lending: lending, shareFrom: 1_024),
      source: SharingSource(cluster.requests, Sharing()), observer: witness)
    guard !witness.isBeyond else { return nil }
    let engine = cluster.configuration.engine
    let topology = cluster.configuration.topology
    let requests = cluster.requests.enumerated().map { index, request in
      LayerRequest(
        arrival: request.arrival.picoseconds, prompt: request.prompt, output: request.output,
        home: witness.homes[index],
        pieces: Self.pieces(
          of: request.prompt, home: witness.homes[index], loans: witness.loans[index], block: engine.blockSize
        ))
    }
    self.cluster = LayerCluster(
      costs: cluster.costs,
      links: (0..<topology.count).map { from in (0..<topology.count).map { topology.link(from, $0) } },
      scheduler: engine.kind == .chunked ? .chunked : .vllmV0, tokenBudget: engine.maxNumBatchedTokens,
      mostSequences: engine.maxNumSeqs,
      prefill: engine.prefillAttention == .distributed
        ? .distributed : engine.prefillAttention == .home ? .home : .free,
      requests: requests)
    reference = LayerReference.run(self.cluster)
    errors = reference.errors(of: witness.ends)
    ends = zip(witness.ends, reference.requests).map { ($0, $1.end) }
    lends = requests.contains { !$0.hosts.isEmpty }
    spreads =
      engine.prefillAttention == .distributed
      && requests.contains { !$0.hosts.isEmpty && $0.prompt > engine.maxNumBatchedTokens }
  }

  /// Tokens of a balanced prompt that are dealt out at a time.
  private static let stretch = 1_024

  /// A balanced prompt: of all that is computed, home and hosts hold like parts at any time.
  private static func pieces(of prompt: Int, home: Int, loans: [Int: Int], block: Int) -> [LayerPiece] {
    guard !loans.isEmpty else { return [] }
    let hosts = loans.sorted { $0.key < $1.key }
    let hosted = hosts.reduce(0) { $0 + $1.value }
    let all = max(hosted, (prompt + 16 + block - 1) / block)
    var pieces: [LayerPiece] = []
    var done = 0
    for end in stride(from: 0, to: prompt, by: Self.stretch).map({ min(prompt, $0 + Self.stretch) }) {
      var atHome = end - done
      for host in hosts {
        let due = min(atHome, end * host.value / all - done * host.value / all)
        atHome -= due
        pieces.append(LayerPiece(instance: host.key, tokens: due))
      }
      pieces.append(LayerPiece(instance: home, tokens: atHome))
      done = end
    }
    return pieces
  }

  private final class Witness: RunObserver {
    var homes: [Int]
    var loans: [[Int: Int]]
    var ends: [Int64]
    var isBeyond = false
    let watchesAll = true

    init(_ count: Int) {
      homes = Array(repeating: 0, count: count)
      loans = Array(repeating: [:], count: count)
      ends = Array(repeating: 0, count: count)
    }

    func arrived(_ arrival: ArrivalRecord) { homes[arrival.request.index] = arrival.home.index }

    func decided(_ decision: DecisionRecord) {
      if decision.kind == .borrow, decision.reason != "growth", decision.reason != "rest of a prompt" {
        loans[decision.request.index][decision.destination.index, default: 0] += decision.blocks
      } else {
        isBeyond = true
      }
    }

    func requestEnded(_ record: RequestRecord) {
      if case .rejected = record.outcome { isBeyond = true }
      if record.preemptions > 0 { isBeyond = true }
      ends[record.id.index] = record.ended.picoseconds
    }
  }
}

/// How far runs under one coupling are from the reference, over many clusters.
public struct LendingAccuracy: Sendable {
  /// Clusters compared; of these, those that lent, and those that spread a prompt over hosts which computed parts of
  /// it.
  public private(set) var clusters = 0
  public private(set) var lending = 0
  public private(set) var spreading = 0
  /// Left out: the run did what the reference does not know.
  public private(set) var leftOut = 0
  /// |E2E error| of every request of the clusters that lent, and the makespans' |error|.
  private var requests: [Double] = []
  private var makespans: [Double] = []
  private var worsts: [Double] = []
  private var worstSeed: UInt64 = 0

  /// Runs clusters of the seeds from 1 on until `wanted` are compared.
  public init(_ coupling: Coupling, clusters wanted: Int, crowded: Bool = false) throws {
    var seed: UInt64 = 0
    while clusters < wanted {
      seed += 1
      let cluster = try LendingCluster(seed: seed, crowded: crowded)
      guard let found = try LendingComparison(cluster, coupling: coupling) else {
        leftOut += 1
        continue
      }
      clusters += 1
      spreading += found.spreads ? 1 : 0
      guard found.lends else { continue }
      lending += 1
      makespans.append(abs(found.errors.makespan))
      if found.errors.worstEndToEnd > (worsts.max() ?? 0) { worstSeed = seed }
      worsts.append(found.errors.worstEndToEnd)
      for (times, end) in zip(found.reference.requests, found.ends) {
        requests.append(abs(Double(end.run - end.reference)) / Double(times.endToEnd))
      }
    }
  }

  /// `contended` runs are near the reference, and the clusters lend and spread often enough to say so
  /// (docs/validation.md). Seeds from 1 on.
  public static func check(clusters: Int) throws {
    let found = try LendingAccuracy(.contended, clusters: clusters)
    func require(_ holds: Bool, _ law: String) throws {
      if !holds { throw LawViolation(law: law, seed: found.worstSeed, details: found.row("contended")) }
    }
    try require(2 * found.lending >= clusters, "every other cluster lends")
    try require(3 * found.spreading >= clusters, "every third spreads a prompt")
    try require(found.mean <= 0.05, "requests of clusters that lend are within 5 % of the layers on average")
    try require(found.makespan <= 0.03, "makespans are within 3 % on average")
    try require(found.requestsWithin >= 0.9, "nine in ten requests are within 15 %")
  }

  private static func mean(_ values: [Double]) -> Double {
    values.reduce(0, +) / Double(max(1, values.count))
  }

  /// Mean |E2E error| of the requests of clusters that lent.
  public var mean: Double { Self.mean(requests) }
  /// Mean |error| of their makespans.
  public var makespan: Double { Self.mean(makespans) }
  /// Shares of these requests, and of these clusters, of which none is further off than 15 %.
  public var requestsWithin: Double { Self.mean(requests.map { $0 <= 0.15 ? 1 : 0 }) }
  public var clustersWithin: Double { Self.mean(worsts.map { $0 <= 0.15 ? 1 : 0 }) }

  /// A line of a table: clusters (seeds from 1), lending, spreading, mean, within 15 %, worst, makespan.
  public func row(_ name: String) -> String {
    func percent(_ share: Double) -> String { "\((1_000 * share).rounded() / 10) %" }
    return
      "| \(name) | \(clusters) (\(leftOut) left out) | \(lending), \(spreading) | \(percent(mean)) | \(percent(requestsWithin)) | "
      + "\(percent(clustersWithin)) | \(percent(worsts.max() ?? 0)), seed \(worstSeed) | \(percent(makespan)) |"
  }
}
