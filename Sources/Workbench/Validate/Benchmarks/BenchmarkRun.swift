import Formatting

/// A run of a benchmark's client against a real engine, as its file tells it. Times are seconds.
struct BenchmarkRun: Sendable {
  /// The file, and which of its runs where it has several.
  var place: String
  /// Which client wrote it: "vllm bench serve".
  var client: String
  /// As the file names it.
  var model: String?
  /// As a user may have added it to the file (`--metadata`).
  var gpu: String?
  var tp: Int?
  var load: OfferedLoad
  /// In the order in which they were sent; empty where the file has no request of its own.
  var requests: [BenchmarkRequest] = []
  /// Of a file without requests: how many completed, and their mean prompt and output, tokens.
  var means: (requests: Int, prompt: Double, output: Double)?
  var reported = ReportedFigures()
  /// Whether the gaps of answers lie between single tokens.
  var hasTokenGaps = true
  /// What a reader of the comparison must know: sentences.
  var notes: [String] = []
}

/// How a client sent its requests.
enum OfferedLoad: Hashable, Sendable {
  /// When each was sent is known.
  case timed
  case atOnce
  /// So many at a time; the next is sent when one has its answer.
  case concurrency(Int)
  /// Poisson arrivals whose times the file does not keep, so many a second.
  case rate(Double)
  /// Not to be replayed, for this reason.
  case unknown(String)

  var text: String {
    switch self {
    case .timed: "sent when the file says"
    case .atOnce: "sent all at once"
    case .concurrency(let most): "sent \(most) at a time"
    case .rate(let rate): "sent at random, \(trimmed(rate)) a second on average"
    case .unknown(let reason): reason
    }
  }
}

/// One request that a client sent.
struct BenchmarkRequest: Hashable, Sendable {
  /// Since the first was sent.
  var sent: Double?
  var prompt: Int
  var output: Int
  /// From sending to the first and to the last token; `nil` where there was none, or the file does not say.
  var ttft: Double?
  var latency: Double?
  /// Between chunks of the answer, each of one token or more.
  var gaps: [Double] = []
  var failed = false
}

/// What a client printed itself, by metric and statistic, seconds or per second.
struct ReportedFigures: Sendable {
  var latencies: [ClientMetric: [Statistic: Double]] = [:]
  var duration: Double?
  var requestsPerSecond: Double?
  var outputTokensPerSecond: Double?
}
