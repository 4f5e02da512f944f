import Formatting
import Results
import Runs

/// A client's run beside its replay.
struct BenchmarkComparison {
  struct Row {
    var metric: String
    var statistic: String
    /// Seconds, or per second.
    var measured: Double
    var simulated: Double
    var error: Double { simulated / measured - 1 }
  }

  var run: BenchmarkRun
  var model: String
  var setUp: String
  /// Of the requests in the file, and of their replay.
  private(set) var measured: ClientFigures
  private(set) var simulated: ClientFigures
  private(set) var rows: [Row] = []
  /// What the file does not have, or what cannot be compared.
  private(set) var left: [String] = []

  init(_ run: BenchmarkRun, simulated: ClientFigures, model: String, setUp: String) {
    (self.run, self.model, self.setUp) = (run, model, setUp)
    (measured, self.simulated) = (Self.measured(run), simulated)
    for metric in ClientMetric.allCases {
      var found = 0
      // Of a file without requests all are replayed with its mean lengths.
      for statistic in run.requests.isEmpty ? [.mean] : Statistic.compared {
        let value =
          run.requests.isEmpty ? run.reported.latencies[metric]?[statistic] : measured[metric, statistic]
        guard isCompared(metric), let value, value > 0, let predicted = simulated[metric, statistic]
        else { continue }
        rows.append(
          Row(metric: metric.rawValue, statistic: "\(statistic)", measured: value, simulated: predicted))
        found += 1
      }
      if found == 0 {
        left.append(
          metric == .itl && !run.hasTokenGaps
            ? "ITL: the file has no gaps between single tokens" : "\(metric.rawValue): the file has none")
      }
    }
    // By the one definition where the requests tell: a client's own counts from and to other moments.
    let duration = measured.duration ?? run.reported.duration
    for (name, value, predicted) in [
      ("duration", duration, simulated.duration),
      (
        "requests/s", measured.requestsPerSecond ?? run.reported.requestsPerSecond,
        simulated.requestsPerSecond
      ),
      (
        "output tokens/s", measured.outputTokensPerSecond ?? run.reported.outputTokensPerSecond,
        simulated.outputTokensPerSecond
      ),
    ] {
      guard let value, value > 0, let predicted else {
        left.append("\(name): the file has none")
        continue
      }
      rows.append(Row(metric: name, statistic: "", measured: value, simulated: predicted))
    }
    if run.requests.isEmpty {
      left.append(
        "percentiles: the file has no request of its own, so all are replayed with its mean lengths; means and throughput can be compared"
      )
    }
  }

  /// Whether the file's values of a metric are what the simulation has of it.
  func isCompared(_ metric: ClientMetric) -> Bool { metric != .itl || run.hasTokenGaps }

  private static func measured(_ run: BenchmarkRun) -> ClientFigures {
    var figures = ClientFigures()
    let served = run.requests.filter { !$0.failed }
    for request in served {
      figures.add(
        ttft: request.ttft, latency: request.output > 0 ? request.latency : nil, output: request.output,
        gaps: request.gaps)
    }
    let ends = served.compactMap { request in
      request.sent.flatMap { sent in request.latency.map { sent + $0 } }
    }
    let starts = served.compactMap(\.sent)
    if let end = ends.max(), let start = starts.min() { figures.duration = end - start }
    figures.sort()
    return figures
  }

  var text: String {
    let count = run.requests.isEmpty ? run.means?.requests ?? 0 : run.requests.count { !$0.failed }
    var text = "\(run.place): \(run.client), \(grouped(count)) requests, \(run.load.text)\n\(setUp)\n\n"
    text += markdownTable(
      [["metric", "", "measured", "simulated", "error"]]
        + rows.map {
          [$0.metric, $0.statistic, figure($0.measured), figure($0.simulated), Self.signed($0.error)]
        },
      leftColumns: [0, 1])
    text += "\nLatencies in seconds. Error: simulated / measured − 1.\n"
    for note in run.notes + left.map({ "not compared: \($0)" }) { text += "Note: \(note).\n" }
    return text
  }

  static let clock =
    "Note: simulated times are the engine's: they have no time of HTTP, tokenizer and streaming, which clients measure as well, "
    + "mostly in TTFT.\n"

  private static func signed(_ error: Double) -> String {
    // What is rounded off has no sign.
    abs(error) < 0.000_5 ? percent(0) : (error > 0 ? "+" : "") + percent(error)
  }

  var json: JSON {
    [
      "place": .string(run.place), "client": .string(run.client), "model": .string(model),
      "set_up": .string(setUp),
      "load": .string(run.load.text),
      "rows": .array(
        rows.map {
          [
            "metric": .string($0.metric), "statistic": .string($0.statistic),
            "measured": .double($0.measured),
            "simulated": .double($0.simulated), "error": .double($0.error),
          ]
        }), "notes": .array(run.notes.map(JSON.string)), "not_compared": .array(left.map(JSON.string)),
    ]
  }
}
