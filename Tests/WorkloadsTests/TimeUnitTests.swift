import Foundation
import Sim
import Testing
import Workloads

/// Units of time: what is taken, and what is refused as hardly right.
@Suite struct TimeUnitTests {
  /// `count` rows of plain, the first at `first` and each `gap` after the one before.
  private static func rows(_ count: Int, from first: Int, every gap: Int, header: Bool = true) -> String {
    (header ? "arrival_s,input_tokens,output_tokens\n" : "")
      + (0..<count).map { "\(first + gap * $0),10,20\n" }.joined()
  }

  private static func mooncake(_ count: Int, every gap: Double) -> String {
    (0..<count).map {
      "{\"timestamp\": \(Double($0) * gap), \"input_length\": 1, \"output_length\": 1, \"hash_ids\": [1]}\n"
    }.joined()
  }

  private static func bailian(_ count: Int, every gap: Int) -> String {
    (0..<count).map {
      "{\"chat_id\": \($0), \"parent_chat_id\": -1, \"timestamp\": \($0 * gap), \"input_length\": 1, "
        + "\"output_length\": 1, \"type\": \"text\", \"turn\": 1, \"hash_ids\": [1]}\n"
    }.joined()
  }

  /// What is refused, the column, and the unit that the file has.
  static let refused: [(what: String, text: String, column: String, unit: TimeUnit)] = [
    ("epoch seconds", rows(2, from: 1_700_000_000, every: 1), "arrival_s", .s),
    ("epoch milliseconds", rows(30, from: 1_700_000_000_000, every: 250), "arrival_s", .ms),
    ("epoch microseconds", rows(30, from: 1_700_000_000_000_000, every: 250_000), "arrival_s", .us),
    ("epoch nanoseconds", rows(30, from: 1_700_000_000_000_000_000, every: 250_000_000), "arrival_s", .ns),
    ("milliseconds from 0", rows(20, from: 0, every: 250), "arrival_s", .ms),
    ("microseconds from 0", rows(20, from: 0, every: 250_000), "arrival_s", .us),
    ("Mooncake in seconds", mooncake(30, every: 0.25), "timestamp", .s),
    ("Mooncake in microseconds", mooncake(30, every: 250_000), "timestamp", .us),
    ("Bailian in milliseconds", bailian(30, every: 250), "timestamp", .ms),
  ]

