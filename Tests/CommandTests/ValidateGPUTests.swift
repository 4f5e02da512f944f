import Foundation
import Results
import Testing

/// `validate gpu` and `scripts/gpu-check` on the stand-in driver, whose GPU is an interpreter.
@Suite(.serialized) struct ValidateGPUTests {
  /// A folder of its own for each test.
  private let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
  private static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  init() throws {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  /// A quick check, of which `fault` makes something go wrong.
  private func check(_ arguments: [String], fault: String = "", environment: [String: String] = [:]) throws
    -> Program.Outcome
  {
    let library = URL(fileURLWithPath: Program.path).deletingLastPathComponent()
      .appendingPathComponent("libStandInDriver.so").path
    return try Program.run(
      ["validate", "gpu", "--quick", "--out", folder.path] + arguments,
      environment: environment.merging(
        ["INFINITE_SIM_LIBCUDA": library, "STAND_IN_FAULT": fault]) { mine, _ in mine })
  }

  private var file: String { folder.appendingPathComponent("gpu-check.json").path }
  private var report: JSON { get throws { try JSON(parsing: String(contentsOfFile: file, encoding: .utf8)) } }

  @Test func `A check's JSON has each part; the documentation takes a GPU's in, and no stand-in's`() throws {
    let done = try check(["--commit", "abc", "--date", "2026-01-02"], environment: ["PATH": "/nonexistent"])
    #expect(done.status == 0, "\(done.errors)")
    let report = try report
    let device = try #require(report["device"])
    #expect(device["name"]?.string == "stand-in (PTX interpreter, no GPU)")
    #expect(device["is_stand_in"] == .bool(true) && device["compute_capability"]?.string == "8.0")
    #expect(report["commit"]?.string == "abc" && report["date"]?.string == "2026-01-02")
    let rows = try #require(report["accuracy"]?.elements)
    #expect(rows.count == 12)
    for row in rows { #expect(try #require(row["max_error"]?.number) <= #require(row["bound"]?.number)) }
    let speed = try #require(report["speed"]?.elements)
    #expect(speed.count == 16)
    for row in speed {
      // Several sequences in one launch are judged here alone.
      #expect(try #require(row["max_error"]?.number) <= #require(row["bound"]?.number))
      #expect(try #require(row["read_rate"]?["median"]?.number) > 0)
    }
    #expect(try #require(report["launch"]?["alone"]?.number) > 0)
    #expect(
      report["checkers"]?.elements?.map { $0["outcome"]?.string } == ["not found", "not found", "not found"])
    #expect(done.output.contains("not found") && done.output.contains("stand-in (PTX interpreter, no GPU)"))
    #expect(try Program.run(["validate", "gpu", "--show", file]).output == done.output)
    try writesTheDocumentation()
  }

  @Test func `If stdout cannot be written, none of its files appears`() throws {
    let library = URL(fileURLWithPath: Program.path).deletingLastPathComponent()
      .appendingPathComponent("libStandInDriver.so").path
    let there = folder.appendingPathComponent("there")
    try FileManager.default.createDirectory(at: there, withIntermediateDirectories: true)
    try Data("old".utf8).write(to: there.appendingPathComponent("gpu-check.md"))
    for name in ["new", "there"] {
      let done = try Program.run(
        ["validate", "gpu", "--quick", "--only", "accuracy", "--shapes", "1", "--out", name], in: folder.path,
        output: "/dev/full", environment: ["INFINITE_SIM_LIBCUDA": library])
      #expect(done.status == 1 && done.errors.contains("stdout: cannot be written"), "\(done)")
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["there"])
    #expect(try FileManager.default.contentsOfDirectory(atPath: there.path) == ["gpu-check.md"])
    #expect(try Data(contentsOf: there.appendingPathComponent("gpu-check.md")) == Data("old".utf8))
  }

  /// With the JSON of the check before, changed to pass for a GPU's.
  private func writesTheDocumentation() throws {
    let docs = folder.appendingPathComponent("cuda.md").path
    try FileManager.default.copyItem(
      atPath: Self.repository.appendingPathComponent("docs/cuda.md").path, toPath: docs)
    func write(_ more: [String] = []) throws -> Program.Outcome {
      try Program.run(
        ["--program", Program.path, "--write-docs", file, "--docs", docs] + more,
        executable: Self.repository.appendingPathComponent("scripts/gpu-check").path)
    }
    let before = try String(contentsOfFile: docs, encoding: .utf8)
    let refused = try write()
    #expect(refused.status == 65 && refused.errors.contains("stand-in"), "\(refused.errors)")

    let text = try String(contentsOfFile: file, encoding: .utf8)
      .replacingOccurrences(of: "\"is_stand_in\" : true", with: "\"is_stand_in\" : false")
    try text.write(toFile: file, atomically: true, encoding: .utf8)
    let quick = try write()
    #expect(quick.status == 65 && quick.errors.contains("quick"), "\(quick.errors)")
    #expect(try String(contentsOfFile: docs, encoding: .utf8) == before)

    try text.replacingOccurrences(of: "\"is_quick\" : true", with: "\"is_quick\" : false")
      .write(toFile: file, atomically: true, encoding: .utf8)
    #expect(try write(["--check"]).status == 1)
    #expect(try write().status == 0 && write(["--check"]).status == 0)
    let after = try String(contentsOfFile: docs, encoding: .utf8)
    #expect(after.contains("**Accuracy.** 12 of 12") && after != before)
    // A failed check's numbers are nobody's.
    try String(contentsOfFile: file, encoding: .utf8)
      .replacingOccurrences(of: "\"outcome\" : \"not found\"", with: "\"outcome\" : \"found\"")
      .write(toFile: file, atomically: true, encoding: .utf8)
    let failed = try write()
    #expect(failed.status == 65 && failed.errors.contains("the check failed"), "\(failed.errors)")
    #expect(try String(contentsOfFile: docs, encoding: .utf8) == after)
    let mark = "<!-- begin gpu"
    #expect(after.components(separatedBy: mark)[0] == before.components(separatedBy: mark)[0])
    #expect(after.hasSuffix("<!-- end gpu -->\n") && before.hasSuffix("<!-- end gpu -->\n"))
  }

  @Test func `An error above its bound fails, and the seed that is named shows it again`() throws {
    // The fourth copy to the host is the merged output of the first shape.
    let done = try check(["--only", "accuracy", "--seed", "6", "--shapes", "3"], fault: "flip 4")
    #expect(done.status == 1 && done.errors.contains("the first: --seed 6 --quick: "), "\(done.errors)")
    #expect(done.output.contains("NO"))
    let again = try check(["--only", "accuracy", "--seed", "6", "--shapes", "1"], fault: "flip 4")
    #expect(again.status == 1 && again.errors.contains("1 of 1 shapes"))
    #expect(try check(["--only", "accuracy", "--seed", "6", "--shapes", "1"]).status == 0)
  }

  @Test func `After a fault nothing runs, and the shape that had it is named`() throws {
    let done = try check(["--only", "accuracy", "--only", "speed"], fault: "fault 20")
    #expect(done.status == 1 && done.errors.contains("failed with 700"), "\(done.errors)")
    let rows = try #require(try report["accuracy"]?.elements)
    let failed = try #require(rows.firstIndex { $0["failure"] != nil })
    #expect(rows.count == 12 && rows[(failed + 1)...].allSatisfy { $0["is_not_run"] == .bool(true) })
    #expect(rows[..<failed].allSatisfy { $0["max_error"] != nil })
    #expect(done.output.contains("the device does not answer any more"))
  }

  @Test func `A kernel that does not end ends with the limit, and is named`() throws {
    let start = ContinuousClock.now
    let done = try check(["--limit", "6"], fault: "hang 20")
    #expect(done.status == 1 && done.errors.contains("did not end within the limit"), "\(done.errors)")
    #expect(ContinuousClock.now - start < .seconds(30))
    let rows = try #require(try report["accuracy"]?.elements)
    #expect(rows.count == 12 && rows.count { $0["failure"] != nil } == 1)
    let late = try check(["--only", "speed", "--limit", "6"], fault: "hang 20")
    #expect(late.status == 1 && late.errors.contains("did not end within the limit"), "\(late.errors)")
    #expect(try report["broken"]?.elements?.count == 1)
  }

  @Test(arguments: [
    ("exec \"$@\"", "clean", 0), ("exit 99", "found", 1), ("exit 1", "found", 1), ("exit 3", "not done", 0),
    ("echo '========= Error: Device not supported' >&2; exit 99", "not done", 0),
    ("sleep 100", "not done", 0),
  ])
  func `What the memory checker says decides, and a checker that cannot run is said`(
    script: String, outcome: String, status: Int
  ) throws {
    // Skips its own options, as far as the program.
    let skip = "while [ \"${1##*/}\" != infinite-sim ]; do shift; done"
    let checker = folder.appendingPathComponent("compute-sanitizer").path
    try "#!/bin/sh\n\(skip)\n\(script)\n".write(toFile: checker, atomically: true, encoding: .utf8)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: checker)
    let done = try check(
      [
        "--only", "checker", "--only", "accuracy", "--shapes", "1", "--limit",
        script.hasPrefix("sleep") ? "6" : "120",
      ],
      environment: ["PATH": "\(folder.path):/usr/local/bin:/usr/bin:/bin"])
    #expect(Int(done.status) == status, "\(done.errors)")
    let found = try #require(try report["checkers"]?.elements)
    #expect(found.count == 3 && found[0]["outcome"]?.string == outcome, "\(done.output)")
  }

