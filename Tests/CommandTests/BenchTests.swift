import Workbench
import Runs
import Foundation
import Results
import Testing

@Suite struct BenchTests {
  private static let recipes = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("../../Benchmarks/recipes").standardized.path

  @Test func `quartiles lie between order statistics`() {
    let quartiles = Quartiles([4, 1, 3, 2])
    #expect((quartiles.lower, quartiles.median, quartiles.upper) == (1.75, 2.5, 3.25))
    let one = Quartiles([7])
    #expect((one.lower, one.median, one.upper) == (7, 7, 7))
  }

  @Test func `every scenario has a name of its own, arguments that run takes, and a recipe that is there`()
    throws
  {
    #expect(Set(BenchScenario.all.map(\.name)).count == BenchScenario.all.count)
    for scenario in BenchScenario.all {
      #expect(
        try Program.run(["run", "--trace", "t.csv"] + scenario.arguments).status == 66, "\(scenario.name)")
      guard case .recipe(let name) = scenario.trace else { continue }
      #expect(FileManager.default.fileExists(atPath: "\(Self.recipes)/\(name).yaml"), "\(name)")
    }
    #expect(BenchScenario.named("small").count == 3 && BenchScenario.named("outputs").count == 9)
    #expect(BenchScenario.named("w1").map(\.name) == ["w1"])
  }

  @Test func `a scenario is checked step by step, then timed in fresh processes with one result`() throws {
    let outcome = try Program.run([
      "bench", "run", "small-lending", "--samples", "3", "--json", "--quiet", "--recipes", Self.recipes,
    ])
    #expect(outcome.status == 0, "\(outcome.errors)")
    let measured = try #require(try JSON(parsing: outcome.output)["scenarios"]?.elements?.first)
    #expect(measured["samples"]?.integer == 3)
    #expect(measured["requests"]?.integer == 1000)
    for key in ["loop_s", "process_s", "peak_rss_mb"] {
      let values = ["q1", "median", "q3"].compactMap { measured[key]?[$0]?.number }
      #expect(values.count == 3 && values == values.sorted() && values[0] > 0, "\(key)")
    }
    #expect((measured["version_peak_rss_mb"]?.number ?? 0) > 1)
  }

  /// What a build prints whose results are wrong: step by step, or in the second sample only.
  @Test(arguments: [
    (
      #"case "$*" in *step-by-step*) edit=s/fingerprint.*/fingerprint\":\"0\",/;; esac"#,
      "and 0): no time counts"
    ),
    (
      #"echo >>"$0.runs"; [ "$(wc -l <"$0.runs")" -ne 8 ] || edit='s/"events": /&1/'"#,
      "sample 2 has another"
    ),
  ])
  func `no time counts where results differ`(_ plant: String, _ said: String) throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let wrong = folder.appendingPathComponent("wrong").path
    try "#!/bin/sh\nedit=\n\(plant)\n'\(Program.path)' \"$@\" | sed \"$edit\"\n".write(
      toFile: wrong, atomically: true, encoding: .utf8)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: wrong)
    let outcome = try Program.run([
      "bench", "run", "small-chat", "--samples", "3", "--quiet", "--recipes", Self.recipes, "--program",
      wrong,
    ])
    #expect(
      outcome.status == 1 && outcome.output.isEmpty && outcome.errors.contains(said), "\(outcome.errors)")
  }

  @Test func `a lending case that lends too little fails`() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let scenario = try #require(BenchScenario.named("small-lending").first)
    let traces = BenchTrace(data: "", recipes: Self.recipes, folder: folder)
    let trace = try #require(try traces.path(scenario.trace))
    let lending = try BenchLending.count(["--trace", trace] + scenario.arguments)
    #expect(lending.requests == 1000 && lending.giants > 0 && lending.borrowedBlocks > 0)
    #expect(throws: CommandFailure.self) { try lending.requireFloors("small-lending") }
  }

  @Test func `public data that is not there is said, and a scenario that does not exist is a usage error`()
    throws
  {
    let skipped = try Program.run(["bench", "run", "w1", "--data", "/nonexistent", "--quiet"])
    #expect(skipped.status == 0 && skipped.output.contains("skipped: data not found"))
    let unknown = try Program.run(["bench", "run", "w2"])
    #expect(unknown.status == 64 && unknown.errors.contains("w1-four"))
    let missing = try Program.run(["bench", "run", "small-chat", "--recipes", "/nonexistent", "--quiet"])
    #expect(missing.status == 66 && missing.output.isEmpty)
  }
}
