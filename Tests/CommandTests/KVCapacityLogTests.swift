import Foundation
import Results
import Runs
import Sim
import Testing
import Workbench

/// `kv-capacity` beside a log's configuration, and of caches that an engine would not have.
@Suite struct KVCapacityLogTests {
  private func run(_ arguments: [String], log: String? = nil) throws -> Program.Outcome {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    if let log { try log.write(toFile: folder + "/log.txt", atomically: true, encoding: .utf8) }
    return try Program.run(
      ["kv-capacity"] + arguments + (log == nil ? [] : ["--log", "log.txt"]), in: folder)
  }

  /// vLLM's lines of 0.6.0 for Llama-3-70B on four GPUs of 40 GB, shortened.
  private static let tight = """
    INFO 09-10 api_server.py:459] vLLM API server version 0.6.0
    INFO 09-10 api_server.py:460] args: Namespace(model='meta-llama/Meta-Llama-3-70B', served_model_name='x', \
    tensor_parallel_size=4, max_model_len=4096, gpu_memory_utilization=0.9, max_num_batched_tokens=None, block_size=16)
    INFO 09-10 llm_engine.py:213] Initializing an LLM engine (v0.6.0) with config: model='meta-llama/Meta-Llama-3-70B', \
    speculative_config=None, max_seq_len=4096, tensor_parallel_size=4, pipeline_parallel_size=1, quantization=None, \
    kv_cache_dtype=auto, served_model_name=other, seed=0)
    INFO 09-10 distributed_gpu_executor.py:57] # GPU blocks: 402, # CPU blocks: 3276

    """

  /// V1 with fp8 weights and an fp8 cache: 2 · 80 layers · 2 KV heads · 128 bytes a token are 48.2 GiB for these tokens.
  private static let quantised = """
    INFO 07-10 [core.py:70] Initializing a V1 LLM engine (v0.9.2) with config: model='meta-llama/Llama-3.3-70B-Instruct', \
    max_seq_len=131072, tensor_parallel_size=4, pipeline_parallel_size=1, quantization=fp8, kv_cache_dtype=fp8, seed=0
    INFO 07-10 [gpu_worker.py:232] Available KV cache memory: 47.1 GiB
    INFO 07-10 [kv_cache_utils.py:716] GPU KV cache size: 1,235,000 tokens

    """

  @Test func `a log of what does not fit by the account is compared all the same`() throws {
    let outcome = try run(["--hardware", "a100-40gb"], log: Self.tight)
    #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
    for words in [
      "llama3-70b, TP4 × PP1 on a100-40gb; account vllm-0.2.5", "engine vllm-0.6.0 (profile vllm-0.4)",
      "It does not fit: ", "short of one block", "The log has 402 blocks (as printed, of 16 tokens)",
      "GiB of a GPU are missing for them", "A run has the log's cache with --kv-blocks 402.",
    ] {
      #expect(outcome.output.contains(words), "\(words): \(outcome.output)")
    }
    #expect(!outcome.output.contains("Doubt"), "\(outcome.output)")
    let json = try JSON(parsing: try run(["--hardware", "a100-40gb", "--json"], log: Self.tight).output)
    #expect(json["blocks"]?.integer == 0 && json["missing_bytes"]?.integer ?? 0 > 0)
    #expect(json["log_blocks"]?.integer == 402 && json["engine_version"]?.string == "vllm-0.6.0")
  }

  @Test func `model, weights, cache and cut are the log's`() throws {
    let json = try JSON(
      parsing: try run(["--hardware", "h100-measured", "--json"], log: Self.quantised).output)
    #expect(json["model"]?.string == "llama3.3-70b" && json["weights"]?.string == "fp8")
    #expect(json["tp"]?.integer == 4 && json["max_model_len"]?.integer == 131_072)
    #expect(json["doubts"]?.elements?.isEmpty == true, "\(json)")
    #expect(json["log_blocks"]?.integer == 1_235_000 / 16)
    let settings = try StartUpLog(Self.tight, file: "log.txt").settings
    #expect(settings.model == "meta-llama/Meta-Llama-3-70B" && settings.maxModelLen == 4_096)
    #expect(settings.maxNumBatchedTokens == nil && settings.blockSize == 16 && settings.utilisation == 0.9)
    let later = try StartUpLog(
      "INFO [api_server.py] non-default args: {'model_tag': 'a', 'model': 'openai/gpt-oss-20b', 'max_model_len': 8192, "
        + "'enable_expert_parallel': True, 'gpu_memory_utilization': 0.95}\n# GPU blocks: 7\n",
      file: "log.txt")
    #expect(later.settings.model == "openai/gpt-oss-20b" && later.maxModelLen == 8_192)
    #expect(later.utilisation == 0.95 && later.settings.expertParallel == true)
  }

