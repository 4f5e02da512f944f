/// A version of a serving engine as Python packages write it: "0.6.3.post1", "v0.11", "1.0.0rc3", "0.10.2rc1.dev3+g1".
public struct EngineVersion: Hashable, Sendable {
  /// The numbers of the release, two or more.
  public let numbers: [Int]
  /// In lower case, without a v before it.
  public let text: String
  /// Whether it is "0.1.dev…": what a build of vLLM calls itself that does not know its version.
  public var isUnknownBuild: Bool { text.hasPrefix("0.1.dev") }

  /// `nil` unless the whole text is a version.
  public init?(_ text: String) {
    let lower = text.lowercased()
    guard let match = lower.wholeMatch(of: Self.form) else { return nil }
    let numbers = match.1.split(separator: ".").compactMap { Int($0) }
    guard numbers.count == match.1.count(where: { $0 == "." }) + 1 else { return nil }
    self.numbers = numbers
    self.text = lower.hasPrefix("v") ? String(lower.dropFirst()) : lower
  }

  /// PEP 440 without epochs, two numbers at least.
  private static nonisolated(unsafe) let form =
    /v?([0-9]+(?:\.[0-9]+)+)(?:(?:a|b|rc)[0-9]+)?(?:\.post[0-9]+)?(?:\.dev[0-9]+)?(?:\+[a-z0-9]+(?:[._\-][a-z0-9]+)*)?/
}
