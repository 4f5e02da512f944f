import Foundation
import Results
import Testing

/// Load as the clients of benchmarks make it.
@Suite struct SendingTests {
  let folder: String

  init() throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let rows = (0..<60).map { "\(Double($0) / 10),\(100 + $0 * 37 % 900),\(20 + $0 * 13 % 90)\n" }
    try ("arrival_s,input_tokens,output_tokens\n" + rows.joined()).write(
      toFile: folder + "/t.csv", atomically: true, encoding: .utf8)
  }

  private func cleanUp() { try? FileManager.default.removeItem(atPath: folder) }

  private func words(_ text: String) -> [String] { text.split(separator: " ").map(String.init) }

  private func run(_ arguments: String) throws -> Program.Outcome {
    try Program.run(words("run --policy vllm-m --gpus-per-node 1 " + arguments), in: folder)
  }

  private func json(_ arguments: String) throws -> JSON {
    let outcome = try run(arguments + " --json")
    #expect(outcome.status == 0, "\(arguments): \(outcome.errors)")
    return try JSON(parsing: outcome.output)
  }

  private struct Row {
    var arrival, firstToken, ended: Int64
  }

  private func rows(_ name: String) throws -> [Row] {
    let lines = try String(contentsOfFile: folder + "/" + name, encoding: .utf8).split(separator: "\n")
    let head = lines[0].split(separator: ",").map(String.init)
    return try lines.dropFirst().map { line in
      let cells = line.split(separator: ",", omittingEmptySubsequences: false)
      func cell(_ name: String) throws -> Int64 {
        let place = try #require(head.firstIndex(of: name))
        return try #require(Int64(cells[place]))
      }
      return Row(
        arrival: try cell("arrival_ps"), firstToken: try cell("first_token_ps"), ended: try cell("ended_ps"))
    }
  }

  @Test(arguments: [
    ("--load 100:20@4/s,requests=60", "--load 100:20,requests=60 --request-rate 4"),
    ("--load 100:20@concurrency=8,requests=60", "--load 100:20,requests=60 --max-concurrency 8"),
    ("--load 100:20@inf,requests=60", "--load 100:20,requests=60 --request-rate inf"),
    ("--load 100:20@4/s,requests=60", "--trace load:100:20@4/s,requests=60"),
    ("--load 100:20@4/s,requests=60", "--load 100:20@4/s,requests=60 --concurrency 60"),
    ("--trace t.csv --at-once", "--trace t.csv --request-rate inf"),
    ("--trace t.csv", "--trace t.csv --repeat 1"),
    ("--trace t.csv --concurrency 4", "--trace t.csv --concurrency 4 --step-by-step"),
    ("--trace t.csv --concurrency 4", "--trace t.csv --concurrency 4 --request-rate inf"),
    ("--trace t.csv --at-once", "--trace t.csv --concurrency 60"),
    ("--trace t.csv --request-rate 3", "--trace t.csv --request-rate 3 --warmup 5 --cutoff 1s"),
  ])
  func `two ways of saying the same are the same run`(one: String, other: String) throws {
    defer { cleanUp() }
    #expect(try json(one)["fingerprint"] == json(other)["fingerprint"])
  }

  @Test(arguments: [
    "--concurrency 4", "--request-rate 3", "--request-rate 3 --burstiness 0.3",
    "--request-rate 3 --trace-seed 1",
    "--request-rate 3 --concurrency 2", "--request-rate 6 --rate-scale 2.5",
    "--ramp-up-strategy linear --ramp-up-start-rps 1 --ramp-up-end-rps 9",
    "--ramp-up-strategy exponential --ramp-up-start-rps 1 --ramp-up-end-rps 9", "--repeat 2", "--warmup 5",
    "--cutoff 5",
    "--warmup 2s",
  ])
  func `each is in the manifest, told, and gives the same bytes twice`(option: String) throws {
    defer { cleanUp() }
    let plain = try json("--trace t.csv")
    let changed = try json("--trace t.csv " + option)
    #expect(changed["run"]?["manifest"] != plain["run"]?["manifest"])
    #expect(
      option.hasPrefix("--warmup") || option.hasPrefix("--cutoff")
        || changed["fingerprint"] != plain["fingerprint"])
    let text = try run("--trace t.csv " + option)
    #expect(try run("--trace t.csv " + option).output == text.output)
    let told = ["at most", "requests/s", "sent 2 times", "latencies without"]
    #expect(told.contains { text.output.prefix(500).contains($0) }, "\(text.output.prefix(500))")
  }

  @Test
  func `with a concurrency so many are under way, the next as soon as one ends, in the order of the trace`()
    throws
  {
    defer { cleanUp() }
    _ = try json("--trace t.csv --concurrency 4 --requests-out r.csv")
    let rows = try rows("r.csv")
    #expect(rows.count == 60 && rows.prefix(4).allSatisfy { $0.arrival == 0 })
    let ends = Set(rows.map(\.ended))
    for (index, row) in rows.enumerated() {
      #expect(rows[..<index].count { $0.ended >= row.arrival } < 4)
      #expect(index < 4 || ends.contains(row.arrival - 1))
    }
  }

  @Test func `a rate with a limit sends each request at its time, but no earlier than a place is free`()
    throws
  {
    defer { cleanUp() }
    _ = try json("--trace t.csv --request-rate 6 --requests-out open.csv")
    _ = try json("--trace t.csv --request-rate 6 --concurrency 3 --requests-out limited.csv")
    let (open, limited) = (try rows("open.csv"), try rows("limited.csv"))
    let ends = Set(limited.map(\.ended))
    for (index, (own, sent)) in zip(open, limited).enumerated() {
      #expect(sent.arrival == own.arrival || sent.arrival > own.arrival && ends.contains(sent.arrival - 1))
      #expect(limited[..<index].count { $0.ended >= sent.arrival } < 3)
    }
    #expect(zip(open, limited).contains { $0.arrival != $1.arrival })
  }

  @Test
  func `latencies are of the requests between warm-up and cut-off, by number or by seconds, everywhere`()
    throws
  {
    defer { cleanUp() }
    let whole = try json("--trace t.csv --requests-out r.csv")
    let rows = try rows("r.csv")
    #expect(whole["latency_window"] == .null && whole["ttft_s"]?["count"] == 60)
    for (option, counted) in [
      ("--warmup 10 --cutoff 5", Array(rows[10..<55])),
      ("--warmup 2s", rows.filter { $0.arrival >= 2_000_000_000_000 }),
      ("--cutoff 0.5s", rows.filter { $0.arrival <= rows[59].arrival - 500_000_000_000 }),
    ] {
      let windowed = try json("--trace t.csv " + option)
      #expect(
        windowed["fingerprint"] == whole["fingerprint"] && windowed["makespan_s"] == whole["makespan_s"])
      for (key, value) in [
        ("ttft_s", { (row: Row) in row.firstToken - row.arrival }), ("e2e_s", { $0.ended - $0.arrival }),
      ] {
        let exact = counted.map(value).sorted().map { Double($0) * 1e-12 }
        let found = try #require(windowed[key])
        #expect(found["count"]?.integer == counted.count)
        let mean = exact.reduce(0, +) / Double(exact.count)
        let foundMean = try #require(found["mean"]?.number)
        #expect(abs(foundMean / mean - 1) < 1e-9)
        #expect(
          found["p50"]?.number == exact[(exact.count + 1) / 2 - 1] && found["max"]?.number == exact.last)
      }
    }
    let text = try run("--trace t.csv --warmup 10 --cutoff 2s --db w.db").output
    #expect(text.contains("\nLatency, without the first 10 requests and the last 2 s\n"))
    #expect(try run("--trace t.csv --warmup 10 --cutoff 2s --db w.db").output == text)
    let compare = try Program.run(
      words("compare --trace t.csv --gpus-per-node 2 --policies vllm-m,debtor-creditor --warmup 10"),
      in: folder)
    #expect(
      compare.output.contains("| latencies ") && compare.output.contains("without the first 10 requests"))
    _ = try Program.run(words("report --db w.db --out report"), in: folder)
    let report = try String(contentsOfFile: folder + "/report/report.md", encoding: .utf8)
    #expect(report.contains("latencies without the first 10 requests and the last 2 s"))
  }

  @Test func `repeated prompts are found by prefix caching from the second round on, and that is said`()
    throws
  {
    defer { cleanUp() }
    let load = "--load 200:5,requests=10 --concurrency 2 --repeat 4"
    let cached = try run(load + " --prefix-caching --json")
    #expect(
      cached.errors.contains("warning: --repeat 4 with --prefix-caching") && cached.errors.contains("decode"))
    let result = try JSON(parsing: cached.output)
    #expect(result["requests"]?["completed"] == 40 && result["prefix"]?["asked_tokens"] == 8000)
    // 12 blocks of 16 tokens of each prompt, in three rounds.
    #expect(result["prefix"]?["hit_tokens"]?.integer == 3 * 10 * 192)
    let plain = try run(load)
    #expect(plain.status == 0 && !plain.errors.contains("--repeat"))
    #expect(try json("--trace t.csv --limit 10 --repeat 3")["requests"]?["arrived"] == 30)
  }

  @Test func `a common trace is found where contenders of a limited load reject requests`() throws {
    defer { cleanUp() }
    try
      ("arrival_s,input_tokens,output_tokens\n"
      + (0..<30).map { "\($0),\($0 == 7 ? 9000 : 200),20\n" }.joined()).write(
        toFile: folder + "/big.csv", atomically: true, encoding: .utf8)
    let outcome = try Program.run(
      words(
        "compare --trace big.csv --gpus-per-node 4 --kv-blocks 300 --max-model-len 100000 --policies vllm-m,debtor-creditor --concurrency 3"
      ), in: folder)
    #expect(outcome.status == 0 && outcome.output.contains("## Common trace: the 29 requests"), "\(outcome)")
  }

  @Test func `a study takes loads as an axis, by the whole line`() throws {
    defer { cleanUp() }
    try """
    study: loads
    grids:
      - grid: main
        options: {gpus-per-node: 1, warmup: 10}
        axes: {load: ["100:20@4/s,requests=60", "100:20@concurrency=4,requests=60"]}
        contenders: [vllm-m]
        expect:
          - value(vllm-m, ttft_s.count) == 50
    """.write(toFile: folder + "/s.yaml", atomically: true, encoding: .utf8)
    let outcome = try Program.run(words("sweep s.yaml --db s.db"), in: folder)
    #expect(outcome.status == 0, "\(outcome)")
    #expect(outcome.output.contains("load=100:20@4/s,requests=60"))
    #expect(outcome.output.contains("Latencies are without the first 10 requests."))
  }

  @Test(arguments: [
    ("--load 100:20 --trace t.csv", 64, "either --trace or --load"), ("", 64, "either --trace or --load"),
    ("--load 100:20@4/s --request-rate 4", 64, "one of the two"),
    ("--load 100:20@concurrency=4 --concurrency 4", 64, "one of the two"),
    ("--trace t.csv --request-rate nan", 64, "request-rate"),
    ("--trace t.csv --request-rate=-1", 64, "request-rate"),
    ("--trace t.csv --burstiness 2", 64, "burstiness"),
    ("--trace t.csv --request-rate inf --burstiness 2", 64, "burstiness"),
    ("--trace t.csv --ramp-up-strategy linear --ramp-up-start-rps 1", 64, "together"),
    (
      "--trace t.csv --request-rate 1 --ramp-up-strategy linear --ramp-up-start-rps 1 --ramp-up-end-rps 2",
      64,
      "a ramp and a rate"
    ),
    ("--trace t.csv --concurrency 0", 64, "concurrency"),
    ("--trace t.csv --concurrency 2 --at-once", 64, "at-once"),
    ("--trace t.csv --concurrency 2 --closed-loop", 64, "closed-loop"),
    ("--trace t.csv --concurrency 2 --arrivals poisson:2", 64, "arrivals"),
    ("--trace t.csv --repeat 0", 64, "repeat"),
    ("--trace t.csv --repeat 1000000", 65, "repeat"), ("--trace t.csv --warmup 0", 64, "warmup"),
    ("--trace t.csv --cutoff 5m", 64, "cutoff"), ("--trace t.csv --warmup 30 --cutoff 30", 65, "of nothing"),
    ("--trace t.csv --request-rate 0.000001", 64, "100 days"),
  ])
  func `what cannot be meant is refused before anything runs`(arguments: String, status: Int32, says: String)
    throws
  {
    defer { cleanUp() }
    let outcome = try run(arguments)
    #expect(outcome.status == status && outcome.errors.contains(says), "\(outcome)")
  }

  @Test func `capacity takes a rate in one line, and refuses what has none`() throws {
    defer { cleanUp() }
    let command =
      "capacity --policy vllm-m --gpus-per-node 1 --slo-ttft 5 --scan 2 --from 0.5 --to 1 --precision 0.05 "
    let found = try Program.run(words(command + "--load 50:5@1/s --json"), in: folder)
    #expect(found.status == 0, "\(found.errors)")
    for refused in [
      "--load 50:5@concurrency=4", "--load 50:5@1/s --concurrency 4", "--load 50:5@1/s --warmup 4",
    ] {
      #expect(try Program.run(words(command + refused), in: folder).status == 64)
    }
  }

  @Test(arguments: [
    ("--concurrency 4", "--rate-scale 2", "with --concurrency"),
    ("--request-rate inf", "--rate-scale 2", "with --request-rate"),
    ("--request-rate 4", "--jitter 1", "as requests are not sent when the trace says"),
  ])
  func `what changes nothing is said`(base: String, option: String, reason: String) throws {
    defer { cleanUp() }
    let outcome = try run("--trace t.csv \(base) \(option)")
    #expect(
      outcome.errors.contains("\(option.split(separator: " ")[0]): without effect \(reason)"),
      "\(outcome.errors)")
    #expect(try json("--trace t.csv \(base)")["run"] == json("--trace t.csv \(base) \(option)")["run"])
  }
}
