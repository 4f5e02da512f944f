/// A span of simulated time, in whole picoseconds.
///
/// Costs are computed in `Double` and become integers in one place (`InstanceCosts`), so that sums never depend on
/// the order of additions. Range: 106 days; overflow traps.
public struct SimDuration: Hashable, Comparable, Sendable {
  /// The span in picoseconds (10⁻¹² s).
  public var picoseconds: Int64

  @inlinable public init(picoseconds: Int64) { self.picoseconds = picoseconds }

  public static let zero = SimDuration(picoseconds: 0)

  @inlinable public static func microseconds(_ n: Int64) -> SimDuration {
    SimDuration(picoseconds: n * 1_000_000)
  }
  @inlinable public static func milliseconds(_ n: Int64) -> SimDuration {
    SimDuration(picoseconds: n * 1_000_000_000)
  }
  @inlinable public static func seconds(_ n: Int64) -> SimDuration {
    SimDuration(picoseconds: n * 1_000_000_000_000)
  }

  /// The span in seconds, for reports only: never fed back into the simulation.
  @inlinable public var seconds: Double { Double(picoseconds) * 1e-12 }

  @inlinable public static func < (a: Self, b: Self) -> Bool { a.picoseconds < b.picoseconds }
  @inlinable public static func + (a: Self, b: Self) -> Self {
    Self(picoseconds: a.picoseconds + b.picoseconds)
  }
  @inlinable public static func - (a: Self, b: Self) -> Self {
    Self(picoseconds: a.picoseconds - b.picoseconds)
  }
  @inlinable public static func * (a: Self, k: Int64) -> Self {
    Self(picoseconds: a.picoseconds * k)
  }
}

/// A point in simulated time: picoseconds since the first arrival of the trace.
public struct SimTime: Hashable, Comparable, Sendable {
  public var picoseconds: Int64

  @inlinable public init(picoseconds: Int64) { self.picoseconds = picoseconds }

  public static let zero = SimTime(picoseconds: 0)

  @inlinable public var seconds: Double { Double(picoseconds) * 1e-12 }

  @inlinable public static func < (a: Self, b: Self) -> Bool { a.picoseconds < b.picoseconds }
  @inlinable public static func + (t: Self, d: SimDuration) -> Self {
    Self(picoseconds: t.picoseconds + d.picoseconds)
  }
  @inlinable public static func - (a: Self, b: Self) -> SimDuration {
    SimDuration(picoseconds: a.picoseconds - b.picoseconds)
  }
}
