import Experiments
import Runs
import Results
import Sim
import Storage

/// A plan without an engine: it rejects the requests whose prompts are longer than `longestPrompt`, completes
/// the rest, and emits `rate` output tokens per second.
func fakePlan(_ policy: String, rate: Double, longestPrompt: Int = .max) -> RunPlan {
  RunPlan(
    policy: policy, model: "llama2-7b", hardware: "a100-measured", cluster: "1 × 2 GPUs",
    layout: "TP1 × PP1 × 2", instances: 2, maxNumSeqs: 256, maxNumBatchedTokens: 2048,
    blocksPerInstance: 100,
    account: ["100 blocks"], assumptions: ["prefill-attention=distributed"],
    measured: MeasuredRange(tokens: 1...4096, decodeContext: 4096, prefill: 4096),
    manifest: { workload in
      Manifest(
        programVersion: "test", cluster: [:], model: [:], hardware: [:], policy: policy,
        policyOptions: ["rate": .double(rate), "longest": .int(longestPrompt)], engine: EngineOptions(),
        engineProfile: [:], slo: SLO(), trace: workload.name, workload: workload.manifest, seed: workload.seed
      )
    },
    bounds: { arrivalsAreFixed in
      let costs = InstanceCosts(
        stages: 1, ranks: 1, layersPerStage: 1, hostBase: 1, hostPerSequence: 0, decodeFloor: 0,
        contextRate: 1,
        prefillFloor: 0, prefillTokenRate: 1, prefillPairRate: 1, linear: { Int64($0) })
      let link = LinkCosts(latency: 1, bytesPerSecond: 1e9)
      let bound = ThroughputBound(
        SimulationConfiguration(
          topology: InstanceTopology(nodeOfInstance: [0, 0], withinNode: link, acrossNodes: link, gpus: 2),
          costs: costs, blocksPerInstance: 100, engine: EngineOptions()),
        lending: LendingOptions(), arrivalsAreFixed: arrivalsAreFixed)
      return [bound]
    },
    simulate: { source, observer, _ in
      var source = source
      var s = RunSummary()
      s.policy = policy
      s.maxContextTokens = 1_000
      while let request = try source.next() {
        let fits = request.prompt <= longestPrompt
        observer?.requestEnded(
          RequestRecord(
            id: RequestID(s.arrived), arrival: request.arrival, prompt: request.prompt,
            output: request.output, generated: fits ? request.output : 0, home: InstanceID(0),
            admitted: fits ? request.arrival : nil, firstToken: fits ? request.arrival : nil,
            ended: request.arrival, outcome: fits ? .completed : .rejected(.exceedsCapacity),
            preemptions: 0, borrowedBlocksPeak: 0))
        s.arrived += 1
        if fits {
          s.longest.prompt = max(s.longest.prompt, request.prompt)
          s.longest.context = max(s.longest.context, request.prompt + request.output)
          s.completed += 1
          s.outputTokens += request.output
        } else {
          s.rejectedIDs.append(s.arrived - 1)
          s.rejected += 1
          s.rejectedByReason[.exceedsCapacity, default: 0] += 1
        }
      }
      s.outputTokensPerSecond = rate
      s.windowOutputTokensPerSecond = rate / 2
      s.ttft.max = 0.25
      s.fingerprint = "fingerprint of \(policy)"
      return s
    })
}

/// Requests one second apart with the given prompts and ten output tokens.
func fakeWorkload(prompts: [Int], seed: Int = 0) -> Workload {
  let requests = prompts.enumerated().map { index, prompt in
    TraceRequest(arrival: .zero + .seconds(Int64(index)), prompt: prompt, output: 10)
  }
  return Workload(
    name: "fake.csv", seed: seed, manifest: ["digest": "fake"], requests: prompts.count
  ) { ArraySource(requests) }
}

/// Runs without a database and without progress.
func quietExecutor(store: ResultStore? = nil, force: Bool = false) -> RunExecutor {
  RunExecutor(store: store, force: force, progress: ProgressLine(quiet: true))
}
