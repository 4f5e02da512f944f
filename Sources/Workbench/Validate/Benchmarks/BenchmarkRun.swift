import Formatting
import Runs

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
  /// Tokens after the first, and chunks after the first, of the answers whose gaps the file has.
  private var gaps: (tokens: Int, chunks: Int) {
    let known = requests.filter { !$0.failed && !$0.gaps.isEmpty }
    return (known.reduce(0) { $0 + $1.output - 1 }, known.reduce(0) { $0 + $1.gaps.count })
  }

  /// Tokens to a chunk; `nil` where the file has no gaps.
  var tokensPerChunk: Double? { gaps.chunks > 0 ? Double(gaps.tokens) / Double(gaps.chunks) : nil }

  /// Whether the gaps of answers lie between single tokens. A summary does not say, and is taken at its word.
  var hasTokenGaps: Bool { requests.isEmpty || tokensPerChunk.map { (0.9...1.1).contains($0) } ?? false }

  /// What a reader must know of the chunks, if they are no tokens.
  var noteOfChunks: String? {
    guard let tokensPerChunk, !hasTokenGaps else { return nil }
    return tokensPerChunk > 1
      ? "answers came in chunks of \(figure(tokensPerChunk)) tokens: gaps are per chunk, so ITL is not compared; TPOT is"
      : "answers came in more chunks than they have tokens: outputs were counted by another tokenizer, or chunks were empty; ITL is not compared"
  }

  /// How many of its requests failed, as a note; `nil` if none did.
  func noteOfFailures(_ failed: Int) -> String? {
    failed > 0
      ? "\(failed) of \(requests.count) requests failed: they are not replayed, and the engine may have spent time on them"
      : nil
  }
  /// What a reader of the comparison must know: sentences.
  var notes: [String] = []

  /// - Throws: `CommandFailure` if the file has requests and none has an answer: there is nothing to compare.
  func requireAnswers() throws(CommandFailure) {
    guard requests.isEmpty || requests.contains(where: { !$0.failed }) else {
      throw CommandFailure(.badData, "\(place): every request failed")
    }
  }
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
