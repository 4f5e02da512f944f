import Runs
import Foundation
import Results
import Sim
import Storage
import Studies
import Testing

@Suite struct SweepCommandTests {
  let folder: String

  init() throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    var trace = "arrival_s,input_tokens,output_tokens\n"
    for index in 0..<60 {
      trace += "\(Double(index) / 10),\(100 + index * 37 % 900),\(20 + index * 13 % 100)\n"
    }
    trace += "6.5,9000,50\n"  // larger than an instance of 300 blocks
    try write("t.csv", trace)
    try write(
      "g.yaml",
      "requests: 40\narrivals: {rate: 5}\nprompt: {kind: uniform, min: 50, max: 900}\noutput: 40\n")
    try write("s.yaml", Self.study)
  }

  private static let study = """
    study: small
    seeds: 3
    options: {gpus-per-node: 4, kv-blocks: 300, max-num-seqs: 16, max-model-len: 100000}
    axes:
      trace: [t.csv, g.yaml]
      rate-scale: [1, 4]
      lending: [passive, proactive]
    contenders: [vllm-m, {label: stealing, policy: vllm-m, options: {steal: true}}, debtor-creditor]
    expect:
      - ratio(debtor-creditor, vllm-m, output_tokens_per_s) > 0.5
      - value(debtor-creditor, completed) == 61 where trace == t
      - common(vllm-m, rejected) == 0
    """

  private func write(_ name: String, _ text: String) throws {
    try text.write(toFile: folder + "/" + name, atomically: true, encoding: .utf8)
  }

  private func cleanUp() { try? FileManager.default.removeItem(atPath: folder) }

  private func sweep(_ arguments: String...) throws -> Program.Outcome {
    try Program.run(["sweep"] + arguments, in: folder)
  }

  /// All that a database says of its points and runs but ids and wall times.
  private func rows(_ name: String) throws -> [String] {
    let store = try ResultStore.open(folder + "/" + name)
    #expect(try store.integrity() == "ok")
    let runs = try store.runs().map { run in
      "\(run.manifest) \(run.kept) \(run.requests?.rejected ?? []) \(run.result.map { JSON($0).text } ?? "failed")"
    }
    let points = try store.sweeps().flatMap { sweep in
      try store.points(sweep: sweep.id).map { point in
        "\(sweep.name) \(point.key.grid) \(point.key.axes) \(point.key.label) \(point.key.seed) \(point.key.heat) "
          + "\(point.run?.manifestHash ?? "none") \(point.error ?? "")"
      }
    }
    return runs.sorted() + points.sorted()
  }

  @Test func `one thread and several give equal rows and equal bytes`() throws {
    defer { cleanUp() }
    let one = try sweep(
      "s.yaml", "--db", "one.db", "--jobs", "1", "--junit", "one.xml", "--summary", "one.md")
    let four = try sweep("s.yaml", "--db", "four.db", "--jobs", "4", "--junit", "four.xml")
    #expect(one.status == 0 && four.status == 0, "\(one.errors)")
    #expect(one.output == four.output && one.output.contains("| yes "))
    #expect(try String(contentsOfFile: folder + "/one.md", encoding: .utf8) == one.output)
    let rows = try rows("one.db")
    #expect(try rows == self.rows("four.db") && rows.count > 100)
    let xml = try ["one.xml", "four.xml"].map {
      try String(contentsOfFile: folder + "/" + $0, encoding: .utf8)
    }
    #expect(xml[0] == xml[1] && xml[0].contains("failures=\"0\""))
  }

  @Test func `killed in the middle and started again, nothing is lost and nothing else is there`() throws {
    defer { cleanUp() }
    #expect(try sweep("s.yaml", "--db", "whole.db").status == 0)
    for _ in 0..<4 {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: Program.path)
      process.arguments = ["sweep", "s.yaml", "--db", "cut.db", "--jobs", "2"]
      process.currentDirectoryURL = URL(fileURLWithPath: folder)
      process.standardOutput = FileHandle.nullDevice
      process.standardError = FileHandle.nullDevice
      try process.run()
      Thread.sleep(forTimeInterval: 0.06)
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
    }
    let kept = FileManager.default.fileExists(atPath: folder + "/cut.db") ? try rows("cut.db").count : 0
    let resumed = try sweep("s.yaml", "--db", "cut.db")
    #expect(resumed.status == 0, "\(resumed.errors)")
    #expect(try rows("cut.db") == rows("whole.db"), "\(kept) rows were there after the kills")
    let again = try sweep("s.yaml", "--db", "cut.db")
    #expect(again.errors.contains("note: 0 runs made") && again.output == resumed.output)
  }

  @Test func `merged shards are the database of one machine, and merging again adds nothing`() throws {
    defer { cleanUp() }
    let whole = try sweep("s.yaml", "--db", "whole.db")
    let names = (1...5).map { "shard-\($0).db" }
    for (index, name) in names.enumerated() {
      let outcome = try sweep("s.yaml", "--shard", "\(index + 1)/5", "--db", name)
      #expect(outcome.status == 0 && outcome.output.isEmpty, "\(outcome.errors)")
    }
    func merge(_ shards: [String]) throws -> Program.Outcome {
      try Program.run(["merge", "out.db"] + shards, in: folder)
    }
    let part = try merge([names[3]])
    #expect(part.status == 1 && part.errors.contains("is missing"), "\(part.errors)")
    for added in [true, false] {
      let merged = try merge(names.reversed())
      #expect(merged.status == 0 && merged.output == whole.output, "\(merged.errors)")
      #expect(merged.errors.contains("note: 0 runs and 0 points") != added, "\(merged.errors)")
      #expect(try rows("out.db") == rows("whole.db"))
    }
    #expect(try sweep("s.yaml", "--db", "out.db").errors.contains("note: 0 runs made"))
  }

  @Test func `shards of another study, schema or kind are refused and nothing is made`() throws {
    defer { cleanUp() }
    #expect(try sweep("s.yaml", "--shard", "1/2", "--db", "a.db").status == 0)
    try write("s.yaml", Self.study.replacingOccurrences(of: "> 0.5", with: "> 0.4"))
    #expect(try sweep("s.yaml", "--shard", "2/2", "--db", "b.db").status == 0)
    try write("s.yaml", Self.study.replacingOccurrences(of: "study: small", with: "study: other"))
    #expect(try sweep("s.yaml", "--shard", "2/2", "--db", "c.db").status == 0)
    for (shards, status, words) in [
      (["a.db", "b.db"], Int32(65), "b.db: found the study small with another text, expected that of a.db"),
      (["a.db", "c.db"], 65, "c.db: found the study other, expected small as in a.db"),
      (["a.db", "t.csv"], 65, "not a SQLite database"), (["a.db", "none.db"], 66, "no such database"),
      (["a.db", "out.db"], 64, "is the file of"),
    ] {
      let outcome = try Program.run(["merge", "out.db"] + shards, in: folder)
      #expect(outcome.status == status && outcome.errors.contains(words), "\(outcome.errors)")
      #expect(!FileManager.default.fileExists(atPath: folder + "/out.db"))
    }
    for bad in ["0/2", "3/2", "1", "1/0", "a/b"] {
      #expect(try sweep("s.yaml", "--shard", bad, "--db", "d.db").status == 64)
    }
  }

  @Test func `names full of quotes, tags, lines and commands stay names`() throws {
    defer { cleanUp() }
    let name = #"t'"; DROP TABLE run; --<script>alert(1)<_script>|`touch x`$(touch y)&amp;.csv"#
    try FileManager.default.copyItem(atPath: folder + "/t.csv", toPath: folder + "/" + name)
    let quoted = JSON.string(name).text
    try write(
      "s.yaml",
      """
      study: hostile
      question: "<img src=x onerror=alert(1)> | `touch x`"
      rows: all
      options: {gpus-per-node: 2, kv-blocks: 300}
      axes: {trace: [\(quoted)], rate-scale: [1, 2]}
      contenders: [vllm-m, {label: "'\\";<script>alert(1)</script>|`touch x`\\n@0@", policy: debtor-creditor}]
      expect: ["value(vllm-m, completed) == 60"]
      """)
    let outcome = try sweep("s.yaml", "--db", "a.db", "--junit", "a.xml")
    #expect(outcome.status == 0, "\(outcome.errors)")
    let run = ["run", "--policy", "debtor-creditor", "--trace", name, "--quiet", "--timeline", "t.json"]
    #expect(try Program.run(run, in: folder).status == 0)
    _ = try JSON(parsing: String(contentsOfFile: folder + "/t.json", encoding: .utf8))
    var texts = [outcome.output, try String(contentsOfFile: folder + "/a.xml", encoding: .utf8)]
    let report = try Program.run(["report", "--db", "a.db", "--out", "report"], in: folder)
    if report.status == 0 {
      for file in ["report.html", "report.md"] {
        texts.append(try String(contentsOfFile: folder + "/report/" + file, encoding: .utf8))
      }
    } else {
      #expect(report.errors.contains("apt-get install"), "\(report.errors)")
    }
    for text in texts {
      for tag in ["<script>alert", "<img src=x"] {
        #expect(!text.replacing("\\" + tag, with: "").contains(tag), "\(text)")
      }
    }
    for made in ["x", "y"] { #expect(!FileManager.default.fileExists(atPath: folder + "/" + made)) }
    // Two contenders at two rates, and again where they share a common trace.
    #expect(try ResultStore.open(folder + "/a.db").runs().count >= 4)
  }

  @Test(arguments: [
    (
      "axes: {limit: [1, 2, 3, 4, 5, 6, 7, 8], tp: [1, 2, 3, 4, 5, 6, 7, 8], pp: [1, 2, 3, 4, 5, 6, 7, 8], "
        + "nodes: [1, 2, 3, 4, 5, 6, 7, 8], kv-blocks: [1, 2, 3, 4, 5, 6, 7, 8]}\nseeds: 100\ncontenders: [vllm-m]",
      65, "s.yaml:2:7: found a grid of 3276800 points, expected at most 50000"
    ),
    ("rowz: all\ncontenders: [vllm-m]", 65, "s.yaml:2:1: found an unknown key \"rowz\""),
    ("options: {trace: none.csv}\ncontenders: [vllm-m]", 66, "none.csv: no such file"),
    ("options: {trace: t.csv, tp: 3}\ncontenders: [vllm-m]", 65, "s.yaml:2:29: vllm-m in main: TP 3"),
    ("options: {trace: t.csv, limit: x}\ncontenders: [vllm-m]", 65, "s.yaml:2:32: vllm-m in main: The value"),
    ("options: {trace: t.csv, seed: 3}\ncontenders: [vllm-m]", 65, "unknown option \"seed\""),
    ("contenders: [vllm-m]", 65, "no option trace"),
    (
      "options: {trace: t.csv}\ncontenders: [vllm-m, {label: b, policy: vllm-m, options: {limit: 3}}]", 65,
      "other requests"
    ),
  ])
  func `a wrong study ends with its code and place before anything runs`(
    text: String, status: Int32, words: String
  ) throws {
    defer { cleanUp() }
    try write("s.yaml", "study: s\n" + text)
    let outcome = try sweep("s.yaml", "--db", "new.db", "--junit", "new.xml")
    #expect(outcome.status == status && outcome.output.isEmpty, "\(outcome.errors)")
    #expect(outcome.errors.contains(words), "\(outcome.errors)")
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == ["g.yaml", "s.yaml", "t.csv"])
  }

  @Test func `an expectation that does not hold, has no ratio or selects nothing fails the sweep`() throws {
    defer { cleanUp() }
    try write(
      "s.yaml",
      Self.study + """

          - ratio(vllm-m, debtor-creditor, output_tokens_per_s) > 100 where rate-scale == 1
          - value(vllm-m, completed) > 0 where rate-scale == 9
        """)
    let outcome = try sweep("s.yaml", "--db", "a.db", "--junit", "a.xml")
    #expect(outcome.status == 1 && outcome.output.contains("**no**"))
    #expect(outcome.errors.contains("expected > 100.0") && outcome.errors.contains("selects no cell"))
    let xml = try String(contentsOfFile: folder + "/a.xml", encoding: .utf8)
    #expect(xml.contains("failures=\"5\"") && xml.contains("selects no cell"))
    try write("s.yaml", Self.study.replacingOccurrences(of: "seeds: 3", with: "seeds: 3\non-reject: raw"))
    let raw = try sweep("s.yaml", "--db", "a.db")
    #expect(raw.status == 1 && raw.errors.contains("did not complete the same requests"))
  }

  @Test func `a run that cannot be finished is a row with its error, and the others are kept`() throws {
    defer { cleanUp() }
    try write("long.csv", "arrival_s,input_tokens,output_tokens\n0,10,100000000\n")
    try write(
      "s.yaml",
      """
      study: s
      options: {gpus-per-node: 1, kv-blocks: 10000000, max-model-len: 1000000000}
      axes: {trace: [t.csv, long.csv]}
      contenders: [vllm-m]
      """)
    for _ in 0..<2 {
      let outcome = try sweep("s.yaml", "--db", "a.db", "--junit", "a.xml")
      #expect(outcome.status == 1 && outcome.errors.contains("1 points failed"), "\(outcome.errors)")
    }
    let store = try ResultStore.open(folder + "/a.db")
    let points = try store.points(sweep: store.sweeps()[0].id)
    #expect(points.map { $0.error?.contains("106 days") } == [true, nil])
    #expect(try store.runs().count == 1)
    let xml = try String(contentsOfFile: folder + "/a.xml", encoding: .utf8)
    #expect(xml.contains("106 days"))
  }

  @Test func `what is kept of a run is what the study says, and a run with too little is made again`() throws
  {
    defer { cleanUp() }
    let plain = "study: s\noptions: {trace: t.csv, kv-blocks: 300}\ncontenders: [debtor-creditor]\n"
    func counts() throws -> [Int] {
      let store = try ResultStore.open(folder + "/a.db")
      return try store.runs().map { try store.requests(run: $0.id).count }
    }
    for (rows, expected) in [
      ("summary", [0]), ("requests", [0, 61]), ("summary", [0, 61]), ("all", [0, 61, 61]),
    ] {
      try write("s.yaml", plain + "rows: \(rows)\n")
      #expect(try sweep("s.yaml", "--db", "a.db").status == 0)
      #expect(try counts() == expected)
    }
    let run = [
      "run", "--policy", "debtor-creditor", "--trace", "t.csv", "--kv-blocks", "300", "--db", "a.db",
    ]
    #expect(try Program.run(run, in: folder).errors.contains("shown from run 3"))
  }

  @Test func `the results of a database are those that the sweep had`() throws {
    defer { cleanUp() }
    _ = try sweep("s.yaml", "--db", "a.db")
    let store = try ResultStore.open(folder + "/a.db")
    let results = try StudyResults(store.sweeps()[0], in: store)
    #expect(results.checkAll().count == 8 + 4 + 8 && results.checkAll().allSatisfy(\.holds))
  }

  @Test func `no output of a sweep may be one of the files that its study reads`() throws {
    defer { cleanUp() }
    for (option, file) in [
      ("--summary", "t.csv"), ("--junit", "g.yaml"), ("--db", "s.yaml"), ("--db", "t.csv"),
    ] {
      let before = try String(contentsOfFile: folder + "/" + file, encoding: .utf8)
      let outcome = try Program.run(
        ["sweep", "s.yaml", option, file] + (option == "--db" ? [] : ["--db", "a.db"]), in: folder)
      #expect(outcome.status == 64 && outcome.errors.contains("is the file of"), "\(outcome.errors)")
      #expect(try String(contentsOfFile: folder + "/" + file, encoding: .utf8) == before)
    }
  }

  @Test func `redraws that would tear sessions apart are refused, generated ones are not`() throws {
    defer { cleanUp() }
    try write(
      "c.csv", "arrival_s,input_tokens,output_tokens,session,turn,think_s\n0,10,5,1,1,\n9,30,5,1,2,1\n")
    try write(
      "c.yaml",
      "requests: 9\narrivals: {process: closed-loop, users: 3, think_s: 1}\nprompt: 50\noutput: 40\n")
    for (trace, status) in [("c.csv", Int32(65)), ("c.yaml", 0)] {
      try write(
        "s.yaml",
        "study: s\nseeds: 2\noptions: {trace: \(trace), closed-loop: true}\ncontenders: [vllm-m]\n")
      let outcome = try sweep("s.yaml", "--db", "a.db")
      #expect(outcome.status == status, "\(outcome.errors)")
    }
  }

  @Test func `a dry run lists the points and writes nothing`() throws {
    defer { cleanUp() }
    let outcome = try sweep("s.yaml", "--dry-run")
    #expect(outcome.status == 0 && outcome.output.contains("72 points, 48 runs"), "\(outcome.output)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder).count == 3)
  }

  @Test func `a changed constant moves points and diff names it; the same study again is the same`() throws {
    defer { cleanUp() }
    _ = try sweep("s.yaml", "--db", "a.db")
    let same = try Program.run(["diff", "a.db", "a.db"], in: folder)
    #expect(same.status == 0 && same.output.contains("0 moved"))
    try write(
      "s.yaml",
      Self.study.replacingOccurrences(
        of: "kv-blocks: 300", with: "kv-blocks: 80, engine-profile: vllm-2023-eager"))
    _ = try sweep("s.yaml", "--db", "b.db")
    let moved = try Program.run(["diff", "a.db", "b.db", "--where", "trace == g"], in: folder)
    #expect(moved.status == 1 && moved.errors.contains("moved beyond their spread"))
    #expect(moved.output.contains("- option cluster.kv_blocks: 300 → 80"), "\(moved.output)")
    #expect(moved.output.contains("- cost constant engine_profile.host.single: 620 → 4883"))
    #expect(!moved.output.contains("trace=t,"))
    #expect(try Program.run(["diff", "a.db", "none.db"], in: folder).status == 66)
  }

  @Test func `a generated trace is the file that trace generate writes`() throws {
    defer { cleanUp() }
    _ = try Program.run(["trace", "generate", "g.yaml", "--out", "g.csv"], in: folder)
    _ = try Program.run(
      ["trace", "generate", "--paper", "3", "--requests", "50", "--out", "p.csv"], in: folder)
    func fingerprint(_ arguments: String...) throws -> JSON? {
      let run = try Program.run(
        ["run", "--policy", "debtor-creditor", "--json", "--trace"] + arguments, in: folder)
      return try JSON(parsing: run.output)["fingerprint"]
    }
    #expect(try fingerprint("g.yaml") == fingerprint("g.csv"))
    #expect(try fingerprint("paper:3,requests=50") == fingerprint("p.csv"))
    let changed = ["--limit", "20", "--rate-scale", "3", "--clip-total", "400"]
    #expect(
      try fingerprint("g.yaml", changed[0], changed[1], changed[2], changed[3], changed[4], changed[5])
        == fingerprint("g.csv", changed[0], changed[1], changed[2], changed[3], changed[4], changed[5]))
    #expect(try fingerprint("g.yaml", "--seed", "1") != fingerprint("g.yaml"))
    #expect(try fingerprint("g.yaml", "--at-once") != fingerprint("g.yaml"))
    for bad in ["paper:9", "paper:x", "paper:1,rate=a", "paper:1,colour=3", "paper:1,requests=0.5"] {
      let run = try Program.run(["run", "--policy", "vllm-m", "--trace", bad], in: folder)
      #expect(run.status == 64 && run.output.isEmpty, "\(bad): \(run.errors)")
    }
  }

  @Test func `capacity brackets a rate, says where there is none, and does not depend on threads`() throws {
    defer { cleanUp() }
    try writeLong("long.csv", 3_000)
    let base = [
      "capacity", "--policy", "vllm-m", "--nodes", "1", "--gpus-per-node", "1", "--trace", "long.csv",
      "--quiet",
      "--scan", "2", "--precision", "0.05",
    ]
    func capacity(_ arguments: String...) throws -> Program.Outcome {
      try Program.run(base + arguments, in: folder)
    }
    let one = try capacity("--slo-tpot", "0.05", "--jobs", "1", "--gpu-hour-price", "2")
    let two = try capacity("--slo-tpot", "0.05", "--jobs", "2", "--gpu-hour-price", "2")
    #expect(one.status == 0 && one.output == two.output, "\(one.errors)")
    for text in ["Capacity: ", "In the steady state there: ", "per million output tokens"] {
      #expect(one.output.contains(text), "\(one.output)")
    }
    #expect(try capacity("--slo-ttft", "1e-6").output.contains("Not sustained even at the lowest rate"))
    #expect(
      try capacity("--slo-normalised", "1e6", "--to", "0.2").output.contains("at the highest rate tried"))
    let cut = try capacity("--slo-ttft", "60", "--max-model-len", "1010").output
    #expect(cut.contains("Not sustained even at") && cut.contains("outputs cut at the context"), "\(cut)")
    let nodes = try capacity("--slo-ttft", "60", "--fewest-nodes", "2")
    #expect(nodes.output.contains("Fewest nodes: 1"), "\(nodes.output)")
    for bad in [["--seeds", "4", "--slo-ttft", "1"], [], ["--slo-ttft", "1", "--at-once"]] {
      #expect(try Program.run(base + bad, in: folder).status == 64)
    }
  }

  @Test func `a capacity from few requests is refused with the number it needs, or the trace is replayed`()
    throws
  {
    defer { cleanUp() }
    let rows = (0..<20).map { "\($0 / 2).\($0 % 2 * 5),100,10\n" }
    try write("twenty.csv", "arrival_s,input_tokens,output_tokens\n" + rows.joined())
    let base = [
      "capacity", "--policy", "vllm-m", "--nodes", "1", "--gpus-per-node", "1", "--slo-ttft", "5", "--to",
      "1",
      "--scan", "2", "--quiet", "--json",
    ]
    for trace in ["twenty.csv", "paper:1,requests=100"] {
      let refused = try Program.run(base + ["--trace", trace], in: folder)
      #expect(refused.status == 65 && refused.output.isEmpty, "\(refused.output)")
      #expect(refused.errors.contains("it needs 2,000"), "\(refused.errors)")
    }
    let loud = base.filter { $0 != "--quiet" } + ["--repeat-trace"]
    for (trace, isFew) in [("twenty.csv", true), ("paper:1,requests=20", false)] {
      let said = try Program.run(loud + ["--trace", trace, "--max-model-len", "1000000"], in: folder).errors
      #expect(
        said.contains("twenty.csv has 20 requests, and 100 replays repeat their pattern") == isFew, "\(said)")
    }
    let replayed = try Program.run(base + ["--trace", "twenty.csv", "--repeat-trace"], in: folder)
    let json = try JSON(parsing: replayed.output)
    #expect(replayed.status == 0 && (json["trace_replays"]?.integer ?? 0) >= 100, "\(replayed.errors)")
    let rate = try #require(json["steady_requests_per_s"]?.number)
    let half = try #require(json["steady_requests_per_s_half_width"]?.number)
    #expect(half <= 0.03 * rate && abs(rate / 2 - 1) < 0.05)
  }

  @Test func `an undecided capacity says how many requests would decide it`() throws {
    defer { cleanUp() }
    // A queue with Poisson arrivals just below what its one slot serves.
    func trace(_ name: String, _ requests: Int) throws {
      var (state, time) = (UInt64(5), 0.0)
      var rows = "arrival_s,input_tokens,output_tokens\n"
      for _ in 0..<requests {
        func draw() -> Double {
          state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
          return Double(state >> 11) / Double(1 << 53)
        }
        time -= log(1 - draw())
        rows += "\(time),\(100 + Int(draw() * 2_900)),\(20 + Int(draw() * 380))\n"
      }
      try write(name, rows)
    }
    func answer(_ name: String, _ more: String...) throws -> String {
      try Program.run(
        [
          "capacity", "--policy", "vllm-m", "--gpus-per-node", "1", "--trace", name, "--slo-ttft", "1000",
          "--from",
          "0.5", "--to", "8", "--scan", "8", "--quiet",
        ] + more, in: folder
      ).output
    }
    try trace("short.csv", 2_500)
    let short = try answer("short.csv")
    let parts = short.split(separator: "A longer trace decides, of about ")
    #expect(parts.count == 2 && parts.last?.contains(" requests instead of 2,500;") == true, "\(short)")
    let needed = try #require(parts.last.flatMap { Int($0.prefix { $0 != " " }.replacing(",", with: "")) })
    #expect((2_501...100_000).contains(needed), "\(short)")
    // Nothing is replayed that need not be, and what is asked for is.
    #expect(try answer("short.csv", "--repeat-trace") == short)
    let longer = try answer("short.csv", "--repeat-trace", "--requests", "\(needed)")
    #expect(!longer.isEmpty && longer != short, "\(longer)")
  }

  @Test func `cost and rates of a capacity do not depend on how long the trace is`() throws {
    defer { cleanUp() }
    func cost(_ requests: Int) throws -> (tokens: Double, rate: Double) {
      try writeLong("long.csv", requests)
      let outcome = try Program.run(
        [
          "capacity", "--policy", "vllm-m", "--nodes", "1", "--gpus-per-node", "1", "--trace", "long.csv",
          "--slo-ttft", "60", "--from", "0.5", "--to", "1", "--scan", "2", "--gpu-hour-price", "2", "--quiet",
          "--json",
        ], in: folder)
      #expect(outcome.status == 0, "\(outcome.errors)")
      let json = try JSON(parsing: outcome.output)
      return (
        try #require(json["cost_per_million_tokens"]?.number),
        try #require(json["steady_requests_per_s"]?.number)
      )
    }
    let (short, long) = (try cost(3_000), try cost(9_000))
    #expect(
      abs(short.tokens / long.tokens - 1) < 0.02 && abs(short.rate / long.rate - 1) < 0.02, "\(short) \(long)"
    )
  }

  /// Two requests a second on a cluster that can do ten times as many.
  private func writeLong(_ name: String, _ requests: Int) throws {
    let rows = (0..<requests).map { "\(Double($0) / 2),\(100 + $0 * 37 % 900),\(20 + $0 * 13 % 40)\n" }
    try write(name, "arrival_s,input_tokens,output_tokens\n" + rows.joined())
  }
}

@Suite struct StudyOptionsTests {
  @Test func `studies know exactly the options that the help of run has`() throws {
    let help = try Program.run(["help", "run"]).output
    let all = Vocabulary.ofRuns.options.union(Vocabulary.ofRuns.flags)
    for name in all { #expect(help.contains("--\(name)"), "\(name)") }
    let listed = help.matches(of: #/\n  --([a-z-]+)/#).map { String($0.1) }
    let excluded: Set = [
      "policy", "requests-out", "bench-out", "option", "seed", "db", "force", "json", "timing",
      "step-by-step", "quiet",
      "version", "timeline",
    ]
    #expect(Set(listed).subtracting(excluded) == all)
  }
}
