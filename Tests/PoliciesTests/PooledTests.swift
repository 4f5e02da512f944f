import Policies
import Sim
import Testing

/// What is particular to `pooled`, small enough to compute by hand.
@Suite struct PooledTests {
  /// Instances of 100 blocks of 16 tokens, three to a node; a step takes a microsecond.
  private func run(
    instances: Int, _ requests: [TraceRequest], nodeFirst: Bool = true
  ) throws -> (summary: RunSummary, seen: Seen) {
    let costs = InstanceCosts(
      stages: 1, ranks: 1, layersPerStage: 1, hostBase: 1_000_000, hostPerSequence: 0, decodeFloor: 0,
      contextRate: 1, prefillFloor: 0, prefillTokenRate: 1_000, prefillPairRate: 1, linear: { Int64($0) })
    let link = LinkCosts(latency: 0, bytesPerSecond: 1e15)
    var engine = EngineOptions()
    engine.watermarkPercent = 0
    let configuration = SimulationConfiguration(
      topology: InstanceTopology(
        nodeOfInstance: (0..<instances).map { $0 / 3 }, withinNode: link, acrossNodes: link, gpus: instances),
      costs: costs, blocksPerInstance: 100, engine: engine)
    var lending = LendingOptions()
    lending.mode = .passive
    lending.spreadFrom = 400
    let seen = Seen()
    let policy = Pooled(lending: lending, nodeFirst: nodeFirst, shareFrom: 16)
    return (
      try Simulation(configuration, policy: policy, observer: seen).run(ArraySource(requests)), seen
    )
  }

  private final class Seen: RunObserver {
    var homes: [Int: Int] = [:]
    var loans: [[Int]] = []
    func requestEnded(_ record: RequestRecord) { homes[record.id.index] = record.home.index }
    func decided(_ decision: DecisionRecord) {
      if decision.kind == .borrow {
        loans.append([decision.request.index, decision.destination.index, decision.blocks])
      }
    }
  }

  private func request(_ prompt: Int, at nanoseconds: Int64 = 0, output: Int = 4) -> TraceRequest {
    TraceRequest(arrival: SimTime(picoseconds: nanoseconds * 1_000), prompt: prompt, output: output)
  }

  @Test func `a long prompt is shared out evenly over its node and no further`() throws {
    // 30 blocks and one for its first tokens: home and two hosts of its node take a third each, the other node nothing.
    let (summary, seen) = try run(instances: 6, [request(480)])
    #expect(seen.loans == [[0, 1, 11], [0, 2, 10]] && summary.completed == 1)
  }

  @Test func `a short prompt stays whole`() throws {
    #expect(try run(instances: 6, [request(399)]).seen.loans.isEmpty)
  }

  @Test func `requests start where the fewest tokens are, and who must wait joins the longest queue`() throws
  {
    let (_, seen) = try run(instances: 3, [request(100), request(50), request(60), request(40)])
    #expect(seen.homes == [0: 0, 1: 1, 2: 2, 3: 0])
  }

  @Test func `what a node can hold waits for it, what it cannot is lent by others`() throws {
    // The node has 300 blocks: 250 are asked for, 250 are taken until the first request ends.
    let two = [request(4_000, output: 40), request(4_000, at: 1, output: 4)]
    let waiting = try run(instances: 6, two)
    let firstNode = { (loans: [[Int]]) in loans.allSatisfy { $0[1] < 3 } }
    #expect(firstNode(waiting.seen.loans.filter { $0[0] == 0 }) && waiting.summary.completed == 2)
    // 313 blocks: the whole node and some of the other.
    let large = try run(instances: 6, [request(5_000)])
    #expect(!firstNode(large.seen.loans) && large.summary.completed == 1)
  }
}
