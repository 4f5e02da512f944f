import Sim
import Studies

/// An option whose value cannot be used.
package enum OptionError: Error, Hashable, CustomStringConvertible {
  case notAPair(String)
  case twice(key: String)
  case unknown(key: String, valid: [String])
  case badValue(key: String, found: String, expected: String)
  /// Of an option with a name of its own, such as `--model`.
  case unknownName(option: String, found: String, valid: [String])

  package var description: String {
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
package struct OptionPairs: Hashable {
  package private(set) var values: [String: String] = [:]

  package init(_ arguments: [String]) throws(OptionError) {
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
  package func requireKnown(_ valid: [String]) throws(OptionError) {
    for key in values.keys.sorted() where !valid.contains(key) {
      throw .unknown(key: key, valid: valid.sorted())
    }
  }

  mutating func remove(_ key: String) { values[key] = nil }

  /// The pairs whose key is one of `keys`.
  func only(_ keys: [String]) -> [String: String] { values.filter { keys.contains($0.key) } }
}

/// A setting of every run that is given as `--option`, and how its value is put into `Settings`.
package struct RunSetting<Settings>: Sendable {
  package var key: String
  /// What its value may be.
  package var values: String
  package var help: String
  package var apply: @Sendable (_ value: String, _ settings: inout Settings) -> Bool

  /// Sets what `pairs` says of `options`.
  package static func apply(_ options: [Self], _ pairs: OptionPairs, to settings: inout Settings)
    throws(OptionError)
  {
    for option in options {
      guard let value = pairs.values[option.key] else { continue }
      guard option.apply(value, &settings) else {
        throw .badValue(key: option.key, found: value, expected: option.values)
      }
    }
  }

  fileprivate static func choose<Choice: RawRepresentable<String>>(_ value: String, _ choice: inout Choice)
    -> Bool
  {
    guard let chosen = Choice(rawValue: value) else { return false }
    choice = chosen
    return true
  }

  fileprivate static func choose(_ value: String, _ range: ClosedRange<Int>, _ number: inout Int) -> Bool {
    guard let chosen = Int(value), range.contains(chosen) else { return false }
    number = chosen
    return true
  }

  fileprivate static func choose(_ value: String, _ flag: inout Bool) -> Bool {
    guard let chosen = Bool(value) else { return false }
    flag = chosen
    return true
  }

  /// Seconds, rounded to whole picoseconds.
  fileprivate static func choose(
    _ value: String, _ range: ClosedRange<Double>, _ assign: (SimDuration) -> Void
  ) -> Bool {
    guard let seconds = Double(value), range.contains(seconds) else { return false }
    assign(SimDuration(picoseconds: Int64((seconds * 1e12).rounded())))
    return true
  }

  /// A fraction, as thousandths.
  fileprivate static func chooseShare(_ value: String, _ permille: inout Int) -> Bool {
    guard let share = Double(value), share >= 0, share <= 1 else { return false }
    permille = Int((share * 1_000).rounded())
    return true
  }
}

/// A setting of the local engine.
package typealias EngineOption = RunSetting<EngineOptions>

extension EngineOption {
  package static var all: [Self] {
    [
      Self(
        key: "prefill-attention", values: "distributed, home or free",
        help: "who computes the prefill attention of a prompt that lies on several instances"
      ) { choose($0, &$1.prefillAttention) },
      Self(
        key: "append-check", values: "vllm or exact",
        help: "whether each running request must find a free block, or only those that need one"
      ) { choose($0, &$1.appendCheck) },
      Self(
        key: "over-budget", values: "alone or ignore",
        help: "what becomes of a prompt longer than the token budget under vllm-v0"
      ) { choose($0, &$1.overBudget) },
      Self(
        key: "padded", values: "true or false",
        help: "vLLM 0.2–0.3: prefill batches are padded to the longest"
      ) { choose($0, &$1.padded) },
      Self(
        key: "block-size", values: "a whole number from 1 to 4096", help: "tokens in a KV block"
      ) { choose($0, 1...4_096, &$1.blockSize) },
      Self(
        key: "watermark", values: "a whole number of percent from 0 to 99",
        help: "vllm-v0: blocks that admissions leave free"
      ) { choose($0, 0...99, &$1.watermarkPercent) },
      Self(
        key: "chunked-watermark", values: "a whole number of percent from 0 to 99",
        help: "chunked: blocks that admissions leave free while something runs"
      ) { choose($0, 0...99, &$1.chunkedWatermarkPercent) },
      Self(
        key: "reserve-isl", values: "true or false",
        help: "chunked: admission tests room for the whole prompt"
      ) { choose($0, &$1.reserveISL) },
    ]
  }

  /// Sets what `pairs` says of the engine.
  package static func apply(_ pairs: OptionPairs, to options: inout EngineOptions) throws(OptionError) {
    try apply(all, pairs, to: &options)
  }
}

/// A setting of the managers' messages (docs/protocol.md).
package typealias ManagerOption = RunSetting<ProtocolOptions>

extension ManagerOption {
  package static var all: [Self] {
    let day = 0...86_400.0
    let span = 1e-12...86_400
    return [
      Self(key: "message-delay", values: "seconds from 0 to 86400", help: "one-way time of a message") {
        value, managers in choose(value, day) { managers.delay = $0 }
      },
      Self(
        key: "message-jitter", values: "seconds from 0 to 86400",
        help: "the most that is added to it, uniformly at random"
      ) { value, managers in choose(value, day) { managers.jitter = $0 } },
      Self(
        key: "message-loss", values: "a fraction from 0 to 1", help: "messages that are lost, in thousandths"
      ) { chooseShare($0, &$1.lossPermille) },
      Self(key: "message-duplicates", values: "a fraction from 0 to 1", help: "messages that come twice") {
        chooseShare($0, &$1.duplicatePermille)
      },
      Self(
        key: "message-reorder", values: "a fraction from 0 to 1",
        help: "messages that are held back by up to three times delay + jitter"
      ) { chooseShare($0, &$1.reorderPermille) },
      Self(
        key: "unreliable-until", values: "seconds from 0 to 86400",
        help: "from then on no message is lost, doubled or held back"
      ) { value, managers in
        choose(value, day) { managers.unreliableUntil = SimTime(picoseconds: $0.picoseconds) }
      },
      Self(
        key: "heartbeat-period", values: "seconds from 0.000001 to 86400",
        help: "period of heartbeats, if not the planner's"
      ) { value, managers in choose(value, 1e-6...86_400) { managers.heartbeatPeriod = $0 } },
      Self(
        key: "full-heartbeat-every", values: "a whole number from 1 to 1048576",
        help: "of so many heartbeats one is full, the others have what has changed"
      ) { choose($0, 1...1 << 20, &$1.fullHeartbeatEvery) },
      Self(
        key: "silence", values: "seconds above 0, at most 86400",
        help: "an instance not heard of for so long is left out of plans"
      ) { value, managers in choose(value, span) { managers.silence = $0 } },
      Self(
        key: "try-timeout", values: "seconds above 0, at most 86400",
        help: "how long the source of a move waits for its destination's answer"
      ) { value, managers in choose(value, span) { managers.tryTimeout = $0 } },
      Self(
        key: "try-retries", values: "a whole number from 0 to 100",
        help: "how often it asks again before it gives up"
      ) { choose($0, 0...100, &$1.tryRetries) },
      Self(
        key: "reservation-expiry", values: "seconds above 0, at most 86400",
        help: "how long a destination keeps blocks for a transfer that does not start"
      ) { value, managers in choose(value, span) { managers.reservationExpiry = $0 } },
    ]
  }
}
