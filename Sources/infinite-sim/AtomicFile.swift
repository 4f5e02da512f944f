import Foundation

/// A file that appears whole or not at all.
struct AtomicFile {
  let path: String

  /// Makes sure, before anything is computed, that the file can be made; changes nothing.
  init(_ path: String, option: String) throws(CommandFailure) {
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
  func write(_ text: String) throws(CommandFailure) {
    do {
      try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
    } catch {
      throw CommandFailure(.runFailed, "\(path): cannot be written: \(error.localizedDescription)")
    }
  }
}

/// A file written piece by piece that appears whole, at `commit`, or not at all. What cannot be written is said there.
final class AtomicFileStream {
  private static let bufferSize = 1 << 16
  private let target: AtomicFile
  private let temporaryPath: String
  private var descriptor: Int32
  private var buffer: [UInt8] = []
  private var failure: CommandFailure?

  init(_ target: AtomicFile) throws(CommandFailure) {
    self.target = target
    temporaryPath = target.path + ".partial-\(getpid())"
    descriptor = open(temporaryPath, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw Self.failure(temporaryPath) }
    buffer.reserveCapacity(2 * Self.bufferSize)
  }

  deinit {
    guard descriptor >= 0 else { return }
    close(descriptor)
    unlink(temporaryPath)
  }

  func write(_ text: StaticString) {
    text.withUTF8Buffer { buffer.append(contentsOf: $0) }
  }

  func write(_ text: String) { buffer.append(contentsOf: text.utf8) }

  /// Appends a number in decimal.
  func write(_ number: Int64) {
    var digits: (UInt64, UInt64, UInt32) = (0, 0, 0)
    withUnsafeMutableBytes(of: &digits) { scratch in
      var position = scratch.count
      var rest = number.magnitude
      repeat {
        position -= 1
        scratch[position] = UInt8(truncatingIfNeeded: 48 + rest % 10)
        rest /= 10
      } while rest > 0
      if number < 0 { buffer.append(45) }
      buffer.append(contentsOf: UnsafeRawBufferPointer(rebasing: scratch[position...]))
    }
  }

  /// Ends a line: the place where full buffers are written out.
  func endLine() {
    buffer.append(10)
    if buffer.count >= Self.bufferSize { flush() }
  }

  func commit() throws(CommandFailure) {
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
    while written < buffer.count, failure == nil {
      let count = buffer.withUnsafeBytes {
        Foundation.write(descriptor, $0.baseAddress! + written, $0.count - written)
      }
      if count < 0, errno != EINTR { failure = Self.failure(temporaryPath) }
      written += max(0, count)
    }
    buffer.removeAll(keepingCapacity: true)
  }

  private static func failure(_ path: String) -> CommandFailure {
    CommandFailure(.runFailed, "\(path): cannot be written: \(String(cString: strerror(errno)))")
  }
}
