import Sim
import Testing

/// Settings of the managers' protocol; its laws are suites (`protocol/`).
@Suite struct ProtocolTests {
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
