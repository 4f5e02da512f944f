import Foundation
import Sim

/// Measurements of a GPU that does not exist: the tables of a folder with their times replaced by those of a
/// hardware profile, scattered.
///
/// It shows that calibration finds constants where they are known.
public struct SyntheticData: Sendable {
  /// The profile whose times are written.
  public let hardware: HardwareSpec
  /// Standard deviation of the logarithm of a time.
  public let noise: Double
  /// Which scatter.
  public let seed: UInt64

  /// Takes the parts as they are.
  public init(hardware: HardwareSpec, noise: Double, seed: UInt64) {
    self.hardware = hardware
    self.noise = noise
    self.seed = seed
  }

  /// `spec` with every fitted constant multiplied by `factor`: half the floors and half the rates, say.
  public static func scaled(_ spec: HardwareSpec, by factor: Double, name: String) -> HardwareSpec {
    var scaled = spec
    scaled.name = name
    scaled.summary = "\(spec.name) with every constant × \(factor)"
    for stage in FitStage.all {
      for field in stage.fields(of: spec) {
        guard case .number(_, let get, let set) = field.value else { continue }
        // A tile that is dearer than another stays so: below 1 it would be the cheapest, and its rate could not be told from the other's.
        let value = get(spec)
        set(&scaled, field.name.hasSuffix("_ratio") ? 1 + (value - 1) * factor : value * factor)
      }
    }
    return scaled
  }

  /// The text of `file` with the profile's times; `ordinal` tells the files of a folder apart.
  public func text(of file: MeasurementFile, ordinal: Int) throws -> String {
    let text = try MeasurementText.read(file.path)
    var lines = text.split(omittingEmptySubsequences: false) { $0.isNewline }.map(String.init)
    let stream = RandomStream(seed: seed, name: "synthetic \(ordinal)")
    var cells: [Int: [Substring]] = [:]
    for (index, measurement) in file.measurements.enumerated() where !measurement.cells.isEmpty {
      // Box and Muller's normal deviate.
      let radius = (-2 * log(1 - stream.unit(entity: index, ordinal: 0))).squareRoot()
      let deviate = radius * cos(2 * .pi * stream.unit(entity: index, ordinal: 1))
      let time = measurement.operation.explain()(hardware) * exp(noise * deviate)
      for cell in measurement.cells {
        let row = cell.line - 1
        var parts = cells[row] ?? lines[row].split(separator: ",", omittingEmptySubsequences: false)
        let old = Double(parts[cell.column]) ?? 0
        parts[cell.column] = Substring((old * time / measurement.microseconds).description)
        cells[row] = parts
      }
    }
    for (row, parts) in cells { lines[row] = parts.joined(separator: ",") }
    return lines.joined(separator: "\n")
  }
}
