/// The fundamental types of PTX.
enum PTXType: String {
  case pred, b8, u8, s8, b16, u16, s16, f16, bf16, b32, u32, s32, f32, b64, u64, s64, f64

  /// Bytes of a value; 0 for a predicate.
  var bytes: Int {
    switch self {
    case .pred: 0
    case .b8, .u8, .s8: 1
    case .b16, .u16, .s16, .f16, .bf16: 2
    case .b32, .u32, .s32, .f32: 4
    case .b64, .u64, .s64, .f64: 8
    }
  }

  var isSigned: Bool { self == .s8 || self == .s16 || self == .s32 || self == .s64 }
  var isFloat: Bool { self == .f16 || self == .bf16 || self == .f32 || self == .f64 }

  /// Bytes of a register that holds a value: there are none of 8 bits.
  var registerBytes: Int { bytes == 1 ? 2 : bytes }
}

/// The state spaces of PTX.
enum Space: String {
  case generic, global, shared, local, const, param
}
