/// Seconds written as a decimal number: "12", "12.25", "5.8926549999999995", "1e-3".
package enum DecimalSeconds {
  /// What an error says was expected.
  static let expected = "seconds as a decimal number of 0 or more, such as 12.25"

  /// Exact to the nearest picosecond, never through `Double`; `nil` for anything that is not such a number
  /// or has more than 18 digits before the point.
  package static func parse(_ text: UnsafeBufferPointer<UInt8>) -> Instant? {
    var position = 0
    var seconds: Int64 = 0
    while position < text.count, let digit = decimalDigit(text[position]) {
      guard position < 18 else { return parseWithExponent(text) }
      seconds = seconds * 10 + Int64(digit)
      position += 1
    }
    var digits = position
    var picoseconds: Int64 = 0
    if position < text.count, text[position] == UInt8(ascii: ".") {
      let fraction = Fraction(text, from: position + 1)
      picoseconds = fraction.picoseconds
      digits += fraction.length
      position += 1 + fraction.length
    }
    guard digits > 0 else { return nil }
    guard position == text.count else { return parseWithExponent(text) }
    return picoseconds < Instant.picosecondsPerSecond
      ? Instant(seconds: seconds, picoseconds: picoseconds) : Instant(seconds: seconds + 1, picoseconds: 0)
  }

  /// The same of a number of milliseconds, microseconds or nanoseconds; digits below a picosecond round down.
  @inline(__always)
  static func parse(_ text: UnsafeBufferPointer<UInt8>, in unit: TimeUnit) -> Instant? {
    guard var instant = parse(text) else {
      // Nanoseconds since 1970 have 19 digits.
      return unit == .s || text.count <= 18 ? nil : parseLong(text, in: unit)
    }
    for _ in 0..<unit.thousands {
      let (whole, rest) = instant.seconds.quotientAndRemainder(dividingBy: 1_000)
      instant = Instant(seconds: whole, picoseconds: rest * 1_000_000_000 + instant.picoseconds / 1_000)
    }
    return instant
  }

  @inline(never)
  private static func parseLong(_ text: UnsafeBufferPointer<UInt8>, in unit: TimeUnit) -> Instant? {
    let shifted = Array(text) + Array("e-\(3 * unit.thousands)".utf8)
    return shifted.withUnsafeBufferPointer(parse)
  }

  /// Writes a number with an exponent out without it and reads that.
  private static func parseWithExponent(_ text: UnsafeBufferPointer<UInt8>) -> Instant? {
    guard text.contains(where: { $0 | 0x20 == UInt8(ascii: "e") }), let number = DecimalNumber(text) else {
      return nil
    }
    let wholeDigits = number.digits.count + number.exponent
    guard wholeDigits <= 18 else { return nil }
    guard wholeDigits >= -13 else { return Instant(seconds: 0, picoseconds: 0) }
    var plain = number.digits.map { $0 + UInt8(ascii: "0") }
    if number.exponent > 0 { plain += Array(repeating: UInt8(ascii: "0"), count: number.exponent) }
    if wholeDigits < 0 { plain = Array(repeating: UInt8(ascii: "0"), count: -wholeDigits) + plain }
    plain.insert(UInt8(ascii: "."), at: max(wholeDigits, 0))
    return plain == [UInt8(ascii: ".")]
      ? Instant(seconds: 0, picoseconds: 0) : plain.withUnsafeBufferPointer(parse)
  }
}
