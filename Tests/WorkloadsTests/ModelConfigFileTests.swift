import Foundation
import Sim
import Testing
import Workloads

@Suite("Hugging Face config.json")
struct ModelConfigFileTests {
  /// meta-llama/Llama-2-13b-hf, the keys that matter.
  static let llama13b: [String: String] = [
    "model_type": "\"llama\"", "hidden_size": "5120", "intermediate_size": "13824",
    "num_attention_heads": "40", "num_key_value_heads": "40", "num_hidden_layers": "40",
    "vocab_size": "32000", "max_position_embeddings": "4096", "tie_word_embeddings": "false",
    "torch_dtype": "\"float16\"", "quantization_config": "null", "rms_norm_eps": "1e-05",
    "architectures": "[\"LlamaForCausalLM\"]",
  ]
  /// facebook/opt-13b, the keys that matter.
  static let opt13b: [String: String] = [
    "model_type": "\"opt\"", "hidden_size": "5120", "ffn_dim": "20480", "num_attention_heads": "40",
    "num_hidden_layers": "40", "vocab_size": "50272", "max_position_embeddings": "2048",
    "word_embed_proj_dim": "5120", "torch_dtype": "\"float16\"", "dropout": "0.1",
  ]

  /// Writes `text` as `config.json` into a fresh directory named after a model, and reads it back.
  private func read(text: String) throws -> ModelConfigFile {
    let root = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    let directory = root.appendingPathComponent("my-model")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: root) }
    let file = directory.appendingPathComponent("config.json")
    try text.write(to: file, atomically: true, encoding: .utf8)
    return try ModelConfigFile(path: file.path)
  }

  /// `base` with some keys replaced, or removed where the value is `nil`.
  private func read(_ base: [String: String], _ changes: [String: String?] = [:]) throws -> ModelConfigFile {
    var keys = base
    for (key, value) in changes { keys[key] = value }
    let lines = keys.sorted { $0.key < $1.key }.map { "\"\($0.key)\": \($0.value)" }
    return try read(text: "{\(lines.joined(separator: ",\n"))}")
  }

  /// The message of the error that reading throws.
  private func refusal(_ base: [String: String], _ changes: [String: String?]) -> String {
    do {
      _ = try read(base, changes)
      return "accepted"
    } catch { return "\(error)" }
  }

  @Test func `a Llama config gives the preset's dimensions under the directory's name`() throws {
    var expected = ModelCatalog.llama13B
    expected.name = "my-model"
    let config = try read(Self.llama13b)
    #expect(config.model == expected)
    #expect(config.notes.isEmpty)
  }

  @Test func `a file of another name gives the model its own`() throws {
    let root = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    let directory = root.appendingPathComponent("c")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: root) }
    let lines = Self.llama13b.map { "\"\($0.key)\": \($0.value)" }
    for (file, name) in [("awq.json", "awq"), ("llama.v2.json", "llama.v2"), ("config.json", "c")] {
      let path = directory.appendingPathComponent(file)
      try "{\(lines.joined(separator: ","))}".write(to: path, atomically: true, encoding: .utf8)
      #expect(try ModelConfigFile(path: path.path).model.name == name)
    }
    #expect(try ModelConfigFile(path: directory.path).model.name == "c")
  }

  /// Lengths as vLLM derives them: of `Qwen2.5-7B-Instruct` as its model card extends it, of Qwen3, DeepSeek-V3, Llama-3.1.
  @Test(arguments: [
    (
      32_768, #""rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}"#,
      131_072
    ),
    (
      40_960,
      #""rope_scaling": {"rope_type": "yarn", "factor": 4, "original_max_position_embeddings": 32768}"#,
      131_072
    ),
    (
      163_840, #""rope_scaling": {"type": "yarn", "factor": 40, "original_max_position_embeddings": 4096}"#,
      163_840
    ),
    (131_072, #""rope_scaling": {"rope_type": "llama3", "factor": 8.0}"#, 131_072),
    (4_096, #""rope_scaling": {"type": "linear", "factor": 2.5}"#, 10_240),
    (4_096, #""rope_scaling": {"type": "dynamic", "factor": 2}"#, 8_192),
    (4_096, #""rope_scaling": null"#, 4_096),
    (4_096, #""rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"}"#, 4_096),
    (4_096, #""rope_parameters": {"rope_type": "yarn", "factor": 4.0}"#, 16_384),
    (4_096, #""rope_parameters": {"full_attention": {"rope_type": "default"}}"#, 4_096),
    (4_096, #""rope_parameters": {"full_attention": {"rope_type": "linear", "factor": 8.0}}"#, 32_768),
    (4_096, #""rope_scaling": {}, "rope_parameters": {"rope_type": "yarn", "factor": 4.0}"#, 16_384),
  ])
  func `the longest context is what the scaling of positions makes of it`(
    stated: Int, scaling: String, expected: Int
  ) throws {
    var keys = Self.llama13b
    keys["max_position_embeddings"] = "\(stated)"
    let lines = keys.sorted { $0.key < $1.key }.map { "\"\($0.key)\": \($0.value)" } + [scaling]
    #expect(try read(text: "{\(lines.joined(separator: ",\n"))}").model.maxPosition == expected)
  }

  @Test(arguments: [
    ("\"yarn\"", "\"rope_scaling\" is \"yarn\", expected an object"),
    ("{\"type\": \"ntk\", \"factor\": 2}", "\"rope_scaling.type\" is \"ntk\", expected default, linear,"),
    ("{\"type\": \"yarn\"}", "\"rope_scaling.factor\" is missing, expected a number in 1...1000000"),
    ("{\"type\": \"linear\", \"factor\": 0.5}", "\"rope_scaling.factor\" is 0.5, expected a number in"),
    ("{\"type\": \"linear\", \"factor\": \"2\"}", "\"rope_scaling.factor\" is \"2\", expected a number in"),
    ("{\"factor\": 4.0}", "\"rope_scaling.rope_type\" is missing, expected what the factor is of"),
    ("{\"type\": 3}", "\"rope_scaling.type\" is 3, expected a string"),
  ])
  func `a scaling of positions that cannot be read is refused`(scaling: String, expected: String) {
    let found = refusal(Self.llama13b, ["rope_scaling": scaling])
    #expect(found.contains(expected), "\(found)")
  }

  @Test func `a directory stands for the config in it`() throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    let lines = Self.llama13b.map { "\"\($0.key)\": \($0.value)" }.joined(separator: ",")
    try "{\(lines)}".write(
      to: directory.appendingPathComponent("config.json"), atomically: true, encoding: .utf8)
    #expect(try ModelConfigFile(path: directory.path).model.layers == 40)
  }

  @Test func `an OPT config has two feed-forward matrices and tied embeddings`() throws {
    let model = try read(Self.opt13b).model
    #expect(!model.gatedFFN)
    #expect(model.tiedEmbeddings)
    #expect(model.intermediate == 20_480)
    #expect(model.headDim == 128)
    #expect(model.kvHeads == 40)
    // facebook/opt-13b has 12.85 B parameters; ours leave out biases and positions, 0.1 %.
    #expect(abs(Double(model.parameters) / 12.853e9 - 1) < 0.002)
  }

  @Test func `Qwen2 and Mistral read grouped heads, an explicit head dimension and tied embeddings`() throws {
    let qwen = try read(
      Self.llama13b,
      [
        "model_type": "\"qwen2\"", "hidden_size": "3584", "num_attention_heads": "28",
        "num_key_value_heads": "4", "intermediate_size": "18944", "num_hidden_layers": "28",
        "vocab_size": "152064", "torch_dtype": "\"bfloat16\"", "sliding_window": "131072",
        "use_sliding_window": "false",
      ])
    #expect(qwen.notes.isEmpty)
    #expect(qwen.model.kvBytesPerToken == 57_344)
    // Qwen2.5-7B: 7.616 B parameters.
    #expect(abs(Double(qwen.model.parameters) / 7.616e9 - 1) < 0.001)

    let mistral = try read(
      Self.llama13b,
      [
        "model_type": "\"mistral\"", "num_key_value_heads": "8", "head_dim": "160",
        "sliding_window": "4096", "tie_word_embeddings": "true",
      ])
    #expect(mistral.model.headDim == 160)
    #expect(mistral.model.kvHeads == 8)
    #expect(mistral.model.tiedEmbeddings)
    #expect(mistral.notes.isEmpty && mistral.model.window == 4_096)
    #expect(try read(Self.llama13b, ["sliding_window": "4096"]).notes.count == 1)
  }

  @Test func `only Llama may leave out its KV heads`() throws {
    #expect(try read(Self.llama13b, ["num_key_value_heads": nil]).model.kvHeads == 40)
    #expect(try read(Self.llama13b, ["num_key_value_heads": "null"]).model.kvHeads == 40)
    #expect(
      refusal(Self.llama13b, ["model_type": "\"mistral\"", "num_key_value_heads": nil])
        .contains("key \"num_key_value_heads\" is missing"))
  }

  @Test(arguments: [
    "hidden_size", "num_attention_heads", "num_hidden_layers", "vocab_size", "intermediate_size",
    "max_position_embeddings", "model_type",
  ])
  func `a missing key is named with its file`(key: String) {
    let message = refusal(Self.llama13b, [key: nil])
    #expect(message.contains("my-model/config.json: key \"\(key)\" is missing, expected"), "\(message)")
  }

  @Test(arguments: [
    ("-4096", "-4096"), ("0", "0"), ("4096.5", "4096.5"), ("1e300", "1e+300"), ("99999999999999", "9999"),
    ("\"4096\"", "\"4096\""), ("true", "true"), ("[1]", "an array"), ("{}", "an object"),
    ("123456789012345678901234567890", "1.2345678901234568e+29"),
  ])
  func `a number that is not a sane whole number is shown beside what was expected`(
    value: String, shown: String
  ) {
    let message = refusal(Self.llama13b, ["hidden_size": value])
    #expect(message.contains("key \"hidden_size\" is \(shown)"), "\(message)")
    #expect(message.contains("expected a whole number"), "\(message)")
  }

  @Test func `a value in range for the file but absurd for the dimension is refused`() {
    #expect(
      refusal(Self.llama13b, ["num_hidden_layers": "100000"]).contains("layers is 100000, expected 1...4096"))
    #expect(refusal(Self.llama13b, ["num_key_value_heads": "3"]).contains("40 query heads cannot share 3"))
    #expect(refusal(Self.llama13b, ["num_attention_heads": "7"]).contains("divisor of hidden_size 5120"))
  }

  @Test(arguments: [
    ("num_local_experts", "8", "MoE"), ("n_routed_experts", "160", "MoE"), ("kv_lora_rank", "512", "MLA"),
    ("quantization", "{\"bits\": 4}", "gptq"), ("torch_dtype", "\"float8_e4m3fn\"", "float16"),
  ])
  func `what is not modelled is refused and the message says what it is`(
    key: String, value: String, word: String
  ) {
    let message = refusal(Self.llama13b, [key: value])
    #expect(message.contains("key \"\(key)\""), "\(message)")
    #expect(message.contains(word), "\(message)")
  }

  @Test func `an unknown family is refused with the known ones`() {
    let message = refusal(Self.llama13b, ["model_type": "\"mamba\""])
    #expect(message.contains("key \"model_type\" is \"mamba\", expected llama, mistral, mixtral,"))
  }

  @Test func `projected OPT embeddings are refused`() {
    #expect(refusal(Self.opt13b, ["word_embed_proj_dim": "512"]).contains("projected embeddings"))
  }

  @Test(arguments: ["", "[]", "{\"hidden_size\": NaN}", "{\"hidden_size\": 1", "model: llama"])
  func `text that is not a JSON object is refused`(text: String) {
    #expect(throws: ModelConfigError.self) { _ = try read(text: text) }
  }

  @Test(arguments: [
    ("{\n\"hidden_size\": 1,\n\"hidden_size\": 2}", 3, "twice"),
    ("{\"a\": {\"b\": 1, \"b\": 1}}", 1, "twice"),
    ("{\"a\": 1,}", 1, "\"}\""), ("{\"a\": [1, 2,]}", 1, "]"), ("{\"a\": 01}", 1, "1"),
    ("{\"a\": 1} x", 1, "x"),
    ("{\"a\": 'b'}", 1, "'b'"), ("// no\n{}", 1, "//"), ("{\"a\": .5}", 1, ".5"),
    ("{\"a\": \"\\ud800\"}", 1, "}"),
  ])
  func `text that is not quite JSON is refused with its line`(text: String, line: Int, found: String) {
    do {
      _ = try read(text: text)
      Issue.record("\(text) was read")
    } catch {
      #expect("\(error)".contains("config.json:\(line): found "), "\(error)")
      #expect("\(error)".contains(found), "\(error)")
    }
  }

  @Test func `a byte order mark is passed over`() throws {
    let lines = Self.llama13b.map { "\"\($0.key)\": \($0.value)" }.joined(separator: ",")
    #expect(try read(text: "\u{FEFF}{\(lines)}").model.layers == 40)
  }

  @Test func `a missing file is refused by its path`() {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    #expect(throws: ModelConfigError.unreadable(file: path)) { _ = try ModelConfigFile(path: path) }
  }
}
