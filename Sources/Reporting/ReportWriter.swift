import Formatting
import Foundation
import Output
import Results
import Studies

/// Goes through a template and puts in what the database says.
final class ReportWriter {
  private let source: ReportSource
  private let answers: Answers
  private let file: String
  private var blocks: [Report.Block] = []
  private var figureCount = 0

  init(_ source: ReportSource, file: String) {
    self.source = source
    self.file = file
    answers = Answers(source)
  }

  func report(_ template: Template) throws -> Report {
    let text = try text(of: template.nodes)
    return Report(
      markdown: text.replacing(/\n{3,}/, with: "\n\n"), blocks: blocks, database: source.databaseName)
  }

  private func text(of nodes: [Template.Node]) throws -> String {
    var out = ""
    for node in nodes {
      switch node {
      case .text(let text): out += text.filter { !BlockMark.isMark($0) }
      case .directive(let text, let line): out += try at(line) { try answer(text, $0) }
      case .conditional(let branches):
        for branch in branches {
          guard let condition = branch.condition else {
            out += try self.text(of: branch.body)
            break
          }
          if try at(branch.line, { try answers.holds(condition, at: $0) }) {
            out += try self.text(of: branch.body)
            break
          }
        }
      }
    }
    return out
  }

  private func answer(_ text: String, _ place: Place) throws -> String {
    guard let word = text.split(separator: " ").first else { throw FigureProblem("{{ }} is empty") }
    let rest = text.dropFirst(word.count).trimmingCharacters(in: .whitespaces)
    switch word {
    case "table":
      let (table, caption) = try answers.table(rest, at: place)
      return mark(.table(table, caption: caption))
    case "figure", "figure?":
      // "figure?" is the built-in template's: nothing where runs keep no rows for it.
      do {
        let figures = try Figures(source).make(FigureDirective(rest), first: figureCount + 1, at: place)
        guard !figures.isEmpty || word == "figure?" else {
          throw FigureProblem("the selected runs have no rows for the figure \(rest)")
        }
        figureCount += figures.count
        return figures.map { mark(.figure($0)) }.joined()
      } catch let problem as FigureProblem {
        if word == "figure?" { return "" }
        throw problem
      }
    case "title": return Markdown.escaped(source.sweep.map { "Study \($0.name)" } ?? "Simulated runs")
    case "overview": return mark(.table(Table(query: try answers.rows(overview())), caption: nil))
    case "ratios": return try ratios(place)
    case "simulated": return try simulated()
    case "basis": return try basis()
    case "unlike-bases":
      // A run on the common trace stands against others on it alone.
      let results = try completed()
      return Markdown.escaped(
        BasisMark.heading(
          ofGroups: [HeatKind.whole, .common].map { heat in
            results.filter { $0.heat == heat }.map(\.mark)
          }))
    case "definitions": return Definitions.lines.map { "- \($0)\n" }.joined()
    default: return try answers.value(text, at: place)
    }
  }

  // MARK: - The built-in template's own

  /// Every run with its main figures, and for a sweep its point. A time of a tick of the clock is one that no step cost.
  private func overview() throws -> String {
    let point = source.sweep == nil ? "" : "grid, label AS contender, axes, "
    let join = source.sweep.map { "JOIN sweep_point ON run_id = run.id AND sweep_id = \($0.id)" } ?? ""
    let policy = source.sweep == nil ? "policy, trace, " : ""
    let order = source.sweep == nil ? "run.id" : "grid, axes, label, run.seed, run.id"
    return """
      SELECT run.id AS run, \(point)\(policy)\(try names(join))run.seed AS seed,
        CASE replayed WHEN 'whole' THEN '\(HeatKind.whole.words)' ELSE '\(HeatKind.common.words)' END AS replayed,
        load, completed, rejected, preemptions,
        CAST(round(output_tokens_per_s) AS INTEGER) AS "output tokens/s",
        CASE WHEN ttft_p50_s > 1e-12 THEN round(ttft_p50_s, 4) END AS "TTFT p50, s", CASE WHEN ttft_p99_s > 1e-12 THEN round(ttft_p99_s, 4) END AS "TTFT p99, s",
        round(tpot_p50_s, 5) AS "TPOT p50, s", round(tpot_p99_s, 5) AS "TPOT p99, s",
        coalesce(costs, 'unknown') || CASE WHEN unvalidated > 0 THEN ', ' || unvalidated || ' unvalidated' ELSE '' END
          || CASE WHEN over_measured > 1 THEN ', extrapolated ' || round(over_measured, 2) || '×' ELSE '' END
          AS "costs rest on"
      FROM run \(join) WHERE status = 'completed' ORDER BY \(order)
      """
  }

