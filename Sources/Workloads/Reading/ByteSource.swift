import Foundation
import Sim

/// The bytes of a regular file, decompressed if its first bytes are those of gzip or Zstandard.
struct ByteSource: ~Copyable {
  private static let inputSize = 262_144
  /// A file that is not compressed goes past the input buffer but for its first bytes.
  private static let firstSize = 4_096

  let path: String
  /// Digest of the file's bytes read so far, as they are on disk, if asked for.
  private(set) var digest: SHA256?

  private let descriptor: Int32
  /// Bytes as on disk: used only while a compressed file is read, and for the first bytes.
  private let input: UnsafeMutablePointer<UInt8>
  private var start = 0
  private var end = 0
  private var isAtEnd = false
  private var isStarted = false
  private var decompressor: (any Decompressor)?

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
    input = .allocate(capacity: Self.inputSize)
    digest = digesting ? SHA256() : nil
  }

  /// Whether the path is there and neither a regular file nor a directory.
  static func isStream(path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && ![S_IFREG, S_IFDIR].contains(status.st_mode & S_IFMT)
  }

  deinit {
    close(descriptor)
    input.deallocate()
  }

  /// Fills the front of `output` and returns how many bytes, 0 only at the end. Throws `unreadable`, or
  /// `malformed` with `line` for a damaged compressed stream.
  mutating func read(into output: UnsafeMutableBufferPointer<UInt8>, line: Int) throws(TraceError) -> Int {
    if !isStarted { try recognise() }
    guard let decompressor else {
      guard start < end else { return try readDirectly(into: output) }
      let count = min(end - start, output.count)
      memcpy(output.baseAddress!, input + start, count)
      start += count
      return count
    }
    while true {
      if start == end, !isAtEnd { try fill(upTo: Self.inputSize) }
      let rest = UnsafeBufferPointer(start: input + start, count: end - start)
      let step: (taken: Int, written: Int)
      do throws(CompressionFault) { step = try decompressor.decode(rest, into: output) } catch {
        throw damaged(error.found, line)
      }
      start += step.taken
      if step.written > 0 { return step.written }
      if step.taken == 0, start == end, isAtEnd {
        guard decompressor.isComplete else { throw damaged("a compressed file that is cut short", line) }
        return 0
      }
    }
  }

  /// Looks at the first bytes for those of a compressed file.
  private mutating func recognise() throws(TraceError) {
    isStarted = true
    while end < 4, !isAtEnd { try fill(upTo: Self.firstSize) }
    let magic = Array(UnsafeBufferPointer(start: input, count: min(end, 4)))
    do throws(CompressionFault) {
      if magic.starts(with: [0x1F, 0x8B]) {
        decompressor = try GzipDecompressor()
      } else if magic == [0x28, 0xB5, 0x2F, 0xFD] {
        decompressor = try ZstandardDecompressor()
      }
    } catch {
      throw .unreadable(path: path, reason: error.found)
    }
  }

  /// Reads once from the file, past the input buffer.
  private mutating func readDirectly(into output: UnsafeMutableBufferPointer<UInt8>) throws(TraceError) -> Int
  {
    guard !isAtEnd else { return 0 }
    return try readOnce(output)
  }

  private mutating func fill(upTo size: Int) throws(TraceError) {
    if start == end { (start, end) = (0, 0) }
    end += try readOnce(UnsafeMutableBufferPointer(start: input + end, count: size - end))
  }

  private mutating func readOnce(_ output: UnsafeMutableBufferPointer<UInt8>) throws(TraceError) -> Int {
    var count: Int
    repeat {
      count = Foundation.read(descriptor, output.baseAddress, output.count)
    } while count < 0 && errno == EINTR
    guard count >= 0 else { throw .unreadable(path: path, reason: systemReason()) }
    digest?.update(UnsafeBufferPointer(start: output.baseAddress, count: count))
    isAtEnd = count == 0
    return count
  }

  private func damaged(_ found: String, _ line: Int) -> TraceError {
    .malformed(
      path: path, line: line, column: nil, found: found, expected: "the whole of what was compressed")
  }
}

/// The system's text for the last failed call.
func systemReason() -> String { String(cString: strerror(errno)) }
