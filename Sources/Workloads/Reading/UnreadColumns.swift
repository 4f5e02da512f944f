import Foundation

/// What the name of a column or key that is not read may speak of: such a column is an error, as what it says would be lost
/// without a word.
public struct ColumnHint: Sendable {
  /// What such a column says of a request.
  public let meaning: String
  /// Parts of names, in lower case: a name that has one of them anywhere, in any case.
  public let parts: [String]
  /// Whole words of names: "request_ts" and "requestTS" have "ts", "parts" has not.
  public let words: [String]
  /// The columns of format plain that say it.
  public let plainNames: [String]

  /// All of them.
  public static let all = [
    ColumnHint(
      meaning: "a time",
      parts: [
        "time", "stamp", "date", "arriv", "start", "creat", "sent", "event", "epoch", "submit", "delay",
        "receiv", "clock", "queue", "interval", "schedul", "dispatch", "posted", "duration",
      ],
      words: ["t", "ts", "at", "when", "issued", "begin", "ended", "iat", "gap", "offset", "unix", "utc"]
        + units,
      plainNames: ["arrival_s", "think_s"]),
    ColumnHint(
      meaning: "a length",
      parts: ["tok", "len", "prompt", "output", "context", "prefill", "decode", "completion"],
      words: ["isl", "osl", "in", "out", "ctx"],
      plainNames: ["input_tokens", "output_tokens"]),
    ColumnHint(
      meaning: "a session", parts: ["session", "conv", "chat", "parent", "dialog", "thread", "turns"],
      words: ["turn", "turns", "sid", "prev", "previous", "dependency", "dependencies", "depends"],
      plainNames: ["session"]),
    ColumnHint(
      meaning: "a class", parts: ["class", "priority", "tenant"],
      words: ["prio", "qos", "slo", "sla", "tier"], plainNames: ["class"]),
  ]

  /// The units of time, as names have them.
  private static let units = [
    "s", "sec", "secs", "second", "seconds", "ms", "msec", "msecs", "milli", "millis", "millisecond",
    "milliseconds", "us", "usec", "usecs", "micros", "microsecond", "microseconds", "ns", "nsec", "nsecs",
    "nanos", "nanosecond", "nanoseconds", "mins", "minute", "minutes", "hr", "hrs", "hour", "hours", "day",
    "days",
  ]

  /// What `name` speaks of, if anything.
  static func of(_ name: String) -> ColumnHint? {
    let lower = name.lowercased()
    let words = words(of: name)
    return all.first { hint in
      hint.parts.contains(where: lower.contains) || hint.words.contains(where: words.contains)
    }
  }

  /// "requestTs" and "request_ts" are request and ts.
  private static func words(of name: String) -> [String] {
    var words: [String] = []
    var word = ""
    var wasLower = false
    for character in name {
      if !character.isLetter || (character.isUppercase && wasLower) {
        words.append(word)
        word = ""
      }
      if character.isLetter { word += character.lowercased() }
      wasLower = character.isLowercase
    }
    return words + [word]
  }
}

/// The columns or keys of a file that its format does not read: each is asked about once, and what would be lost without a
/// word is refused.
final class UnreadColumns {
  /// Those that are left unread and are worth a word, in order of appearance.
  private(set) var names: [String] = []
  /// The columns that are to be ignored and are there.
  private(set) var ignored: Set<String> = []

  private let format: TraceFormat
  private let asked: Set<String>
  private var known: [String: Int] = [:]
  /// Keys within others that were met and say nothing.
  private var passed: Set<String> = []

  /// Names beyond this are asked about whenever they appear, so that memory does not grow with the file.
  private static let mostKnown = 1_024

  /// `asked` are the columns that the user wants ignored.
  init(format: TraceFormat, ignoring asked: Set<String>) {
    self.format = format
    self.asked = asked
  }

  /// Takes in a name that is not read, and returns its number: equal names have equal numbers. Throws if the name is one
  /// that another format reads or that speaks of what a request is. `prefix` is what a message says before it.
  func meet(_ name: String, prefix: String = "") throws(RowFault) -> Int {
    let shown = prefix + name
    if let number = known[shown] { return number }
    if try isWorthAWord(name, shown), known.count < Self.mostKnown {
      names.append(shown.isEmpty ? "a column without a name" : printable(shown))
    }
    if known.count < Self.mostKnown { known[shown] = known.count }
    return known[shown] ?? Int.max
  }

