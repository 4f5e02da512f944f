import Foundation
import Sim
import Testing

import Calibration

/// The committed sample: measurements that `infinite-sim calibrate --synthesize` made of shapes of our own.
enum Sample {
  static let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
    "Sample"
  ).path

  static func folder() throws -> MeasurementFolder {
    try MeasurementFolder(path: path, hardware: HardwareCatalog.a100Measured)
  }

  /// A copy of the sample in which `file` is changed by `change`.
  static func changed(_ file: String, _ change: (String) -> String) throws -> MeasurementFolder {
    let copy = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.copyItem(atPath: path, toPath: copy.path)
    defer { try? FileManager.default.removeItem(at: copy) }
    let target = copy.appendingPathComponent(file)
    try change(String(contentsOf: target, encoding: .utf8)).write(
      to: target, atomically: true, encoding: .utf8)
    return try MeasurementFolder(path: copy.path, hardware: HardwareCatalog.a100Measured)
  }

  /// `text` with the numbers of column `name` multiplied.
  static func scaling(_ name: String, by factor: Double) -> (String) -> String {
    { text in
      var lines = text.split(separator: "\n").map { $0.split(separator: ",").map(String.init) }
      let column = lines[0].firstIndex(of: name) ?? 0
      for row in 1..<lines.count {
        let value = (Double(lines[row][column]) ?? 0) * factor
        lines[row][column] = value == value.rounded() ? "\(Int(value))" : "\(value)"
      }
      return lines.map { $0.joined(separator: ",") }.joined(separator: "\n") + "\n"
    }
  }
}

@Suite struct MeasurementTests {
  @Test("A file is told by its columns, whatever its name; what matches no format is listed as such")
  func formats() throws {
    let files = try Sample.folder().files
    #expect(Set(files.compactMap(\.format)).count == 11)
    let renamed = try Sample.changed("nccl.csv") { $0.replacing("nccl_dtype", with: "dtype") }
    let unknown = try #require(renamed.files.first { $0.path.hasSuffix("nccl.csv") })
    #expect(unknown.format == nil && unknown.measurements.isEmpty)
    #expect(unknown.note?.contains("collectives also has nccl_dtype") == true)
  }

  @Test("A malformed row is an error with file and line")
  func malformed() throws {
    for bad in [
      "all_reduce,half,2,1024", "all_reduce,half,2,1e3,0.1", "all_reduce,half,2,1024,-1",
      "all_reduce,half,2,1024,nan", "all_reduce,half,1,1024,0.1", "all_reduce,half,2,1024,0",
    ] {
      let error = #expect(throws: MeasurementError.self) {
        try Sample.changed("nccl.csv") { $0.replacing("\n", with: "\n" + bad + "\n", maxReplacements: 1) }
      }
      #expect(error?.line == 2 && error?.file.hasSuffix("nccl.csv") == true, "\(bad)")
    }
  }

  /// What is read of a folder with one file of these bytes.
  private func read(_ name: String, _ bytes: Data) throws -> MeasurementFile {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(at: folder) }
    try bytes.write(to: folder.appendingPathComponent(name))
    return try #require(
      MeasurementFolder(path: folder.path, hardware: HardwareCatalog.h100Measured).files.first)
  }

  /// A table of one all-reduce as `gzip -n` writes it.
  private static let zipped = Data(
    base64Encoded:
      "H4sIAAAAAAAC/w3GMQ6AIAwAwJ23NAaIvqdpSgWTgsTCgK/Xm+7u2KgKNGbFNFb/OyvmPg2qmFEWtOsVUBrSeDlSxUfSZIFCekKE4OMOfvMhHO4DBFoqzk8AAAA="
  )!

  @Test("A gzipped table is read; what is cut off, damaged or not gzipped is an error")
  func gzipped() throws {
    #expect(try read("x.csv.gz", Self.zipped).measurements.count == 1)
    for bad in [
      Self.zipped.dropLast(9), Self.zipped.prefix(30) + [0xFF, 0xFF] + Self.zipped.dropFirst(32),
      Data("op_name".utf8),
    ] {
      #expect(throws: MeasurementError.self) { try read("nccl.csv.gz", Data(bad)) }
    }
  }

  @Test("Of the tables of Hopper what no cost covers is left out by a named rule, with a count")
  func leftOut() throws {
    let head =
      "op_name,kernel_source,batch_size,isl,num_heads,num_key_value_heads,head_dim,beam_width,attn_dtype,kv_cache_dtype,step,"
      + "window_size,latency\n"
    func row(_ source: String, _ cache: String, window: Int) -> String {
      "generation_attention,\(source),4,4096,32,8,128,1,bfloat16,\(cache),1,\(window),0.04\n"
    }
    let file = try read(
      "a.csv",
      Data(
        (head + row("vllm_flash_attn_fa3", "bfloat16", window: 0)
          + row("vllm_flash_attn_fa3", "fp8", window: 0)
          + row("vllm_flash_attn_fa3", "fp8", window: 128) + row("vllm_flash_attn_fa4", "bfloat16", window: 0)
          + row("vllm_flash_attn_fa3", "int4", window: 0)).utf8))
    #expect(
      file.measurements.map(\.operation.name) == [
        "decode attention, FlashAttention-3", "decode attention, FlashAttention-3, fp8",
      ])
    #expect(file.left.count == 3 && file.left.values.allSatisfy { $0 == 1 })
    let products = try read(
      "b.csv",
      Data(
        ("op_name,gemm_dtype,m,n,k,latency\n" + "gemm,fp8_block,8,4096,4096,0.06\n"
          + "gemm,fp8,8,4096,4096,0.012\n"
          + "gemm,int4,8,4096,4096,0.012\n").utf8))
    #expect(
      products.measurements.map(\.operation.name) == ["matrix product, fp8"] && products.left.count == 2)
  }

  @Test(
    "The explain form of a layer is LinearCost's, and the engine forms are within rounding where no chord bends"
  )
  func forms() throws {
    let spec = HardwareCatalog.a100Measured
    var engine = EngineForms(hardware: spec)
    for model in [ModelCatalog.llama7B, ModelCatalog.llama70B, ModelCatalog.opt13B] {
      for tokens in [1, 64, 65, 1_000] {
        let operation = Operation.layer(model, tp: 2, tokens: tokens)
        let linear = LinearCost(
          model: model, hardware: spec, shape: InstanceShape(tp: 2), wiring: .inOneNode(spec),
          engine: EngineCatalog.kernelsOnly)
        let explain = operation.explain()(spec)
        #expect(abs(explain / linear.kernels(tokens: tokens) - 1) < 1e-12)
        #expect(abs(try #require(try engine.microseconds(operation)) / explain - 1) < 1e-3)
      }
    }
    for kernel in [DecodeKernel.flashInfer, .flashAttention] {
      // A power of two is a knot: there the chords touch the curve.
      let batch = DecodeBatch(
        sequences: 4, context: 8_192, queryHeads: 64, kvHeads: 8, bytesPerHeadToken: 512)
      let operation = Operation.decode(kernel, batch)
      #expect(abs(try #require(try engine.microseconds(operation)) / operation.explain()(spec) - 1) < 1e-3)
    }
  }
}

