/// A hash folded over every change of every request's state, in the order of the simulation (semantics.md 3).
///
/// It holds what happened to requests and nothing of how the simulator got there: skip-ahead and step-by-step
/// runs of one manifest have the same fingerprint.
struct Fingerprint {
  typealias Transition = RequestChange.Kind

  private(set) var value: UInt64 = 0x9E37_79B9_7F4A_7C15

  mutating func fold(
    _ transition: Transition, time: Int64, phase: Phase, request: Int, instance: Int, blocks: Int
  ) {
    mix(UInt64(bitPattern: time))
    mix(transition.rawValue << 32 | UInt64(phase.rawValue))
    mix(UInt64(truncatingIfNeeded: request) << 24 ^ UInt64(truncatingIfNeeded: instance))
    mix(UInt64(truncatingIfNeeded: blocks))
  }

  private mutating func mix(_ word: UInt64) {
    var x = (value ^ word) &* 0xFF51_AFD7_ED55_8CCD
    x ^= x >> 32
    value = x &* 0xC4CE_B9FE_1A85_EC53 ^ (x >> 29)
  }

  /// Sixteen hexadecimal digits.
  var text: String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}

/// The phases of one instant, in order (semantics.md 2).
enum Phase: Int, Comparable {
  case transferLanded, messageDelivered, iterationEnded, fault, arrival, heartbeat, plan, decision

  static func < (a: Phase, b: Phase) -> Bool { a.rawValue < b.rawValue }
}