  /// The same for a key and what it holds: the keys within are refused as those of the row are, by their last part
  /// ("extra.session_id"), unless all that the key holds is to be ignored.
  func meet(_ name: String, _ value: JSONScanner.Value, prefix: String = "") throws(RowFault) -> Int {
    let number = try meet(name, prefix: prefix)
    if value.kind == .object || value.kind == .array { try meetWithin(value.text, prefix + name) }
    return number
  }

  /// `text` is an array or object whose syntax is known to be right, and `path` leads to it.
  private func meetWithin(_ text: Bytes, _ path: String) throws(RowFault) {
    guard !asked.contains(path) else { return }
    var inner: [(path: String, text: Bytes)] = []
    var fault: RowFault?
    var scanner = JSONScanner(text)
    do throws(JSONScanner.Fault) {
      let isObject = scanner.take(UInt8(ascii: "{"))
      // Most arrays are long ones of numbers, which name nothing.
      if !isObject, scanner.wholeNumbers().count >= 0 || !scanner.take(UInt8(ascii: "[")) { return }
      if scanner.take(isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) { return }
      repeat {
        var place = path
        var name: String?
        if isObject {
          name = JSONRow.text(try scanner.string())
          place += "." + name!
          try scanner.require(UInt8(ascii: ":"), "a colon")
        }
        let value = try scanner.value()
        if value.isNull { continue }
        if let name, !passed.contains(place) {
          do throws(RowFault) { _ = try isWorthAWord(name, place) } catch { fault = fault ?? error }
          if passed.count < Self.mostKnown { passed.insert(place) }
        }
        if value.kind == .object || value.kind == .array { inner.append((place, value.text)) }
      } while scanner.take(UInt8(ascii: ","))
    } catch { preconditionFailure("the value was scanned before") }
    if let fault { throw fault }
    // As deep as the scanner lets values lie in each other.
    for (path, text) in inner { try meetWithin(text, path) }
  }

  /// Whether a name that is not read should be mentioned; not if the format documents it, or it is to be ignored. Throws if it
  /// must be read. `shown` is what messages and options call it.
  private func isWorthAWord(_ name: String, _ shown: String) throws(RowFault) -> Bool {
    if asked.contains(shown) {
      ignored.insert(shown)
      return false
    }
    if format.columns.contains(where: { $0.name == name && $0.role == .ignored }) { return false }
    if let other = TraceFormat.all.first(where: { $0.name != format.name && $0.decides(name) }) {
      throw fault(shown, "a column of another format (\(other.name))")
    }
    if let hint = ColumnHint.of(name) {
      throw fault(shown, "a column that is not read and whose name speaks of \(hint.meaning)")
    }
    return true
  }

  /// Throws if a column that was to be ignored is not there.
  func requireIgnored() throws(TraceError) {
    let absent = asked.subtracting(ignored).sorted()
    guard let first = absent.first else { return }
    throw .invalidOption(
      name: "ignore-columns", found: quoted(first.utf8), expected: "a column or key of the file")
  }

  private func fault(_ name: String, _ found: String) -> RowFault {
    var reader = "format \(format.name) reads"
    var names = format.readNames.isEmpty ? format.requiredNames : format.readNames
    // Lengths have no column for more: what has is plain.
    if format.name == TraceFormat.lengths.name {
      reader = "format plain, which needs arrival_s, reads"
      names = ColumnHint.of(name)?.plainNames ?? TraceFormat.plain.readNames
    }
    let expected =
      "a name that \(reader) (\(names.joined(separator: ", "))): rename the column, or leave it unread with "
      + "--ignore-columns \(Self.argument(name))"
    return RowFault(
      column: printable(name), found: found, expected: expected, reason: .fieldCount, isOfFile: true)
  }

  /// The name as a shell takes it.
  private static func argument(_ name: String) -> String {
    name.allSatisfy { $0.isLetter || $0.isNumber || "_-.".contains($0) } ? name : "'\(printable(name))'"
  }
}

extension TraceFormat {
  /// Whether a column of this name decides what a request is in this format: all but ids and labels.
  fileprivate func decides(_ name: String) -> Bool {
    guard let column = columns.first(where: { $0.name == name }) else { return false }
    switch column.role {
    case .ignored, .id, .label: return false
    default: return true
    }
  }
}
