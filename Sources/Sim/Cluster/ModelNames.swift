/// The repositories of Hugging Face that stand for a preset: what its weights are published as.
public enum ModelNames {
  /// Repositories whose `config.json` has the preset's dimensions, by preset.
  public static let repositories: [(preset: String, names: [String])] = [
    ("llama2-7b", ["meta-llama/Llama-2-7b-hf", "meta-llama/Llama-2-7b-chat-hf"]),
    ("llama2-13b", ["meta-llama/Llama-2-13b-hf", "meta-llama/Llama-2-13b-chat-hf"]),
    ("llama2-70b", ["meta-llama/Llama-2-70b-hf", "meta-llama/Llama-2-70b-chat-hf"]),
    ("llama3-8b", ["meta-llama/Meta-Llama-3-8B", "meta-llama/Meta-Llama-3-8B-Instruct"]),
    ("llama3-70b", ["meta-llama/Meta-Llama-3-70B", "meta-llama/Meta-Llama-3-70B-Instruct"]),
    (
      "llama3.1-8b",
      [
        "meta-llama/Llama-3.1-8B",
        "meta-llama/Llama-3.1-8B-Instruct",
        "meta-llama/Meta-Llama-3.1-8B",
        "meta-llama/Meta-Llama-3.1-8B-Instruct",
        "deepseek-ai/DeepSeek-R1-Distill-Llama-8B",
      ]
    ),
    (
      "llama3.1-70b",
      [
        "meta-llama/Llama-3.1-70B",
        "meta-llama/Llama-3.1-70B-Instruct",
        "meta-llama/Meta-Llama-3.1-70B",
        "meta-llama/Meta-Llama-3.1-70B-Instruct",
      ]
    ),
    (
      "llama3.1-405b",
      [
        "meta-llama/Llama-3.1-405B",
        "meta-llama/Llama-3.1-405B-Instruct",
        "meta-llama/Meta-Llama-3.1-405B",
        "meta-llama/Meta-Llama-3.1-405B-Instruct",
      ]
    ),
    ("llama3.2-1b", ["meta-llama/Llama-3.2-1B", "meta-llama/Llama-3.2-1B-Instruct"]),
    ("llama3.2-3b", ["meta-llama/Llama-3.2-3B", "meta-llama/Llama-3.2-3B-Instruct"]),
    ("llama3.3-70b", ["meta-llama/Llama-3.3-70B-Instruct", "deepseek-ai/DeepSeek-R1-Distill-Llama-70B"]),
    ("llama4-scout", ["meta-llama/Llama-4-Scout-17B-16E", "meta-llama/Llama-4-Scout-17B-16E-Instruct"]),
    ("qwen2-7b", ["Qwen/Qwen2-7B-Instruct"]),
    ("qwen2-72b", ["Qwen/Qwen2-72B-Instruct"]),
    ("qwen2.5-0.5b", ["Qwen/Qwen2.5-0.5B", "Qwen/Qwen2.5-0.5B-Instruct"]),
    ("qwen2.5-1.5b", ["Qwen/Qwen2.5-1.5B-Instruct"]),
    ("qwen2.5-3b", ["Qwen/Qwen2.5-3B", "Qwen/Qwen2.5-3B-Instruct"]),
    (
      "qwen2.5-7b",
      [
        "Qwen/Qwen2.5-7B-Instruct",
        "Qwen/Qwen2.5-Coder-7B",
        "Qwen/Qwen2.5-Coder-7B-Instruct",
      ]
    ),
    ("qwen2.5-14b", ["Qwen/Qwen2.5-14B-Instruct"]),
    (
      "qwen2.5-32b",
      [
        "Qwen/Qwen2.5-32B-Instruct",
        "Qwen/Qwen2.5-Coder-32B",
        "Qwen/Qwen2.5-Coder-32B-Instruct",
      ]
    ),
    ("qwen2.5-72b", ["Qwen/Qwen2.5-72B"]),
    ("qwen3-0.6b", ["Qwen/Qwen3-0.6B"]),
    ("qwen3-1.7b", ["Qwen/Qwen3-1.7B"]),
    ("qwen3-4b", ["Qwen/Qwen3-4B"]),
    ("qwen3-8b", ["Qwen/Qwen3-8B"]),
    ("qwen3-14b", ["Qwen/Qwen3-14B"]),
    ("qwen3-32b", ["Qwen/Qwen3-32B"]),
    ("qwen3-30b-a3b", ["Qwen/Qwen3-30B-A3B"]),
    ("qwen3-235b-a22b", ["Qwen/Qwen3-235B-A22B"]),
    ("qwen3-coder-480b-a35b", ["Qwen/Qwen3-Coder-480B-A35B-Instruct"]),
    ("mistral-7b-v0.1", ["mistralai/Mistral-7B-v0.1", "mistralai/Mistral-7B-Instruct-v0.1"]),
    ("mistral-7b-v0.2", ["mistralai/Mistral-7B-Instruct-v0.2"]),
    ("mistral-7b-v0.3", ["mistralai/Mistral-7B-v0.3", "mistralai/Mistral-7B-Instruct-v0.3"]),
    ("mistral-nemo-12b", ["mistralai/Mistral-Nemo-Base-2407", "mistralai/Mistral-Nemo-Instruct-2407"]),
    ("mistral-small-22b", ["mistralai/Mistral-Small-Instruct-2409"]),
    (
      "mistral-small-24b",
      [
        "mistralai/Mistral-Small-24B-Base-2501",
        "mistralai/Mistral-Small-24B-Instruct-2501",
      ]
    ),
    ("mistral-large-123b", ["mistralai/Mistral-Large-Instruct-2407"]),
    ("mixtral-8x7b", ["mistralai/Mixtral-8x7B-v0.1", "mistralai/Mixtral-8x7B-Instruct-v0.1"]),
    ("mixtral-8x22b", ["mistralai/Mixtral-8x22B-v0.1", "mistralai/Mixtral-8x22B-Instruct-v0.1"]),
    (
      "deepseek-v2",
      [
        "deepseek-ai/DeepSeek-V2",
        "deepseek-ai/DeepSeek-V2-Chat",
        "deepseek-ai/DeepSeek-V2.5",
      ]
    ),
    ("deepseek-v2-lite", ["deepseek-ai/DeepSeek-V2-Lite", "deepseek-ai/DeepSeek-V2-Lite-Chat"]),
    (
      "deepseek-v3",
      [
        "deepseek-ai/DeepSeek-V3",
        "deepseek-ai/DeepSeek-V3-Base",
        "deepseek-ai/DeepSeek-V3-0324",
        "deepseek-ai/DeepSeek-V3.1",
        "deepseek-ai/DeepSeek-V3.1-Base",
      ]
    ),
    ("deepseek-r1", ["deepseek-ai/DeepSeek-R1", "deepseek-ai/DeepSeek-R1-0528"]),
    ("gpt-oss-20b", ["openai/gpt-oss-20b"]),
    ("gpt-oss-120b", ["openai/gpt-oss-120b"]),
    ("gemma2-2b", ["google/gemma-2-2b", "google/gemma-2-2b-it"]),
    ("gemma2-9b", ["google/gemma-2-9b", "google/gemma-2-9b-it"]),
    ("gemma2-27b", ["google/gemma-2-27b", "google/gemma-2-27b-it"]),
    ("gemma3-1b", ["google/gemma-3-1b-pt", "google/gemma-3-1b-it"]),
    ("gemma3-4b", ["google/gemma-3-4b-pt", "google/gemma-3-4b-it"]),
    ("gemma3-12b", ["google/gemma-3-12b-pt", "google/gemma-3-12b-it"]),
    ("gemma3-27b", ["google/gemma-3-27b-pt", "google/gemma-3-27b-it"]),
    ("phi-3-mini", ["microsoft/Phi-3-mini-128k-instruct", "microsoft/Phi-3.5-mini-instruct"]),
    ("phi-3-medium", ["microsoft/Phi-3-medium-128k-instruct"]),
    ("phi-4", ["microsoft/phi-4"]),
    ("phi-4-mini", ["microsoft/Phi-4-mini-instruct"]),
    ("minimax-m2", ["MiniMaxAI/MiniMax-M2", "MiniMaxAI/MiniMax-M2.1", "MiniMaxAI/MiniMax-M2.5"]),
    ("opt-13b", ["facebook/opt-13b"]),
    ("opt-66b", ["facebook/opt-66b"]),
  ]

