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
