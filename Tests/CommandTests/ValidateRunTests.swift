import Foundation
import Results
import Testing

/// Results of benchmark clients: one run of three requests, the last of which failed, as each client writes it.
@Suite struct ValidateRunTests {
  private static let vllm = """
    {"date": "20260921-131320", "backend": "openai", "model_id": "meta-llama/Llama-2-7b-hf", "num_prompts": 3,
     "request_rate": 2.0, "burstiness": 1.0, "max_concurrency": null, "duration": 1.0125, "completed": 2, "failed": 1,
     "total_input_tokens": 150, "total_output_tokens": 5, "request_throughput": 1.975, "output_throughput": 4.938,
     "input_lens": [100, 50, 80], "output_lens": [4, 1, 0], "ttfts": [0.1, 0.06, 0.0],
     "itls": [[0.02, 0.02, 0.03], [], []], "start_times": [353399.7, 353400.2, 353400.7],
     "errors": ["", "", "Internal Server Error"], "mean_ttft_ms": 80.0, "mean_tpot_ms": 23.333}
    """
  private static let guideLLM = """
    {"metadata": {"version": 2, "guidellm_version": "0.8.1"}, "benchmarks": [{"config": {"strategy": {"type_": "constant", "rate": 2.0},
      "backend": {"model": "meta-llama/Llama-2-7b-hf"}}, "metrics": {"request_totals": {"successful": 2, "errored": 1}},
      "requests": {"incomplete": [], "total": null, "errored": [{"request_start_time": 1790000001.0, "prompt_tokens": 80}],
       "successful": [
        {"request_start_time": 1790000000.5, "prompt_tokens": 50, "output_tokens": 1, "request_latency": 0.065,
         "time_to_first_token_ms": 60.0, "inter_token_latency_ms": null},
        {"request_start_time": 1790000000.0, "prompt_tokens": 100, "output_tokens": 4, "request_latency": 0.175,
         "time_to_first_token_ms": 100.0, "inter_token_latency_ms": 23.333333}]}}]}
    """
  private static let aiPerf = """
    {"metadata": {"request_start_ns": 1790000000500000000, "benchmark_phase": "profiling"}, "metrics": {"input_sequence_length": {"value": 50, "unit": "tokens"}, "time_to_first_token": {"value": 60.0, "unit": "ms"}, "request_latency": {"value": 60.0, "unit": "ms"}, "output_sequence_length": {"value": 1, "unit": "tokens"}}}
    {"metadata": {"request_start_ns": 1790000000000000000, "benchmark_phase": "profiling"}, "metrics": {"input_sequence_length": {"value": 100, "unit": "tokens"}, "time_to_first_token": {"value": 100.0, "unit": "ms"}, "request_latency": {"value": 170.0, "unit": "ms"}, "output_sequence_length": {"value": 4, "unit": "tokens"}, "inter_chunk_latency": {"value": [20.0, 20.0, 30.0], "unit": "ms"}}}
    {"metadata": {"request_start_ns": 1789999990000000000, "benchmark_phase": "warmup"}, "metrics": {"input_sequence_length": {"value": 9, "unit": "tokens"}}}
    {"metadata": {"request_start_ns": 1790000001000000000, "benchmark_phase": "profiling"}, "metrics": {"error_isl": {"value": 80, "unit": "tokens"}}, "error": {"code": 500}}

    """

  private func compared(_ text: String, _ arguments: [String] = []) throws -> [JSON] {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try text.write(toFile: folder + "/result.json", atomically: true, encoding: .utf8)
    let outcome = try Program.run(
      ["validate", "run", "result.json", "--hardware", "a100-measured", "--json", "out.json"] + arguments,
      in: folder)
    #expect(outcome.status == 0, "\(outcome.errors)")
    return try JSON(parsing: String(contentsOfFile: folder + "/out.json", encoding: .utf8)).elements ?? []
  }

  private func failure(_ text: String, _ arguments: [String] = ["--hardware", "a100-measured"]) throws -> (
    Int32, String
  ) {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try text.write(toFile: folder + "/result.json", atomically: true, encoding: .utf8)
    let outcome = try Program.run(["validate", "run", "result.json"] + arguments, in: folder)
    return (outcome.status, outcome.errors)
  }

  private func row(_ run: JSON, _ metric: String, _ statistic: String) -> JSON? {
    run["rows"]?.elements?.first { $0["metric"]?.string == metric && $0["statistic"]?.string == statistic }
  }