  /// Repositories of the same dimensions with another longest context, or other weights.
  public static let variants: [(name: String, preset: String, maxPosition: Int?, weights: WeightFormat?)] = [
    ("Qwen/Qwen2.5-7B-Instruct-AWQ", "qwen2.5-7b", nil, .int4),
    ("Qwen/Qwen2.5-14B-Instruct-AWQ", "qwen2.5-14b", nil, .int4),
    ("Qwen/Qwen2.5-32B-Instruct-AWQ", "qwen2.5-32b", nil, .int4),
    ("Qwen/Qwen2.5-72B-Instruct-AWQ", "qwen2.5-72b", 32_768, .int4),
    ("Qwen/Qwen2.5-7B-Instruct-GPTQ-Int4", "qwen2.5-7b", nil, .int4),
    ("Qwen/Qwen2.5-14B-Instruct-GPTQ-Int4", "qwen2.5-14b", nil, .int4),
    ("Qwen/Qwen2.5-32B-Instruct-GPTQ-Int4", "qwen2.5-32b", nil, .int4),
    ("Qwen/Qwen2.5-72B-Instruct-GPTQ-Int4", "qwen2.5-72b", 32_768, .int4),
    ("Qwen/Qwen2.5-1.5B", "qwen2.5-1.5b", 131_072, nil),
    ("Qwen/Qwen2.5-7B", "qwen2.5-7b", 131_072, nil),
    ("Qwen/Qwen2.5-14B", "qwen2.5-14b", 131_072, nil),
    ("Qwen/Qwen2.5-32B", "qwen2.5-32b", 131_072, nil),
    ("Qwen/Qwen2.5-72B-Instruct", "qwen2.5-72b", 32_768, nil),
    ("Qwen/Qwen2-7B", "qwen2-7b", 131_072, nil),
    ("Qwen/Qwen2-72B", "qwen2-72b", 131_072, nil),
    ("Qwen/QwQ-32B", "qwen2.5-32b", 40_960, nil),
    ("Qwen/QwQ-32B-AWQ", "qwen2.5-32b", 40_960, .int4),
    ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", "qwen2.5-7b", 131_072, nil),
    ("deepseek-ai/DeepSeek-R1-Distill-Qwen-14B", "qwen2.5-14b", 131_072, nil),
    ("deepseek-ai/DeepSeek-R1-Distill-Qwen-32B", "qwen2.5-32b", 131_072, nil),
    ("Qwen/Qwen3-0.6B-FP8", "qwen3-0.6b", nil, .fp8Block),
    ("Qwen/Qwen3-1.7B-FP8", "qwen3-1.7b", nil, .fp8Block),
    ("Qwen/Qwen3-4B-FP8", "qwen3-4b", nil, .fp8Block),
    ("Qwen/Qwen3-8B-FP8", "qwen3-8b", nil, .fp8Block),
    ("Qwen/Qwen3-14B-FP8", "qwen3-14b", nil, .fp8Block),
    ("Qwen/Qwen3-32B-FP8", "qwen3-32b", nil, .fp8Block),
    ("Qwen/Qwen3-30B-A3B-FP8", "qwen3-30b-a3b", nil, .fp8Block),
    ("Qwen/Qwen3-235B-A22B-FP8", "qwen3-235b-a22b", nil, .fp8Block),
    ("Qwen/Qwen3-0.6B-Base", "qwen3-0.6b", 32_768, nil),
    ("Qwen/Qwen3-1.7B-Base", "qwen3-1.7b", 32_768, nil),
    ("Qwen/Qwen3-4B-Base", "qwen3-4b", 32_768, nil),
    ("Qwen/Qwen3-8B-Base", "qwen3-8b", 32_768, nil),
    ("Qwen/Qwen3-14B-Base", "qwen3-14b", 32_768, nil),
    ("Qwen/Qwen3-30B-A3B-Base", "qwen3-30b-a3b", 32_768, nil),
    ("Qwen/Qwen3-4B-AWQ", "qwen3-4b", nil, .int4),
    ("Qwen/Qwen3-8B-AWQ", "qwen3-8b", nil, .int4),
    ("Qwen/Qwen3-14B-AWQ", "qwen3-14b", nil, .int4),
    ("Qwen/Qwen3-32B-AWQ", "qwen3-32b", nil, .int4),
    ("Qwen/Qwen3-4B-Thinking-2507", "qwen3-4b", 262_144, nil),
    ("Qwen/Qwen3-4B-Thinking-2507-FP8", "qwen3-4b", 262_144, .fp8Block),
    ("Qwen/Qwen3-4B-Instruct-2507-FP8", "qwen3-4b", 262_144, .fp8Block),
    ("Qwen/Qwen3-30B-A3B-Thinking-2507", "qwen3-30b-a3b", 262_144, nil),
    ("Qwen/Qwen3-30B-A3B-Thinking-2507-FP8", "qwen3-30b-a3b", 262_144, .fp8Block),
    ("Qwen/Qwen3-235B-A22B-Thinking-2507", "qwen3-235b-a22b", 262_144, nil),
    ("Qwen/Qwen3-235B-A22B-Thinking-2507-FP8", "qwen3-235b-a22b", 262_144, .fp8Block),
    ("Qwen/Qwen3-Coder-30B-A3B-Instruct", "qwen3-30b-a3b", 262_144, nil),
    ("Qwen/Qwen3-Coder-30B-A3B-Instruct-FP8", "qwen3-30b-a3b", 262_144, .fp8Block),
    ("Qwen/Qwen3-4B-Instruct-2507", "qwen3-4b", 262_144, nil),
    ("Qwen/Qwen3-30B-A3B-Instruct-2507", "qwen3-30b-a3b", 262_144, nil),
    ("Qwen/Qwen3-30B-A3B-Instruct-2507-FP8", "qwen3-30b-a3b", 262_144, .fp8Block),
    ("Qwen/Qwen3-235B-A22B-Instruct-2507", "qwen3-235b-a22b", 262_144, nil),
    ("Qwen/Qwen3-235B-A22B-Instruct-2507-FP8", "qwen3-235b-a22b", 262_144, .fp8Block),
    ("Qwen/Qwen3-Coder-480B-A35B-Instruct-FP8", "qwen3-coder-480b-a35b", nil, .fp8Block),
    ("RedHatAI/Meta-Llama-3.1-8B-Instruct-FP8", "llama3.1-8b", nil, .fp8),
    ("RedHatAI/Meta-Llama-3.1-70B-Instruct-FP8", "llama3.1-70b", nil, .fp8),
    ("RedHatAI/Meta-Llama-3.1-405B-Instruct-FP8", "llama3.1-405b", nil, .fp8),
    // Their names before Red Hat took them over; old addresses lead to the new.
    ("neuralmagic/Meta-Llama-3.1-8B-Instruct-FP8", "llama3.1-8b", nil, .fp8),
    ("neuralmagic/Meta-Llama-3.1-70B-Instruct-FP8", "llama3.1-70b", nil, .fp8),
    ("neuralmagic/Meta-Llama-3.1-405B-Instruct-FP8", "llama3.1-405b", nil, .fp8),
    ("hugging-quants/Meta-Llama-3.1-8B-Instruct-AWQ-INT4", "llama3.1-8b", nil, .int4),
    ("hugging-quants/Meta-Llama-3.1-70B-Instruct-AWQ-INT4", "llama3.1-70b", nil, .int4),
    ("hugging-quants/Meta-Llama-3.1-405B-Instruct-AWQ-INT4", "llama3.1-405b", nil, .int4),
    ("RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic", "llama3.3-70b", nil, .fp8),
    ("nvidia/Llama-3.1-8B-Instruct-FP8", "llama3.1-8b", nil, .fp8),
    ("nvidia/Llama-3.1-70B-Instruct-FP8", "llama3.1-70b", nil, .fp8),
    ("nvidia/Llama-3.1-405B-Instruct-FP8", "llama3.1-405b", nil, .fp8),
    ("nvidia/Llama-3.3-70B-Instruct-FP8", "llama3.3-70b", nil, .fp8),
    // The text part.
    ("mistralai/Mistral-Small-3.1-24B-Base-2503", "mistral-small-24b", 131_072, nil),
    ("mistralai/Mistral-Small-3.1-24B-Instruct-2503", "mistral-small-24b", 131_072, nil),
    ("mistralai/Mistral-Small-3.2-24B-Instruct-2506", "mistral-small-24b", 131_072, nil),
    ("microsoft/Phi-4-reasoning", "phi-4", 32_768, nil),
    ("microsoft/Phi-4-reasoning-plus", "phi-4", 32_768, nil),
    ("microsoft/Phi-3-mini-4k-instruct", "phi-3-mini", 4_096, nil),
  ]

