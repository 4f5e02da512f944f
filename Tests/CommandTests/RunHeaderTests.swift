import Foundation
import Results
import Runs
import Sim
import Testing

/// What a run says of what was run, and warns of.
@Suite struct RunHeaderTests {
  private func run(_ arguments: [String]) throws -> Program.Outcome {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try "arrival_s,input_tokens,output_tokens\n0,100,10\n".write(
      toFile: folder + "/t.csv", atomically: true, encoding: .utf8)
    return try Program.run(["run", "--trace", "t.csv"] + arguments, in: folder)
  }

  private let one = ["--policy", "vllm-m", "--gpus-per-node", "1"]

  @Test func `the JSON of a run says what was run`() throws {
    let outcome = try run(
      one + ["--json", "--engine-profile", "vLLM-0.6.6", "--weights", "fp8", "--hardware", "h100-measured"])
    let json = try JSON(parsing: outcome.output)
    let header = try #require(json["run"])
    for (key, value) in [
      ("policy", "vllm-m"), ("trace", "t.csv"), ("model", "llama2-7b"), ("weights", "fp8"),
      ("hardware", "h100-measured"), ("engine_profile", "vllm-0.4"), ("engine_version", "vllm-0.6.6"),
      ("scheduler", "vllm-v0"), ("decode_kernel", "FlashAttention-3"), ("kv_account", "vllm-0.6.4"),
      ("layout", "TP1 × PP1 × 1"), ("program_version", ThisProgram.version),
    ] {
      #expect(header[key]?.string == value, "\(key): \(header)")
    }
    for key in [
      "seed", "kv_bytes_per_element", "nodes", "gpus_per_node", "in_node_link", "inter_node_link", "tp", "pp",
      "expert_parallel", "instances", "max_num_seqs", "max_num_batched_tokens", "max_model_len", "kv_blocks",
      "manifest",
    ] {
      #expect(header[key] != nil, "\(key)")
    }
    #expect(header["kv_blocks"] == json["kv"]?["blocks_per_instance"])
    let text = try run(
      one + ["--engine-profile", "vLLM-0.6.6", "--weights", "fp8", "--hardware", "h100-measured"]
    ).output
    #expect(text.contains("manifest    \(header["manifest"]?.string ?? "-")"))
    #expect(
      text.contains("h100-measured, engine vllm-0.6.6 (profile vllm-0.4), decode kernel FlashAttention-3"))
    let plain = try JSON(parsing: run(one + ["--json"]).output)["run"]
    #expect(plain?["engine_version"] == .null && plain?["engine_profile"]?.string == "vllm-0.21")
  }

  /// A name in another case and with its patch is another text and the same run.
  @Test func `how an engine's version is written changes no run`() throws {
    func manifest(_ name: String) throws -> Substring? {
      let outcome = try run(one + ["--engine-profile", name])
      #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
      return outcome.output.split(separator: "\n").last
    }
    #expect(try manifest("vllm-0.6") == manifest("VLLM-v0.6.0"))
    #expect(try manifest("sglang-0.5") == manifest("sglang-0.4"))
    let text = try run(one + ["--engine-profile", "vllm-0.6"]).output
    #expect(text.contains("engine vllm-0.6 (read as 0.6.0, profile vllm-0.4)"), "\(text)")
    let sglang = try run(one + ["--engine-profile", "sglang-0.5"]).output
    #expect(sglang.contains("engine sglang-0.4, whole prompts first as vllm-v0: token budget"), "\(sglang)")
  }

  @Test(arguments: [
    (["--engine-profile", "vllm-v1"], "--engine-profile vllm-v1: V1 is no version"),
    (["--engine-profile", "vllm-0.6,vllm-0.21"], "is no version of vllm"),
    (["--engine-profile", "0.6"], "vllm-0.6 is vLLM's"),
    (["--kv-accounting", "0.6.x"], "“0.6.x” is no version of vllm"),
    (["--kv-accounting", "new"], "expected a version of vLLM such as 0.6.3, or an account"),
  ])
  func `an engine that is none is refused with a word why`(arguments: [String], words: String) throws {
    let outcome = try run(one + arguments)
    #expect(outcome.status == 64 && outcome.output.isEmpty && outcome.errors.contains(words), "\(outcome)")
  }

  @Test func `a later version than any known is taken with a warning`() throws {
    for arguments in [["--engine-profile", "vllm-0.99"], ["--kv-accounting", "0.99"]] {
      let outcome = try run(one + arguments)
      #expect(
        outcome.status == 0 && outcome.errors.contains("warning: vllm 0.99 is later than"), "\(outcome)")
    }
  }

  @Test func `blocks that are given are taken where the model does not fit`() throws {
    let arguments = [
      "--policy", "vllm-m", "--model", "llama3-70b", "--hardware", "a100-40gb", "--tp", "4",
      "--engine-profile", "vllm-0.6.0",
    ]
    let refused = try run(arguments)
    #expect(refused.status == 64 && refused.errors.contains("llama3-70b does not fit with TP 4 × PP 1"))
    #expect(refused.errors.contains("It fits with --gpu-memory-utilization "), "\(refused.errors)")
    let outcome = try run(arguments + ["--kv-blocks", "402"])
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(
      outcome.errors.contains("warning: by account vllm-0.2.5 llama3-70b does not fit with TP 4 × PP 1, "),
      "\(outcome.errors)")
    #expect(outcome.errors.contains("the 402 blocks of --kv-blocks are taken as given"), "\(outcome.errors)")
    // What is sized by the longest request takes no shape that does not fit.
    let sized = try run(["--policy", "vllm-m-fit", "--model", "llama3.1-70b", "--kv-blocks", "402"])
    #expect(sized.status == 0 && !sized.output.contains("TP1 × PP1"), "\(sized)")
  }

  @Test func `a context that vLLM would not start with is warned of, unless instances borrow`() throws {
    let tight = [
      "--model", "llama3.3-70b", "--hardware", "a100-40gb", "--tp", "4", "--engine-profile", "vllm-0.9.1",
    ]
    let words = "warning: vLLM would not start so: one request of 131,072 tokens"
    #expect(try run(["--policy", "vllm-m"] + tight).errors.contains(words))
    for arguments in [
      ["--policy", "debtor-creditor"], ["--policy", "vllm-m", "--max-model-len", "10000000"],
      ["--policy", "vllm-m", "--max-model-len", "512"], ["--policy", "vllm-m", "--kv-blocks", "61"],
    ] {
      let outcome = try run(arguments + tight)
      #expect(outcome.status == 0 && !outcome.errors.contains("would not start"), "\(arguments): \(outcome)")
    }
  }

  @Test func `a run without a policy is told which is plain vLLM`() throws {
    let outcome = try run([])
    #expect(outcome.status == 64 && outcome.errors.contains("vllm-m is plain vLLM"), "\(outcome.errors)")
  }
}
