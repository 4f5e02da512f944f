import Sim

/// Scores the cost forms of a hardware profile on measurements.
public struct CostValidation: Sendable {
  /// Errors of an operator and group.
  public struct Row: Sendable {
    /// The operator.
    public var operation: String
    /// The shapes.
    public var group: String
    /// Errors of the form that runs use.
    public var engine: ErrorSummary
    /// Errors of the explain form, where it differs.
    public var explain: ErrorSummary?
    /// Whether the constants were fitted without these rows.
    public var heldOut: Bool
  }

  /// A target and how it was met.
  public struct TargetResult: Sendable {
    /// The target.
    public var target: CostTarget
    /// All rows, with the profile's constants.
    public var all: Row
    /// The group with the largest mean error.
    public var worst: Row
    /// Groups whose mean error is above twice the target.
    public var above: [Row]
    /// Refitted without what is scored, by fold.
    public var heldOut: [(fold: CostTarget.Fold, parts: Int, errors: ErrorSummary)]
    /// Constants that are fitted.
    public var parameters: Int

    /// Whether the known misses of the target count: the profile and the data are those that they were found with.
    var isAsFitted: Bool

    /// Every figure of the target beside its limit.
    public var judgements: [Judgement] {
      var found: [(CostTarget.Figure, Double, Double)] = [
        (.mape, all.engine.mape, target.mape), (.p90, all.engine.p90, target.p90),
        (.worstGroup, worst.engine.mape, target.groupMAPE),
      ]
      for (fold, _, errors) in heldOut {
        found.append((.heldOutMAPE(fold), errors.mape, mostHeldOut))
        found.append((.heldOutP90(fold), errors.p90, mostHeldOutP90))
      }
      return found.map { figure, value, most in
        let known = isAsFitted ? target.knownMisses[figure] : nil
        return Judgement(
          figure: figure, found: value, most: most, knownMost: known.map { $0 * CostTarget.knownMissSlack })
      }
    }

    /// Whether the errors over all rows are within the target.
    public var isMet: Bool {
      judgements.allSatisfy { judgement in
        switch judgement.figure {
        case .mape, .p90, .worstGroup: judgement.isMet
        case .heldOutMAPE, .heldOutP90: true
        }
      }
    }

    /// The largest mean error that held-out rows may have.
    public var mostHeldOut: Double {
      min(all.engine.mape + CostTarget.heldOutSlack, target.heldOutMAPE ?? .infinity)
    }

    /// The largest p90 that held-out rows may have.
    public var mostHeldOutP90: Double { all.engine.p90 + 2 * CostTarget.heldOutSlack }
  }

  /// A figure of a target beside its limit.
  public struct Judgement: Sendable {
    public var figure: CostTarget.Figure
    public var found: Double
    public var most: Double
    /// The most that it may be if it is a known miss; `nil` if it is none.
    public var knownMost: Double?

    public init(figure: CostTarget.Figure, found: Double, most: Double, knownMost: Double? = nil) {
      (self.figure, self.found, self.most, self.knownMost) = (figure, found, most, knownMost)
    }

    /// Whether it is within its limit.
    public var isMet: Bool { found <= most }
    /// Whether it is as it is known to be: within its limit, or a known miss that is no worse than when it was found. A
    /// known miss that is met is none any more, and must go from the list.
    public var isAsKnown: Bool { knownMost.map { !isMet && found <= $0 } ?? isMet }
  }

  /// The profile.
  public let hardware: HardwareSpec
  /// The files.
  public let files: [MeasurementFile]
  /// Errors by operator and group.
  public private(set) var rows: [Row] = []
  /// The targets that the data has rows for.
  public private(set) var targets: [TargetResult] = []

  /// Scores `hardware` on `folder`; refits for the held-out errors if `folds`.
  public init(_ folder: MeasurementFolder, hardware: HardwareSpec, folds: Bool = true) throws {
    self.hardware = hardware
    files = folder.files
    let scored = try Self.score(folder, hardware)
    rows = Self.grouped(scored) { "\($0.measurement.operation.name)\u{0}\($0.measurement.group)" }
    let measurements = scored.map(\.measurement)
    for target in CostTarget.all(of: hardware) {
      let own = scored.filter { target.scores($0.measurement) }
      guard let all = Self.row(own, operation: target.name, group: "all") else { continue }
      var groups = Self.grouped(own) { target.group($0.measurement) }
      for index in groups.indices { groups[index].operation = target.name }
      guard let worst = groups.max(by: { $0.engine.mape < $1.engine.mape }) else { continue }
      targets.append(
        TargetResult(
          target: target, all: all, worst: worst,
          above: groups.filter { $0.engine.mape > 2 * target.mape },
          heldOut: folds ? try Self.heldOut(target, measurements, hardware) : [],
          parameters: target.stages.reduce(0) { $0 + $1.fields(of: hardware).count },
          isAsFitted: !all.heldOut))
    }
  }

