import Sim

/// A whole run of a real engine, as a file of measurements tells it, and what was measured of it.
struct MeasuredRun: Sendable {
  /// The file without its folder and extension: what figures are grouped by.
  var set: String
  /// Where it stands.
  var place: String
  /// The engine's name and version as the file has them; no version is "".
  var engine: String
  var version: String
  /// When it was measured, where the file says so and no version: 20240907.
  var date: Int?
  /// The model and the GPU as the file names them.
  var model: String
  var gpu: String
  var tp = 1
  var pp = 1
  /// Groups of whole experts that the GPUs are split into; 1 where each expert is cut over all of them.
  var expertRanks = 1
  /// How the weights are stored; `nil` is as the checkpoint has them.
  var weights: WeightFormat?
  /// Bytes of an element of the KV cache; `nil` is as activations.
  var kvBytesPerElement: Int?
  /// What the file says of the engine's settings.
  var maxNumSeqs: Int?
  var maxNumBatchedTokens: Int?
  var load: RunLoad
  /// What was measured, seconds.
  var measured: [(metric: RunMetric, seconds: Double)]

  /// Whether a version or a day says which release it was.
  var saysWhen: Bool { EngineReleases.isVersion(version) || date != nil }

  /// All that the engine was told: equal for runs that repeat one another, on whatever day and by whatever version.
  var configuration: String {
    [
      set, engine, model, gpu, "\(tp) \(pp) \(expertRanks)", weights?.rawValue ?? "", load.text,
    ].joined(separator: " | ")
  }
}

/// What of a run is compared.
enum RunMetric: String, CaseIterable, Sendable {
  /// First arrival to last completion.
  case duration
  /// Mean time from arrival to completion.
  case e2e = "E2E"
  /// Mean time per output token after the first.
  case tpot = "TPOT"
  /// Mean time to the first token.
  case ttft = "TTFT"
}

/// What an engine was asked.
enum RunLoad: Hashable, Sendable {
  /// All requests at time 0, each of a prompt and an output.
  case atOnce([Lengths])
  /// Requests at equal distances, whose prompts are `distinct` ones over and over; each begins with the `shared` tokens of
  /// one of `groups` system prompts.
  case constantRate(
    perSecond: Double, requests: Int, lengths: Lengths, distinct: Int, groups: Int, shared: Int)
  /// So many clients, each of which asks again when it has its answer. Lengths are drawn evenly from `leastShare` of those given
  /// to all of them.
  case closedLoop(clients: Int, lengths: Lengths, leastShare: Double)

  /// Tokens of a request.
  struct Lengths: Hashable, Sendable {
    var prompt: Int
    var output: Int
  }

  /// What tells loads apart, for a reader.
  var text: String {
    switch self {
    case .atOnce(let all):
      Set(all).count == 1
        ? "\(all.count) × \(all[0].prompt)+\(all[0].output) at once" : "\(all.count) requests at once"
    case .constantRate(let rate, let requests, let lengths, _, _, _):
      "\(requests) × \(lengths.prompt)+\(lengths.output) at \(rate)/s"
    case .closedLoop(let clients, let lengths, _):
      "\(clients) clients, \(lengths.prompt)+\(lengths.output)"
    }
  }
}

/// Rows that were not replayed, and why.
struct LeftOutRow {
  var set: String
  var reason: String
}
