import Foundation
import Sim
import Testing

@Suite("Model presets")
struct ModelPresetTests {
  /// What is published of a preset. Left out of ours are biases, norms beyond two a layer and sinks.
  struct Published {
    var preset: String
    /// Parameters: the model card's count of its safetensors, or the report's table.
    var parameters: Double
    var tolerance = 0.002
    /// Parameters that a token meets, and whether the source counts the input embedding among them.
    var active: (billions: Double, tolerance: Double, withEmbedding: Bool)?
    /// KV cache of a token, bytes: 2 · layers · KV heads · head dimension · 2, of a latent (512 + 64) · layers · 2.
    var kv: Int
    var source: String

    init(
      _ preset: String, _ parameters: Double, kv: Int, active: (Double, Double, Bool)? = nil,
      tolerance: Double = 0.002, _ source: String
    ) {
      (self.preset, self.parameters, self.kv, self.source) = (preset, parameters, kv, source)
      self.active = active.map { (billions: $0.0, tolerance: $0.1, withEmbedding: $0.2) }
      self.tolerance = tolerance
    }
  }

  private static let card = "safetensors' count on the model card"

  static let published: [Published] = [
    Published("llama2-7b", 6.738415616e9, kv: 524_288, card),
    Published("llama2-13b", 13.01586432e9, kv: 819_200, card),
    Published("llama2-70b", 68.976648192e9, kv: 327_680, card),
    Published("llama3-8b", 8.030261248e9, kv: 131_072, card),
    Published("llama3-70b", 70.553706496e9, kv: 327_680, card),
    Published("llama3.1-8b", 8.030261248e9, kv: 131_072, card),
    Published("llama3.1-70b", 70.553706496e9, kv: 327_680, card),
    Published("llama3.1-405b", 405.853388800e9, kv: 516_096, card),
    Published("llama3.2-1b", 1.2358144e9, kv: 32_768, card),
    Published("llama3.2-3b", 3.212749824e9, kv: 114_688, card),
    Published("llama3.3-70b", 70.553706496e9, kv: 327_680, card),
    // 109 B with the vision part, which has 0.9 B.
    Published(
      "llama4-scout", 108e9, kv: 196_608, active: (17, 0.02, true), tolerance: 0.005, "model card"),
    Published("qwen2-7b", 7.615616512e9, kv: 57_344, card),
    Published("qwen2-72b", 72.706203648e9, kv: 327_680, card),
    Published("qwen2.5-0.5b", 0.494032768e9, kv: 12_288, card),
    Published("qwen2.5-1.5b", 1.543714304e9, kv: 28_672, card),
    Published("qwen2.5-3b", 3.085938688e9, kv: 36_864, card),
    Published("qwen2.5-7b", 7.615616512e9, kv: 57_344, card),
    Published("qwen2.5-14b", 14.770033664e9, kv: 196_608, card),
    Published("qwen2.5-32b", 32.763876352e9, kv: 262_144, card),
    Published("qwen2.5-72b", 72.706203648e9, kv: 327_680, card),
    Published("qwen3-0.6b", 0.596049920e9, kv: 114_688, card),
    Published("qwen3-1.7b", 1.720574976e9, kv: 114_688, card),
    Published("qwen3-4b", 4.022468096e9, kv: 147_456, card),
    Published("qwen3-8b", 8.190735360e9, kv: 147_456, card),
    Published("qwen3-14b", 14.768307200e9, kv: 163_840, card),
    Published("qwen3-32b", 32.762123264e9, kv: 262_144, card),
    Published("qwen3-30b-a3b", 30.532122624e9, kv: 98_304, active: (3.3, 0.02, true), card),
    Published("qwen3-235b-a22b", 235.093634560e9, kv: 192_512, active: (22, 0.02, true), card),
    Published(
      "qwen3-coder-480b-a35b", 480.154875392e9, kv: 253_952, active: (35, 0.02, true), card),
    Published("mistral-7b-v0.1", 7.241732096e9, kv: 131_072, card),
    Published("mistral-7b-v0.2", 7.241732096e9, kv: 131_072, card),
    Published("mistral-7b-v0.3", 7.248023552e9, kv: 131_072, card),
    Published("mistral-nemo-12b", 12.247782400e9, kv: 163_840, card),
    Published("mistral-small-22b", 22.247282688e9, kv: 229_376, card),
    Published("mistral-small-24b", 23.572403200e9, kv: 163_840, card),
    Published("mistral-large-123b", 122.610069504e9, kv: 360_448, card),
    Published("mixtral-8x7b", 46.702792704e9, kv: 131_072, active: (12.9, 0.005, true), card),
    Published("mixtral-8x22b", 140.620634112e9, kv: 229_376, active: (39, 0.01, true), card),
    Published("deepseek-v2", 235.741434880e9, kv: 69_120, active: (21, 0.01, false), card),
    Published("deepseek-v2-lite", 15.706484224e9, kv: 31_104, active: (2.4, 0.03, false), card),
    // 671 B without the layer for a second token, 37 B active (arXiv 2412.19437).
    Published("deepseek-v3", 671e9, kv: 70_272, active: (37, 0.015, false), "report"),
    Published("deepseek-r1", 671e9, kv: 70_272, active: (37, 0.015, false), "report"),
    // The model card's table (arXiv 2508.10925): total, and active without the input embedding.
    Published(
      "gpt-oss-20b", 20.91e9, kv: 49_152, active: (3.61, 0.002, false), "arXiv 2508.10925, table 1"),
    Published(
      "gpt-oss-120b", 116.83e9, kv: 73_728, active: (5.13, 0.002, false),
      "arXiv 2508.10925, table 1"),
    Published("gemma2-2b", 2.614341888e9, kv: 106_496, card),
    Published("gemma2-9b", 9.241705984e9, kv: 344_064, card),
    Published("gemma2-27b", 27.227128320e9, kv: 376_832, card),
    // Embedding and other parameters of the text part (arXiv 2503.19786, table 1).
    Published("gemma3-1b", (302 + 698) * 1e6, kv: 26_624, "arXiv 2503.19786, table 1"),
    Published("gemma3-4b", (675 + 3_209) * 1e6, kv: 139_264, "arXiv 2503.19786, table 1"),
    Published("gemma3-12b", (1_012 + 10_759) * 1e6, kv: 393_216, "arXiv 2503.19786, table 1"),
    Published("gemma3-27b", (1_416 + 25_600) * 1e6, kv: 507_904, "arXiv 2503.19786, table 1"),
    Published("phi-3-mini", 3.821079552e9, kv: 393_216, card),
    Published("phi-3-medium", 13.960238080e9, kv: 204_800, card),
    Published("phi-4", 14.659507200e9, kv: 204_800, card),
    Published("phi-4-mini", 3.836021760e9, kv: 131_072, card),
    Published(
      "minimax-m2", 229e9, kv: 253_952, active: (10, 0.05, false), tolerance: 0.005,
      "model card, rounded"),
    Published("opt-13b", 12.853473280e9, kv: 819_200, card),
    Published("opt-66b", 65.7e9, kv: 2_359_296, "arXiv 2205.01068"),
    Published("opt-175b", 175e9, kv: 4_718_592, tolerance: 0.005, "arXiv 2205.01068"),
  ]

