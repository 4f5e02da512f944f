import Runs
import Foundation

/// One end of a local socket between two processes, counting what is really read and written.
final class HostSocket {
  /// The other end is gone.
  struct Closed: Error {}

  let descriptor: Int32
  private(set) var bytesWritten = 0
  private(set) var bytesRead = 0

  init(descriptor: Int32) { self.descriptor = descriptor }

  /// A connected pair, which no program started later inherits.
  static func pair() throws(CommandFailure) -> (HostSocket, HostSocket) {
    var ends: [Int32] = [0, 0]
    #if canImport(Glibc)
      let kind = Int32(SOCK_STREAM.rawValue)
    #else
      let kind = SOCK_STREAM
    #endif
    guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
      throw CommandFailure(.runFailed, "no local socket: \(String(cString: strerror(errno)))")
    }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    return (HostSocket(descriptor: ends[0]), HostSocket(descriptor: ends[1]))
  }

  func close() { _ = Foundation.close(descriptor) }

  func write(_ bytes: UnsafeRawBufferPointer) throws(Closed) {
    var rest = bytes[...]
    while !rest.isEmpty {
      #if canImport(Glibc)
        let count = send(descriptor, rest.rebased.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
      #else
        let count = send(descriptor, rest.rebased.baseAddress, rest.count, 0)
      #endif
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw Closed() }
      bytesWritten += count
      rest = rest.dropFirst(count)
    }
  }

  func read(into bytes: UnsafeMutableRawBufferPointer) throws(Closed) {
    var filled = 0
    while filled < bytes.count {
      let count = recv(descriptor, bytes.baseAddress.map { $0 + filled }, bytes.count - filled, 0)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw Closed() }
      bytesRead += count
      filled += count
    }
  }

  /// Writes the elements' bytes.
  func write<Number>(_ numbers: [Number]) throws(Closed) {
    let result = numbers.withUnsafeBytes { bytes in Result { () throws(Closed) in try write(bytes) } }
    try result.get()
  }

  /// Reads over all elements of `numbers`.
  func read<Number>(_ numbers: inout [Number]) throws(Closed) {
    let result = numbers.withUnsafeMutableBytes { bytes in
      Result { () throws(Closed) in try read(into: bytes) }
    }
    try result.get()
  }
}

extension Slice<UnsafeRawBufferPointer> {
  fileprivate var rebased: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: self) }
}
