/// An engine from some version on, up to the next entry of `EngineReleases.all`, and the profile that it is charged by.
public struct EngineRelease: Hashable, Sendable {
  /// The engine's name in lower case.
  public var engine: String
  /// Major and minor number of the first version.
  public var major, minor: Int
  /// The day of that version: 20240905 is 5 September 2024.
  public var date: Int
  public var profile: EngineProfile
  /// Admits a request only where all of its prompt and output fits beside those that run, so that nobody is preempted
  /// (TensorRT-LLM's CapacitySchedulerPolicy.GUARANTEED_NO_EVICT, its default).
  public var reservesOutput = false

  /// "vllm 0.6".
  public var name: String { "\(engine) \(major).\(minor)" }

  /// How it counts the memory of its cache: vLLM by version, this entry's where that is none; others as their profiles.
  public func accounting(version: String) -> KVAccounting {
    guard engine == "vllm" else { return profile.accounting }
    return KVAccounting.leadingNumbers(version).flatMap(KVAccounting.init(numbers:)) ?? profile.accounting
  }

  /// The profile, with the account and the limits of a version of vLLM. A version that is the entry's own name, or none, is
  /// the profile as it stands.
  public func profile(version: String) -> EngineProfile {
    guard engine == "vllm", let numbers = KVAccounting.leadingNumbers(version), numbers != [major, minor]
    else {
      return profile
    }
    var profile = profile
    profile.accounting = accounting(version: version)
    if profile.limits.longContextBudget != nil { profile.limits = .vllmV0(version: numbers) }
    return profile
  }
}

/// Which profile a run of a named engine and version is charged by.
public enum EngineReleases {
  /// Each engine's in order of versions; days are those of the releases on PyPI or GitHub.
  public static let all = [
    EngineRelease(engine: "vllm", major: 0, minor: 2, date: 2023_09_28, profile: EngineCatalog.vllm2023Eager),
    EngineRelease(engine: "vllm", major: 0, minor: 4, date: 2024_03_30, profile: EngineCatalog.vllmV0),
    EngineRelease(engine: "vllm", major: 0, minor: 8, date: 2025_03_18, profile: EngineCatalog.vllmV1),
    EngineRelease(
      engine: "vllm", major: 0, minor: 14, date: 2026_01_20, profile: EngineCatalog.vllmV1FirstAsync),
    // A rebuild appeared on 16 May (github.com/SystemPanic/vllm-windows/releases).
    EngineRelease(engine: "vllm", major: 0, minor: 21, date: 2026_05_16, profile: EngineCatalog.vllmV1Async),
    EngineRelease(
      engine: "tensorrt-llm", major: 0, minor: 0, date: 2023_10_19, profile: EngineCatalog.tensorRTLLM0,
      reservesOutput: true),
    EngineRelease(
      engine: "tensorrt-llm", major: 1, minor: 0, date: 2025_09_24, profile: EngineCatalog.tensorRTLLM,
      reservesOutput: true),
    EngineRelease(engine: "sglang", major: 0, minor: 0, date: 2024_01_17, profile: EngineCatalog.sglang),
  ]

  /// The entry for a version as files write it ("0.5.4", "v1.0.0rc3", "0.5.4 to 0.6.1", of which the first counts); without a
  /// number that by `date`, and without that the newest. `nil` for an engine that is not there.
  public static func release(of engine: String, version: String, date: Int? = nil) -> EngineRelease? {
    let known = all.filter { $0.engine == canonical(engine) }
    guard let first = known.first, let last = known.last else { return nil }
    if let (major, minor) = numbers(version) {
      return known.last { ($0.major, $0.minor) <= (major, minor) } ?? first
    }
    guard let date else { return last }
    return known.last { $0.date <= date } ?? first
  }

  /// Whether the text has the numbers of a version.
  public static func isVersion(_ text: String) -> Bool { numbers(text) != nil }

  /// The engine with which `name`, in lower case, begins, as the table has it, and what follows behind a hyphen, if anything.
  static func engine(before name: String) -> (engine: String, rest: String?)? {
    for engine in ["vllm", "sglang", "tensorrt-llm"] + otherNames {
      if name == engine { return (canonical(engine), nil) }
      if name.hasPrefix(engine + "-") {
        return (canonical(engine), String(name.dropFirst(engine.count + 1)))
      }
    }
    return nil
  }

  /// Other names of TensorRT-LLM.
  private static let otherNames = ["trtllm", "trt-llm", "tensorrt_llm", "tensorrtllm"]

  /// The engine's name as the table has it.
  private static func canonical(_ engine: String) -> String {
    let name = engine.lowercased()
    // The interface of vLLM's server, by which its benchmark calls it.
    if ["openai", "openai-chat"].contains(name) { return "vllm" }
    return otherNames.contains(name) ? "tensorrt-llm" : name
  }

  /// The first two numbers of a version.
  private static func numbers(_ version: String) -> (Int, Int)? {
    let numbers = version.split { !$0.isNumber }.compactMap { Int($0) }
    guard version.contains("."), numbers.count >= 2 else { return nil }
    return (numbers[0], numbers[1])
  }
}
