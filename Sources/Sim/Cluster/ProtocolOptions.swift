/// How the managers' messages travel, and how long the managers wait for them (docs/protocol.md).
///
/// By default messages take no time and are never lost, and the gManager reads the rManagers' own state. A delay, or a
/// heartbeat period of its own, makes it keep a map from heartbeats.
public struct ProtocolOptions: Hashable, Sendable {
  /// One-way time of a message, and the most that is added to it, uniformly at random.
  public var delay = SimDuration.zero
  public var jitter = SimDuration.zero
  /// Messages of a thousand that are lost; that come twice; and that are held back by up to three more times
  /// `delay` + `jitter`, so that later ones overtake them.
  public var lossPermille = 0
  public var duplicatePermille = 0
  public var reorderPermille = 0
  /// From then on none is lost, doubled or held back.
  public var unreliableUntil = SimTime(picoseconds: .max)
  /// What the luck of the messages is drawn from.
  public var seed: UInt64 = 0

  /// Period of the heartbeats; `nil` for the planner's.
  public var heartbeatPeriod: SimDuration?
  /// Every n-th heartbeat is full, the others have the rows that changed since the one before.
  public var fullHeartbeatEvery = 10
  /// An instance that has not been heard of for so long is left out of plans, and a restarted gManager waits no longer for
  /// the heartbeats of all; `nil` for five heartbeat periods and the slowest message.
  public var silence: SimDuration?
  /// How long a source waits for the answer to a try before it asks again; `nil` for four times `delay` + `jitter`.
  public var tryTimeout: SimDuration?
  /// How often it asks again before it gives up.
  public var tryRetries = 2
  /// How long a destination keeps blocks for a transfer that does not start; `nil` for as long as the source may ask.
  public var reservationExpiry: SimDuration?

  public init() {}

  /// Whether messages are delivered in the instant in which they are sent.
  var isInstant: Bool { delay == .zero }
  /// Whether the gManager knows only what heartbeats told it.
  var keepsMap: Bool { !isInstant || heartbeatPeriod != nil }

  /// The longest that a message takes which is not held back.
  public var slowest: SimDuration { delay + jitter }
  var timeout: SimDuration { tryTimeout ?? slowest * 4 }
  var expiry: SimDuration { reservationExpiry ?? timeout * Int64(tryRetries + 1) }
  func silence(period: SimDuration) -> SimDuration {
    silence ?? (heartbeatPeriod ?? period) * 5 + slowest
  }
}

extension ProtocolOptions {
  /// - Throws: `ConfigurationError` if the settings cannot work together.
  public func validate() throws(ConfigurationError) {
    func require(_ holds: Bool, _ setting: String, _ found: String, _ expected: String)
      throws(ConfigurationError)
    {
      if !holds { throw ConfigurationError(setting: setting, found: found, expected: expected) }
    }
    func require(_ setting: String, _ span: SimDuration?, atLeast least: Int64) throws(ConfigurationError) {
      guard let span else { return }
      try require(
        span.picoseconds >= least && span <= .seconds(86_400), setting, "\(span.seconds) s",
        "\(SimDuration(picoseconds: least).seconds) s to a day")
    }
    try require("message-delay", delay, atLeast: 0)
    try require("message-jitter", jitter, atLeast: 0)
    try require("heartbeat-period", heartbeatPeriod, atLeast: 1_000_000)
    try require("silence", silence, atLeast: 1)
    try require("try-timeout", tryTimeout, atLeast: 1)
    try require("reservation-expiry", reservationExpiry, atLeast: 1)
    for (setting, permille) in [
      ("message-loss", lossPermille), ("message-duplicates", duplicatePermille),
      ("message-reorder", reorderPermille),
    ] {
      try require((0...1_000).contains(permille), setting, String(permille), "0 to 1,000 thousandths")
      try require(
        permille == 0 || !isInstant, setting, "\(permille) thousandths", "0 without a message-delay")
    }
    try require(
      jitter == .zero || !isInstant, "message-jitter", "\(jitter.seconds) s", "0 s without a message-delay")
    try require(
      fullHeartbeatEvery >= 1 && fullHeartbeatEvery <= 1 << 20, "full-heartbeat-every",
      String(fullHeartbeatEvery),
      "1 to 2^20 heartbeats")
    try require((0...100).contains(tryRetries), "try-retries", String(tryRetries), "0 to 100")
  }
}
