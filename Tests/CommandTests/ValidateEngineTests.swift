import Workbench
import Foundation
import Results
import Sim
import Testing

@Suite struct ValidateEngineTests {
  /// The folder of measurements: INFINITE_SIM_DATA, or `shared/data` beside the package; `nil` when it is not there.
  private static let profiles: String? = {
    let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let folder =
      ProcessInfo.processInfo.environment["INFINITE_SIM_DATA"].map { URL(fileURLWithPath: $0) }
      ?? package.deletingLastPathComponent().appendingPathComponent("shared/data")
    let path = folder.appendingPathComponent("profiles").path
    return FileManager.default.fileExists(atPath: path) ? path : nil
  }()

  private func inFolder(_ files: [String: String], _ body: (String) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    for (name, text) in files {
      try text.write(toFile: folder + "/" + name, atomically: true, encoding: .utf8)
    }
    try body(folder)
  }

  @Test func `whole decode iterations of both engines are within the target, OPT-66B held out`() throws {
    guard let data = Self.profiles else {
      print("skipped: data not found")
      return
    }
    let outcome = try Program.run(["validate", "engine", "--data", data, "--json"])
    #expect(outcome.status == 0)
    let rows = try #require(try JSON(parsing: outcome.output).elements)
    func row(_ group: String) throws -> JSON {
      try #require(
        rows.first { $0["operator"]?.string == "decode iteration" && $0["group"]?.string == group })
    }
    let groups = [
      ("pooled: OPT-13B TP1, OPT-66B TP8", 52, false), ("cuda-graph, opt-13b TP1", 12, false),
      ("cuda-graph, opt-66b TP8", 14, true), ("vllm-2023-eager, opt-13b TP1", 12, false),
      ("vllm-2023-eager, opt-66b TP8", 14, true),
    ]
    for (group, points, isHeldOut) in groups {
      let row = try row(group)
      #expect(row["points"]?.integer == points && row["held_out"] == .bool(isHeldOut), "\(group)")
      #expect((row["mape"]?.number ?? 1) <= EngineReport.targetMAPE, "\(group)")
      #expect((row["p90"]?.number ?? 1) <= EngineReport.targetP90, "\(group)")
    }
    let capacity = rows.filter { $0["operator"]?.string == "KV tokens" }
    #expect(capacity.map { $0["points"]?.integer } == [25, 23, 28])
    #expect(capacity.allSatisfy { ($0["mape"]?.number ?? 1) < 0.02 })
  }

  @Test func `fitting anew finds the constants of the catalogue`() throws {
    guard let data = Self.profiles else {
      print("skipped: data not found")
      return
    }
    let hardware = HardwareCatalog.a100Measured
    var validation = try EngineValidation(data: data, hardware: hardware, ownEngine: hardware.engine)
    try validation.fitProfiles()
    #expect(validation.fits.count == 2)
    for (before, after, points) in validation.fits {
      #expect(points == 41)
      let parameters = EngineFit.parameters(of: before)
      #expect(parameters.count == 3)
      for parameter in parameters {
        #expect(
          abs(parameter.get(after) / parameter.get(before) - 1) < 0.01, "\(before.name): \(parameter.name)")
      }
    }
  }

  @Test func `a fit recovers the constants that made its points`() throws {
    let hardware = HardwareCatalog.a100Measured
    for engine in [EngineCatalog.vllm2023Eager, EngineCatalog.cudaGraph] {
      var truth = engine
      for (parameter, factor) in zip(EngineFit.parameters(of: engine), [1.4, 0.7, 0.8]) {
        parameter.set(&truth, parameter.get(engine) * factor)
      }
      var points: [EngineMeasurement] = []
      for tp in [1, 2, 4] {
        for (batch, context) in [(1, 256), (16, 1_024), (64, 512), (200, 128)] {
          var point = EngineMeasurement(
            operation: EngineFit.operation, group: "g", model: ModelCatalog.opt13B,
            shape: InstanceShape(tp: tp),
            iteration: Iteration(sequences: batch, context: context), engine: truth, microseconds: 1,
            isHeldOut: false)
          point.microseconds = try point.predicted(on: hardware)
          points.append(point)
        }
      }
      let found = try EngineFit.fit(engine, to: points, on: hardware)
      for parameter in EngineFit.parameters(of: engine) {
        #expect(
          abs(parameter.get(found) / parameter.get(truth) - 1) < 0.02, "\(engine.name): \(parameter.name)")
      }
    }
  }

  @Test func `a user's own iterations are scored whatever the file's name`() throws {
    let row = "llama2-7b,1,1,32,1024,0,0"
    let hardware = HardwareCatalog.a100Measured
    let costs = try InstanceCosts(
      model: ModelCatalog.llama7B, hardware: hardware, shape: InstanceShape(), wiring: .inOneNode(hardware))
    let time = try #require(costs.time(of: Iteration(sequences: 32, context: 1_024)))
    let ms = Double(time) * 1e-9
    try inFolder(["mine.csv": "\(IterationCSV.header)\n\(row),\(ms)\n\(row),\(ms / 2)\n", "notes.txt": "x"]) {
      folder in
      let outcome = try Program.run(["validate", "engine", "--data", folder, "--json"])
      let rows = try #require(try JSON(parsing: outcome.output).elements)
      let mine = try #require(rows.first { $0["group"]?.string?.hasPrefix("mine.csv") == true })
      #expect(mine["points"]?.integer == 2 && mine["held_out"] == .bool(true))
      #expect(abs((mine["mape"]?.number ?? 0) - 0.5) < 1e-6 && abs((mine["max"]?.number ?? 0) - 1) < 1e-6)
      #expect(mine["operator"]?.string == "decode iteration")
    }
  }

  /// One command answers what a log says: `kv-capacity --log`.
  @Test func `a start-up log is no input`() throws {
    try inFolder(["log.txt": "# GPU blocks: 7000\n"]) { folder in
      let outcome = try Program.run(["validate", "engine", "--data", folder, "--log", folder + "/log.txt"])
      #expect(outcome.status == 64 && outcome.errors.contains("--log"), "\(outcome.errors)")
    }
    #expect(try Program.run(["validate", "engine", "--help"]).output.contains("kv-capacity --log"))
  }

  @Test(arguments: [
    ("llama2-7b,1,1,1,1,0,0,-1", ":2: expected six whole numbers"),
    ("gpt9,1,1,1,1,0,0,5", ":2: model \"gpt9\""),
    ("llama2-7b,1,1,1", ":2: 4 fields, expected 8"),
    ("llama2-7b,1,1,0,1,0,0,5", ":2: tokens of the iteration"),
    ("llama2-7b,1,1,1,1,0,0,nan", ":2: expected six"),
  ])
  func `a bad row of iterations is named with its line`(row: String, words: String) throws {
    try inFolder(["bad.csv": "\(IterationCSV.header)\n\(row)\n"]) { folder in
      let outcome = try Program.run(["validate", "engine", "--data", folder])
      #expect(
        outcome.status == 65 && outcome.output.isEmpty && outcome.errors.contains(words), "\(outcome.errors)")
    }
  }

  @Test(arguments: [
    "{\"facebook/opt-13b\": {\"1\": {\"decoding_smallbs\": [1, 2]}}}",
    "{\"facebook/opt-1b\": {\"1\": {\"decoding_smallbs\": [1, 2, 3]}}}",
    "{\"facebook/opt-13b\": {\"one\": {\"decoding_smallbs\": [1, 2, 3]}}}",
    "{\"facebook/opt-13b\": {\"1\": {}, \"1\": {}}}", "{\"facebook/opt-13b\": {},}",
  ])
  func `coefficients that are not whole are refused`(text: String) throws {
    try inFolder(["c.json": text]) { folder in
      let outcome = try Program.run(["validate", "engine", "--data", folder])
      #expect(outcome.status == 65 && outcome.errors.contains("c.json"), "\(outcome.errors)")
    }
  }

  @Test func `a folder without known files is missing input`() throws {
    try inFolder(["a.csv": "x,y\n1,2\n"]) { folder in
      for path in [folder, folder + "/none"] {
        let outcome = try Program.run(["validate", "engine", "--data", path])
        #expect(outcome.status == 66)
      }
    }
  }
}
