import class Foundation.FileManager
import class Foundation.ProcessInfo
import struct Foundation.URL
import struct Foundation.UUID
import Sim
import Testing

import Calibration

/// Calibration finds constants where they are known.
@Suite struct CalibrationTests {
  /// Shapes: the measured ones where they are on this machine, else the committed sample's.
  private func shapes() throws -> (folder: MeasurementFolder, areMeasured: Bool) {
    let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let data =
      ProcessInfo.processInfo.environment["INFINITE_SIM_DATA"]
      ?? package.deletingLastPathComponent().appendingPathComponent("shared/data").path
    let profiles = "\(data)/profiles"
    guard FileManager.default.fileExists(atPath: profiles) else {
      print("skipped: data not found: \(profiles): the sample's shapes are used instead")
      return (try Sample.folder(), false)
    }
    return (try MeasurementFolder(path: profiles, hardware: HardwareCatalog.a100Measured), true)
  }

  /// Measurements as `hardware` would take them, at the shapes at hand: the measured ones scattered by 3 %; the sample's by
  /// 1 %, as its few rows average less of it, and all of them.
  private func measured(on hardware: HardwareSpec) throws -> [Measurement] {
    let (folder, areMeasured) = try shapes()
    let data = SyntheticData(hardware: hardware, noise: areMeasured ? 0.03 : 0.01, seed: 7)
    let out = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: out, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(at: out) }
    for (ordinal, file) in folder.files.enumerated() where file.format != nil && !file.measurements.isEmpty {
      let name = URL(fileURLWithPath: file.path).lastPathComponent
      try data.text(of: file, ordinal: ordinal)
        .write(to: out.appendingPathComponent(name), atomically: true, encoding: .utf8)
    }
    let all = try MeasurementFolder(path: out.path, hardware: hardware).measurements
    guard areMeasured else { return all }
    // Every seventh row of the largest tables is enough to tell.
    return all.enumerated().filter { index, one in
      switch one.operation {
      case .layer, .elementwise, .kvWrite, .decode(.flashInfer, _), .experts: index % 7 < 2
      default: true
      }
    }.map(\.element)
  }

  @Test(
    "Calibrating on a synthetic GPU finds every identified constant within 5 % and says which are not",
    arguments: [0.5, 1.7])
  func recovers(factor: Double) throws {
    let truth = SyntheticData.scaled(HardwareCatalog.a100Measured, by: factor, name: "synthetic")
    let measurements = try measured(on: truth)
    let calibration = Calibration(measurements, base: HardwareCatalog.a100Measured, name: "found")
    var identified = 0
    for (constant, field) in zip(calibration.constants, HardwareField.constants(of: truth)) {
      guard case .number(_, let get, _) = field.value, constant.state == .identified else { continue }
      identified += 1
      #expect(
        abs(constant.value / get(truth) - 1) < 0.05,
        "\(constant.name) is \(get(truth)), found \(constant.value) ± \(constant.spread ?? 0)")
    }
    #expect(identified >= 30, "\(identified) constants were identified")
    // A norm of a base of 0.1 µs beside a floor of 5 µs cannot be known.
    #expect(calibration.constants.first { $0.name == "rms_norm.base_us" }?.state == .unidentified)
    #expect(calibration.constants.first { $0.name == "engine.gap_per_layer_us" }?.state == .keptFromBase)
    #expect(
      try HardwareFile(yaml: HardwareFile(spec: calibration.hardware).yaml, file: "x").spec
        == calibration.hardware)
  }

  @Test("Constants without data keep the base's values; two constants that always add up are not identified")
  func keepsAndJudges() throws {
    let spec = HardwareCatalog.a100Measured
    let measurements = (1...40).map { i in
      let operation = Operation.host(sequences: 8, gpus: 1)
      return Measurement(
        operation: operation, group: "",
        microseconds: operation.explain()(spec) * (1 + 0.001 * Double(i % 3)),
        folds: .init(length: 8))
    }
    let calibration = Calibration(measurements, base: spec, name: "x")
    #expect(calibration.hardware.gemm == spec.gemm)
    let host = calibration.constants.filter { $0.name.hasPrefix("engine.host_single") }
    #expect(host.count == 2 && host.allSatisfy { $0.state == .unidentified })
  }
}
