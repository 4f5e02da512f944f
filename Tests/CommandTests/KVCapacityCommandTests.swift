import Formatting
import Foundation
import Results
import Runs
import Sim
import Testing
import Workbench

@Suite struct KVCapacityCommandTests {
  private func run(_ arguments: [String], log: String? = nil) throws -> Program.Outcome {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
      .path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    if let log { try log.write(toFile: folder + "/log.txt", atomically: true, encoding: .utf8) }
    let outcome = try Program.run(
      ["kv-capacity"] + arguments + (log == nil ? [] : ["--log", "log.txt"]), in: folder)
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder) == (log == nil ? [] : ["log.txt"])
    )
    return outcome
  }

  @Test func `the blocks are those that a run has, with their reasons`() throws {
    let outcome = try run([])
    #expect(outcome.status == 0 && outcome.errors.isEmpty)
    let plan = try RunPlan.make(
      policy: "vllm-m", options: try RunOptions.parse(["--trace", "t.csv"]), pairs: OptionPairs([]),
      scope: .itself)
    #expect(
      outcome.output.replacing(",", with: "").contains("\n\(plan.blocksPerInstance) blocks because"),
      "\(outcome.output)")
    for words in [
      "= KV cache per GPU",
      "2 × 32 KV heads × 128 × 2 bytes × 16 tokens",
      "account vllm-0.21",
      "requests of 4,096 (max-model-len)",
    ] {
      #expect(outcome.output.contains(words), "\(words): \(outcome.output)")
    }
    let large = try run(["--model", "openai/gpt-oss-120b", "--tp", "2", "--json"])
    let json = try JSON(parsing: large.output)
    #expect(json["model"]?.string == "gpt-oss-120b" && json["weights"]?.string == "mxfp4")
  }

  /// vLLM 0.6.4 on an RTX 3090 (vllm-project/vllm#10517), its lines shortened.
  @Test
  func `lines of V0 are read with their version and share, and the blocks to give are printed`()
    throws
  {
    let log = """
      INFO 11-21 01:00:00 llm_engine.py:249] Initializing an LLM engine (v0.6.4.post1) with config: model='x'
      INFO 11-21 01:00:00 model_runner.py:1077] Loading model weights took 14.9888 GB
      INFO 11-21 01:00:00 worker.py:232] Memory profiling results: total_gpu_memory=79.25GiB initial_memory_usage=15.34GiB \
      non_torch_memory=0.35GiB kv_cache_size=53.81GiB gpu_memory_utilization=0.90
      INFO 11-21 01:00:00 gpu_executor.py:113] # GPU blocks: 27550, # CPU blocks: 2048
      INFO 11-21 01:00:00 gpu_executor.py:117] Maximum concurrency for 20000 tokens per request: 22.04x
      """
    let outcome = try run(["--model", "llama3.1-8b"], log: log)
    #expect(outcome.status == 0, "\(outcome.errors)")
    for words in [
      "account vllm-0.6.4", "Weights: 14.96 GiB here, 14.99 GiB in the log", "--kv-blocks 27550",
      "requests of 20,000 (max-model-len)", "The log has 27,550 blocks (as printed, of 16 tokens)",
    ] {
      #expect(outcome.output.contains(words), "\(words): \(outcome.output)")
    }
    #expect(!outcome.output.contains("Doubt"), "\(outcome.output)")
  }

  @Test func `lines of V1 are read, ranks' lines as the fullest's`() throws {
    let log = """
      (EngineCore_DP0 pid=1) INFO 09-23 [core.py:77] Initializing a V1 LLM engine (v0.10.2) with config: model='x'
      (Worker_TP0) INFO 09-23 [gpu_worker.py:298] Available KV cache memory: 54.10 GiB
      (Worker_TP1) INFO 09-23 [gpu_worker.py:298] Available KV cache memory: 54.00 GiB
      (EngineCore_DP0 pid=1) INFO 09-23 [kv_cache_utils.py:864] GPU KV cache size: 442,368 tokens
      (EngineCore_DP0 pid=1) INFO 09-23 [kv_cache_utils.py:868] Maximum concurrency for 8,192 tokens per request: 54.00x
      INFO 09-23 [gpu_model_runner.py:3118] Graph capturing finished in 5 secs, took 0.67 GiB
      """
    let found = try StartUpLog(log, file: "log.txt")
    #expect(
      found.tokens == 442_368 && found.available == 54 && found.graphs == 0.67
        && found.version == "0.10.2")
    #expect(found.maxModelLen == 8_192 && found.concurrency == 54)
    let json = try JSON(parsing: try run(["--model", "llama3.1-8b", "--json"], log: log).output)
    #expect(json["log_blocks"]?.integer == 27_648 && json["account"]?.string == "vllm-0.8")
    #expect(json["doubts"]?.elements?.isEmpty == true)
  }

  @Test(arguments: [
    // Layers in groups: tokens that are no pool.
    ("gpt-oss-20b", 40.0, 1_500_000, "no pool", true),
    // Half the memory a token: an FP8 cache that was not told.
    ("llama3.1-8b", 54.0, 884_736, "× what the printed memory holds", false),
  ])
  func `a printed number that is not the pool is doubted`(
    model: String, memory: Double, tokens: Int, words: String, isAdvised: Bool
  ) throws {
    let log = "Available KV cache memory: \(memory) GiB\nGPU KV cache size: \(tokens) tokens\n"
    let outcome = try run(["--model", model], log: log)
    #expect(
      outcome.status == 0 && outcome.output.contains("Doubt: the printed tokens"),
      "\(outcome.output)")
    #expect(outcome.output.contains(words), "\(outcome.output)")
    let spec = try #require(ModelCatalog.named(model))
    let blocks = Int(memory * Double(1 << 30)) / (16 * spec.kvBytesPerToken)
    #expect(outcome.output.contains("The log has \(grouped(blocks)) blocks"), "\(outcome.output)")
    // Of a log that may be of another configuration the blocks are no advice.
    #expect(outcome.output.contains("--kv-blocks \(blocks)") == isAdvised, "\(outcome.output)")
    #expect(outcome.output.contains("No --kv-blocks is advised") != isAdvised, "\(outcome.output)")
  }

  @Test(arguments: [
    (["--model", "abacus"], 64, "--model"), (["--weights", "int3"], 64, "int3"),
    (["--kv-accounting", "0.0.1"], 64, "0.0.1"), (["--engine-version", "new"], 64, "new"),
    (["--gpu-memory-utilization", "0"], 64, "above 0"), (["--tp", "0"], 64, "--tp is 0"),
    (["--kv-accounting", "v1"], 64, "V1 is no version"),
    (["--engine-version", "0.6.x"], 64, "no version of vllm"),
    (["--model", "llama3.1-70b"], 64, "does not fit"), (["--log", "none.txt"], 66, "none.txt"),
  ])
  func `what cannot be is refused`(arguments: [String], status: Int32, words: String) throws {
    let outcome = try run(arguments)
    #expect(outcome.status != 0 && outcome.output.isEmpty, "\(arguments)")
    if status == 66 { #expect(outcome.status == status) }
    #expect(outcome.errors.contains(words), "\(outcome.errors)")
  }

  @Test func `a log without the lines is refused`() throws {
    for log in ["", "INFO ready\n"] {
      let outcome = try run([], log: log)
      #expect(outcome.status == 65 && outcome.output.isEmpty, "\(log)")
      #expect(outcome.errors.contains("log.txt: no line has"), "\(outcome.errors)")
    }
  }

  @Test(arguments: [
    ("# GPU blocks: 0, # CPU blocks: 512\n", "log.txt:1: 0 after"),
    ("\n# GPU blocks: -1, # CPU blocks: 512\n", "log.txt:2: -1"),
    ("Available KV cache memory: -3.25 GiB\n", "this engine did not start"),
    ("GPU KV cache size: many tokens\n", "log.txt:1: \"GPU KV cache size: \" is followed by “many”"),
    ("gpu_memory_utilization=5.0\n", "log.txt:1: gpu_memory_utilization is 5.0"),
  ])
  func `a bad value is named with its line`(log: String, words: String) throws {
    let outcome = try run([], log: log)
    #expect(outcome.status == 65 && outcome.output.isEmpty)
    #expect(outcome.errors.contains(words), "\(outcome.errors)")
  }

  @Test func `the engine of a log is that of its first line`() throws {
    func read(_ line: String) throws -> StartUpLog {
      try StartUpLog(line + "\n# GPU blocks: 28000, # CPU blocks: 2048\n", file: "log.txt")
    }
    let v0 = try read(
      "Initializing a V0 LLM engine (v0.8.5) with config: model='x', max_seq_len=4096, tensor_parallel_size=4, x=1"
    )
    #expect(v0.maxModelLen == 4_096 && v0.tensorParallel == 4 && v0.profile?.scheduler == .vllmV0)
    #expect(v0.profile?.accounting == .vllm064)
    #expect(try read("Initializing a V1 LLM engine (v0.8.5) with config").profile?.accounting == .vllm08)
    #expect(try read("Initializing a V1 LLM engine (v0.1.dev1+g1234567) with config").profile == nil)
    #expect(try read("[api_server.py] vLLM API server version 0.6.1").profile?.accounting == .vllm02)
  }

  /// `run --engine-profile` and `kv-capacity` of the same engine.
  @Test(arguments: [
    ("llama2-70b", "a100-40gb", 4, "vllm-0.4"), ("llama2-70b", "a100-40gb", 4, "vllm-0.6.1"),
    ("llama3.1-8b", "a100-measured", 1, "vllm-0.4"), ("llama3.1-8b", "h100-measured", 1, "vllm-0.6.5"),
    ("llama3.1-8b", "h100-measured", 1, "vllm-0.14"), ("llama3.1-8b", "h100-measured", 1, "vllm-0.2"),
  ])
  func `a run counts its blocks as kv-capacity does`(model: String, gpu: String, tp: Int, profile: String)
    throws
  {
    let plan = try RunPlan.make(
      policy: "vllm-m",
      options: try RunOptions.parse([
        "--trace", "t.csv", "--model", model, "--hardware", gpu, "--tp", "\(tp)", "--engine-profile", profile,
      ]), pairs: OptionPairs([]), scope: .itself)
    for arguments in [["--engine-profile", profile], ["--engine-version", String(profile.dropFirst(5))]] {
      let outcome = try run(["--model", model, "--hardware", gpu, "--tp", "\(tp)", "--json"] + arguments)
      let json = try JSON(parsing: outcome.output)
      #expect(json["blocks"]?.integer == plan.blocksPerInstance, "\(arguments)")
      #expect(json["max_num_batched_tokens"]?.integer == plan.maxNumBatchedTokens)
    }
    if model == "llama2-70b" { #expect(plan.blocksPerInstance == 661) }
  }

  @Test func `vLLM V0 chunks contexts beyond 32,768 tokens, and no others`() throws {
    func plan(_ model: String, _ more: [String] = []) throws -> RunPlan {
      try RunPlan.make(
        policy: "vllm-m",
        options: try RunOptions.parse(
          ["--trace", "t.csv", "--model", model, "--engine-profile", "vllm-0.4"] + more),
        pairs: OptionPairs([]), scope: .itself)
    }
    let long = try plan("llama3.1-8b")
    #expect(long.maxNumBatchedTokens == 512)
    #expect(long.assumptions.contains { $0.hasPrefix("engine chunked: token budget 512, synchronous") })
    #expect(long.assumptions.contains { $0.contains("instead of vllm-v0") })
    #expect(try plan("llama3.1-8b", ["--max-model-len", "8192"]).maxNumBatchedTokens == 8_192)
    #expect(try plan("mistral-7b-v0.3").maxNumBatchedTokens == 32_768)
    let asynchronous = try RunPlan.make(
      policy: "vllm-m", options: try RunOptions.parse(["--trace", "t.csv"]), pairs: OptionPairs([]),
      scope: .itself)
    #expect(asynchronous.assumptions.contains { $0.contains("2,048, asynchronous scheduling") })
    #expect(asynchronous.assumptions.contains { $0.hasPrefix("KV memory by account vllm-0.21") })
  }

  @Test func `models have their Hugging Face names, and weights are part of a run`() throws {
    let models = try Program.run(["models"]).output
    #expect(
      models.contains("meta-llama/Llama-3.1-70B-Instruct") && models.contains("experts mxfp4"))
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
      .path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try "arrival_s,input_tokens,output_tokens\n0,100,10\n".write(
      toFile: folder + "/t.csv", atomically: true, encoding: .utf8)
    func run(_ more: [String]) throws -> [Substring] {
      let outcome = try Program.run(
        ["run", "--policy", "vllm-m", "--trace", "t.csv", "--gpus-per-node", "1"] + more, in: folder
      )
      #expect(outcome.status == 0, "\(outcome.errors)")
      return outcome.output.split(separator: "\n")
    }
    // The manifest and the fingerprint are printed last.
    let (plain, said) = (try run([]), try run(["--weights", "bf16", "--kv-cache-dtype", "auto"]))
    #expect(plain.suffix(2) == said.suffix(2))
    let (name, repository) = (
      try run(["--model", "llama3.1-8b"]), try run(["--model", "meta-llama/llama-3.1-8b-instruct"])
    )
    #expect(name.suffix(2) == repository.suffix(2))
    let fp8 = try run(["--quantization", "fp8"])
    #expect(fp8.last != plain.last)
    #expect(fp8.contains { $0.contains("llama2-7b (fp8 weights)") })
    let version = try run(["--kv-accounting", "0.6.3"])
    #expect(version.last != plain.last)
  }
}