@Suite struct CostValidationTests {
  private func target(_ name: String, _ validation: CostValidation) throws -> CostValidation.TargetResult {
    try #require(validation.targets.first { $0.target.name.hasPrefix(name) })
  }

  @Test("Synthetic measurements with 3 % noise meet every target, and none of their rows was fitted to")
  func sampleMeetsTargets() throws {
    let validation = try CostValidation(Sample.folder(), hardware: HardwareCatalog.a100Measured, folds: false)
    #expect(validation.targets.count == CostTarget.all(of: HardwareCatalog.a100Measured).count)
    for result in validation.targets {
      // 3 % of standard deviation are 2.4 % of mean error; curves and chords add to that.
      #expect(result.isMet, "\(result.target.name): \(result.all.engine)")
      #expect((result.all.explain ?? result.all.engine).mape < 0.04, "\(result.target.name)")
      #expect(result.all.heldOut)
    }
  }

  @Test("Taking message_size for bytes, milliseconds for seconds or MHA for GQA misses the target")
  func unitTraps() throws {
    func isMet(_ name: String, _ folder: MeasurementFolder) throws -> Bool {
      try target(name, CostValidation(folder, hardware: HardwareCatalog.a100Measured, folds: false)).isMet
    }
    #expect(try !isMet("all-reduce, NCCL", Sample.changed("nccl.csv", Sample.scaling("message_size", by: 2))))
    #expect(
      try !isMet(
        "all-reduce, vLLM", Sample.changed("own-all-reduce.csv", Sample.scaling("message_size", by: 2))))
    #expect(
      try !isMet("non-attention layer", Sample.changed("layers.csv", Sample.scaling("num_tokens", by: 2))))
    #expect(
      try !isMet("prefill attention", Sample.changed("attention.csv", Sample.scaling("latency", by: 1_000))))
  }

  @Test("JSON is an array of rows with the keys that the issue names")
  func json() throws {
    let validation = try CostValidation(Sample.folder(), hardware: HardwareCatalog.a100Measured, folds: false)
    let parsed = try JSONSerialization.jsonObject(with: Data(validation.json.utf8))
    let rows = try #require(parsed as? [[String: Any]])
    for row in rows {
      #expect(row["operator"] is String && row["group"] is String && row["held_out"] is Bool)
      for key in ["points", "mape", "p90", "max", "bias"] { #expect(row[key] is NSNumber, "\(key)") }
    }
  }

  @Test("The summary of errors is that of a hand-worked example")
  func summary() throws {
    let summary = try #require(ErrorSummary([0.1, -0.2, 0.3, -0.4, 0, 0, 0, 0, 0, 0, 0]))
    #expect(summary.points == 11 && abs(summary.mape - 1.0 / 11) < 1e-12 && summary.max == 0.4)
    #expect(abs(summary.p90 - 0.3) < 1e-12 && abs(summary.bias + 0.2 / 11) < 1e-12)
    #expect(ErrorSummary([]) == nil)
  }
}