  @Test func `every preset has the parameters and the KV cache that are published`() throws {
    var worst = (error: 0.0, preset: "")
    for row in Self.published {
      let model = try #require(ModelCatalog.named(row.preset))
      let error = Double(model.parameters) / row.parameters - 1
      if abs(error) > worst.error { worst = (abs(error), row.preset) }
      #expect(
        abs(error) <= row.tolerance,
        "\(row.preset): \(model.parameters), \(row.source): \(row.parameters)")
      #expect(model.kvBytesPerToken == row.kv, "\(row.preset)")
      guard let active = row.active else {
        #expect(model.activeParameters == model.parameters)
        continue
      }
      let met = model.activeParameters - (active.withEmbedding ? 0 : model.vocab * model.hidden)
      #expect(
        abs(Double(met) / (active.billions * 1e9) - 1) <= active.tolerance, "\(row.preset): \(met)")
    }
    #expect(Self.published.map(\.preset).sorted() == ModelCatalog.all.map(\.name).sorted())
    print("parameters: at most \(worst.error * 100) % off (\(worst.preset))")
  }

  @Test func `a model is known by its Hugging Face name in any case, and keeps its short name`()
    throws
  {
    let model = try #require(ModelCatalog.named("META-LLAMA/llama-3.1-70b-instruct"))
    #expect(model == ModelCatalog.named("llama3.1-70b"))
    #expect(ModelCatalog.named("Qwen/Qwen3-32B-FP8")?.weights == .fp8Block)
    #expect(ModelCatalog.named("Qwen/Qwen3-32B-FP8")?.name == "qwen3-32b")
    #expect(ModelCatalog.named("Qwen/Qwen2.5-7B")?.maxPosition == 131_072)
    #expect(ModelCatalog.named("Qwen/Qwen2.5-7B-Instruct")?.maxPosition == 32_768)
    #expect(ModelCatalog.named("deepseek-ai/DeepSeek-R1")?.weights == .fp8Block)
    #expect(ModelCatalog.named("openai/gpt-oss-120b")?.experts?.weights == .mxfp4)
    #expect(ModelCatalog.named("LLAMA2-7B") == nil)
    #expect(ModelCatalog.named("qwq-32b")?.maxPosition == 40_960)
    #expect(ModelCatalog.named("Llama-3.1-8B-Instruct") == ModelCatalog.named("llama3.1-8b"))
    let quantised = try #require(ModelCatalog.named("nvidia/Llama-3.3-70B-Instruct-FP8"))
    #expect(quantised.weights == .fp8 && quantised.kvBytesPerElement == 1)
    #expect(ModelCatalog.named("microsoft/Phi-3-mini-4k-instruct")?.window == 2_047)
    let small = ModelCatalog.named("mistralai/Mistral-Small-3.2-24B-Instruct-2506")
    #expect(small != nil && small == ModelCatalog.named("mistralai/Mistral-Small-3.1-24B-Instruct-2503"))
    let magic = ModelCatalog.named("neuralmagic/Meta-Llama-3.1-70B-Instruct-FP8")
    #expect(magic != nil && magic == ModelCatalog.named("RedHatAI/Meta-Llama-3.1-70B-Instruct-FP8"))
    #expect(ModelCatalog.named("Meta-Llama-3.1-70B-Instruct-FP8") == magic)
    #expect(ModelCatalog.named("meta-llama/Llama-9") == nil)
    let names = ModelCatalog.all.flatMap { ModelNames.all(of: $0.name) }
    #expect(Set(names.map { $0.lowercased() }).count == names.count)
    #expect(
      names.count == ModelNames.repositories.flatMap(\.names).count + ModelNames.variants.count)
    for name in names { #expect(ModelCatalog.named(name) != nil, "\(name)") }
  }

  /// Checkpoints: sizes of the files, or what vLLM prints.
  @Test func `weights take what their format says`() throws {
    func gibibytes(_ name: String, _ format: WeightFormat? = nil) throws -> Double {
      var model = try #require(ModelCatalog.named(name))
      if let format { model.store(as: format) }
      return Double(model.weightBytes) / Double(1 << 30)
    }
    for (found, published, tolerance, source) in [
      (try gibibytes("llama3.1-8b"), 14.96, 0.001, "vllm-project/vllm#10511"),
      (try gibibytes("llama3.1-8b", .int4), 5.35, 0.01, "vLLM 0.5.4's log of a GPTQ checkpoint"),
      (try gibibytes("phi-4", .int4), 8.51, 0.01, "vLLM 0.6.5's log of a GPTQ checkpoint"),
      (try gibibytes("llama3.1-70b", .fp8) / 2, 33.88, 0.005, "vLLM 0.5.5's log of two ranks"),
      (try gibibytes("gpt-oss-120b"), 60.8, 0.003, "arXiv 2508.10925, table 1"),
      (try gibibytes("gpt-oss-20b"), 12.8, 0.01, "arXiv 2508.10925, table 1"),
    ] {
      #expect(abs(found / published - 1) < tolerance, "\(found) GiB, \(source): \(published)")
    }
    // Embeddings, LM head, norms and routers stay: V3 has 1.85 B + 0.11 B of them.
    let v3 = try gibibytes("deepseek-v3") * Double(1 << 30)
    #expect(abs(v3 - (671.03e9 + 1.97e9)) < 0.3e9, "\(v3)")
  }

  @Test func `a format halves the layers and nothing else, on every rank`() throws {
    for name in ["llama3.1-70b", "mixtral-8x7b", "deepseek-v3"] {
      var model = try #require(ModelCatalog.named(name))
      model.store(as: .bf16)
      let h200 = 1_500_000_000_000
      var gpu = HardwareCatalog.a100Measured
      gpu.memoryBytes = h200
      for tp in [1, 2, 8] {
        func weights(_ format: WeightFormat) throws -> Int {
          var model = model
          model.store(as: format)
          return try KVCapacity(model: model, hardware: gpu, shape: InstanceShape(tp: tp)).weights
        }
        let (full, half, quarter) = (try weights(.bf16), try weights(.fp8), try weights(.int4))
        // Layers are x, the rest y: x + y, x / 2 + y, x · 4.125 / 16 + y.
        #expect(abs(Double(full - quarter) / Double(full - half) - (1 - 4.125 / 16) * 2) < 1e-6)
        #expect(half > full / 2 && half < full * 6 / 10)
      }
    }
  }

  @Test func `what a window in some layers leaves out is said`() {
    for model in ModelCatalog.all {
      let sentences = UnvalidatedCosts.sentences(
        model: model, hardware: HardwareCatalog.a100Measured, shape: InstanceShape(),
        engine: EngineCatalog.vllm)
      #expect(
        sentences.contains { $0.contains("as if it reached") } == (model.alternatingWindow != nil),
        "\(model.name)")
    }
  }
}
