/// What clients measure of a request, each by one definition for measured and simulated runs (docs/benchmark-files.md has
/// those of the clients beside it).
package enum ClientMetric: String, CaseIterable, Sendable {
  /// From sending a request to its first token.
  case ttft = "TTFT"
  /// Per token after the first: (latency − TTFT) / (output tokens − 1), of a request of two tokens or more.
  case tpot = "TPOT"
  /// Between two tokens of an answer, over all answers.
  case itl = "ITL"
  /// From sending a request to its last token.
  case e2e = "E2E"

  /// What a request has of it: one value, for ITL the gaps.
  package func values(ttft: Double?, latency: Double?, output: Int, gaps: [Double]) -> [Double] {
    switch self {
    case .ttft: [ttft].compactMap(\.self)
    case .e2e: [latency].compactMap(\.self)
    case .itl: gaps
    case .tpot:
      if let ttft, let latency, output > 1 { [(latency - ttft) / Double(output - 1)] } else { [] }
    }
  }
}

/// What a distribution is told by.
package enum Statistic: Hashable, Sendable, Comparable, CustomStringConvertible {
  case mean
  /// Linear between the ranks, as numpy has it.
  case percentile(Int)
  /// Of all values, not of a sample of more.
  case standardDeviation

  package static let compared: [Statistic] = [.mean, .percentile(50), .percentile(90), .percentile(99)]

  package func of(_ sorted: [Double]) -> Double? {
    guard !sorted.isEmpty else { return nil }
    let mean = sorted.reduce(0, +) / Double(sorted.count)
    switch self {
    case .mean: return mean
    case .standardDeviation:
      return (sorted.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(sorted.count)).squareRoot()
    case .percentile(let percent):
      let place = Double(percent) / 100 * Double(sorted.count - 1)
      let below = Int(place)
      let above = min(below + 1, sorted.count - 1)
      return sorted[below] + (place - Double(below)) * (sorted[above] - sorted[below])
    }
  }

  package var description: String {
    switch self {
    case .mean: "mean"
    case .percentile(let percent): "p\(percent)"
    case .standardDeviation: "std"
    }
  }
}

/// The metrics of some requests.
package struct ClientFigures: Sendable {
  /// Ascending.
  package private(set) var values: [ClientMetric: [Double]] = [:]
  /// First sending to last token, requests and output tokens in it.
  package var duration: Double?
  package var requests = 0
  package var outputTokens = 0

  package init() {}

  package mutating func add(ttft: Double?, latency: Double?, output: Int, gaps: [Double]) {
    for metric in ClientMetric.allCases {
      values[metric, default: []] += metric.values(ttft: ttft, latency: latency, output: output, gaps: gaps)
    }
    requests += 1
    outputTokens += output
  }

  package mutating func sort() {
    for metric in values.keys { values[metric]?.sort() }
  }

  package subscript(metric: ClientMetric, statistic: Statistic) -> Double? {
    values[metric].flatMap { statistic.of($0) }
  }

  package var requestsPerSecond: Double? { duration.map { Double(requests) / $0 } }
  package var outputTokensPerSecond: Double? { duration.map { Double(outputTokens) / $0 } }
}
