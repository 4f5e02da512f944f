import Foundation
import Sim

/// The lines of a file, read through one buffer, so that memory does not grow with the file.
struct LineReader: ~Copyable {
  /// Longest line of a CSV file, in bytes: a file without line ends is refused instead of filling memory.
  static let maximumRowLength = 65_536
  /// Longest line of a JSONL file: a prompt of 10 million tokens in blocks of 16 still fits.
  static let maximumObjectLength = 8_388_608

  /// Longest line accepted, in bytes; the buffer grows up to it.
  var maximumLength = LineReader.maximumRowLength
  /// Number of the line last returned, from 1.
  private(set) var lineNumber = 0

  private var source: ByteSource
  private var buffer: UnsafeMutablePointer<UInt8>
  private var capacity = 262_144
  private var start = 0
  private var end = 0
  private var isAtEnd = false
  /// Where the line last returned begins, for `unread`.
  private var lastStart = 0

  /// Opens a regular file; throws `missing`, `notAFile` or `unreadable`.
  init(path: String, digesting: Bool) throws(TraceError) {
    source = try ByteSource(path: path, digesting: digesting)
    buffer = .allocate(capacity: capacity)
  }

  deinit { buffer.deallocate() }

  var path: String { source.path }

  /// Digest of the file's bytes read so far, if asked for.
  var digest: SHA256? { source.digest }

  /// The next line without its LF or CR LF, or `nil` after the last; a last line may lack its LF.
  /// The bytes are valid until the next call.
  @inline(__always)
  mutating func next() throws(TraceError) -> UnsafeBufferPointer<UInt8>? {
    if let newline = memchr(buffer + start, 0x0A, end - start) {
      let lineEnd = buffer.distance(to: newline.assumingMemoryBound(to: UInt8.self))
      return try takeLine(to: lineEnd, next: lineEnd + 1)
    }
    return try nextAcrossBuffers()
  }

  /// The first bytes of the file, at most 4,096; for use before the first line.
  mutating func head() throws(TraceError) -> [UInt8] {
    while end < 4_096, !isAtEnd { try fill() }
    return Array(UnsafeBufferPointer(start: buffer, count: min(end, 4_096)))
  }

  /// Leaves out a UTF-8 byte order mark, which `head` has shown.
  mutating func dropMark() { start += 3 }

  /// Gives the line last returned back, so that `next` returns it again.
  mutating func unread() {
    start = lastStart
    lineNumber -= 1
  }

  /// Passes over the rest of a line that is too long.
  mutating func skipLine() throws(TraceError) {
    lineNumber += 1
    while true {
      if let newline = memchr(buffer + start, 0x0A, end - start) {
        start = buffer.distance(to: newline.assumingMemoryBound(to: UInt8.self)) + 1
        return
      }
      start = end
      if isAtEnd { return }
      try fill()
    }
  }

  private mutating func nextAcrossBuffers() throws(TraceError) -> UnsafeBufferPointer<UInt8>? {
    var searched = end - start
    while true {
      if isAtEnd { return start < end ? try takeLine(to: end, next: end) : nil }
      // Two bytes of grace: the CR and LF that end a line are not part of its length.
      guard searched <= maximumLength + 2 else { throw tooLong() }
      try fill()
      if let newline = memchr(buffer + start + searched, 0x0A, end - start - searched) {
        let lineEnd = buffer.distance(to: newline.assumingMemoryBound(to: UInt8.self))
        return try takeLine(to: lineEnd, next: lineEnd + 1)
      }
      searched = end - start
    }
  }

  @inline(__always)
  private mutating func takeLine(to lineEnd: Int, next: Int) throws(TraceError) -> UnsafeBufferPointer<UInt8>
  {
    var length = lineEnd - start
    if length > 0, buffer[lineEnd - 1] == 0x0D { length -= 1 }
    guard length <= maximumLength else { throw tooLong() }
    let line = UnsafeBufferPointer(start: buffer + start, count: length)
    lastStart = start
    start = next
    lineNumber += 1
    return line
  }

  /// Moves what is left to the front of the buffer, doubles it if that is most of it, and reads behind it.
  private mutating func fill() throws(TraceError) {
    let length = end - start
    if length > capacity / 2 {
      let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity * 2)
      memcpy(larger, buffer + start, length)
      buffer.deallocate()
      buffer = larger
      capacity *= 2
    } else {
      memmove(buffer, buffer + start, length)
    }
    start = 0
    end = length
    let count = try source.read(
      into: UnsafeMutableBufferPointer(start: buffer + end, count: capacity - end), line: lineNumber + 1)
    end += count
    isAtEnd = count == 0
  }

  private func tooLong() -> TraceError {
    .malformed(
      path: path, line: lineNumber + 1, column: nil, found: "a line of more than \(maximumLength) bytes",
      expected: "one short row per line")
  }
}
