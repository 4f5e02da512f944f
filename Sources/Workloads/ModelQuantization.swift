import Results
import Sim

/// How a `config.json` says that the weights are stored: its `quantization_config`.
///
/// Read are the methods whose weights one of `WeightFormat` describes, as `transformers` and compressed-tensors write them
/// (https://github.com/huggingface/transformers, `src/transformers/utils/quantization_config.py`;
/// https://github.com/vllm-project/compressed-tensors, `quant_config.py`; NVIDIA's ModelOpt). All others are refused by name.
struct ModelQuantization {
  /// Of the layers' matrices; of the experts alone where `expertsOnly`.
  var format: WeightFormat
  var expertsOnly = false
  /// Bytes of an element of the KV cache, where the file says it.
  var kvBytesPerElement: Int?

  /// What is read, for messages.
  static let known = "fp8, compressed-tensors (fp8, w4a16), gptq and awq (4 bits), mxfp4, modelopt (FP8)"

  /// Stores the model's weights so. Throws where only experts are quantised and other matrices would be experts as well.
  func apply(to model: inout ModelSpec, _ config: Config, _ key: String) throws {
    if let kvBytesPerElement { model.kvBytesPerElement = kvBytesPerElement }
    guard expertsOnly else { return model.store(as: format) }
    guard let experts = model.experts, experts.shared == 0, experts.denseLayers == 0 else {
      throw ModelConfigError.unsupported(
        file: config.file, key: key, found: format.rawValue,
        why: "quantised experts beside 16-bit matrices are modelled where every layer has routed experts only"
      )
    }
    model.experts?.weights = format
  }
}

extension Config {
  /// What `quantization_config` says, or `nil` where there is none.
  func quantization() throws -> (ModelQuantization, key: String)? {
    if let value = present("quantization") {
      throw unsupported("quantization", value, "known are \(ModelQuantization.known)")
    }
    // compressed-tensors called it so before version 0.5.
    for key in ["quantization_config", "compression_config"] {
      guard let value = present(key) else { continue }
      guard case .object(let members) = value else {
        throw ModelConfigError.invalid(
          file: file, key: key, found: value.shown, expected: "an object, or null")
      }
      return (try inner(members, under: key).method(key), key)
    }
    return nil
  }

  /// An object of the file, its keys named with the one that leads to it.
  private func inner(_ members: [JSON.Member], under key: String) -> Config {
    Config(
      file: file, values: Dictionary(members.map { ("\(key).\($0.key)", $0.value) }, uniquingKeysWith: { $1 })
    )
  }

  private func method(_ key: String) throws -> ModelQuantization {
    let isModelOpt = present("\(key).quant_algo") != nil
    let method =
      isModelOpt && present("\(key).quant_method") == nil ? "modelopt" : try text("\(key).quant_method")
    switch method {
    case "fp8": return try fp8(key)
    case "compressed-tensors": return try compressedTensors(key)
    case "gptq": return try fourBits(key, bits: "bits", group: "group_size")
    case "awq":
      let old = present("\(key).w_bit") != nil
      return try fourBits(key, bits: old ? "w_bit" : "bits", group: old ? "q_group_size" : "group_size")
    case "mxfp4":
      // `Mxfp4Config` is of gpt-oss, whose experts alone are quantised.
      _ = try kept(key, "modules_to_not_convert", attention: true)
      return ModelQuantization(format: .mxfp4, expertsOnly: true)
    case "modelopt": return try modelOpt(key)
    default:
      throw unsupported(
        "\(key).quant_method", .string(method), "known are \(ModelQuantization.known)")
    }
  }

  private func fp8(_ key: String) throws -> ModelQuantization {
    var quantization = ModelQuantization(format: .fp8)
    if let block = present("\(key).weight_block_size") {
      guard block == .array([.int(128), .int(128)]) else {
        throw unsupported("\(key).weight_block_size", block, "only blocks of 128 × 128 are modelled")
      }
      quantization.format = .fp8Block
    }
    for list in ["modules_to_not_convert", "ignored_layers"] {
      if try kept(key, list) { quantization.expertsOnly = true }
    }
    return quantization
  }

