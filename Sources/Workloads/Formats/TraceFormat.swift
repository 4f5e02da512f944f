/// A kind of trace file: which of its columns or keys hold what, and how it writes time.
///
/// To add a format, describe it in a file of its own beside this one and add it to `all`.
public struct TraceFormat: Sendable {
  /// The formats known. No file is of two: each reader refuses what another one reads.
  public static let all: [TraceFormat] = [
    .plain, .plainJSONL, .azure2023, .azure2024, .mooncake, .burstGPT, .vidur, .serveGen, .serveGenPool,
    .bailian, .agentic, .lengths, .vidurLengths, .storyLengths, .taskWords, .taskTokens, .shareGPT,
  ]

  /// A format's short name.
  typealias Name = String

  /// How the content is laid out.
  enum Grammar: Sendable {
    /// A header and rows of fields.
    case csv
    /// One object per line.
    case jsonLines
    /// One JSON array of conversations.
    case conversations
    /// Clients that requests are drawn from.
    case clientPool
  }

  /// How the arrival column writes time.
  package enum Clock: Sendable {
    /// Decimal seconds from any origin: see `DecimalSeconds`.
    case seconds
    /// The same in milliseconds.
    case milliseconds
    /// Calendar time without a zone: see `Timestamp`.
    case calendar
    /// Calendar time with a zone in every row.
    case calendarWithZone
  }

  /// What the arrival column counts from.
  package enum Times: Sendable {
    /// One origin for all rows, which are in order.
    case shared
    /// The start of the row's session; rows are in order within a session.
    case perSession
    /// There are none.
    case none
  }

  /// What the length columns count.
  enum Unit: Sendable {
    case tokens
    /// Words: tokens are 1.35 times as many, rounded up.
    case words
    /// Averages of tokens, rounded to the nearest and to at least 1.
    case averages
  }

  /// A column or key that the format documents; what becomes of others is in `UnreadColumns`.
  struct Column: Sendable {
    var name: String
    var role: Role
    var isRequired: Bool
    /// What is written for it, if its role is `ignored`.
    var filler: String

    init(_ name: String, _ role: Role, required: Bool = true, filler: String = "") {
      (self.name, self.role, isRequired, self.filler) = (name, role, required, filler)
    }
  }

  /// Short name, for `--format` and reports.
  public let name: String
  /// What it is, in a line.
  public let summary: String
  let grammar: Grammar
  let columns: [Column]
  package var clock = Clock.seconds
  package var times = Times.shared
  var unit = Unit.tokens
  /// Tokens of a block of `hashes`, where the format fixes it.
  var blockTokens: Int?
  /// Sessions are numbers, not names.
  var hasNumberedSessions = false

  /// The names of the columns or keys that a file must have.
  public var requiredNames: [String] { columns.filter(\.isRequired).map(\.name) }

  /// The names of the columns or keys that are read.
  public var readNames: [String] { columns.filter { $0.role != .ignored }.map(\.name) }

  /// The unit of the arrival column; `nil` where arrivals are calendar times or none.
  public var timeUnit: TimeUnit? {
    guard times != .none, grammar == .csv || grammar == .jsonLines else { return nil }
    switch clock {
    case .seconds: return .s
    case .milliseconds: return .ms
    case .calendar, .calendarWithZone: return nil
    }
  }

  /// What `timeText` says of a format without arrivals.
  public static let noTimes = "none"

  /// How arrivals are written, in a word or two.
  public var timeText: String {
    if let timeUnit { return timeUnit.name + (times == .perSession ? " from the session's start" : "") }
    if grammar == .clientPool { return "drawn, seconds" }
    guard times != .none else { return Self.noTimes }
    return clock == .calendar ? "calendar, no zone" : "calendar with zone"
  }

  /// The format called `name`.
  public static func named(_ name: String) -> TraceFormat? { all.first { $0.name == name } }

  /// Tokens of output assumed for sources of prompts that say nothing of outputs.
  ///
  /// Assumed: a short answer to a long document, as LongBench's and L-Eval's tasks ask for.
  public static let assumedOutput = 128

  /// What an approximate source stands for, in words; `nil` where lengths are tokens.
  package var approximation: String? {
    switch unit {
    case .tokens: nil
    case .words: "tokens = 1.35 × words, rounded up, and \(Self.assumedOutput) tokens of output"
    case .averages: "averages of tasks, rounded, one request per task"
    }
  }
}
