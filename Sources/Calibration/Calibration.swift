import Foundation
import Sim

/// Fits the constants of a hardware profile to measurements.
public struct Calibration: Sendable {
  /// What became of one constant.
  public struct Constant: Sendable {
    /// Its key in a hardware file.
    public var name: String
    /// Its value in the base profile.
    public var base: Double
    /// Its value in the calibrated one.
    public var value: Double
    /// Half the width of the interval that it is known to, relative; `nil` without data.
    public var spread: Double?

    /// What is known of it.
    public var state: State {
      guard let spread else { return .keptFromBase }
      return spread <= Calibration.mostSpread ? .identified : .unidentified
    }
  }

  /// What is known of a constant.
  public enum State: String, Sendable {
    /// The data fix it to within 5 %.
    case identified
    /// The data do not fix it to within 5 %: the value fits, others do too.
    case unidentified
    /// No measurement depends on it.
    case keptFromBase = "kept from base"
  }

  /// The widest interval, relative, of a constant that counts as identified.
  public static let mostSpread = 0.05

  /// The calibrated profile.
  public private(set) var hardware: HardwareSpec
  /// Every constant, in the order of a hardware file.
  public private(set) var constants: [Constant] = []
  /// Errors of each fit.
  public private(set) var fits: [(name: String, errors: ErrorSummary)] = []

  /// Fits `base` to `measurements` and calls it `name`.
  public init(_ measurements: [Measurement], base: HardwareSpec, name: String) {
    hardware = base
    hardware.name = name
    var spreads: [String: Double] = [:]
    for stage in FitStage.all {
      let prepared = PreparedStage(stage, measurements)
      let fields = stage.fields(of: base)
      guard !prepared.measurements.isEmpty, !fields.isEmpty else { continue }
      let all = Array(prepared.measurements.indices)
      hardware = prepared.fit(hardware, at: all, thorough: true)
      if let errors = ErrorSummary(prepared.errors(hardware, at: all)) { fits.append((stage.name, errors)) }
      for (field, spread) in zip(fields, prepared.spreads(hardware, at: all)) { spreads[field.name] = spread }
    }
    let was = HardwareField.constants(of: base)
    for (field, old) in zip(HardwareField.constants(of: hardware), was) {
      guard case .number(_, let get, _) = field.value, case .number(_, let getOld, _) = old.value else {
        continue
      }
      constants.append(
        Constant(name: field.name, base: getOld(base), value: get(hardware), spread: spreads[field.name]))
    }
    hardware.summary = "\(base.name) calibrated on \(measurements.count) measurements"
    hardware.unvalidated = unsupported
  }

  /// What no measurement supports, for every run that uses the profile.
  private var unsupported: [String] {
    let kept = constants.filter { $0.state == .keptFromBase && $0.value > 0 && $0.value.isFinite }
    let sections = kept.map { String($0.name.prefix { $0 != "." }) }
    var seen: [String] = []
    for section in sections where !seen.contains(section) { seen.append(section) }
    return seen.isEmpty
      ? [] : ["constants without measurements, from the base: " + seen.joined(separator: ", ")]
  }
}

extension PreparedStage {
  /// Relative half-widths of the intervals that the data leave each constant of `spec`, which is fitted: the larger
  /// of 3.5 standard errors by the curvature at the fit, and the spread of four refits on three quarters of the data.
  func spreads(_ spec: HardwareSpec, at indices: [Int]) -> [Double] {
    let fields = stage.fields(of: spec)
    let centre = fields.map { Self.logarithm($0, in: spec) }
    let errors = standardErrors(spec, fields, centre, at: indices)
    var refits: [[Double]] = []
    // A constant that the curvature leaves open needs no refits to be called so.
    if errors.contains(where: { 3.5 * $0 <= Calibration.mostSpread }) {
      for part in 0..<4 {
        let kept = indices.enumerated().filter { $0.offset % 4 != part }.map(\.element)
        let fitted = fit(spec, at: kept, thorough: false)
        refits.append(fields.map { Self.logarithm($0, in: fitted) })
      }
    }
    return fields.indices.map { i in
      let values = refits.map { $0[i] }
      let apart = (values.max() ?? 0) - (values.min() ?? 0)
      return max(3.5 * errors[i], apart / 2)
    }
  }

  /// Standard errors of the constants' logarithms: √(σ² (JᵀJ)⁻¹), J = ∂ log predicted / ∂ log constant.
  /// σ is that of the median absolute residual of a normal distribution, widened by √(π/2), as a fit of absolute
  /// values scatters more than one of squares. Infinite for a constant on which nothing depends.
  private func standardErrors(
    _ spec: HardwareSpec, _ fields: [HardwareField], _ centre: [Double], at indices: [Int]
  ) -> [Double] {
    let step = 0.01
    let n = fields.count
    guard indices.count > n else { return fields.map { _ in .infinity } }
    let columns = fields.indices.map { i in
      var (up, down) = (centre, centre)
      up[i] += step
      down[i] -= step
      let above = logs(Self.with(fields, up, in: spec), at: indices)
      let below = logs(Self.with(fields, down, in: spec), at: indices)
      return zip(above, below).map { ($0 - $1) / (2 * step) }
    }
    let residuals = logs(spec, at: indices)
    let mean = residuals.reduce(0) { $0 + abs($1) } / Double(indices.count)
    // Exact data leave rounding errors only.
    let sigma = max(mean * 1.2533, 1e-6) * 1.2533
    let active = fields.indices.filter { i in columns[i].contains { abs($0) > 1e-6 } }
    let matrix = active.map { i in
      active.map { j in zip(columns[i], columns[j]).reduce(0) { $0 + $1.0 * $1.1 } }
    }
    let variances = Self.inverseDiagonal(matrix)
    var result = [Double](repeating: .infinity, count: n)
    for (position, i) in active.enumerated() { result[i] = sigma * variances[position].squareRoot() }
    return result
  }

  /// The diagonal of the inverse of a symmetric matrix, scaled to a unit diagonal first; infinite where it is
  /// singular.
  static func inverseDiagonal(_ matrix: [[Double]]) -> [Double] {
    let n = matrix.count
    let scale = (0..<n).map { matrix[$0][$0].squareRoot() }
    return (0..<n).map { target in
      // Gauss-Jordan with the target last: its pivot is then what the others leave of it.
      let order = (0..<n).filter { $0 != target } + [target]
      var a = order.map { i in order.map { j in matrix[i][j] / (scale[i] * scale[j]) } }
      for k in 0..<(n - 1) {
        // A direction that the others already span takes nothing more away.
        guard a[k][k] > 1e-10 else { continue }
        for i in (k + 1)..<n {
          let factor = a[i][k] / a[k][k]
          for j in k..<n { a[i][j] -= factor * a[k][j] }
        }
      }
      let rest = a[n - 1][n - 1]
      return rest > 1e-10 ? 1 / (rest * scale[target] * scale[target]) : .infinity
    }
  }
}
