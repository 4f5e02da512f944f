import Formatting
import Foundation
import GRDB
import Results
import Storage
import Studies

/// Answers a template's expressions, conditions and tables from the database.
struct Answers {
  let source: ReportSource
  private var results: StudyResults { source.results }

  init(_ source: ReportSource) { self.source = source }

  // MARK: - Numbers

  /// What `{{ EXPRESSION | FORMAT }}` prints, as Markdown.
  func value(_ text: String, at place: Place) throws -> String {
    var text = text
    var format = Format.plain
    if let match = text.firstMatch(of: /\s*\|\s*(digits\s+\d|integer|percent|gain|spread|seconds|ms)\s*$/) {
      format = Format(String(match.1))
      text = String(text[..<match.range.lowerBound])
    }
    if let query = Self.query(text) {
      let value = try single(query)
      switch value.storage {
      case .int64(let number): return format.text(Double(number), isWhole: true)
      case .double(let number): return format.text(number)
      case .string(let string): return Markdown.escaped(string)
      // An aggregate of nothing.
      case .null: return "–"
      case .blob: throw FigureProblem("the query gives no value")
      }
    }
    let quantity = try ExpressionParser.quantity(text, at: place)
    do throws(NoValue) {
      let mean = try results.value(of: quantity)
      guard format == .spread else { return format.text(mean) }
      let high = Quantity(
        expression: .overSeeds(.high, quantity.expression), selection: quantity.selection)
      return spread(mean, halfWidth: (try? results.value(of: high)).map { $0 - mean })
    } catch {
      guard error.kind == .missing else { return error.mark }
      throw error
    }
  }

  /// Whether the condition of an `if` holds.
  func holds(_ text: String, at place: Place) throws -> Bool {
    if let query = Self.query(text) {
      switch try single(query).storage {
      case .int64(let number): return number != 0
      case .double(let number): return number != 0
      case .null, .string, .blob: throw FigureProblem("the query gives no number")
      }
    }
    return try results.holds(ExpressionParser.check(text, at: place))
  }

  /// The statement after `sql`.
  private static func query(_ text: String) -> String? {
    text.hasPrefix("sql ") ? String(text.dropFirst(4)) : nil
  }

  private func single(_ query: String) throws -> DatabaseValue {
    let rows = try rows(query)
    guard rows.count == 1, rows[0].count == 1, let value = rows[0].databaseValues.first else {
      throw FigureProblem(
        "the query gives \(rows.count) rows of \(rows.first?.count ?? 0) columns, expected one value")
    }
    return value
  }

  /// The rows of one statement that only reads.
  func rows(_ query: String) throws -> [Row] {
    try source.store.read { db in
      let statement = try db.makeStatement(sql: query)
      guard statement.isReadonly else { throw FigureProblem("the statement writes, expected a SELECT") }
      return try Row.fetchAll(statement)
    }
  }

  // MARK: - Tables

  /// What `{{ table … }}` shows, and a caption in Markdown.
  func table(_ text: String, at place: Place) throws -> (table: Table, caption: String?) {
    if let query = Self.query(text) {
      let rows = try rows(query)
      guard !rows.isEmpty else { throw FigureProblem("the query gives no row") }
      return (Table(query: rows), nil)
    }
    guard
      let match = text.wholeMatch(
        of: /(?<what>.+?)(?:\s+to\s+(?<base>\S+))?(?:\s+by\s+(?<axes>.+?))?(?:\s+where\s+(?<condition>.+))?/)
    else { throw FigureProblem("expected: table METRIC, … [by AXIS, …] [where CONDITION]") }
    let selection =
      try match.condition.map { try ExpressionParser.selection(String($0), at: place) } ?? Selection()
    let axes = (match.axes.map(String.init) ?? "").commaSeparated
    let cells = try Cells(results, selection, at: place)
    try cells.requireDistinct(by: axes)
    let what = String(match.what)
    guard what.hasPrefix("ratio ") else {
      guard match.base == nil else { throw FigureProblem("to is for ratios: table ratio METRIC to BASELINE") }
      return try values(what.commaSeparated, axes, cells, at: place)
    }
    guard let base = match.base else { throw FigureProblem("expected: table ratio METRIC to BASELINE") }
    return try ratioTable(
      what.dropFirst(6).trimmingCharacters(in: .whitespaces), to: String(base), axes, cells)
  }

  private func values(
    _ metrics: [String], _ axes: [String], _ cells: Cells, at place: Place
  ) throws -> (table: Table, caption: String?) {
    for metric in metrics { try Metric.require(metric, at: place) }
    var rows = [axes + ["contender"] + metrics.map(metricWords)]
    for cell in cells.all {
      for label in cells.labels(of: cell) {
        var found = false
        let numbers = metrics.map { metric -> String in
          guard let text = cells.text(.metric(.whole, label: label, metric: metric), in: cell) else {
            return "–"
          }
          found = true
          return text
        }
        guard found else { continue }
        rows.append(axes.map { cell.axes[$0] ?? "" } + [label] + numbers)
      }
    }
    guard rows.count > 1 else { throw FigureProblem("none of the selected points has \(metrics[0])") }
    let text = Set(0...axes.count).subtracting(axes.indices.filter { isNumeric(column: $0, rows) })
    let notes = ["Runs on the whole trace\(cells.unlikeBases())", cells.intervalNote].compactMap(\.self)
    return (Table(rows, textColumns: text, leftByDefault: false), notes.joined(separator: "; ") + ".")
  }

