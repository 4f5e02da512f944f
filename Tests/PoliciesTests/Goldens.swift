import Sim

/// The fingerprint and the output tokens of one scenario, on every machine.
struct Golden: Hashable {
  var policy: String
  var engine: EngineKind
  var seed: UInt64
  var fingerprint: String
  var outputTokens: Int

  /// Printed by `GOLDENS=print swift test --filter GoldenTests`.
  static let all = []
}
