import Foundation

/// The lines of a file, read through one buffer of fixed size, so that memory does not grow with the file.
struct LineReader: ~Copyable {
  /// Longest line accepted, in bytes: a file without line ends is refused instead of filling memory.
  static let maximumLineLength = 65_536
  private static let bufferSize = 262_144

  let path: String
  /// Number of the line last returned, from 1.
  private(set) var lineNumber = 0
  /// Digest of the bytes read so far, if asked for.
  private(set) var digest: SHA256?

  private let descriptor: Int32
  private let buffer: UnsafeMutablePointer<UInt8>
  private var start = 0
  private var end = 0
  private var isAtEnd = false

  /// Opens a regular file; throws `missing`, `notAFile` or `unreadable`.
  init(path: String, digesting: Bool) throws(TraceError) {
    var status = stat()
    guard stat(path, &status) == 0 else {
      throw errno == ENOENT || errno == ENOTDIR
        ? .missing(path: path) : .unreadable(path: path, reason: systemReason())
    }
    switch status.st_mode & S_IFMT {
    case S_IFREG: break
    case S_IFDIR: throw .notAFile(path: path, found: "a directory")
    default: throw .notAFile(path: path, found: "a pipe, socket or device, which cannot be read twice")
    }
    let opened = open(path, O_RDONLY | O_CLOEXEC)
    guard opened >= 0 else { throw .unreadable(path: path, reason: systemReason()) }
    self.path = path
    descriptor = opened
    buffer = .allocate(capacity: Self.bufferSize)
    digest = digesting ? SHA256() : nil
  }

  deinit {
    close(descriptor)
    buffer.deallocate()
  }

  /// The next line without its LF or CR LF, or `nil` after the last; a last line may lack its LF.
  /// The bytes are valid until the next call.
  mutating func next() throws(TraceError) -> UnsafeBufferPointer<UInt8>? {
    var searched = start
    while true {
      if let newline = memchr(buffer + searched, 0x0A, end - searched) {
        let lineEnd = buffer.distance(to: newline.assumingMemoryBound(to: UInt8.self))
        return try takeLine(to: lineEnd, next: lineEnd + 1)
      }
      if isAtEnd { return start < end ? try takeLine(to: end, next: end) : nil }
      searched = end - start
      // Two bytes of grace: the CR and LF that end a line are not part of its length.
      guard searched <= Self.maximumLineLength + 2 else { throw tooLong() }
      try fill()
    }
  }

  private mutating func takeLine(to lineEnd: Int, next: Int) throws(TraceError) -> UnsafeBufferPointer<UInt8>
  {
    var length = lineEnd - start
    if length > 0, buffer[lineEnd - 1] == 0x0D { length -= 1 }
    guard length <= Self.maximumLineLength else { throw tooLong() }
    let line = UnsafeBufferPointer(start: buffer + start, count: length)
    start = next
    lineNumber += 1
    return line
  }

  /// Moves what is left to the front of the buffer and reads once behind it.
  private mutating func fill() throws(TraceError) {
    memmove(buffer, buffer + start, end - start)
    end -= start
    start = 0
    var count: Int
    repeat { count = read(descriptor, buffer + end, Self.bufferSize - end) } while count < 0 && errno == EINTR
    guard count >= 0 else { throw .unreadable(path: path, reason: systemReason()) }
    digest?.update(UnsafeBufferPointer(start: buffer + end, count: count))
    end += count
    isAtEnd = count == 0
  }

  private func tooLong() -> TraceError {
    .malformed(
      path: path, line: lineNumber + 1, column: nil,
      found: "a line of more than \(Self.maximumLineLength) bytes",
      expected: "one short row per line")
  }
}

/// The system's text for the last failed call.
func systemReason() -> String { String(cString: strerror(errno)) }
