import Results
import Sim

/// What became of a point on one heat.
public enum PointOutcome: Hashable, Sendable {
  case completed(Figures)
  /// The error's text.
  case failed(String)

  /// A completed run's summary and what decides whether runs are comparable.
  public struct Figures: Hashable, Sendable {
    public var summary: JSON
    public var served: Served

    public init(summary: JSON, served: Served) { (self.summary, self.served) = (summary, served) }
  }
}

/// What of a trace was not completed.
public struct Served: Hashable, Sendable {
  /// Ids of the rejected requests, ascending.
  public var rejected: [Int]
  public var unfinished: Int
  /// Tokens of all outputs: an output that is cut at the context is another one.
  public var outputTokens: Int

  public init(rejected: [Int], unfinished: Int, outputTokens: Int) {
    (self.rejected, self.unfinished, self.outputTokens) = (rejected, unfinished, outputTokens)
  }

  public init(rejected: [Int], _ summary: RunSummary) {
    self.init(rejected: rejected, unfinished: summary.unfinished, outputTokens: summary.outputTokens)
  }

  /// Whether both completed the same requests, with the same outputs (semantics.md 27).
  public func isComparable(to other: Served) -> Bool {
    rejected == other.rejected && outputTokens == other.outputTokens && unfinished == 0
      && other.unfinished == 0
  }
}

/// Names a point's outcome.
public struct PointKey: Hashable, Sendable {
  public var cell: Cell
  public var label: String
  public var seed: Int
  public var heat: HeatKind

  public init(cell: Cell, label: String, seed: Int, heat: HeatKind) {
    (self.cell, self.label, self.seed, self.heat) = (cell, label, seed, heat)
  }
}

extension PointKey {
  /// "backlog: limit=64, vllm-m, seed 0".
  public var text: String {
    "\(cell.text), \(label), seed \(seed)" + (heat == .common ? ", common trace" : "")
  }
}

/// The outcomes of a study's points: from the database, or as they come.
public struct StudyResults: Sendable {
  public let study: Study
  public var outcomes: [PointKey: PointOutcome]
  /// The database's runs behind outcomes, where these come from one.
  public var runs: [PointKey: Int64] = [:]

  public init(study: Study, outcomes: [PointKey: PointOutcome] = [:]) {
    (self.study, self.outcomes) = (study, outcomes)
  }
}

/// Why an expression has no value.
public struct NoValue: Error, Hashable, Sendable, CustomStringConvertible {
  public enum Kind: Hashable, Sendable {
    /// A statistic of nothing, or a ratio to it.
    case absent
    /// A ratio of runs that completed other requests.
    case notComparable
    /// Something is missing, failed, or wrongly asked.
    case missing
  }
  public var description: String
  public var kind: Kind

  init(_ description: String, _ kind: Kind = .missing) {
    (self.description, self.kind) = (description, kind)
  }

  /// What tables have in place of the value: "n/c" or "–".
  public var mark: String { kind == .notComparable ? "n/c" : "–" }
}

extension StudyResults {
  /// The cells that a selection selects, of the grids that have all its axes and all the labels.
  public func cells(_ selection: Selection, labels: [String]) -> [Cell] {
    study.grids
      .filter { grid in labels.allSatisfy { label in grid.contenders.contains { $0.label == label } } }
      .flatMap { $0.rows.map(\.cell) }
      .filter(selection.holds(in:))
  }

  /// The value of a quantity; throws `NoValue`, for example if its `where` selects no cell.
  public func value(of quantity: Quantity) throws(NoValue) -> Double {
    let cells = cells(quantity.selection, labels: quantity.expression.labels)
    guard !cells.isEmpty else { throw NoValue("the where selects no cell") }
    return try Evaluation(results: self, selection: quantity.selection)
      .number(quantity.expression, in: cells)
  }

  /// On which requests the ratio of two contenders is taken in a cell: on the whole trace if they completed the same of it on
  /// every seed that `selection` leaves, else on the common one.
  public func ratioHeat(
    _ label: String, to base: String, in cell: Cell, where selection: Selection = Selection()
  ) throws(NoValue) -> HeatKind {
    try Evaluation(results: self, selection: selection).ratioHeat(label, base, cell)
  }

  /// The value of an expression in one cell, over all seeds that `selection` leaves.
  public func value(
    of expression: StudyExpression, in cell: Cell, where selection: Selection = Selection()
  ) throws(NoValue) -> Double {
    try Evaluation(results: self, selection: selection).number(expression, in: [cell])
  }

  /// Whether a comparison holds in every cell that it selects; throws `NoValue` where it cannot be made.
  public func holds(_ check: Check) throws(NoValue) -> Bool {
    var holds = true
    let place = Place(path: "")
    for outcome in self.check(Expectation(text: "", place: place, check: check)) {
      if case .noValue(let why) = outcome.verdict { throw why }
      holds = holds && outcome.holds
    }
    return holds
  }

  /// The points that failed, in a fixed order.
  public var failedPoints: [(key: PointKey, error: String)] {
    outcomes.compactMap { key, outcome in
      if case .failed(let error) = outcome { (key, error) } else { nil }
    }
    .sorted { $0.key.text < $1.key.text }
  }

