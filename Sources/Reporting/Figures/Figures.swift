import Foundation
import GRDB
import Output
import Results
import Storage
import Studies

/// Makes the figures that directives ask for.
struct Figures {
  private let source: ReportSource

  init(_ source: ReportSource) { self.source = source }

  /// The figures of a directive, numbered from `first`: one, or one for each selected run.
  /// - Throws: `FigureProblem`, `StudyError`, `ReportError`.
  func make(_ directive: FigureDirective, first: Int, at place: Place = Place(path: "--figure")) throws
    -> [Figure]
  {
    let selection =
      try directive.condition.map { try ExpressionParser.selection($0, at: place) } ?? Selection()
    let drawings = try drawings(directive, selection, place)
    let gnuplot = try Gnuplot()
    return try drawings.enumerated().map { offset, one in
      let (drawing, specification) = one
      let title =
        (drawings.count == 1 ? directive.settings["title"] ?? drawing.title : drawing.title)
        + drawing.unlikeBases
      let name = "figure-\(first + offset)-\(directive.kind)"
      let labels = Labels()
      let svg = try gnuplot.draw(
        drawing.script(labels), labels: labels, figure: name, alt: title, size: drawing.size)
      return Figure(
        name: name, title: title, caption: drawing.caption, svg: withOwnIDs(svg, prefix: name),
        rows: drawing.rows, sql: drawing.sql, specification: specification)
    }
  }

  private func drawings(
    _ directive: FigureDirective, _ selection: Selection, _ place: Place
  ) throws -> [(Drawing, String)] {
    let study = StudyFigures(source, directive)
    // All of the selected cells, whose runs the drawing compares.
    func one(_ drawing: Drawing?) throws -> [(Drawing, String)] {
      guard var drawing else { return [] }
      let base = directive.settings["to"]
      let labels = directive.settings["of"]?.commaSeparated
      drawing.unlikeBases = try cells().unlikeBases(labels, to: base)
      return [(drawing, directive.text)]
    }
    func cells() throws -> Cells { try Cells(source.results, selection, at: place) }
    func all(_ make: ([NamedRun], Database) throws -> Drawing?) throws -> [(Drawing, String)] {
      try directive.requireKnown([])
      let runs = try Array(runs(selection, place).prefix(12))
      return try one(source.store.read { try make(runs, $0) })
    }
    func each(_ make: (NamedRun, Database) throws -> Drawing?) throws -> [(Drawing, String)] {
      try directive.requireKnown([])
      var found: [(Drawing, String)] = []
      for run in try runs(selection, place) where found.count < 6 {
        guard let drawing = try source.store.read({ try make(run, $0) }) else { continue }
        found.append((drawing, "\(directive.kind) where run == \(run.id)"))
      }
      return found
    }
    switch directive.kind {
    case "throughput-latency": return try one(study.throughputLatency(cells()))
    case "lines": return try one(study.lines(cells()))
    case "ratios": return try one(study.ratios(cells()))
    case "ratio-map": return try one(study.ratioMap(cells()))
    case "kv-use": return try each(RunFigures.kvUse)
    case "lending": return try each(RunFigures.lending)
    case "moves": return try each(RunFigures.moves)
    case "batch-sizes": return try all(RunFigures.batchSizes)
    case "time-by-cause": return try all(RunFigures.timeByCause)
    case "gpu-time": return try all(RunFigures.gpuTime)
    default:
      throw FigureProblem(
        "there is no figure \(directive.kind); there are throughput-latency, lines, ratios, ratio-map, kv-use, "
          + "batch-sizes, lending, moves, time-by-cause, gpu-time")
    }
  }

  /// The selected runs on whole traces, in the order of cells, contenders and seeds, called by what differs.
  private func runs(_ selection: Selection, _ place: Place) throws -> [NamedRun] {
    let cells = try Cells(source.results, selection, at: place)
    let wanted = selection.conditions.filter { $0.name == "run" }
    var found: [(id: Int64, label: String, cell: Cell, seed: Int, heat: HeatKind)] = []
    for cell in cells.all {
      let seeds = source.results.study.grids.first { $0.name == cell.grid }?.seeds ?? []
      for label in cells.labels(of: cell) {
        for seed in seeds where cells.selection.holds(seed: seed) {
          for heat in wanted.isEmpty ? [HeatKind.whole] : [.whole, .common] {
            let key = PointKey(cell: cell, label: label, seed: seed, heat: heat)
            guard let id = source.results.runs[key], !found.contains(where: { $0.id == id }),
              case .completed? = source.results.outcomes[key],
              wanted.allSatisfy({ $0.test.holds(String(id)) })
            else { continue }
            found.append((id, label, cell, seed, heat))
          }
        }
      }
    }
    guard !found.isEmpty else { throw FigureProblem("the where selects no completed run") }
    let hasSeeds = Set(found.map(\.seed)).count > 1
    return found.map { run in
      let parts = [
        run.label, cells.name(run.cell), hasSeeds ? "seed \(run.seed)" : "",
        run.heat == .common ? run.heat.words : "", "run \(run.id)",
      ]
      return NamedRun(id: run.id, label: parts.filter { !$0.isEmpty }.joined(separator: ", "))
    }
  }

  /// Ids are unique in a page: each figure's have its name before them.
  private func withOwnIDs(_ svg: String, prefix: String) -> String {
    svg
      .replacing(/\bid=(['"])([^'"]*)['"]/) { "id=\($0.1)\(prefix)-\($0.2)\($0.1)" }
      .replacing(/href=(['"])#([^'"]*)['"]/) { "href=\($0.1)#\(prefix)-\($0.2)\($0.1)" }
      .replacing(/url\(#([^)]*)\)/) { "url(#\(prefix)-\($0.1))" }
  }
}
