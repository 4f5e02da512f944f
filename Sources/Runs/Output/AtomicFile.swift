import Foundation

/// A file that appears whole or not at all.
package struct AtomicFile {
  package let path: String

  /// Makes sure, before anything is computed, that the file can be made; changes nothing.
  package init(_ path: String, option: String) throws(CommandFailure) {
    self.path = path
    // Not NSString's deletingLastPathComponent: it traps on a name of one letter (Swift 6.3, Linux).
    let slash = path.lastIndex(of: "/")
    let parent = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    var isDirectory: ObjCBool = false
    guard FileManager.default.fileExists(atPath: parent, isDirectory: &isDirectory), isDirectory.boolValue
    else { throw CommandFailure(.usage, "\(option) \(path): there is no folder \(parent)") }
    guard FileManager.default.isWritableFile(atPath: parent) else {
      throw CommandFailure(.runFailed, "\(option) \(path): the folder \(parent) cannot be written")
    }
    if FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), isDirectory.boolValue {
      throw CommandFailure(.usage, "\(option) \(path): is a folder")
    }
  }

  /// Puts `text` there in one step, in place of what was there.
  package func write(_ text: String) throws(CommandFailure) {
    do {
      try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
    } catch {
      throw CommandFailure(.runFailed, "\(path): cannot be written: \(error.localizedDescription)")
    }
  }
}

/// A file written piece by piece that appears whole, at `commit`, or not at all. What cannot be written is said there.
package final class AtomicFileStream {
  private let target: AtomicFile
  private let temporaryPath: String
  private var descriptor: Int32
  private let buffer = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 1 << 16)
  /// Bytes in the buffer.
  private var count = 0
  private var failure: CommandFailure?

  package init(_ target: AtomicFile) throws(CommandFailure) {
    self.target = target
    temporaryPath = target.path + ".partial-\(getpid())"
    descriptor = open(temporaryPath, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw Self.failure(temporaryPath) }
  }

  deinit {
    buffer.deallocate()
    guard descriptor >= 0 else { return }
    close(descriptor)
    unlink(temporaryPath)
  }

  package func write(_ text: StaticString) {
    text.withUTF8Buffer(append)
  }

  package func write(_ text: String) {
    var text = text
    text.withUTF8(append)
  }

  /// Appends a character of ASCII.
  package func write(_ character: Unicode.Scalar) {
    if count == buffer.count { flush() }
    buffer[count] = UInt8(ascii: character)
    count += 1
  }

  /// Appends a number in decimal.
  package func write(_ number: Int64) {
    if number < 0 { write("-" as Unicode.Scalar) }
    let (magnitude, longest) = (number.magnitude, 19)
    var (digits, limit) = (1, UInt64(10))
    while digits < longest, magnitude >= limit {
      digits += 1
      limit *= 10
    }
    if buffer.count - count < digits { flush() }
    var (rest, place) = (magnitude, count + digits)
    while place > count {
      place -= 1
      let next = rest / 10
      buffer[place] = UInt8(truncatingIfNeeded: 48 + rest - 10 * next)
      rest = next
    }
    count += digits
  }

  package func endLine() { write("\n" as Unicode.Scalar) }

  private func append(_ bytes: UnsafeBufferPointer<UInt8>) {
    for byte in bytes {
      if count == buffer.count { flush() }
      buffer[count] = byte
      count += 1
    }
  }

  package func commit() throws(CommandFailure) {
    flush()
    if let failure { throw failure }
    let closed = close(descriptor)
    descriptor = -1
    guard closed == 0, rename(temporaryPath, target.path) == 0 else {
      let failure = Self.failure(target.path)
      unlink(temporaryPath)
      throw failure
    }
  }

  private func flush() {
    var written = 0
    while written < count, failure == nil {
      let done = Foundation.write(descriptor, buffer.baseAddress! + written, count - written)
      if done < 0, errno != EINTR { failure = Self.failure(temporaryPath) }
      written += max(0, done)
    }
    count = 0
  }

  private static func failure(_ path: String) -> CommandFailure {
    CommandFailure(.runFailed, "\(path): cannot be written: \(String(cString: strerror(errno)))")
  }
}
