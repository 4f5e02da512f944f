import Sim

/// How the engine of a log was started: what the line of its configuration says, and the line of its arguments.
package struct LogSettings: Hashable {
  /// A repository or a path.
  package var model: String?
  /// "fp8", "awq_marlin", …; "None" where the log says so.
  package var quantization: String?
  /// "auto", "fp8", "fp8_e4m3", …
  package var kvCacheType: String?
  package var tensorParallel, pipelineParallel: Int?
  package var expertParallel: Bool?
  package var maxModelLen, blockSize, maxNumSeqs, maxNumBatchedTokens: Int?
  package var utilisation: Double?

  package init() {}

  /// Takes what a line says; later lines replace earlier ones, and lines of other kinds say nothing.
  mutating func read(_ line: Substring) {
    // "args: Namespace(model='…', …)", later "non-default args: {'model': '…', …}".
    guard line.contains("LLM engine (v") || line.contains("args: ") else { return }
    func take<Value>(_ path: WritableKeyPath<Self, Value?>, _ key: String, _ value: (String) -> Value?) {
      if let found = Self.value(of: key, in: line).flatMap(value) { self[keyPath: path] = found }
    }
    func count(_ text: String) -> Int? { Int(text).flatMap { (1...1 << 24).contains($0) ? $0 : nil } }
    take(\.model, "model") { $0.isEmpty || $0 == "None" ? nil : $0 }
    take(\.quantization, "quantization") { $0 }
    take(\.kvCacheType, "kv_cache_dtype") { $0 }
    take(\.tensorParallel, "tensor_parallel_size", count)
    take(\.pipelineParallel, "pipeline_parallel_size", count)
    take(\.expertParallel, "enable_expert_parallel") { $0 == "True" }
    take(\.maxModelLen, "max_model_len", count)
    take(\.blockSize, "block_size", count)
    take(\.maxNumSeqs, "max_num_seqs", count)
    take(\.maxNumBatchedTokens, "max_num_batched_tokens", count)
    take(\.utilisation, "gpu_memory_utilization") { text in
      Double(text).flatMap { $0 > 0 && $0 <= 1 ? $0 : nil }
    }
  }

  /// What follows `key=` or `'key': `, without quotes.
  private static func value(of key: String, in line: Substring) -> String? {
    for words in ["\(key)=", "'\(key)': "] {
      for range in line.ranges(of: words) {
        // Not the end of a longer name, as in served_model_name.
        let before = line[..<range.lowerBound].last
        if let before, before.isLetter || before.isNumber || before == "_" { continue }
        let rest = line[range.upperBound...]
        if let quote = rest.first, quote == "'" || quote == "\"" {
          return String(rest.dropFirst().prefix { $0 != quote })
        }
        return String(rest.prefix { !$0.isWhitespace && ![",", ")", "}", "]"].contains($0) })
      }
    }
    return nil
  }
}

/// What a log says of a format.
enum LoggedFormat<Value> {
  case notSaid
  case known(Value)
  /// It has no counterpart here; a sentence.
  case unknown(String)
}

extension LogSettings {
  /// How the weights of `model`, which has those of its name's checkpoint, were stored.
  func weights(of model: ModelSpec) -> LoggedFormat<WeightFormat> {
    guard let quantization else { return .notSaid }
    let name = quantization.lowercased()
    let published = model.experts?.weights ?? model.weights
    switch name {
    case "none": return .known(published)
    case "fp8" where published == .fp8Block: return .known(.fp8Block)
    case "fp8", "modelopt", "fbgemm_fp8", "ptpc_fp8": return .known(.fp8)
    case "mxfp4": return .known(.mxfp4)
    // Of many formats: the model's name says which.
    case "compressed-tensors" where published != .bf16: return .known(published)
    case _ where name.contains("awq") || name.contains("gptq"): return .known(.int4)
    default: return .unknown("quantization=\(quantization) of the log is not known here: give --weights")
    }
  }

  /// Whether an element of the cache is a byte, where it is another than the checkpoint's.
  var cacheIsByte: LoggedFormat<Bool> {
    guard let kvCacheType else { return .notSaid }
    switch kvCacheType.lowercased() {
    case "auto", "none", "bfloat16", "float16", "half": return .known(false)
    case "fp8", "fp8_e4m3", "fp8_e5m2", "fp8_inc", "int8": return .known(true)
    default: return .unknown("kv_cache_dtype=\(kvCacheType) of the log is not known here: give --kv-dtype")
    }
  }
}
