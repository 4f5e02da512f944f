import Foundation
import Results
import Sim

/// A model read from a Hugging Face `config.json`.
///
/// Reads the dense families `llama`, `mistral`, `qwen2`, `qwen3`, `phi3`, `gemma2`, `gemma3_text`, `opt` and `gpt_bigcode`, the
/// mixtures of experts `mixtral`, `qwen2_moe`, `qwen3_moe`, `gpt_oss` and `minimax_m2`, and `deepseek_v2` and `deepseek_v3` with
/// their latent attention. What else makes layers of one model differ is refused, and so are weights that are stored as none of `WeightFormat` is. Sizes must be stated; where
/// another key is absent, the default is the one that the family's class in `transformers` gives it, which is not what null
/// stands for.
///
/// Source of the defaults: https://github.com/huggingface/transformers, `src/transformers/models/FAMILY/configuration_FAMILY.py`,
/// 2026.
public struct ModelConfigFile: Hashable, Sendable {
  /// The dimensions, validated.
  public let model: ModelSpec
  /// What the file says and the model leaves out: sentences for a warning.
  public let notes: [String]

  /// Reads the file, or `config.json` in the directory, at `path`. The model is named after the file, or the directory of a
  /// `config.json`.
  /// Throws `ModelConfigError`, or `ModelSpecError` where numbers are sound alone and not together.
  public init(path: String) throws {
    var isDirectory: ObjCBool = false
    let found = FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
    var file = URL(fileURLWithPath: path)
    if isDirectory.boolValue { file.appendPathComponent("config.json") }
    guard found, let data = FileManager.default.contents(atPath: file.path) else {
      throw ModelConfigError.unreadable(file: file.path)
    }
    let folder = file.deletingLastPathComponent()
    // NVIDIA's ModelOpt writes what it has quantised into a file of its own beside the model's.
    let beside = folder.appendingPathComponent("hf_quant_config.json")
    var quantization: JSON?
    if file.lastPathComponent == "config.json", let data = FileManager.default.contents(atPath: beside.path) {
      quantization = .object(try Self.members(data, file: beside.path))["quantization"]
    }
    let isPlain = file.lastPathComponent == "config.json"
    try self.init(
      json: data, file: file.path,
      name: isPlain ? folder.lastPathComponent : file.deletingPathExtension().lastPathComponent,
      quantization: quantization)
  }

  /// Parses `json`; `file` is only for messages. `quantization` is that of ModelOpt's own file, which counts where the model's
  /// has none.
  public init(json: Data, file: String, name: String, quantization: JSON? = nil) throws {
    let members = try Self.members(json, file: file)
    var values = Dictionary(uniqueKeysWithValues: members.map { ($0.key, $0.value) })
    let isPart = Config.takeText(of: &values)
    if let quantization, values["quantization_config"] == nil, quantization["quant_algo"]?.string != nil {
      values["quantization_config"] = quantization
    }
    let config = Config(file: file, values: values)
    try config.refuseUnmodelled()
    model = try config.model(name: name)
    try config.requireLists(layers: model.layers)
    notes = config.notes() + (isPart ? ["\(file): only the text part is read (text_config)"] : [])
    try model.validate()
  }

  private static func members(_ json: Data, file: String) throws -> [JSON.Member] {
    let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
    guard let text = String(bytes: json.starts(with: mark) ? json.dropFirst(3) : json, encoding: .utf8) else {
      throw ModelConfigError.notAnObject(file: file)
    }
    let value: JSON
    do { value = try JSON(parsing: text) } catch {
      throw ModelConfigError.malformed(file: file, error: error)
    }
    guard case .object(let members) = value else { throw ModelConfigError.notAnObject(file: file) }
    return members
  }
}

