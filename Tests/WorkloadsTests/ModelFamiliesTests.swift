import Foundation
import Sim
import Testing
import Workloads

@Suite("Families of config.json")
struct ModelFamiliesTests {
  private func read(_ keys: [String: String]) throws -> ModelSpec {
    let text = "{" + keys.map { "\"\($0.key)\": \($0.value)" }.joined(separator: ",") + "}"
    return try ModelConfigFile(json: Data(text.utf8), file: "config.json", name: "m").model
  }

  private func refusal(_ keys: [String: String]) -> String {
    do { return "accepted: \(try read(keys))" } catch { return "\(error)" }
  }

  private static func llamaLike(
    _ family: String, layers: Int, hidden: Int, heads: Int, kvHeads: Int, intermediate: Int, vocab: Int,
    more: [String: String] = [:]
  ) -> [String: String] {
    [
      "model_type": "\"\(family)\"", "num_hidden_layers": "\(layers)", "hidden_size": "\(hidden)",
      "num_attention_heads": "\(heads)", "num_key_value_heads": "\(kvHeads)",
      "intermediate_size": "\(intermediate)", "vocab_size": "\(vocab)", "max_position_embeddings": "32768",
      "torch_dtype": "\"bfloat16\"",
    ].merging(more) { $1 }
  }

  private static let mixtral = llamaLike(
    "mixtral", layers: 32, hidden: 4_096, heads: 32, kvHeads: 8, intermediate: 14_336, vocab: 32_000,
    more: ["num_local_experts": "8", "num_experts_per_tok": "2", "sliding_window": "null"])
  private static let deepSeekV2: [String: String] = [
    "model_type": "\"deepseek_v2\"", "num_hidden_layers": "60", "hidden_size": "5120",
    "num_attention_heads": "128", "num_key_value_heads": "128", "intermediate_size": "12288",
    "vocab_size": "102400", "max_position_embeddings": "163840", "kv_lora_rank": "512", "q_lora_rank": "1536",
    "qk_nope_head_dim": "128", "qk_rope_head_dim": "64", "v_head_dim": "128", "n_routed_experts": "160",
    "n_shared_experts": "2", "num_experts_per_tok": "6", "moe_intermediate_size": "1536",
    "first_k_dense_replace": "1", "moe_layer_freq": "1",
  ]
  private static let deepSeekV3 = deepSeekV2.merging([
    "model_type": "\"deepseek_v3\"", "num_hidden_layers": "61", "hidden_size": "7168",
    "intermediate_size": "18432", "vocab_size": "129280", "n_routed_experts": "256", "n_shared_experts": "1",
    "num_experts_per_tok": "8", "moe_intermediate_size": "2048", "first_k_dense_replace": "3",
  ]) { $1 }

  /// The table of models by their configurations: billions of parameters, active ones, KV bytes per token.
  private static let table:
    [(config: [String: String], billions: String, active: String?, kv: Int, preset: String)] = [
      (
        llamaLike(
          "llama", layers: 32, hidden: 4_096, heads: 32, kvHeads: 32, intermediate: 11_008, vocab: 32_000),
        "6.738", nil, 524_288, "llama2-7b"
      ),
      (
        llamaLike(
          "llama", layers: 40, hidden: 5_120, heads: 40, kvHeads: 40, intermediate: 13_824, vocab: 32_000),
        "13.016", nil, 819_200, "llama2-13b"
      ),
      (
        llamaLike(
          "llama", layers: 80, hidden: 8_192, heads: 64, kvHeads: 8, intermediate: 28_672, vocab: 32_000),
        "68.977", nil, 327_680, "llama2-70b"
      ),
      (
        llamaLike(
          "llama", layers: 32, hidden: 4_096, heads: 32, kvHeads: 8, intermediate: 14_336, vocab: 128_256),
        "8.030", nil, 131_072, "llama3.1-8b"
      ),
      (
        llamaLike(
          "llama", layers: 80, hidden: 8_192, heads: 64, kvHeads: 8, intermediate: 28_672, vocab: 128_256),
        "70.554", nil, 327_680, "llama3.1-70b"
      ),
      (
        llamaLike(
          "qwen2", layers: 28, hidden: 3_584, heads: 28, kvHeads: 4, intermediate: 18_944, vocab: 152_064),
        "7.616", nil, 57_344, "qwen2.5-7b"
      ),
      (
        llamaLike(
          "qwen2", layers: 80, hidden: 8_192, heads: 64, kvHeads: 8, intermediate: 29_568, vocab: 152_064),
        "72.706", nil, 327_680, "qwen2.5-72b"
      ),
      (
        llamaLike(
          "mistral", layers: 32, hidden: 4_096, heads: 32, kvHeads: 8, intermediate: 14_336, vocab: 32_000,
          more: ["sliding_window": "4096"]),
        "7.242", nil, 131_072, "mistral-7b-v0.1"
      ),
      (mixtral, "46.70", "12.88", 131_072, "mixtral-8x7b"),
      (deepSeekV2, "235.7", "21.4", 69_120, "deepseek-v2"),
      (deepSeekV3, "671.0", "37.6", 70_272, "deepseek-v3"),
    ]

