/// A row of the `sweep` table.
public struct StoredSweep: Sendable {
  public var id: Int64
  public var name: String
  public var question: String
  /// The study's YAML.
  public var study: String
  public var programVersion: String
  public var startedAt: String

  package init(
    id: Int64, name: String, question: String, study: String, programVersion: String, startedAt: String
  ) {
    (self.id, self.name, self.question, self.study) = (id, name, question, study)
    (self.programVersion, self.startedAt) = (programVersion, startedAt)
  }
}

/// What names a row of `sweep_point`.
public struct SweepPointKey: Hashable, Sendable {
  public var sweep: Int64
  public var grid: String
  public var label: String
  /// A JSON object, axis to the value's name, with sorted keys.
  public var axes: String
  public var seed: Int
  /// "whole" or "common".
  public var heat: String

  public init(sweep: Int64, grid: String, label: String, axes: String, seed: Int, heat: String) {
    (self.sweep, self.grid, self.label) = (sweep, grid, label)
    (self.axes, self.seed, self.heat) = (axes, seed, heat)
  }
}

/// A row of `sweep_point` with its run.
public struct StoredPoint: Sendable {
  public var key: SweepPointKey
  /// `nil` for a failed point.
  public var run: StoredRun?
  /// Why the point failed.
  public var error: String?

  package init(key: SweepPointKey, run: StoredRun?, error: String?) {
    (self.key, self.run, self.error) = (key, run, error)
  }
}

/// What a database holds of studies, as it is read back.
public protocol StoredStudies {
  /// Where the database is.
  var path: String { get }
  /// All sweeps by name.
  func sweeps() throws -> [StoredSweep]
  /// All runs in the order in which they were stored.
  func runs() throws -> [StoredRun]
  /// The points of a sweep by grid, axes, label, seed and heat.
  func points(sweep: Int64) throws -> [StoredPoint]
  /// The ids of a run's rejected requests, ascending.
  func rejectedRequests(run: Int64) throws -> [Int]
}
