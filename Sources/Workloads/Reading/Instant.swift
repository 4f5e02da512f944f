/// A moment as a trace writes it, before it is rebased to the first arrival: exact and wide enough for
/// calendar dates, which do not fit in 64 bits of picoseconds.
package struct Instant: Equatable {
  /// Whole seconds since the file's own origin, or since 1970 for calendar times.
  var seconds: Int64
  /// 0 ..< 10¹².
  var picoseconds: Int64

  package init(seconds: Int64, picoseconds: Int64) {
    self.seconds = seconds
    self.picoseconds = picoseconds
  }

  /// The longest span that a trace may cover: 100 days, so that simulated time keeps room to finish.
  package static let longestSpan: Int64 = 100 * 86_400 * picosecondsPerSecond
  static let picosecondsPerSecond: Int64 = 1_000_000_000_000

  /// Picoseconds from `origin` to here, or `nil` when further apart than the longest span either way.
  func since(_ origin: Instant) -> Int64? {
    let (whole, overflow) = seconds.subtractingReportingOverflow(origin.seconds)
    guard !overflow, whole.magnitude <= 100 * 86_400 else { return nil }
    let span = whole * Self.picosecondsPerSecond + (picoseconds - origin.picoseconds)
    return span.magnitude <= Self.longestSpan.magnitude ? span : nil
  }
}

/// Digits after a decimal point, rounded to picoseconds.
struct Fraction {
  /// 0 ... 10¹²: rounding may carry into the seconds.
  var picoseconds: Int64 = 0
  /// Bytes taken.
  var length = 0

  /// Reads the digits of `text` from `start` to the first other byte; the thirteenth rounds half up.
  ///
  /// Rounding to the nearest picosecond undoes the binary noise of traces written from floats
  /// (5.8926549999999995 for 5.892655), and keeps order.
  @inline(__always)
  init(_ text: UnsafeBufferPointer<UInt8>, from start: Int) {
    var position = start
    var value: Int64 = 0
    while position < text.count, let digit = decimalDigit(text[position]) {
      let place = position - start
      if place < 12 {
        value = value * 10 + Int64(digit)
      } else if place == 12, digit >= 5 {
        value += 1
      }
      position += 1
    }
    length = position - start
    picoseconds = length >= 12 ? value : value * Self.powersOfTen[12 - length]
  }

  private static let powersOfTen: [Int64] = [
    1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000,
    10_000_000_000, 100_000_000_000, 1_000_000_000_000,
  ]
}
