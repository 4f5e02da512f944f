/// What a column or a key of a trace says of a request.
enum Role: Int, CaseIterable {
  case arrival, prompt, output, total, id, parent, session, agent, turn, think, label, hashes
  case blockTokens, hashBlocks, hitBlocks, prefixTokens
  /// Allowed and not read.
  case ignored

  var bit: UInt32 { 1 << UInt32(rawValue) }
}

typealias Bytes = UnsafeBufferPointer<UInt8>

/// The fields of one row by role: slices of the line, valid as long as the line is.
struct Fields: ~Copyable {
  private let slices: UnsafeMutablePointer<Bytes>
  /// The roles that the row gives, as bits.
  var present: UInt32 = 0
  /// The roles that a JSON row gives as a string, as bits.
  var strings: UInt32 = 0
  /// Numbers in the array of hashes, if they are already known to be whole ones; else −1.
  var hashCount = -1

  init() {
    slices = .allocate(capacity: Role.allCases.count)
    slices.initialize(repeating: Bytes(start: nil, count: 0), count: Role.allCases.count)
  }

  deinit { slices.deallocate() }

  subscript(role: Role) -> Bytes {
    @inline(__always) get { slices[role.rawValue] }
    @inline(__always) nonmutating set { slices[role.rawValue] = newValue }
  }

  /// Whether the row gives `role`.
  @inline(__always)
  func has(_ role: Role) -> Bool { present & role.bit != 0 }
}

/// Why a row cannot be read.
struct RowFault: Error {
  /// The column or key to blame, if one is.
  var column: String?
  var found: String
  var expected: String
  var reason: SkipReason
  /// The file is to blame, not the row: leniency does not help.
  var isOfFile = false
  /// An error of the file itself that this only carries.
  var rethrown: TraceError?
}

/// Why a row was skipped, for the count that `--lenient` prints.
public enum SkipReason: String, CaseIterable, Sendable {
  /// The output is zero, empty or missing: the request failed.
  case noOutput = "no-output"
  /// A count that is no whole number in range.
  case badNumber = "bad-number"
  /// A time that is none, or more than 100 days after the first.
  case badTime = "bad-time"
  /// A time before that of the row above.
  case timeGoingBack = "time-going-back"
  /// More or fewer fields than the header has columns.
  case fieldCount = "field-count"
  /// Quotes out of place, NUL bytes, or bytes that are not UTF-8.
  case badText = "bad-text"
  /// A line of more bytes than a line may have.
  case lineTooLong = "line-too-long"
  /// A line that is no JSON object.
  case badJSON = "bad-json"
  /// A JSON object without a key that is needed.
  case missingKey = "missing-key"
  /// An id that an earlier row has.
  case duplicateID = "duplicate-id"
  /// Numbers of one row that contradict each other.
  case contradiction = "contradiction"
}

/// A name of a file as it may be shown in a message: cut at 60 characters, without what steers a terminal.
func printable(_ name: String) -> String {
  var text = ""
  for scalar in name.unicodeScalars.prefix(60) {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .unassigned, .privateUse:
      text += "\\u{\(String(scalar.value, radix: 16))}"
    default: text.unicodeScalars.append(scalar)
    }
  }
  return text + (name.unicodeScalars.count > 60 ? "…" : "")
}

/// Bytes of a file as they may be shown in a message: quoted, cut at 40 bytes, unprintable ones escaped.
func quoted(_ bytes: some Collection<UInt8>) -> String {
  var text = "\""
  for byte in bytes.prefix(40) {
    if (0x20..<0x7F).contains(byte) {
      text.unicodeScalars.append(Unicode.Scalar(byte))
    } else {
      text += "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
    }
  }
  return text + (bytes.count > 40 ? "…\"" : "\"")
}
