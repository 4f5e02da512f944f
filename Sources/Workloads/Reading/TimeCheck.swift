import Foundation
import Sim

/// Whether the times of a file can be in the unit in which they were read.
struct TimeCheck {
  var path: String
  /// The arrival column.
  var column: String
  var unit: TimeUnit
  /// The user has named the unit.
  var isDeclared: Bool
  /// The user takes the times as they are.
  var isAccepted: Bool
  /// The mean rates that can be, in requests per second; `nil` where the file has none of its own.
  var rates: ClosedRange<Double>?
  var rows: Int
  /// The first row's time.
  var first: Instant
  /// Picoseconds from the first arrival to the last.
  var span: Int64

  /// Seconds from which a time is taken for one since 1970: three years, which no trace counts from its start, and a date
  /// of 1973, before which none was recorded.
  static let epochSeconds: Int64 = 100_000_000
  /// Requests per second that a trace has on average. Assumed: beyond that, a wrong unit is more likely than such a trace.
  static let usualRates = 1.0 / 120...1_000
  /// Rows from which a mean rate says something.
  static let fewestRows = 20

  /// A sentence to show for times that are taken and are hardly right; throws those that are not taken.
  func judge() throws(TraceError) -> String? {
    try requireNoEpoch()
    guard let rates, span > 0, rows > 1, !isAccepted else { return nil }
    let rate = Double(rows - 1) * 1e12 / Double(span)
    guard !rates.contains(rate) else { return nil }
    let found = "\(Self.short(rate)) requests/s on average with times in \(unit.name)"
    guard rows < Self.fewestRows || isDeclared else {
      throw error(found, "one in 2 minutes to 1,000 a second: \(others(rate))")
    }
    return "\(path): \(found); \(others(rate))"
  }

  /// Throws if the first time is one since 1970 and nobody has said so.
  func requireNoEpoch() throws(TraceError) {
    guard !isDeclared, !isAccepted, first.seconds >= Self.epochSeconds || !possibleDates.isEmpty else {
      return
    }
    throw error(
      "\(Self.short(firstSeconds)) s as the first time", "a time since the start of the trace: \(dates)")
  }

  private func error(_ found: String, _ expected: String) -> TraceError {
    .malformed(
      path: path, line: 1, column: column, found: found,
      expected:
        "\(expected); --time-unit s, ms, us or ns says what the column counts, --accept-times takes it as it is"
    )
  }

  /// The rate in the other units.
  private func others(_ rate: Double) -> String {
    let texts = TimeUnit.allCases.filter { $0 != unit }.map { other in
      "\(Self.short(rate * unit.seconds / other.seconds)) in \(other.name)"
    }
    return "it would be \(texts.joined(separator: ", "))"
  }

  /// The dates that the first time would be, counted since 1970 in each unit.
  private var dates: String {
    let texts = possibleDates
    return texts.isEmpty
      ? "since 1970 it is no date in any unit" : "since 1970 it would be \(texts.joined(separator: ", "))"
  }

  private var possibleDates: [String] {
    TimeUnit.allCases.compactMap { other -> String? in
      let seconds = firstSeconds / unit.seconds * other.seconds
      // 1990 to 2100: elsewhere no date is meant.
      guard (631_152_000...4_102_444_800).contains(seconds) else { return nil }
      return "\(Date(timeIntervalSince1970: seconds).ISO8601Format()) in \(other.name)"
    }
  }

  private var firstSeconds: Double { Double(first.seconds) + Double(first.picoseconds) * 1e-12 }

  /// Three digits that count.
  fileprivate static func short(_ value: Double) -> String {
    (1_000..<1e9).contains(value) ? "\(Int(value.rounded()))" : String(format: "%.3g", value)
  }
}

extension TraceFormat {
  /// What a user should know of reading a file of this format back that has so many requests, the last at `last`; `nil` if
  /// nothing.
  public func noteOnReadingBack(_ requests: Int, until last: SimTime) -> String? {
    guard timeUnit != nil, times == .shared, requests >= TimeCheck.fewestRows, last > .zero else {
      return nil
    }
    let rate = Double(requests - 1) / last.seconds
    guard !TimeCheck.usualRates.contains(rate) else { return nil }
    return "to read it back, with its \(TimeCheck.short(rate)) requests/s, takes --accept-times"
  }
}
