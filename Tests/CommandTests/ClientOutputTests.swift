import Foundation
import Output
import Results
import Runs
import Sim
import Testing

/// A run written as the results of clients, and those replayed.
@Suite struct ClientOutputTests {
  private let folder: String

  init() throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  private func cleanUp() { try? FileManager.default.removeItem(atPath: folder) }

  private func write(_ name: String, _ text: String) throws {
    try text.write(toFile: "\(folder)/\(name)", atomically: true, encoding: .utf8)
  }

  private func text(_ name: String) throws -> String {
    try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)
  }

  private func json(_ name: String) throws -> JSON { try JSON(parsing: text(name)) }

  private func numbers(_ json: JSON?) -> [Double] { json?.elements?.compactMap(\.number) ?? [] }

  // MARK: - What is written

  /// Three requests, each on an instance of its own, the second of one token, the third refused: times in ms.
  private static let byHand: ClientRun = {
    let log = ClientLog()
    func send(_ number: Int, at arrival: Int64, prompt: Int, output: Int, ttft: Int64?, gaps: [Int64] = []) {
      let (id, instance) = (RequestID(number), InstanceID(number))
      let start = SimTime(picoseconds: arrival * 1_000_000_000)
      func change(_ kind: RequestChange.Kind, _ time: SimTime) {
        log.changed(RequestChange(time: time, kind: kind, request: id, instance: instance, blocks: 0))
      }
      let first = ttft.map { start + .milliseconds($0) }
      var end = first ?? start
      if let first { change(.firstToken, first) }
      for gap in gaps {
        let begin = end
        end = end + .milliseconds(gap)
        log.worked(
          WorkRecord(
            instance: instance, start: begin, end: end, steps: 1, decoding: 1, prompts: 0, promptTokens: 0,
            usedBlocks: 0, hostedBlocks: 0))
      }
      change(first == nil ? .rejected : .completed, end)
      log.requestEnded(
        RequestRecord(
          id: id, arrival: start, prompt: prompt, output: output, generated: first == nil ? 0 : output,
          home: instance, admitted: first.map { _ in start }, firstToken: first, ended: end,
          outcome: first == nil ? .rejected(.exceedsContext) : .completed, preemptions: 0,
          borrowedBlocksPeak: 0))
    }
    send(2, at: 1_000, prompt: 8_000, output: 9, ttft: nil)
    send(0, at: 0, prompt: 100, output: 4, ttft: 100, gaps: [20, 20, 30])
    send(1, at: 500, prompt: 50, output: 1, ttft: 60)
    return ClientRun(model: "llama2-7b", about: ["program": "infinite-sim"], requests: log.requests)
  }()

  private func written(_ format: String) throws -> String {
    let output = try #require(ClientOutput(argument: "\(format)=\(folder)/file"))
    try OutputWriter.publish([output.write(Self.byHand, to: OutputFile(output.path, option: "--bench-out"))])
    return try text("file")
  }

  private func isNear(_ found: JSON?, _ expected: Double) -> Bool {
    found?.number.map { abs($0 - expected) <= 1e-12 * abs(expected) } ?? false
  }

  @Test func `vLLM's file has lists in seconds and summaries in milliseconds`() throws {
    defer { cleanUp() }
    let file = try JSON(parsing: written("vllm"))
    #expect(numbers(file["input_lens"]) == [100, 50, 8_000] && numbers(file["output_lens"]) == [4, 1, 0])
    #expect(numbers(file["ttfts"]).map { ($0 * 1e12).rounded() } == [1e11, 6e10, 0])
    let gaps = file["itls"]?.elements?.map { numbers($0).map { ($0 * 1e12).rounded() } }
    #expect(gaps == [[2e10, 2e10, 3e10], [], []])
    #expect(numbers(file["start_times"]) == [0, 0.5, 1])
    #expect(file["errors"]?.elements?.map(\.string) == ["", "", "rejected: exceeds-context"])
    #expect(file["completed"] == 2 && file["failed"] == 1 && file["total_output_tokens"] == 5)
    #expect(isNear(file["duration"], 1) && isNear(file["request_rate"], 3))
    #expect(isNear(file["mean_ttft_ms"], 80) && isNear(file["p90_ttft_ms"], 96))
    #expect(isNear(file["mean_tpot_ms"], 70 / 3) && isNear(file["mean_itl_ms"], 70 / 3))
    #expect(isNear(file["median_itl_ms"], 20) && isNear(file["std_ttft_ms"], 20))
    #expect(isNear(file["mean_e2el_ms"], 115) && isNear(file["output_throughput"], 5))
    #expect(file["max_concurrent_requests"] == 1 && file["max_output_tokens_per_s"] == 5)
  }

  @Test func `GuideLLM's file has its own definitions`() throws {
    defer { cleanUp() }
    let file = try JSON(parsing: written("guidellm"))
    #expect(file["metadata"]?["version"] == 2)
    let benchmark = try #require(file["benchmarks"]?.elements?.first)
    let metrics = try #require(benchmark["metrics"])
    #expect(metrics["request_totals"]?["successful"] == 2 && metrics["request_totals"]?["errored"] == 1)
    func mean(_ name: String) -> JSON? { metrics[name]?["successful"]?["mean"] }
    #expect(isNear(mean("time_to_first_token_ms"), 80) && isNear(mean("request_latency"), 0.115))
    // With the first token, by tokens.
    #expect(isNear(mean("time_per_output_token_ms"), 46) && isNear(mean("inter_token_latency_ms"), 70 / 3))
    #expect(isNear(mean("requests_per_second"), 2) && isNear(mean("output_tokens_per_second"), 5))
    let percentiles = metrics["time_to_first_token_ms"]?["successful"]?["percentiles"]
    #expect(isNear(percentiles?["p50"], 60) && isNear(percentiles?["p90"], 100))
    let requests = benchmark["requests"]?["successful"]?.elements ?? []
    #expect(requests.count == 2 && requests[1]["inter_token_latency_ms"] == .null)
    #expect(requests.first?["info"]?["timings"]?["token_iterations"] == 4)
    #expect(benchmark["requests"]?["errored"]?.elements?.first?["info"]?["status"] == "errored")
    #expect(benchmark["config"]?["strategy"]?["type_"] == "trace")
  }

  @Test func `AIPerf's records leave out what does not apply, and its summary counts good ones`() throws {
    defer { cleanUp() }
    let records = try written("aiperf").split(separator: "\n").map { try JSON(parsing: String($0)) }
    #expect(records.map { $0["metadata"]?["request_start_ns"] } == [0, 500_000_000, 1_000_000_000])
    let metrics = records.map { $0["metrics"] }
    #expect(isNear(metrics[0]?["inter_token_latency"]?["value"], 70 / 3))
    #expect(numbers(metrics[0]?["inter_chunk_latency"]?["value"]) == [20, 20, 30])
    #expect(metrics[1]?["inter_token_latency"] == nil && metrics[1]?["inter_chunk_latency"] == nil)
    #expect(metrics[2]?["error_isl"]?["value"] == 8_000 && records[2]["error"]?["type"] == "exceeds-context")
    let summary = try JSON(parsing: written("aiperf-summary"))
    #expect(isNear(summary["benchmark_duration"]?["avg"], 0.56))
    #expect(isNear(summary["request_throughput"]?["avg"], 2 / 0.56))
    #expect(isNear(summary["time_to_first_token"]?["p90"], 96))
    #expect(isNear(summary["inter_chunk_latency"]?["std"], (200.0 / 9).squareRoot()))
    #expect(summary["request_count"]?["avg"] == 2 && summary["error_request_count"]?["avg"] == 1)
  }

  // MARK: - When tokens appear

  @Test func `a gap is what one more token takes`() throws {
    defer { cleanUp() }
    func latencies(_ outputs: [Int]) throws -> JSON {
      // So far apart that each is alone.
      let rows = outputs.enumerated().map { "\($0 * 100),700,\($1)\n" }
      try write("t.csv", "arrival_s,input_tokens,output_tokens\n" + rows.joined())
      let run = try Program.run(
        [
          "run", "--trace", "t.csv", "--policy", "vllm-m", "--gpus-per-node", "1", "--quiet", "--bench-out",
          "vllm=v",
        ],
        in: folder)
      #expect(run.status == 0, "\(run.errors)")
      return try json("v")
    }
    let singly = numbers(try latencies(Array(1...40))["latencies"])
    let gaps = numbers(try latencies([40])["itls"]?.elements?.first)
    #expect(gaps.count == 39)
    for (index, gap) in gaps.enumerated() {
      #expect(abs(singly[index + 1] - singly[index] - gap) < 1e-12, "token \(index + 2)")
    }
  }

  private static let crowd =
    "arrival_s,input_tokens,output_tokens\n"
    + (0..<48).map { "\(Double($0) * 0.137),\(40 + $0 * 379 % 1500),\(1 + $0 * 53 % 190)\n" }.joined()

  @Test(arguments: [
    ["--policy", "debtor-creditor", "--kv-blocks", "120"],
    ["--policy", "debtor-creditor", "--kv-blocks", "120", "--engine-profile", "vllm"],
    ["--policy", "pooled", "--kv-blocks", "120"],
    ["--policy", "vllm-m", "--kv-blocks", "150", "--tp", "1", "--pp", "2"],
    ["--policy", "vllm-m", "--kv-blocks", "120", "--faults", "f.yaml"],
    ["--policy", "debtor-creditor", "--kv-blocks", "120", "--faults", "f.yaml"],
  ])
  func `all tokens of a request add up to its latency, whatever happened to it`(options: [String]) throws {
    defer { cleanUp() }
    try write("t.csv", Self.crowd)
    try write("f.yaml", "faults:\n  - {crash: 1, at-s: 2, for-s: 3}\n")
    let run = try Program.run(
      ["run", "--trace", "t.csv", "--gpus-per-node", "4", "--quiet", "--json", "--bench-out", "vllm=v"]
        + options,
      in: folder)
    try #require(run.status == 0, "\(run.errors)")
    let summary = try JSON(parsing: run.output)
    #expect((summary["requests"]?["preemptions"]?.integer ?? 0) > 0)
    let file = try json("v")
    let (ttfts, latencies) = (numbers(file["ttfts"]), numbers(file["latencies"]))
    let gaps = file["itls"]?.elements?.map(numbers) ?? []
    for index in gaps.indices {
      #expect(gaps[index].count == max(1, Int(numbers(file["output_lens"])[index])) - 1)
      #expect(abs(ttfts[index] + gaps[index].reduce(0, +) - latencies[index]) < 1e-11)
    }
  }

  // MARK: - There and back

  struct Load: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var trace = "t.csv"
    var run: [String] = []
    /// What `validate run` is told of it.
    var engine: [String] = []
    /// Rows that are compared: 4 metrics of 4 statistics and 3 of the run; GuideLLM has no ITL.
    var rows = (vllm: 19, guidellm: 15)
  }

  static let loads = [
    Load(testDescription: "at times"),
    Load(testDescription: "at times, prompts by themselves", engine: ["--engine-profile", "vllm"]),
    Load(testDescription: "all at once", run: ["--at-once"]),
    Load(testDescription: "three at a time", trace: "users.yaml", run: ["--closed-loop"]),
    Load(testDescription: "with preemptions", engine: ["--kv-blocks", "150"]),
    Load(testDescription: "with refused ones", engine: ["--max-model-len", "700"]),
    Load(
      testDescription: "two instances of two GPUs", run: ["--gpus-per-node", "4", "--tp", "2"],
      engine: ["--kv-blocks", "200"]),
    Load(testDescription: "one token each", trace: "one.csv", rows: (11, 11)),
  ]

  private func bench(_ load: Load) throws -> Program.Outcome {
    try write("t.csv", Self.crowd)
    try write(
      "one.csv",
      "arrival_s,input_tokens,output_tokens\n" + (0..<9).map { "0.\($0)7,\(100 + $0 * 200),1\n" }.joined())
    try write(
      "users.yaml",
      "requests: 30\narrivals: {process: closed-loop, users: 3, think_s: 0}\n"
        + "prompt: {kind: lognormal, median: 300, sigma: 0.8, max: 2000}\noutput: {kind: exponential, mean: 60, max: 300}\n"
    )
    return try Program.run(
      ["run", "--trace", load.trace, "--policy", "vllm-m", "--router", "round-robin", "--quiet"]
        + (load.run.contains("--tp") ? [] : ["--gpus-per-node", "1"]) + load.run + load.engine
        + ["vllm=v.json", "guidellm=g.json", "aiperf=a.jsonl", "aiperf-summary=s.json"].flatMap {
          ["--bench-out", $0]
        }, in: folder)
  }

  /// `--max-model-len 700` as `--option max-model-len=700`.
  private func replay(_ load: Load, _ files: [String]) throws -> Program.Outcome {
    var options = load.run.contains("--tp") ? ["--tp", "2", "--instances", "2"] : []
    for (name, value) in zip(load.engine, load.engine.dropFirst()) where name.hasPrefix("--") {
      options +=
        name == "--engine-profile" ? [name, value] : ["--option", "\(name.dropFirst(2))=\(value)"]
    }
    return try Program.run(
      ["validate", "run"] + files
        + ["--model", "llama2-7b", "--hardware", "a100-measured", "--json", "out.json"]
        + options, in: folder)
  }

  @Test(arguments: loads)
  func `a run that is written as a client's result is replayed without error`(load: Load) throws {
    defer { cleanUp() }
    let run = try bench(load)
    try #require(run.status == 0, "\(run.errors)")
    let replay = try replay(load, ["v.json", "g.json", "a.jsonl"])
    try #require(replay.status == 0, "\(replay.errors)")
    let found = try json("out.json").elements ?? []
    #expect(found.count == 3)
    for (run, rows) in zip(found, [load.rows.vllm, load.rows.guidellm, load.rows.vllm]) {
      let compared = run["rows"]?.elements ?? []
      #expect(compared.count == rows, "\(run.text)")
      for row in compared { #expect(abs(row["error"]?.number ?? 1) < 1e-12, "\(row.text)") }
    }
    if load.engine.contains("--max-model-len") {
      #expect((try json("v.json")["failed"]?.integer ?? 0) > 5)
      #expect(replay.output.contains("requests failed"))
    }
  }

  @Test func `of a run without an answer there is nothing to replay`() throws {
    defer { cleanUp() }
    let load = Load(testDescription: "", engine: ["--max-model-len", "32"])
    #expect(try bench(load).status == 0)
    for file in ["v.json", "g.json", "a.jsonl"] {
      let replay = try replay(load, [file])
      #expect(replay.status == 65 && replay.errors.contains("every request failed"), "\(replay.errors)")
    }
    #expect(try json("s.json")["request_count"]?["avg"] == 0)
  }

  @Test func `a run that is kept is written as well, and the file is the same`() throws {
    defer { cleanUp() }
    try write("t.csv", Self.crowd)
    let command = [
      "run", "--trace", "t.csv", "--policy", "vllm-m", "--gpus-per-node", "1", "--quiet", "--bench-out",
    ]
    let plain = try Program.run(command + ["vllm=plain"], in: folder)
    for _ in 0..<2 {
      let kept = try Program.run(command + ["vllm=kept", "--db", "runs.db"], in: folder)
      #expect(kept.status == 0 && kept.output == plain.output, "\(kept.errors)")
      #expect(try text("kept") == text("plain"))
    }
  }

  // MARK: - The figure

  @Test(.enabled(if: findProgram("gnuplot") != nil, "gnuplot is not installed"))
  func `distributions are drawn for each run`() throws {
    defer { cleanUp() }
    let load = Load(testDescription: "")
    #expect(try bench(load).status == 0)
    let drawn = try Program.run(
      ["validate", "run", "v.json", "g.json", "--hardware", "a100-measured", "--figure", "f.svg"], in: folder)
    #expect(drawn.status == 0, "\(drawn.errors)")
    let svg = try text("f.svg")
    for word in ["TTFT, v.json", "ITL, v.json", "E2E, g.json", "measured", "simulated", "share of gaps"] {
      #expect(svg.contains(word), "\(word)")
    }
    let summary = try Program.run(
      [
        "validate", "run", "s.json", "--model", "llama2-7b", "--hardware", "a100-measured", "--figure",
        "g.svg",
      ],
      in: folder)
    #expect(summary.status == 65, "\(summary.errors)")
    #expect(!FileManager.default.fileExists(atPath: folder + "/g.svg"))
  }

  @Test func `without gnuplot it is said, and nothing is written`() throws {
    defer { cleanUp() }
    #expect(try bench(Load(testDescription: "")).status == 0)
    let drawn = try Program.run(
      ["validate", "run", "v.json", "--hardware", "a100-measured", "--figure", "f.svg", "--json", "f.json"],
      in: folder, environment: ["PATH": folder])
    #expect(drawn.status == 1 && drawn.errors.contains("gnuplot is not installed"), "\(drawn.errors)")
    for file in ["f.svg", "f.json"] { #expect(!FileManager.default.fileExists(atPath: "\(folder)/\(file)")) }
  }
}
