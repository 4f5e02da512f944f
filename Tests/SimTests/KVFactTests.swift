import Foundation
import Sim
import Testing

/// KV caches that vLLM printed when it started, against the account of its version.
///
/// Facts, each with its source. Rows are dropped from the score by one rule: their source says that this version counted
/// something by mistake, or pads the weights. They are printed all the same.
@Suite("KV caches of engines")
struct KVFactTests {
  struct Fact {
    var source: String
    var version: String
    var model: String
    var weights: WeightFormat?
    var gpu: String
    /// GiB of the board.
    var board: Double
    var tp = 1
    var utilisation = 0.9
    /// Tokens and sequences of the step that sizes the activations; 1 sequence where prompts come in chunks.
    var tokens: Int
    var sequences = 256
    var blocks: Int?
    var gibibytes: Double?
    /// Whether FlashInfer samples, which takes 10 bytes a logit.
    var usesFlashInfer = false
    /// Why the row is not scored.
    var excuse: String?
    /// Whether a constant of the account was fitted to the row.
    var isFitted = false
  }

  /// 81,559 MiB, as nvidia-smi has them.
  private static let h100 = 81_559.0 / 1_024
  private static let davidShare = "github.com/xinyuwei-david/david-share"

  static let facts: [Fact] = [
    // The issue has the number of the version before the pull request and of that with it.
    Fact(
      source: "vllm#2031", version: "0.2.4", model: "llama2-7b", gpu: "A100-80GB", board: 80,
      tokens: 4_096,
      blocks: 7_449),
    Fact(
      source: "vllm#2031", version: "0.2.5", model: "llama2-7b", gpu: "A100-80GB", board: 80,
      tokens: 4_096,
      blocks: 7_351),
    Fact(
      source: "vllm#2031", version: "0.2.4", model: "llama2-70b", gpu: "A100-80GB", board: 80,
      tp: 4,
      tokens: 4_096, blocks: 31_615),
    Fact(
      source: "vllm#2031", version: "0.2.5", model: "llama2-70b", gpu: "A100-80GB", board: 80,
      tp: 4,
      tokens: 4_096, blocks: 20_865, excuse: "NCCL kept activations (#2248, record_stream)"),
    // openbuddy-llama2-70b, whose vocabulary is larger.
    Fact(
      source: "vllm#1054", version: "0.1.7", model: "llama2-70b", gpu: "RTX 3090", board: 24, tp: 8,
      tokens: 2_560, blocks: 7_384),
    // Three runs of Argonne's, 16 requests of 512, 1,024 and 2,048 tokens in and out: within 2.5 % with 660 blocks, and not with
    // 600 or 720 (argonne-lcf/LLM-Inference-Bench, vLLM 0.5.4 to 0.6.1).
    Fact(
      source: "Argonne, inferred", version: "0.6.1", model: "llama2-70b", gpu: "A100-40GB",
      board: 40, tp: 4,
      tokens: 4_096, blocks: 660, isFitted: true),
    // The GPU is inferred: weights and blocks are 34.4 GiB.
    Fact(
      source: davidShare, version: "0.5.4", model: "llama3.1-8b", gpu: "A100-40GB", board: 40,
      tokens: 2_048,
      blocks: 9_930),
    Fact(
      source: davidShare, version: "0.5.4", model: "llama3.1-8b", weights: .int4, gpu: "A100-40GB",
      board: 40,
      tokens: 2_048, blocks: 14_858),
    // Sequences are not told: fewer than sample as much as the activations take.
    Fact(
      source: "vllm#10517", version: "0.6.4", model: "llama3.1-8b", gpu: "RTX 3090", board: 24,
      tokens: 20_000,
      blocks: 1_952),
    Fact(
      source: "vllm#10517", version: "0.6.4", model: "llama3.1-8b", gpu: "RTX 3090", board: 24,
      tokens: 29_000,
      blocks: 1_478),
    Fact(
      source: "vllm#10511", version: "0.6.5", model: "llama3-8b", gpu: "H100", board: h100,
      tokens: 8_192,
      gibibytes: 53.29),
    Fact(
      source: "vllm#10511", version: "0.6.5", model: "llama3-8b", gpu: "H100", board: h100, tp: 2,
      tokens: 8_192,
      gibibytes: 71.29 - 7.48 - 3.58 - 1.26),
    Fact(
      source: davidShare, version: "0.6.5", model: "phi-4", weights: .int4, gpu: "H100", board: h100,
      utilisation: 0.15, tokens: 2_048, blocks: 715),
    // 23,028 MiB with error correction on. Sequences are inferred: its activations are those of the tokens.
    Fact(
      source: "oracle-samples/oci-data-science-ai-samples", version: "0.7.0", model: "llama3.1-8b",
      gpu: "A10",
      board: 23_028.0 / 1_024, tokens: 2_048, sequences: 1, blocks: 2_356),
    // 81,536 tokens, of the rank that samples.
    Fact(
      source: "vllm#13061", version: "0.7.2", model: "qwen2.5-14b", gpu: "RTX 4090", board: 24, tp: 2,
      utilisation: 0.98, tokens: 2_048, blocks: 5_096),
    Fact(
      source: "dennislee22/vLLM-benchmarking", version: "0.10.1.1", model: "qwen2-7b", gpu: "A100-80GB",
      board: 80,
      utilisation: 0.5, tokens: 2_048, gibibytes: 24.83, usesFlashInfer: true),
    Fact(
      source: "dennislee22/vLLM-benchmarking", version: "0.10.1.1", model: "qwen2-7b", gpu: "A100-80GB",
      board: 80,
      tp: 2, utilisation: 0.5, tokens: 2_048, gibibytes: 31.83, usesFlashInfer: true),
    llmD("llama3.1-8b", gibibytes: 51.38),
    llmD("llama3.3-70b", .fp8, tp: 2, gibibytes: 32.0),
    llmD("qwen3-0.6b", gibibytes: 64.45),
    llmD("qwen3-32b", gibibytes: 4.45),
    llmD("qwen3-32b", tp: 2, gibibytes: 34.49),
    llmD("gpt-oss-20b", gibibytes: 50.28),
    Fact(
      source: "vllm#21348", version: "0.9.2", model: "qwen3-235b-a22b", weights: .fp8Block, gpu: "H100",
      board: h100, tp: 4, tokens: 8_192, sequences: 1_024, blocks: 11_180),
    Fact(
      source: "vllm#27508", version: "0.11.0", model: "gpt-oss-120b", gpu: "H100", board: h100,
      utilisation: 0.95, tokens: 1_024, sequences: 1_024, gibibytes: 1.71,
      excuse: "experts are padded to 66 GiB"),
  ]

