/// An unsigned decimal in exact form: its digits × 10^exponent, without leading or trailing zeros.
///
/// The slow, general reader behind rate scales and seconds with an exponent. Zero has no digits.
struct DecimalNumber: Equatable {
  private(set) var digits: [UInt8] = []
  private(set) var exponent = 0

  /// Reads digits with at most one point and an optional exponent of at most three digits: "12", "12.",
  /// ".5", "1e-3"; `nil` for anything else, so for signs, blanks, "inf" and "nan".
  init?(_ text: some Sequence<UInt8>) {
    var rest = text.makeIterator()
    var byte = rest.next()
    var sawDigit = false
    var sawPoint = false
    while let character = byte, character != UInt8(ascii: "e"), character != UInt8(ascii: "E") {
      if character == UInt8(ascii: "."), !sawPoint {
        sawPoint = true
      } else if let digit = decimalDigit(character) {
        sawDigit = true
        if digit != 0 || !digits.isEmpty { digits.append(digit) }
        if sawPoint { exponent -= 1 }
      } else {
        return nil
      }
      byte = rest.next()
    }
    guard sawDigit else { return nil }
    if byte != nil {
      var shift = 0
      var shiftDigits = 0
      byte = rest.next()
      let isNegative = byte == UInt8(ascii: "-")
      if isNegative || byte == UInt8(ascii: "+") { byte = rest.next() }
      while let character = byte {
        guard let digit = decimalDigit(character), shiftDigits < 3 else { return nil }
        shift = shift * 10 + Int(digit)
        shiftDigits += 1
        byte = rest.next()
      }
      guard shiftDigits > 0 else { return nil }
      exponent += isNegative ? -shift : shift
    }
    while digits.last == 0 {
      digits.removeLast()
      exponent += 1
    }
    if digits.isEmpty { exponent = 0 }
  }
}

/// The value of an ASCII digit, or `nil` for any other byte.
@inline(__always)
func decimalDigit(_ byte: UInt8) -> UInt8? {
  let digit = byte &- UInt8(ascii: "0")
  return digit <= 9 ? digit : nil
}
