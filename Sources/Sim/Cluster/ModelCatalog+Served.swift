/// Presets of what is served. Dimensions are those of the repositories' `config.json`, of which ai-dynamo/aiconfigurator
/// (`model_configs`) has copies of Llama-3.1, Llama-4, Qwen3, Mixtral, DeepSeek, gpt-oss and MiniMax; the others are checked by
/// the parameters that the model cards publish (`ModelPresetTests`).
extension ModelCatalog {
  /// Llama 3, 3.1, 3.2, 3.3 without vision, and Llama 4 Scout, whose attention is over chunks in three of four layers; its
  /// vision part is left out.
  static let llama3: [ModelSpec] = [
    ModelSpec(
      name: "llama3-8b", layers: 32, hidden: 4_096, queryHeads: 32, kvHeads: 8, headDim: 128,
      intermediate: 14_336,
      vocab: 128_256, maxPosition: 8_192),
    ModelSpec(
      name: "llama3-70b", layers: 80, hidden: 8_192, queryHeads: 64, kvHeads: 8, headDim: 128,
      intermediate: 28_672,
      vocab: 128_256, maxPosition: 8_192),
    ModelSpec(
      name: "llama3.1-405b", layers: 126, hidden: 16_384, queryHeads: 128, kvHeads: 8, headDim: 128,
      intermediate: 53_248,
      vocab: 128_256, maxPosition: 131_072),
    ModelSpec(
      name: "llama3.2-1b", layers: 16, hidden: 2_048, queryHeads: 32, kvHeads: 8, headDim: 64,
      intermediate: 8_192,
      vocab: 128_256, maxPosition: 131_072, tiedEmbeddings: true),
    ModelSpec(
      name: "llama3.2-3b", layers: 28, hidden: 3_072, queryHeads: 24, kvHeads: 8, headDim: 128,
      intermediate: 8_192,
      vocab: 128_256, maxPosition: 131_072, tiedEmbeddings: true),
    ModelSpec(
      name: "llama3.3-70b", layers: 80, hidden: 8_192, queryHeads: 64, kvHeads: 8, headDim: 128,
      intermediate: 28_672,
      vocab: 128_256, maxPosition: 131_072),
    ModelSpec(
      name: "llama4-scout", layers: 48, hidden: 5_120, queryHeads: 40, kvHeads: 8, headDim: 128,
      intermediate: 16_384,
      vocab: 202_048, maxPosition: 10_485_760, alternatingWindow: 8_192,
      experts: MixtureOfExperts(count: 16, perToken: 1, intermediate: 8_192, shared: 1)),
  ]

  /// Qwen2 and Qwen2.5.
  static let qwen2: [ModelSpec] = [
    ModelSpec(
      name: "qwen2-7b", layers: 28, hidden: 3_584, queryHeads: 28, kvHeads: 4, headDim: 128,
      intermediate: 18_944,
      vocab: 152_064, maxPosition: 32_768),
    ModelSpec(
      name: "qwen2-72b", layers: 80, hidden: 8_192, queryHeads: 64, kvHeads: 8, headDim: 128,
      intermediate: 29_568,
      vocab: 152_064, maxPosition: 32_768),
    ModelSpec(
      name: "qwen2.5-0.5b", layers: 24, hidden: 896, queryHeads: 14, kvHeads: 2, headDim: 64,
      intermediate: 4_864,
      vocab: 151_936, maxPosition: 32_768, tiedEmbeddings: true),
    ModelSpec(
      name: "qwen2.5-1.5b", layers: 28, hidden: 1_536, queryHeads: 12, kvHeads: 2, headDim: 128,
      intermediate: 8_960,
      vocab: 151_936, maxPosition: 32_768, tiedEmbeddings: true),
    ModelSpec(
      name: "qwen2.5-3b", layers: 36, hidden: 2_048, queryHeads: 16, kvHeads: 2, headDim: 128,
      intermediate: 11_008,
      vocab: 151_936, maxPosition: 32_768, tiedEmbeddings: true),
    ModelSpec(
      name: "qwen2.5-14b", layers: 48, hidden: 5_120, queryHeads: 40, kvHeads: 8, headDim: 128,
      intermediate: 13_824,
      vocab: 152_064, maxPosition: 32_768),
    ModelSpec(
      name: "qwen2.5-32b", layers: 64, hidden: 5_120, queryHeads: 40, kvHeads: 8, headDim: 128,
      intermediate: 27_648,
      vocab: 152_064, maxPosition: 32_768),
  ]

