import Foundation
import Sim

/// A model read from a Hugging Face `config.json`.
///
/// Reads the dense families `llama`, `mistral`, `qwen2`, `qwen3`, `opt` and `gpt_bigcode`, the mixtures of experts
/// `mixtral`, `qwen2_moe` and `qwen3_moe`, and `deepseek_v2` and `deepseek_v3` with their latent attention. Quantised
/// weights have other costs and are refused, and so is what makes layers of one model differ. Where a key is absent,
/// the default is the one that `transformers` gives it.
public struct ModelConfigFile: Hashable, Sendable {
  /// The dimensions, validated.
  public let model: ModelSpec
  /// What the file says and the model leaves out: sentences for a warning.
  public let notes: [String]

  /// Reads the file, or `config.json` in the directory, at `path`. The model is named after the directory.
  /// Throws `ModelConfigError`, or `ModelSpecError` where numbers are sound alone and not together.
  public init(path: String) throws {
    var isDirectory: ObjCBool = false
    let found = FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
    var file = URL(fileURLWithPath: path)
    if isDirectory.boolValue { file.appendPathComponent("config.json") }
    guard found, let data = FileManager.default.contents(atPath: file.path) else {
      throw ModelConfigError.unreadable(file: file.path)
    }
    let directory = file.deletingLastPathComponent().lastPathComponent
    try self.init(json: data, file: file.path, name: directory)
  }

  /// Parses `json`; `file` is only for messages.
  public init(json: Data, file: String, name: String) throws {
    guard let object = try? JSONDecoder().decode([String: JSONValue].self, from: json) else {
      throw ModelConfigError.notAnObject(file: file)
    }
    let config = Config(file: file, values: object)
    try config.refuseUnmodelled()
    model = try config.model(name: name)
    notes = config.notes()
    try model.validate()
  }
}

/// Why a `config.json` is not a model that can be simulated.
public enum ModelConfigError: Error, Hashable, CustomStringConvertible {
  case unreadable(file: String)
  case notAnObject(file: String)
  case missing(file: String, key: String, expected: String)
  case invalid(file: String, key: String, found: String, expected: String)
  /// A kind of model whose costs are not modelled.
  case unsupported(file: String, key: String, found: String, why: String)

  /// One sentence: what was found and what was expected.
  public var description: String {
    switch self {
    case .unreadable(let file): "\(file): cannot be read"
    case .notAnObject(let file): "\(file): is not a JSON object"
    case .missing(let file, let key, let expected): "\(file): key \"\(key)\" is missing, expected \(expected)"
    case .invalid(let file, let key, let found, let expected):
      "\(file): key \"\(key)\" is \(found), expected \(expected)"
    case .unsupported(let file, let key, let found, let why):
      "\(file): key \"\(key)\" is \(found): \(why)"
    }
  }
}

/// Typed access to the keys of one file.
private struct Config {
  let file: String
  let values: [String: JSONValue]

  /// Keys whose presence (and not as null) says that the costs would be wrong.
  func refuseUnmodelled() throws {
    let family = try text("model_type")
    let isLatent = ["deepseek_v2", "deepseek_v3"].contains(family)
    let experts = [
      "num_local_experts", "num_experts", "n_routed_experts", "moe_intermediate_size", "num_experts_per_tok",
    ]
    if !isLatent, !["mixtral", "qwen2_moe", "qwen3_moe"].contains(family) {
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
    if let value = present("layer_types"), case .array(let types) = value, Set(types).count > 1 {
      throw unsupported("layer_types", value, "layers whose attention differs are not modelled")
    }
    for key in ["quantization_config", "quantization", "compression_config"] {
      if let value = present(key) {
        throw unsupported(key, value, "quantised weights are not modelled, only FP16 and BF16")
      }
    }
  }

  func model(name: String) throws -> ModelSpec {
    let family = try text("model_type")
    try checkElementType()
    switch family {
    case "llama", "mistral", "qwen2", "qwen3": return try llama(name: name, family: family)
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
        expected: "llama, mistral, mixtral, qwen2, qwen2_moe, qwen3, qwen3_moe, deepseek_v2, deepseek_v3, "
          + "gpt_bigcode or opt")
    }
  }