  /// Of these every layer's attention reaches back so many tokens (`sliding_window` of their `config.json`).
  private static let windows = ["microsoft/Phi-3-mini-4k-instruct": 2_047]

  /// All repositories that stand for the preset of that name.
  public static func all(of preset: String) -> [String] {
    repositories.filter { $0.preset == preset }.flatMap(\.names)
      + variants.filter { $0.preset == preset }.map(\.name)
  }

  /// The model of a repository, its name in any case and with its organisation or without: the preset under its short name.
  static func model(_ repository: String) -> ModelSpec? {
    let name = repository.lowercased()
    return models[name] ?? bare[name] ?? nil
  }

  /// By name without organisation; `nil` where two have published different models under one.
  private static let bare: [String: ModelSpec?] = {
    var bare: [String: ModelSpec?] = [:]
    for (name, model) in models {
      guard let last = name.split(separator: "/").last.map(String.init) else { continue }
      if let known = bare[last] {
        if known != model { bare[last] = .some(nil) }
      } else {
        bare[last] = model
      }
    }
    return bare
  }()

  private static let models: [String: ModelSpec] = {
    var models: [String: ModelSpec] = [:]
    for (preset, names) in repositories {
      for name in names { models[name.lowercased()] = ModelCatalog.preset(preset) }
    }
    for variant in variants {
      guard var model = ModelCatalog.preset(variant.preset) else { continue }
      if let maxPosition = variant.maxPosition { model.maxPosition = maxPosition }
      if let weights = variant.weights { model.store(as: weights) }
      model.window = windows[variant.name] ?? model.window
      // NVIDIA's own quantise the cache as well (hf_quant_config.json: kv_cache_quant_algo FP8).
      if variant.name.hasPrefix("nvidia/") { model.kvBytesPerElement = 1 }
      models[variant.name.lowercased()] = model
    }
    return models
  }()
}
