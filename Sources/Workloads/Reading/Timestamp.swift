/// A calendar time: `2023-11-16 18:15:46.6805900` or `2024-05-10 00:00:00.009930+00:00`.
///
/// The separator is a blank or `T`; the fraction and the offset (`Z`, `+HH:MM`, `+HHMM` or `+HH`) may be
/// absent; without an offset the time counts as UTC, so a file without zones must not cross a change of
/// daylight saving. Leap seconds (`:60`) are refused: the traces read have none.
package enum Timestamp {
  /// Exact to the nearest picosecond; `nil` for anything else, dates that do not exist included.
  package static func parse(_ text: UnsafeBufferPointer<UInt8>) -> Instant? {
    guard text.count >= 19,
      let century = pair(text, 0), let years = pair(text, 2), text[4] == dash,
      let month = pair(text, 5), text[7] == dash, let day = pair(text, 8),
      text[10] == UInt8(ascii: " ") || text[10] == UInt8(ascii: "T"),
      let hour = pair(text, 11), text[13] == colon, let minute = pair(text, 14), text[16] == colon,
      let second = pair(text, 17)
    else { return nil }
    let year = century * 100 + years
    guard (1...12).contains(month), day >= 1, day <= daysIn(month: month, year: year),
      hour < 24, minute < 60, second < 60
    else { return nil }
    var position = 19
    var picoseconds: Int64 = 0
    if position < text.count, text[position] == UInt8(ascii: ".") {
      let fraction = Fraction(text, from: position + 1)
      guard fraction.length > 0 else { return nil }
      picoseconds = fraction.picoseconds
      position += 1 + fraction.length
    }
    guard let offset = offsetSeconds(text, from: position) else { return nil }
    var seconds = days(year: year, month: month, day: day) * 86_400
    seconds += hour * 3_600 + minute * 60 + second - offset
    if picoseconds == Instant.picosecondsPerSecond { (seconds, picoseconds) = (seconds + 1, 0) }
    return Instant(seconds: seconds, picoseconds: picoseconds)
  }

  /// Whether a zone stands behind the time.
  static func hasZone(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    guard text.count > 19 else { return false }
    return text[19...].contains { $0 == dash || $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "Z") }
  }

  private static let dash = UInt8(ascii: "-")
  private static let colon = UInt8(ascii: ":")

  /// Two digits at `index` as a number.
  @inline(__always)
  private static func pair(_ text: UnsafeBufferPointer<UInt8>, _ index: Int) -> Int64? {
    guard let tens = decimalDigit(text[index]), let ones = decimalDigit(text[index + 1]) else { return nil }
    return Int64(tens) * 10 + Int64(ones)
  }

  /// Seconds east of UTC given by the rest of `text`; 0 when nothing is left, `nil` when it is no offset.
  private static func offsetSeconds(_ text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int64? {
    let length = text.count - start
    if length == 0 || (length == 1 && text[start] == UInt8(ascii: "Z")) { return 0 }
    let isEast = text[start] == UInt8(ascii: "+")
    guard isEast || text[start] == dash, length >= 3, let hours = pair(text, start + 1) else { return nil }
    var minutes: Int64? = 0
    switch length {
    case 3: break
    case 5: minutes = pair(text, start + 3)
    case 6 where text[start + 3] == colon: minutes = pair(text, start + 4)
    default: return nil
    }
    guard let minutes, hours < 24, minutes < 60 else { return nil }
    return (hours * 3_600 + minutes * 60) * (isEast ? 1 : -1)
  }

  private static func isLeap(_ year: Int64) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

  private static func daysIn(month: Int64, year: Int64) -> Int64 {
    switch month {
    case 2: isLeap(year) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  /// Days from 1970-01-01 to a date of the Gregorian calendar.
  ///
  /// Counts with years that begin in March, so that the leap day is the last: the months before it then
  /// follow the pattern 31 30 31 30 31, whose running sum is ⌊(153·m + 2)/5⌋.
  package static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
    let marchYear = month > 2 ? year : year - 1
    let monthsSinceMarch = (month + 9) % 12
    // Shifted by 400 years (146,097 days) to keep the divisions of year 0 away from negative numbers.
    let y = marchYear + 400
    let leapDays = y / 4 - y / 100 + y / 400
    let daysSinceMarch0 = y * 365 + leapDays + (153 * monthsSinceMarch + 2) / 5 + (day - 1)
    return daysSinceMarch0 - 146_097 - 719_468
  }
}