/// Why a `config.json` is not a model that can be simulated.
public enum ModelConfigError: Error, Hashable, CustomStringConvertible {
  case unreadable(file: String)
  case notAnObject(file: String)
  /// Text that is no JSON, or has a key twice.
  case malformed(file: String, error: JSONError)
  case missing(file: String, key: String, expected: String)
  case invalid(file: String, key: String, found: String, expected: String)
  /// A kind of model whose costs are not modelled.
  case unsupported(file: String, key: String, found: String, why: String)

  /// One sentence: what was found and what was expected.
  public var description: String {
    switch self {
    case .unreadable(let file): "\(file): cannot be read"
    case .notAnObject(let file): "\(file): is not a JSON object"
    case .malformed(let file, let error):
      "\(file):\(error.line): found \(error.found), expected \(error.expected)"
    case .missing(let file, let key, let expected): "\(file): key \"\(key)\" is missing, expected \(expected)"
    case .invalid(let file, let key, let found, let expected):
      "\(file): key \"\(key)\" is \(found), expected \(expected)"
    case .unsupported(let file, let key, let found, let why):
      "\(file): key \"\(key)\" is \(found): \(why)"
    }
  }
}

/// Typed access to the keys of one file.
struct Config {
  let file: String
  let values: [String: JSON]

  /// Keys whose presence (and not as null) says that the costs would be wrong.
  func refuseUnmodelled() throws {
    let family = try text("model_type")
    let isLatent = ["deepseek_v2", "deepseek_v3"].contains(family)
    let experts = [
      "num_local_experts", "num_experts", "n_routed_experts", "moe_intermediate_size", "num_experts_per_tok",
    ]
    if !isLatent, !["mixtral", "qwen2_moe", "qwen3_moe", "gpt_oss", "minimax_m2"].contains(family) {
      for key in experts {
        if let value = present(key) {
          throw unsupported(key, value, "a mixture of experts (MoE), which \(family) is not known to have")
        }
      }
    }
    if !isLatent {
      for key in ["kv_lora_rank", "q_lora_rank"] {
        if let value = present(key) {
          throw unsupported(key, value, "latent attention (MLA), which \(family) is not known to have")
        }
      }
    }
    if let value = present("layer_types"), case .array(let types) = value, Set(types).count > 1,
      !Self.alternating.contains(family)
    {
      throw unsupported("layer_types", value, "layers whose attention differs are not modelled")
    }
    if let value = present("layer_types"), case .array(let types) = value,
      let type = types.first(where: {
        ![.string("full_attention"), .string("sliding_attention")].contains($0)
      })
    {
      throw unsupported("layer_types", value, "layers of \(type.shown) are not modelled")
    }
  }

  /// Lists that have something for each layer, or name some of the layers.
  func requireLists(layers: Int) throws {
    func require(_ key: String, _ found: String, _ expected: String, _ holds: Bool) throws {
      if !holds { throw ModelConfigError.invalid(file: file, key: key, found: found, expected: expected) }
    }
    if let value = present("layer_types") {
      guard case .array(let types) = value else {
        return try require("layer_types", value.shown, "a list of \(layers), one for each layer", false)
      }
      try require(
        "layer_types", "a list of \(types.count)", "\(layers), one for each layer (num_hidden_layers)",
        types.count == layers)
    }
    if let value = present("mlp_only_layers"), case .array(let dense) = value {
      try require(
        "mlp_only_layers", "a list of \(dense.count)", "at most \(layers), the layers that there are",
        dense.count <= layers)
    }
  }

  func model(name: String) throws -> ModelSpec {
    try checkElementType()
    var model = try dimensions(name: name)
    if let (quantization, key) = try quantization() { try quantization.apply(to: &model, self, key) }
    return model
  }

