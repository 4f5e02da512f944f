import CDistAttention

/// The number formats of queries, keys and values.
public enum ElementType: String, CaseIterable, Hashable, Sendable {
  /// IEEE 754 binary32.
  case fp32
  /// IEEE 754 binary16.
  case fp16
  /// The upper half of a binary32.
  case bf16

  /// Bytes of one element.
  public var bytes: Int { self == .fp32 ? 4 : 2 }

  /// The distance from 1 to the next number: 2⁻²³, 2⁻¹⁰, 2⁻⁷.
  public var epsilon: Double {
    switch self {
    case .fp32: 0x1p-23
    case .fp16: 0x1p-10
    case .bf16: 0x1p-7
    }
  }

  /// `value` rounded to the nearest number of this format, ties to even.
  public func rounded(_ value: Float) -> Float {
    var result = value
    switch self {
    case .fp32: break
    case .fp16, .bf16:
      withUnsafeTemporaryAllocation(of: UInt16.self, capacity: 1) { bits in
        withUnsafePointer(to: value) { dist_attention_round(code, bits.baseAddress, $0, 1) }
        dist_attention_widen(code, &result, bits.baseAddress, 1)
      }
    }
    return result
  }
}
