import Formatting
import Results
import Sim

/// What `validate engine` prints.
package struct EngineReport {
  var validation: EngineValidation
  var showsPoints: Bool
  var showsFit: Bool

  /// The target of issue 3 for whole decode iterations, and the groups that it names.
  package static let targetMAPE = 0.10
  package static let targetP90 = 0.15
  static func isTarget(_ point: ScoredPoint) -> Bool {
    point.operation == EngineFit.operation
      && (point.group.hasSuffix("opt-13b TP1") || point.group.hasSuffix("opt-66b TP8"))
  }

  /// The groups that the target names, pooled over engines, and each by itself; then all groups.
  var rows: [AccuracyRow] {
    let named = validation.scored.filter(Self.isTarget)
    let pooled =
      named.isEmpty ? [] : [AccuracyRow(EngineFit.operation, "pooled: OPT-13B TP1, OPT-66B TP8", named)]
    return pooled + AccuracyRow.rows(validation.scored)
  }

  var text: String {
    var text = "Files: \(validation.files.isEmpty ? "none" : validation.files.joined(separator: ", "))\n\n"
    text += markdownTable([AccuracyRow.heading] + rows.map(\.cells), leftColumns: [0, 1, 7])
    text += "\nErrors are of the form that runs charge. KV tokens: what memory holds. "
    text += "Of decode iterations, batch 1, 8, 32, 64, 128 × context 256, 1K, 2K where it fits.\n"
    text += target
    if !validation.skipped.isEmpty {
      text += "\nLeft out: \(validation.skipped.count) rows\n"
      for line in validation.skipped { text += "  \(line)\n" }
    }
    if showsFit { text += "\n" + fits }
    if showsPoints {
      text += "\n"
      var table = [["operator", "group", "point", "measured", "predicted", "error"]]
      for point in validation.scored {
        table.append([
          point.operation, point.group, point.label, figure(point.measured), figure(point.predicted),
          percent(point.error),
        ])
      }
      text += markdownTable(table, leftColumns: [0, 1, 2])
    }
    return text
  }

  /// The target beside what was reached, and the groups far beyond it.
  private var target: String {
    let named = AccuracyRow.rows(validation.scored.filter(Self.isTarget))
    guard !named.isEmpty else { return "" }
    var text =
      "\nTarget for whole decode iterations: MAPE \(percent(Self.targetMAPE)), p90 \(percent(Self.targetP90))\n"
    for row in rows.prefix(1) + named {
      let met = row.mape <= Self.targetMAPE && row.p90 <= Self.targetP90
      text += "  \(met ? "met   " : "missed")  \(row.group): \(percent(row.mape)), \(percent(row.p90))\n"
    }
    let far = AccuracyRow.rows(validation.scored.filter { $0.operation == EngineFit.operation }).filter {
      $0.mape > 2 * Self.targetMAPE || $0.p90 > 2 * Self.targetP90
    }
    for row in far {
      text += "  above twice the target: \(row.group): \(percent(row.mape)), \(percent(row.p90))\n"
    }
    return text
  }

  private var fits: String {
    var table = [["profile", "parameter", "catalogue", "fitted", "unit"]]
    for (before, after, _) in validation.fits {
      for parameter in EngineFit.parameters(of: before) {
        table.append([
          before.name, parameter.name, figure(parameter.get(before)), figure(parameter.get(after)),
          parameter.unit,
        ])
      }
    }
    let counts = validation.fits.map { before, _, points in
      "\(before.name): \(EngineFit.parameters(of: before).count) free parameters, \(points) points of OPT-13B"
    }
    return "Least squares of log(predicted / measured). \(counts.joined(separator: "; ")).\n\n"
      + markdownTable(table, leftColumns: [0, 1, 4])
  }

  /// An array of rows as `validate costs` prints them.
  var json: JSON { .array(rows.map(\.json)) }
}