  private func dimensions(name: String) throws -> ModelSpec {
    let family = try text("model_type")
    switch family {
    case "llama", "mistral", "qwen2", "qwen3", "phi3": return try llama(name: name, family: family)
    case "gpt_oss": return try gptOSS(name: name)
    case "minimax_m2": return try miniMax(name: name)
    case "gemma2", "gemma3_text": return try gemma(name: name, family: family)
    case "mixtral":
      var model = try llama(name: name, family: family)
      model.experts = MixtureOfExperts(
        count: try integer("num_local_experts"), perToken: try integer("num_experts_per_tok"),
        intermediate: model.intermediate)
      return model
    case "qwen2_moe", "qwen3_moe": return try qwenExperts(name: name, family: family)
    case "deepseek_v2", "deepseek_v3": return try deepSeek(name: name)
    case "opt": return try opt(name: name)
    case "gpt_bigcode": return try bigCode(name: name)
    default:
      throw ModelConfigError.invalid(
        file: file, key: "model_type", found: "\"\(family)\"",
        expected:
          "llama, mistral, mixtral, qwen2, qwen2_moe, qwen3, qwen3_moe, deepseek_v2, deepseek_v3, gpt_oss, "
          + "minimax_m2, gemma2, gemma3_text, phi3, gpt_bigcode or opt")
    }
  }

  /// Layers with experts must be all, or all but the first ones.
  private func qwenExperts(name: String, family: String) throws -> ModelSpec {
    var model = try llama(name: name, family: family)
    if present("decoder_sparse_step") != nil {
      try require("decoder_sparse_step", 1, "experts in every layer")
    }
    var dense = 0
    if let value = present("mlp_only_layers") {
      guard case .array(let layers) = value, layers == layers.indices.map({ .int($0) }) else {
        throw unsupported(
          "mlp_only_layers", value, "dense layers are modelled before the experts only: [0, 1, …]")
      }
      dense = layers.count
    }
    let width = try integer("moe_intermediate_size")
    // `Qwen2MoeConfig`: shared_expert_intermediate_size = 5632. `Qwen3MoeConfig` has none.
    let shared = family == "qwen2_moe" ? try integer("shared_expert_intermediate_size", absent: 5_632) : 0
    guard shared.isMultiple(of: width) else {
      throw ModelConfigError.invalid(
        file: file, key: "shared_expert_intermediate_size", found: "\(shared)",
        expected: "a multiple of moe_intermediate_size \(width)")
    }
    model.experts = MixtureOfExperts(
      count: try integer("num_experts"), perToken: try integer("num_experts_per_tok"), intermediate: width,
      shared: shared / width, denseLayers: dense)
    return model
  }

  /// DeepSeek-V2 and -V3: a latent in place of keys and values, experts after the first layers.
  private func deepSeek(name: String) throws -> ModelSpec {
    if present("moe_layer_freq") != nil {
      try require("moe_layer_freq", 1, "experts in every layer but the first")
    }
    var model = ModelSpec(
      name: name, layers: try integer("num_hidden_layers"), hidden: try integer("hidden_size"),
      queryHeads: try integer("num_attention_heads"), kvHeads: 1, headDim: try integer("qk_nope_head_dim"),
      intermediate: try integer("intermediate_size"), vocab: try integer("vocab_size"),
      maxPosition: try longestContext(),
      tiedEmbeddings: try flag("tie_word_embeddings", default: false))
    model.latent = LatentAttention(
      rank: try integer("kv_lora_rank"), ropeDim: try integer("qk_rope_head_dim"),
      valueDim: try integer("v_head_dim"),
      // `DeepseekV2Config` and `DeepseekV3Config`: q_lora_rank = 1536; null is none.
      queryRank: try optional("q_lora_rank", absent: 1_536))
    // Those classes have experts unless told otherwise, and DeepSeek's own have none: it must be said.
    if let experts = try optional("n_routed_experts") {
      model.experts = MixtureOfExperts(
        count: experts, perToken: try integer("num_experts_per_tok"),
        intermediate: try integer("moe_intermediate_size"),
        shared: try optional("n_shared_experts") ?? 0,
        denseLayers: try count("first_k_dense_replace"))
    }
    return model
  }

