import Policies
import Sim
import Testing

/// `max_context_tokens` is a limit to the token (semantics.md 29, 35).
@Suite struct MaxContextTests {
  private static let instances = 3

  private func summary(
    _ policy: any SchedulingPolicy, _ engine: EngineKind, prompt: Int, output: Int = 1
  ) throws -> RunSummary {
    var options = EngineOptions()
    options.kind = engine
    options.maxNumSeqs = 8
    options.maxNumBatchedTokens = 512
    let costs = InstanceCosts(
      stages: 1, ranks: 1, layersPerStage: 1, hostBase: 0, hostPerSequence: 0, decodeFloor: 1, contextRate: 1,
      prefillFloor: 1, prefillTokenRate: 1, prefillPairRate: 1, kvBytesPerTokenPerStage: 16, queryBytes: 8,
      partialBytes: 10, linear: { Int64($0) })
    let link = LinkCosts(latency: 10, bytesPerSecond: 1e12)
    let count = policy.name == "vllm-s" ? 1 : Self.instances
    let configuration = SimulationConfiguration(
      topology: InstanceTopology(
        nodeOfInstance: Array(repeating: 0, count: count), withinNode: link, acrossNodes: link, gpus: count),
      costs: costs, blocksPerInstance: 200, engine: options)
    return try Simulation(configuration, policy: policy)
      .run(ArraySource([TraceRequest(arrival: .zero, prompt: prompt, output: output)]))
  }

  private func policies() -> [any SchedulingPolicy] {
    var lending = LendingOptions()
    lending.mode = .proactive
    return [
      VLLMMultiple(router: .leastLoaded), VLLMSingle(),
      DebtorCreditor(router: .leastLoaded, lending: lending),
    ]
  }

  @Test(arguments: EngineKind.allCases)
  func aPromptOfTheLimitLessOneIsServedAndOneMoreTokenIsRefused(engine: EngineKind) throws {
    for policy in policies() {
      let limit = try summary(policy, engine, prompt: 1).maxContextTokens
      #expect(try summary(policy, engine, prompt: limit - 1).completed == 1, "\(policy.name)")
      let refused = try summary(policy, engine, prompt: limit)
      #expect(refused.rejectedByReason == [.exceedsCapacity: 1], "\(policy.name)")
    }
  }

  /// 200 blocks of 16 tokens: 2 kept free by vllm-v0, 1 unusable under chunked; lending pools three instances.
  @Test func theLimitIsThatOfTheBlocks() throws {
    let limits = try policies().map { try summary($0, .vllmV0, prompt: 1).maxContextTokens }
    #expect(limits == [198 * 16, 198 * 16, 3 * 198 * 16])
    let chunked = try policies().map { try summary($0, .chunked, prompt: 1).maxContextTokens }
    #expect(chunked == [199 * 16, 199 * 16, 3 * 199 * 16])
  }
}