  @Test(arguments: table.indices)
  func `a config reproduces the published parameters to their last digit`(row: Int) throws {
    let (config, billions, active, kv, preset) = Self.table[row]
    let model = try read(config)
    func digits(_ count: Int, like text: String) -> String {
      let decimals = text.split(separator: ".")[1].count
      return String(format: "%.\(decimals)f", Double(count) / 1e9)
    }
    // Qwen2.5's query, key and value biases are left out: at most one in the last digit.
    let unit = preset.hasPrefix("qwen") ? 0.00101 : 0
    let found = digits(model.parameters, like: billions)
    #expect(abs((Double(found) ?? 0) - (Double(billions) ?? 1)) <= unit, "\(preset): \(found)")
    if let active { #expect(digits(model.activeParameters, like: active) == active, "\(preset)") }
    if active == nil { #expect(model.activeParameters == model.parameters) }
    #expect(model.kvBytesPerToken == kv)

    var expected = try #require(ModelCatalog.named(preset))
    (expected.name, expected.maxPosition) = (model.name, model.maxPosition)
    // DeepSeek-V3 is published in FP8, which `quantization_config` says.
    expected.store(as: .bf16)
    #expect(model == expected)
  }

  @Test func `Qwen's experts are read with their shared part and their dense layers`() throws {
    let keys = Self.llamaLike(
      "qwen2_moe", layers: 24, hidden: 2_048, heads: 16, kvHeads: 16, intermediate: 5_632, vocab: 151_936,
      more: [
        "moe_intermediate_size": "1408", "shared_expert_intermediate_size": "5632", "num_experts": "60",
        "num_experts_per_tok": "4", "decoder_sparse_step": "1", "mlp_only_layers": "[]",
        "use_sliding_window": "false", "sliding_window": "32768",
      ])
    let model = try read(keys)
    #expect(model.experts == MixtureOfExperts(count: 60, perToken: 4, intermediate: 1_408, shared: 4))
    #expect(model.window == nil)
    // Qwen1.5-MoE-A2.7B: 14.3 B parameters, 2.7 B active.
    #expect(abs(Double(model.parameters) / 14.3e9 - 1) < 0.01)
    #expect(abs(Double(model.activeParameters) / 2.7e9 - 1) < 0.02)
    #expect(try read(keys.merging(["mlp_only_layers": "[0, 1]"]) { $1 }).experts?.denseLayers == 2)
    #expect(refusal(keys.merging(["mlp_only_layers": "[5]"]) { $1 }).contains("mlp_only_layers"))
    #expect(refusal(keys.merging(["decoder_sparse_step": "2"]) { $1 }).contains("decoder_sparse_step"))
    #expect(
      refusal(keys.merging(["shared_expert_intermediate_size": "5000"]) { $1 }).contains("a multiple of"))
    #expect(refusal(keys.filter { $0.key != "num_experts" }).contains("\"num_experts\" is missing"))
  }

  @Test func `Qwen3's experts have heads of their own width`() throws {
    let model = try read(
      Self.llamaLike(
        "qwen3_moe", layers: 48, hidden: 2_048, heads: 32, kvHeads: 4, intermediate: 6_144, vocab: 151_936,
        more: [
          "head_dim": "128", "moe_intermediate_size": "768", "num_experts": "128", "num_experts_per_tok": "8",
        ]))
    // Qwen3-30B-A3B: 30.5 B parameters, 3.3 B active.
    #expect(abs(Double(model.parameters) / 30.5e9 - 1) < 0.005)
    #expect(abs(Double(model.activeParameters) / 3.3e9 - 1) < 0.02)
  }

  @Test func `StarCoder has one KV head for all queries`() throws {
    let keys = [
      "model_type": "\"gpt_bigcode\"", "n_layer": "40", "n_embd": "6144", "n_head": "48", "n_inner": "24576",
      "vocab_size": "49152", "n_positions": "8192", "multi_query": "true",
    ]
    let model = try read(keys)
    #expect(model.kvHeads == 1 && model.headDim == 128 && !model.gatedFFN && model.tiedEmbeddings)
    // StarCoder: 15.5 B parameters.
    #expect(abs(Double(model.parameters) / 15.5e9 - 1) < 0.01)
    #expect(try read(keys.merging(["multi_query": "false"]) { $1 }).kvHeads == 48)
  }

  @Test(arguments: [
    ("kv_lora_rank", "0"), ("v_head_dim", "\"128\""), ("moe_layer_freq", "2"), ("n_routed_experts", "1.5"),
    ("num_experts_per_tok", "161"), ("first_k_dense_replace", "-1"),
    ("quantization_config", "{\"quant_method\": \"bitsandbytes\"}"),
  ])
  func `a DeepSeek config with a value that is not modelled is refused by its key or dimension`(
    key: String, value: String
  ) {
    let message = refusal(Self.deepSeekV2.merging([key: value]) { $1 })
    #expect(!message.hasPrefix("accepted"))
    #expect(message.contains(key) || message.contains("experts per token"), "\(message)")
  }

  /// A configuration without keys, and what the family's class in transformers makes of that.
  private static let defaults:
    [(
      what: String, config: [String: String], without: [String], read: @Sendable (ModelSpec) -> String,
      value: String
    )] =
      [
        // Qwen/Qwen3-0.6B, 0.596 G parameters.
        (
          "qwen3's head_dim", qwen3, ["head_dim"],
          { "\($0.headDim) \($0.kvBytesPerToken) \(String(format: "%.3f", Double($0.parameters) / 1e9))" },
          "128 114688 0.596"
        ),
        ("qwen3_moe's head_dim", qwen3Experts, ["head_dim"], { "\($0.headDim)" }, "64"),
        ("qwen2's head_dim", qwen2, [], { "\($0.headDim)" }, "128"),
        ("mistral's window", mistral, ["sliding_window"], { "\($0.window ?? 0)" }, "4096"),
        (
          "mistral's window, null", mistral.merging(["sliding_window": "null"]) { $1 }, [],
          { "\($0.window ?? 0)" }, "0"
        ),
        ("mixtral's window", mixtral, ["sliding_window"], { "\($0.window ?? 0)" }, "0"),
        ("qwen2's window", qwen2, [], { "\($0.window ?? 0)" }, "0"),
        (
          "qwen2's width of a window",
          qwen2.merging(["use_sliding_window": "true", "max_window_layers": "0"]) { $1 }, [],
          { "\($0.window ?? 0)" }, "4096"
        ),
        (
          "qwen2's layers without a window", qwen2.merging(["use_sliding_window": "true"]) { $1 }, [],
          { "\($0.window ?? 0)" }, "0"
        ),
        (
          "qwen3_moe's window", qwen3Experts.merging(["use_sliding_window": "true"]) { $1 }, [],
          { "\($0.window ?? 0)" }, "4096"
        ),
        (
          "layer_types before max_window_layers",
          qwen2.merging([
            "use_sliding_window": "true", "max_window_layers": "0",
            "layer_types": layerTypes(qwen2["num_hidden_layers"]),
          ]) { $1 }, [], { "\($0.window ?? 0)" }, "0"
        ),
        (
          "qwen2_moe's shared experts", qwen2Experts, ["shared_expert_intermediate_size"],
          { "\($0.experts?.shared ?? 0)" }, "4"
        ),
        ("qwen3_moe's shared experts", qwen3Experts, [], { "\($0.experts?.shared ?? 1)" }, "0"),
        ("deepseek's q_lora_rank", deepSeekV3, ["q_lora_rank"], { "\($0.latent?.queryRank ?? 0)" }, "1536"),
        (
          "deepseek's q_lora_rank, null", deepSeekV3.merging(["q_lora_rank": "null"]) { $1 }, [],
          { "\($0.latent?.queryRank ?? 0)" }, "0"
        ),
        (
          "deepseek's shared experts, null", deepSeekV2.merging(["n_shared_experts": "null"]) { $1 }, [],
          { "\($0.experts?.shared ?? 1)" }, "0"
        ),
        (
          "deepseek's experts, null", deepSeekV2.merging(["n_routed_experts": "null"]) { $1 }, [],
          { "\($0.experts == nil)" }, "true"
        ),
        ("llama's embeddings", llama, [], { "\($0.tiedEmbeddings) \($0.window ?? 0)" }, "false 0"),
        ("llama's KV heads", llama, ["num_key_value_heads"], { "\($0.kvHeads)" }, "32"),
      ]

  private static let qwen3 = llamaLike(
    "qwen3", layers: 28, hidden: 1_024, heads: 16, kvHeads: 8, intermediate: 3_072, vocab: 151_936,
    more: ["head_dim": "128", "tie_word_embeddings": "true"])
  private static let qwen3Experts = llamaLike(
    "qwen3_moe", layers: 48, hidden: 2_048, heads: 32, kvHeads: 4, intermediate: 6_144, vocab: 151_936,
    more: ["moe_intermediate_size": "768", "num_experts": "128", "num_experts_per_tok": "8"])
  private static let qwen2Experts = llamaLike(
    "qwen2_moe", layers: 24, hidden: 2_048, heads: 16, kvHeads: 16, intermediate: 5_632, vocab: 151_936,
    more: [
      "moe_intermediate_size": "1408", "num_experts": "60", "num_experts_per_tok": "4",
      "shared_expert_intermediate_size": "5632",
    ])
  private static let qwen2 = llamaLike(
    "qwen2", layers: 28, hidden: 3_584, heads: 28, kvHeads: 4, intermediate: 18_944, vocab: 152_064)
  private static let mistral = llamaLike(
    "mistral", layers: 32, hidden: 4_096, heads: 32, kvHeads: 8, intermediate: 14_336, vocab: 32_000,
    more: ["sliding_window": "8192"])
  private static let llama = llamaLike(
    "llama", layers: 32, hidden: 4_096, heads: 32, kvHeads: 32, intermediate: 11_008, vocab: 32_000)

  @Test(arguments: defaults.indices)
  func `a key that is absent has the family's default, which is not what null stands for`(row: Int) throws {
    let (what, config, without, value, expected) = Self.defaults[row]
    #expect(try value(read(config.filter { !without.contains($0.key) })) == expected, "\(what)")
  }

  @Test(arguments: [
    ("deepseek_v3", "n_routed_experts"), ("deepseek_v3", "n_shared_experts"),
    ("deepseek_v3", "first_k_dense_replace"),
    ("mixtral", "num_local_experts"), ("qwen2_moe", "num_experts_per_tok"), ("qwen3", "num_key_value_heads"),
  ])
  func `a size that the family's classes do not agree on must be stated`(family: String, key: String) {
    let configs = ["deepseek_v3": Self.deepSeekV3, "mixtral": Self.mixtral, "qwen2_moe": Self.qwen2Experts]
    let config = configs[family] ?? Self.qwen3
    #expect(refusal(config.filter { $0.key != key }).contains("\"\(key)\" is missing"))
  }

  @Test func `a null where the family knows none is refused`() {
    #expect(refusal(Self.qwen3.merging(["head_dim": "null"]) { $1 }).contains("\"head_dim\" is null"))
    let slides = Self.qwen2Experts.merging(["use_sliding_window": "true"]) { $1 }
    #expect(refusal(slides).contains("use_sliding_window"))
  }

  private static func layerTypes(_ count: String?) -> String {
    "[\(Array(repeating: "\"full_attention\"", count: Int(count ?? "") ?? 0).joined(separator: ", "))]"
  }

  @Test func `a list with something for each layer is as long as there are layers`() {
    for config in [Self.qwen3, Self.qwen3Experts, Self.mixtral, Self.deepSeekV2] {
      let layers = config["num_hidden_layers"]!
      func with(_ value: String) -> String { refusal(config.merging(["layer_types": value]) { $1 }) }
      #expect(with(Self.layerTypes(layers)).hasPrefix("accepted"))
      for count in [0, 1, Int(layers)! - 1, Int(layers)! + 1] {
        #expect(
          with(Self.layerTypes("\(count)"))
            == "config.json: key \"layer_types\" is a list of \(count), expected \(layers), one for each layer (num_hidden_layers)"
        )
      }
      #expect(with("\"full_attention\"").contains("expected a list of \(layers)"))
    }
    let dense = "[\((0..<99).map(String.init).joined(separator: ","))]"
    #expect(
      refusal(Self.qwen3Experts.merging(["mlp_only_layers": dense]) { $1 }).contains("mlp_only_layers"))
  }

  @Test func `layers that differ in attention are refused`() {
    let mixed = ["layer_types": "[\"sliding_attention\", \"full_attention\"]"]
    let qwen = Self.llamaLike(
      "qwen2", layers: 28, hidden: 3_584, heads: 28, kvHeads: 4, intermediate: 18_944, vocab: 152_064)
    #expect(refusal(qwen.merging(mixed) { $1 }).contains("layer_types"))
    let half = ["use_sliding_window": "true", "sliding_window": "4096", "max_window_layers": "14"]
    #expect(refusal(qwen.merging(half) { $1 }).contains("max_window_layers"))
  }
}