  /// StarCoder's family: one KV head for all, two feed-forward matrices.
  private func bigCode(name: String) throws -> ModelSpec {
    let hidden = try integer("n_embd")
    let heads = try integer("n_head")
    return ModelSpec(
      name: name, layers: try integer("n_layer"), hidden: hidden, queryHeads: heads,
      kvHeads: try flag("multi_query", default: true) ? 1 : heads,
      headDim: try headDim(hidden: hidden, heads: heads),
      intermediate: present("n_inner") == nil ? 4 * hidden : try integer("n_inner"),
      vocab: try integer("vocab_size"), maxPosition: try integer("n_positions"), gatedFFN: false,
      tiedEmbeddings: try flag("tie_word_embeddings", default: true))
  }

  /// The sliding window of all layers, or `nil`.
  private func window(family: String, layers: Int) throws -> Int? {
    switch family {
    case "llama", "gpt_oss", "minimax_m2", "gemma2", "gemma3_text": return nil
    // `Phi3Config`: none. Longer than the context, as of Phi-3's long models, is none as well.
    case "phi3":
      guard present("sliding_window") != nil else { return nil }
      let window = try integer("sliding_window")
      return window >= (try longestContext()) ? nil : window
    // `MistralConfig`: sliding_window = 4096; null, as from version 0.2 of the model on, is none.
    case "mistral": return try optional("sliding_window", absent: 4_096)
    // `MixtralConfig`: none.
    case "mixtral": return present("sliding_window") == nil ? nil : try integer("sliding_window")
    default: break
    }
    // Qwen's classes: use_sliding_window = False, sliding_window = 4096.
    guard try flag("use_sliding_window", default: false),
      let window = try optional("sliding_window", absent: 4_096)
    else { return nil }
    if let value = present("layer_types"), case .array(let types) = value, let type = types.first {
      return type == .string("full_attention") ? nil : window
    }
    // `Qwen2MoeConfig` lets every second layer slide.
    if family == "qwen2_moe" {
      throw unsupported("use_sliding_window", .bool(true), "layers whose attention differs are not modelled")
    }
    // The layers from max_window_layers on slide: 28 in `Qwen2Config` and `Qwen3Config`; `Qwen3MoeConfig` has no such key.
    let full = family == "qwen3_moe" ? 0 : 28
    let first = present("max_window_layers") == nil ? full : try count("max_window_layers")
    if first >= layers { return nil }
    guard first == 0 else {
      throw unsupported(
        "max_window_layers", .int(first), "layers whose attention differs are not modelled")
    }
    return window
  }

  func llama(name: String, family: String) throws -> ModelSpec {
    let hidden = try integer("hidden_size")
    let heads = try integer("num_attention_heads")
    // Llama 1 and Phi-3 may have no such key: one KV head per query head. The other families' are sizes, and must be stated.
    let kvHeads =
      ["llama", "phi3"].contains(family) && present("num_key_value_heads") == nil
      ? heads : try integer("num_key_value_heads")
    let layers = try integer("num_hidden_layers")
    return ModelSpec(
      name: name, layers: layers, hidden: hidden, queryHeads: heads,
      kvHeads: kvHeads, headDim: try headDim(family: family, hidden: hidden, heads: heads),
      intermediate: try integer("intermediate_size"), vocab: try integer("vocab_size"),
      maxPosition: try longestContext(),
      tiedEmbeddings: try flag("tie_word_embeddings", default: false),
      window: try window(family: family, layers: layers))
  }

  private func opt(name: String) throws -> ModelSpec {
    let hidden = try integer("hidden_size")
    let heads = try integer("num_attention_heads")
    if present("word_embed_proj_dim") != nil {
      let width = try integer("word_embed_proj_dim")
      guard width == hidden else {
        throw ModelConfigError.invalid(
          file: file, key: "word_embed_proj_dim", found: "\(width)",
          expected: "\(hidden) (hidden_size): projected embeddings are not modelled")
      }
    }
    return ModelSpec(
      name: name, layers: try integer("num_hidden_layers"), hidden: hidden, queryHeads: heads,
      kvHeads: heads, headDim: try headDim(hidden: hidden, heads: heads),
      intermediate: try integer("ffn_dim"), vocab: try integer("vocab_size"),
      maxPosition: try longestContext(), gatedFFN: false,
      tiedEmbeddings: try flag("tie_word_embeddings", default: true))
  }

