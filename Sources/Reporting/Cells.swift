import Formatting
import Results
import Studies

/// The cells of a study that a directive is about.
struct Cells {
  let results: StudyResults
  let selection: Selection
  /// In the order of the study, those only of which something has been run.
  let all: [Cell]

  /// - Throws: `FigureProblem` if there is none, or no grid has an axis that is named.
  init(_ results: StudyResults, _ selection: Selection, at place: Place) throws {
    self.results = results
    // A run is not a cell: figures of runs look at it.
    self.selection = Selection(conditions: selection.conditions.filter { $0.name != "run" })
    let known = Set(results.study.grids.flatMap { $0.axes.map(\.name) } + ["run"])
    for axis in selection.axes where !known.contains(axis) {
      throw FigureProblem("no grid has the axis \(axis); there are \(known.sorted().joined(separator: ", "))")
    }
    let tried = Set(results.outcomes.keys.map(\.cell))
    all = results.cells(self.selection, labels: []).filter(tried.contains)
    guard !all.isEmpty else { throw FigureProblem("the where selects no cell that has been run") }
  }

  func labels(of cell: Cell) -> [String] {
    results.study.grids.first { $0.name == cell.grid }?.contenders.map(\.label) ?? []
  }

  /// The labels of all cells, each once, in order.
  var allLabels: [String] {
    var seen: Set<String> = []
    return all.flatMap(labels).filter { seen.insert($0).inserted }
  }

  /// The axes in which the cells differ, but for those in `named`, in order; "grid" if they are of several.
  func differing(but named: [String] = []) -> [String] {
    var names: [String] = []
    if Set(all.map(\.grid)).count > 1 { names.append("grid") }
    for name in results.study.grids.flatMap({ $0.axes.map(\.name) }) where !names.contains(name) {
      if Set(all.map { $0.axes[name] }).count > 1 { names.append(name) }
    }
    return names.filter { !named.contains($0) }
  }

  /// - Throws: `FigureProblem` if two cells have the same values of the axes.
  func requireDistinct(by axes: [String]) throws {
    let rest = differing(but: axes)
    guard rest.isEmpty else {
      throw FigureProblem(
        "the selected cells differ in \(rest.joined(separator: ", ")) too: name it in by or where")
    }
  }

  /// What a table says of an expression: the mean over seeds with its interval, "–" for a statistic of nothing; `nil` where a
  /// run is missing or failed.
  func text(_ expression: StudyExpression, in cell: Cell) -> String? {
    if let (mean, halfWidth) = value(expression, in: cell) {
      return latency(mean) == "–" ? "–" : spread(mean, halfWidth: halfWidth)
    }
    do throws(NoValue) { _ = try results.value(of: expression, in: cell, where: selection) } catch {
      return error.kind == .absent ? error.mark : nil
    }
    return nil
  }

  /// The mean over seeds and half its 95 % interval, `nil` where there is no value.
  func value(_ expression: StudyExpression, in cell: Cell) -> (mean: Double, halfWidth: Double?)? {
    guard let mean = try? results.value(of: expression, in: cell, where: selection) else { return nil }
    let high = try? results.value(of: .overSeeds(.high, expression), in: cell, where: selection)
    return (mean, high.map { $0 - mean })
  }

  /// "1.352 ± 0.041", the same with "(common)" if it is of the common trace, "n/c", or "–" where there is no value.
  func ratioText(_ label: String, to base: String, _ metric: String, in cell: Cell) -> String {
    let ratio = StudyExpression.ratio(label, base, metric: metric)
    do throws(NoValue) {
      let mean = try results.value(of: ratio, in: cell, where: selection)
      let high = try? results.value(of: .overSeeds(.high, ratio), in: cell, where: selection)
      let isCommon = try results.ratioHeat(label, to: base, in: cell, where: selection) == .common
      return (high.map { "\(ratioText(mean)) ± \(ratioText($0 - mean))" } ?? ratioText(mean))
        + (isCommon ? " (common)" : "")
    } catch { return error.mark }
  }

  /// On which requests a ratio is taken, in words.
  func ratioHeat(_ label: String, to base: String, in cell: Cell) -> String {
    (try? results.ratioHeat(label, to: base, in: cell, where: selection).words) ?? "–"
  }

  /// What `(common)` means.
  static let commonNote =
    "Ratios are of the whole trace; those marked (common) of the common one: the requests that all contenders complete"

  /// How the bases of the runs that are shown of these cells differ: " (unlike bases: …)", or nothing. Shown are those on the
  /// whole trace; of ratios of `labels` to `base`, those that the ratios are of.
  func unlikeBases(_ labels: [String]? = nil, to base: String? = nil) -> String {
    var groups: [HeatKind: [BasisMark]] = [:]
    for cell in all {
      let seeds =
        results.study.grids.first { $0.name == cell.grid }?.seeds.filter(selection.holds(seed:)) ?? []
      for label in self.labels(of: cell) where labels?.contains(label) ?? true {
        var heat = HeatKind.whole
        if let base {
          guard let found = try? results.ratioHeat(label, to: base, in: cell, where: selection) else {
            continue
          }
          heat = found
        }
        for (label, seed) in Set([label, base ?? label]).flatMap({ label in seeds.map { (label, $0) } }) {
          func outcome(_ heat: HeatKind) -> PointOutcome? {
            results.outcomes[PointKey(cell: cell, label: label, seed: seed, heat: heat)]
          }
          guard case .completed(let figures)? = outcome(heat) ?? outcome(.whole) else { continue }
          groups[heat, default: []].append(BasisMark(summary: figures.summary))
        }
      }
    }
    return BasisMark.heading(ofGroups: [HeatKind.whole, .common].compactMap { groups[$0] })
  }

  private func ratioText(_ value: Double) -> String { Formatting.ratioText(value) }

  /// What ± means here, if there is any.
  var intervalNote: String? {
    let grids = Set(all.map(\.grid))
    let seeds = results.study.grids.filter { grids.contains($0.name) }
      .map { $0.seeds.filter(selection.holds(seed:)).count }
    guard let least = seeds.min(), let most = seeds.max(), most > 1 else { return nil }
    return
      "± is the 95 % interval of the mean over \(least == most ? "\(least)" : "\(least) to \(most)") seeds"
  }

  /// What tells a cell from the others, in words.
  func name(_ cell: Cell, but named: [String] = []) -> String {
    differing(but: named).map { axis in
      axis == "grid" ? cell.grid : "\(axis)=\(cell.axes[axis] ?? "none")"
    }.joined(separator: " ")
  }
}
