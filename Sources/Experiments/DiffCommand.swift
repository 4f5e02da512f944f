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
    commandName: "diff", abstract: "Compare the sweeps of two databases, or their runs, point by point.",
    discussion: """
      If neither database has a sweep, runs are compared that were asked for alike: program version and cost constants may \
      differ. A point moved if the mean of a metric over the seeds that both databases have left the old 95 % interval; with one \
      seed there is no spread, and any change counts. Why is what differs between the manifests. \
      Exit code 1 if a point moved or is no longer there, 65 if there was nothing to compare.
      """)

  @Argument(help: "The database before.")
  var old: String
  @Argument(help: "The database after.")
  var new: String
  @Option(help: "Metric as in expressions; may be repeated. (default: rates, TTFT p99, TPOT p99, completed)")
  var metric: [String] = []
  @Option(help: "Only the cells and seeds that this selects, such as 'trace == paper-0 and rate-scale < 4'.")
  var `where`: String?

  mutating func validate() throws {
    for name in metric where !Metric.isKnown(name) {
      throw ValidationError("--metric \(name): expected \(Metric.expected(insteadOf: name)).")
    }
  }

  func run() throws {
    let selection =
      try `where`.map { try ExpressionParser.selection($0, at: Place(path: "--where")) } ?? Selection()
    let metrics =
      metric.isEmpty
      ? [
        "output_tokens_per_s", "window_output_tokens_per_s", "ttft_s.p99", "tpot_s.p99", "requests.completed",
      ]
      : metric
    let stores = (old: try ResultStore.openExisting(old), new: try ResultStore.openExisting(new))
    try requireAlike(try kind(stores.old), try kind(stores.new))
    let diff = try StudyDiff(old: stores.old, new: stores.new, metrics: metrics, selection: selection)
    for axis in selection.axes where !diff.axes.contains(axis) {
      let known = (["grid", "seed"] + diff.axes.sorted()).joined(separator: ", ")
      let near = closest(to: axis, among: Array(diff.axes)).map { "perhaps \($0); " } ?? ""
      throw CommandFailure(.usage, "--where: no point has the axis \(axis); expected \(near)one of \(known)")
    }
    guard diff.compared > 0 else {
      throw CommandFailure(
        .badData,
        "nothing was compared: \(diff.onlyOld.count) points are only in \(old) and \(diff.onlyNew.count) only in \(new)"
          + (`where` == nil ? "" : " of those that --where selects")
          + "; expected points of the same studies, or runs asked for alike in databases without studies"
          + Self.list("only in the old", diff.onlyOld) + Self.list("only in the new", diff.onlyNew))
    }
    try writeToStandardOutput(Self.text(diff))
    guard diff.moved.isEmpty, diff.onlyOld.isEmpty, diff.withoutValue.isEmpty else {
      let blank = diff.withoutValue.count
      throw CommandFailure(
        .runFailed,
        "\(diff.movedPoints) points moved beyond their spread, \(diff.onlyOld.count) are no longer there"
          + (blank > 0 ? ", \(blank) changed without a value to compare" : ""))
    }
  }

  /// What a database holds: `nil` if nothing.
  private func kind(_ store: ResultStore) throws -> (isStudy: Bool, words: String)? {
    let studies = try store.sweeps().map(\.name)
    if !studies.isEmpty {
      return (true, (studies.count > 1 ? "the studies " : "the study ") + studies.joined(separator: ", "))
    }
    return try store.runs().isEmpty ? nil : (false, "runs of no study")
  }

  private func requireAlike(_ a: (isStudy: Bool, words: String)?, _ b: (isStudy: Bool, words: String)?)
    throws(CommandFailure)
  {
    guard let a, let b, a.isStudy != b.isStudy else { return }
    throw CommandFailure(
      .badData,
      "nothing was compared: \(old) has \(a.words), \(new) has \(b.words): they hold unlike things; expected studies in both, or runs in both"
    )
  }

  /// At most twelve names, one a line.
  private static func list(_ title: String, _ names: [StudyDiff.Name]) -> String {
    guard !names.isEmpty else { return "" }
    return "\n\(title):" + names.prefix(12).map { "\n  \($0.text)" }.joined()
      + (names.count > 12 ? "\n  …" : "")
  }

  private static func text(_ diff: StudyDiff) -> String {
    var text =
      diff.unlikeBases.isEmpty ? "" : "unlike bases: \(diff.unlikeBases.joined(separator: "; "))\n"
    text +=
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
                figure(change.new), percent(ratio(change.new, to: change.old).map { $0 - 1 }),
              ]
            }, leftColumns: [0, 1])
      text += "\nWhy, from the manifests:\n\n"
      var seen: Set<String> = []
      for change in diff.moved {
        for reason in change.reasons where seen.insert(reason).inserted { text += "- \(reason)\n" }
      }
    }
    for (title, names) in [
      ("only in the old database", diff.onlyOld), ("only in the new database", diff.onlyNew),
      ("that changed, and have none of the metrics", diff.withoutValue),
    ] where !names.isEmpty {
      text += "\nPoints \(title):\n\n" + names.map { "- \($0.text)\n" }.joined()
    }
    return text
  }
}