  /// GPTQ's and AWQ's 4-bit integers with a scale for each group of 128 weights.
  private func fourBits(_ key: String, bits: String, group: String) throws -> ModelQuantization {
    try require("\(key).\(bits)", 4, "4-bit integers")
    try require("\(key).\(group)", 128, "a scale for each group of 128 weights")
    if try flag("\(key).lm_head", default: false) {
      throw unsupported("\(key).lm_head", .bool(true), "the LM head is modelled in 16 bits")
    }
    if let dynamic = present("\(key).dynamic"), dynamic != .object([]) {
      throw unsupported("\(key).dynamic", dynamic, "layers that are stored differently are not modelled")
    }
    let experts = try kept(key, "modules_to_not_convert")
    return ModelQuantization(format: .int4, expertsOnly: experts)
  }

  private func modelOpt(_ key: String) throws -> ModelQuantization {
    let algorithm = try text("\(key).quant_algo")
    guard algorithm == "FP8" else {
      throw unsupported("\(key).quant_algo", .string(algorithm), "of modelopt's only FP8 is modelled")
    }
    var quantization = ModelQuantization(format: .fp8)
    for list in ["ignore", "exclude_modules"] {
      if try kept(key, list) { quantization.expertsOnly = true }
    }
    for cache in ["kv_cache_quant_algo", "kv_cache_scheme"] where present("\(key).\(cache)") != nil {
      quantization.kvBytesPerElement = try cacheBytes("\(key).\(cache)")
    }
    return quantization
  }

  private func compressedTensors(_ key: String) throws -> ModelQuantization {
    if let sparsity = present("\(key).sparsity_config"), sparsity != .object([]),
      sparsity["format"]?.string != "dense"
    {
      throw unsupported("\(key).sparsity_config", sparsity, "sparse weights are not modelled")
    }
    let groups = "\(key).config_groups"
    guard case .object(let members)? = present(groups), !members.isEmpty else {
      throw ModelConfigError.invalid(
        file: file, key: groups, found: present(groups)?.shown ?? "absent", expected: "an object of groups")
    }
    var formats: Set<WeightFormat> = []
    for member in members {
      guard case .object(let group) = member.value else {
        throw ModelConfigError.invalid(
          file: file, key: "\(groups).\(member.key)", found: member.value.shown, expected: "an object")
      }
      formats.insert(try inner(group, under: "\(groups).\(member.key)").format("\(groups).\(member.key)"))
    }
    guard formats.count == 1, let format = formats.first else {
      throw unsupported(
        groups, .string(formats.map(\.rawValue).sorted().joined(separator: " and ")),
        "layers that are stored differently are not modelled")
    }
    var quantization = ModelQuantization(format: format)
    quantization.expertsOnly = try kept(key, "ignore")
    if present("\(key).kv_cache_scheme") != nil {
      quantization.kvBytesPerElement = try cacheBytes("\(key).kv_cache_scheme")
    }
    return quantization
  }

