/// The fields of one CSV line, cut one at a time without copying.
///
/// A field may stand in double quotes, which are dropped and may hide commas; a doubled quote inside stays
/// as it is, since no column that is read needs one. A field cannot continue on the next line.
struct CSVFields {
  /// Why a line could not be cut.
  enum Fault: Error {
    case nulByte
    case strayQuote
    case unclosedQuote
  }

  /// Whether a byte above 127 was met, so that the line's UTF-8 has yet to be checked.
  private(set) var hasNonASCII = false
  private let line: UnsafeBufferPointer<UInt8>
  /// Start of the next field; beyond the line's end when none is left.
  private var position = 0

  init(_ line: UnsafeBufferPointer<UInt8>) { self.line = line }

  /// The next field, or `nil` after the last. An empty line holds one empty field.
  @inline(__always)
  mutating func next() throws(Fault) -> UnsafeBufferPointer<UInt8>? {
    let start = position
    guard start <= line.count else { return nil }
    if start < line.count, line[start] == UInt8(ascii: "\"") { return try nextQuoted() }
    var end = start
    while end < line.count {
      let byte = line[end]
      if byte == UInt8(ascii: ",") { break }
      if byte == UInt8(ascii: "\"") { throw .strayQuote }
      if byte == 0 { throw .nulByte }
      if byte >= 0x80 { hasNonASCII = true }
      end += 1
    }
    position = end + 1
    return UnsafeBufferPointer(rebasing: line[start..<end])
  }

  /// Reads on from an opening quote.
  private mutating func nextQuoted() throws(Fault) -> UnsafeBufferPointer<UInt8> {
    let start = position + 1
    var end = start
    while true {
      guard end < line.count else { throw .unclosedQuote }
      let byte = line[end]
      if byte == 0 { throw .nulByte }
      if byte >= 0x80 { hasNonASCII = true }
      if byte == UInt8(ascii: "\"") {
        guard end + 1 < line.count, line[end + 1] == byte else { break }
        end += 1
      }
      end += 1
    }
    guard end + 1 == line.count || line[end + 1] == UInt8(ascii: ",") else { throw .strayQuote }
    position = end + 2
    return UnsafeBufferPointer(rebasing: line[start..<end])
  }
}
