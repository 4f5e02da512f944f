/// One direction of a link between two instances: a latency and a bandwidth.
public struct LinkCosts: Hashable, Sendable {
  /// Latency of one message, ps.
  public var latency: Int64
  /// Bandwidth of one flow (one rank's NIC or NVLink port), bytes per second.
  public var bytesPerSecond: Double

  public init(latency: Int64, bytesPerSecond: Double) {
    self.latency = latency
    self.bytesPerSecond = bytesPerSecond
  }

  /// Time on the wire without latency, ps, rounded up.
  /// Uses multiplication and division only, so it is the same on every processor.
  public func transfer(bytes: Int) -> Int64 {
    // Clamped far beyond any run (a 13-day step ends it): the conversion must not trap.
    Int64(min((Double(bytes) / bytesPerSecond * 1e12).rounded(.up), 0x1p59))
  }
}
