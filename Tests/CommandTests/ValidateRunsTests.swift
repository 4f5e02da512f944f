import Foundation
import Results
import Sim
import Testing

/// Rows of our own, in the formats that others measure in.
@Suite struct ValidateRunsTests {
  private static let batches = """
    engine,engine_version,gpu,model,tensor_parallel,dtype,requests,input_tokens_per_request,output_tokens_per_request,duration_s,suspect,note
    vllm,0.5.4 to 0.6.1,A100-SXM4-40GB,meta-llama/Llama-2-7b-hf,1,float16,4,100,50,1.0,,"one, twice"
    vllm,0.5.4 to 0.6.1,A100-SXM4-40GB,meta-llama/Llama-2-7b-hf,1,float16,4,100,50,1.1,,
    tensorrt-llm,0.11.0,A100-SXM4-40GB,meta-llama/Llama-2-7b-hf,4,float16,64,2000,2000,100,,
    vllm,,A100,somebody/unknown-3b,1,float16,4,100,50,1.0,,
    vllm,,V100,meta-llama/Llama-2-7b-hf,1,float16,4,100,50,1.0,,
    vllm,,A100,meta-llama/Llama-2-7b-hf,1,int3,4,100,50,1.0,,
    vllm,,A100,meta-llama/Llama-2-7b-hf,1,float16,4,100,50,1.0,too fast,
    somebody,,A100,meta-llama/Llama-2-7b-hf,1,float16,4,100,50,1.0,,

    """
  private static let stages = """
    run,stage,engine,gpu,model,tensor_parallel,requested_rate_req_per_s,requests,failures,prompt_tokens_mean,output_tokens_asked,e2e_mean_ms,ttft_mean_ms
    a,0,vllm,A100-80GB,meta-llama/Llama-2-7b-hf,1,2,40,0,99.6,20,400,30
    a,1,vllm,A100-80GB,meta-llama/Llama-2-7b-hf,1,4,40,3,99.6,20,400,30
    a,summary,vllm,A100-80GB,meta-llama/Llama-2-7b-hf,1,,80,0,99.6,20,400,30
    b,0,vllm,A100-80GB,meta-llama/Llama-2-7b-hf,1,2,40,0,99.6,20,400,30

    """
  private static let workloads = """
    run,effective_distinct_prompts,effective_num_groups,effective_system_prompt_tokens
    a,10,2,32

    """
  private static let loops = """
    backend,backend_version,model_path,system,mode,isl,osl,concurrency_requests,tp_size,attention_dp_size,silicon_ttft_ms,silicon_tpot_ms
    vllm,0.12.0,meta-llama/Llama-2-7b-hf,a100_sxm,agg,200,40,4,1,1,40,12
    vllm,0.12.0,meta-llama/Llama-2-7b-hf,a100_sxm,agg,200,40,4,1,1,90000,13
    vllm,0.12.0,meta-llama/Llama-2-7b-hf,a100_sxm,agg,200,40,4,1,8,40,12
    vllm,0.12.0,meta-llama/Llama-2-7b-hf,a100_sxm,disagg,200,40,4,1,1,40,12
    vllm,0.12.0,meta-llama/Llama-2-7b-hf,a100_sxm,agg,200,40,,1,1,40,12

    """
  private static let bench = """
    {"date": "20240907-1", "backend": "vllm", "model_id": "meta-llama/Llama-2-7b-hf", "request_rate": "inf",
     "duration": 2.5, "input_lens": [100, 20, 300], "output_lens": [50, 0, 20]}
    """
  private static let files = [
    "batches.csv": batches, "stages.csv": stages, "stages_workloads.csv": workloads, "loops.csv": loops,
    "bench_a100_tp1.json": bench,
  ]

  private func inFolder(_ files: [String: String], _ body: (String) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    for (name, text) in files {
      try text.write(toFile: folder + "/" + name, atomically: true, encoding: .utf8)
    }
    try body(folder)
  }

  private func rows(_ folder: String, _ arguments: [String]) throws -> [JSON] {
    let outcome = try Program.run(["validate", "runs"] + arguments + ["--json", "rows.jsonl"], in: folder)
    #expect(outcome.status == 0, "\(outcome.errors)")
    return try String(contentsOfFile: folder + "/rows.jsonl", encoding: .utf8)
      .split(separator: "\n").map { try JSON(parsing: String($0)) }
  }