  /// Columns for what the runs differ in and their points do not say: the names of hardware, engine profile and model; of runs
  /// without a sweep whatever differs between runs of one contender, and which trace of one name it was.
  private func names(_ join: String) throws -> String {
    func value(_ path: String) -> String { "coalesce(run.manifest ->> '$.\(path)', '–')" }
    var columns = ["hardware", "engine_profile", "model"].map { part in
      (name: part.replacing("_", with: " "), value: value("\(part).name"))
    }
    if source.sweep == nil {
      let manifests = try reported().map { try JSON(parsing: $0.manifest) }
      for axis in source.results.study.grids.flatMap({ $0.axes.map(\.name) }) {
        guard axis != "trace", !["hardware", "engine_profile", "model"].contains(axis) else { continue }
        let part = ["cluster", "engine", "workload"].first { part in
          manifests.contains { $0[part]?[axis] != nil }
        }
        let isNamed = part.map { part in manifests.contains { $0[part]?[axis]?["name"] != nil } } ?? false
        let path =
          axis.hasPrefix("slo_")
          ? "slo.\(axis.dropFirst(4))" : (part.map { "\($0)." } ?? "") + axis + (isNamed ? ".name" : "")
        columns.append((name: axis.replacing("_", with: " "), value: "substr(\(value(path)), 1, 40)"))
      }
      let digest = value("workload.digest")
      let traces =
        "SELECT count(DISTINCT \(digest)) > count(DISTINCT trace) FROM run WHERE status = 'completed'"
      if try answers.rows(traces)[0][0] == true {
        columns.append((name: "digest of the trace", value: "substr(\(digest), 1, 8)"))
      }
    }
    let counts = columns.map { "count(DISTINCT \($0.value))" }.joined(separator: ", ")
    let row = try answers.rows("SELECT \(counts) FROM run \(join) WHERE status = 'completed'")[0]
    return columns.indices.filter { row[$0] > 1 }
      .map { "\(columns[$0].value) AS \"\(columns[$0].name)\", " }.joined()
  }

  /// The completed runs that are reported.
  private func reported() throws -> [StoredRun] {
    let ofSweep = Set(source.results.runs.values)
    return try source.store.runs().filter {
      $0.result != nil && (source.sweep == nil || ofSweep.contains($0.id))
    }
  }

  private func completed() throws -> [RunResult] { try reported().compactMap(\.result) }

  /// What the runs simulate, a line for each model, cluster, engine and SLO, with the runs counted.
  private func simulated() throws -> String {
    let runs = try reported()
    var lines: [String] = []
    var counts: [String: Int] = [:]
    for run in runs {
      let line = try Self.simulated(JSON(parsing: run.manifest))
      if counts[line] == nil { lines.append(line) }
      counts[line, default: 0] += 1
    }
    let most = 12
    let rest = lines.count > most ? "- … and \(lines.count - most) more\n" : ""
    return lines.prefix(most).map { line in
      "- \(Markdown.escaped(line))" + (lines.count > 1 ? " (\(counts[line]!) of \(runs.count) runs)" : "")
        + "\n"
    }.joined() + rest
  }

