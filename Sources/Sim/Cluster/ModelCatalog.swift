/// The models known by name. `ModelNames` has the repositories of Hugging Face that stand for them.
///
/// Llama-2 dimensions come from the Hugging Face `config.json` of meta-llama/Llama-2-{7b,13b,70b}-hf, as copied in
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

  /// 8.030 B parameters, 128 KiB of KV per token. Llama-3.1: Hugging Face `config.json` as copied in mlc-ai/mlc-llm.
  public static let llama3of8B = ModelSpec(
    name: "llama3.1-8b", layers: 32, hidden: 4_096, queryHeads: 32, kvHeads: 8, headDim: 128,
    intermediate: 14_336, vocab: 128_256, maxPosition: 131_072)

  /// 70.554 B parameters, 320 KiB of KV per token.
  public static let llama3of70B = ModelSpec(
    name: "llama3.1-70b", layers: 80, hidden: 8_192, queryHeads: 64, kvHeads: 8, headDim: 128,
    intermediate: 28_672, vocab: 128_256, maxPosition: 131_072)

  /// 7.616 B parameters, 56 KiB of KV per token: `config.json` of Qwen/Qwen2.5-7B-Instruct.
  public static let qwen7B = ModelSpec(
    name: "qwen2.5-7b", layers: 28, hidden: 3_584, queryHeads: 28, kvHeads: 4, headDim: 128,
    intermediate: 18_944, vocab: 152_064, maxPosition: 32_768)

  /// 72.706 B parameters, 320 KiB of KV per token: `config.json` of Qwen/Qwen2.5-72B.
  public static let qwen72B = ModelSpec(
    name: "qwen2.5-72b", layers: 80, hidden: 8_192, queryHeads: 64, kvHeads: 8, headDim: 128,
    intermediate: 29_568, vocab: 152_064, maxPosition: 131_072)

  /// 7.242 B parameters; 128 KiB of KV per token, of which attention reads the last 4,096:
  /// `config.json` of mistralai/Mistral-7B-v0.1.
  public static let mistral7B = ModelSpec(
    name: "mistral-7b-v0.1", layers: 32, hidden: 4_096, queryHeads: 32, kvHeads: 8, headDim: 128,
    intermediate: 14_336, vocab: 32_000, maxPosition: 32_768, window: 4_096)

  /// 46.70 B parameters, 12.88 B of them for each token: `config.json` of mistralai/Mixtral-8x7B-v0.1, as copied in
  /// casys-kaist/LLMServingSim.
  public static let mixtral8x7B = ModelSpec(
    name: "mixtral-8x7b", layers: 32, hidden: 4_096, queryHeads: 32, kvHeads: 8, headDim: 128,
    intermediate: 14_336, vocab: 32_000, maxPosition: 32_768,
    experts: MixtureOfExperts(count: 8, perToken: 2, intermediate: 14_336))

  /// 235.7 B parameters, 21.4 B of them for each token, 67.5 KiB of latent per token: `config.json` of
  /// deepseek-ai/DeepSeek-V2.
  public static let deepSeekV2 = ModelSpec(
    name: "deepseek-v2", layers: 60, hidden: 5_120, queryHeads: 128, kvHeads: 1, headDim: 128,
    intermediate: 12_288, vocab: 102_400, maxPosition: 163_840,
    latent: LatentAttention(rank: 512, ropeDim: 64, valueDim: 128, queryRank: 1_536),
    experts: MixtureOfExperts(count: 160, perToken: 6, intermediate: 1_536, shared: 2, denseLayers: 1))

  /// 671.0 B parameters, 37.6 B of them for each token, 68.6 KiB of latent per token: `config.json` of
  /// deepseek-ai/DeepSeek-V3, as copied in ai-dynamo/aiconfigurator. Published in FP8 by blocks of 128 × 128; left out is the
  /// layer for predicting a second token.
  public static let deepSeekV3 = ModelSpec(
    name: "deepseek-v3", layers: 61, hidden: 7_168, queryHeads: 128, kvHeads: 1, headDim: 128,
    intermediate: 18_432, vocab: 129_280, maxPosition: 163_840, weights: .fp8Block,
    latent: LatentAttention(rank: 512, ropeDim: 64, valueDim: 128, queryRank: 1_536),
    experts: MixtureOfExperts(count: 256, perToken: 8, intermediate: 2_048, shared: 1, denseLayers: 3))

  /// 12.853 B parameters, 800 KiB of KV per token: `config.json` of facebook/opt-13b.
  public static let opt13B = ModelSpec(
    name: "opt-13b", layers: 40, hidden: 5_120, queryHeads: 40, kvHeads: 40, headDim: 128,
    intermediate: 20_480, vocab: 50_272, maxPosition: 2_048, gatedFFN: false, tiedEmbeddings: true)

  /// 65.7 B parameters, 2.25 MiB of KV per token: `config.json` of facebook/opt-66b.
  public static let opt66B = ModelSpec(
    name: "opt-66b", layers: 64, hidden: 9_216, queryHeads: 72, kvHeads: 72, headDim: 128,
    intermediate: 36_864, vocab: 50_272, maxPosition: 2_048, gatedFFN: false, tiedEmbeddings: true)

  /// 174.6 B parameters, 4.5 MiB of KV per token: OPT (arXiv 2205.01068), table 1.
  public static let opt175B = ModelSpec(
    name: "opt-175b", layers: 96, hidden: 12_288, queryHeads: 96, kvHeads: 96, headDim: 128,
    intermediate: 49_152, vocab: 50_272, maxPosition: 2_048, gatedFFN: false, tiedEmbeddings: true)

  /// All presets, by family, the models of the paper first.
  public static let all: [ModelSpec] = [
    [llama7B, llama13B, llama70B, llama3of8B, llama3of70B], llama3, [qwen7B, qwen72B], qwen2, qwen3,
    [mistral7B], mistral, [mixtral8x7B], mixtral, [deepSeekV2], deepSeek, [deepSeekV3],
    [gptOSS20B, gptOSS120B],
    gemma, phi, [miniMaxM2, opt13B, opt66B, opt175B],
  ].flatMap { $0 }

  /// The preset of that name or of that repository of Hugging Face, in any case; `nil` for another.
  public static func named(_ name: String) -> ModelSpec? { byName[name] ?? ModelNames.model(name) }

  private static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

  /// The preset of that name.
  static func preset(_ name: String) -> ModelSpec? { byName[name] }
}
