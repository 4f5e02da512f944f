import Testing

import Workloads

@Suite struct NumberReadingTests {
  /// Seconds and picoseconds read from `text`, or `nil`.
  private func seconds(_ text: String) -> Instant? {
    Array(text.utf8).withUnsafeBufferPointer(DecimalSeconds.parse)
  }

  private func calendar(_ text: String) -> Instant? {
    Array(text.utf8).withUnsafeBufferPointer(Timestamp.parse)
  }

  @Test(
    "Seconds are read exactly to the nearest picosecond, the half upwards",
    arguments: [
      ("12", 12, 0), ("12.", 12, 0), ("12.0", 12, 0), (".5", 0, 500_000_000_000),
      ("007.25", 7, 250_000_000_000),
      ("0.000000000001", 0, 1), ("0.0000000000014", 0, 1), ("0.0000000000015", 0, 2),
      ("0.9999999999995", 1, 0), ("5.8926549999999995", 5, 892_655_000_000),
      ("999999999999999999.999999999999", 999_999_999_999_999_999, 999_999_999_999),
      ("1e-3", 0, 1_000_000_000), ("1.5E2", 150, 0), ("12.5e+1", 125, 0), ("25e-13", 0, 3), ("1e-13", 0, 0),
      ("5e-13", 0, 1), ("1e-99", 0, 0), ("0e99", 0, 0), ("1e17", 100_000_000_000_000_000, 0),
    ])
  func decimals(text: String, whole: Int64, picoseconds: Int64) {
    #expect(seconds(text) == Instant(seconds: whole, picoseconds: picoseconds))
  }

  @Test(
    "What is no decimal number of seconds is refused",
    arguments: [
      "", ".", "-1", "+1", " 1", "1 ", "1.2.3", "1,5", "0x10", "nan", "inf", "1e", "e5", "1e+", "1e1000",
      "1e18",
      "1_000", "١",
    ])
  func notDecimal(text: String) {
    #expect(seconds(text) == nil)
  }

  @Test("Reading seconds agrees with 128-bit arithmetic on random decimals")
  func randomDecimals() {
    for seed in 0..<2_000 as Range<UInt64> {
      var generator = CongruentialGenerator(state: seed)
      let whole = Int64(generator.next() % 1_000_000_000_000)
      let picoseconds = Int64(generator.next() % 1_000_000_000_000)
      let digits = String(picoseconds)
      let text = "\(whole).\(String(repeating: "0", count: 12 - digits.count))\(digits)"
      #expect(seconds(text) == Instant(seconds: whole, picoseconds: picoseconds), "seed \(seed)")
      let scientific = "\(Int128(whole) * 1_000_000_000_000 + Int128(picoseconds))e-12"
      #expect(seconds(scientific) == Instant(seconds: whole, picoseconds: picoseconds), "seed \(seed)")
    }
  }

  @Test(
    "Calendar times are read with and without fraction and offset",
    arguments: [
      ("1970-01-01 00:00:00", 0, 0), ("1970-01-01T00:00:01Z", 1, 0), ("1970-01-02 00:00:00+00:00", 86_400, 0),
      ("1970-01-01 02:00:00.5+02:00", 0, 500_000_000_000), ("1969-12-31 19:00:00-0500", 0, 0),
      ("1970-01-01 05:30:00+05:30", 0, 0), ("1969-12-31 23:00:00-01", 0, 0),
      ("2023-11-16 18:15:46.6805900", 1_700_158_546, 680_590_000_000),
      ("2024-05-10 00:00:00.009930+00:00", 1_715_299_200, 9_930_000_000),
      ("2024-02-29 23:59:59.9999999999999", 1_709_251_200, 0),
    ])
  func calendarTimes(text: String, whole: Int64, picoseconds: Int64) {
    #expect(calendar(text) == Instant(seconds: whole, picoseconds: picoseconds))
  }

  @Test(
    "Calendar times that do not exist or are written otherwise are refused",
    arguments: [
      "", "2023-11-16", "2023-11-16 18:15", "2023-13-01 00:00:00", "2023-00-01 00:00:00",
      "2023-04-31 00:00:00",
      "2023-04-00 00:00:00", "1900-02-29 00:00:00", "2023-01-01 24:00:00", "2023-01-01 00:60:00",
      "2023-01-01 00:00:60", "2023-01-01 00:00:00.", "2023-01-01 00:00:00.5x", "2023-01-01 00:00:00+1",
      "2023-01-01 00:00:00+24:00", "2023-01-01 00:00:00+00:60", "2023-01-01 00:00:00 UTC",
      "2023/01/01 00:00:00",
      "+023-01-01 00:00:00", "2023-01-01_00:00:00", "2023-01-01 00:00:00,5",
    ])
  func notCalendar(text: String) {
    #expect(calendar(text) == nil)
  }

  @Test("Every day from 0001 to 2400 follows the one before it, and 1970 is the origin")
  func dayByDay() {
    let lengths: [Int64] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    var expected = Timestamp.days(year: 1, month: 1, day: 1)
    var gaps = 0
    for year in 1...2_400 as ClosedRange<Int64> {
      let isLeap = year.isMultiple(of: 400) || (year.isMultiple(of: 4) && !year.isMultiple(of: 100))
      for month in 1...12 as ClosedRange<Int64> {
        for day in 1...(lengths[Int(month) - 1] + (month == 2 && isLeap ? 1 : 0)) {
          if Timestamp.days(year: year, month: month, day: day) != expected { gaps += 1 }
          expected += 1
        }
      }
    }
    #expect(gaps == 0)
    #expect(Timestamp.days(year: 1970, month: 1, day: 1) == 0)
  }

  @Test("A rate scale is an exact fraction in lowest terms")
  func rateScales() {
    #expect(RateScale("2")?.description == "2")
    #expect(RateScale("0.75")?.description == "3/4")
    #expect(RateScale("1.50")?.description == "3/2")
    #expect(RateScale("1e-3")?.description == "1/1000")
    #expect(RateScale("0.000000000000000001")?.denominator == 1_000_000_000_000_000_000)
    #expect(RateScale("123456789012345678")?.numerator == 123_456_789_012_345_678)
    for bad in ["0", "0.0", "-1", "", "nan", "inf", "1e18", "1e-19", "1234567890123456789", "2x"] {
      #expect(RateScale(bad) == nil, "\(bad)")
    }
  }
}

/// A small generator of test inputs, apart from the one under test.
private struct CongruentialGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state >> 16
  }
}