  @Test func `every row is scored or counted with its reason`() throws {
    try inFolder(Self.files) { folder in
      let outcome = try Program.run(
        [
          "validate", "runs", "batches.csv", "stages.csv", "loops.csv", "bench_a100_tp1.json", "--csv",
          "rows.csv",
        ],
        in: folder)
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(outcome.output.hasPrefix("18 rows, of which 7 were replayed."))
      for reason in [
        "no preset: somebody/unknown-3b", "no hardware profile of measured kernels: V100",
        "precision int3 is not simulated", "marked suspect by the file", "no engine profile: somebody",
        "an overload: requests failed", "a summary of stages that are rows themselves",
        "its run is not in a file of workloads, so that its prompts are not known", "data-parallel attention",
        "disagg: prefill and decode on GPUs of their own", "its concurrency is not known",
        "TTFT alone: 3 or more times that of a lone request, a queue",
      ] { #expect(outcome.output.contains("| \(reason)"), "\(reason)") }
      // Seven runs: E2E of three batches, E2E, TPOT and TTFT of a stage, TPOT of two loops and TTFT of one, a duration.
      let lines = try String(contentsOfFile: folder + "/rows.csv", encoding: .utf8).split(separator: "\n")
      #expect(lines.count == 1 + 3 + 3 + 3 + 1)
      // The two equal batches differ by a tenth.
      let noise = outcome.output.split(separator: "\n").first {
        $0.hasPrefix("| batches ") && $0.contains("| vllm") && $0.contains("4.8 %")
      }
      #expect(noise != nil)
    }
  }

  @Test func `what was measured plays no part in what is predicted`() throws {
    try inFolder(Self.files) { folder in
      let slow = Self.batches.replacing(",1.0,", with: ",7.0,").replacing(",100,,", with: ",900,,")
      try slow.write(toFile: folder + "/slow.csv", atomically: true, encoding: .utf8)
      let (before, after) = (try rows(folder, ["batches.csv"]), try rows(folder, ["slow.csv"]))
      #expect(before.map { $0["predicted_s"] } == after.map { $0["predicted_s"] })
      for row in before + after {
        let (predicted, measured) = (
          try #require(row["predicted_s"]?.number), try #require(row["measured_s"]?.number)
        )
        #expect(row["error"]?.number == predicted / measured - 1)
      }
    }
  }

  @Test func `a batch is predicted as a run of the same requests takes`() throws {
    try inFolder(Self.files) { folder in
      let row = try #require(
        try rows(folder, ["bench_a100_tp1.json", "--engine-profile", "vllm-recent"]).first)
      try "arrival_s,input_tokens,output_tokens\n0,100,50\n0,20,1\n0,300,20\n"
        .write(toFile: folder + "/trace.csv", atomically: true, encoding: .utf8)
      let run = try Program.run(
        [
          "run", "--trace", "trace.csv", "--policy", "vllm-m", "--gpus-per-node", "1", "--engine-profile",
          "vllm-recent",
          "--quiet", "--json",
        ], in: folder)
      let makespan = try JSON(parsing: run.output)["makespan_s"]?.number
      #expect(row["predicted_s"]?.number == makespan)
    }
  }

  @Test func `one profile may be asked for all rows`() throws {
    try inFolder(Self.files) { folder in
      let paths = ["batches.csv", "loops.csv"]
      let (chosen, bound) = (
        try rows(folder, paths), try rows(folder, paths + ["--engine-profile", "kernels-only"])
      )
      #expect(bound.allSatisfy { $0["profile"]?.string == "kernels-only" })
      #expect(bound.count == chosen.count)
    }
  }

  @Test(arguments: [
    (",1.0,,\"one, twice\"", ",fast,,", "batches.csv:2: duration_s is “fast”, expected a number above 0"),
    (",1.0,,\"one, twice\"", ",1.0,", "batches.csv:2: 11 cells, expected 12 as in the header"),
    (
      "\"one, twice\"", "\"one\" twice",
      "batches.csv:2: a quoted cell goes on after its quote, expected a comma"
    ),
    (
      ",4,100,50,1.1", ",4,0,50,1.1",
      "batches.csv:3: input_tokens_per_request is “0”, expected a whole number from 1"
    ),
    ("suspect,note", "suspect,engine", "batches.csv:1: column “engine” is there twice, expected once"),
    ("duration_s,", "seconds,", "batches.csv:1: without duration_s, which the format static-batch needs"),
  ])
  func `a bad cell is named with its line, and nothing is written`(
    found: String, bad: String, message: String
  ) throws {
    try inFolder(["batches.csv": Self.batches.replacing(found, with: bad)]) { folder in
      let outcome = try Program.run(["validate", "runs", "batches.csv", "--csv", "rows.csv"], in: folder)
      #expect(outcome.status == 65)
      #expect(outcome.errors.contains(message), "\(outcome.errors)")
      #expect(!FileManager.default.fileExists(atPath: folder + "/rows.csv"))
    }
  }

