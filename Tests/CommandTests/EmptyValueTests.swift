import Calibration
import Foundation
import Results
import Sim
import Storage
import Testing

/// What is of nothing, what is compared with what, and what it rests on: as users see it.
@Suite struct EmptyValueTests {
  let folder: String

  init() throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    func trace(_ name: String, _ rows: [(Double, Int, Int)]) throws {
      let text = rows.map { "\($0.0),\($0.1),\($0.2)\n" }.joined()
      try ("arrival_s,input_tokens,output_tokens\n" + text)
        .write(toFile: folder + "/" + name, atomically: true, encoding: .utf8)
    }
    func rows(_ count: Int, _ row: (Int) -> (Double, Int, Int)) -> [(Double, Int, Int)] {
      (0..<count).map(row)
    }
    try trace("giants.csv", rows(20) { (Double($0), 90_000, 20) })
    try trace("one.csv", rows(20) { _ in (0, 100, 1) })
    try trace("steady.csv", rows(3_000) { (Double($0) / 10, 100, 1) })
    try trace("single.csv", rows(20) { (Double($0), 100, 1) })
    // The last is larger than an instance of 300 blocks.
    try trace(
      "mixed.csv", rows(40) { (Double($0) / 10, 100 + $0 * 20, 20) } + rows(1) { _ in (4.5, 9_000, 50) })
    try trace("long.csv", rows(5) { (Double($0), 20_000, 20) })
  }

  private func cleanUp() { try? FileManager.default.removeItem(atPath: folder) }

  private func program(_ arguments: String...) throws -> Program.Outcome {
    try Program.run(arguments, in: folder)
  }

  private static let small = [
    "--gpus-per-node", "2", "--kv-blocks", "300", "--max-model-len", "100000",
  ]

  private func run(_ trace: String, _ arguments: String...) throws -> Program.Outcome {
    try Program.run(["run", "--policy", "vllm-m", "--trace", trace] + Self.small + arguments, in: folder)
  }

  private func write(_ name: String, _ text: String) throws {
    try text.write(toFile: folder + "/" + name, atomically: true, encoding: .utf8)
  }

  // MARK: - Nothing

  @Test func `where nobody is served, counts are 0 and every statistic is null or a dash`() throws {
    defer { cleanUp() }
    let json = try JSON(parsing: run("giants.csv", "--json", "--slo-ttft", "1").output)
    #expect(json["requests"]?["rejected"] == 20 && json["ttft_s"]?["count"] == 0)
    for path in [
      "makespan_s", "load", "goodput_requests_per_s", "extrapolated_share", "worst_stall_s", "ttft_s.p99",
      "tpot_s.mean", "e2e_s.max", "classes.long.ttft_s.p50", "throughput.output_tokens_per_s",
      "throughput.requests_per_s", "throughput.window_output_tokens_per_s", "kv.peak_utilisation",
      "bound_reached",
    ] {
      let value = path.split(separator: ".").reduce(json as JSON?) { $0?[String($1)] }
      #expect(value == .null, "\(path): \(String(describing: value))")
    }
    let text = try run("giants.csv", "--slo-ttft", "1").output
    for row in ["makespan  ", "load  ", "output tokens/s  ", "goodput, requests/s", "fullest instance"] {
      let line = text.split(separator: "\n").first { $0.contains("  " + row) }
      #expect(line?.hasSuffix(" –") == true, "\(row): \(String(describing: line))")
    }
    #expect(text.contains("worst stall –"))
    let table = try program(
      "compare", "--policies", "vllm-m,vllm-s", "--trace", "giants.csv", "--kv-blocks", "300",
      "--max-model-len", "100000")
    for row in ["makespan, s", "ratio to vllm-m (makespan, whole trace)", "TTFT p99, s", "load"] {
      let line = table.output.split(separator: "\n").first { $0.hasPrefix("| \(row) ") }
      #expect(line?.filter { $0 == "–" }.count == 2, "\(row): \(String(describing: line))")
    }
  }

  @Test func `an expectation on a statistic of nothing fails, says so, and lets the sweep end`() throws {
    defer { cleanUp() }
    try write(
      "s.yaml",
      """
      study: s
      options: {max-model-len: 100000, gpus-per-node: 2, kv-blocks: 300}
      axes: {trace: [giants.csv, mixed.csv]}
      contenders: [vllm-m]
      expect:
        - value(vllm-m, ttft_s.p99) < 1 where trace == giants
        - value(vllm-m, makespan_s) != 0 where trace == giants
        - value(vllm-m, ttft_s.p99) < 1000 where trace == mixed
      """)
    let outcome = try program("sweep", "s.yaml", "--db", "s.db", "--junit", "j.xml")
    #expect(outcome.status == 1)
    #expect(outcome.output.matches(of: #/\*\*no\*\* +\| absent: /#).count == 2, "\(outcome.output)")
    #expect(
      outcome.output.contains("ttft_s.p99 of vllm-m is a statistic of nothing (seed 0, 0 requests completed)")
    )
    #expect(outcome.output.contains("| yes"))
    #expect(try String(contentsOfFile: folder + "/j.xml", encoding: .utf8).contains("failures=\"2\""))
  }

  @Test func `what never was of a rejected request is no zero`() throws {
    defer { cleanUp() }
    _ = try run("giants.csv", "--db", "r.db")
    _ = try program("run", "--policy", "vllm-m", "--trace", "giants.csv", "--db", "context.db")
    for database in ["r.db", "context.db"] {
      let text = try program("show", "request", "3", "--db", database).output
      #expect(
        text.contains("| rejected") && !text.contains("E2E") && !text.contains("where its time"), "\(text)")
      #expect(text.contains(#/\| rejected \| +(0|–) \| +– \| +– \| exceeds-/#), "\(text)")
    }
  }

  @Test func `free prefill has no TTFT where it is waited for by nobody`() throws {
    defer { cleanUp() }
    let text = try run("single.csv", "--option", "prefill-attention=free").output
    #expect(
      text.contains(#/\| TTFT +\| +20 \| +– \| +– \|/#) && text.contains(#/TTFT of that prompt +–/#),
      "\(text)")
    #expect(!text.contains("e-12"))
    let table = try program(
      "compare", "--policies", "vllm-m,vllm-s", "--trace", "single.csv", "--option", "prefill-attention=free")
    #expect(!table.output.contains("e-12"), "\(table.output)")
  }

  @Test func `a generated trace is not called recorded`() throws {
    defer { cleanUp() }
    let text = try program("run", "--policy", "vllm-m", "--trace", "paper:1,requests=20").output
    #expect(text.contains("20 requests as generated (seed 0)"), "\(text)")
    #expect(try run("one.csv").output.contains("20 requests as recorded (seed 0)"))
  }

  @Test func `an expectation says that it compares unlike bases, in the table and in JUnit`() throws {
    defer { cleanUp() }
    try write(
      "s.yaml",
      """
      study: s
      options: {trace: one.csv}
      contenders: [vllm-m, {label: sheet, policy: vllm-m, options: {hardware: a100-datasheet}}, {label: same, policy: vllm-m}]
      expect:
        - ratio(vllm-m, sheet, makespan_s) > 0
        - value(vllm-m, makespan_s) < value(sheet, makespan_s)
        - ratio(vllm-m, same, makespan_s) == 1
        - value(vllm-m, goodput_requests_per_s) > 1
      """)
    let outcome = try program("sweep", "s.yaml", "--db", "s.db", "--junit", "j.xml")
    let unlike = "unlike bases: data-sheet and fits"
    #expect(outcome.status == 1)
    #expect(
      outcome.output.matches(of: try Regex("found [0-9.e-]+[^(]* \\((whole trace, )?\(unlike)")).count == 2,
      "\(outcome.output)")
    #expect(outcome.output.contains("goodput_requests_per_s of vllm-m: no SLO was given"))
    let junit = try String(contentsOfFile: folder + "/j.xml", encoding: .utf8)
    #expect(
      junit.matches(of: try Regex(unlike)).count == 2 && junit.contains("<system-out>found "), "\(junit)")
    #expect(junit.contains(#/name="ratio\(vllm-m, same, makespan_s\) == 1[^>]*"\/>/#), "\(junit)")
  }

  @Test func `free prefill of one-token outputs has no rate`() throws {
    defer { cleanUp() }
    let json = try JSON(parsing: run("one.csv", "--json", "--option", "prefill-attention=free").output)
    #expect(json["requests"]?["completed"] == 20 && json["makespan_s"] == .null)
    #expect(json["throughput"]?.keys.allSatisfy { json["throughput"]?[$0] == .null } == true)
    #expect(try run("one.csv", "--option", "prefill-attention=free").output.contains("no step cost anything"))
    #expect(try JSON(parsing: run("one.csv", "--json").output)["makespan_s"]?.number ?? 0 > 0)
  }

  @Test(arguments: [
    ("single.csv", ["--slo-tpot", "0.000001"], " completed requests has a TPOT"),
    ("giants.csv", ["--slo-ttft", "10"], "none of the 0 completed requests has a TTFT"),
  ])
  func `a capacity on a statistic of nothing is refused`(trace: String, arguments: [String], words: String)
    throws
  {
    defer { cleanUp() }
    let outcome = try Program.run(
      ["capacity", "--policy", "vllm-m", "--trace", trace, "--quiet", "--repeat-trace"] + Self.small
        + arguments, in: folder)
    #expect(outcome.status == 65 && outcome.output.isEmpty, "\(outcome)")
    #expect(outcome.errors.contains(words), "\(outcome.errors)")
  }

  @Test func `a goodput on a TPOT that nobody has is null`() throws {
    defer { cleanUp() }
    #expect(
      try JSON(parsing: run("steady.csv", "--json", "--slo-tpot", "1").output)["goodput_requests_per_s"]
        == .null
    )
    #expect(
      try JSON(parsing: run("steady.csv", "--json", "--slo-ttft", "9").output)["goodput_requests_per_s"]?
        .number
        ?? 0 > 0)
  }

  @Test(arguments: [
    "value(vllm-m, ttft_s.p98) < 1", "ratio(vllm-m, vllm-m, load) == 1", "value(vllm-m, nothing) > 0",
  ])
  func `a metric that no run has is found before anything runs`(expectation: String) throws {
    defer { cleanUp() }
    try write(
      "s.yaml", "study: s\noptions: {trace: mixed.csv}\ncontenders: [vllm-m]\nexpect:\n  - \(expectation)\n")
    let outcome = try program("sweep", "s.yaml", "--db", "s.db")
    #expect(
      outcome.status == 65 && outcome.errors.contains("s.yaml:5:") && outcome.errors.contains("a metric"))
    #expect(!FileManager.default.fileExists(atPath: folder + "/s.db"))
  }

  // MARK: - Like with like

  @Test func `whole and common runs stand in rows of their own, each with its own ratio`() throws {
    defer { cleanUp() }
    try write(
      "s.yaml",
      """
      study: s
      options: {max-model-len: 100000, gpus-per-node: 2, kv-blocks: 300, trace: mixed.csv}
      axes: {hardware: [a100-measured, a100-datasheet]}
      contenders: [vllm-m, vllm-s]
      """)
    let outcome = try program("sweep", "s.yaml", "--db", "s.db")
    let rows = outcome.output.split(separator: "\n").filter { $0.hasPrefix("| a100-") }
      .map { $0.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) } }
    #expect(rows.count == 8, "\(outcome.output)")
    for row in rows {
      // Hardware, contender, replayed, six figures, two ratios, load, basis.
      #expect(row[2] == "whole trace" || row[2] == "common trace")
      #expect((row[8] == "0") == (row[1] == "vllm-s" || row[2] == "common trace"), "\(row)")
      #expect((row[9] == "n/c") == (row[1] == "vllm-s" && row[2] == "whole trace"), "\(row)")
      #expect(row[7] == (row[2] == "common trace" || row[1] == "vllm-m" ? "40.00" : "41.00"), "\(row)")
      #expect(row[12] == (row[0] == "a100-measured" ? "fits" : "data-sheet"))
    }
    #expect(outcome.output.contains("## main (unlike bases: data-sheet and fits)\n"))
    let store = try ResultStore.openExisting(folder + "/s.db")
    #expect(
      try store.runs().compactMap(\.result?.heat.rawValue).sorted() == [
        "common", "common", "common", "common", "whole", "whole", "whole", "whole",
      ])
  }

  @Test func `runs without a study are compared by what was asked for, and nothing compared is an error`()
    throws
  {
    defer { cleanUp() }
    var spec = HardwareCatalog.a100Measured
    spec.name = "mine"
    try write("mine.yaml", HardwareFile(spec: spec).yaml)
    for policy in ["vllm-m", "vllm-s"] {
      for trace in ["mixed.csv", "one.csv"] {
        let outcome = try program(
          "run", "--policy", policy, "--trace", trace, "--gpus-per-node", "2", "--hardware", "mine.yaml",
          "--db", "a.db")
        #expect(outcome.status == 0)
      }
    }
    let same = try program("diff", "a.db", "a.db")
    #expect(same.status == 0 && same.output.hasPrefix("4 points as they were"), "\(same)")

    // The same runs asked for, of other constants.
    spec.gemm.bytesPerSecond /= 2
    try write("mine.yaml", HardwareFile(spec: spec).yaml)
    for policy in ["vllm-m", "vllm-s"] {
      _ = try program(
        "run", "--policy", policy, "--trace", "mixed.csv", "--gpus-per-node", "2", "--hardware", "mine.yaml",
        "--db", "b.db")
    }
    let moved = try program("diff", "a.db", "b.db")
    #expect(moved.status == 1 && moved.output.contains("2 moved; 2 only in the old database"), "\(moved)")
    #expect(moved.output.contains("- cost constant hardware.gemm.bytesPerSecond:"))
    #expect(!moved.output.contains("unlike bases"))

    // Its links are those of the fits, so that it is asked for alike.
    var bound = HardwareCatalog.a100Measured
    bound.name = "mine"
    (bound.gemm.floor, bound.gemm.exponent) = (0, .infinity)
    try write("mine.yaml", HardwareFile(spec: bound).yaml)
    _ = try program(
      "run", "--policy", "vllm-m", "--trace", "mixed.csv", "--gpus-per-node", "2", "--hardware", "mine.yaml",
      "--db", "bound.db")
    let unlike = try program("diff", "a.db", "bound.db")
    #expect(unlike.output.contains("unlike bases: fits → data-sheet\n"), "\(unlike)")

    _ = try run("mixed.csv", "--db", "c.db")
    let nothing = try program("diff", "a.db", "c.db")
    #expect(
      nothing.status == 65 && nothing.output.isEmpty && nothing.errors.contains("nothing was compared"),
      "\(nothing)")
    try write("s.yaml", "study: s\noptions: {trace: one.csv}\ncontenders: [vllm-m]\n")
    _ = try program("sweep", "s.yaml", "--db", "s.db")
    for (old, new) in [("a.db", "s.db"), ("s.db", "a.db")] {
      let unlike = try program("diff", old, new)
      #expect(unlike.status == 65 && unlike.output.isEmpty && unlike.errors.contains("nothing was compared"))
      for words in ["a.db has runs of no study", "s.db has the study s", "they hold unlike things"] {
        #expect(unlike.errors.contains(words), "\(unlike.errors)")
      }
    }
    for (database, known) in [("a.db", "instances, "), ("s.db", "expected one of grid, seed")] {
      let axis = try program("diff", database, database, "--where", "speed == 7")
      #expect(axis.status == 64 && axis.errors.contains("--where: no point has the axis speed; expected"))
      #expect(axis.errors.contains(known), "\(axis.errors)")
    }
    let near = try program("diff", "a.db", "a.db", "--where", "node == 1")
    #expect(near.status == 64 && near.errors.contains("expected perhaps nodes; one of"), "\(near.errors)")
    let blank = try program("diff", "s.db", "s.db", "--where", "seed == 7")
    #expect(blank.status == 65 && blank.errors.contains("--where selects"))
    let metric = try program("diff", "s.db", "s.db", "--metric", "ttft_s.p98")
    #expect(metric.status == 64 && metric.errors.contains("perhaps ttft_s.p9"))
  }

  @Test func `a value that came or went has moved, and one that was never there has not`() throws {
    defer { cleanUp() }
    func sweep(_ blocks: Int, _ database: String) throws {
      try write(
        "s.yaml",
        "study: s\noptions: {trace: giants.csv, max-model-len: 100000, gpus-per-node: 2, kv-blocks: \(blocks)}\ncontenders: [vllm-m]\n"
      )
      #expect(try program("sweep", "s.yaml", "--db", database).status == 0)
    }
    try sweep(300, "none.db")
    try sweep(301, "still.db")
    try sweep(7_000, "some.db")
    let came = try program("diff", "none.db", "some.db", "--metric", "ttft_s.p99")
    #expect(
      came.status == 1 && came.output.contains("1 moved") && came.output.contains("| ttft_s.p99 | –"),
      "\(came)")
    let never = try program("diff", "none.db", "still.db", "--metric", "ttft_s.p99")
    // Nothing ran, so the fingerprints are the same.
    #expect(never.status == 0 && never.output.hasPrefix("1 points as they were"), "\(never)")
  }

  // MARK: - What it rests on

  @Test func `what a run rests on is in its result, and quiet is quiet`() throws {
    defer { cleanUp() }
    var spec = HardwareCatalog.a100Measured
    (spec.name, spec.unvalidated) = ("mine", ["its constants are made up"])
    try write("mine.yaml", HardwareFile(spec: spec).yaml)
    let arguments = [
      "run", "--policy", "vllm-m", "--trace", "long.csv", "--gpus-per-node", "2", "--hardware", "mine.yaml",
      "--max-model-len", "100000",
    ]
    let quiet = try Program.run(arguments + ["--quiet", "--db", "r.db"], in: folder)
    #expect(quiet.errors.isEmpty, "\(quiet.errors)")
    #expect(quiet.output.contains("Costs rest on fits, 1 unvalidated, extrapolated 1.22×"))
    #expect(
      quiet.output.contains("extrapolated: a prompt of 20000 tokens is beyond the measured 16384 by 3616"))
    #expect(quiet.output.contains("unvalidated: mine: its constants are made up"))
    #expect(
      quiet.output.contains("times as long as the longest measured"), "the longest prompt that fits is too")
    let loud = try Program.run(arguments, in: folder)
    #expect(loud.errors.contains("unvalidated: mine") && loud.errors.contains("1.22 times as long"))
    // Of a stored run it is the same.
    let again = try Program.run(arguments + ["--db", "r.db"], in: folder)
    #expect(again.output == quiet.output && again.errors.contains("1.22 times as long"))
    let json = try JSON(parsing: Program.run(arguments + ["--json", "--db", "r.db"], in: folder).output)
    #expect(json["basis"]?["costs"] == "fits" && json["basis"]?["unvalidated"] == 1)
    #expect(
      json["basis"]?["over_measured"]?.number == 20_000.0 / 16_384
        && json["extrapolated"]?.elements?.count == 1)
    #expect(json["max_context_over_measured"]?.number ?? 0 > 1)
    let bound = try JSON(
      parsing: program(
        "run", "--policy", "vllm-m", "--trace", "long.csv", "--gpus-per-node", "2", "--hardware",
        "a100-datasheet", "--max-model-len", "100000",
        "--json"
      ).output)
    #expect(bound["basis"]?["costs"] == "data-sheet" && bound["basis"]?["over_measured"] == .null)
  }

  // MARK: - At once

  @Test func `identical runs at once leave one row, and the others say that it is there`() throws {
    defer { cleanUp() }
    let arguments =
      ["run", "--policy", "vllm-m", "--trace", "mixed.csv", "--db", "r.db", "--json"] + Self.small
    let outcomes = try (0..<4).map { _ in try Running(arguments, in: folder) }.map { try $0.outcome() }
    #expect(outcomes.allSatisfy { $0.status == 0 && $0.output == outcomes[0].output }, "\(outcomes)")
    #expect(outcomes.count { $0.errors.contains("already there") } == 3, "\(outcomes.map(\.errors))")
    #expect(try ResultStore.openExisting(folder + "/r.db").runs().count == 1)
  }

  /// The program, started and not waited for.
  private final class Running {
    private let process = Process()
    private let files: [String]

    init(_ arguments: [String], in folder: String) throws {
      files = ["out", "err"].map { folder + "/\(UUID().uuidString).\($0)" }
      for file in files { try Data().write(to: URL(fileURLWithPath: file)) }
      process.executableURL = URL(fileURLWithPath: Program.path)
      process.arguments = arguments
      process.currentDirectoryURL = URL(fileURLWithPath: folder)
      process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: files[0]))
      process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: files[1]))
      try process.run()
    }

    func outcome() throws -> Program.Outcome {
      process.waitUntilExit()
      return Program.Outcome(
        status: process.terminationStatus, output: try String(contentsOfFile: files[0], encoding: .utf8),
        errors: try String(contentsOfFile: files[1], encoding: .utf8))
    }
  }
}
