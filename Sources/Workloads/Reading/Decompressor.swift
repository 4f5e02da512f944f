import CZlib
import CZstd

/// A compressed stream turned back into bytes, piece by piece.
///
/// A class, because the C libraries keep their state behind a pointer that has one owner.
protocol Decompressor: AnyObject {
  /// Decodes as much of `input` as `output` has room for and returns the bytes taken and written. Both are
  /// zero only if more input is needed.
  func decode(
    _ input: UnsafeBufferPointer<UInt8>, into output: UnsafeMutableBufferPointer<UInt8>
  ) throws(CompressionFault) -> (taken: Int, written: Int)
  /// Whether the stream may end here: nothing of a member or frame is open.
  var isComplete: Bool { get }
}

/// A compressed stream that cannot be decoded.
struct CompressionFault: Error {
  /// What was met, for a message.
  let found: String
}

/// gzip, one member after another (RFC 1952), by zlib.
final class GzipDecompressor: Decompressor {
  private let stream: UnsafeMutablePointer<z_stream>
  private(set) var isComplete = true

  init() throws(CompressionFault) {
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    // 15: the largest window; + 16: gzip's header and checksum, nothing else.
    let status = inflateInit2_(stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    guard status == Z_OK else { throw CompressionFault(found: "no memory for zlib") }
  }

  deinit {
    inflateEnd(stream)
    stream.deinitialize(count: 1)
    stream.deallocate()
  }

  func decode(
    _ input: UnsafeBufferPointer<UInt8>, into output: UnsafeMutableBufferPointer<UInt8>
  ) throws(CompressionFault) -> (taken: Int, written: Int) {
    guard input.count > 0 else { return (0, 0) }
    stream.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
    stream.pointee.avail_in = UInt32(input.count)
    stream.pointee.next_out = output.baseAddress
    stream.pointee.avail_out = UInt32(output.count)
    isComplete = false
    let status = inflate(stream, Z_NO_FLUSH)
    let taken = input.count - Int(stream.pointee.avail_in)
    let written = output.count - Int(stream.pointee.avail_out)
    switch status {
    case Z_OK, Z_BUF_ERROR: break
    case Z_STREAM_END:
      isComplete = true
      inflateReset(stream)
    default: throw CompressionFault(found: "a damaged gzip stream")
    }
    return (taken, written)
  }
}

/// Zstandard, one frame after another (RFC 8878), by libzstd. Windows above 128 MB are refused.
final class ZstandardDecompressor: Decompressor {
  private let stream: OpaquePointer
  private(set) var isComplete = true

  init() throws(CompressionFault) {
    guard let stream = ZSTD_createDStream() else { throw CompressionFault(found: "no memory for zstd") }
    self.stream = stream
  }

  deinit { ZSTD_freeDStream(stream) }

  func decode(
    _ input: UnsafeBufferPointer<UInt8>, into output: UnsafeMutableBufferPointer<UInt8>
  ) throws(CompressionFault) -> (taken: Int, written: Int) {
    var source = ZSTD_inBuffer(src: input.baseAddress, size: input.count, pos: 0)
    var target = ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
    let status = ZSTD_decompressStream(stream, &target, &source)
    guard ZSTD_isError(status) == 0 else { throw CompressionFault(found: "a damaged zstd stream") }
    if source.pos > 0 || target.pos > 0 { isComplete = status == 0 }
    return (source.pos, target.pos)
  }
}
