/// What clients measure of a request, each by one definition for measured and simulated runs (docs/benchmark-files.md has
/// those of the clients beside it).
enum ClientMetric: String, CaseIterable, Sendable {
  /// From sending a request to its first token.
  case ttft = "TTFT"
  /// Per token after the first: (latency − TTFT) / (output tokens − 1), of a request of two tokens or more.
  case tpot = "TPOT"
  /// Between two tokens of an answer, over all answers.
  case itl = "ITL"
  /// From sending a request to its last token.
  case e2e = "E2E"

  /// What a request has of it: one value, for ITL the gaps.
  func values(ttft: Double?, latency: Double?, output: Int, gaps: [Double]) -> [Double] {
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
enum Statistic: Hashable, Sendable, Comparable, CustomStringConvertible {
  case mean
  /// Linear between the ranks, as numpy has it.
  case percentile(Int)

  static let compared: [Statistic] = [.mean, .percentile(50), .percentile(90), .percentile(99)]

  func of(_ sorted: [Double]) -> Double? {
    guard !sorted.isEmpty else { return nil }
    switch self {
    case .mean: return sorted.reduce(0, +) / Double(sorted.count)
    case .percentile(let percent):
      let place = Double(percent) / 100 * Double(sorted.count - 1)
      let below = Int(place)
      let above = min(below + 1, sorted.count - 1)
      return sorted[below] + (place - Double(below)) * (sorted[above] - sorted[below])
    }
  }

  var description: String {
    switch self {
    case .mean: "mean"
    case .percentile(let percent): "p\(percent)"
    }
  }
}

/// The metrics of some requests.
struct ClientFigures: Sendable {
  /// Ascending.
  private(set) var values: [ClientMetric: [Double]] = [:]
  /// First sending to last token, requests and output tokens in it.
  var duration: Double?
  var requests = 0
  var outputTokens = 0

  mutating func add(ttft: Double?, latency: Double?, output: Int, gaps: [Double]) {
    for metric in ClientMetric.allCases {
      values[metric, default: []] += metric.values(ttft: ttft, latency: latency, output: output, gaps: gaps)
    }
    requests += 1
    outputTokens += output
  }

  mutating func sort() {
    for metric in values.keys { values[metric]?.sort() }
  }

  subscript(metric: ClientMetric, statistic: Statistic) -> Double? {
    values[metric].flatMap { statistic.of($0) }
  }

  var requestsPerSecond: Double? { duration.map { Double(requests) / $0 } }
  var outputTokensPerSecond: Double? { duration.map { Double(outputTokens) / $0 } }
}
