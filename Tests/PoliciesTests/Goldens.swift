import Sim

/// The fingerprint and the output tokens of one scenario, on every machine.
struct Golden: Hashable {
  var policy: String
  var engine: EngineKind
  var seed: UInt64
  var fingerprint: String
  var outputTokens: Int

  /// Printed by `GOLDENS=print swift test --filter GoldenTests`.
  static let all: [Golden] = [
    Golden(
      policy: "vllm-m", engine: .vllmV0, seed: 3,
      fingerprint: "fce0251be15e23d9", outputTokens: 264),
    Golden(
      policy: "vllm-m", engine: .chunked, seed: 4,
      fingerprint: "875605d197271562", outputTokens: 627),
    Golden(
      policy: "vllm-s", engine: .vllmV0, seed: 5,
      fingerprint: "685cc6baf4cfdaf0", outputTokens: 2131),
    Golden(
      policy: "vllm-s", engine: .chunked, seed: 6,
      fingerprint: "56410b06f2cc74b2", outputTokens: 1360),
    Golden(
      policy: "debtor-creditor", engine: .vllmV0, seed: 5,
      fingerprint: "8a8946bd29178013", outputTokens: 887),
    Golden(
      policy: "debtor-creditor", engine: .chunked, seed: 7,
      fingerprint: "205556b0db2ce780", outputTokens: 963),
  ]
}
