import Sim
import Studies

/// An option whose value cannot be used.
enum OptionError: Error, Hashable, CustomStringConvertible {
  case notAPair(String)
  case twice(key: String)
  case unknown(key: String, valid: [String])
  case badValue(key: String, found: String, expected: String)
  /// Of an option with a name of its own, such as `--model`.
  case unknownName(option: String, found: String, valid: [String])

  var description: String {
    switch self {
    case .notAPair(let text): return "--option \(text): expected key=value"
    case .twice(let key): return "--option \(key) is given twice"
    case .unknown("eager", _):
      return "--option eager is gone: --engine-profile vllm-2023-eager is an engine without CUDA graphs"
    case .unknown(let key, let valid):
      return "--option \(key) is unknown; \(Self.hint(key, valid))"
    case .badValue(let key, let found, let expected):
      return "--option \(key)=\(found): expected \(expected)"
    case .unknownName(let option, let found, let valid):
      return "\(option) \(found) is unknown; \(Self.hint(found, valid))"
    }
  }

  private static func hint(_ word: String, _ valid: [String]) -> String {
    (closest(to: word, among: valid).map { "did you mean \($0)? " } ?? "")
      + "valid: \(valid.joined(separator: ", "))"
  }
}

/// The `key=value` pairs of the command line.
struct OptionPairs: Hashable {
  private(set) var values: [String: String] = [:]

  init(_ arguments: [String]) throws(OptionError) {
    for argument in arguments {
      guard let equals = argument.firstIndex(of: "="), equals != argument.startIndex else {
        throw .notAPair(argument)
      }
      let key = String(argument[..<equals])
      let value = String(argument[argument.index(after: equals)...])
      guard values.updateValue(value, forKey: key) == nil else { throw .twice(key: key) }
    }
  }

  /// Throws unless every key is one of `valid`.
  func requireKnown(_ valid: [String]) throws(OptionError) {
    for key in values.keys.sorted() where !valid.contains(key) {
      throw .unknown(key: key, valid: valid.sorted())
    }
  }

  /// The pairs whose key is one of `keys`.
  func only(_ keys: [String]) -> [String: String] { values.filter { keys.contains($0.key) } }
}

/// A setting of the local engine that is given as `--option`.
struct EngineOption: Sendable {
  var key: String
  /// What its value may be.
  var values: String
  var help: String
  var apply: @Sendable (_ value: String, _ options: inout EngineOptions) -> Bool

  static let all = [
    EngineOption(
      key: "prefill-attention", values: "distributed, home or free",
      help: "who computes the prefill attention of a prompt that lies on several instances"
    ) { choose($0, &$1.prefillAttention) },
    EngineOption(
      key: "append-check", values: "vllm or exact",
      help: "whether each running request must find a free block, or only those that need one"
    ) { choose($0, &$1.appendCheck) },
    EngineOption(
      key: "over-budget", values: "alone or ignore",
      help: "what becomes of a prompt longer than the token budget under vllm-v0"
    ) { choose($0, &$1.overBudget) },
    EngineOption(
      key: "padded", values: "true or false", help: "vLLM 0.2–0.3: prefill batches are padded to the longest"
    ) { choose($0, &$1.padded) },
    EngineOption(
      key: "block-size", values: "a whole number from 1 to 4096", help: "tokens in a KV block"
    ) { choose($0, 1...4_096, &$1.blockSize) },
    EngineOption(
      key: "watermark", values: "a whole number of percent from 0 to 99",
      help: "vllm-v0: blocks that admissions leave free"
    ) { choose($0, 0...99, &$1.watermarkPercent) },
    EngineOption(
      key: "chunked-watermark", values: "a whole number of percent from 0 to 99",
      help: "chunked: blocks that admissions leave free while something runs"
    ) { choose($0, 0...99, &$1.chunkedWatermarkPercent) },
    EngineOption(
      key: "reserve-isl", values: "true or false",
      help: "chunked: admission tests room for the whole prompt"
    ) { choose($0, &$1.reserveISL) },
  ]

  /// Sets what `pairs` says of the engine.
  static func apply(_ pairs: OptionPairs, to options: inout EngineOptions) throws(OptionError) {
    for option in all {
      guard let value = pairs.values[option.key] else { continue }
      guard option.apply(value, &options) else {
        throw .badValue(key: option.key, found: value, expected: option.values)
      }
    }
  }

  private static func choose<Choice: RawRepresentable<String>>(_ value: String, _ choice: inout Choice)
    -> Bool
  {
    guard let chosen = Choice(rawValue: value) else { return false }
    choice = chosen
    return true
  }

  private static func choose(_ value: String, _ range: ClosedRange<Int>, _ number: inout Int) -> Bool {
    guard let chosen = Int(value), range.contains(chosen) else { return false }
    number = chosen
    return true
  }

  private static func choose(_ value: String, _ flag: inout Bool) -> Bool {
    guard let chosen = Bool(value) else { return false }
    flag = chosen
    return true
  }
}
