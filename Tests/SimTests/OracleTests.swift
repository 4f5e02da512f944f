import Sim
import TestSupport
import Testing
import Torture

/// The oracle against numbers worked out by hand, so that what the engine is compared with is itself checked.
///
/// Unless said otherwise: blocks of 4 tokens, and costs in which every term has its own decimal place:
/// a step takes 1,000,000 + 1,000 · sequences + linear(n) = 10,000 · n + 100 · attended tokens (if any decodes:
/// 7 more), and prefill attention costs 3, and x·c + x(x+1)/2 for each chunk of x after c.
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

  static func run(
    _ configuration: SimulationConfiguration, lending: LendingOptions = LendingOptions(),
    _ requests: [TraceRequest]
  ) -> [OracleResult] {
    var oracle = Oracle(configuration: configuration, router: .roundRobin, lending: lending)
    return oracle.run(requests)
  }

  static func completed(
    first: Int64, ended: Int64, tokens: Int, preemptions: Int = 0
  ) -> OracleResult {
    OracleResult(
      firstToken: first, ended: ended, rejected: nil, preemptions: preemptions, generated: tokens)
  }

  // MARK: - vllm-v0

  @Test func `A lone request takes one prefill and output - 1 decode steps`() {
    // Prefill of 6: 1,000,000 + 1,000 + 60,000 + 3 + 21 = 1,061,024, then the first token.
    // Decode with n = 1: 1,011,007 + 100 · context, contexts 7 and 8: 1,011,707 and 1,011,807.
    let results = Self.run(Self.cluster(blocks: 10), [Self.request(500, 6, 3)])
    #expect(
      results == [
        Self.completed(first: 500 + 1_061_024, ended: 500 + 1_061_024 + 1_011_707 + 1_011_807, tokens: 3)
      ])
  }

  @Test func `The watermark is a hundredth of the blocks and binds admission`() {
    // 100 blocks, watermark 1: 99 blocks hold 396 tokens, so prompt + 1 = 397 is refused and 396 is not.
    let configuration = Self.cluster(blocks: 100) { $0.maxNumBatchedTokens = 1_000 }
    let results = Self.run(configuration, [Self.request(0, 396, 1), Self.request(0, 395, 1)])
    #expect(results[0].rejected == .exceedsCapacity)
    #expect(results[0].ended == 0)
    #expect(results[1].rejected == nil)
  }

  @Test func `A shortage preempts the youngest, which recomputes and emits its next token there`() {
    // 4 blocks; A and B each hold 2 after a prefill of 7 + 7 tokens:
    //   1,000,000 + 2,000 + 140,000 + 3 + 2 · 28 = 1,142,059
    // decode both, contexts 8 + 8: 1,000,000 + 2,000 + 20,000 + 7 + 1,600 = 1,023,607
    // A needs a third block, B goes; A alone with contexts 9 and 10: 1,011,907 + 1,012,007, and completes.
    // B needs 3 blocks for 7 + 2 tokens and has had to wait for that; its prefill of 9:
    //   1,000,000 + 1,000 + 90,000 + 3 + 45 = 1,091,048, which emits its third and last token.
    let configuration = Self.cluster(blocks: 4) { $0.appendCheck = .exact }
    let results = Self.run(configuration, [Self.request(0, 7, 4), Self.request(0, 7, 3)])
    let endOfA: Int64 = 1_142_059 + 1_023_607 + 1_011_907 + 1_012_007
    #expect(
      results == [
        Self.completed(first: 1_142_059, ended: endOfA, tokens: 4),
        Self.completed(first: 1_142_059, ended: endOfA + 1_091_048, tokens: 3, preemptions: 1),
      ])
  }

  @Test func `As in vLLM every running request must find a free block, needed or not`() {
    // As above, but A finds no free block before the first decode step already, so B goes at once.
    //   A alone, context 8: 1,011,807; then B fits again with 7 + 1 tokens in 2 blocks:
    //   1,000,000 + 1,000 + 80,000 + 3 + 36 = 1,081,039, its second token
    //   A needs a third block and B goes again; contexts 9 and 10: 1,011,907 + 1,012,007; A completes
    //   B prefills 9: 1,091,048
    let results = Self.run(Self.cluster(blocks: 4), [Self.request(0, 7, 4), Self.request(0, 7, 3)])
    let endOfA: Int64 = 1_142_059 + 1_011_807 + 1_081_039 + 1_011_907 + 1_012_007
    #expect(
      results == [
        Self.completed(first: 1_142_059, ended: endOfA, tokens: 4),
        Self.completed(first: 1_142_059, ended: endOfA + 1_091_048, tokens: 3, preemptions: 2),
      ])
  }

  @Test func `A request alone that cannot have its next block is given up`() {
    // 2 blocks: prefill of 7 (1,071,031), a decode step with context 8 (1,011,807), then 8 tokens fill both.
    let results = Self.run(Self.cluster(blocks: 2) { $0.appendCheck = .exact }, [Self.request(0, 7, 5)])
    #expect(
      results == [
        OracleResult(
          firstToken: 1_071_031, ended: 2_082_838, rejected: .outgrewCapacity, preemptions: 0, generated: 2)
      ])
  }

  @Test func `A prompt above the budget is prefilled alone, or ended at the head`() {
    // Budget 16. 5 tokens first, then 20 alone: 1,051,018 and 1,000,000 + 1,000 + 200,000 + 3 + 210 = 1,201,213.
    let trace = [Self.request(0, 5, 1), Self.request(0, 20, 1)]
    let alone = Self.run(Self.cluster(blocks: 20) { $0.maxNumBatchedTokens = 16 }, trace)
    #expect(alone[0].ended == Int64(1_051_018))
    #expect(alone[1].ended == Int64(1_051_018 + 1_201_213))
    let ignored = Self.run(
      Self.cluster(blocks: 20) {
        $0.maxNumBatchedTokens = 16
        $0.overBudget = .ignore
      }, trace)
    #expect(ignored[1].rejected == .overBudget)
    #expect(ignored[1].ended == 0)
  }

  @Test func `Padding costs n times the longest`() {
    // Lengths 6 and 3: linear work of 12 tokens, attention of 3 + 21 + 6: 1,002,000 + 120,000 + 30.
    let results = Self.run(
      Self.cluster(blocks: 20) { $0.padded = true }, [Self.request(0, 6, 1), Self.request(0, 3, 1)])
    #expect(results.map(\.ended) == [1_122_030, 1_122_030])
  }

  @Test func `Pipeline lanes run in rounds of the longest stage`() {
    // PP = 2. The prompts of 6 and 3 go to lanes 0 and 1: stages 60,000 + 3 + 21 and 30,000 + 3 + 6.
    //   1,000,000 + 2,000 + 2 · 60,024 = 1,122,048
    // Decode, contexts 7 and 4: stages 10,000 + 7 + 700 and 10,000 + 7 + 400: 1,002,000 + 2 · 10,707 = 1,023,414.
    let results = Self.run(
      Self.cluster(blocks: 20, stages: 2), [Self.request(0, 6, 2), Self.request(0, 3, 2)])
    #expect(results.map(\.ended) == [2_145_462, 2_145_462])
  }

  @Test func `Free prefills last one picosecond`() {
    // Then one decode step with context 7.
    let results = Self.run(
      Self.cluster(blocks: 20) { $0.prefillAttention = .free }, [Self.request(0, 6, 2)])
    #expect(results == [Self.completed(first: 1, ended: 1 + 1_011_707, tokens: 2)])
  }

  // MARK: - chunked

  @Test func `A prompt is served in chunks of the budget left by the decoding requests`() {
    // Budget 8. A's prompt of 5: 1,000,000 + 1,000 + 50,000 + 3 + 15 = 1,051,018, then A decodes with contexts
    // 6, 7, 8 while B's prompt of 16 is served in chunks of 7, 7 and 2:
    //   2,000 + 80,000 + 7 + 600 + 3 + 28                   → 1,082,638
    //   2,000 + 80,000 + 7 + 700 + 3 + 7 · 7 + 28           → 1,082,787
    //   2,000 + 30,000 + 7 + 800 + 3 + 2 · 14 + 3           → 1,032,841, B's only token
    // and then A alone with contexts 9 and 10: 1,011,907 + 1,012,007.
    let configuration = Self.cluster(blocks: 10) {
      $0.kind = .chunked
      $0.maxNumBatchedTokens = 8
      $0.maxNumSeqs = 2
    }
    let results = Self.run(configuration, [Self.request(0, 5, 6), Self.request(1, 16, 1)])
    let endOfB: Int64 = 1_051_018 + 1_082_638 + 1_082_787 + 1_032_841
    #expect(
      results == [
        Self.completed(first: 1_051_018, ended: endOfB + 1_011_907 + 1_012_007, tokens: 6),
        Self.completed(first: endOfB, ended: endOfB, tokens: 1),
      ])
  }

  @Test func `Chunked uses one block less and preempts the youngest in true need`() {
    // 5 blocks, 4 usable. Prefill of 7 + 7 as one step, 1,142,062 as above, decode 1,023,607; A needs a block, B
    // goes, nothing is admitted in that step; A alone 1,011,907 and 1,012,007; B recomputes 9: 1,091,048.
    let configuration = Self.cluster(blocks: 5) { $0.kind = .chunked }
    let results = Self.run(configuration, [Self.request(0, 7, 4), Self.request(0, 7, 3)])
    let endOfA: Int64 = 1_142_059 + 1_023_607 + 1_011_907 + 1_012_007
    #expect(
      results == [
        Self.completed(first: 1_142_059, ended: endOfA, tokens: 4),
        Self.completed(first: 1_142_059, ended: endOfA + 1_091_048, tokens: 3, preemptions: 1),
      ])
  }

  // MARK: - Lending

  static var passive: LendingOptions {
    var lending = LendingOptions()
    lending.mode = .passive
    lending.coupling = .paper
    return lending
  }

  @Test func `A prompt larger than its home is prefilled in chunks over its hosts, which pay`() {
    // Two instances of 6 blocks; the giant's 28 tokens take 7, and 4 more for its first tokens: 6 at home and 5 on
    // instance 1, where its tokens lie in the same proportion at every chunk. Budget 20.
    //   chunk of 20: 20 − ⌊20 · 6/11⌋ = 10 are written out, which is shorter than 210 pairs: 1,001,000 + 200,000 + 3 + 210
    //   chunk of 8 after 20: pairs at home 8 · 10 + 36 = 116; host, 10 cached tokens: 2 · 50 + 4 · 8 + 3 + 8 · 10 = 215;
    //     written out 13 − 10: 50 + 24: 1,001,000 + 80,000 + 3 + 215 = 1,081,218
    //   decode, its token hosted: at home 7 + 2,400, at the host 100 + 4 + 7 + 2,000; merge 5 + 2: 1,013,414
    // Instance 1 serves a small request beside 20 hosted tokens, 2,000 a step:
    //   prefill of 2: 1,001,000 + 20,000 + 3 + 3 + 2,000 = 1,023,006
    //   decode, context 3: 1,011,007 + 300 + 2,000 = 1,013,307; the giant's second chunk starts meanwhile
    //   decode, context 4: 1,011,007 + 400 + 2,000 + 8 · 10 owed = 1,013,487
    let configuration = Self.cluster(instances: 2, blocks: 6) {
      $0.appendCheck = .exact
      $0.maxNumBatchedTokens = 20
    }
    let results = Self.run(
      configuration, lending: Self.passive, [Self.request(0, 28, 2), Self.request(0, 2, 3)])
    #expect(
      results == [
        Self.completed(first: 2_282_431, ended: 2_282_431 + 1_013_414, tokens: 2),
        Self.completed(first: 1_023_006, ended: 1_023_006 + 1_013_307 + 1_013_487, tokens: 3),
      ])
  }

  @Test func `With attention at home the giant's prompt is one chunk`() {
    // 253 pairs against a write-out of 6 tokens, 50 + 48: 1,001,000 + 220,000 + 3 + 253.
    let configuration = Self.cluster(instances: 2, blocks: 4) {
      $0.maxNumBatchedTokens = 20
      $0.prefillAttention = .home
    }
    let results = Self.run(configuration, lending: Self.passive, [Self.request(0, 22, 1)])
    #expect(results == [Self.completed(first: 1_221_256, ended: 1_221_256, tokens: 1)])
  }

  @Test func `A shortage borrows before anybody is preempted`() {
    // The shortage above, with an idle second instance (request 1 has left it) and loans of 2 blocks.
    //   prefill 1,142,062, decode 1,023,607, then both write to hosted blocks: 16 local tokens 7 + 1,600,
    //   remote 100 + 8 + 7 + 1,600 = 1,715, merge 5 + 2 · 2: 1,022,000 + 1,724; the younger completes
    //   A alone: remote 100 + 4 + 7 + 800 = 911 against 7 + 800, merge 7: 1,011,000 + 918
    var lending = Self.passive
    lending.borrowChunk = 2
    let configuration = Self.cluster(instances: 2, blocks: 4) { $0.appendCheck = .exact }
    let results = Self.run(
      configuration, lending: lending,
      [Self.request(0, 7, 4), Self.request(0, 1, 1), Self.request(0, 7, 3)])
    let third: Int64 = 1_142_059 + 1_023_607 + 1_023_724
    #expect(results[0] == Self.completed(first: 1_142_059, ended: third + 1_011_918, tokens: 4))
    #expect(results[2] == Self.completed(first: 1_142_059, ended: third, tokens: 3))
  }

  @Test func `A giant alone at home takes its creditors' memory from a younger request`() {
    // The giant takes 14 of 16 blocks, 4 of them for its first 16 tokens; a younger request comes before these are
    // made and takes the last two. When the giant needs one more the younger one goes, and nobody is given up.
    let configuration = Self.cluster(instances: 2, blocks: 8) { $0.appendCheck = .exact }
    let results = Self.run(
      configuration, lending: Self.passive, [Self.request(0, 40, 24), Self.request(14_000_000, 2, 6)])
    #expect(results.map(\.rejected) == [nil, nil])
    #expect(results.map(\.preemptions) == [0, 1])
    #expect(results[1].ended > results[0].ended)
  }

  @Test(arguments: [true, false])
  func `A blocked giant keeps younger requests out only if memory is reserved for giants`(reserves: Bool) {
    // Request 0 holds 2 of 4 blocks on instance 0; the giant at instance 1 needs 7 blocks and takes all 8, for its first
    // tokens, and waits; request
    // 2 would fit beside request 0 after its prefill, at 1,061,024, with a prefill of 1,021,006.
    // Held back, it starts when the giant has ended, which starts when request 0 has, at 1,061,024 + 1,011,707 + 1,011,807, and
    // takes 1,001,000 + 270,000 + 3 + 378 pairs.
    var lending = Self.passive
    lending.reserveGiants = reserves ? .hold : .none
    let configuration = Self.cluster(instances: 2, blocks: 4) { $0.appendCheck = .exact }
    let results = Self.run(
      configuration, lending: lending,
      [Self.request(0, 6, 3), Self.request(1, 27, 1), Self.request(2, 2, 1)])
    #expect(results.map(\.rejected) == [nil, nil, nil])
    #expect(results[0].ended == (reserves ? 3_084_538 : 4_105_544) as Int64)
    #expect(
      results[2].ended == (reserves ? 3_084_538 + 1_271_381 + 1_021_006 : 1_061_024 + 1_021_006) as Int64)
    #expect(results[1].ended > results[0].ended)
  }

  @Test func `A prompt fills its own node before another`() {
    // Four instances of 4 blocks on two nodes; 9 blocks and 4 for its first tokens: 4 at home, 4 on the neighbour, and 5 of
    // the other node, 3 and 2. Of 34 tokens 34 − ⌊34 · 4/13⌋ = 24 lie on hosts. Far links are 1,000 ps away.
    //   prefill of 34: pairs 595, write-outs 50 + 8 · ⌈24 · 4/9⌉ = 138 and 1,000 + 8 · ⌈24 · 3/9⌉ = 1,064:
    //   1,001,000 + 340,000 + 3 + 1,064
    //   decode, local 7 + 1,600, near 100 + 4 + 7 + 1,600 = 1,711, far 2,000 + 4 + 7 + 1,200 = 3,211, merge 5 + 3 · 2:
    //   1,011,000 + 3,222
    var configuration = Self.cluster(instances: 4, blocks: 4) { $0.appendCheck = .exact }
    configuration.topology.nodeOfInstance = [0, 0, 1, 1]
    configuration.topology.acrossNodes.latency = 1_000
    let results = Self.run(configuration, lending: Self.passive, [Self.request(0, 34, 2)])
    #expect(results == [Self.completed(first: 1_342_067, ended: 1_342_067 + 1_014_222, tokens: 2)])
  }

  // MARK: - Random clusters

  /// What share of the scenarios of a generator meets what.
  struct Shares {
    var scenarios = 0, preempting = 0, rejecting = 0, coinciding = 0, parallel = 0, borrowing = 0
    var oneToken = 0
    var decodeSteps = 0, decodeRuns = 0
  }

  static func shares(_ generator: ScenarioGenerator, seeds: ClosedRange<UInt64>) -> Shares {
    var shares = Shares()
    for seed in seeds {
      let scenario = generator.scenario(seed: seed)
      var oracle = Oracle(
        configuration: scenario.configuration, router: scenario.router, lending: scenario.lending)
      let results = oracle.run(scenario.requests)
      for (request, result) in zip(scenario.requests, results) {
        #expect(result.rejected != nil || result.generated == request.output, "seed \(seed)")
        #expect(result.generated <= request.output, "seed \(seed)")
        #expect(result.ended >= request.arrival.picoseconds, "seed \(seed)")
        #expect((result.firstToken == nil) == (result.generated == 0), "seed \(seed)")
      }
      let costs = scenario.configuration.costs
      shares.scenarios += 1
      shares.preempting += results.contains { $0.preemptions > 0 } ? 1 : 0
      shares.rejecting += results.contains { $0.rejected != nil } ? 1 : 0
      shares.coinciding += oracle.statistics.coincidences > 0 ? 1 : 0
      shares.parallel += costs.stages * costs.ranks > 1 ? 1 : 0
      shares.borrowing += oracle.statistics.borrowedBlocks > 0 ? 1 : 0
      shares.oneToken += scenario.requests.contains { $0.output == 1 } ? 1 : 0
      shares.decodeSteps += oracle.statistics.decodeSteps
      shares.decodeRuns += oracle.statistics.decodeRuns
    }
    return shares
  }

  @Test(arguments: EngineKind.allCases, [false, true])
  func `Random clusters meet shortages, refusals, ties and long runs often enough`(
    engine: EngineKind, lending: Bool
  ) {
    let shares = Self.shares(ScenarioGenerator(engine: engine, lending: lending), seeds: 1...60)
    let all = shares.scenarios
    #expect(shares.preempting * 100 >= all * 30, "\(shares)")
    #expect(shares.rejecting * 100 >= all * 10, "\(shares)")
    #expect(shares.coinciding * 100 >= all * 20, "\(shares)")
    #expect(shares.parallel * 100 >= all * 20, "\(shares)")
    #expect(shares.oneToken * 100 >= all * 50, "\(shares)")
    #expect(!lending || shares.borrowing * 100 >= all * 30, "\(shares)")
    #expect(shares.decodeSteps >= 4 * shares.decodeRuns, "\(shares)")
  }
}