  /// llm-d/llm-d-benchmark `config_explorer/empirical-vllm-memory-results.md`: vLLM's image of late 2025, its server's defaults.
  private static func llmD(
    _ model: String, _ weights: WeightFormat? = nil, tp: Int = 1, gibibytes: Double
  ) -> Fact {
    Fact(
      source: "llm-d/llm-d-benchmark", version: "0.11", model: model, weights: weights, gpu: "H100",
      board: h100,
      tp: tp, tokens: 8_192, sequences: 1_024, gibibytes: gibibytes)
  }

  private func account(_ fact: Fact) throws -> KVCapacity {
    var accounting = try #require(KVAccounting(version: fact.version))
    if fact.usesFlashInfer { accounting.logitBytes = 8 }
    var model = try #require(ModelCatalog.named(fact.model))
    if let weights = fact.weights { model.store(as: weights) }
    var gpu = HardwareCatalog.a100Measured
    gpu.memoryBytes = Int(fact.board * Double(1 << 30))
    return try KVCapacity(
      model: model, hardware: gpu, shape: InstanceShape(tp: fact.tp),
      settings: KVMemorySettings(
        utilisation: fact.utilisation, maxBatchedTokens: fact.tokens, maxSequences: fact.sequences,
        accounting: accounting))
  }