  private static func simulated(_ manifest: JSON) -> String {
    func name(_ part: String) -> String { manifest[part]?["name"]?.string ?? "unknown" }
    var text = name("model")
    if let nodes = manifest["cluster"]?["nodes"]?.integer,
      let gpus = manifest["cluster"]?["gpus_per_node"]?.integer
    {
      text += " on \(nodes) node\(nodes == 1 ? "" : "s") of \(gpus) GPU\(gpus == 1 ? "" : "s")"
    }
    text += ", hardware \(name("hardware")), engine \(manifest["engine"]?["kind"]?.string ?? "unknown")"
    text += " with the profile \(name("engine_profile")), contexts "
    text +=
      manifest["engine"]?["max_model_len"]?.integer.map { "of up to \(grouped($0)) tokens" }
      ?? "of any length"
    for (key, words) in [("ttft_s", "TTFT"), ("tpot_s", "TPOT")] {
      if let bound = manifest["slo"]?[key]?.number {
        text += ", SLO: \(words) within \(String(format: "%g", bound)) s"
      }
    }
    if let window = manifest["workload"]?["latency_window"].flatMap(LatencyWindow.init) {
      text += ", latencies \(window.text)"
    }
    return text
  }

  /// The legend of the overview's last column, and what is not validated and what is extrapolated, a line each with the runs
  /// counted.
  private func basis() throws -> String {
    let results = try completed()
    var lines: [String] = []
    var counts: [String: Int] = [:]
    for result in results {
      let sentences =
        result.basis.unvalidated.map { "unvalidated: \($0)" }
        + result.extrapolations.map { "extrapolated: \($0)" }
      for line in sentences {
        if counts[line] == nil { lines.append(line) }
        counts[line, default: 0] += 1
      }
    }
    let most = 24
    let rest = lines.count > most ? "- … and \(lines.count - most) more\n" : ""
    return Markdown.escaped(BasisMark.legend) + "\n\n"
      + lines.prefix(most).map { "- \(Markdown.escaped($0)) (\(counts[$0]!) of \(results.count) runs)\n" }
      .joined() + rest
  }

  /// For each grid of several contenders their ratios to the baseline, and a map where two axes vary.
  private func ratios(_ place: Place) throws -> String {
    var out = ""
    for grid in source.results.study.grids where grid.contenders.count > 1 {
      let selection = "grid == \(grid.name)"
      guard
        let cells = try? Cells(source.results, ExpressionParser.selection(selection, at: place), at: place)
      else { continue }
      let axes = cells.differing()
      let labels = grid.contenders.map(\.label).filter { $0 != grid.baseline }
      guard
        let (table, caption) = try? answers.ratioTable(
          "output_tokens_per_s", to: grid.baseline, axes, cells)
      else { continue }
      out += mark(.table(table, caption: (caption ?? "") + " Grid \(Markdown.escaped(grid.name))."))
      guard axes.count == 2 else { continue }
      for label in labels.prefix(4) {
        let text = """
          ratio-map of=\(quoted(label)) to=\(quoted(grid.baseline)) columns=\(quoted(axes[1])) \
          rows=\(quoted(axes[0])) where \(selection)
          """
        guard
          let figures = try? Figures(source).make(FigureDirective(text), first: figureCount + 1, at: place)
        else { continue }
        figureCount += figures.count
        out += figures.map { mark(.figure($0)) }.joined()
      }
    }
    return out
  }

  private func quoted(_ word: String) -> String { "\"\(word)\"" }

  private func mark(_ block: Report.Block) -> String {
    blocks.append(block)
    return "\n\n\(BlockMark.text(blocks.count - 1))\n\n"
  }

  /// Errors say the template's line.
  private func at<Value>(_ line: Int, _ body: (Place) throws -> Value) throws -> Value {
    do { return try body(Place(path: file, line: line)) } catch let error as ReportError {
      throw error
    } catch let error as GnuplotError {
      throw error
    } catch let error as StudyError {
      throw ReportError.template(
        file: file, line: line, problem: "found \(error.found), expected \(error.expected)")
    } catch { throw ReportError.template(file: file, line: line, problem: String(describing: error)) }
  }
}
