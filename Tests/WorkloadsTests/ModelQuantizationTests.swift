import Foundation
import Sim
import Testing
import Workloads

@Suite("quantization_config")
struct ModelQuantizationTests {
  private func read(_ quantization: String, _ base: String = llama) throws -> ModelSpec {
    let text = "{\(base), \"quantization_config\": \(quantization)}"
    return try ModelConfigFile(json: Data(text.utf8), file: "config.json", name: "m").model
  }

  private func refusal(_ quantization: String, _ base: String = llama) -> String {
    do { return "accepted: \(try read(quantization, base))" } catch { return "\(error)" }
  }

  private static let llama = """
    "model_type": "llama", "num_hidden_layers": 2, "hidden_size": 256, "num_attention_heads": 2,
    "num_key_value_heads": 1, "intermediate_size": 512, "vocab_size": 1000, "max_position_embeddings": 4096
    """
  private static let experts = """
    "model_type": "qwen3_moe", "num_hidden_layers": 2, "hidden_size": 256, "num_attention_heads": 2,
    "num_key_value_heads": 1, "intermediate_size": 512, "vocab_size": 1000, "max_position_embeddings": 4096,
    "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 128
    """

  private static func tensors(_ weights: String, activations: String = "null", more: String = "")
    -> String
  {
    """
    {"quant_method": "compressed-tensors", "format": "x", "ignore": ["lm_head"], "config_groups": {"group_0":
    {"targets": ["Linear"], "weights": \(weights), "input_activations": \(activations)}}\(more)}
    """
  }

