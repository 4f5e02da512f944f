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
}
