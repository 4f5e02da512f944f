import Calibration
import Formatting
import Foundation
import Results
import Sim

/// The scores of runs as tables, as JSON and as CSV.
struct RunScoreReport {
  var score: RunScore

  var text: String {
    let scored = score.scored
    var text =
      "\(grouped(score.rows)) rows, of which \(grouped(Set(scored.map(\.run.place)).count)) were replayed.\n"
    text += "Error: predicted / measured − 1; bias is its mean, above 0 where predictions are too long.\n"
    if scored.contains(where: { $0.run.engine.lowercased().hasPrefix("openai") }) {
      text +=
        "Note: openai and openai-chat name an interface and no engine: those rows are replayed as vLLM's.\n"
    }
    if scored.contains(where: { !$0.run.saysWhen }) {
      text +=
        "Note: rows with no known version and no day run as the newest profile of their engine.\n"
    }
    let place = { (run: ScoredRun) in [run.run.set, run.hardware, run.run.engine] }
    for (title, columns, key) in [
      ("By set", [], { place($0) }),
      ("By version and profile", ["version", "profile"], { place($0) + [$0.run.version, $0.profile] }),
      ("By format of the weights", ["weights"], { place($0) + [$0.weights.rawValue] }),
      ("By model", ["model"], { place($0) + [$0.model] }),
      ("By TP", ["TP"], { place($0) + ["TP\($0.run.tp)"] }),
    ] as [(String, [String], (ScoredRun) -> [String])] {
      text += "\n\(title)\n\n" + table(columns, by: key)
    }
    text += "\nWorst cells of a set, engine, model, TP and metric\n\n" + worst
    text +=
      "\nNoise floor: configurations that were measured more than once, against their own means\n\n" + noise
    text += "\nLeft out\n\n" + leftOut
    text += "\nProfiles by engine and version\n\n" + Self.releases
    return text
  }

  private static let errorHeading = ["metric", "n", "MAPE", "median", "p90", "largest", "bias"]

  private func table(_ columns: [String], by key: (ScoredRun) -> [String]) -> String {
    let heading = ["set", "hardware", "engine"] + columns + Self.errorHeading
    let groups = Dictionary(grouping: score.scored) { key($0) + [$0.metric.rawValue] }
    let rows = groups.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map { key, group in
      key + Self.figures(group.map(\.error))
    }
    return markdownTable([heading] + rows, leftColumns: Set(0...(3 + columns.count)))
  }

  private static func figures(_ errors: [Double]) -> [String] {
    guard let summary = ErrorSummary(errors) else { return [] }
    return [grouped(summary.points), percent(summary.mape), percent(median(errors.map(abs)))]
      + [summary.p90, summary.max, summary.bias].map { percent($0) }
  }

  private static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
  }

  /// The ten cells with the largest mean error.
  private var worst: String {
    let cells = Dictionary(grouping: score.scored) {
      [$0.run.set, $0.hardware, $0.run.engine, $0.model, "TP\($0.run.tp)", $0.metric.rawValue]
    }
    let rows = cells.map { (key: $0.key, errors: $0.value.map(\.error)) }.sorted {
      let (a, b) = (ErrorSummary($0.errors)?.mape ?? 0, ErrorSummary($1.errors)?.mape ?? 0)
      return a == b ? $0.key.lexicographicallyPrecedes($1.key) : a > b
    }
    return markdownTable(
      [["set", "hardware", "engine", "model", "TP"] + Self.errorHeading]
        + rows.prefix(10).map { $0.key + Self.figures($0.errors) }, leftColumns: Set(0...5))
  }

  private var noise: String {
    let rows = score.noise.map { entry in
      let sizes = entry.errors.map(abs)
      return [
        entry.set, entry.engine, entry.metric.rawValue, grouped(entry.configurations), grouped(sizes.count),
        percent(sizes.reduce(0, +) / Double(sizes.count)), percent(Self.median(sizes)), percent(sizes.max()),
      ]
    }
    guard !rows.isEmpty else { return "No configuration was measured twice.\n" }
    return markdownTable(
      [["set", "engine", "metric", "configurations", "rows", "mean", "median", "largest"]] + rows,
      leftColumns: [0, 1, 2])
  }

  private var leftOut: String {
    let counts = Dictionary(grouping: score.leftOut) { [$0.set, $0.reason] }.mapValues(\.count)
    var rows = counts.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map { $0.key + [grouped($0.value)] }
    rows += score.queueing.sorted { $0.key < $1.key }.map {
      [
        $0.key, "TTFT alone: \(trimmed(RunScore.mostLoneTTFT)) or more times that of a lone request, a queue",
        grouped($0.value),
      ]
    }
    guard !rows.isEmpty else { return "Nothing.\n" }
    return markdownTable([["set", "reason", "rows"]] + rows, leftColumns: [0, 1])
  }

  private static var releases: String {
    markdownTable(
      [["from", "profile", "batches as", "counts memory as", "what it is"]]
        + EngineReleases.all.map {
          [
            $0.name, $0.profile.name, $0.profile.scheduler.rawValue, $0.profile.accounting.name,
            $0.profile.summary,
          ]
        }, leftColumns: Set(0...4))
      + "\nMemory is counted as by the row's version of vLLM; without a version, and by other engines, as the profile says.\n"
  }

  // MARK: - Rows

  private static let columns = [
    "set", "place", "engine", "version", "profile", "hardware", "model", "weights", "tp", "load", "metric",
    "measured_s",
    "predicted_s", "error",
  ]

  private static func cells(_ run: ScoredRun) -> [JSON] {
    [
      .string(run.run.set), .string(run.run.place), .string(run.run.engine), .string(run.run.version),
      .string(run.profile), .string(run.hardware), .string(run.model), .string(run.weights.rawValue),
      .int(run.run.tp), .string(run.run.load.text),
      .string(run.metric.rawValue), .double(run.measured), .double(run.predicted), .double(run.error),
    ]
  }

  /// An object on each line.
  var json: String {
    score.scored.map { run in
      JSON.object(zip(Self.columns, Self.cells(run)).map { JSON.Member($0, $1) }).text + "\n"
    }.joined()
  }

  /// The same as CSV.
  var csv: String {
    func field(_ value: JSON) -> String {
      guard let text = value.string else { return value.text }
      let isPlain = text.allSatisfy { $0 != "," && $0 != "\"" && !$0.isNewline }
      return isPlain ? text : "\"" + text.replacing("\"", with: "\"\"") + "\""
    }
    return
      ([Self.columns.joined(separator: ",")]
      + score.scored.map { Self.cells($0).map(field).joined(separator: ",") })
      .map { $0 + "\n" }.joined()
  }
}
