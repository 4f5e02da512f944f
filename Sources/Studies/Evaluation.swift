import Results

/// Evaluates expressions over a study's results.
struct Evaluation {
  let results: StudyResults
  let selection: Selection

  /// One number, or one per seed of a cell.
  private enum Sample {
    case number(Double)
    case perSeed([Double])

    var mean: Double {
      switch self {
      case .number(let value): value
      case .perSeed(let values): values.reduce(0, +) / Double(values.count)
      }
    }

    var values: [Double] {
      switch self {
      case .number(let value): [value]
      case .perSeed(let values): values
      }
    }
  }

  /// The expression's value; what stands outside of functions over cells needs exactly one cell.
  func number(_ expression: StudyExpression, in cells: [Cell]) throws(NoValue) -> Double {
    let value = try sample(expression, cells).mean
    guard value.isFinite else { throw NoValue("the value is not finite", .absent) }
    return value
  }

  private func sample(_ expression: StudyExpression, _ cells: [Cell]) throws(NoValue) -> Sample {
    switch expression {
    case .number(let value): return .number(value)
    case .metric(let heat, let label, let metric):
      let cell = try only(cells)
      return .perSeed(
        try seeds(of: cell) { seed throws(NoValue) in
          try number(metric, of: try figures(label, cell, seed, heat), label, cell, seed)
        })
    case .ratio(let label, let base, let metric, let chosen):
      let cell = try only(cells)
      let heat = if let chosen { chosen } else { try ratioHeat(label, base, cell) }
      return .perSeed(
        try seeds(of: cell) { seed throws(NoValue) in
          try ratio(label, base, metric, cell, seed, heat)
        })
    case .negated(let inner): return map(try sample(inner, cells)) { -$0 }
    case .binary(let a, let operation, let b):
      return try combine(try sample(a, cells), operation, try sample(b, cells))
    case .overSeeds(let function, let inner):
      return .number(try reduce(function, try sample(inner, cells)))
    case .overCells(let function, let inner):
      var values: [Double] = []
      for cell in cells { values.append(try number(inner, in: [cell])) }
      values.sort()
      switch function {
      case .lowest: return .number(values[0])
      case .highest: return .number(values[values.count - 1])
      case .median:
        let middle = values.count / 2
        return .number(
          values.count % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2)
      }
    case .share(let comparison):
      var holding = 0
      for cell in cells {
        let left = try number(comparison.left, in: [cell])
        if comparison.relation.holds(left, try number(comparison.right, in: [cell])) { holding += 1 }
      }
      return .number(Double(holding) / Double(cells.count))
    }
  }

  private func only(_ cells: [Cell]) throws(NoValue) -> Cell {
    guard cells.count == 1 else {
      throw NoValue(
        "the where selects \(cells.count) cells, expected one, or lowest, highest, median or share over them")
    }
    return cells[0]
  }

  // MARK: - Points

  private func seeds(
    of cell: Cell, _ body: (Int) throws(NoValue) -> Double
  ) throws(NoValue) -> [Double] {
    var values: [Double] = []
    for seed in try selectedSeeds(of: cell) { values.append(try body(seed)) }
    return values
  }

  private func selectedSeeds(of cell: Cell) throws(NoValue) -> [Int] {
    let all = results.study.grids.first { $0.name == cell.grid }?.seeds ?? []
    let seeds = all.filter { selection.holds(seed: $0) }
    guard !seeds.isEmpty else { throw NoValue("the where selects no seed") }
    return seeds
  }

  private func outcome(
    _ label: String, _ cell: Cell, _ seed: Int, _ heat: HeatKind
  ) -> PointOutcome? { results.outcomes[PointKey(cell: cell, label: label, seed: seed, heat: heat)] }

  /// The run on the heat; for the common one that on the whole trace where no common one was needed.
  private func figures(
    _ label: String, _ cell: Cell, _ seed: Int, _ heat: HeatKind
  ) throws(NoValue) -> PointOutcome.Figures {
    let found: PointOutcome?
    if heat == .common, let common = outcome(label, cell, seed, .common) {
      found = common
    } else {
      if heat == .common { try requireFair(cell, seed) }
      found = outcome(label, cell, seed, .whole)
    }
    switch found {
    case .completed(let figures): return figures
    case .failed(let error): throw NoValue("\(label) failed (seed \(seed)): \(error)")
    case nil: throw NoValue("\(label) has not run (seed \(seed))")
    }
  }

  private func requireFair(_ cell: Cell, _ seed: Int) throws(NoValue) {
    let labels = results.study.grids.first { $0.name == cell.grid }?.contenders.map(\.label) ?? []
    var first: Served?
    for label in labels {
      let served = try figures(label, cell, seed, .whole).served
      if let first, !served.isComparable(to: first) {
        throw NoValue(
          "the contenders did not complete the same requests with the same outputs (seed \(seed)), and no common trace was found",
          .notComparable)
      }
      first = first ?? served
    }
  }

