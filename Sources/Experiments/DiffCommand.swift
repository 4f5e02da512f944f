import Runs
import Formatting
import ArgumentParser
import Foundation
import Results
import Storage
import Studies

/// `infinite-sim diff`: which points of two databases differ by more than their spread, and why.
struct DiffCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff", abstract: "Compare the sweeps of two databases point by point.",
    discussion: """
      A point moved if the mean of a metric over the seeds that both databases have left the old 95 % interval; with one \
      seed there is no spread, and any change counts. Why is what differs between the manifests. \
      Exit code 1 if a point moved or is no longer there.
      """)

  @Argument(help: "The database before.")
  var old: String
  @Argument(help: "The database after.")
  var new: String
  @Option(help: "Metric as in expressions; may be repeated. (default: rates, TTFT p99, TPOT p99, completed)")
  var metric: [String] = []
  @Option(help: "Only the cells and seeds that this selects, such as 'trace == paper-0 and rate-scale < 4'.")
  var `where`: String?

  func run() throws {
    for path in [old, new] where !FileManager.default.fileExists(atPath: path) {
      throw CommandFailure(.missingInput, "\(path): there is no such database")
    }
    let selection =
      try `where`.map { try ExpressionParser.selection($0, at: Place(path: "--where")) } ?? Selection()
    let metrics =
      metric.isEmpty
      ? [
        "output_tokens_per_s", "window_output_tokens_per_s", "ttft_s.p99", "tpot_s.p99", "requests.completed",
      ]
      : metric
    let diff = try StudyDiff(
      old: ResultStore.open(old), new: ResultStore.open(new), metrics: metrics, selection: selection)
    try writeToStandardOutput(Self.text(diff))
    guard diff.moved.isEmpty, diff.onlyOld.isEmpty else {
      throw CommandFailure(
        .runFailed,
        "\(diff.movedPoints) points moved beyond their spread, \(diff.onlyOld.count) are no longer there")
    }
  }

  private static func text(_ diff: StudyDiff) -> String {
    var text =
      "\(grouped(diff.same)) points as they were, \(grouped(diff.within)) changed within their spread, "
      + "\(grouped(diff.movedPoints)) moved; \(grouped(diff.onlyOld.count)) only in the old database, "
      + "\(grouped(diff.onlyNew.count)) only in the new one\n"
    if !diff.moved.isEmpty {
      text +=
        "\n"
        + markdownTable(
          [["point", "metric", "old", "new", "change"]]
            + diff.moved.map { change in
              [
                change.name.text, change.metric,
                figure(change.old) + (change.spread.map { " ± \(figure($0))" } ?? " (one seed)"),
                figure(change.new), change.old == 0 ? "–" : percent(change.new / change.old - 1),
              ]
            }, leftColumns: [0, 1])
      text += "\nWhy, from the manifests:\n\n"
      var seen: Set<String> = []
      for change in diff.moved {
        for reason in change.reasons where seen.insert(reason).inserted { text += "- \(reason)\n" }
      }
    }
    for (title, names) in [("only in the old", diff.onlyOld), ("only in the new", diff.onlyNew)]
    where !names.isEmpty {
      text += "\nPoints \(title) database:\n\n" + names.map { "- \($0.text)\n" }.joined()
    }
    return text
  }
}
