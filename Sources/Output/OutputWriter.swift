import Foundation

/// An output written piece by piece, which appears at `publish`, or at the end of `together`, whole, or not at all. What cannot
/// be written is said there.
public final class OutputWriter {
  private let file: OutputFile
  /// Where it is written until then: beside the file that it will be, or without a name.
  private var partial: String?
  private var descriptor: Int32
  private let buffer = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 1 << 16)
  /// Bytes in the buffer.
  private var count = 0
  private var failure: OutputError?

  public init(_ file: OutputFile) throws(OutputError) {
    self.file = file
    do throws(OutputError) {
      switch file.destination {
      case .replaced(let path, let mode):
        (descriptor, partial) = try Self.openBeside(path)
        if let mode { fchmod(descriptor, mode) }
      case .rewritten(let path, let mode):
        // Beside it a full disk is found before the old text is touched; its folder may be locked.
        do throws(OutputError) {
          (descriptor, partial) = try Self.openBeside(path)
          fchmod(descriptor, mode)
        } catch {
          (descriptor, partial) = (try Self.openNameless(), nil)
        }
      case .opened, .descriptor:
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
      let descriptor = Leftovers.create(partial)
      if descriptor >= 0 { return (descriptor, partial) }
      // Left by a process that was killed, or by one of another machine.
      guard errno == EEXIST else { throw .system(path) }
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

  /// Puts all of them in their places: first what may fail, then, at once, what can only be renamed. Within `together` files
  /// wait for its end.
  public static func publish(_ writers: [OutputWriter]) throws(OutputError) {
    for writer in writers { try writer.finish() }
    for writer in writers { try writer.send() }
    if let waiting { waiting.writers += writers } else { try place(writers) }
  }

  private static func place(_ writers: [OutputWriter]) throws(OutputError) {
    for writer in writers {
      if case .rewritten(let path, _) = writer.file.destination { try writer.overwrite(path) }
    }
    for writer in writers { try writer.rename() }
  }

  /// Files that are whole and wait for what is printed.
  private final class Waiting: @unchecked Sendable {
    var writers: [OutputWriter] = []
    var folders: [String] = []
  }
  @TaskLocal private static var waiting: Waiting?

  /// Runs `body`, and puts the files that it publishes in their places only when it is done: what it prints comes first, and if
  /// stdout cannot be written none of them appears.
  public static func together(_ body: () throws -> Void) throws {
    let files = Waiting()
    do {
      try $waiting.withValue(files, operation: body)
      try place(files.writers)
    } catch {
      files.writers = []
      for folder in files.folders.reversed() { rmdir(folder) }
      throw error
    }
  }

  /// Folders made for outputs, which go if these do not appear.
  static func made(_ folders: [String]) { waiting?.folders += folders }

  private func finish() throws(OutputError) {
    flush()
    if let failure { throw failure }
    // Some file systems find out here that they are full.
    guard partial == nil || fsync(descriptor) == 0 || errno == EINVAL else { throw .system(file.name) }
  }

  /// To what is no file.
  private func send() throws(OutputError) {
    let target: Int32
    switch file.destination {
    case .replaced, .rewritten: return
    case .descriptor(let descriptor): target = dup(descriptor)
    case .opened: target = open(file.path, O_WRONLY | O_TRUNC | O_NOCTTY | O_CLOEXEC)
    }
    guard target >= 0 else { throw .system(file.name) }
    defer { close(target) }
    try copy(to: target)
    if file.destination == .opened { Leftovers.written(file.name) }
  }

  /// Over the file at `path`, whose old text stays if there is no room. A signal waits for it.
  private func overwrite(_ path: String) throws(OutputError) {
    try Leftovers.whole(written: file.name) { () throws(OutputError) in
      let target = open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC)
      guard target >= 0 else { throw .system(file.name) }
      defer { close(target) }
      let (size, old) = (lseek(descriptor, 0, SEEK_END), lseek(target, 0, SEEK_END))
      #if os(Linux)
        let code = size > 0 ? posix_fallocate(target, 0, size) : 0
        if code == ENOSPC || code == EFBIG || code == EDQUOT {
          ftruncate(target, old)
          throw .system(file.name, code: code)
        }
      #endif
      lseek(target, 0, SEEK_SET)
      try copy(to: target)
      guard ftruncate(target, size) == 0, fsync(target) == 0 || errno == EINVAL else {
        throw .system(file.name)
      }
    }
    if let partial { Leftovers.remove(partial) }
    partial = nil
  }

  private func copy(to target: Int32) throws(OutputError) {
    lseek(descriptor, 0, SEEK_SET)
    while true {
      let bytes = read(descriptor, buffer.baseAddress, buffer.count)
      if bytes < 0, errno == EINTR { continue }
      guard bytes >= 0 else { throw .system(file.name) }
      if bytes == 0 { break }
      try writeAll(UnsafeBufferPointer(rebasing: buffer[..<bytes]), to: target, called: file.name)
    }
  }

  private func rename() throws(OutputError) {
    guard case .replaced(let path, _) = file.destination, let partial else { return }
    if Leftovers.rename(partial, to: path, called: file.name) {
      self.partial = nil
    } else if errno == EBUSY {
      // A mount point, as a container has it, stays what it is.
      try overwrite(path)
    } else {
      throw .system(file.name)
    }
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
