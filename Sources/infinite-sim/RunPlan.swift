import Results
import Sim

/// One contender on one cluster: resolved from the options, checked, ready to run.
struct RunPlan {
  /// The policy's name in the catalogue.
  var policy: String
  var model: String
  var hardware: String
  /// Nodes, GPUs, links, in words.
  var cluster: String
  /// "TP1 × PP1 × 8".
  var layout: String
  var instances: Int
  var maxNumSeqs: Int
  var blocksPerInstance: Int
  /// Where the KV blocks come from, line by line.
  var account: [String]
  /// Choices that decide results, each with its value.
  var assumptions: [String]
  /// What the user should know before trusting the result.
  var warnings: [String] = []
  /// Where the costs were measured.
  var measured: MeasuredRange
  /// The manifest of a run on a workload.
  var manifest: @Sendable (_ workload: Workload) -> Manifest
  /// Replays the requests; a fresh policy each time.
  var simulate: Simulate

  typealias Simulate = (
    _ source: any RequestSource, _ observer: (any RunObserver)?, _ onProgress: ((RunProgress) -> Void)?
  ) throws -> RunSummary

  /// One sentence for each measured range that a run with such requests left.
  func extrapolations(_ longest: LongestRequests) -> [String] {
    measured.extrapolations(decodeContext: longest.context, prefill: longest.prompt)
      .map { "costs are extrapolated: \($0)" }
  }

  /// Time to first token, in seconds, of the longest prompt that the empty cluster holds: a run of one request.
  ///
  /// Its length is `maxContextTokens` with two of the tokens generated: with one, the arrival test, which
  /// counts prompt + 1, would ask for more than the request ever stores.
  func maxContextTTFT(tokens: Int) throws -> Double? {
    guard tokens >= 3 else { return nil }
    let request = TraceRequest(arrival: .zero, prompt: tokens - 2, output: 2)
    let summary = try simulate(ArraySource([request]), nil, nil)
    return summary.completed == 1 ? summary.ttft.max : nil
  }
}
