import Runs
import Foundation
import Results
import Testing

@Suite struct TraceCommandTests {
  let folder: String

  init() throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    var mooncake = ""
    for index in 0..<120 {
      let prompt = 100 + index * 137 % 1_900
      let hashes = (0..<(prompt + 511) / 512).map { "\(index % 3 * 100 + $0)" }.joined(separator: ", ")
      mooncake += "{\"timestamp\": \(index / 4 * 1000), \"input_length\": \(prompt), \"output_length\": "
      mooncake += "\(10 + index % 50), \"hash_ids\": [\(hashes)]}\n"
    }
    try write(mooncake, "m.jsonl")
    try write(
      "requests: 200\nseed: 3\narrivals: {rate: 5}\nprompt: {kind: uniform, min: 50, max: 900}\noutput: 20\n",
      "g.yaml")
  }

  private func write(_ text: String, _ name: String) throws {
    try text.write(toFile: "\(folder)/\(name)", atomically: true, encoding: .utf8)
  }

  private func cleanUp() { try? FileManager.default.removeItem(atPath: folder) }

  private func program(_ arguments: String...) throws -> Program.Outcome {
    try Program.run(arguments, in: folder)
  }

  private func fingerprint(_ trace: String, _ more: [String] = []) throws -> JSON? {
    let run = [
      "run", "--trace", trace, "--policy", "debtor-creditor", "--gpus-per-node", "2", "--kv-blocks", "200",
    ]
    let outcome = try Program.run(run + ["--json", "--quiet"] + more, in: folder)
    #expect(outcome.status == 0, "\(outcome.errors)")
    return try JSON(parsing: outcome.output)["fingerprint"]
  }

  @Test func `converting and replaying gives the same fingerprint as reading directly`() throws {
    defer { cleanUp() }
    let direct = try fingerprint("m.jsonl")
    #expect(direct != nil)
    for format in [
      "plain", "plain-jsonl", "azure-2023", "azure-2024", "vidur", "burstgpt", "mooncake", "bailian",
    ] {
      let outcome = try program(
        "trace", "convert", "m.jsonl", "--to", format, "--out", "x", "--drop", "hashes")
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(try fingerprint("x") == direct, "\(format)")
    }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["gzip", "-k", folder + "/m.jsonl"]
    try process.run()
    process.waitUntilExit()
    #expect(try fingerprint("m.jsonl.gz") == direct)
    #expect(try fingerprint("m.jsonl", ["--rate-scale", "2"]) != direct)
    _ = try program(
      "trace", "convert", "m.jsonl", "--out", "y", "--drop", "hashes", "--rate-scale", "2", "--clip-total",
      "900")
    #expect(try fingerprint("y") == fingerprint("m.jsonl", ["--rate-scale", "2", "--clip-total", "900"]))
  }

  @Test func `a line of 1 GB is named, and is left out leniently, in a fifth of its size of memory`() throws {
    defer { cleanUp() }
    // The system refuses the process more than 200 MB, so that nothing of other tests counts. (`ru_maxrss` would: a new process
    // takes over that of its parent.)
    func check(_ trace: String, _ more: String = "") throws -> Program.Outcome {
      try Program.run(
        ["-c", "ulimit -d 200000; exec \"$0\" trace check --timing \(trace) \(more)", Program.path],
        in: folder,
        executable: "/bin/bash")
    }
    for (start, line) in [
      ("arrival_s,input_tokens,output_tokens\n0,1,1\n", 3),
      ("{\"arrival_s\": 0, \"input_tokens\": 1, \"output_tokens\": 1}\n", 2),
    ] {
      try write(start, "short")
      #expect(try check("short").status == 0)
      try write(start + "7", "long")
      // A hole: a billion bytes without a line end that take no room on the disk.
      let file = try #require(FileHandle(forUpdatingAtPath: folder + "/long"))
      try file.truncate(atOffset: 1_000_000_000)
      try file.close()
      let refused = try check("long")
      #expect(refused.status == 65 && refused.errors.contains("long:\(line):"), "\(refused.errors)")
      #expect(refused.errors.contains("a line of more than"), "\(refused.errors)")
      let lenient = try check("long", "--lenient --max-skipped 0.5")
      #expect(lenient.status == 0, "\(lenient.errors)")
    }
  }

  @Test func `inspect prints the agreed JSON`() throws {
    defer { cleanUp() }
    let json = try JSON(parsing: try program("trace", "inspect", "m.jsonl", "--json").output)
    #expect(json["rows"]?.integer == 120)
    for key in ["prompt", "output"] { #expect(json[key]?.keys == ["max", "mean", "p50", "p90", "p99"]) }
    for key in ["requests_per_s", "interarrival_cv", "index_of_dispersion"] {
      #expect(json[key]?.number != nil)
    }
    #expect(json["index_of_dispersion_by_window_s"]?.keys == ["1", "10", "60"])
    // Of each of three prefix chains only what no earlier prompt had is new.
    #expect(json["prefix_hit_rate"]?.number ?? 0 > 0.9)
    let text = try program("trace", "inspect", "m.jsonl").output
    #expect(text.contains("120 read + 0 skipped = 120 rows") && text.contains("index of dispersion"))
    #expect(text.contains("█") && text.contains("warning: arrivals are quantised"))
  }

  @Test func `generate, inspect, fit and generate again work together`() throws {
    defer { cleanUp() }
    #expect(try program("trace", "generate", "g.yaml", "--out", "t.csv").status == 0)
    let first = try String(contentsOfFile: folder + "/t.csv", encoding: .utf8)
    #expect(try program("trace", "generate", "g.yaml", "--out", "u.csv").status == 0)
    #expect(try String(contentsOfFile: folder + "/u.csv", encoding: .utf8) == first)
    let fit = try program("trace", "fit", "t.csv", "--out", "fit.yaml", "--json")
    #expect(try fit.status == 0 && JSON(parsing: fit.output)["holds"] != nil, "\(fit.errors)")
    #expect(try program("trace", "generate", "fit.yaml", "--out", "v.csv").status == 0)
    #expect(try program("trace", "check", "v.csv").output == "plain: 200 read + 0 skipped = 200 rows\n")
    #expect(
      try program("trace", "generate", "--paper", "8", "--requests", "20", "--out", "p.csv").status == 0)
  }

  @Test(arguments: [
    (["convert", "m.jsonl", "--out", "x"], 64, "--drop hashes"),
    (["convert", "m.jsonl", "--out", "x", "--to", "sharegpt", "--drop", "all"], 64, "to: found sharegpt"),
    (["convert", "m.jsonl", "--out", "m.jsonl", "--drop", "all"], 64, "is the file of PATH"),
    (["convert", "m.jsonl", "--out", "x", "--to", "plian"], 64, "did you mean plain?"),
    (["convert", "m.jsonl", "--out", "x", "--drop", "hash"], 64, "did you mean hashes?"),
    (["convert", "m.jsonl", "--out", "no/x", "--drop", "all"], 64, "no folder"),
    (["inspect", "none"], 66, "no such file"),
    (["inspect", "m.jsonl", "--format", "bailian"], 65, "m.jsonl:1"),
    (["inspect", "m.jsonl", "--format", "x"], 64, "format"), (["inspect", "g.yaml"], 65, "g.yaml:1"),
    (["inspect", "m.jsonl", "--jitter", "-1"], 64, "jitter"),
    (["inspect", "m.jsonl", "--arrivals", "poisson"], 64, "arrivals"),
    (["inspect", "m.jsonl", "--lenient", "--max-skipped", "2"], 64, "max-skipped"),
    (["generate", "m.jsonl", "--out", "x"], 65, "m.jsonl:"), (["generate", "--out", "x"], 64, "--paper"),
    (["generate", "--paper", "9", "--out", "x"], 64, "0 to 8"),
    (["generate", "none", "--out", "x"], 66, "no such"),
    (["generate", "g.yaml", "--out", "x", "--to", "lengths"], 64, "--drop times"),
    (["fit", "m.jsonl"], 64, "--out"),
  ])
  func `bad input ends with its code and a word on what is wrong, and leaves nothing`(
    arguments: [String], status: Int32, words: String
  ) throws {
    defer { cleanUp() }
    let outcome = try Program.run(["trace"] + arguments, in: folder)
    #expect(outcome.status == status && outcome.output.isEmpty, "\(arguments): \(outcome.status)")
    #expect(outcome.errors.contains(words), "\(outcome.errors)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == ["g.yaml", "m.jsonl"])
  }

  @Test func `a column that would be lost ends every command with code 65 and its name, and may be ignored`()
    throws
  {
    defer { cleanUp() }
    try write(
      "created_at,input_tokens,output_tokens,foo\n" + String(repeating: "7,10,5,1\n", count: 40), "c.csv")
    try write("study: s\noptions: {trace: c.csv}\ncontenders: [vllm-m, vllm-s]\n", "s.yaml")
    let commands = [
      ["run", "--trace", "c.csv", "--policy", "vllm-m"],
      ["compare", "--trace", "c.csv", "--policies", "vllm-m,vllm-s"],
      ["capacity", "--trace", "c.csv", "--policy", "vllm-m", "--slo-ttft", "1"],
      ["trace", "inspect", "c.csv"],
      ["trace", "check", "c.csv"], ["trace", "convert", "c.csv", "--to", "lengths", "--out", "x"],
      ["trace", "fit", "c.csv", "--json"], ["sweep", "s.yaml", "--db", "s.db"],
    ]
    for command in commands {
      let outcome = try Program.run(command, in: folder)
      #expect(outcome.status == 65 && outcome.output.isEmpty, "\(command): \(outcome.status)")
      #expect(outcome.errors.contains("column created_at"), "\(outcome.errors)")
      #expect(outcome.errors.contains("--ignore-columns created_at"), "\(outcome.errors)")
    }
    for command in commands where !["capacity", "sweep"].contains(command[0]) && command[1] != "fit" {
      let outcome = try Program.run(command + ["--ignore-columns", "created_at"], in: folder)
      #expect(outcome.status == 0, "\(command): \(outcome.errors)")
      if command[1] == "inspect" {
        #expect(outcome.output.contains("warning: c.csv: not read: foo"))
        continue
      }
      #expect(outcome.errors.components(separatedBy: "not read: foo").count == 2, "\(outcome.errors)")
      if command[0] == "run" || command[0] == "compare" {
        let atZero =
          "note: c.csv: all 40 requests arrive at 0, as there are no times; --arrivals gives them some"
        #expect(outcome.errors.components(separatedBy: atZero).count == 2, "\(outcome.errors)")
        let quiet = try Program.run(command + ["--ignore-columns", "created_at,foo", "--quiet"], in: folder)
        #expect(quiet.status == 0 && !quiet.errors.contains("note:"), "\(quiet.errors)")
      }
    }
    let study =
      "study: s\noptions: {trace: c.csv, ignore-columns: created_at}\ncontenders: [vllm-m, vllm-s]\n"
    try write(study, "s.yaml")
    let sweep = try program("sweep", "s.yaml", "--db", "s.db")
    #expect(
      sweep.status == 0 && sweep.errors.components(separatedBy: "not read: foo").count == 2, "\(sweep.errors)"
    )
    #expect(sweep.errors.contains("all 40 requests arrive at 0"))
  }

  @Test
  func `a unit of time that can hardly be ends with code 65, and is answered by a unit in all commands`()
    throws
  {
    defer { cleanUp() }
    let rows = (0..<40).map { "\(1_700_000_000_000 + 500 * $0),100,5\n" }.joined()
    try write("arrival_s,input_tokens,output_tokens\n" + rows, "ms.csv")
    let seconds = (0..<40).map { "\(Double($0) / 2),100,5\n" }.joined()
    try write("arrival_s,input_tokens,output_tokens\n" + seconds, "s.csv")
    let run = ["run", "--trace", "ms.csv", "--policy", "vllm-m"]
    let refused = try Program.run(run, in: folder)
    #expect(refused.status == 65 && refused.output.isEmpty)
    #expect(refused.errors.contains("2023-11-14T22:13:20Z in milliseconds"), "\(refused.errors)")
    let told = try fingerprint("ms.csv", ["--time-unit", "ms"])
    #expect(try told != nil && told == fingerprint("s.csv"))
    #expect(
      try program("run", "--trace", "ms.csv", "--policy", "vllm-m", "--time-unit", "minutes").status == 64)
    let text = try Program.run(run + ["--time-unit", "ms"], in: folder)
    #expect(text.output.contains("as recorded (seed 0), times: milliseconds"), "\(text.output)")
    #expect(
      try program("trace", "inspect", "ms.csv", "--time-unit", "ms").output.contains("times: milliseconds"))
    let json = try JSON(parsing: try program("trace", "inspect", "m.jsonl", "--json").output)
    #expect(json["times"] == "milliseconds" && json["unread_columns"] == [])

    try write("study: s\noptions: {trace: ms.csv, time-unit: ms}\ncontenders: [vllm-m, vllm-s]\n", "s.yaml")
    #expect(try program("sweep", "s.yaml", "--db", "s.db").status == 0)
    let capacity = [
      "capacity", "--trace", "ms.csv", "--policy", "vllm-m", "--slo-ttft", "1", "--fewest-nodes", "1",
    ]
    #expect(try Program.run(capacity, in: folder).status == 65)

    // What the program writes with an odd rate, it says how to read.
    try write("requests: 100\narrivals: {rate: 5000}\nprompt: 10\noutput: 2\n", "fast.yaml")
    let made = try program("trace", "generate", "fast.yaml", "--out", "fast.csv")
    #expect(made.status == 0 && made.errors.contains("--accept-times"), "\(made.errors)")
    #expect(try program("trace", "check", "fast.csv").status == 65)
    #expect(try program("trace", "check", "fast.csv", "--accept-times").status == 0)
    #expect(try program("run", "--trace", "fast.yaml", "--policy", "vllm-m").status == 0)
    #expect(try program("run", "--trace", "fast.yaml", "--policy", "vllm-m", "--time-unit", "s").status == 64)
  }

  @Test func `what changes the reading is in the manifest, and what does not is not`() throws {
    func manifest(_ more: [String]) throws -> JSON {
      let options = try RunOptions.parse(["--trace", "\(folder)/t.csv"] + more)
      return try Workload.load(options, seed: 0).manifest
    }
    defer { cleanUp() }
    try write("arrival_s,input_tokens,output_tokens,class\n0,10,5,a\n5,10,5,b\n", "t.csv")
    let plain = try manifest([])
    #expect(try manifest(["--accept-times"]) == plain && plain["reading"] == nil)
    #expect(try manifest(["--time-unit", "ms"])["reading"]?["time_unit"] == "ms")
    #expect(try manifest(["--ignore-columns", "class"])["reading"]?["ignore_columns"] == ["class"])
  }

  @Test func `skipped rows are printed, and too many end with code 65`() throws {
    defer { cleanUp() }
    var text = "arrival_s,input_tokens,output_tokens\n"
    for index in 0..<99 { text += "\(index),10,5\n" }
    try write(text + "99,10,0\n", "bad.csv")
    #expect(try program("trace", "check", "bad.csv").status == 65)
    let lenient = try program("trace", "check", "bad.csv", "--lenient")
    #expect(lenient.output == "plain: 99 read + 1 skipped (no-output 1) = 100 rows\n" && lenient.status == 0)
    let strict = try program("trace", "check", "bad.csv", "--lenient", "--max-skipped", "0.009")
    #expect(strict.status == 65 && strict.errors.contains("1 skipped (no-output 1) = 100 rows"))
    let run = try program("run", "--trace", "bad.csv", "--policy", "vllm-m", "--lenient", "--quiet")
    #expect(run.status == 0 && run.errors.contains("99 read + 1 skipped"))
    #expect(try program("run", "--trace", "bad.csv", "--policy", "vllm-m").status == 65)
  }

  @Test func `a trace without arrivals takes those that are asked for, in compare as well`() throws {
    defer { cleanUp() }
    try write("input_tokens,output_tokens\n" + (1...50).map { "\($0 * 10),5\n" }.joined(), "l.csv")
    let compare = [
      "compare", "--trace", "l.csv", "--policies", "vllm-m,vllm-s", "--gpus-per-node", "2", "--json",
    ]
    let together = try Program.run(compare, in: folder)
    let spread = try Program.run(compare + ["--arrivals", "poisson:2"], in: folder)
    #expect(together.status == 0 && spread.status == 0 && together.output != spread.output)
  }
}
