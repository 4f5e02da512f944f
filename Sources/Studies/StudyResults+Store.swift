import Results

extension StudyResults {
  /// What the database holds of a sweep: the study as it was last run, and the outcomes of its points.
  ///
  /// Throws `StudyError` if the stored study cannot be read, and what reading the database throws.
  public init(_ sweep: StoredSweep, in store: any StoredStudies) throws {
    self.init(study: try StudyYAML.parse(sweep.study, path: "study \(sweep.name) in \(store.path)"))
    for point in try store.points(sweep: sweep.id) {
      guard let heat = HeatKind(rawValue: point.key.heat) else { continue }
      let key = PointKey(
        cell: Cell(grid: point.key.grid, axesText: try JSON(parsing: point.key.axes)), label: point.key.label,
        seed: point.key.seed, heat: heat)
      if let run = point.run {
        if let outcome = try PointOutcome(run, in: store) { outcomes[key] = outcome }
        runs[key] = run.id
      } else {
        outcomes[key] = .failed(point.error ?? "")
      }
    }
  }
}

extension Cell {
  init(grid: String, axesText json: JSON) {
    self.init(
      grid: grid,
      axes: Dictionary(uniqueKeysWithValues: json.keys.map { ($0, json[$0]?.string ?? "") }))
  }
}

extension PointOutcome {
  /// The outcome of a completed run; `nil` for another.
  public init?(_ run: StoredRun, in store: any StoredStudies) throws {
    guard let result = run.result else { return nil }
    let rejected = try run.requests?.rejected ?? store.rejectedRequests(run: run.id)
    self = .completed(
      Figures(
        summary: JSON(result), served: Served(rejected: rejected, result.summary)))
  }
}