  @Test func `one run is the same in the files of three clients`() throws {
    var simulated: Set<JSON> = []
    for text in [Self.vllm, Self.guideLLM, Self.aiPerf] {
      let model = text == Self.aiPerf ? ["--model", "llama2-7b"] : []
      let run = try #require(try compared(text, model).first)
      func measured(_ metric: String, _ statistic: String) throws -> Double {
        try #require(row(run, metric, statistic)?["measured"]?.number)
      }
      #expect(abs(try measured("TTFT", "mean") - 0.08) < 1e-6)
      #expect(abs(try measured("TTFT", "p90") - 0.096) < 1e-6)
      #expect(abs(try measured("TPOT", "mean") - 0.07 / 3) < 1e-6)
      #expect(abs(try measured("E2E", "mean") - 0.115) < 1e-6)
      let notes = run["notes"]?.elements?.compactMap(\.string) ?? []
      #expect(notes.contains { $0.hasPrefix("1 ") && $0.contains("failed") }, "\(notes)")
      let rows = run["rows"]?.elements ?? []
      simulated.insert(
        .array(
          rows.filter { ["TTFT", "TPOT", "E2E"].contains($0["metric"]?.string) }.map {
            $0["simulated"] ?? .null
          }))
    }
    #expect(simulated.count == 1)
  }

  @Test func `without lists the means are compared, and what is not is named`() throws {
    let summary = Self.vllm.replacing(
      /"(input_lens|output_lens|ttfts|start_times|errors|itls)": \[.*?\](?=,\s*")/, with: "\"x\": 0"
    )
    .replacing("\"x\": 0, ", with: "").replacing(/"x": 0,\s*/, with: "")
    let run = try #require(try compared(summary).first)
    #expect(row(run, "TTFT", "mean")?["measured"]?.number == 0.08)
    #expect(row(run, "TTFT", "p90") == nil)
    #expect(run["not_compared"]?.elements?.contains { $0.string?.hasPrefix("percentiles") == true } == true)
    #expect(run["load"]?.string?.contains("2 a second") == true)
  }

  @Test func `two results on two lines are two runs, and a limit makes a closed loop`() throws {
    let line = Self.vllm.replacing("\n", with: " ")
    let limited = line.replacing("\"request_rate\": 2.0", with: "\"request_rate\": \"inf\"")
      .replacing("\"max_concurrency\": null", with: "\"max_concurrency\": 1")
    let runs = try compared(line + "\n" + limited + "\n")
    #expect(runs.count == 2)
    #expect(runs.last?["load"]?.string == "sent 1 at a time")
  }

  @Test(arguments: [
    ("{\"a\": 1}", "expected a result of vllm bench serve"), ("", "result.json:1"),
    ("[1, 2", "result.json:1"),
    (vllm.replacing("\"duration\": 1.0125", with: "\"duration\": 0"), "\"duration\" is 0"),
    (vllm.replacing("[4, 1, 0]", with: "[4, 1]"), "2 output_lens and 3 input_lens"),
    (vllm.replacing("[0.1, 0.06, 0.0]", with: "[100, 60, 0]"), "seconds beside milliseconds"),
    (vllm.replacing("[0.1, 0.06, 0.0]", with: "[0.1, -0.06, 0.0]"), "\"ttfts\""),
    (
      vllm.replacing("\"start_times\": [353399.7, 353400.2, 353400.7],", with: "")
        .replacing("\"burstiness\": 1.0", with: "\"burstiness\": 0.5"), "burstiness 0.5"
    ),
    (guideLLM.replacing("\"successful\": 2", with: "\"successful\": 20"), "holds 2 of 20 requests"),
    (vllm.replacing("[100, 50, 80]", with: "[100, 5000, 80]"), "is exceeds-context in the simulation"),
  ])
  func `what cannot be read or replayed is an error`(text: String, words: String) throws {
    let (status, errors) = try failure(text)
    #expect(status == 65, "\(errors)")
    #expect(errors.contains(words), "\(errors)")
  }

  @Test func `what ran must be said`() throws {
    #expect(try failure(Self.vllm, []).1.contains("--hardware"))
    #expect(try failure(Self.aiPerf).1.contains("--model"))
    let (status, errors) = try failure(Self.vllm, ["--hardware", "a100-measured", "--option", "trace=x"])
    #expect(status == 64 && errors.contains("expected name=value"))
  }
}