  /// As the checkpoints have them: Qwen3-FP8, MiniMax-M2, RedHatAI's FP8 and w4a16, Qwen2.5 GPTQ and AWQ, NVIDIA's FP8.
  private static let known: [(text: String, format: WeightFormat, kv: Int)] = [
    (
      #"{"activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8", "weight_block_size": [128, 128]}"#,
      .fp8Block, 2
    ),
    (
      #"""
      {"quant_method": "fp8", "fmt": "float8_e4m3fn", "activation_scheme": "dynamic", "weight_block_size": [128, 128],
      "modules_to_not_convert": ["gate", "e_score_correction_bias", "lm_head", "model.layers.0.mlp.gate",
      "model.layers.0.input_layernorm", "model.embed_tokens"]}
      """#, .fp8Block, 2
    ),
    (
      #"{"quant_method": "fp8", "activation_scheme": "static", "weight_block_size": null}"#, .fp8, 2
    ),
    (
      tensors(
        #"{"num_bits": 8, "type": "float", "strategy": "tensor"}"#,
        activations: #"{"num_bits": 8}"#,
        more: #", "kv_cache_scheme": null"#), .fp8, 2
    ),
    (
      tensors(
        #"{"num_bits": 8, "type": "float", "strategy": "channel"}"#,
        activations: #"{"num_bits": 8}"#,
        more: #", "kv_cache_scheme": {"num_bits": 8, "type": "float", "strategy": "tensor"}"#),
      .fp8, 1
    ),
    (
      tensors(
        #"{"num_bits": 8, "type": "float", "strategy": "block", "block_structure": [128, 128]}"#,
        activations: #"{"num_bits": 8, "type": "float"}"#, more: #", "sparsity_config": {"format": "dense"}"#),
      .fp8Block, 2
    ),
    (tensors(#"{"num_bits": 4, "type": "int", "strategy": "group", "group_size": 128}"#), .int4, 2),
    (
      #"{"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": false, "sym": true, "dynamic": {}}"#,
      .int4, 2
    ),
    (
      #"{"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemm", "modules_to_not_convert": null}"#,
      .int4, 2
    ),
    (#"{"quant_method": "awq", "w_bit": 4, "q_group_size": 128}"#, .int4, 2),
    (
      #"""
      {"quant_algo": "FP8", "kv_cache_scheme": "FP8", "ignore": ["lm_head"], "producer": {"name": "modelopt"},
      "config_groups": {"group_0": {"weights": {"num_bits": 8, "type": "float"}}}}
      """#, .fp8, 1
    ),
    (
      #"""
      {"quant_method": "modelopt", "quant_algo": "FP8", "kv_cache_scheme": {"dynamic": false, "num_bits": 8, "type": "float"}}
      """#, .fp8, 1
    ),
  ]

  @Test(arguments: known.indices)
  func `a scheme that is known gives its format and the cache's element`(row: Int) throws {
    let (text, format, kv) = Self.known[row]
    let model = try read(text)
    #expect(model.weights == format, "\(text)")
    #expect(model.kvBytesPerElement == kv, "\(text)")
  }

  @Test(arguments: [
    (
      #"{"quant_method": "bitsandbytes", "load_in_4bit": true}"#,
      "quant_method\" is \"bitsandbytes\": known are fp8,"
    ),
    (#"{"quant_method": "gguf"}"#, "\"gguf\": known are"),
    (#"{"quant_method": "fbgemm_fp8"}"#, "\"fbgemm_fp8\": known are"),
    (#"{"bits": 4}"#, "quantization_config.quant_method\" is missing"),
    (#"{"quant_method": 3}"#, "quantization_config.quant_method\" is 3, expected a string"),
    (#""fp8""#, "quantization_config\" is \"fp8\", expected an object"),
    (#"{"quant_method": "fp8", "weight_block_size": [1, 128]}"#, "only blocks of 128 × 128"),
    (
      #"{"quant_method": "gptq", "bits": 8, "group_size": 128}"#,
      "quantization_config.bits\" is 8: only 4"
    ),
    (#"{"quant_method": "gptq", "bits": 4}"#, "quantization_config.group_size\" is missing"),
    (#"{"quant_method": "gptq", "bits": 4, "group_size": 32}"#, "group_size\" is 32: only 128"),
    (#"{"quant_method": "gptq", "bits": 4, "group_size": -1}"#, "group_size\" is -1"),
    (
      #"{"quant_method": "gptq", "bits": 4, "group_size": 128, "lm_head": true}"#,
      "the LM head is modelled"
    ),
    (
      #"{"quant_method": "gptq", "bits": 4, "group_size": 128, "dynamic": {"+:.*": {"bits": 8}}}"#,
      "stored differently"
    ),
    (#"{"quant_method": "awq", "bits": 4, "group_size": 64}"#, "group_size\" is 64"),
    (#"{"quant_method": "mxfp4"}"#, "routed experts only"),
    (
      #"{"quant_method": "modelopt", "quant_algo": "NVFP4"}"#,
      "quant_algo\" is \"NVFP4\": of modelopt's"
    ),
    (
      #"{"quant_method": "fp8", "modules_to_not_convert": ["model.layers.3.self_attn.q_proj"]}"#,
      "modules_to_not_convert\" is \"model.layers.3.self_attn.q_proj\": layers that are stored"
    ),
    (
      #"{"quant_method": "fp8", "modules_to_not_convert": ["re:.*self_attn.*"]}"#,
      "routed experts only"
    ),
    (#"{"quant_method": "fp8", "modules_to_not_convert": "lm_head"}"#, "expected a list of names"),
    (tensors(#"{"num_bits": 8, "type": "int", "strategy": "channel"}"#), "8-bit int by channel"),
    (
      tensors(#"{"num_bits": 4, "type": "float", "strategy": "tensor_group"}"#),
      "4-bit float by tensor_group"
    ),
    (
      tensors(
        #"{"num_bits": 4, "type": "int", "strategy": "group", "group_size": 128}"#,
        activations: #"{"num_bits": 8}"#), "4-bit int by group, activations too"
    ),
    (
      tensors(#"{"num_bits": 4, "type": "int", "strategy": "group", "group_size": 32}"#),
      "group_size\" is 32"
    ),
    (
      #"{"quant_method": "compressed-tensors"}"#,
      "config_groups\" is absent, expected an object of groups"
    ),
    (
      tensors(
        #"{"num_bits": 8, "type": "float", "strategy": "tensor"}"#,
        activations: #"{"num_bits": 8}"#,
        more: #", "kv_cache_scheme": {"num_bits": 4, "type": "float"}"#),
      "\"4-bit float\": only 8 bits"
    ),
  ])
  func `a scheme that is not is refused by its name`(text: String, words: String) {
    let message = refusal(text)
    #expect(message.contains(words), "\(message)")
  }

  @Test(arguments: [
    (
      tensors(#"{"num_bits": 8, "type": "float", "strategy": "channel"}"#),
      "input_activations\" is null: 8-bit float weights"
    ),
    (
      tensors(
        #"{"num_bits": 8, "type": "float", "strategy": "tensor"}"#, activations: #"{"num_bits": 8}"#,
        more: #", "sparsity_config": {"format": "sparse-24-bitmask"}"#), "sparsity_config\" is"
    ),
    (
      tensors(
        #"{"num_bits": 8, "type": "float", "strategy": "tensor"}"#, activations: #"{"num_bits": 8}"#
      ).replacing(#"["Linear"]"#, with: #"["re:.*down_proj"]"#), "targets\" is"
    ),
    // Where a module stands is not what it is.
    (
      #"{"quant_method": "fp8", "modules_to_not_convert": ["model.norm_layers.mlp.down_proj"]}"#,
      "layers that are stored"
    ),
    (
      #"{"quant_method": "fp8", "ignored_layers": ["lm_head_mlp.down_proj"]}"#, "layers that are stored"
    ),
  ])
  func `what quantises a part only, or sparsely, is refused`(text: String, words: String) {
    #expect(refusal(text).contains(words), "\(refusal(text))")
  }

  /// NVIDIA's checkpoints, whose quantization is in a file of its own; google/gemma-3-27b-it, the keys that matter.
  @Test func `ModelOpt's file beside the model's is read, and the text part of a model with vision`() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try "{\(Self.llama)}".write(toFile: folder + "/config.json", atomically: true, encoding: .utf8)
    try
      #"{"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8"}}"#
      .write(toFile: folder + "/hf_quant_config.json", atomically: true, encoding: .utf8)
    let model = try ModelConfigFile(path: folder).model
    #expect(model.weights == .fp8 && model.kvBytesPerElement == 1)
    let gemma = #"""
      {"model_type": "gemma3", "torch_dtype": "bfloat16", "vision_config": {"model_type": "siglip_vision_model"},
      "text_config": {"model_type": "gemma3_text", "head_dim": 128, "hidden_size": 5376, "intermediate_size": 21504,
      "num_attention_heads": 32, "num_hidden_layers": 62, "num_key_value_heads": 16, "sliding_window": 1024}}
      """#
    let file = try ModelConfigFile(json: Data(gemma.utf8), file: "config.json", name: "gemma3-27b")
    #expect(file.model == ModelCatalog.named("google/gemma-3-27b-it"))
    #expect(file.notes.contains { $0.contains("text part") })
  }

  @Test func `a group that differs from another is refused`() {
    let two = """
      {"quant_method": "compressed-tensors", "config_groups": {
      "group_0": {"weights": {"num_bits": 8, "type": "float", "strategy": "tensor"}, "input_activations": {"num_bits": 8}},
      "group_1": {"weights": {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 128}}}}
      """
    #expect(refusal(two).contains("\"fp8 and int4\": layers that are stored differently"))
  }

  @Test func `beside experts all layers' attention may stay in 16 bits`() throws {
    let model = try read(
      #"""
      {"quant_method": "fp8", "weight_block_size": [128, 128],
      "modules_to_not_convert": ["lm_head", "re:.*self_attn.*", "re:.*mlp.gate$"]}
      """#, Self.experts)
    #expect(model.weights == .bf16 && model.experts?.weights == .fp8Block)
    let all = try read(#"{"quant_method": "fp8"}"#, Self.experts)
    #expect(all.weights == .fp8 && all.experts?.weights == nil)
    #expect(model.weightBytes > all.weightBytes && model.weightBytes < model.parameters * 2)
  }

  /// openai/gpt-oss-20b, the keys that matter.
  @Test func `gpt-oss is read with its experts in MXFP4 and its alternating window`() throws {
    let types = (0..<24).map { $0 % 2 == 0 ? "\"sliding_attention\"" : "\"full_attention\"" }
    let text = """
      {"model_type": "gpt_oss", "num_hidden_layers": 24, "hidden_size": 2880, "num_attention_heads": 64,
      "num_key_value_heads": 8, "head_dim": 64, "intermediate_size": 2880, "vocab_size": 201088,
      "max_position_embeddings": 131072, "num_local_experts": 32, "num_experts_per_tok": 4, "sliding_window": 128,
      "layer_types": [\(types.joined(separator: ", "))], "tie_word_embeddings": false,
      "rope_scaling": {"factor": 32.0, "original_max_position_embeddings": 4096, "rope_type": "yarn"},
      "quantization_config": {"modules_to_not_convert": ["model.layers.*.self_attn", "model.layers.*.mlp.router",
      "model.embed_tokens", "lm_head"], "quant_method": "mxfp4"}}
      """
    var model = try ModelConfigFile(json: Data(text.utf8), file: "config.json", name: "gpt-oss-20b")
      .model
    #expect(model == ModelCatalog.named("openai/gpt-oss-20b"))
    model.store(as: .bf16)
    #expect(model.experts?.weights == nil && model.weightBytes == model.parameters * 2)
  }

  /// MiniMaxAI/MiniMax-M2.5, google/gemma-2-9b, microsoft/phi-4 and Phi-3-mini-4k, the keys that matter.
  @Test func `families with keys of their own are read as their presets`() throws {
    func read(_ name: String, _ text: String) throws -> ModelSpec {
      try ModelConfigFile(json: Data("{\(text)}".utf8), file: "config.json", name: name).model
    }
    let miniMax = #"""
      "model_type": "minimax_m2", "num_hidden_layers": 62, "hidden_size": 3072, "num_attention_heads": 48,
      "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 1536, "vocab_size": 200064,
      "num_experts_per_tok": 8, "num_local_experts": 256, "max_position_embeddings": 196608,
      "shared_intermediate_size": 0, "tie_word_embeddings": false, "quantization_config": {"quant_method": "fp8",
      "weight_block_size": [128, 128], "modules_to_not_convert": ["gate", "e_score_correction_bias", "lm_head"]}
      """#
    #expect(try read("minimax-m2", miniMax) == ModelCatalog.named("MiniMaxAI/MiniMax-M2.5"))
    let gemma = #"""
      "model_type": "gemma2", "num_hidden_layers": 42, "hidden_size": 3584, "num_attention_heads": 16,
      "num_key_value_heads": 8, "head_dim": 256, "intermediate_size": 14336, "vocab_size": 256000,
      "max_position_embeddings": 8192, "sliding_window": 4096
      """#
    #expect(try read("gemma2-9b", gemma) == ModelCatalog.named("google/gemma-2-9b-it"))
    let phi = #"""
      "model_type": "phi3", "num_hidden_layers": 40, "hidden_size": 5120, "num_attention_heads": 40,
      "num_key_value_heads": 10, "intermediate_size": 17920, "vocab_size": 100352, "max_position_embeddings": 16384,
      "sliding_window": null, "tie_word_embeddings": false
      """#
    #expect(try read("phi-4", phi) == ModelCatalog.named("microsoft/phi-4"))
    let window = phi.replacing("\"sliding_window\": null", with: "\"sliding_window\": 2047")
    #expect(try read("phi-4", window).window == 2_047)
    let long = phi.replacing("\"sliding_window\": null", with: "\"sliding_window\": 262144")
    #expect(try read("phi-4", long).window == nil)
  }
}
