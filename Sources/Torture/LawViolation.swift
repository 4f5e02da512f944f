import Sim

/// A broken law, with everything needed to see it again.
public struct LawViolation: Error, Hashable, Sendable, CustomStringConvertible {
  public var law: String
  public var seed: UInt64
  public var details: String

  public init(law: String, seed: UInt64, details: String) {
    self.law = law
    self.seed = seed
    self.details = details
  }

  public var description: String { "law violated: \(law) seed \(seed): \(details)" }

  /// What ended a trial. A wrong answer of a policy is a broken law like others.
  public init(_ error: any Error, seed: UInt64) {
    switch error {
    case let violation as LawViolation: self = violation
    case let error as PolicyError: self.init(law: error.law.rawValue, seed: seed, details: "\(error)")
    default: self.init(law: "every scenario runs", seed: seed, details: "\(error)")
    }
  }
}
