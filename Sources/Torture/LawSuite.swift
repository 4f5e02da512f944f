/// A named law to try on seeds: what the tests, `laws`, torture and the planted bugs share.
public struct LawSuite: Sendable, CustomStringConvertible {
  /// Parts from the general to the particular, `faults/pooled/chunked`: a beginning names all that begin so.
  public let name: String
  /// The policies that it says something of; none if it is about the engine alone.
  public let policies: [String]
  /// How many seeds try other things; more are not tried.
  public let seeds: UInt64
  /// Says what the scenario of a seed went through. Throws a `LawViolation` if the law is broken.
  public let check: @Sendable (_ seed: UInt64) throws -> [Sight]

  public init(
    _ name: String, policies: [String] = [], seeds: UInt64 = .max,
    check: @escaping @Sendable (_ seed: UInt64) throws -> [Sight]
  ) {
    self.name = name
    self.policies = policies
    self.seeds = seeds
    self.check = check
  }

  public var description: String { name }
}

extension [LawSuite] {
  /// The suite of that name, or else all whose names begin so.
  public func named(_ name: String) -> [LawSuite] {
    let exact = filter { $0.name == name }
    return exact.isEmpty ? filter { $0.name.hasPrefix(name) } : exact
  }

  /// Those that say something of a policy.
  public func concerning(_ policy: String) -> [LawSuite] { filter { $0.policies.contains(policy) } }
}
