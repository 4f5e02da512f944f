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

  /// What is said to have no effect has none: the fingerprint is the same.
  @Test(arguments: [
    (
      "debtor-creditor", ["--engine", "chunked"],
      ["watermark=30", "append-check=exact", "over-budget=ignore", "padded=true"]
    ),
    ("debtor-creditor", ["--engine", "vllm-v0"], ["chunked-watermark=30", "reserve-isl=false"]),
    (
      "debtor-creditor", ["--option", "lending=off"],
      ["borrow-chunk=1", "placement=pack", "reserve-giants=none", "period=0.1"]
    ),
    (
      "debtor-creditor", ["--option", "lending=passive"],
      ["period=0.1", "min-gain=0", "message-delay=1", "beta-threshold=1"]
    ),
    (
      "debtor-creditor", ["--option", "lending=planner-only"],
      ["borrow-chunk=1", "placement=pack", "reserve-giants=none"]
    ),
    (
      "debtor-creditor", ["--instances", "1"],
      ["borrow-chunk=1", "placement=pack", "period=0.1", "message-delay=1", "share-from=16"]
    ),
    ("vllm-m", [], ["message-delay=1", "silence=5"]),
  ])
  func `an option without effect is told, and has none`(policy: String, base: [String], options: [String])
    throws
  {
    let requests = (0..<60).map { index in
      TraceRequest(
        arrival: SimTime(picoseconds: Int64(index) * 40_000_000_000),
        prompt: index % 9 == 0 ? 7_000 : 200 + index * 37 % 900, output: 20 + index * 13 % 200)
    }
    let machine =
      ["--gpus-per-node", "3", "--kv-blocks", "300", "--max-num-seqs", "16", "--max-model-len", "100000"]
      + base
    func fingerprint(_ arguments: [String]) throws -> String {
      try plan(policy, machine + arguments).simulate(ArraySource(requests), nil, nil).fingerprint
    }
    let plain = try plan(policy, machine)
    #expect(plain.idle.isEmpty)
    let expected = try fingerprint([])
    for option in options {
      let changed = try plan(policy, machine + ["--option", option])
      let key = option.prefix { $0 != "=" }
      #expect(changed.idle.map(\.option) == ["--option \(key)"], "\(option)")
      #expect(try fingerprint(["--option", option]) == expected, "\(option)")
    }
    // One that has an effect is not told.
    let other = try plan(policy, machine + ["--option", "block-size=32"])
    #expect(other.idle.isEmpty)
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
