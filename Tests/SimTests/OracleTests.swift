import Sim
import TestSupport
import Testing

/// The oracle against numbers worked out by hand, so that what the engine is compared with is itself checked.
///
/// Unless said otherwise: blocks of 4 tokens, and costs in which every term has its own decimal place:
/// a step takes 1,000,000 + 1,000 · sequences + linear(n) = 10,000 · n + 100 · attended tokens (if any decodes:
/// 7 more), and a prefill chunk of x after c costs 3 + (x·c + x(x+1)/2) of attention.
@Suite struct OracleTests {
  static func costs(stages: Int = 1) -> InstanceCosts {
    InstanceCosts(
      stages: stages, ranks: 1, layersPerStage: 1, hostBase: 1_000_000, hostPerSequence: 1_000,
      decodeFloor: 7, contextRate: 100, prefillFloor: 3, prefillTokenRate: 0, prefillPairRate: 1,
      mergeFloor: 5, mergePerPartial: 2, kvBytesPerTokenPerStage: 8, queryBytes: 2, partialBytes: 2,
      linear: { Int64($0) * 10_000 })
  }

  static func cluster(
    instances: Int = 1, blocks: Int, stages: Int = 1, linkLatency: Int64 = 50,
    _ adjust: (inout EngineOptions) -> Void = { _ in }
  ) -> SimulationConfiguration {
    var engine = EngineOptions()
    engine.blockSize = 4
    engine.maxNumSeqs = 8
    engine.maxNumBatchedTokens = 64
    adjust(&engine)
    // One byte takes one picosecond.
    let link = LinkCosts(latency: linkLatency, bytesPerSecond: 1e12)
    return SimulationConfiguration(
      topology: InstanceTopology(
        nodeOfInstance: Array(repeating: 0, count: instances), withinNode: link, acrossNodes: link,
        gpus: instances),
      costs: costs(stages: stages), blocksPerInstance: blocks, engine: engine)
  }

  static func request(_ arrival: Int64, _ prompt: Int, _ output: Int) -> TraceRequest {
    TraceRequest(arrival: SimTime(picoseconds: arrival), prompt: prompt, output: output)
  }

  @Test func `A lone request takes one prefill and output - 1 decode steps`() {
    // Prefill of 6: 1,000,000 + 1,000 + 60,000 + 3 + 21 = 1,061,024, then the first token.
    // Decode with n = 1: 1,011,007 + 100 · context, contexts 7 and 8: 1,011,707 and 1,011,807.
    var oracle = Oracle(configuration: Self.cluster(blocks: 10), router: .roundRobin)
    let results = oracle.run([Self.request(500, 6, 3)])
    #expect(results[0].firstToken == 500 + 1_061_024)
    #expect(results[0].ended == 500 + 1_061_024 + 1_011_707 + 1_011_807)
    #expect(results[0].generated == 3)
    #expect(results[0].rejected == nil)
  }

  @Test func `The watermark is a hundredth of the blocks and binds admission`() {
    // 100 blocks, watermark 1: 99 blocks hold 396 tokens, so prompt + 1 = 397 is refused and 396 is not.
    let configuration = Self.cluster(blocks: 100) { $0.maxNumBatchedTokens = 1_000 }
    var oracle = Oracle(configuration: configuration, router: .roundRobin)
    let results = oracle.run([Self.request(0, 396, 1), Self.request(0, 395, 1)])
    #expect(results[0].rejected == .exceedsCapacity)
    #expect(results[0].ended == 0)
    #expect(results[1].rejected == nil)
  }
}
