import Calibration
import Sim
import Testing

/// Hardware files: exact both ways, strict inwards.
@Suite struct HardwareFileTests {
  @Test("Written and read back, every profile of the catalogue is the same to the last bit")
  func roundTrip() throws {
    for spec in HardwareCatalog.all {
      let text = HardwareFile(spec: spec).yaml
      #expect(try HardwareFile(yaml: text, file: "x.yaml").spec == spec, "\(spec.name)")
      #expect(
        try HardwareFile(yaml: HardwareFile(yaml: text, file: "x.yaml").spec.yaml, file: "x").spec == spec)
    }
  }

  @Test("Odd numbers and texts survive: subnormal, 17 digits, quotes, colons, control characters")
  func oddValues() throws {
    var spec = HardwareCatalog.a100Measured
    spec.gemm.floor = 0.1 + 0.2
    spec.rope.perElement = Double.leastNonzeroMagnitude
    spec.gemm.bytesPerSecond = 1.797e308
    spec.summary = "a \"b\": \\ c # d\n\té\u{1}"
    spec.unvalidated = ["- one", "two: 2"]
    #expect(try HardwareFile(yaml: HardwareFile(spec: spec).yaml, file: "x").spec == spec)
  }

  @Test("A file that was written before strips of weights could leave multiprocessors idle has none that are")
  func withoutIdleShare() throws {
    let text = HardwareCatalog.a100Measured.yaml
    let older = text.replacing("  idle_share: 0.1177\n", with: "")
    #expect(older != text)
    #expect(
      try HardwareFile(yaml: older, file: "x").spec.gemm.tiling
        == .waves(multiprocessors: 108, narrow: 1.126, spread: 1.425, idle: 0))
  }

  /// The a100-measured file with one line replaced.
  private func error(_ line: String, by other: String) -> HardwareFileError? {
    let text = HardwareFile(spec: HardwareCatalog.a100Measured).yaml
    #expect(text.contains(line + "\n"), "the file has no line \(line)")
    return #expect(throws: HardwareFileError.self) {
      try HardwareFile(yaml: text.replacing(line + "\n", with: other), file: "gpu.yaml")
    }
  }

  @Test("What is wrong in a file is an error that says where, what was found and what was expected")
  func strict() {
    let floor = "  floor_us: 5.076"
    for bad in [".nan", "-1", "fast", "\"5.076\"", ".inf", "0x1p3", "nan", "infinity", "[1]", ""] {
      let found = error(floor, by: "  floor_us: \(bad)\n")
      #expect(found?.line == 6, "\(bad): \(found?.description ?? "")")
    }
    for bad in ["0", "-1.65e12", ".nan", "-.inf", "true"] {
      let found = error("  bytes_per_s: 1653000000000.0", by: "  bytes_per_s: \(bad)\n")
      #expect(found?.description.contains("gemm.bytes_per_s is \(bad), expected a number above 0") == true)
    }
    #expect(error(floor, by: "")?.problem == .missingKey("gemm.floor_us"))
    #expect(error(floor, by: floor + "\n  flor_us: 1\n")?.problem == .unknownKey("gemm.flor_us"))
    #expect(error(floor, by: floor + "\n" + floor + "\n") != nil)
    #expect(error("gemm:", by: "gem:\n")?.description.contains("gemm.floor_us is missing") == true)
    #expect(
      error(floor, by: floor + "\n  pad_tokens_to: 128\n")?.problem == .unknownKey("gemm.pad_tokens_to"))
    #expect(
      error("  tiling: \"waves\"", by: "  tiling: \"square\"\n")?.description.contains("exact, even") == true)
    #expect(
      error("unvalidated: []", by: "unvalidated: []\ngemm_fp8:\n  floor_us: 1\n")?.problem
        == .missingKey("gemm_fp8.bytes_per_s"))
    #expect(
      error("unvalidated: []", by: "unvalidated: []\ngemm_fp8: {}\n")?.problem == .unknownKey("gemm_fp8"))
    #expect(error("unvalidated: []", by: "unvalidated: []\nextra: {}\n")?.problem == .unknownKey("extra"))
    #expect(error("unvalidated: []", by: "unvalidated: none\n") != nil)
    #expect(error("  decode_kernel: \"flash-attention\"", by: "  decode_kernel: \"paged\"\n") != nil)
    #expect(throws: HardwareFileError.self) { try HardwareFile(yaml: "- 1", file: "x") }
    #expect(throws: HardwareFileError.self) { try HardwareFile(yaml: "a: [", file: "x") }
    #expect(throws: HardwareFileError(file: "none.yaml", line: nil, problem: .unreadable)) {
      try HardwareFile(path: "none.yaml")
    }
  }
}

extension HardwareSpec {
  fileprivate var yaml: String { HardwareFile(spec: self).yaml }
}