  /// The ratios of all contenders to a baseline, a row per cell.
  func ratioTable(
    _ metric: String, to base: String, _ axes: [String], _ cells: Cells
  ) throws -> (table: Table, caption: String?) {
    try Metric.require(metric, at: Place(path: "table ratio"))
    let labels = cells.allLabels.filter { $0 != base }
    guard cells.allLabels.contains(base) else { throw FigureProblem("no selected grid has \(base)") }
    var rows = [axes + labels]
    for cell in cells.all {
      let numbers = labels.map { label in
        cells.ratioText(label, to: base, metric, in: cell)
      }
      rows.append(axes.map { cell.axes[$0] ?? "" } + numbers)
    }
    guard rows.dropFirst().contains(where: { $0.contains { $0 != "–" } }) else {
      throw FigureProblem("no selected point has \(metric)")
    }
    let text = Set(axes.indices.filter { !isNumeric(column: $0, rows) })
    let caption =
      "Ratio of \(metricWords(metric)) to \(Markdown.escaped(base))\(cells.unlikeBases(labels, to: base))"
    let isMarked = rows.contains { $0.contains { $0.hasSuffix("(common)") } }
    let heat = isMarked ? Cells.commonNote : "Ratios are of the whole trace"
    return (
      Table(rows, textColumns: text, leftByDefault: false),
      caption + (cells.intervalNote.map { "; \($0)" } ?? "") + ". " + heat + "."
    )
  }

  private func isNumeric(column: Int, _ rows: [[String]]) -> Bool {
    rows.dropFirst().allSatisfy { Double($0[column]) != nil }
  }
}

extension String {
  /// "a, b" as ["a", "b"].
  var commaSeparated: [String] {
    split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
  }
}

/// A mean and the half width of its interval.
func spread(_ mean: Double, halfWidth: Double?) -> String {
  guard let halfWidth, halfWidth > 0 else { return figure(mean) }
  // As many decimals as the mean has.
  let text = figure(mean)
  let decimals = text.firstIndex(of: ".").map { text.distance(from: $0, to: text.endIndex) - 1 } ?? 0
  if text.contains("e") { return "\(text) ± \(figure(halfWidth))" }
  return
    "\(text) ± \(decimals == 0 ? grouped(Int(halfWidth.rounded())) : String(format: "%.\(decimals)f", halfWidth))"
}

/// A metric's name for headings and axes, with its unit.
func metricWords(_ name: String) -> String {
  let known = [
    "output_tokens_per_s": "output tokens/s (makespan)",
    "window_output_tokens_per_s": "output tokens/s (window)",
    "total_tokens_per_s": "all tokens/s", "requests_per_s": "requests/s (steady state)",
    "makespan_requests_per_s": "requests/s (makespan)",
    "steady_output_tokens_per_s": "output tokens/s (steady state)",
    "steady_total_tokens_per_s": "all tokens/s (steady state)", "makespan_s": "makespan, s",
    "max_context_tokens": "max context, tokens",
    "goodput_requests_per_s": "goodput, requests/s (steady state)",
    "worst_stall_s": "worst stall, s", "wasted_tokens": "wasted tokens",
  ]
  if let words = known[name] { return words }
  for latency in ["ttft", "tpot", "e2e"] {
    for (prefix, suffix) in [("\(latency)_", "_s"), ("\(latency)_s.", "")]
    where name.hasPrefix(prefix) && name.hasSuffix(suffix) {
      let middle = name.dropFirst(prefix.count).dropLast(suffix.count)
      return "\(latency.uppercased()) \(middle), s"
    }
  }
  let words = name.replacingOccurrences(of: "_", with: " ").replacingOccurrences(of: ".", with: " ")
  return name.hasSuffix("_s") ? words.dropLast(2) + ", s" : words
}

/// How a number is printed.
enum Format: Equatable {
  case plain, integer, percent, gain, spread, seconds, milliseconds
  case digits(Int)

  init(_ text: String) {
    switch text {
    case "integer": self = .integer
    case "percent": self = .percent
    case "gain": self = .gain
    case "spread": self = .spread
    case "seconds": self = .seconds
    case "ms": self = .milliseconds
    default: self = .digits(text.last?.wholeNumberValue ?? 3)
    }
  }

  func text(_ value: Double, isWhole: Bool = false) -> String {
    switch self {
    case .plain, .spread: isWhole ? grouped(Int(value)) : figure(value)
    case .integer: grouped(Int(value.rounded()))
    case .percent: Formatting.percent(value)
    case .gain: (value >= 1 ? "+" : "−") + Formatting.percent(abs(value - 1))
    case .seconds: "\(figure(value)) s"
    case .milliseconds: "\(figure(value * 1_000)) ms"
    case .digits(let digits):
      digits == 0 ? grouped(Int(value.rounded())) : String(format: "%.\(digits)f", value)
    }
  }
}