  /// All seeds of a cell are compared on the same heat, so that the mean of their ratios is of one thing.
  func ratioHeat(_ label: String, _ base: String, _ cell: Cell) throws(NoValue) -> HeatKind {
    for seed in try selectedSeeds(of: cell) {
      let (a, b) = (try figures(label, cell, seed, .whole), try figures(base, cell, seed, .whole))
      if !a.served.isComparable(to: b.served) { return .common }
    }
    return .whole
  }

  private func ratio(
    _ label: String, _ base: String, _ metric: String, _ cell: Cell, _ seed: Int, _ heat: HeatKind
  ) throws(NoValue) -> Double {
    let (a, b) = (try figures(label, cell, seed, heat), try figures(base, cell, seed, heat))
    guard a.served.isComparable(to: b.served) else {
      throw NoValue(
        "\(label) and \(base) did not complete the same requests with the same outputs (seed \(seed))",
        .notComparable)
    }
    let below = try number(metric, of: b, base, cell, seed)
    guard below != 0 else { throw NoValue("\(metric) of \(base) is 0 (seed \(seed))", .absent) }
    return try number(metric, of: a, label, cell, seed) / below
  }

  private func number(
    _ metric: String, of figures: PointOutcome.Figures, _ label: String, _ cell: Cell, _ seed: Int
  ) throws(NoValue) -> Double {
    guard let found = Metric.find(metric, in: figures.summary) else {
      throw NoValue("there is no metric \(metric), or more than one: give its path")
    }
    guard let number = Metric.number(found), number.isFinite else {
      if metric.hasSuffix("goodput_requests_per_s"), !hasSLO(label, cell) {
        throw NoValue(
          "\(metric) of \(label): no SLO was given; expected slo-ttft or slo-tpot in its options (seed \(seed))",
          .absent)
      }
      let completed = figures.summary["requests"]?["completed"]?.integer
      throw NoValue(
        "\(metric) of \(label) is a statistic of nothing (seed \(seed)"
          + (completed.map { ", \($0) requests completed" } ?? "") + ")", .absent)
    }
    return number
  }

  /// Whether the study gives the contender a bound that goodput counts by.
  private func hasSLO(_ label: String, _ cell: Cell) -> Bool {
    results.study.points.first { $0.contender.label == label && $0.cell == cell }?
      .settings.contains { $0.key.hasPrefix("slo-") } ?? false
  }

  // MARK: - What costs rest on

  /// How the bases of the runs that stand against each other in `expressions` differ, each way once: those of one cell and seed.
  func unlikeBases(_ expressions: [StudyExpression], in cells: [Cell]) throws(NoValue) -> [String] {
    var found: [String] = []
    for cell in cells {
      var runs: [(label: String, heat: HeatKind)] = []
      for expression in expressions {
        for leaf in expression.leaves {
          switch leaf {
          case .metric(let heat, let label, _): runs.append((label, heat))
          case .ratio(let label, let base, _, let chosen):
            let heat = if let chosen { chosen } else { try ratioHeat(label, base, cell) }
            runs += [(label, heat), (base, heat)]
          default: break
          }
        }
      }
      for seed in try selectedSeeds(of: cell) {
        var marks: [BasisMark] = []
        for (label, heat) in runs {
          marks.append(BasisMark(summary: try figures(label, cell, seed, heat).summary))
        }
        if let difference = BasisMark.difference(marks), !found.contains(difference) {
          found.append(difference)
        }
      }
    }
    return found
  }

  // MARK: - Arithmetic

  private func map(_ sample: Sample, _ body: (Double) -> Double) -> Sample {
    switch sample {
    case .number(let value): .number(body(value))
    case .perSeed(let values): .perSeed(values.map(body))
    }
  }

  private func combine(
    _ a: Sample, _ operation: StudyExpression.Operation, _ b: Sample
  ) throws(NoValue) -> Sample {
    if operation == .over, b.values.contains(0) { throw NoValue("a division by zero", .absent) }
    func apply(_ a: Double, _ b: Double) -> Double {
      switch operation {
      case .plus: a + b
      case .minus: a - b
      case .times: a * b
      case .over: a / b
      }
    }
    switch (a, b) {
    case (.number(let a), .number(let b)): return .number(apply(a, b))
    case (.number(let a), .perSeed(let b)): return .perSeed(b.map { apply(a, $0) })
    case (.perSeed(let a), .number(let b)): return .perSeed(a.map { apply($0, b) })
    case (.perSeed(let a), .perSeed(let b)): return .perSeed(zip(a, b).map(apply))
    }
  }

  private func reduce(
    _ function: StudyExpression.SeedFunction, _ sample: Sample
  ) throws(NoValue) -> Double {
    let values = sample.values
    switch function {
    case .mean: return sample.mean
    case .min: return values.min() ?? .nan
    case .max: return values.max() ?? .nan
    case .count: return Double(values.count)
    case .low, .high:
      guard let interval = PairedInterval(values) else {
        throw NoValue("\(function.rawValue) needs two seeds or more")
      }
      return interval.mean + (function == .low ? -interval.halfWidth : interval.halfWidth)
    }
  }
}