  /// The points of the study that have no outcome on the whole trace, or none on a common one that others of their
  /// heat have, in the study's order.
  public var missingPoints: [PointKey] {
    let common = Set(outcomes.keys.filter { $0.heat == .common }.map { Heat(cell: $0.cell, seed: $0.seed) })
    return study.points.flatMap { point in
      let heats: [HeatKind] =
        common.contains(Heat(cell: point.cell, seed: point.seed)) ? [.whole, .common] : [.whole]
      return heats.map {
        PointKey(cell: point.cell, label: point.contender.label, seed: point.seed, heat: $0)
      }
    }
    .filter { outcomes[$0] == nil }
  }

  private struct Heat: Hashable {
    var cell: Cell
    var seed: Int
  }

  /// The numbers that a quantity has in each selected cell, one per cell, for tables and figures.
  public func values(of quantity: Quantity) throws(NoValue) -> [(cell: Cell, value: Double)] {
    let cells = cells(quantity.selection, labels: quantity.expression.labels)
    guard !cells.isEmpty else { throw NoValue("the where selects no cell") }
    let evaluation = Evaluation(results: self, selection: quantity.selection)
    var found: [(cell: Cell, value: Double)] = []
    for cell in cells { found.append((cell, try evaluation.number(quantity.expression, in: [cell]))) }
    return found
  }

  /// What came of an expectation, per cell; once for an expectation over cells or one that selects none.
  /// `grid` restricts it to the cells of its own grid.
  public func check(_ expectation: Expectation, grid: String? = nil) -> [CheckOutcome] {
    let check = expectation.check
    let cells = cells(check.selection, labels: check.comparison.labels)
      .filter { grid == nil || $0.grid == grid }
    let text = expectation.text
    guard !cells.isEmpty else {
      return [
        CheckOutcome(
          expectation: text, grid: grid, cell: nil, verdict: .noValue(NoValue("the where selects no cell")))
      ]
    }
    let evaluation = Evaluation(results: self, selection: check.selection)
    func outcome(_ cells: [Cell], _ cell: Cell?) -> CheckOutcome {
      do throws(NoValue) {
        let left = try evaluation.number(check.comparison.left, in: cells)
        let right = try evaluation.number(check.comparison.right, in: cells)
        let holds = check.comparison.relation.holds(left, right)
        var heats: Set<HeatKind> = []
        for (label, base) in check.comparison.left.ratios + check.comparison.right.ratios {
          for cell in cells { heats.insert(try evaluation.ratioHeat(label, base, cell)) }
        }
        return CheckOutcome(
          expectation: text, grid: grid, cell: cell,
          verdict: holds
            ? .holds(found: left)
            : .fails(found: left, expected: "\(check.comparison.relation.rawValue) \(right)"),
          heats: heats,
          unlikeBases: try evaluation.unlikeBases([check.comparison.left, check.comparison.right], in: cells))
      } catch {
        return CheckOutcome(expectation: text, grid: grid, cell: cell, verdict: .noValue(error))
      }
    }
    return check.comparison.isOverCells ? [outcome(cells, nil)] : cells.map { outcome([$0], $0) }
  }

  /// All expectations of the study: those of the grids, then its own.
  public func checkAll() -> [CheckOutcome] {
    study.grids.flatMap { grid in grid.expectations.flatMap { check($0, grid: grid.name) } }
      + study.expectations.flatMap { check($0) }
  }
}

/// What came of an expectation in a cell.
public struct CheckOutcome: Hashable, Sendable {
  public enum Verdict: Hashable, Sendable {
    case holds(found: Double)
    case fails(found: Double, expected: String)
    /// There is nothing to compare, which is a failure.
    case noValue(NoValue)
  }
  public var expectation: String
  /// The grid that it belongs to; `nil`: the study.
  public var grid: String?
  /// `nil`: over cells.
  public var cell: Cell?
  public var verdict: Verdict
  /// Which requests the ratios in it are of; empty if it has none.
  public var heats: Set<HeatKind> = []
  /// How what the costs of the compared runs rest on differs; empty where it is alike.
  public var unlikeBases: [String] = []

  public var holds: Bool { if case .holds = verdict { true } else { false } }

  /// "found 1.07, expected >= 1.2 (common trace, unlike bases: data-sheet and fits)", "absent: ttft_s.p99 of vllm-m is a statistic of nothing (seed 0)".
  public var finding: String {
    let notes =
      heats.map(\.words).sorted(by: >)
      + (unlikeBases.isEmpty ? [] : ["unlike bases: \(unlikeBases.joined(separator: "; "))"])
    let of = notes.isEmpty ? "" : " (\(notes.joined(separator: ", ")))"
    return switch verdict {
    case .holds(let found): "found \(found)\(of)"
    case .fails(let found, let expected): "found \(found), expected \(expected)\(of)"
    case .noValue(let why): (why.kind == .absent ? "absent: " : "n/c: ") + why.description
    }
  }
}
