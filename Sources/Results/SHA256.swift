/// The SHA-256 digest of bytes (FIPS 180-4, section 6.2), for names of manifests: short inputs, no secrets.
enum SHA256 {
  /// The digest of the UTF-8 bytes of `text`, 64 hexadecimal digits.
  static func hex(_ text: String) -> String {
    var state = initialState
    let message = padded(Array(text.utf8))
    for start in stride(from: 0, to: message.count, by: 64) {
      compress(message[start..<start + 64], into: &state)
    }
    return state.map { word in
      let digits = String(word, radix: 16)
      return String(repeating: "0", count: 8 - digits.count) + digits
    }.joined()
  }

  /// A one bit, zeros, and the length in bits as 64 bits, up to a multiple of 64 bytes (section 5.1.1).
  private static func padded(_ bytes: [UInt8]) -> [UInt8] {
    var message = bytes
    message.append(0x80)
    while message.count % 64 != 56 { message.append(0) }
    let bits = UInt64(bytes.count) * 8
    for shift in stride(from: UInt64(56), through: 0, by: -8) { message.append(UInt8(bits >> shift & 0xff)) }
    return message
  }

  private static func compress(_ block: ArraySlice<UInt8>, into state: inout [UInt32]) {
    var w: [UInt32] = []
    w.reserveCapacity(64)
    for t in 0..<16 {
      let bytes = block[(block.startIndex + 4 * t)...].prefix(4)
      w.append(bytes.reduce(0) { $0 << 8 | UInt32($1) })
    }
    for t in 16..<64 {
      let small0 = rotated(w[t - 15], 7) ^ rotated(w[t - 15], 18) ^ w[t - 15] >> 3
      let small1 = rotated(w[t - 2], 17) ^ rotated(w[t - 2], 19) ^ w[t - 2] >> 10
      w.append(w[t - 16] &+ small0 &+ w[t - 7] &+ small1)
    }
    var (a, b, c, d) = (state[0], state[1], state[2], state[3])
    var (e, f, g, h) = (state[4], state[5], state[6], state[7])
    for t in 0..<64 {
      let big1 = rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)
      let choice = (e & f) ^ (~e & g)
      let first = h &+ big1 &+ choice &+ roundConstants[t] &+ w[t]
      let big0 = rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)
      let majority = (a & b) ^ (a & c) ^ (b & c)
      (h, g, f, e, d, c, b, a) = (g, f, e, d &+ first, c, b, a, first &+ big0 &+ majority)
    }
    for (index, word) in [a, b, c, d, e, f, g, h].enumerated() { state[index] &+= word }
  }

  private static func rotated(_ word: UInt32, _ count: UInt32) -> UInt32 {
    word >> count | word << (32 - count)
  }

  /// Fractional parts of the square roots of the first 8 primes, 32 bits (section 5.3.3).
  private static let initialState = primes.prefix(8).map { prime in
    UInt32(truncatingIfNeeded: largestRoot(of: UInt128(prime) << 64) { $0 * $0 })
  }

  /// Fractional parts of the cube roots of the first 64 primes, 32 bits (section 4.2.2).
  private static let roundConstants = primes.map { prime in
    UInt32(truncatingIfNeeded: largestRoot(of: UInt128(prime) << 96) { $0 * $0 * $0 })
  }

  private static let primes: [Int] = Array(
    (2...311).lazy.filter { n in !(2..<n).contains { n % $0 == 0 } })

  /// The largest integer below 2³⁶ whose `power` is at most `value`.
  private static func largestRoot(of value: UInt128, _ power: (UInt128) -> UInt128) -> UInt128 {
    var root: UInt128 = 0
    for bit in (0..<36).reversed() where power(root | 1 << UInt128(bit)) <= value {
      root |= 1 << UInt128(bit)
    }
    return root
  }
}
