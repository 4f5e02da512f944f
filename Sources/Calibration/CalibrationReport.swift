import Foundation
import Sim

extension Calibration {
  /// The report for the terminal; with `truth` also how far each constant is from it.
  public func text(truth: HardwareSpec? = nil) -> String {
    var errors = [["fit", "points", "MAPE", "p90", "max", "bias"]]
    for (name, summary) in fits {
      errors.append([
        name, "\(summary.points)", CostValidation.percent(summary.mape), CostValidation.percent(summary.p90),
        CostValidation.percent(summary.max), CostValidation.percent(summary.bias),
      ])
    }
    var table = [
      ["constant", "base", "value", "known to", "state"] + (truth == nil ? [] : ["truth", "off by"])
    ]
    let truths = truth.map { HardwareField.constants(of: $0) } ?? []
    for constant in constants {
      var row = [
        constant.name, Self.figure(constant.base), Self.figure(constant.value),
        constant.spread.map { $0 < 10 ? "± \(CostValidation.percent($0))" : "open" } ?? "",
        constant.state.rawValue,
      ]
      if let truth {
        let field = truths.first { $0.name == constant.name }
        if case .number(_, let get, _)? = field?.value {
          row += [Self.figure(get(truth)), CostValidation.percent(constant.value / get(truth) - 1)]
        } else {
          row += ["", ""]
        }
      }
      table.append(row)
    }
    let open = constants.filter { $0.state == .unidentified }.map(\.name)
    let kept = constants.filter { $0.state == .keptFromBase }.map(\.name)
    return CostValidation.table(errors) + "\n" + CostValidation.table(table)
      + "\nunidentified: \(open.isEmpty ? "none" : open.joined(separator: ", "))\n"
      + "kept from base, no data: \(kept.isEmpty ? "none" : kept.joined(separator: ", "))\n"
  }

  private static func figure(_ value: Double) -> String { String(format: "%.4g", value) }
}
