import CDistAttention

#if canImport(Glibc)
  import Glibc
#endif

/// Numbers of one format in memory of their own, zero at first, aligned to 64 bytes, or to 2 MiB if large, so that
/// Linux can back it with huge pages.
///
/// Kernels read the bytes in place. Not synchronised: write before sharing.
public final class ElementBuffer: @unchecked Sendable {
  /// The format of every element.
  public let element: ElementType
  /// Elements.
  public let count: Int
  /// The memory, `count · element.bytes` bytes; valid while the buffer lives.
  public let bytes: UnsafeMutableRawBufferPointer

  /// `count` zeros.
  public init(_ element: ElementType, count: Int) {
    self.element = element
    self.count = count
    let size = count * element.bytes
    let isLarge = size >= Self.hugePage
    bytes = .allocate(byteCount: size, alignment: isLarge ? Self.hugePage : 64)
    #if canImport(Glibc)
      // Advice: it may be refused, and then pages are small.
      if isLarge { _ = madvise(bytes.baseAddress, size, MADV_HUGEPAGE) }
    #endif
    bytes.initializeMemory(as: UInt8.self, repeating: 0)
  }

  /// `values`, each rounded to the nearest element (ties to even).
  public convenience init(_ element: ElementType, _ values: [Float]) {
    self.init(element, count: values.count)
    write(values, at: 0)
  }

  deinit { bytes.deallocate() }

  /// Rounds `values` to the nearest elements (ties to even) and stores them from index `start`.
  public func write(_ values: [Float], at start: Int) {
    precondition(start >= 0 && start + values.count <= count, "values are written within the buffer")
    values.withUnsafeBufferPointer {
      dist_attention_round(
        element.code, bytes.baseAddress.map { $0 + start * element.bytes }, $0.baseAddress, values.count)
    }
  }

  /// The elements in `range`, exactly.
  public func floats(_ range: Range<Int>) -> [Float] {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "elements are read within the buffer")
    return [Float](unsafeUninitializedCapacity: range.count) { target, initialised in
      dist_attention_widen(
        element.code, target.baseAddress,
        bytes.baseAddress.map { UnsafeRawPointer($0 + range.lowerBound * element.bytes) }, range.count)
      initialised = range.count
    }
  }

  /// The size of a huge page on x86-64 and on arm64 with 4 KiB pages.
  private static let hugePage = 1 << 21
}

extension ElementType {
  /// The format's number in the C kernel.
  var code: dist_attention_element {
    switch self {
    case .fp32: DIST_ATTENTION_FP32
    case .fp16: DIST_ATTENTION_FP16
    case .bf16: DIST_ATTENTION_BF16
    }
  }
}

extension ElementBuffer {
  /// Calls `body` with the elements in `range`, at most 256, exactly; no memory is allocated.
  func withFloats(_ range: Range<Int>, _ body: (UnsafeMutableBufferPointer<Float>) -> Void) {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: range.count) { row in
      dist_attention_widen(
        element.code, row.baseAddress,
        bytes.baseAddress.map { UnsafeRawPointer($0 + range.lowerBound * element.bytes) },
        range.count)
      body(row)
    }
  }
}
