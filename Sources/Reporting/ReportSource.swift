import Formatting
import Foundation
import GRDB
import Results
import Storage
import Studies

/// A database that reports are made of: its study, or its runs.
public final class ReportSource {
  let store: ResultStore
  let results: StudyResults
  /// The sweep that is reported, if there is one.
  let sweep: StoredSweep?

  /// - Throws: `ReportError.empty` if nothing has been run, and `.whichSweep` if there are several sweeps.
  public init(_ store: ResultStore, sweep name: String? = nil) throws {
    self.store = store
    let sweeps = try store.sweeps()
    sweep = sweeps.count == 1 && name == nil ? sweeps[0] : sweeps.first { $0.name == name }
    guard sweep != nil || (sweeps.isEmpty && name == nil) else {
      throw ReportError.whichSweep(
        path: store.path, known: sweeps.isEmpty ? "there is none" : sweeps.map(\.name).joined(separator: ", ")
      )
    }
    results =
      if let sweep { try StudyResults(sweep, in: store) } else {
        try StudyResults(runs: store.runs(), in: store)
      }
    guard results.outcomes.values.contains(where: \.isCompleted) else {
      throw ReportError.empty(path: store.path)
    }
  }

  /// The report that `template` asks for, or the built-in one.
  public func report(template: (text: String, file: String)? = nil) throws -> Report {
    let builtIn = (text: BuiltInTemplate.text, file: "the built-in template")
    let chosen = template ?? builtIn
    let writer = ReportWriter(self, file: chosen.file)
    return try writer.report(Template(chosen.text, file: chosen.file))
  }

  /// One figure as SVG, from what stands after `figure` in a template.
  public func figure(_ specification: String) throws -> String {
    let figures = try Figures(self).make(FigureDirective(specification), first: 1)
    guard let first = figures.first else {
      throw FigureProblem("the selected runs have no rows for it")
    }
    return first.svg
  }

  /// The database's name without its folder: reports do not depend on where they are made.
  var databaseName: String { String(store.path.split(separator: "/").last ?? "") }
}

extension PointOutcome {
  fileprivate var isCompleted: Bool { if case .completed = self { true } else { false } }
}

/// What keeps a directive from being answered.
struct FigureProblem: Error, CustomStringConvertible {
  var description: String
  init(_ description: String) { self.description = description }
}