  /// Layers with experts must be all, or all but the first ones.
  private func qwenExperts(name: String, family: String) throws -> ModelSpec {
    var model = try llama(name: name, family: family)
    if present("decoder_sparse_step") != nil { try require("decoder_sparse_step", 1, "experts in every layer") }
    var dense = 0
    if let value = present("mlp_only_layers") {
      guard case .array(let layers) = value, layers == layers.indices.map({ .integer($0) }) else {
        throw unsupported("mlp_only_layers", value, "dense layers are modelled before the experts only: [0, 1, …]")
      }
      dense = layers.count
    }
    let width = try integer("moe_intermediate_size")
    let shared = present("shared_expert_intermediate_size") == nil ? 0 : try integer("shared_expert_intermediate_size")
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
    if present("moe_layer_freq") != nil { try require("moe_layer_freq", 1, "experts in every layer but the first") }
    var model = ModelSpec(
      name: name, layers: try integer("num_hidden_layers"), hidden: try integer("hidden_size"),
      queryHeads: try integer("num_attention_heads"), kvHeads: 1, headDim: try integer("qk_nope_head_dim"),
      intermediate: try integer("intermediate_size"), vocab: try integer("vocab_size"),
      maxPosition: try integer("max_position_embeddings"),
      tiedEmbeddings: try flag("tie_word_embeddings", default: false))
    model.latent = LatentAttention(
      rank: try integer("kv_lora_rank"), ropeDim: try integer("qk_rope_head_dim"),
      valueDim: try integer("v_head_dim"),
      queryRank: present("q_lora_rank") == nil ? nil : try integer("q_lora_rank"))
    if present("n_routed_experts") != nil {
      model.experts = MixtureOfExperts(
        count: try integer("n_routed_experts"), perToken: try integer("num_experts_per_tok"),
        intermediate: try integer("moe_intermediate_size"),
        shared: present("n_shared_experts") == nil ? 0 : try integer("n_shared_experts"),
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
    guard present("sliding_window") != nil, family != "llama" else { return nil }
    guard family.hasPrefix("qwen") else { return try integer("sliding_window") }
    guard try flag("use_sliding_window", default: false) else { return nil }
    // Qwen: the layers from max_window_layers on slide.
    let full = present("max_window_layers") == nil ? 0 : try count("max_window_layers")
    if full >= layers { return nil }
    guard full == 0 else {
      throw unsupported("max_window_layers", .integer(full), "layers whose attention differs are not modelled")
    }
    return try integer("sliding_window")
  }

  private func llama(name: String, family: String) throws -> ModelSpec {
    let hidden = try integer("hidden_size")
    let heads = try integer("num_attention_heads")
    // Llama 1 has no such key: one KV head per query head. The other families' defaults depend on the version.
    let kvHeads =
      family == "llama" && present("num_key_value_heads") == nil ? heads : try integer("num_key_value_heads")
    let layers = try integer("num_hidden_layers")
    return ModelSpec(
      name: name, layers: layers, hidden: hidden, queryHeads: heads,
      kvHeads: kvHeads, headDim: try headDim(hidden: hidden, heads: heads),
      intermediate: try integer("intermediate_size"), vocab: try integer("vocab_size"),
      maxPosition: try integer("max_position_embeddings"),
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
      maxPosition: try integer("max_position_embeddings"), gatedFFN: false,
      tiedEmbeddings: try flag("tie_word_embeddings", default: true))
  }

  func notes() -> [String] {
    guard values["model_type"] == .string("llama"), let window = present("sliding_window") else { return [] }
    return [
      "\(file): sliding_window \(window.text) is left out: llama attends to the whole context"
    ]
  }

  private func headDim(hidden: Int, heads: Int) throws -> Int {
    if present("head_dim") != nil { return try integer("head_dim") }
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

  private func integer(_ key: String) throws -> Int {
    let expected = "a whole number in 1...\(Self.largest)"
    guard let value = present(key) else {
      throw ModelConfigError.missing(file: file, key: key, expected: expected)
    }
    guard case .integer(let number) = value, (1...Self.largest).contains(number) else {
      throw ModelConfigError.invalid(file: file, key: key, found: value.text, expected: expected)
    }
    return number
  }

  /// A whole number that may be 0.
  private func count(_ key: String) throws -> Int {
    if present(key) == .integer(0) { return 0 }
    return try integer(key)
  }

  /// Throws unless `key` is `value`, which is what `meaning` needs.
  private func require(_ key: String, _ value: Int, _ meaning: String) throws {
    let found = try integer(key)
    guard found == value else { throw unsupported(key, .integer(found), "only \(value) is modelled: \(meaning)") }
  }

  private func flag(_ key: String, default absent: Bool) throws -> Bool {
    guard let value = present(key) else { return absent }
    guard case .bool(let flag) = value else {
      throw ModelConfigError.invalid(file: file, key: key, found: value.text, expected: "true or false")
    }
    return flag
  }

  private func text(_ key: String) throws -> String {
    guard let value = present(key) else {
      throw ModelConfigError.missing(file: file, key: key, expected: "a string")
    }
    guard case .string(let text) = value else {
      throw ModelConfigError.invalid(file: file, key: key, found: value.text, expected: "a string")
    }
    return text
  }

  /// The key's value; `nil` when it is absent or null.
  private func present(_ key: String) -> JSONValue? { values[key].flatMap { $0 == .null ? nil : $0 } }

  private func unsupported(_ key: String, _ value: JSONValue, _ why: String) -> ModelConfigError {
    .unsupported(file: file, key: key, found: value.text, why: why)
  }
}

/// A JSON value that keeps whole numbers apart from fractions and from booleans.
private enum JSONValue: Decodable, Hashable {
  case null, bool(Bool), integer(Int), number(Double), string(String), array([JSONValue])
  case object([String: JSONValue])

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .null
    } else if let value = try? container.decode(Bool.self) {
      self = .bool(value)
    } else if let value = try? container.decode(Int.self) {
      self = .integer(value)
    } else if let value = try? container.decode(Double.self) {
      self = .number(value)
    } else if let value = try? container.decode(String.self) {
      self = .string(value)
    } else if let value = try? container.decode([JSONValue].self) {
      self = .array(value)
    } else {
      self = .object(try container.decode([String: JSONValue].self))
    }
  }

  /// How a message shows it.
  var text: String {
    switch self {
    case .null: "null"
    case .bool(let value): "\(value)"
    case .integer(let value): "\(value)"
    case .number(let value): "\(value)"
    case .string(let value): "\"\(value)\""
    case .array: "an array"
    case .object: "an object"
    }
  }
}
