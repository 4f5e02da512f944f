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
      fingerprint: "adfc438790152f17", outputTokens: 562),
    Golden(
      policy: "vllm-m", engine: .chunked, seed: 4,
      fingerprint: "5fd0909131aedc0c", outputTokens: 1332),
    Golden(
      policy: "vllm-s", engine: .vllmV0, seed: 5,
      fingerprint: "2ca82673e3e0a6b8", outputTokens: 2002),
    Golden(
      policy: "vllm-s", engine: .chunked, seed: 6,
      fingerprint: "e7e24a23e8fab842", outputTokens: 3978),
    Golden(
      policy: "debtor-creditor", engine: .vllmV0, seed: 5,
      fingerprint: "ed98c0e29e102cbf", outputTokens: 508),
    Golden(
      policy: "debtor-creditor", engine: .chunked, seed: 7,
      fingerprint: "062d8c1a9ba3dff9", outputTokens: 1160),
  ]
}
