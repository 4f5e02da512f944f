import Runs
import Sim
import Testing

@Suite struct RunPlanTests {
  private func plan(
    _ policy: String, _ arguments: [String] = [], scope: LayoutScope = .itself
  ) throws -> RunPlan {
    let options = try RunOptions.parse(["--trace", "t.csv"] + arguments)
    return try RunPlan.make(
      policy: policy, options: options, pairs: OptionPairs(options.optionArguments), scope: scope)
  }

  @Test(arguments: [
    (["--tp", "2"], "TP2 × PP4 × 1"), (["--tp", "2", "--pp", "2"], "TP2 × PP2 × 1"),
    (["--tp", "4", "--instances", "1"], "TP4 × PP2 × 1"), (["--pp", "1"], "TP8 × PP1 × 1"),
    (["--tp", "2", "--option", "vllm-s-tp=4"], "TP4 × PP2 × 1"),
    (["--tp", "2", "--pp", "2", "--option", "vllm-s-pp=1"], "TP2 × PP1 × 1"),
  ])
  func `under run the layout options are those of vllm-s itself`(arguments: [String], layout: String) throws {
    #expect(try plan("vllm-s", arguments).layout == layout)
  }

  @Test func `under compare the layout options are those of the small instance`() throws {
    #expect(try plan("vllm-s", ["--tp", "2", "--instances", "4"], scope: .vllmM).layout == "TP8 × PP1 × 1")
  }

  @Test func `the context that is served changes neither token budget nor memory`() throws {
    let plain = try plan("vllm-m")
    for limit in ["100", "model", "1000000"] {
      let limited = try plan("vllm-m", ["--max-model-len", limit])
      #expect(limited.maxNumBatchedTokens == plain.maxNumBatchedTokens, "\(limit)")
      #expect(limited.blocksPerInstance == plain.blocksPerInstance && limited.maxNumSeqs == plain.maxNumSeqs)
    }
  }

  @Test func `vllm-s refuses a TP that cannot be and more than one instance`() {
    #expect(throws: ClusterError.illegalTP(tp: 3, model: "llama2-7b", legal: [1, 2, 4, 8])) {
      _ = try plan("vllm-s", ["--tp", "3"])
    }
    #expect {
      _ = try plan("vllm-s", ["--instances", "2"])
    } throws: { FailureStatus($0) == .usage && "\($0)".contains("one instance") }
  }

  @Test func `the probe of the longest prompt runs once for a plan`() {
    var runs = 0
    var counted = fakePlan("a", rate: 1)
    let simulate = counted.simulate
    counted.simulate = {
      runs += 1
      return try simulate($0, $1, $2)
    }
    let copy = counted
    #expect(counted.maxContextTTFT(tokens: 1_000) == 0.25 && copy.maxContextTTFT(tokens: 1_000) == 0.25)
    #expect(runs == 1)
  }

  @Test func `a probe that fails or would take too long has no result and ends no run`() throws {
    var plan = fakePlan("a", rate: 1)
    plan.instances = 1_000
    let most = RunPlan.mostChunkHosts / 1_000 * plan.maxNumBatchedTokens
    #expect(plan.maxContextTTFT(tokens: most) == 0.25)
    #expect(plan.maxContextTTFT(tokens: most + 1) == nil && plan.maxContextTTFT(tokens: .max) == nil)

    var failing = fakePlan("a", rate: 1)
    let simulate = failing.simulate
    failing.simulate = {
      guard $1 != nil else { throw CancellationError() }
      return try simulate($0, $1, $2)
    }
    let run = try quietExecutor().execute(failing, on: fakeWorkload(prompts: [10]))
    #expect(run.result.maxContextTTFTSeconds == nil && run.summary.completed == 1)
  }

  @Test func `a step's logits are of no more sequences than its budget and its micro-batch`() throws {
    var engine = EngineOptions()
    (engine.maxNumSeqs, engine.maxNumBatchedTokens) = (8_192, 4_096)
    #expect(RunPlan.sequencesPerStep(engine, InstanceShape(tp: 8, pp: 1)) == 4_096)
    #expect(RunPlan.sequencesPerStep(engine, InstanceShape(tp: 8, pp: 3)) == 1_366)
    engine.maxNumSeqs = 5
    #expect(RunPlan.sequencesPerStep(engine, InstanceShape(tp: 1, pp: 4)) == 2)
    #expect(try plan("vllm-s", ["--nodes", "128"]).blocksPerInstance > 0)
  }

  @Test(arguments: [(1, 1), (2, 1), (1, 3), (2, 3), (4, 2), (1, 5)])
  func `instances have one class exactly if all their stages share nodes`(tp: Int, pp: Int) throws {
    let hardware = try #require(HardwareCatalog.named("a100-measured"))
    let layout = try ClusterLayout.make(
      cluster: ClusterSpec(nodes: 5, gpusPerNode: 8, hardware: hardware),
      shape: InstanceShape(tp: tp, pp: pp))
    let classes = RunPlan.nodeClasses(layout)
    for a in layout.instances {
      for b in layout.instances {
        #expect((classes[a.index] == classes[b.index]) == layout.sameNode(a, b))
      }
    }
  }
}
