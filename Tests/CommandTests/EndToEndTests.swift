import Calibration
import Foundation
import Results
import Sim
import Storage
import Testing

@Suite struct EndToEndTests {
  let folder: String

  init() throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    var trace = "arrival_s,input_tokens,output_tokens\n"
    for index in 0..<60 {
      trace += "\(Double(index) / 10),\(100 + index * 37 % 900),\(20 + index * 13 % 100)\n"
    }
    trace += "6.5,9000,50\n"  // larger than an instance of 300 blocks
    try trace.write(toFile: folder + "/t.csv", atomically: true, encoding: .utf8)
  }

  private static let small = [
    "--trace", "t.csv", "--gpus-per-node", "4", "--kv-blocks", "300", "--max-num-seqs", "16",
    "--max-model-len", "100000",
  ]

  private func cleanUp() { try? FileManager.default.removeItem(atPath: folder) }

  @Test func `a run prints the same JSON in every process, stored or not, step by step or not`() throws {
    defer { cleanUp() }
    let run = ["run", "--policy", "debtor-creditor", "--json"] + Self.small
    let first = try Program.run(run, in: folder)
    #expect(first.status == 0)
    #expect(try Program.run(run + ["--db", "runs.db"], in: folder).output == first.output)
    let stored = try Program.run(run + ["--db", "runs.db"], in: folder)
    #expect(stored.output == first.output && stored.errors.contains("run 1"))

    let walked = try Program.run(run + ["--step-by-step", "--db", "runs.db"], in: folder)
    #expect(walked.status == 0)
    let fingerprints = try [first, walked].map { try JSON(parsing: $0.output)["fingerprint"] }
    #expect(fingerprints[0] == fingerprints[1])
    #expect(try ResultStore.open(folder + "/runs.db").integrity() == "ok")
  }

  @Test func `all at once holds where prompts share prefixes as well`() throws {
    defer { cleanUp() }
    try
      ("arrival_s,input_tokens,output_tokens,session,prefix_tokens\n"
      + (0..<8).map { "\($0 * 5),640,3,\($0 % 2),\($0 > 1 ? 128 : 0)\n" }.joined()).write(
        toFile: folder + "/s.csv", atomically: true, encoding: .utf8)
    let run = [
      "run", "--policy", "vllm-m", "--trace", "s.csv", "--gpus-per-node", "1", "--prefix-caching", "--db",
      "a.db",
    ]
    let recorded = try Program.run(run + ["--json"], in: folder)
    let together = try Program.run(run + ["--at-once", "--requests-out", "r.csv", "--json"], in: folder)
    let scaled = try Program.run(run + ["--at-once", "--rate-scale", "2", "--json"], in: folder)
    #expect(together.status == 0 && together.output != recorded.output, "\(together.errors)")
    #expect(scaled.output == together.output && scaled.errors.contains("--rate-scale: without effect"))
    let rows = try String(contentsOfFile: folder + "/r.csv", encoding: .utf8).split(separator: "\n")
    let column = try #require(rows[0].split(separator: ",").firstIndex(of: "arrival_ps"))
    #expect(rows.count == 9 && rows.dropFirst().allSatisfy { $0.split(separator: ",")[column] == "0" })
  }

  @Test func `the model's context rejects and cuts, is counted everywhere, and can be stretched`() throws {
    defer { cleanUp() }
    try "arrival_s,input_tokens,output_tokens\n0,4095,50\n1,4096,50\n2,4000,96\n3,4000,97\n".write(
      toFile: folder + "/t.csv", atomically: true, encoding: .utf8)
    let run = ["run", "--policy", "vllm-m", "--trace", "t.csv", "--gpus-per-node", "1"]
    let files = ["--requests-out", "r.csv", "--db", "a.db", "--json"]
    let limited = try Program.run(run + files, in: folder)
    let requests = try JSON(parsing: limited.output)["requests"]
    #expect(requests?["completed"] == 3 && requests?["cut_at_context"] == 2 && requests?["rejected"] == 1)
    #expect(try JSON(parsing: limited.output)["rejected_by_reason"]?["exceeds-context"] == 1)
    #expect(try JSON(parsing: limited.output)["tokens"]?["output"] == 193)
    #expect(limited.errors.contains("--max-model-len"), "\(limited.errors)")
    let rows = try String(contentsOfFile: folder + "/r.csv", encoding: .utf8).split(separator: "\n")
      .dropFirst()
    #expect(
      rows.map { row in ["cut-at-context", "exceeds-context", "completed"].first { row.contains($0) } } == [
        "cut-at-context", "exceeds-context", "completed", "cut-at-context",
      ])
    // Runs that cut other outputs are compared with nobody, and there is nothing to leave out for it.
    try """
    study: s
    options: {trace: t.csv, gpus-per-node: 1, limit: 1}
    contenders: [{label: cut, policy: vllm-m}, {label: whole, policy: vllm-m, options: {max-model-len: 8192}}]
    """.write(toFile: folder + "/s.yaml", atomically: true, encoding: .utf8)
    let sweep = try Program.run(["sweep", "s.yaml", "--db", "s.db"], in: folder)
    let cells = sweep.output.split(separator: "\n").filter {
      $0.hasPrefix("| ") && $0.contains("whole trace")
    }
    #expect(cells.count == 2 && cells.count { $0.contains("n/c |") } == 1, "\(sweep.output)\(sweep.errors)")
    #expect(!sweep.output.contains("| common trace"), "\(sweep.output)")
    let store = try ResultStore.open(folder + "/a.db")
    #expect(
      try store.requests(run: 1).map(\.outcome) == [
        .cutAtContext, .rejected(.exceedsContext), .completed, .cutAtContext,
      ])
    let stretched = try Program.run(run + ["--max-model-len", "10000", "--json"], in: folder)
    #expect(try JSON(parsing: stretched.output)["requests"]?["completed"] == 4)
    #expect(!stretched.errors.contains("--max-model-len"))
    for wrong in ["0", "1", "-5", "huge", "nan", ""] {
      let outcome = try Program.run(run + ["--max-model-len", wrong], in: folder)
      #expect(outcome.status == 64 && outcome.output.isEmpty && outcome.errors.contains("--max-model-len"))
    }
  }

  @Test func `timing is one JSON line on stderr and stdout stays the result`() throws {
    defer { cleanUp() }
    let run = ["run", "--policy", "vllm-m", "--quiet"] + Self.small
    let timed = try Program.run(run + ["--timing"], in: folder)
    #expect(try JSON(parsing: timed.errors).keys == ["loop_s", "peak_rss_mb", "requests_per_s"])
    #expect(try Program.run(run, in: folder).output == timed.output)
  }

  @Test func `a request larger than an instance is rejected by vllm-m only, and the table is fair`() throws {
    defer { cleanUp() }
    let outcome = try Program.run(
      ["compare", "--policies", "vllm-m,vllm-s,debtor-creditor", "--report", "r.md"] + Self.small, in: folder)
    #expect(outcome.status == 0)
    #expect(outcome.output.contains("n/c"))
    #expect(outcome.output.contains("## Common trace: the 60 requests"))
    #expect(try String(contentsOfFile: folder + "/r.md", encoding: .utf8) == outcome.output)
  }

  @Test(arguments: [
    (["--trace", "none.csv"], 66, "none.csv"), (["--tp", "3"], 64, "legal TP"), (["--tp", "x"], 64, "--tp"),
    (["--db", "t.csv"], 64, "is the file of --trace"), (["--db", "no/runs.db"], 64, "there is no folder no"),
    (["--requests-out", "./t.csv"], 64, "is the file of --trace"), (["--db", "."], 64, "is a folder"),
    (["--db", "new", "--requests-out", "./new"], 64, "is the file of --db"),
    (["--policy", "vllm-s", "--tp", "3"], 64, "legal TP: 1, 2, 4"),
    (["--policy", "vllm-s", "--instances", "2"], 64, "one instance"),
    (["--seed", "9007199254740993"], 64, "--seed"),
    (["--option", "stael=true"], 64, "did you mean steal?"),
    (["--option", "eager=true"], 64, "--engine-profile vllm-2023-eager"),
    (["--engine-profile", "vlm"], 64, "did you mean vllm?"), (["--decode-kernel", "fa3"], 64, "flashinfer"),
    (["--expert-parallel"], 64, "no experts"),
    (["--policy", "debtor-creditor", "--model", "mistral-7b-v0.1"], 64, "sliding window"),
    (["--model", "no/config.json"], 66, "config.json"),
    (["--requests-out", "no/r.csv"], 64, "no folder"), (["--limit", "0"], 64, "limit"),
  ])
  func `bad input ends with its code and a word on what is wrong, and leaves nothing`(
    arguments: [String], status: Int32, words: String
  ) throws {
    defer { cleanUp() }
    // The last of two values of an option counts.
    let outcome = try Program.run(["run", "--policy", "vllm-m"] + Self.small + arguments, in: folder)
    #expect(outcome.status == status && outcome.output.isEmpty)
    #expect(outcome.errors.contains(words), "\(outcome.errors)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["t.csv"])
  }

  @Test func `a result that cannot be printed ends with one message and code 1`() throws {
    defer { cleanUp() }
    guard FileManager.default.fileExists(atPath: "/dev/full") else { return }
    let commands = [
      ["run", "--policy", "vllm-m", "--quiet"] + Self.small,
      ["compare", "--policies", "vllm-m", "--quiet"] + Self.small, ["policies"], ["models"], ["hardware"],
      ["engines"],
    ]
    for command in commands {
      let outcome = try Program.run(command, in: folder, output: "/dev/full")
      #expect(outcome.status == 1 && outcome.errors.hasPrefix("error: stdout: cannot be written"))
      #expect(outcome.errors.split(separator: "\n").count == 1)
    }
  }

  @Test(arguments: ["soft", "hard"])
  func `an output that is the trace by a link is refused and the trace is left as it is`(link: String) throws
  {
    defer { cleanUp() }
    let (trace, other) = (folder + "/t.csv", folder + "/other.csv")
    let before = try String(contentsOfFile: trace, encoding: .utf8)
    if link == "soft" {
      try FileManager.default.createSymbolicLink(atPath: other, withDestinationPath: "t.csv")
    } else {
      try FileManager.default.linkItem(atPath: trace, toPath: other)
    }
    let outcome = try Program.run(
      ["compare", "--policies", "vllm-m", "--report", "other.csv"] + Self.small, in: folder)
    #expect(outcome.status == 64 && outcome.errors.contains("is the file of --trace"))
    #expect(try String(contentsOfFile: trace, encoding: .utf8) == before)
  }

  @Test func `a hardware file stands for a profile and is never written to`() throws {
    defer { cleanUp() }
    var spec = HardwareCatalog.a100Measured
    try HardwareFile(spec: spec).yaml.write(toFile: folder + "/same.yaml", atomically: true, encoding: .utf8)
    (spec.name, spec.unvalidated) = ("mine", ["its constants are made up"])
    spec.gemm.bytesPerSecond /= 2
    try HardwareFile(spec: spec).yaml.write(toFile: folder + "/mine.yaml", atomically: true, encoding: .utf8)
    func run(_ hardware: String) throws -> Program.Outcome {
      try Program.run(
        ["run", "--policy", "vllm-m", "--json", "--hardware", hardware] + Self.small, in: folder)
    }
    let (profile, same, mine) = (try run("a100-measured"), try run("same.yaml"), try run("mine.yaml"))
    #expect(profile.status == 0 && profile.output == same.output && profile.output != mine.output)
    #expect(mine.errors.contains("unvalidated: mine: its constants are made up"))
    #expect(try run("none.yaml").status == 66)
    #expect(try run("t.csv/x.yaml").status == 66)
    let outcome = try Program.run(
      ["run", "--policy", "vllm-m", "--hardware", "mine.yaml", "--db", "./mine.yaml"] + Self.small, in: folder
    )
    #expect(outcome.status == 64 && outcome.errors.contains("is the file of --hardware"))
  }

  @Test func `versions of program, manifest and database are printed`() throws {
    defer { cleanUp() }
    let outcome = try Program.run(["--version"])
    #expect(
      outcome.output.contains("manifest 2") && outcome.output.contains("schema \(ResultStore.schemaVersion)"))
  }

  @Test(arguments: [["--help"], ["run", "--help"], ["compare", "--help"], ["help", "run"]])
  func `help is printed and ends well`(arguments: [String]) throws {
    defer { cleanUp() }
    let outcome = try Program.run(arguments)
    #expect(outcome.status == 0 && outcome.errors.isEmpty && outcome.output.contains("USAGE"))
  }

  @Test(arguments: ["policies", "models", "hardware", "engines"])
  func `the catalogues are printed`(command: String) throws {
    defer { cleanUp() }
    let outcome = try Program.run([command])
    #expect(outcome.status == 0 && outcome.output.count > 100)
  }
}
