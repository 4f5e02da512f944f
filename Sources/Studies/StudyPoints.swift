import Results

/// A grid and one value for each of its axes.
public struct Cell: Hashable, Sendable {
  public var grid: String
  /// Axis → name of the value.
  public var axes: [String: String]

  public init(grid: String, axes: [String: String]) { (self.grid, self.axes) = (grid, axes) }

  /// The axes as the database keeps them: a JSON object with sorted keys.
  public var axesText: String {
    JSON.object(axes.map { .init($0.key, .string($0.value)) }).canonical.text
  }

  /// "backlog: limit=64 links=nvlink".
  public var text: String {
    axes.isEmpty
      ? grid
      : grid + ": " + axes.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
  }
}

/// One simulation that a study asks for.
public struct StudyPoint: Hashable, Sendable {
  public var cell: Cell
  public var contender: Contender
  public var seed: Int
  /// Study, grid, axes, contender: later ones win, so each key is there once.
  public var settings: [Setting]
}

extension Study {
  /// Points that a study may ask for in all: they take 50 MB.
  static let mostPoints = 50_000

  /// All points of all grids.
  public var points: [StudyPoint] { grids.flatMap(\.points) }
}

extension Grid {
  /// A cell with the settings of its axes' values, in the order of the axes.
  public struct Row: Hashable, Sendable {
    public var cell: Cell
    public var settings: [Setting]
  }

  /// All cells; the last axis varies fastest.
  public var rows: [Row] {
    var rows = [Row(cell: Cell(grid: name, axes: [:]), settings: [])]
    for axis in axes {
      rows = rows.flatMap { row in
        axis.values.map { value in
          var row = row
          row.cell.axes[axis.name] = value.name
          row.settings += value.settings
          return row
        }
      }
    }
    return rows
  }

  /// The number of points; `nil` if it is beyond Int.
  package var checkedCount: Int? {
    axes.reduce(Optional(contenders.count * seeds.count)) { count, axis in
      let (product, overflows) = (count ?? 0).multipliedReportingOverflow(by: axis.values.count)
      return count == nil || overflows ? nil : product
    }
  }

  /// All points: cells in order, in each the contenders, of each the seeds.
  public var points: [StudyPoint] {
    rows.flatMap { row in
      contenders.flatMap { contender in
        let settings = Self.merged([options, row.settings, contender.options])
        return seeds.map { StudyPoint(cell: row.cell, contender: contender, seed: $0, settings: settings) }
      }
    }
  }

  /// The last setting of each key, sorted by key.
  static func merged(_ parts: [[Setting]]) -> [Setting] {
    var last: [String: Setting] = [:]
    for setting in parts.joined() { last[setting.key] = setting }
    return last.values.sorted { $0.key < $1.key }
  }
}