  @Test(arguments: [
    (
      ["--model", "llama3.1-8b"],
      "the log is of meta-llama/Llama-3.3-70B-Instruct, here it is llama3.1-8b"
    ),
    (["--weights", "bf16"], "the log has quantization=fp8, --weights is bf16"),
    (["--kv-dtype", "model"], "the log has kv_cache_dtype=fp8, --kv-dtype is model"),
    (["--tp", "8"], "the log has tensor_parallel_size 4, --tp is 8"),
    (["--max-model-len", "4096"], "the log has a longest context of 131072, --max-model-len is 4096"),
    (["--engine-version", "0.6.1"], "the log is of vllm-0.9.2, which counts by account vllm-0.8"),
  ])
  func `an option that contradicts the log is named, and no blocks are advised`(
    arguments: [String], words: String
  ) throws {
    let outcome = try run(["--hardware", "h100-measured"] + arguments, log: Self.quantised)
    #expect(outcome.status == 0 && outcome.output.contains("Doubt: " + words), "\(outcome)")
    #expect(outcome.output.contains("No --kv-blocks is advised"), "\(outcome.output)")
  }

  @Test func `what a log says and nobody knows is doubted`() throws {
    let unknown = Self.quantised.replacing("quantization=fp8", with: "quantization=bitsandbytes")
    #expect(
      try run(["--hardware", "h100-measured"], log: unknown).output
        .contains("Doubt: quantization=bitsandbytes of the log is not known here: give --weights"))
    let own = Self.quantised.replacing("meta-llama/Llama-3.3-70B-Instruct", with: "/models/mine")
    let outcome = try run(["--hardware", "h100-measured"], log: own)
    #expect(outcome.output.contains("Doubt: the log's model /models/mine is no preset"), "\(outcome)")
    let nameless = try run([], log: "# GPU blocks: 7000, # CPU blocks: 2048\n")
    #expect(nameless.output.contains("Doubt: the log does not name its model: give --model"), "\(nameless)")
    let given = try run(["--hardware", "h100-measured", "--model", "llama3.3-70b"], log: own)
    #expect(!given.output.contains("Doubt"), "\(given.output)")
  }

  @Test func `what does not fit says what was counted, what is missing and what would fit`() throws {
    let arguments = ["--model", "llama3.1-70b", "--engine-version", "0.9.1"]
    let outcome = try run(arguments)
    #expect(outcome.status == 64 && outcome.output.isEmpty)
    for words in [
      "llama3.1-70b does not fit with TP 1 × PP 1: ", "GiB short of one block", "account vllm-0.8",
      "engine vllm-0.9.1 (profile vllm-0.8)", "a full step has 2,048 tokens of 256 sequences",
      "- weights of the fullest rank", "It fits with --tp 2, or with --weights fp8: each alone.",
    ] {
      #expect(outcome.errors.contains(words), "\(words): \(outcome.errors)")
    }
    // Each change that is offered is enough, and the next smaller one is not.
    #expect(try run(arguments + ["--weights", "fp8"]).status == 0)
    let tight = [
      "--model", "llama3-70b", "--hardware", "a100-40gb", "--tp", "4", "--engine-version", "0.6.0",
    ]
    let errors = try run(tight).errors
    let share = try #require(errors.firstMatch(of: /--gpu-memory-utilization (0\.[0-9]+)/)?.1)
    let enough = try #require(Double(share))
    #expect(try run(tight + ["--gpu-memory-utilization", "\(enough)"]).status == 0, "\(errors)")
    #expect(try run(tight + ["--gpu-memory-utilization", "\(enough - 0.01)"]).status == 64)
  }

  @Test func `a context that vLLM would not start with is warned of`() throws {
    let outcome = try run([
      "--model", "llama3.3-70b", "--hardware", "a100-40gb", "--tp", "4", "--engine-version", "0.9.1",
    ])
    let blocks = try #require(outcome.output.firstMatch(of: /([0-9]+) blocks because/)?.1)
    #expect(
      outcome.errors.contains(
        "warning: vLLM would not start so: one request of 131,072 tokens (the context) needs 8,192 blocks, and there are "
          + "\(blocks); it would with --max-model-len \(try #require(Int(blocks)) * 16) or less\n"),
      "\(outcome.errors)")
    #expect(try run(["--model", "llama3.3-70b", "--tp", "8"]).errors.isEmpty)
    // The user's own, beyond what the model was made for.
    #expect(try run(["--max-model-len", "10000000"]).errors.isEmpty)
  }

  @Test func `the options of run and cost are there`() throws {
    let experts = try run(["--model", "mixtral-8x7b", "--tp", "8", "--expert-parallel", "--json"])
    let json = try JSON(parsing: experts.output)
    #expect(json["expert_parallel"] == .bool(true))
    #expect(try run(["--tp", "2", "--expert-parallel"]).errors.contains("no experts"))
    let later = try run(["--engine-version", "0.66"])
    #expect(later.status == 0 && later.errors.contains("later than"), "\(later.errors)")
  }
}