  /// Qwen3, dense and with experts.
  static let qwen3: [ModelSpec] = [
    ModelSpec(
      name: "qwen3-0.6b", layers: 28, hidden: 1_024, queryHeads: 16, kvHeads: 8, headDim: 128,
      intermediate: 3_072,
      vocab: 151_936, maxPosition: 40_960, tiedEmbeddings: true),
    ModelSpec(
      name: "qwen3-1.7b", layers: 28, hidden: 2_048, queryHeads: 16, kvHeads: 8, headDim: 128,
      intermediate: 6_144,
      vocab: 151_936, maxPosition: 40_960, tiedEmbeddings: true),
    ModelSpec(
      name: "qwen3-4b", layers: 36, hidden: 2_560, queryHeads: 32, kvHeads: 8, headDim: 128,
      intermediate: 9_728,
      vocab: 151_936, maxPosition: 40_960, tiedEmbeddings: true),
    ModelSpec(
      name: "qwen3-8b", layers: 36, hidden: 4_096, queryHeads: 32, kvHeads: 8, headDim: 128,
      intermediate: 12_288,
      vocab: 151_936, maxPosition: 40_960),
    ModelSpec(
      name: "qwen3-14b", layers: 40, hidden: 5_120, queryHeads: 40, kvHeads: 8, headDim: 128,
      intermediate: 17_408,
      vocab: 151_936, maxPosition: 40_960),
    ModelSpec(
      name: "qwen3-32b", layers: 64, hidden: 5_120, queryHeads: 64, kvHeads: 8, headDim: 128,
      intermediate: 25_600,
      vocab: 151_936, maxPosition: 40_960),
    ModelSpec(
      name: "qwen3-30b-a3b", layers: 48, hidden: 2_048, queryHeads: 32, kvHeads: 4, headDim: 128,
      intermediate: 6_144,
      vocab: 151_936, maxPosition: 40_960,
      experts: MixtureOfExperts(count: 128, perToken: 8, intermediate: 768)),
    ModelSpec(
      name: "qwen3-235b-a22b", layers: 94, hidden: 4_096, queryHeads: 64, kvHeads: 4, headDim: 128,
      intermediate: 12_288,
      vocab: 151_936, maxPosition: 40_960,
      experts: MixtureOfExperts(count: 128, perToken: 8, intermediate: 1_536)),
    ModelSpec(
      name: "qwen3-coder-480b-a35b", layers: 62, hidden: 6_144, queryHeads: 96, kvHeads: 8, headDim: 128,
      intermediate: 8_192,
      vocab: 151_936, maxPosition: 262_144,
      experts: MixtureOfExperts(count: 160, perToken: 8, intermediate: 2_560)),
  ]

  /// Mistral AI, dense.
  static let mistral: [ModelSpec] = [
    ModelSpec(
      name: "mistral-7b-v0.2", layers: 32, hidden: 4_096, queryHeads: 32, kvHeads: 8, headDim: 128,
      intermediate: 14_336,
      vocab: 32_000, maxPosition: 32_768),
    ModelSpec(
      name: "mistral-7b-v0.3", layers: 32, hidden: 4_096, queryHeads: 32, kvHeads: 8, headDim: 128,
      intermediate: 14_336,
      vocab: 32_768, maxPosition: 32_768),
    ModelSpec(
      name: "mistral-nemo-12b", layers: 40, hidden: 5_120, queryHeads: 32, kvHeads: 8, headDim: 128,
      intermediate: 14_336,
      vocab: 131_072, maxPosition: 131_072),
    ModelSpec(
      name: "mistral-small-22b", layers: 56, hidden: 6_144, queryHeads: 48, kvHeads: 8, headDim: 128,
      intermediate: 16_384,
      vocab: 32_768, maxPosition: 32_768),
    ModelSpec(
      name: "mistral-small-24b", layers: 40, hidden: 5_120, queryHeads: 32, kvHeads: 8, headDim: 128,
      intermediate: 32_768,
      vocab: 131_072, maxPosition: 32_768),
    ModelSpec(
      name: "mistral-large-123b", layers: 88, hidden: 12_288, queryHeads: 96, kvHeads: 8, headDim: 128,
      intermediate: 28_672,
      vocab: 32_768, maxPosition: 131_072),
  ]

  /// Mistral AI, experts.
  static let mixtral: [ModelSpec] = [
    ModelSpec(
      name: "mixtral-8x22b", layers: 56, hidden: 6_144, queryHeads: 48, kvHeads: 8, headDim: 128,
      intermediate: 16_384,
      vocab: 32_000, maxPosition: 65_536,
      experts: MixtureOfExperts(count: 8, perToken: 2, intermediate: 16_384))
  ]

  /// DeepSeek-V2-Lite, and R1, which has V3's dimensions.
  static let deepSeek: [ModelSpec] = [
    ModelSpec(
      name: "deepseek-v2-lite", layers: 27, hidden: 2_048, queryHeads: 16, kvHeads: 1, headDim: 128,
      intermediate: 10_944,
      vocab: 102_400, maxPosition: 163_840,
      latent: LatentAttention(rank: 512, ropeDim: 64, valueDim: 128, queryRank: nil),
      experts: MixtureOfExperts(count: 64, perToken: 6, intermediate: 1_408, shared: 2, denseLayers: 1)),
    renamed(deepSeekV3, "deepseek-r1"),
  ]

