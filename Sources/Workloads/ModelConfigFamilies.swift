import Results
import Sim

/// Families some of whose layers have a sliding window, or whose keys are their own.
extension Config {
  /// Families whose layers may differ in how far back attention reaches: counted as reaching back to the start.
  static let alternating = ["gpt_oss", "gemma2", "gemma3_text"]

  /// Replaces the keys of a model with a vision part by those of its text part, with how it is stored. True if it did.
  static func takeText(of values: inout [String: JSON]) -> Bool {
    guard let family = values["model_type"]?.string, ["gemma3", "mistral3"].contains(family),
      case .object(let members)? = values["text_config"]
    else { return false }
    var text: [String: JSON] = [:]
    if family == "gemma3" {
      // `Gemma3TextConfig`, whose defaults the published files leave out.
      text = [
        "model_type": .string("gemma3_text"), "vocab_size": .int(262_208),
        "max_position_embeddings": .int(131_072),
        "num_attention_heads": .int(8), "num_key_value_heads": .int(4), "head_dim": .int(256),
      ]
    }
    for key in ["torch_dtype", "dtype", "quantization_config"] { text[key] = values[key] }
    for member in members { text[member.key] = member.value }
    values = text
    return true
  }

  /// gpt-oss: experts in every layer, every second layer with a window.
  func gptOSS(name: String) throws -> ModelSpec {
    var model = try llama(name: name, family: "gpt_oss")
    // `GptOssConfig`: sliding_window = 128.
    model.alternatingWindow = try integer("sliding_window", absent: 128)
    model.experts = MixtureOfExperts(
      count: try integer("num_local_experts"), perToken: try integer("num_experts_per_tok"),
      intermediate: model.intermediate)
    return model
  }

  /// MiniMax-M2: experts in every layer, none shared.
  func miniMax(name: String) throws -> ModelSpec {
    var model = try llama(name: name, family: "minimax_m2")
    guard try count("shared_intermediate_size", absent: 0) == 0 else {
      throw unsupported(
        "shared_intermediate_size", .int(try count("shared_intermediate_size")),
        "only 0 is modelled: no expert that every token passes")
    }
    model.experts = MixtureOfExperts(
      count: try integer("num_local_experts"), perToken: try integer("num_experts_per_tok"),
      intermediate: model.intermediate)
    return model
  }

  /// Gemma 2 and the text part of Gemma 3.
  func gemma(name: String, family: String) throws -> ModelSpec {
    var model = try llama(name: name, family: family)
    // `Gemma2Config`, `Gemma3TextConfig`: sliding_window = 4096, tie_word_embeddings = True.
    model.alternatingWindow = try integer("sliding_window", absent: 4_096)
    model.tiedEmbeddings = try flag("tie_word_embeddings", default: true)
    return model
  }
}