  /// What the positions were trained for, or what their scaling makes of it.
  ///
  /// As vLLM derives it (`_get_and_verify_max_len` in vllm/config): `yarn` multiplies the original length, `linear` and `dynamic`
  /// the stated one; `llama3` and `longrope` state the scaled length. Version 5 of transformers calls the key rope_parameters,
  /// and takes the stated length for an original one that is absent.
  private func longestContext() throws -> Int {
    let stated = try integer("max_position_embeddings")
    var lengths: Set<Int> = []
    for key in ["rope_scaling", "rope_parameters"] {
      guard let value = present(key), value != .object([]) else { continue }
      lengths.insert(try context(stated, scaledBy: value, key))
    }
    guard lengths.count < 2 else {
      throw ModelConfigError.invalid(
        file: file, key: "rope_parameters", found: "another scaling", expected: "that of rope_scaling")
    }
    return lengths.first ?? stated
  }

  private func context(_ stated: Int, scaledBy value: JSON, _ key: String) throws -> Int {
    guard case .object(let members) = value else {
      throw ModelConfigError.invalid(file: file, key: key, found: value.shown, expected: "an object")
    }
    let scaling = Config(
      file: file,
      values: Dictionary(uniqueKeysWithValues: members.map { ("\(key).\($0.key)", $0.value) }))
    let type = ["\(key).rope_type", "\(key).type"].first { scaling.present($0) != nil }
    guard let type else {
      // Version 5 also allows an object for each type of layer.
      let parts = try members.compactMap { member -> Int? in
        guard case .object = member.value else { return nil }
        return try context(stated, scaledBy: member.value, "\(key).\(member.key)")
      }
      guard scaling.present("\(key).factor") == nil else {
        throw ModelConfigError.missing(
          file: file, key: "\(key).rope_type", expected: "what the factor is of: linear, dynamic, yarn, …")
      }
      // What all layers can do.
      return parts.min() ?? stated
    }
    var length = stated
    switch try scaling.text(type) {
    case "default", "mrope", "llama3", "longrope", "su": return stated
    case "linear", "dynamic": break
    case "yarn":
      length = try scaling.integer("\(key).original_max_position_embeddings", absent: stated)
    default:
      throw ModelConfigError.invalid(
        file: file, key: type, found: scaling.values[type]?.shown ?? "absent",
        expected: "default, linear, dynamic, yarn, longrope, su, llama3 or mrope")
    }
    let factor = try scaling.number("\(key).factor", in: 1...1_000_000)
    return Int(Double(length) * factor)
  }

  func notes() -> [String] {
    guard values["model_type"] == .string("llama"), let window = present("sliding_window") else { return [] }
    return [
      "\(file): sliding_window \(window.shown) is left out: llama attends to the whole context"
    ]
  }

  private func headDim(family: String, hidden: Int, heads: Int) throws -> Int {
    // `Qwen3Config`: head_dim = 128. The other classes divide, `Qwen3MoeConfig` among them.
    if family == "qwen3" { return try integer("head_dim", absent: 128) }
    // `GptOssConfig`: 64. `Gemma2Config`, `Gemma3TextConfig`: 256.
    if family == "gpt_oss" { return try integer("head_dim", absent: 64) }
    if family.hasPrefix("gemma") { return try integer("head_dim", absent: 256) }
    if present("head_dim") != nil { return try integer("head_dim") }
    return try headDim(hidden: hidden, heads: heads)
  }

  private func headDim(hidden: Int, heads: Int) throws -> Int {
    guard hidden.isMultiple(of: heads) else {
      throw ModelConfigError.invalid(
        file: file, key: "num_attention_heads", found: "\(heads)",
        expected: "a divisor of hidden_size \(hidden), or a head_dim")
    }
    return hidden / heads
  }