  /// gpt-oss: every second layer's attention reaches back 128 tokens; only the experts are quantised.
  static let gptOSS20B = ModelSpec(
    name: "gpt-oss-20b", layers: 24, hidden: 2_880, queryHeads: 64, kvHeads: 8, headDim: 64,
    intermediate: 2_880,
    vocab: 201_088, maxPosition: 131_072, alternatingWindow: 128,
    experts: MixtureOfExperts(count: 32, perToken: 4, intermediate: 2_880, weights: .mxfp4))
  static let gptOSS120B = ModelSpec(
    name: "gpt-oss-120b", layers: 36, hidden: 2_880, queryHeads: 64, kvHeads: 8, headDim: 64,
    intermediate: 2_880,
    vocab: 201_088, maxPosition: 131_072, alternatingWindow: 128,
    experts: MixtureOfExperts(count: 128, perToken: 4, intermediate: 2_880, weights: .mxfp4))

  /// Gemma 2, every second layer of which has a window, and the text part of Gemma 3, where five of six have.
  static let gemma: [ModelSpec] = [
    ModelSpec(
      name: "gemma2-2b", layers: 26, hidden: 2_304, queryHeads: 8, kvHeads: 4, headDim: 256,
      intermediate: 9_216,
      vocab: 256_000, maxPosition: 8_192, tiedEmbeddings: true, alternatingWindow: 4_096),
    ModelSpec(
      name: "gemma2-9b", layers: 42, hidden: 3_584, queryHeads: 16, kvHeads: 8, headDim: 256,
      intermediate: 14_336,
      vocab: 256_000, maxPosition: 8_192, tiedEmbeddings: true, alternatingWindow: 4_096),
    ModelSpec(
      name: "gemma2-27b", layers: 46, hidden: 4_608, queryHeads: 32, kvHeads: 16, headDim: 128,
      intermediate: 36_864,
      vocab: 256_000, maxPosition: 8_192, tiedEmbeddings: true, alternatingWindow: 4_096),
    ModelSpec(
      name: "gemma3-1b", layers: 26, hidden: 1_152, queryHeads: 4, kvHeads: 1, headDim: 256,
      intermediate: 6_912,
      vocab: 262_144, maxPosition: 32_768, tiedEmbeddings: true, alternatingWindow: 512),
    ModelSpec(
      name: "gemma3-4b", layers: 34, hidden: 2_560, queryHeads: 8, kvHeads: 4, headDim: 256,
      intermediate: 10_240,
      vocab: 262_208, maxPosition: 131_072, tiedEmbeddings: true, alternatingWindow: 1_024),
    ModelSpec(
      name: "gemma3-12b", layers: 48, hidden: 3_840, queryHeads: 16, kvHeads: 8, headDim: 256,
      intermediate: 15_360,
      vocab: 262_208, maxPosition: 131_072, tiedEmbeddings: true, alternatingWindow: 1_024),
    ModelSpec(
      name: "gemma3-27b", layers: 62, hidden: 5_376, queryHeads: 32, kvHeads: 16, headDim: 128,
      intermediate: 21_504,
      vocab: 262_208, maxPosition: 131_072, tiedEmbeddings: true, alternatingWindow: 1_024),
  ]

  /// Phi-3 with long contexts, and Phi-4.
  static let phi: [ModelSpec] = [
    ModelSpec(
      name: "phi-3-mini", layers: 32, hidden: 3_072, queryHeads: 32, kvHeads: 32, headDim: 96,
      intermediate: 8_192,
      vocab: 32_064, maxPosition: 131_072),
    ModelSpec(
      name: "phi-3-medium", layers: 40, hidden: 5_120, queryHeads: 40, kvHeads: 10, headDim: 128,
      intermediate: 17_920,
      vocab: 32_064, maxPosition: 131_072),
    ModelSpec(
      name: "phi-4", layers: 40, hidden: 5_120, queryHeads: 40, kvHeads: 10, headDim: 128,
      intermediate: 17_920,
      vocab: 100_352, maxPosition: 16_384),
    ModelSpec(
      name: "phi-4-mini", layers: 32, hidden: 3_072, queryHeads: 24, kvHeads: 8, headDim: 128,
      intermediate: 8_192,
      vocab: 200_064, maxPosition: 131_072, tiedEmbeddings: true),
  ]

  /// MiniMax-M2, M2.1 and M2.5, published in FP8 by blocks of 128 × 128; left out are the layers for predicting further tokens.
  static let miniMaxM2 = ModelSpec(
    name: "minimax-m2", layers: 62, hidden: 3_072, queryHeads: 48, kvHeads: 8, headDim: 128,
    intermediate: 1_536,
    vocab: 200_064, maxPosition: 196_608, weights: .fp8Block,
    experts: MixtureOfExperts(count: 256, perToken: 8, intermediate: 1_536))

  private static func renamed(_ model: ModelSpec, _ name: String) -> ModelSpec {
    var model = model
    model.name = name
    return model
  }
}
