import Formatting
import Results
import Sim

/// The error of one group of points.
struct AccuracyRow {
  var operation: String
  var group: String
  var points: Int
  /// Mean, 90th percentile (interpolated) and maximum of |predicted / measured − 1|.
  var mape: Double
  var p90: Double
  var max: Double
  /// Mean of predicted / measured − 1.
  var bias: Double
  var isHeldOut: Bool

  /// The errors of `scored`, which must not be empty.
  init(_ operation: String, _ group: String, _ scored: [ScoredPoint]) {
    precondition(!scored.isEmpty, "an error is of at least one point")
    self.operation = operation
    self.group = group
    points = scored.count
    let errors = scored.map { abs($0.error) }.sorted()
    mape = errors.reduce(0, +) / Double(errors.count)
    let position = 0.9 * Double(errors.count - 1)
    let below = Int(position)
    let above = Swift.min(below + 1, errors.count - 1)
    p90 = errors[below] + (position - Double(below)) * (errors[above] - errors[below])
    max = errors[errors.count - 1]
    bias = scored.reduce(0) { $0 + $1.error } / Double(scored.count)
    isHeldOut = scored.allSatisfy(\.isHeldOut)
  }

  var cells: [String] {
    [
      operation, group, grouped(points), percent(mape), percent(p90), percent(max), percent(bias),
      isHeldOut ? "held out" : "",
    ]
  }

  static let heading = ["operator", "group", "points", "MAPE", "p90", "max", "bias", ""]

  var json: JSON {
    [
      "operator": .string(operation), "group": .string(group), "points": .int(points), "mape": .double(mape),
      "p90": .double(p90), "max": .double(max), "bias": .double(bias), "held_out": .bool(isHeldOut),
    ]
  }

  /// One row for each group of `points`, in the order in which they come.
  static func rows(_ points: [ScoredPoint]) -> [AccuracyRow] {
    var order: [[String]] = []
    var groups: [[String]: [ScoredPoint]] = [:]
    for point in points {
      let key = [point.operation, point.group]
      if groups[key] == nil { order.append(key) }
      groups[key, default: []].append(point)
    }
    return order.compactMap { key in groups[key].map { AccuracyRow(key[0], key[1], $0) } }
  }
}