  // MARK: - All rows

  private struct Scored {
    var measurement: Measurement
    var engine: Double
    var explain: Double
    var heldOut: Bool
  }

  private static func score(_ folder: MeasurementFolder, _ hardware: HardwareSpec) throws -> [Scored] {
    var forms = EngineForms(hardware: hardware)
    var scored: [Scored] = []
    for file in folder.files {
      let isFitted = FittedData.contains(file.checksum, of: hardware)
      for measurement in file.measurements {
        let explain = measurement.operation.explain()(hardware)
        let engine = try forms.microseconds(measurement.operation) ?? explain
        scored.append(
          Scored(
            measurement: measurement, engine: engine / measurement.microseconds - 1,
            explain: explain / measurement.microseconds - 1,
            heldOut: !(isFitted && FittedData.isUsed(measurement))))
      }
    }
    return scored
  }

  private static func row(_ scored: [Scored], operation: String, group: String) -> Row? {
    guard let engine = ErrorSummary(scored.map(\.engine)), let explain = ErrorSummary(scored.map(\.explain))
    else { return nil }
    // Rounding to nanoseconds is no difference.
    let isOther = abs(engine.mape - explain.mape) > 5e-4 || abs(engine.max - explain.max) > 5e-3
    return Row(
      operation: operation, group: group, engine: engine, explain: isOther ? explain : nil,
      heldOut: scored.contains { $0.heldOut })
  }

  /// The rows of `scored` by `key`, in the order in which keys appear.
  private static func grouped(_ scored: [Scored], by key: (Scored) -> String) -> [Row] {
    var order: [String] = []
    var groups: [String: [Scored]] = [:]
    for one in scored {
      let key = key(one)
      if groups[key] == nil { order.append(key) }
      groups[key, default: []].append(one)
    }
    return order.compactMap { key in
      guard let group = groups[key], let first = group.first?.measurement else { return nil }
      return row(group, operation: first.operation.name, group: first.group)
    }
  }

  // MARK: - Held out

  /// At most 1,000 of `indices`, evenly: enough for a handful of constants.
  private static func thinned(_ indices: [Int]) -> [Int] {
    let step = (indices.count + 999) / 1_000
    return step <= 1 ? indices : stride(from: 0, to: indices.count, by: step).map { indices[$0] }
  }

  private static func heldOut(_ target: CostTarget, _ measurements: [Measurement], _ hardware: HardwareSpec)
    throws -> [(CostTarget.Fold, Int, ErrorSummary)]
  {
    let stages = target.stages.map { PreparedStage($0, measurements) }
    let scored = measurements.filter(target.scores)
    let octaves = scored.map { CostTarget.Fold.octave($0.folds.length) }
    guard let least = octaves.min(), let most = octaves.max() else { return [] }
    return try target.folds.compactMap { fold in
      let parts = Set(scored.compactMap { fold.part(of: $0, lengths: least...most) }).sorted()
      guard parts.count > 1 || fold == .longer else { return nil }
      var errors: [Double] = []
      for part in parts {
        func isOut(_ measurement: Measurement) -> Bool {
          fold.part(of: measurement, lengths: least...most) == part
        }
        var fitted = hardware
        for stage in stages {
          let kept = stage.measurements.indices.filter { !isOut(stage.measurements[$0]) }
          fitted = stage.fit(fitted, at: Self.thinned(kept), thorough: false)
        }
        var forms = EngineForms(hardware: fitted)
        for measurement in scored where isOut(measurement) {
          let time =
            try forms.microseconds(measurement.operation) ?? measurement.operation.explain()(fitted)
          errors.append(time / measurement.microseconds - 1)
        }
      }
      return ErrorSummary(errors).map { (fold, parts.count, $0) }
    }
  }
}
