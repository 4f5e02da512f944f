import Foundation
import Results
import Sim

/// A folder that lives as long as the test that made it.
final class TemporaryFolder {
  let path: String

  init() throws {
    path =
      FileManager.default.temporaryDirectory
      .appendingPathComponent("infinite-sim-tests-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { path + "/" + name }
  var names: [String] {
    get throws { try FileManager.default.contentsOfDirectory(atPath: path).sorted() }
  }
}

extension Manifest {
  static func sample(policy: String = "vllm-m", seed: Int = 0) -> Manifest {
    var engine = EngineOptions()
    engine.maxNumSeqs = 128
    return Manifest(
      programVersion: "0.1.0", cluster: ["nodes": 1, "gpus_per_node": 8], model: ["name": "llama2-7b"],
      hardware: ["name": "a100-measured", "hbm_bytes_per_s": 1.802e12], policy: policy,
      policyOptions: ["steal": false], engine: engine, engineProfile: ["name": "vllm"],
      slo: SLO(ttftSeconds: 1.5), trace: "trace.csv",
      workload: ["digest": "abc", "rate_scale": "2"], seed: seed)
  }
}

extension RunResult {
  /// Every field has another value, so that no two can be mistaken for each other.
  static func sample() -> RunResult {
    var next = 0.0
    func value() -> Double {
      next += 1
      return next + 0.1
    }
    func distribution() -> Distribution {
      Distribution(
        count: Int(value()), mean: value(), p50: value(), p90: value(), p99: value(), max: value())
    }
    var s = RunSummary()
    s.fingerprint = "0123456789abcdef"
    s.policy = "vllm-m"
    s.arrived = 10
    s.completed = 7
    s.rejected = 3
    s.unfinished = 4
    s.preemptions = 5
    s.longestChain = 3
    s.rejectedByReason = [.exceedsCapacity: 2, .outgrewCapacity: 1]
    s.promptTokens = 1001
    s.outputTokens = 1002
    s.wastedTokens = 1003
    s.recomputedTokens = 1004
    s.makespanSeconds = value()
    s.outputTokensPerSecond = value()
    s.totalTokensPerSecond = value()
    s.requestsPerSecond = value()
    s.outputTokensPerSecondPerGPU = value()
    s.windowOutputTokensPerSecond = value()
    s.load = LoadJudgement(.saturated)
    s.steady = SteadyState(
      from: value(), to: value(), requestsPerSecond: value(), goodputRequestsPerSecond: value(),
      outputTokensPerSecond: value(), totalTokensPerSecond: value())
    s.worstStallSeconds = value()
    s.ttft = distribution()
    s.tpot = distribution()
    s.e2e = distribution()
    for index in s.classes.indices {
      s.classes[index].arrived = Int(value())
      s.classes[index].completed = Int(value())
      s.classes[index].rejected = Int(value())
      s.classes[index].ttft = distribution()
      s.classes[index].tpot = distribution()
      s.classes[index].e2e = distribution()
    }
    s.steps = 2001
    s.events = 2002
    s.decodeSteps = 1999
    s.instances = 8
    s.gpus = 16
    s.blocksPerInstance = 7424
    s.peakUtilisation = 0.1 + 0.2  // needs all 17 digits
    s.borrowedBlocksPeak = 2003
    s.movedBlocks = 2004
    s.maxContextTokens = 2005
    s.longest = LongestRequests(prompt: 20_000, context: 21_000)
    s.extrapolatedShare = value()
    s.giantReserveSeconds = value()
    s.instanceSecondsBusy = value()
    return RunResult(
      summary: s, maxContextTTFTSeconds: value(),
      bound: BoundResult(outputTokensPerSecond: value(), inFullOutputTokensPerSecond: value()),
      heat: .common,
      basis: RunBasis(
        costs: .fits, unvalidated: ["a guess"], measuredPrompt: 16_384, measuredContext: 131_072))
  }
}

extension RequestRecord {
  static func sample(id: Int, outcome: RequestOutcome = .completed) -> RequestRecord {
    RequestRecord(
      id: RequestID(id), arrival: SimTime(picoseconds: 5), prompt: 100, output: 20, generated: 20,
      home: InstanceID(3), admitted: outcome == .completed ? SimTime(picoseconds: 6) : nil,
      firstToken: outcome == .completed ? SimTime(picoseconds: 7) : nil, ended: SimTime(picoseconds: 9),
      outcome: outcome, preemptions: 2, borrowedBlocksPeak: 4)
  }
}

struct SimulationFailed: Error, CustomStringConvertible { var description = "the trace ends in mid-row" }