  @Test(
    "Times in a unit that they can hardly be in are refused; naming the unit or accepting them answers",
    arguments: refused.indices)
  func refuses(index: Int) throws {
    let (what, text, column, unit) = Self.refused[index]
    let scratch = try Scratch()
    let path = try scratch.file(text)
    guard
      case .malformed(_, _, column, _, let expected) = traceError({ _ = try TraceFile.open(path: path) })
    else {
      Issue.record("\(what) was read")
      return
    }
    #expect(expected.contains("--time-unit"), "\(expected)")
    // Nanoseconds since 1970 are too long for a number of seconds; else the message says what would be right.
    if what != "epoch nanoseconds" { #expect(expected.contains("in \(unit.name)"), "\(expected)") }

    var options = TraceOptions.unchanged
    options.timeUnit = unit
    let trace = try TraceFile.open(path: path, options: options)
    let gap = what == "epoch seconds" ? 1 : 0.25
    #expect(try trace.all().enumerated().allSatisfy { $1.arrival.seconds == Double($0) * gap }, "\(what)")
    #expect(trace.notes.isEmpty && trace.timeUnit == unit && trace.timeText == unit.name)

    guard what != "epoch nanoseconds" else { return }
    var accepting = TraceOptions.unchanged
    accepting.acceptsTimes = true
    if !what.contains("epoch m") { #expect(try TraceFile.open(path: path, options: accepting).notes.isEmpty) }
  }

  @Test("A file that would span more than 100 days in its unit is told of units, leniently as well")
  func long() throws {
    let scratch = try Scratch()
    var lenient = FormatFixtures.options(nil, lenient: true)
    lenient.maximumSkippedShare = 1
    for options in [TraceOptions.unchanged, lenient] {
      // A day in milliseconds.
      let path = try scratch.file(Self.rows(30, from: 1_700_000_000_000, every: 2_880_000))
      guard
        case .malformed(_, _, "arrival_s", _, let expected) = traceError({
          _ = try TraceFile.open(path: path, options: options)
        })
      else {
        Issue.record("a thousand days were read")
        return
      }
      #expect(expected.contains("in milliseconds; --time-unit"), "\(expected)")
    }
    let path = try scratch.file(Self.rows(30, from: 0, every: 2_880_000))
    guard case .malformed(_, 6, _, _, let expected) = traceError({ _ = try TraceFile.open(path: path) })
    else {
      Issue.record("a thousand days were read")
      return
    }
    #expect(expected.contains("within 100 days") && expected.contains("--time-unit"), "\(expected)")
    var told = TraceOptions.unchanged
    told.timeUnit = .ms
    #expect(try TraceFile.open(path: path, options: told).info.lastArrival.seconds == 83_520)
  }

  @Test("Few rows of an odd rate are taken with a word, and so is an odd rate in a unit that was named")
  func warned() throws {
    let scratch = try Scratch()
    for text in [
      Self.rows(19, from: 0, every: 250), Self.mooncake(19, every: 0.25), Self.bailian(2, every: 250),
    ] {
      let notes = try TraceFile.open(path: try scratch.file(text)).notes
      #expect(notes.count == 1 && notes[0].contains("requests/s on average"), "\(notes)")
    }
    var options = TraceOptions.unchanged
    options.timeUnit = .us
    let path = try scratch.file(Self.rows(30, from: 0, every: 1))
    #expect(try TraceFile.open(path: path, options: options).notes.count == 1)
    options.acceptsTimes = true
    #expect(try TraceFile.open(path: path, options: options).notes.isEmpty)
  }

  @Test(
    "Usual rates up to their bounds, all requests at once, one request, and calendar times are taken without a word"
  )
  func taken() throws {
    let scratch = try Scratch()
    let texts = [
      Self.rows(30, from: 0, every: 120), Self.rows(30, from: 99_999_999, every: 1),
      Self.rows(30, from: 7, every: 0),
      Self.rows(1, from: 0, every: 0), Self.mooncake(30, every: 1), FormatFixtures.text("azure-2023"),
      FormatFixtures.text("azure-2024"),
      "input_tokens,output_tokens\n" + String(repeating: "1,2\n", count: 40),
    ]
    for text in texts {
      #expect(try TraceFile.open(path: try scratch.file(text)).notes.isEmpty, "\(text.prefix(80))")
    }
  }

  @Test("The whole file counts, whatever is taken of it, and its own rate, whatever is made of it")
  func wholeFile() throws {
    let scratch = try Scratch()
    let path = try scratch.file(Self.rows(30, from: 0, every: 250))
    for options in [try TraceOptions(limit: 3), try TraceOptions(rateScale: "1000")] {
      #expect(traceError { _ = try TraceFile.open(path: path, options: options) } != nil)
    }
    let slow = try scratch.file(Self.rows(30, from: 0, every: 1), named: "slow.csv")
    #expect(try TraceFile.open(path: slow, options: TraceOptions(rateScale: "0.0001")).notes.isEmpty)
    #expect(traceError { _ = try TraceFile.countRows(path: path) } != nil)
  }

  @Test("Rows that are sorted, and sessions with times of their own, are judged too")
  func sorted() throws {
    let scratch = try Scratch()
    var options = TraceOptions.unchanged
    options.sorts = true
    let path = try scratch.file(
      "arrival_s,input_tokens,output_tokens\n" + (0..<30).map { "\((29 - $0) * 250),1,1\n" }.joined())
    #expect(traceError { _ = try TraceFile.open(path: path, options: options) } != nil)

    let header = "session,agent,t_s,in_tokens,out_tokens,hash_blocks,prefix_hit_blocks,think_time_s\n"
    let rows = (0..<30).map { "a,main,\($0 * 250),1,1,1,0,0\n" }.joined()
    let sessions = try scratch.file(header + rows, named: "sessions.csv")
    #expect(traceError { _ = try TraceFile.open(path: sessions) } != nil)
    var told = TraceOptions.unchanged
    told.timeUnit = .ms
    #expect(try TraceFile.open(path: sessions, options: told).info.lastArrival.seconds == 7.25)
    // When they begin is what a process says.
    told.arrivals = ArrivalProcess(gaps: .fixed, pattern: .constant(rate: 1e-4))
    #expect(try TraceFile.open(path: sessions, options: told).notes.isEmpty)
    // Sessions that begin together may come fast.
    let crowd = (0..<30).map { "s\($0),main,\(Double($0) / 1e6),1,1,1,0,0\n" }.joined()
    #expect(try TraceFile.open(path: try scratch.file(header + crowd)).notes.isEmpty)
  }

  @Test(
    "A unit is refused for times that are no numbers",
    arguments: ["azure-2024", "lengths", "sharegpt", "servegen-pool"])
  func noNumbers(format: String) throws {
    let scratch = try Scratch()
    let path = try FormatFixtures.write(format, in: scratch)
    var options = TraceOptions.unchanged
    options.timeUnit = .ms
    guard
      case .invalidOption("time-unit", _, _) = traceError({
        _ = try TraceFile.open(path: path, options: options)
      })
    else {
      Issue.record("\(format) was read in milliseconds")
      return
    }
  }

  @Test("Every format says its unit")
  func units() throws {
    let texts = Dictionary(uniqueKeysWithValues: TraceFormat.all.map { ($0.name, $0.timeText) })
    #expect(
      texts["plain"] == "seconds" && texts["mooncake"] == "milliseconds" && texts["bailian"] == "seconds")
    #expect(texts["azure-2023"] == "calendar, no zone" && texts["azure-2024"] == "calendar with zone")
    #expect(texts["agentic"] == "seconds from the session's start" && texts["lengths"] == TraceFormat.noTimes)
    #expect(texts.values.allSatisfy { !$0.isEmpty })
  }

  @Test("Units are exact: the last digit of a nanosecond since 1970 is kept, and order with it")
  func exact() throws {
    let scratch = try Scratch()
    var options = TraceOptions.unchanged
    options.timeUnit = .ns
    let head = "arrival_s,input_tokens,output_tokens\n"
    let path = try scratch.file(
      head + "1700000000000000001,1,1\n1700000000000000002,1,1\n1700000001000000000.5,1,1\n")
    let all = try TraceFile.open(path: path, options: options).all()
    #expect(all.map(\.arrival.picoseconds) == [0, 1_000, 999_999_999_500])
    options.timeUnit = .us
    let micro = try scratch.file(head + "1.5,1,1\n2.25,1,1\n1000002,1,1\n")
    #expect(
      try TraceFile.open(path: micro, options: options).all().map(\.arrival.picoseconds)
        == [0, 750_000, 1_000_000_500_000])
  }

  @Test("What a file of fast requests needs to be read back is known when it is written")
  func readingBack() throws {
    let plain = try #require(TraceFormat.named("plain"))
    #expect(
      plain.noteOnReadingBack(4_001, until: SimTime(picoseconds: 1_000_000_000_000))?.contains(
        "--accept-times") == true)
    #expect(plain.noteOnReadingBack(401, until: SimTime(picoseconds: 1_000_000_000_000)) == nil)
    #expect(plain.noteOnReadingBack(4_001, until: .zero) == nil)
    #expect(
      TraceFormat.named("lengths")?.noteOnReadingBack(4_001, until: SimTime(picoseconds: 1_000_000_000_000))
        == nil)
  }
}