  @Test func `A check that checked nothing has not passed`() throws {
    let done = try check(["--only", "checker"], environment: ["PATH": "/nonexistent"])
    #expect(done.status == 1 && done.errors.contains("nothing was checked"), "\(done.errors)")
  }

  @Test(arguments: [
    ("{\"a\": 1", "line 1: found the end of the text"), ("[]", "it is not a value of type"),
    ("{\"a\": 1}", "it has no "),
    ("{\"program\": 1}", "program is not a value of type String"),
  ])
  func `What no check wrote is refused in words`(text: String, words: String) throws {
    try text.write(toFile: file, atomically: true, encoding: .utf8)
    let done = try Program.run(["validate", "gpu", "--show", file])
    #expect(done.status == 65 && done.output.isEmpty && done.errors.contains(words), "\(done.errors)")
    #expect(!done.errors.contains("DecodingError"))
  }

  @Test func `Without a driver it says what is missing, and a wrong option is named`() throws {
    let none = try check([], environment: ["INFINITE_SIM_LIBCUDA": "/nonexistent/libcuda.so"])
    #expect(none.status == 66 && none.output.isEmpty)
    #expect(none.errors.hasPrefix("error: no CUDA driver: /nonexistent/libcuda.so"))
    for options in [
      ["--shapes", "0"], ["--limit", "0"], ["--seed", "-1"], ["--only", "luck"], ["--publish"],
    ] {
      let done = try check(options)
      #expect(done.status == 64 && done.errors.contains(options[0]), "\(done.errors)")
    }
    #expect(try Program.run(["validate", "gpu", "--show", "/nonexistent.json"]).status == 66)
    #expect(try Program.run(["validate", "gpu", "--show", #filePath]).status == 65)
  }
}
