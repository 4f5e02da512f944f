/// A named stream of random numbers in which every draw has an address: (seed, name, entity, ordinal).
///
/// A draw is a pure function of its address, never of how many draws came before it, so a request or an
/// instance meets the same luck whatever else happens in the run and in whichever order events are simulated.
///
///     let gaps = RandomStream(seed: 7, name: "gaps")
///     gaps.bits(entity: 12, ordinal: 0)   // the same on every machine, today and tomorrow
///
/// Each (stream, entity) pair is the start of one SplitMix64 sequence and `ordinal` is the position in it.
/// Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014 (the variant
/// with increment 0x9E3779B97F4A7C15 and finaliser MIX13). Not for cryptography. O(1) per draw, no state.
public struct RandomStream: Hashable, Sendable {
  private let key: UInt64

  /// The stream called `name` of a run whose seed is `seed`; different names are independent streams.
  public init(seed: UInt64, name: String) {
    key = Self.mix(seed &+ Self.increment) ^ Self.hash(name)
  }

  /// 64 random bits. `entity` says whose draw it is, `ordinal` which of its draws, both 0 or more.
  public func bits(entity: Int, ordinal: Int) -> UInt64 {
    let start = Self.mix(key ^ Self.mix(UInt64(entity) &+ Self.increment))
    return Self.splitMix64(start: start, position: UInt64(ordinal))
  }

  /// A number in (0, 1], one of 2⁵³ equally likely: never 0, so that its logarithm exists.
  public func unit(entity: Int, ordinal: Int) -> Double {
    Double((bits(entity: entity, ordinal: ordinal) >> 11) + 1) * 0x1p-53
  }

  /// A whole number in 0 ..< `bound`; `bound` is at least 1. The bias is below bound / 2⁶⁴.
  public func integer(below bound: Int, entity: Int, ordinal: Int) -> Int {
    precondition(bound >= 1, "a random integer needs a bound of at least 1")
    let product = bits(entity: entity, ordinal: ordinal).multipliedFullWidth(by: UInt64(bound))
    return Int(product.high)
  }

  /// The output number `position`, from 0, of the SplitMix64 generator whose first state is `start`.
  package static func splitMix64(start: UInt64, position: UInt64) -> UInt64 {
    mix(start &+ (position &+ 1) &* increment)
  }

  /// 2⁶⁴ divided by the golden ratio, made odd (Steele, Lea and Flood 2014, section 2).
  private static let increment: UInt64 = 0x9E37_79B9_7F4A_7C15

  /// The bijective finaliser MIX13 (constants: David Stafford's variant 13, used by SplitMix64).
  private static func mix(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// FNV-1a, 64 bits, of the name's UTF-8 (offset basis and prime: Fowler, Noll and Vo).
  private static func hash(_ name: String) -> UInt64 {
    name.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }
}
