/// The models known by name.
///
/// Llama-2 dimensions: the Hugging Face `config.json` of meta-llama/Llama-2-{7b,13b,70b}-hf, as copied in
/// NousResearch/Llama-2-13b-chat-hf and mlc-ai/mlc-llm `model_preset.py` (whose `max_position` of 2,048 is
/// mlc's own; Hugging Face has 4,096).
public enum ModelCatalog {
  /// 6.738 B parameters, 512 KiB of KV per token.
  public static let llama7B = ModelSpec(
    name: "llama2-7b", layers: 32, hidden: 4_096, queryHeads: 32, kvHeads: 32, headDim: 128,
    intermediate: 11_008, vocab: 32_000, maxPosition: 4_096)

  /// 13.016 B parameters, 800 KiB of KV per token.
  public static let llama13B = ModelSpec(
    name: "llama2-13b", layers: 40, hidden: 5_120, queryHeads: 40, kvHeads: 40, headDim: 128,
    intermediate: 13_824, vocab: 32_000, maxPosition: 4_096)

  /// 68.977 B parameters, 320 KiB of KV per token (8 KV heads shared by 64 query heads).
  public static let llama70B = ModelSpec(
    name: "llama2-70b", layers: 80, hidden: 8_192, queryHeads: 64, kvHeads: 8, headDim: 128,
    intermediate: 28_672, vocab: 32_000, maxPosition: 4_096)

  /// All presets, smallest first.
  public static let all = [llama7B, llama13B, llama70B]

  /// The preset of that name, or `nil`.
  public static func named(_ name: String) -> ModelSpec? { all.first { $0.name == name } }
}
