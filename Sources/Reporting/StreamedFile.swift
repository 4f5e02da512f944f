import Foundation

/// A file written bit by bit that appears at its path whole, or not at all.
final class StreamedFile {
  private let path: String
  private let partial: String
  private var handle: FileHandle?
  private var buffer: [UInt8] = []
  private var failure: (any Error)?
  private static let bufferSize = 1 << 16

  init(_ path: String) throws {
    self.path = path
    partial = "\(path).partial-\(ProcessInfo.processInfo.processIdentifier)"
    guard FileManager.default.createFile(atPath: partial, contents: nil),
      let handle = FileHandle(forWritingAtPath: partial)
    else { throw ReportError.unwritable(path: path, reason: "\(partial) cannot be made") }
    self.handle = handle
    buffer.reserveCapacity(Self.bufferSize + 4_096)
  }

  deinit {
    guard let handle else { return }
    try? handle.close()
    try? FileManager.default.removeItem(atPath: partial)
  }

  /// Adds `text`. An error is kept and thrown by `finish`.
  func write(_ text: String) {
    buffer.append(contentsOf: text.utf8)
    if buffer.count >= Self.bufferSize { flush() }
  }

  /// Writes the rest and puts the file in its place.
  func finish() throws {
    flush()
    guard let handle else { return }
    do {
      if let failure { throw failure }
      try handle.close()
      guard rename(partial, path) == 0 else { throw CocoaError(.fileWriteUnknown) }
      self.handle = nil
    } catch { throw ReportError.unwritable(path: path, reason: error.localizedDescription) }
  }

  private func flush() {
    defer { buffer.removeAll(keepingCapacity: true) }
    guard failure == nil, let handle else { return }
    do { try handle.write(contentsOf: buffer) } catch { failure = error }
  }
}
