import Foundation

/// An output written piece by piece, which appears at `publish`, whole, or not at all. What cannot be written is said there.
public final class OutputWriter {
  private let file: OutputFile
  /// Where it is written until then: beside the file that it will be, or without a name.
  private let partial: String?
  private var descriptor: Int32
  private let buffer = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 1 << 16)
  /// Bytes in the buffer.
  private var count = 0
  private var failure: OutputError?

  public init(_ file: OutputFile) throws(OutputError) {
    self.file = file
    do throws(OutputError) {
      if case .replaced(let path, let mode) = file.destination {
        (descriptor, partial) = try Self.openBeside(path)
        if let mode { fchmod(descriptor, mode) }
      } else {
        (descriptor, partial) = (try Self.openNameless(), nil)
      }
    } catch {
      buffer.deallocate()
      throw error
    }
  }

  deinit {
    buffer.deallocate()
    if descriptor >= 0 { close(descriptor) }
    if let partial { Leftovers.remove(partial) }
  }

  /// Opens `PATH.partial-PID`, which nobody else writes.
  private static func openBeside(_ path: String) throws(OutputError) -> (Int32, String) {
    let slash = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
    // A name may have 255 bytes.
    let start = path[..<slash] + String(String.UnicodeScalarView(path[slash...].unicodeScalars.prefix(50)))
    for number in 0... {
      let partial = "\(start).partial-\(getpid())" + (number == 0 ? "" : "-\(number)")
      // Known before it is there: a signal may come between.
      Leftovers.add(partial)
      let descriptor = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
      if descriptor >= 0 { return (descriptor, partial) }
      let code = errno
      Leftovers.forget(partial)
      // Left by a process that was killed, or by one of another machine.
      guard code == EEXIST else { throw .system(path, code: code) }
    }
    preconditionFailure("there are more numbers than files")
  }

  private static var temporary: String { FileManager.default.temporaryDirectory.path }

  /// Opens a file without a name among the temporary ones: it is gone when the process is.
  private static func openNameless() throws(OutputError) -> Int32 {
    var name = Array("\(temporary)/infinite-sim-XXXXXX".utf8CString)
    let descriptor = mkstemp(&name)
    guard descriptor >= 0 else { throw .system(temporary) }
    unlink(name)
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    return descriptor
  }

  // MARK: - Writing

  public func write(_ text: StaticString) {
    text.withUTF8Buffer(append)
  }

  public func write(_ text: String) {
    var text = text
    text.withUTF8(append)
  }

  public func write(_ bytes: [UInt8]) {
    bytes.withUnsafeBufferPointer(append)
  }

  /// Appends a character of ASCII.
  public func write(_ character: Unicode.Scalar) {
    if count == buffer.count { flush() }
    buffer[count] = UInt8(ascii: character)
    count += 1
  }

  /// Appends a number in decimal.
  public func write(_ number: Int64) {
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

  public func endLine() { write("\n" as Unicode.Scalar) }

  private func append(_ bytes: UnsafeBufferPointer<UInt8>) {
    for byte in bytes {
      if count == buffer.count { flush() }
      buffer[count] = byte
      count += 1
    }
  }

  private func flush() {
    if failure == nil {
      do throws(OutputError) {
        try writeAll(
          UnsafeBufferPointer(rebasing: buffer[..<count]), to: descriptor,
          called: partial == nil ? Self.temporary : file.name)
      } catch { failure = error }
    }
    count = 0
  }

  // MARK: - Appearing

  /// Puts all of them in their places: first what may fail, then, at once, what can only be renamed.
  public static func publish(_ writers: [OutputWriter]) throws(OutputError) {
    for writer in writers { try writer.finish() }
    for writer in writers { try writer.copy() }
    for writer in writers { try writer.rename() }
  }

  private func finish() throws(OutputError) {
    flush()
    if let failure { throw failure }
    // Some file systems find out here that they are full.
    guard partial == nil || fsync(descriptor) == 0 || errno == EINVAL else { throw .system(file.name) }
  }

  /// To what is no file of ours.
  private func copy() throws(OutputError) {
    let target: Int32
    switch file.destination {
    case .replaced: return
    case .descriptor(let descriptor): target = dup(descriptor)
    case .opened: target = open(file.path, O_WRONLY | O_TRUNC | O_NOCTTY | O_CLOEXEC)
    }
    guard target >= 0 else { throw .system(file.name) }
    defer { close(target) }
    lseek(descriptor, 0, SEEK_SET)
    while true {
      let bytes = read(descriptor, buffer.baseAddress, buffer.count)
      if bytes < 0, errno == EINTR { continue }
      guard bytes >= 0 else { throw .system(file.name) }
      if bytes == 0 { break }
      try writeAll(UnsafeBufferPointer(rebasing: buffer[..<bytes]), to: target, called: file.name)
    }
    if file.destination == .opened { Leftovers.written(file.name) }
  }

  private func rename() throws(OutputError) {
    guard case .replaced(let path, _) = file.destination, let partial else { return }
    guard Leftovers.rename(partial, to: path, called: file.name) else { throw .system(file.name) }
  }
}

/// Writes all of `bytes`. If nobody reads stdout any more, that is `OutputError.Kind.unread`.
func writeAll(_ bytes: UnsafeBufferPointer<UInt8>, to descriptor: Int32, called path: String)
  throws(OutputError)
{
  var rest = bytes
  while !rest.isEmpty {
    let done = write(descriptor, rest.baseAddress, rest.count)
    if done < 0, errno == EINTR { continue }
    guard done >= 0 else {
      let code = errno
      if code == EPIPE, path == OutputFile.standardOutput {
        throw OutputError(.unread, "nobody reads stdout")
      }
      throw .system(path, code: code)
    }
    rest = UnsafeBufferPointer(rebasing: rest.dropFirst(done))
  }
}
