/// The first line of a trace: names of all columns and the places of the three that are read.
struct TraceHeader {
  let format: TraceFormat
  /// All column names, in the file's order.
  let columns: [String]
  let arrival: Int
  let prompt: Int
  let output: Int

  /// Finds the format whose columns the header names; throws `malformed` with what is missing.
  init(_ columns: [String], path: String) throws(TraceError) {
    let matches = TraceFormat.all.map { format in format.columns.filter(columns.contains).count }
    let best = matches.indices.max { (matches[$0], $1) < (matches[$1], $0) }!
    let format = TraceFormat.all[best]
    func fault(_ column: String?, found: String, expected: String) -> TraceError {
      .malformed(path: path, line: 1, column: column, found: found, expected: expected)
    }
    guard matches[best] > 0 else {
      let known = TraceFormat.all.map { $0.columns.joined(separator: ",") }.joined(separator: " or ")
      throw fault(nil, found: "the header \(quoted(columns.joined(separator: ",").utf8))", expected: known)
    }
    for needed in format.columns where columns.count(where: { $0 == needed }) != 1 {
      let isMissing = !columns.contains(needed)
      throw fault(
        needed, found: isMissing ? "no such column" : "the column twice",
        expected: "the columns \(format.columns.joined(separator: ","))")
    }
    self.format = format
    self.columns = columns
    arrival = columns.firstIndex(of: format.arrivalColumn)!
    prompt = columns.firstIndex(of: format.promptColumn)!
    output = columns.firstIndex(of: format.outputColumn)!
  }
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
