/// What can be wrong with a trace or its options, with what is needed to put it right.
///
/// Suggested exit codes: 66 for `missing`, `notAFile` and `unreadable`; 65 for `malformed`, `tooManySkipped` and
/// `changed`;
/// 64 for `invalidOption`.
public indirect enum TraceError: Error, Hashable, Sendable {
  /// Nothing exists at `path`.
  case missing(path: String)
  /// `path` exists but is not a regular file; `found` says what it is, such as "a directory".
  case notAFile(path: String, found: String)
  /// The file exists but the system refuses to read it; `reason` is the system's own text.
  case unreadable(path: String, reason: String)
  /// The content breaks the format. `line` counts from 1; `column` is the name in the header, if one is to
  /// blame.
  case malformed(path: String, line: Int, column: String?, found: String, expected: String)
  /// More rows had to be left out than the largest `share` that may be.
  case tooManySkipped(path: String, count: RowCount, share: Double)
  /// The file was modified between the validating pass and the replay.
  case changed(path: String)
  /// An option's value makes no sense for this trace; `name` is spelled as on the command line, without
  /// dashes.
  case invalidOption(name: String, found: String, expected: String)
}

extension TraceError: CustomStringConvertible {
  /// One line for a person: where, what was found, what was expected.
  public var description: String {
    switch self {
    case .missing(let path):
      "\(path): no such file"
    case .notAFile(let path, let found):
      "\(path): found \(found), expected a regular file"
    case .unreadable(let path, let reason):
      "\(path): cannot be read: \(reason)"
    case .malformed(let path, let line, let column, let found, let expected):
      "\(path):\(line): \(column.map { "column \($0): " } ?? "")found \(found), expected \(expected)"
    case .tooManySkipped(let path, let count, let share):
      "\(path): \(count.text), more than the share \(share) that may be skipped; the first: "
        + "\(count.firstSkipped.map { "\($0)" } ?? "–")"
    case .changed(let path):
      "\(path): the file changed while it was being replayed"
    case .invalidOption(let name, let found, let expected):
      "\(name): found \(found), expected \(expected)"
    }
  }
}
