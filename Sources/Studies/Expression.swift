import Results

/// An expression over the points of a study (docs/sweeps.md has the grammar).
public indirect enum StudyExpression: Hashable, Sendable {
  case number(Double)
  /// A metric of a contender, one number per seed.
  case metric(HeatKind, label: String, metric: String)
  /// The metric of the first over that of the second, of runs that completed the same requests: of the heat that is given,
  /// else of the whole trace if they did so there on every seed, else of the common one.
  case ratio(String, String, metric: String, on: HeatKind? = nil)
  case negated(StudyExpression)
  case binary(StudyExpression, Operation, StudyExpression)
  /// Over the seeds of a cell.
  case overSeeds(SeedFunction, StudyExpression)
  /// Over the cells that `where` selects.
  case overCells(CellFunction, StudyExpression)
  /// Share of the selected cells in which the comparison holds.
  case share(Comparison)

  public enum Operation: String, Sendable { case plus = "+", minus = "-", times = "*", over = "/" }
  public enum SeedFunction: String, CaseIterable, Sendable { case mean, min, max, count, low, high }
  public enum CellFunction: String, CaseIterable, Sendable { case lowest, highest, median }
}

public struct Comparison: Hashable, Sendable {
  public enum Relation: String, CaseIterable, Sendable {
    case less = "<", atMost = "<=", more = ">", atLeast = ">=", equal = "==", unequal = "!="

    func holds(_ a: Double, _ b: Double) -> Bool {
      switch self {
      case .less: a < b
      case .atMost: a <= b
      case .more: a > b
      case .atLeast: a >= b
      case .equal: a == b
      case .unequal: a != b
      }
    }
  }
  public var left: StudyExpression
  public var relation: Relation
  public var right: StudyExpression
}

/// A comparison that must hold where it says.
public struct Check: Hashable, Sendable {
  public var comparison: Comparison
  public var selection: Selection
}

/// An expression whose value a report shows.
public struct Quantity: Hashable, Sendable {
  public var expression: StudyExpression
  public var selection: Selection

  public init(expression: StudyExpression, selection: Selection) {
    (self.expression, self.selection) = (expression, selection)
  }
}

/// What `where` says: all conditions must hold.
public struct Selection: Hashable, Sendable {
  public struct Condition: Hashable, Sendable {
    public var name: String
    public var test: Test
    public var place: Place
  }
  public enum Test: Hashable, Sendable {
    case compare(Comparison.Relation, String)
    case isOne(of: [String])
  }
  public var conditions: [Condition] = []

  public init(conditions: [Condition] = []) { self.conditions = conditions }

  /// Whether the cell is selected. A condition on an axis that the cell does not have selects nothing.
  public func holds(in cell: Cell) -> Bool {
    conditions.allSatisfy { condition in
      switch condition.name {
      case "seed": true
      case "grid": condition.test.holds(cell.grid)
      default: cell.axes[condition.name].map(condition.test.holds) ?? false
      }
    }
  }

  /// Whether runs of the seed count.
  public func holds(seed: Int) -> Bool {
    conditions.allSatisfy { $0.name != "seed" || $0.test.holds(String(seed)) }
  }

  /// The axes that are named.
  public var axes: [String] { conditions.map(\.name).filter { $0 != "grid" && $0 != "seed" } }
}

extension Selection.Test {
  /// Numbers are compared as numbers, all else as text; order is for numbers only.
  public func holds(_ value: String) -> Bool {
    switch self {
    case .isOne(let words): words.contains { Self.same(value, $0) }
    case .compare(.equal, let word): Self.same(value, word)
    case .compare(.unequal, let word): !Self.same(value, word)
    case .compare(let relation, let word):
      if let a = Double(value), let b = Double(word) { relation.holds(a, b) } else { false }
    }
  }

  private static func same(_ a: String, _ b: String) -> Bool {
    if let a = Double(a), let b = Double(b) { return a == b }
    return a == b
  }
}

extension StudyExpression {
  /// The labels that are named, each once, in order.
  public var labels: [String] {
    var found: [String] = []
    visit { expression in
      switch expression {
      case .metric(_, let label, _): found.append(label)
      case .ratio(let a, let b, _, _): found += [a, b]
      default: break
      }
    }
    var seen: Set<String> = []
    return found.filter { seen.insert($0).inserted }
  }

  /// The metrics and ratios in it.
  var leaves: [StudyExpression] {
    var found: [StudyExpression] = []
    visit { expression in
      switch expression {
      case .metric, .ratio: found.append(expression)
      default: break
      }
    }
    return found
  }

  /// The pairs that ratios are of.
  var ratios: [(label: String, base: String)] {
    var found: [(label: String, base: String)] = []
    visit { if case .ratio(let label, let base, _, _) = $0 { found.append((label, base)) } }
    return found
  }

  /// Whether it is one number over all selected cells.
  public var isOverCells: Bool {
    var found = false
    visit { expression in
      switch expression {
      case .overCells, .share: found = true
      default: break
      }
    }
    return found
  }

  private func visit(_ body: (StudyExpression) -> Void) {
    body(self)
    switch self {
    case .number, .metric, .ratio: break
    case .negated(let inner), .overSeeds(_, let inner), .overCells(_, let inner): inner.visit(body)
    case .binary(let a, _, let b):
      a.visit(body)
      b.visit(body)
    case .share(let comparison):
      comparison.left.visit(body)
      comparison.right.visit(body)
    }
  }
}

extension Comparison {
  /// The labels that are named.
  public var labels: [String] { left.labels + right.labels }
  /// Whether it is one comparison over all selected cells.
  public var isOverCells: Bool { left.isOverCells || right.isOverCells }
}
