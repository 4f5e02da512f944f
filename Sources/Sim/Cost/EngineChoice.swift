/// An engine profile as it is asked for: by its name in the catalogue, or as a version of an engine.
public struct EngineChoice: Hashable, Sendable {
  public var profile: EngineProfile
  /// The engine and version that was asked for, "vllm-0.6.6"; `nil` for a profile by its own name.
  public var asked: String?
  /// The version as which a minor one is read whose patches differ: "0.6.0" of "vllm-0.6".
  public var readAs: String?
  /// What should be known of it: that it is later than any release known here.
  public var warning: String?

  /// Takes the parts as they are.
  public init(
    _ profile: EngineProfile, asked: String? = nil, readAs: String? = nil, warning: String? = nil
  ) {
    (self.profile, self.asked, self.readAs, self.warning) = (profile, asked, readAs, warning)
  }

  /// "engine profile vllm-0.4", "engine vllm-0.6.6 (profile vllm-0.4)", "engine vllm-0.6 (read as 0.6.0, profile vllm-0.4)".
  public var title: String {
    guard let asked else { return "engine profile \(profile.name)" }
    return "engine \(asked) (\(readAs.map { "read as \($0), " } ?? "")profile \(profile.name))"
  }

  /// The profile of that name, or what a version of an engine runs as, such as "vllm-0.6.1" or "SGLang-0.5"; any case.
  public init(_ name: String) throws(EngineNameError) {
    let lower = name.lowercased()
    if let known = EngineCatalog.all.first(where: { $0.name == lower }) {
      self.init(known)
      return
    }
    if ["v0", "v1"].contains(lower) { throw .generation(lower.uppercased()) }
    if EngineVersion(lower) != nil { throw .withoutEngine(version: name) }
    guard let (engine, rest) = EngineReleases.engine(before: lower) else { throw .unknown(name) }
    guard let rest else { throw .withoutVersion(engine: engine) }
    if ["v0", "v1"].contains(rest) { throw .generation(rest.uppercased()) }
    guard let version = EngineVersion(rest), engine != "vllm" || KVAccounting.numbers(rest) != nil,
      let release = EngineReleases.release(of: engine, version: version.text)
    else {
      guard (rest.hasPrefix("v") ? rest.dropFirst() : rest[...]).first?.isNumber == true else {
        throw .unknown(name)
      }
      throw .noVersion(rest, of: engine)
    }
    self.init(
      release.profile(version: version.text), asked: "\(engine)-\(version.text)",
      warning: EngineReleases.lateness(of: version, engine: engine))
    // Whether some patch of a minor version runs otherwise; none has a higher number.
    if version.numbers.count == 2, version.text.allSatisfy({ $0.isNumber || $0 == "." }),
      profile != release.profile(version: version.text + ".9999")
    {
      readAs = version.text + ".0"
    }
  }

  /// The engine that wrote a log of vLLM: its version, and whether it says that it is the V0 engine; `nil` for a build that does
  /// not know its version.
  public init?(vLLM version: String, isV0: Bool) {
    guard let profile = EngineCatalog.vllm(version: version, v0: isV0), let parsed = EngineVersion(version)
    else { return nil }
    self.init(
      profile, asked: "vllm-\(parsed.text)\(isV0 ? " V0" : "")",
      warning: EngineReleases.lateness(of: parsed, engine: "vllm"))
  }
}

/// A name that stands for no engine profile.
public enum EngineNameError: Error, Hashable, CustomStringConvertible {
  /// Neither a profile nor an engine with a version.
  case unknown(String)
  /// What follows the engine begins as a version and is none.
  case noVersion(String, of: String)
  /// A version without its engine.
  case withoutEngine(version: String)
  /// An engine without its version.
  case withoutVersion(engine: String)
  /// "V0" or "V1".
  case generation(String)

  /// One sentence: what was found and what was expected.
  public var description: String {
    switch self {
    case .unknown(let name): "\(name) is no engine profile, and no engine with its version"
    case .noVersion(let text, let engine):
      "“\(text)” is no version of \(engine); expected one such as \(Self.example(engine))"
    case .withoutVersion(let engine):
      "\(engine) has profiles by version; give one, such as \(engine)-\(Self.example(engine))"
    case .withoutEngine(let version): "\(version) is a version without its engine; vllm-\(version) is vLLM's"
    case .generation(let name):
      "\(name) is no version but \(name == "V0" ? "the engine of vLLM before 0.8" : "the engine of vLLM from 0.8 on"); "
        + "give a version, such as \(name == "V0" ? "vllm-0.6.6" : "vllm-0.11")"
    }
  }

  private static func example(_ engine: String) -> String {
    switch engine {
    case "sglang": "0.5.4"
    case "tensorrt-llm": "1.1"
    default: "0.6.1"
    }
  }
}

extension EngineReleases {
  /// The newest release of each engine on PyPI on 1 December 2026 (`pip index versions vllm`, `sglang`, `tensorrt-llm`): a later
  /// one may be a slip of the pen.
  static let newest = ["vllm": [0, 33], "sglang": [0, 5], "tensorrt-llm": [1, 2]]

  /// A sentence about a version that is later than any known.
  static func lateness(of version: EngineVersion, engine: String) -> String? {
    guard let newest = newest[engine],
      newest.lexicographicallyPrecedes(Array(version.numbers.prefix(newest.count))),
      let release = release(of: engine, version: version.text)
    else { return nil }
    return
      "\(engine) \(version.text) is later than \(newest.map(String.init).joined(separator: ".")), the newest release known here: "
      + "it is charged as \(release.profile.name)"
  }
}
