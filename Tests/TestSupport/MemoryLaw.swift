import Policies
import Sim
import Torture

/// More memory is never much slower: a backlog is worked off by instances of some blocks, and by the same instances
/// of more. It is judged from the outcomes of runs alone.
public enum MemoryLaw {
  /// How much longer the larger memory may take, in percent; where instances borrow it is bounded, but not at what is wanted:
  /// who borrows from whom, and who has to give way, is decided anew (docs/decisions/0014, "What was not reached").
  static func mostSlower(borrows: Bool) -> Int { borrows ? 150 : wanted }
  static let wanted = 5

  /// Works the backlog of `seed` off with each of its sizes. Returns what it went through.
  /// - Throws: `LawViolation`.
  public static func check(policy name: String, engine: EngineKind, seed: UInt64) throws -> [Sight] {
    let backlog = try Backlog(policy: name, engine: engine, seed: seed)
    let borrows = try backlog.makePolicy().lending.mode.borrows
    // Where nobody borrows a large prompt waits until its home has drained, and all behind it (vLLM takes the head
    // of the queue or nobody): who meets whom in a queue then decides the makespan.
    let applies = borrows || !backlog.hasGiants
    let mostSlower = mostSlower(borrows: borrows)
    let runs = try applies ? backlog.sizes.map { try backlog.run(blocks: $0) } : []
    var compared = 0
    var slowest = 0.0
    for large in runs.indices {
      for small in 0..<large where runs[small].completed == runs[large].completed {
        compared += 1
        let (less, more) = (runs[small].makespan, runs[large].makespan)
        slowest = max(slowest, (Double(more) / Double(less) - 1) * 100 / Double(mostSlower))
        guard more * 100 > less * Int64(100 + mostSlower) else { continue }
        throw LawViolation(
          law: "more memory takes at most \(mostSlower) % longer", seed: seed,
          details:
            "\(backlog.sizes[small]) blocks take \(runs[small]), \(backlog.sizes[large]) \(runs[large]); \(backlog)"
        )
      }
    }
    let isCompared = compared > 0
    return [
      Sight("sizes that complete the same", floor: 13, isCompared, ofBound: slowest),
      Sight(
        "more memory takes at most \(wanted) % longer", floor: 80,
        isCompared ? slowest * Double(mostSlower) <= Double(wanted) : nil),
      Sight("memory decides how long it takes", floor: 12, isCompared ? backlog.matters(runs) : nil),
      Sight("preempt", floor: 15, isCompared ? runs.contains { $0.preemptions > 0 } : nil),
      Sight("borrow", floor: 40, isCompared && borrows ? runs.contains { $0.borrowers > 0 } : nil),
      Sight("giants complete", floor: 30, isCompared && borrows ? backlog.hasGiants : nil),
    ]
  }
}

/// Requests that are all there at once, most of them short and some longer than the smallest instance, for a small
/// random cluster with the costs of a real model: with random ones a batch may be slower than its parts one after
/// another.
private struct Backlog: CustomStringConvertible {
  struct Run: CustomStringConvertible {
    var completed: Set<Int> = []
    var makespan: Int64 = 0
    var preemptions = 0, borrowers = 0
    var description: String { "\(makespan) ps with \(preemptions) preemptions and \(borrowers) borrowers" }
  }

  private(set) var sizes: [Int]
  private(set) var hasGiants = false
  private let policyName: String
  private var request: PolicyRequest
  private var configuration: SimulationConfiguration
  private var multiple: SmallInstances = 1
  private var requests: [TraceRequest] = []

  init(policy name: String, engine kind: EngineKind, seed: UInt64) throws {
    var random = SeededRandom(seed: seed ^ 0x3E30)
    policyName = name
    let nodes = random.pick([1, 1, 2])
    let perNode = random.pick([2, 4])
    let smallest = random.integer(300...1_500)
    sizes = [smallest, smallest * 3 / 2, smallest * 2, smallest * 3]
    request = PolicyRequest(
      cluster: ClusterSpec(nodes: nodes, gpusPerNode: perNode, hardware: HardwareCatalog.a100Measured),
      model: ModelCatalog.llama7B, tp: 1, pp: 1, instances: nodes * perNode, router: nil, options: [:])
    let plan = try PolicyCatalog.make(name, request)
    multiple = plan.multiple
    configuration = try Self.configuration(plan, request, kind)
    addRequests(tokens: smallest * configuration.engine.blockSize, instances: request.cluster.gpus, &random)
  }

  private static func configuration(
    _ plan: PolicyPlan, _ request: PolicyRequest, _ kind: EngineKind
  ) throws -> SimulationConfiguration {
    var engine = EngineOptions()
    engine.kind = kind
    engine.maxNumBatchedTokens = kind == .vllmV0 ? 4096 : 2048
    engine.maxNumSeqs = min(plan.multiple.together(256), engine.maxNumBatchedTokens - 1)
    let (layout, cluster) = (plan.layout, request.cluster)
    let topology = InstanceTopology(
      nodeOfInstance: layout.instances.map(layout.homeNode(of:)),
      withinNode: cluster.hardware.queuedLink.costs, acrossNodes: cluster.interNodeLink.costs,
      gpus: cluster.gpus)
    let costs = try InstanceCosts(
      model: request.model, hardware: cluster.hardware, shape: layout.shape,
      wiring: layout.wiring(of: InstanceID(0)))
    return SimulationConfiguration(topology: topology, costs: costs, blocksPerInstance: 1, engine: engine)
  }

  /// As many short ones as long ones, by powers of two; of giants a few in a hundred, or none.
  private mutating func addRequests(tokens: Int, instances: Int, _ random: inout SeededRandom) {
    let giants = random.pick([0, 1, 3, 6])
    let longest = tokens / random.pick([2, 4, 10])
    for _ in 0..<random.integer(300...360) {
      var prompt = Self.ofAnySize(longest, &random)
      let output = Self.ofAnySize(min(tokens / 3, 600), &random)
      if random.chance(giants) {
        prompt = random.integer(tokens * 9 / 10...tokens * max(2, instances) * 2 / 3)
        hasGiants = true
      }
      requests.append(TraceRequest(arrival: .zero, prompt: prompt, output: output))
    }
  }

  private static func ofAnySize(_ most: Int, _ random: inout SeededRandom) -> Int {
    let bits = Int.bitWidth - most.leadingZeroBitCount
    return random.integer(1...max(1, min(most, 1 << random.integer(1...bits))))
  }

  func makePolicy() throws -> any SchedulingPolicy { try PolicyCatalog.make(policyName, request).policy }

  func run(blocks: Int) throws -> Run {
    final class Ends: RunObserver {
      var run = Run()
      func requestEnded(_ record: RequestRecord) {
        if record.outcome.isServed { run.completed.insert(record.id.index) }
        run.makespan = max(run.makespan, record.ended.picoseconds)
        run.preemptions += record.preemptions
        run.borrowers += record.borrowedBlocksPeak > 0 ? 1 : 0
      }
    }
    let ends = Ends()
    var configuration = configuration
    configuration.blocksPerInstance = multiple.together(blocks)
    _ = try Trial.simulate(
      configuration, policy: makePolicy(), source: ArraySource(requests), observer: ends)
    return ends.run
  }

  /// Whether the most memory is a tenth faster than the least.
  func matters(_ runs: [Run]) -> Bool {
    let times = runs.map(\.makespan)
    return times[times.count - 1] * 10 < times[0] * 9
  }

  var description: String {
    "\(policyName) \(configuration.engine.kind.rawValue), \(requests.count) requests on nodes "
      + "\(configuration.topology.nodeOfInstance)"
  }
}
