import Results
import Sim

/// One contender on one cluster: resolved from the options, checked, ready to run.
package struct RunPlan {
  /// The policy's name in the catalogue.
  package var policy: String
  package var model: String
  package var hardware: String
  /// Nodes, GPUs, links, in words.
  package var cluster: String
  /// "TP1 × PP1 × 8".
  package var layout: String
  package var instances: Int
  /// What the instances were sized by, if by the longest request.
  package var sizing: RightSizing?
  package var maxNumSeqs: Int
  /// Token budget of a step.
  package var maxNumBatchedTokens: Int
  package var blocksPerInstance: Int
  /// Where the KV blocks come from, line by line.
  package var account: [String]
  /// Choices that decide results, each with its value.
  package var assumptions: [String]
  /// What the user should know before trusting the result.
  package var warnings: [String] = []
  /// Options that change nothing in it.
  package var idle: [IdleOption] = []
  /// What of the costs no measurement supports.
  package var unvalidated: [String] = []
  /// Where the costs were measured.
  package var measured: MeasuredRange
  /// What the hardware's constants are.
  package var costs: CostBasis
  /// The manifest of a run on a workload.
  package var manifest: @Sendable (_ workload: Workload) -> Manifest
  /// The bounds on what any placement of these instances could serve (docs/bound.md), without requests yet: as charged,
  /// and in full where that is another.
  var bounds: (_ arrivalsAreFixed: Bool) -> [ThroughputBound]
  /// Replays the requests; a fresh policy each time.
  package var simulate: Simulate
  /// The same without faults, if there are any.
  var simulateSound: Simulate?

  package init(
    policy: String, model: String, hardware: String, cluster: String, layout: String, instances: Int,
    maxNumSeqs: Int, maxNumBatchedTokens: Int, blocksPerInstance: Int, account: [String],
    assumptions: [String], warnings: [String] = [], unvalidated: [String] = [], measured: MeasuredRange,
    costs: CostBasis = .fits, manifest: @escaping @Sendable (_ workload: Workload) -> Manifest,
    bounds: @escaping (_ arrivalsAreFixed: Bool) -> [ThroughputBound], simulate: @escaping Simulate,
    simulateSound: Simulate? = nil
  ) {
    self.policy = policy
    self.model = model
    self.hardware = hardware
    self.cluster = cluster
    self.layout = layout
    self.instances = instances
    self.maxNumSeqs = maxNumSeqs
    self.maxNumBatchedTokens = maxNumBatchedTokens
    self.blocksPerInstance = blocksPerInstance
    self.account = account
    self.assumptions = assumptions
    self.warnings = warnings
    self.unvalidated = unvalidated
    self.measured = measured
    self.costs = costs
    self.manifest = manifest
    self.bounds = bounds
    self.simulate = simulate
    self.simulateSound = simulateSound
  }

  /// How the instances were sized and what that rests on, if by the longest request.
  package var sizingNote: String?
  /// Model, machine, engine and cut for a program (`header`).
  var setUp: [JSON.Member] = []

  package typealias Simulate = (
    _ source: any RequestSource, _ observer: (any RunEventHandler)?, _ onProgress: ((RunProgress) -> Void)?
  ) throws -> RunSummary

  /// The metadata of a run's timeline.
  package func timelineTitle(_ workload: Workload) -> JSON {
    [
      "program": .string("infinite-sim \(ThisProgram.version)"), "policy": .string(policy),
      "model": .string(model), "hardware": .string(hardware), "cluster": .string(cluster),
      "layout": .string(layout), "trace": .string(workload.name), "seed": .int(workload.seed),
      "blocks_per_instance": .int(blocksPerInstance), "manifest": .string(manifest(workload).hash),
    ]
  }

  /// What its costs rest on.
  package var basis: RunBasis { RunBasis(costs: costs, unvalidated: unvalidated, measured: measured) }

  /// What a run of the plan is reported by; `latencies` are those of the workload's window.
  package func result(
    _ summary: RunSummary, on workload: Workload, bound: BoundResult?, latencies: WindowedLatencies?
  ) -> RunResult {
    var summary = summary
    latencies?.replace(in: &summary)
    return RunResult(
      summary: summary, maxContextTTFTSeconds: maxContextTTFT(tokens: summary.maxContextTokens), bound: bound,
      heat: workload.dropped.isEmpty ? .whole : .common,
      basis: basis, sizing: sizing, latencyWindow: workload.latencyWindow)
  }

  /// Time to first token, in seconds, of the longest prompt that the empty cluster admits: a run of one request
  /// that holds `tokens` (`maxContextTokens`) with its first output token.
  ///
  /// `nil` where it is not to be had: no such prompt, a run that fails, or one of more than `mostChunkHosts`.
  /// Found once for a plan and kept.
  package func maxContextTTFT(tokens: Int) -> Double? {
    if let known = probe.found[tokens] { return known }
    let found = runMaxContext(tokens: tokens)
    probe.found.updateValue(found, forKey: tokens)
    return found
  }

  /// The most chunks of a prompt times instances that may attend to each: beyond, the probe takes longer than
  /// most runs that it would accompany.
  package static let mostChunkHosts = 2_000_000

  private func runMaxContext(tokens: Int) -> Double? {
    guard tokens >= 2, maxNumBatchedTokens >= 1 else { return nil }
    let chunks = (tokens - 1) / maxNumBatchedTokens + 1
    let (chunkHosts, overflow) = chunks.multipliedReportingOverflow(by: instances)
    guard !overflow, chunkHosts <= Self.mostChunkHosts else { return nil }
    let request = TraceRequest(arrival: .zero, prompt: tokens - 1, output: 1)
    guard let summary = try? (simulateSound ?? simulate)(ArraySource([request]), nil, nil) else { return nil }
    // A tick of the clock for each chunk: no step cost anything, and there is no time to speak of.
    let ticks = 1.5e-12 * Double(chunks)
    return summary.completed == 1 ? summary.ttft.max.flatMap { $0 > ticks ? $0 : nil } : nil
  }

  /// What `maxContextTTFT` found, by the tokens asked for.
  private final class MaxContextProbe {
    var found: [Int: Double?] = [:]
  }

  private let probe = MaxContextProbe()
}
