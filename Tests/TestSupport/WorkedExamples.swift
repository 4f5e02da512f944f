import Foundation
import Policies
import Sim

/// Small cases on the real engine, worked out by hand or by queueing theory.
///
/// Unless said otherwise: blocks of 4 tokens, one byte a picosecond, links of 50 ps, and costs in which every term has
/// its own decimal place: a step takes 1,000,000 + 1,000 · sequences + 10,000 · tokens + 100 · attended tokens (if any
/// decodes: 7 more), and prefill attention costs 3, and x·c + x(x+1)/2 for each chunk of x after c.
public enum WorkedExample {
  public static func cluster(
    instances: Int, blocks: Int, stages: Int = 1, bytesPerSecond: Double = 1e12,
    _ adjust: (inout EngineOptions) -> Void = { _ in }
  ) -> SimulationConfiguration {
    var engine = EngineOptions()
    engine.blockSize = 4
    engine.maxNumSeqs = 8
    engine.maxNumBatchedTokens = 64
    engine.appendCheck = .exact
    adjust(&engine)
    let link = LinkCosts(latency: 50, bytesPerSecond: bytesPerSecond)
    return SimulationConfiguration(
      topology: InstanceTopology(
        nodeOfInstance: Array(repeating: 0, count: instances), withinNode: link, acrossNodes: link,
        gpus: instances * stages),
      costs: InstanceCosts(
        stages: stages, ranks: 1, layersPerStage: 1, hostBase: 1_000_000, hostPerSequence: 1_000,
        decodeFloor: 7, contextRate: 100, prefillFloor: 3, prefillTokenRate: 0, prefillPairRate: 1,
        mergeFloor: 5, mergePerPartial: 2, kvBytesPerTokenPerStage: 8, queryBytes: 2, partialBytes: 2,
        linear: { Int64($0) * 10_000 }),
      blocksPerInstance: blocks, engine: engine)
  }

  public static func request(_ arrival: Int64, _ prompt: Int, _ output: Int) -> TraceRequest {
    TraceRequest(arrival: SimTime(picoseconds: arrival), prompt: prompt, output: output)
  }

  /// Passive lending, growth in chunks of two blocks.
  public static func run(
    _ configuration: SimulationConfiguration, _ requests: [TraceRequest]
  ) throws -> [OracleResult] {
    var lending = LendingOptions()
    lending.mode = .passive
    lending.coupling = .paper
    lending.borrowChunk = 2
    let scenario = Scenario(
      seed: 0, configuration: configuration, requests: requests, router: .roundRobin, lending: lending)
    return try ScenarioRun(scenario).results
  }

  /// Two requests outgrow their home and borrow from an idle neighbour (request 1 has left it):
  /// their ends, ps. See `borrowEnds`.
  public static func borrow(bytesPerSecond: Double = 1e12) throws -> [Int64] {
    let results = try run(
      cluster(instances: 2, blocks: 4, bytesPerSecond: bytesPerSecond),
      [request(0, 7, 4), request(0, 1, 1), request(0, 7, 3)])
    return [results[0].ended, results[2].ended]
  }

  /// By hand: prefill of 7 + 7 tokens, 1,002,000 + 140,000 + 3 + 2 · 28 = 1,142,059; a decode step of both, contexts
  /// 8 + 8, 1,002,000 + 20,000 + 7 + 1,600 = 1,023,607; then both write to hosted blocks: 16 local tokens cost
  /// 7 + 1,600, the remote path 2 · 50 + 2 · 4 + 7 + 1,600 = 1,715, the merge 5 + 2 · 2, in all 1,023,724, and the younger
  /// is done; the older alone: remote 100 + 4 + 7 + 800 = 911 against 7 + 800, merge 7, in all 1,011,918.
  public static let borrowEnds: [Int64] = [
    1_142_059 + 1_023_607 + 1_023_724 + 1_011_918, 1_142_059 + 1_023_607 + 1_023_724,
  ]

  /// What comes of two requests, the younger of which needs nearly all memory, 2 × 80 blocks with a watermark of 8 each: its
  /// 556 tokens, and 16 to come, start with 72 blocks at home and 71 of 71 that the other instance may lend; it grows into
  /// the watermark at home, and is preempted when the older one, in its ninth block, needs a tenth. Now its blocks are more
  /// than the 144 that both instances admit above their watermarks, but it had grown to that, and does so again.
  public static func grownIntoTheWatermark() throws -> [OracleResult] {
    let configuration = cluster(instances: 2, blocks: 80) {
      $0.watermarkPercent = 10
      $0.maxNumBatchedTokens = 1_024
    }
    return try run(configuration, [request(0, 1, 60), request(0, 556, 40)])
  }

  /// How much later a request ends, in three steps of its own, because its instance hosts 6 blocks of 4 tokens: 3 steps ×
  /// stages × 100 ps × 24 tokens. The giant's 38 tokens, and the 16 to come, take 8 blocks at home and 6 there, all the while.
  public static func hostedDelay(stages: Int) throws -> Int64 {
    func ended(_ prompt: Int) throws -> Int64 {
      let configuration = cluster(instances: 2, blocks: 8, stages: stages) { $0.prefillAttention = .home }
      return try run(configuration, [request(0, prompt, 2), request(1, 2, 3)])[1].ended
    }
    return try ended(38) - ended(2)
  }

  /// Waiting times of one-token requests served one at a time in 1,011,004 ps each (prefill of 1: 1,001,000 + 10,000
  /// + 3 + 1), ps.
  public static func waits(arrivals: [Int64]) throws -> [Int64] {
    let configuration = cluster(instances: 1, blocks: 100) { $0.maxNumSeqs = 1 }
    return try run(configuration, arrivals.map { request($0, 1, 1) }).enumerated().map {
      $0.element.ended - arrivals[$0.offset] - service
    }
  }

  public static let service: Int64 = 1_011_004

  /// Poisson arrivals at `load` of the server's rate, ps; the first at 0.
  public static func poisson(count: Int, load: Double, seed: UInt64) -> [Int64] {
    let stream = RandomStream(seed: seed, name: "poisson")
    var time = 0.0
    return (0..<count).map { index in
      if index > 0 { time -= log(1 - stream.unit(entity: index, ordinal: 0)) * Double(service) / load }
      return Int64(time.rounded())
    }
  }
}
