import Foundation
import Sim

/// Writes traces in the plain format: `arrival_s,input_tokens,output_tokens`, LF, exact decimal seconds
/// without trailing zeros. One text per trace, so equal requests give equal bytes; reading it back gives them
/// again (times relative to the first arrival, as in every trace).
public enum TraceWriter {
  /// Writes all that is left of `source` to `path`, replacing a file there in one step: a reader sees the old
  /// file or the whole new one. Throws `unwritable`, or what the source throws; then nothing is changed.
  public static func write(_ source: some RequestSource, to path: String) throws {
    var source = source
    let temporary = "\(path).\(getpid()).tmp"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw TraceError.unwritable(path: path, reason: systemReason()) }
    do {
      var text = Array(header.utf8)
      while let request = try source.next() {
        append(request, to: &text)
        if text.count >= 65_536 {
          try flush(&text, to: descriptor, path: path)
        }
      }
      try flush(&text, to: descriptor, path: path)
      guard fsync(descriptor) == 0, rename(temporary, path) == 0 else {
        throw TraceError.unwritable(path: path, reason: systemReason())
      }
      close(descriptor)
    } catch {
      close(descriptor)
      unlink(temporary)
      throw error
    }
  }

  private static let header = "arrival_s,input_tokens,output_tokens\n"

  private static func append(_ request: TraceRequest, to text: inout [UInt8]) {
    let time = request.arrival.picoseconds.quotientAndRemainder(dividingBy: Instant.picosecondsPerSecond)
    text += String(time.quotient).utf8
    if time.remainder > 0 {
      let digits = String(time.remainder)
      var fraction = Array((String(repeating: "0", count: 12 - digits.count) + digits).utf8)
      while fraction.last == UInt8(ascii: "0") { fraction.removeLast() }
      text.append(UInt8(ascii: "."))
      text += fraction
    }
    text += ",\(request.prompt),\(request.output)\n".utf8
  }

  private static func flush(_ text: inout [UInt8], to descriptor: Int32, path: String) throws(TraceError) {
    var start = 0
    while start < text.count {
      let written = text.withUnsafeBytes {
        Foundation.write(descriptor, $0.baseAddress! + start, $0.count - start)
      }
      if written < 0, errno == EINTR { continue }
      guard written > 0 else { throw .unwritable(path: path, reason: systemReason()) }
      start += written
    }
    text.removeAll(keepingCapacity: true)
  }
}
