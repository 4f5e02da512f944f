import Policies
import Sim
import TestSupport
import Testing

/// The managers' protocol under delay, loss, duplicates, reordering and a gManager that crashes (docs/protocol.md).
@Suite struct ProtocolTests {
  private static let scenarios = ConformanceTests.scenarios / 2

  @Test(arguments: EngineKind.allCases)
  func `Whatever becomes of messages, blocks are conserved, requests end, and skipping ahead changes nothing`(
    engine: EngineKind
  ) {
    var coverage = ProtocolCoverage()
    var violations: [any Error] = []
    for seed in 0..<Self.scenarios where violations.count < 5 {
      do { try ProtocolLaw.check(engine: engine, seed: seed, &coverage) } catch { violations.append(error) }
    }
    print("protocol \(engine.rawValue): \(coverage)")
    #expect(violations.isEmpty, "\(violations)")
    #expect(coverage.shortfalls.isEmpty, "\(coverage.shortfalls)")
  }

  @Test(
    arguments: [
      ("message-loss", { @Sendable (o: inout ProtocolOptions) in o.lossPermille = 1 }),
      ("message-loss", { o in (o.delay, o.lossPermille) = (.seconds(1), 1_001) }),
      ("message-jitter", { o in o.jitter = .seconds(1) }),
      ("message-delay", { o in o.delay = .seconds(86_401) }),
      ("heartbeat-period", { o in o.heartbeatPeriod = .zero }),
      ("full-heartbeat-every", { o in o.fullHeartbeatEvery = 0 }),
      ("try-retries", { o in o.tryRetries = -1 }),
    ] as [(String, @Sendable (inout ProtocolOptions) -> Void)])
  func `Settings that cannot work are named`(
    setting: String, change: @Sendable (inout ProtocolOptions) -> Void
  ) {
    var options = ProtocolOptions()
    change(&options)
    let error = #expect(throws: ConfigurationError.self) { try options.validate() }
    #expect(error?.setting == setting)
  }
}