  @Test func `the account of an engine's version comes near the cache that it prints`() throws {
    var errors: [Double] = []
    var shares: [Double] = []
    for fact in Self.facts {
      let capacity = try account(fact)
      let printed =
        fact.blocks ?? Int((fact.gibibytes ?? 0) * Double(1 << 30)) / capacity.bytesPerBlock
      let error = Double(capacity.blocks) / Double(printed) - 1
      // Of what the engine may use: what is left is a difference of large numbers.
      let share =
        Double((capacity.blocks - printed) * capacity.bytesPerBlock) / Double(capacity.usable)
      if fact.excuse == nil {
        errors.append(abs(error))
        shares.append(abs(share))
      }
      print(
        "\(fact.model) \(fact.weights?.rawValue ?? "") TP\(fact.tp) \(fact.gpu) vLLM \(fact.version): \(printed) blocks, "
          + "account \(capacity.blocks), \(String(format: "%+.1f %% (%+.1f %% of what it may use)", error * 100, share * 100))"
          + "\(fact.isFitted ? ", fitted" : "")\(fact.excuse.map { ", not scored: \($0)" } ?? "") [\(fact.source)]"
      )
    }
    errors.sort()
    shares.sort()
    print(
      String(
        format:
          "%d scored: blocks off by %.1f %% (median), %.1f %% at most; %.1f %% of the memory (mean), %.1f %% at most",
        errors.count, errors[errors.count / 2] * 100, errors[errors.count - 1] * 100,
        shares.reduce(0, +) / Double(shares.count) * 100, shares[shares.count - 1] * 100))
    #expect(errors.count >= 20)
    #expect(errors[errors.count / 2] < 0.03)
    #expect(errors[errors.count - 1] < 0.14)
    #expect(shares[shares.count - 1] < 0.045)
  }

  @Test func `an account is chosen by the engine's version`() {
    for (text, name) in [
      ("0.1.7", "vllm-0.1"), ("0.2", "vllm-0.1"), ("0.2.7", "vllm-0.2.5"), ("0.6.3.post1", "vllm-0.2.5"),
      ("v0.6.4", "vllm-0.6.4"),
      ("0.6.4.post1", "vllm-0.6.4"),
      ("0.7.3", "vllm-0.6.4"), ("0.8.5", "vllm-0.8"), ("0.10.2rc1.dev3+g1", "vllm-0.8"),
      ("0.11", "vllm-0.8"),
      ("0.21.0", "vllm-0.21"), ("1.0", "vllm-0.21"),
    ] {
      #expect(KVAccounting(version: text)?.name == name, "\(text)")
    }
    for (name, account) in [
      ("vllm-0.2", "vllm-0.1"), ("vllm-0.4", "vllm-0.2.5"), ("vllm-0.6", "vllm-0.2.5"),
      ("vllm-0.6.5", "vllm-0.6.4"),
      ("vllm-0.8", "vllm-0.8"), ("vllm-0.14", "vllm-0.8"), ("vLLM-0.21.1", "vllm-0.21"),
      ("vllm-0.24", "vllm-0.21"),
    ] {
      #expect(EngineCatalog.named(name)?.accounting.name == account, "\(name)")
    }
    // A profile counts as its first version does.
    for release in EngineReleases.all where release.engine == "vllm" {
      #expect(release.profile.accounting == KVAccounting(version: "\(release.major).\(release.minor)"))
    }
    for text in [
      "", "0.1.dev1+g1234567", "0.0.9", "v", "vllm", "0", "x.y", "0.x", "-0.8", "0.6.x", "0.6,0.7", "v1",
    ] {
      #expect(KVAccounting(version: text) == nil, "\(text)")
    }
    for account in KVAccounting.all { #expect(KVAccounting.named(account.name) == account) }
  }

  @Test func `the default account is what it was`() throws {
    let a100 = HardwareCatalog.a100Measured
    func blocks(_ model: ModelSpec, tp: Int) throws -> Int {
      try KVCapacity(model: model, hardware: a100, shape: InstanceShape(tp: tp)).blocks
    }
    #expect(try blocks(ModelCatalog.llama7B, tp: 1) == 7_427)
    #expect(try blocks(ModelCatalog.llama70B, tp: 4) == 31_257)
  }
}