  /// FP32 checkpoints are served in FP16, as vLLM does by default.
  private func checkElementType() throws {
    for key in ["torch_dtype", "dtype"] where present(key) != nil {
      let type = try text(key)
      guard ["float16", "bfloat16", "float32"].contains(type) else {
        throw unsupported(key, .string(type), "only float16, bfloat16 and float32 weights are modelled")
      }
    }
  }

  /// The largest value that any key may have; `ModelSpec.validate` has closer bounds.
  private static let largest = 1 << 40

  func integer(_ key: String) throws -> Int {
    let expected = "a whole number in 1...\(Self.largest)"
    guard let value = values[key] else {
      throw ModelConfigError.missing(file: file, key: key, expected: expected)
    }
    guard case .int(let number) = value, (1...Self.largest).contains(number) else {
      throw ModelConfigError.invalid(file: file, key: key, found: value.shown, expected: expected)
    }
    return number
  }

  private func number(_ key: String, in range: ClosedRange<Double>) throws -> Double {
    let expected = "a number in \(Int(range.lowerBound))...\(Int(range.upperBound))"
    let number: Double
    switch values[key] {
    case .int(let value): number = Double(value)
    case .double(let value): number = value
    case let value?:
      throw ModelConfigError.invalid(file: file, key: key, found: value.shown, expected: expected)
    case nil: throw ModelConfigError.missing(file: file, key: key, expected: expected)
    }
    guard range.contains(number) else {
      throw ModelConfigError.invalid(
        file: file, key: key, found: values[key]?.shown ?? "", expected: expected)
    }
    return number
  }

  /// A whole number, `absent` without the key.
  func integer(_ key: String, absent: Int) throws -> Int {
    values[key] == nil ? absent : try integer(key)
  }

  /// A whole number or, where it is null, `nil`.
  private func optional(_ key: String) throws -> Int? { values[key] == .null ? nil : try integer(key) }

  /// The same, `absent` without the key.
  private func optional(_ key: String, absent: Int) throws -> Int? {
    values[key] == nil ? absent : try optional(key)
  }

  /// A whole number that may be 0.
  func count(_ key: String) throws -> Int {
    if values[key] == .int(0) { return 0 }
    return try integer(key)
  }

  /// The same, `absent` without the key.
  func count(_ key: String, absent: Int) throws -> Int { values[key] == nil ? absent : try count(key) }

  /// Throws unless `key` is `value`, which is what `meaning` needs.
  func require(_ key: String, _ value: Int, _ meaning: String) throws {
    let found = try integer(key)
    guard found == value else {
      throw unsupported(key, .int(found), "only \(value) is modelled: \(meaning)")
    }
  }

  func flag(_ key: String, default absent: Bool) throws -> Bool {
    guard let value = present(key) else { return absent }
    guard case .bool(let flag) = value else {
      throw ModelConfigError.invalid(file: file, key: key, found: value.shown, expected: "true or false")
    }
    return flag
  }

  func text(_ key: String) throws -> String {
    guard let value = present(key) else {
      throw ModelConfigError.missing(file: file, key: key, expected: "a string")
    }
    guard case .string(let text) = value else {
      throw ModelConfigError.invalid(file: file, key: key, found: value.shown, expected: "a string")
    }
    return text
  }

  /// The key's value; `nil` when it is absent or null.
  func present(_ key: String) -> JSON? {
    guard let value = values[key], value != .null else { return nil }
    return value
  }

  func unsupported(_ key: String, _ value: JSON, _ why: String) -> ModelConfigError {
    .unsupported(file: file, key: key, found: value.shown, why: why)
  }
}

extension JSON {
  /// How a message shows it.
  var shown: String {
    switch self {
    case .array: "an array"
    case .object: "an object"
    default: text
    }
  }
}