  @Test(arguments: [
    ("Qwen/Qwen2.5-7B-Instruct-AWQ", "int4", "qwen2.5-7b"), ("Qwen/Qwen3-8B-FP8", "fp8-block", "qwen3-8b"),
    ("RedHatAI/Meta-Llama-3.1-8B-Instruct-FP8", "fp8", "llama3.1-8b"),
    ("somebody/Llama-3.1-8B-Instruct-FP8", "fp8", "llama3.1-8b"),
    ("openai/gpt-oss-20b", "mxfp4", "gpt-oss-20b"),
    ("Llama-3-8B", "bf16", "llama3-8b"), ("Llama-3.2-3B-Instruct", "bf16", "llama3.2-3b"),
  ])
  func `what an engine computes in does not undo how a checkpoint is stored`(
    model: String, weights: String, preset: String
  ) throws {
    let batches =
      Self.batches.split(separator: "\n").prefix(2).joined(separator: "\n")
      .replacing("meta-llama/Llama-2-7b-hf", with: model).replacing("SXM4-40GB", with: "SXM4-80GB") + "\n"
    try inFolder(["batches.csv": batches]) { folder in
      let row = try #require(try rows(folder, ["batches.csv"]).first)
      #expect(row["weights"]?.string == weights && row["model"]?.string == preset, "\(row)")
    }
  }

  @Test func `files that nothing can be scored of end with 65`() throws {
    let header = Self.batches.prefix { $0 != "\n" } + "\n"
    let unknown = header + "somebody,,A100,meta-llama/Llama-2-7b-hf,1,float16,4,100,50,1.0,,\n"
    let many = Self.loops.replacing(",200,40,4,", with: ",200,40,1073741824,")
    let files = ["header.csv": String(header), "unknown.csv": String(unknown), "many.csv": many]
    try inFolder(files) { folder in
      try FileManager.default.createDirectory(atPath: folder + "/none", withIntermediateDirectories: true)
      for (arguments, words) in [
        (["runs", "header.csv"], "header.csv:1: a header and no rows"),
        (["runs", "unknown.csv"], "no row could be scored"),
        (["runs", "many.csv"], "many.csv:2: concurrency_requests is “1073741824”, expected"),
        (["costs", "--data", "none", "--quick"], "none: no file has a measurement"),
      ] {
        let outcome = try Program.run(["validate"] + arguments, in: folder)
        #expect(outcome.status == 65 && outcome.errors.contains(words), "\(outcome.errors)")
        #expect(!outcome.output.contains("Every target is met"))
      }
    }
  }

  @Test func `files and profiles that are not there are refused`() throws {
    try inFolder(Self.files) { folder in
      #expect(try Program.run(["validate", "runs", "none.csv"], in: folder).status == 66)
      let unknown = try Program.run(
        ["validate", "runs", "batches.csv", "--engine-profile", "none"], in: folder)
      #expect(unknown.status == 64)
      let itself = try Program.run(["validate", "runs", "batches.csv", "--csv", "batches.csv"], in: folder)
      #expect(itself.status == 64)
    }
  }

  @Test func `engines and versions name their profile`() {
    func name(_ engine: String, _ version: String, _ date: Int? = nil) -> String? {
      EngineReleases.release(of: engine, version: version, date: date)?.name
    }
    #expect(name("vllm", "0.2.7") == "vllm 0.2")
    #expect(name("vllm", "0.5.4 to 0.6.1") == "vllm 0.4")
    #expect(name("vLLM", "v0.18.0") == "vllm 0.14")
    #expect(name("vllm", "0.12.0") == "vllm 0.8")
    #expect(name("vllm", "0.1") == "vllm 0.2")
    #expect(name("vllm", "unknown", 2024_09_07) == "vllm 0.4")
    #expect(name("vllm", "") == "vllm 0.21")
    #expect(name("openai-chat", "0.6.1") == "vllm 0.4")
    #expect(name("trtllm", "1.0.0rc3") == "tensorrt-llm 1.0")
    #expect(name("trtllm", "gpt-oss-dev") == "tensorrt-llm 1.0")
    #expect(name("tensorrt-llm", "0.11.0") == "tensorrt-llm 0.0")
    #expect(name("somebody", "1.0") == nil)
  }
}