  /// The format of one group of compressed-tensors.
  private func format(_ group: String) throws -> WeightFormat {
    func part(_ name: String) throws -> Config? {
      guard let value = present("\(group).\(name)") else { return nil }
      guard case .object(let members) = value else {
        throw ModelConfigError.invalid(
          file: file, key: "\(group).\(name)", found: value.shown, expected: "an object, or null")
      }
      return inner(members, under: "\(group).\(name)")
    }
    if let targets = present("\(group).targets"), targets != .array([.string("Linear")]) {
      throw unsupported(
        "\(group).targets", targets,
        "layers that are stored differently are not modelled: only [\"Linear\"] is")
    }
    let key = "\(group).weights"
    guard let weights = try part("weights") else {
      throw ModelConfigError.missing(file: file, key: key, expected: "an object")
    }
    let bits = try weights.integer("\(key).num_bits")
    let type = try weights.text("\(key).type")
    let strategy = try weights.text("\(key).strategy")
    let activations = try part("input_activations")
    if type == "float", bits == 8 {
      let inputs = "\(group).input_activations"
      guard let activations, try activations.integer("\(inputs).num_bits") == 8,
        activations.present("\(inputs).type") ?? .string("float") == .string("float")
      else {
        throw unsupported(
          inputs, present(inputs) ?? .null,
          "8-bit float weights are modelled with activations in 8-bit float only")
      }
    }
    switch (type, bits, strategy) {
    case ("float", 8, "tensor"), ("float", 8, "channel"): return .fp8
    case ("float", 8, "block"):
      let block = weights.present("\(key).block_structure") ?? .null
      guard block == .array([.int(128), .int(128)]) || block == .string("128x128") else {
        throw unsupported("\(key).block_structure", block, "only blocks of 128 × 128 are modelled")
      }
      return .fp8Block
    case ("int", 4, "group") where activations == nil:
      try weights.require("\(key).group_size", 128, "a scale for each group of 128 weights")
      return .int4
    default:
      throw unsupported(
        key, .string("\(bits)-bit \(type) by \(strategy)\(activations == nil ? "" : ", activations too")"),
        "of compressed-tensors' only 8-bit float and 4-bit int in groups of 128 with 16-bit activations are modelled"
      )
    }
  }

  /// Bytes of the cache's elements.
  private func cacheBytes(_ key: String) throws -> Int {
    switch present(key) {
    case .string("FP8"): return 1
    case .object(let members):
      let scheme = inner(members, under: key)
      let (bits, type) = (try scheme.integer("\(key).num_bits"), try scheme.text("\(key).type"))
      guard bits == 8, ["float", "int"].contains(type) else {
        throw unsupported(key, .string("\(bits)-bit \(type)"), "only 8 bits are modelled")
      }
      return 1
    case let other:
      throw unsupported(key, other ?? .null, "only FP8 and 8-bit schemes are modelled")
    }
  }

  /// Modules that are in 16 bits anyway, but norms.
  private static let unquantised: Set = [
    "lm_head", "embed_tokens", "embed_positions", "word_embeddings", "wte", "wpe", "gate", "router",
    "e_score_correction_bias", "shared_expert_gate",
  ]

  /// Checks that a list of what is not quantised names only what is in 16 bits anyway: LM head, embeddings, norms, routers.
  /// True if it names the attention of all layers as well, which only experts leave quantised.
  private func kept(_ key: String, _ list: String, attention: Bool = false) throws -> Bool {
    let list = "\(key).\(list)"
    guard let value = present(list) else { return false }
    guard case .array(let entries) = value else {
      throw ModelConfigError.invalid(file: file, key: list, found: value.shown, expected: "a list of names")
    }
    func isWord(_ character: Character) -> Bool {
      character.isLetter || character.isNumber || character == "_"
    }
    var keepsAttention = false
    for entry in entries {
      guard case .string(let name) = entry else {
        throw ModelConfigError.invalid(file: file, key: list, found: entry.shown, expected: "a list of names")
      }
      // Of "re:.*mlp.gate$" the words "mlp" and "gate".
      let path = (name.hasPrefix("re:") ? name.dropFirst(3) : name[...]).split(separator: ".")
      let words = path.map { $0.drop { !isWord($0) }.prefix(while: isWord) }
      let plain = words.last ?? ""
      let isWildcard = name.contains("*")
      // The module itself is the last word; those before it are where it stands.
      if let module = words.last(where: { !$0.isEmpty }),
        module.hasSuffix("norm") || Self.unquantised.contains(String(module))
      {
        continue
      }
      guard attention || isWildcard, name.contains("self_attn"), plain.isEmpty || plain == "self_attn" else {
        throw unsupported(
          list, .string(name),
          "layers that are stored differently are not modelled: LM head, embeddings, norms and routers are in 16 bits "
            + "anyway, and beside experts the attention of all layers may be")
      }
      keepsAttention = true
    }
    return keepsAttention
  }
}
