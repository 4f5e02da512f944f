#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Calls `body` with each lane of a mask.
@inline(__always)
func each(_ mask: UInt32, _ body: (Int) -> Void) {
  if mask == .max {
    for lane in 0..<32 { body(lane) }
  } else {
    var rest = mask
    while rest != 0 {
      body(rest.trailingZeroBitCount)
      rest &= rest &- 1
    }
  }
}

/// Instructions that only compute: registers in, registers out, lane by lane.
extension BlockRun {
  func compute(_ warp: Warp, _ instruction: UnsafePointer<Instruction>, _ active: UInt32) {
    switch instruction.pointee.operation {
    case .setp: compare(warp, instruction, active)
    case .cvt: convert(warp, instruction, active)
    case .selp: select(warp, instruction, active)
    case .pack, .unpack: repack(warp, instruction, active)
    case .activeMask:
      let d = warp.lanes(instruction.pointee.d, UInt32.self)
      each(active) { d[$0] = active }
    case .mulWide, .madWide: wide(warp, instruction, active)
    case .popc, .clz, .reverse: count(warp, instruction, active)
    default:
      switch instruction.pointee.type {
      case .pred: predicates(warp, instruction, active)
      case .f32: float(warp, instruction, active)
      case .f64: double(warp, instruction, active)
      case .s16: integer(warp, instruction, active, Int16.self)
      case .u16, .b16, .f16, .bf16, .b8, .u8, .s8: integer(warp, instruction, active, UInt16.self)
      case .s32: integer(warp, instruction, active, Int32.self)
      case .u32, .b32: integer(warp, instruction, active, UInt32.self)
      case .s64: integer(warp, instruction, active, Int64.self)
      case .u64, .b64: integer(warp, instruction, active, UInt64.self)
      }
    }
  }

  // MARK: - Shapes of instructions

  @inline(__always)
  private func unary<T, R>(
    _ warp: Warp, _ i: UnsafePointer<Instruction>, _ active: UInt32, _ f: (T) -> R
  ) {
    let (d, a): (UnsafeMutablePointer<R>, UnsafeMutablePointer<T>) = (
      warp.lanes(i.pointee.d), warp.lanes(i.pointee.a)
    )
    each(active) { d[$0] = f(a[$0]) }
  }

  @inline(__always)
  private func binary<T>(
    _ warp: Warp, _ i: UnsafePointer<Instruction>, _ active: UInt32, _ f: (T, T) -> T
  ) {
    let d: UnsafeMutablePointer<T> = warp.lanes(i.pointee.d)
    let a: UnsafeMutablePointer<T> = warp.lanes(i.pointee.a)
    let b: UnsafeMutablePointer<T> = warp.lanes(i.pointee.b)
    each(active) { d[$0] = f(a[$0], b[$0]) }
  }

  @inline(__always)
  private func ternary<T>(
    _ warp: Warp, _ i: UnsafePointer<Instruction>, _ active: UInt32, _ f: (T, T, T) -> T
  ) {
    let d: UnsafeMutablePointer<T> = warp.lanes(i.pointee.d)
    let a: UnsafeMutablePointer<T> = warp.lanes(i.pointee.a)
    let b: UnsafeMutablePointer<T> = warp.lanes(i.pointee.b)
    let c: UnsafeMutablePointer<T> = warp.lanes(i.pointee.c)
    each(active) { d[$0] = f(a[$0], b[$0], c[$0]) }
  }

  /// Shifts and bit fields: the operand beside `a` is always of 32 bits.
  @inline(__always)
  private func shift<T>(
    _ warp: Warp, _ i: UnsafePointer<Instruction>, _ active: UInt32, _ f: (T, UInt32) -> T
  ) {
    let d: UnsafeMutablePointer<T> = warp.lanes(i.pointee.d)
    let a: UnsafeMutablePointer<T> = warp.lanes(i.pointee.a)
    let b: UnsafeMutablePointer<UInt32> = warp.lanes(i.pointee.b)
    each(active) { d[$0] = f(a[$0], b[$0]) }
  }

  // MARK: - Integers

  @inline(__always)
  private func integer<T: FixedWidthInteger>(
    _ warp: Warp, _ i: UnsafePointer<Instruction>, _ active: UInt32, _: T.Type
  ) {
    switch i.pointee.operation {
    case .mov: unary(warp, i, active) { (a: T) -> T in a }
    case .add: binary(warp, i, active) { (a: T, b: T) in a &+ b }
    case .sub: binary(warp, i, active) { (a: T, b: T) in a &- b }
    case .mul: binary(warp, i, active) { (a: T, b: T) in a &* b }
    case .mulHigh: binary(warp, i, active) { (a: T, b: T) in a.multipliedFullWidth(by: b).high }
    case .mad: ternary(warp, i, active) { (a: T, b: T, c: T) in a &* b &+ c }
    case .madHigh: ternary(warp, i, active) { (a: T, b: T, c: T) in a.multipliedFullWidth(by: b).high &+ c }
    // A division by zero gives an unspecified value.
    case .div:
      binary(warp, i, active) { (a: T, b: T) in b == 0 ? ~0 : a.dividedReportingOverflow(by: b).partialValue }
    case .rem:
      binary(warp, i, active) { (a: T, b: T) in
        b == 0 ? ~0 : a.remainderReportingOverflow(dividingBy: b).partialValue
      }
    case .neg: unary(warp, i, active) { (a: T) -> T in 0 &- a }
    case .abs: unary(warp, i, active) { (a: T) -> T in a < 0 ? 0 &- a : a }
    case .min: binary(warp, i, active) { (a: T, b: T) in Swift.min(a, b) }
    case .max: binary(warp, i, active) { (a: T, b: T) in Swift.max(a, b) }
    case .and: binary(warp, i, active) { (a: T, b: T) in a & b }
    case .or: binary(warp, i, active) { (a: T, b: T) in a | b }
    case .xor: binary(warp, i, active) { (a: T, b: T) in a ^ b }
    case .not: unary(warp, i, active) { (a: T) -> T in ~a }
    // Shifts by more than the width give zeros, or signs.
    case .shl: shift(warp, i, active) { (a: T, b) in a << b }
    case .shr: shift(warp, i, active) { (a: T, b) in a >> b }
    case .addPointer:
      let offset = T(truncatingIfNeeded: i.pointee.immediate)
      unary(warp, i, active) { (a: T) -> T in a &+ offset }
    case .funnelLeft:
      bits32(warp, i, active) { a, b, c in c & 31 == 0 ? b : b << (c & 31) | a >> (32 - c & 31) }
    case .funnelRight:
      bits32(warp, i, active) { a, b, c in c & 31 == 0 ? a : a >> (c & 31) | b << (32 - c & 31) }
    case .lop3:
      let table = UInt32(i.pointee.immediate)
      bits32(warp, i, active) { a, b, c in
        var result: UInt32 = 0
        for row: UInt32 in 0..<8 where table >> row & 1 != 0 {
          result |= (row & 4 != 0 ? a : ~a) & (row & 2 != 0 ? b : ~b) & (row & 1 != 0 ? c : ~c)
        }
        return result
      }
    case .permute:
      bits32(warp, i, active) { a, b, c in
        let bytes = UInt64(b) << 32 | UInt64(a)
        var result: UInt32 = 0
        for k: UInt32 in 0..<4 {
          let selector = c >> (4 * k) & 15
          var byte = UInt32(bytes >> (8 * UInt64(selector & 7)) & 255)
          if selector & 8 != 0 { byte = byte & 128 != 0 ? 255 : 0 }
          result |= byte << (8 * k)
        }
        return result
      }
    case .bitExtract:
      let d: UnsafeMutablePointer<T> = warp.lanes(i.pointee.d)
      let a: UnsafeMutablePointer<T> = warp.lanes(i.pointee.a)
      let position = warp.lanes(i.pointee.b, UInt32.self)
      let length = warp.lanes(i.pointee.c, UInt32.self)
      each(active) { lane in
        let (from, count) = (Int(position[lane] & 255), Int(length[lane] & 255))
        // Bits beyond the top are the sign of what is taken.
        let kept = Swift.min(count, T.bitWidth - Swift.min(from, T.bitWidth))
        let sign: T =
          T.isSigned && count > 0 && a[lane] >> Swift.min(from + count - 1, T.bitWidth - 1) & 1 != 0 ? ~0 : 0
        let field = kept >= T.bitWidth ? a[lane] : a[lane] >> from & ~(~0 << kept)
        d[lane] = kept >= T.bitWidth ? field : field | sign << kept
      }
    case .bitInsert:
      let d: UnsafeMutablePointer<T> = warp.lanes(i.pointee.d)
      let field: UnsafeMutablePointer<T> = warp.lanes(i.pointee.a)
      let base: UnsafeMutablePointer<T> = warp.lanes(i.pointee.e)
      let position = warp.lanes(i.pointee.b, UInt32.self)
      let length = warp.lanes(i.pointee.c, UInt32.self)
      each(active) { lane in
        let mask: T =
          ~(~0 << T(truncatingIfNeeded: length[lane] & 255)) << T(truncatingIfNeeded: position[lane] & 255)
        d[lane] = base[lane] & ~mask | field[lane] << T(truncatingIfNeeded: position[lane] & 255) & mask
      }
    default: preconditionFailure("the decoder lets no \(i.pointee.operation) of integers pass")
    }
  }

  @inline(__always)
  private func bits32(
    _ warp: Warp, _ i: UnsafePointer<Instruction>, _ active: UInt32, _ f: (UInt32, UInt32, UInt32) -> UInt32
  ) { ternary(warp, i, active, f) }

  private func wide(_ warp: Warp, _ i: UnsafePointer<Instruction>, _ active: UInt32) {
    @inline(__always)
    func run<T: FixedWidthInteger, R: FixedWidthInteger>(_: T.Type, _: R.Type) {
      let d: UnsafeMutablePointer<R> = warp.lanes(i.pointee.d)
      let a: UnsafeMutablePointer<T> = warp.lanes(i.pointee.a)
      let b: UnsafeMutablePointer<T> = warp.lanes(i.pointee.b)
      if i.pointee.operation == .mulWide {
        each(active) { d[$0] = R(a[$0]) &* R(b[$0]) }
      } else {
        let c: UnsafeMutablePointer<R> = warp.lanes(i.pointee.c)
        each(active) { d[$0] = R(a[$0]) &* R(b[$0]) &+ c[$0] }
      }
    }
    switch i.pointee.type {
    case .u16: run(UInt16.self, UInt32.self)
    case .s16: run(Int16.self, Int32.self)
    case .u32: run(UInt32.self, UInt64.self)
    default: run(Int32.self, Int64.self)
    }
  }

  private func count(_ warp: Warp, _ i: UnsafePointer<Instruction>, _ active: UInt32) {
    let is64 = i.pointee.type.bytes == 8
    switch i.pointee.operation {
    case .popc:
      if is64 {
        unary(warp, i, active) { (a: UInt64) in UInt32(a.nonzeroBitCount) }
      } else {
        unary(warp, i, active) { (a: UInt32) in UInt32(a.nonzeroBitCount) }
      }
    case .clz:
      if is64 {
        unary(warp, i, active) { (a: UInt64) in UInt32(a.leadingZeroBitCount) }
      } else {
        unary(warp, i, active) { (a: UInt32) in UInt32(a.leadingZeroBitCount) }
      }
    default:
      func reversed<T: FixedWidthInteger>(_ a: T) -> T {
        var result: T = 0
        for bit in 0..<T.bitWidth where a >> bit & 1 != 0 { result |= 1 << (T.bitWidth - 1 - bit) }
        return result
      }
      if is64 {
        unary(warp, i, active) { (a: UInt64) in reversed(a) }
      } else {
        unary(warp, i, active) { (a: UInt32) in reversed(a) }
      }
    }
  }

  // MARK: - Predicates

  private func predicates(_ warp: Warp, _ i: UnsafePointer<Instruction>, _ active: UInt32) {
    let a = warp.lanes(i.pointee.a, UInt32.self)[0]
    let b = i.pointee.b >= 0 ? warp.lanes(i.pointee.b, UInt32.self)[0] : 0
    let value: UInt32 =
      switch i.pointee.operation {
      case .mov: a
      case .not: ~a
      case .and: a & b
      case .or: a | b
      case .xor: a ^ b
      default: preconditionFailure("the decoder lets no \(i.pointee.operation) of predicates pass")
      }
    assign(warp, i.pointee.d, value, active)
  }

  /// Sets a predicate in the active lanes.
  @inline(__always)
  func assign(_ warp: Warp, _ offset: Int32, _ value: UInt32, _ active: UInt32) {
    guard offset >= 0 else { return }
    let d = warp.lanes(offset, UInt32.self)
    d[0] = d[0] & ~active | value & active
  }

  private func compare(_ warp: Warp, _ i: UnsafePointer<Instruction>, _ active: UInt32) {
    @inline(__always)
    func mask<T>(_: T.Type, _ f: (T, T) -> Bool) -> UInt32 {
      let (a, b): (UnsafeMutablePointer<T>, UnsafeMutablePointer<T>) = (
        warp.lanes(i.pointee.a), warp.lanes(i.pointee.b)
      )
      var mask: UInt32 = 0
      for lane in 0..<32 { mask |= (f(a[lane], b[lane]) ? 1 : 0) << UInt32(lane) }
      return mask
    }
    @inline(__always)
    func ordered<T: Comparable>(_: T.Type) -> UInt32 {
      switch i.pointee.comparison {
      case .eq: mask(T.self, ==)
      case .ne: mask(T.self, !=)
      case .lt, .lo: mask(T.self, <)
      case .le, .ls: mask(T.self, <=)
      case .gt, .hi: mask(T.self, >)
      default: mask(T.self, >=)
      }
    }
    @inline(__always)
    func floating<T: BinaryFloatingPoint>(_: T.Type) -> UInt32 {
      switch i.pointee.comparison {
      case .ne: mask(T.self) { $0 < $1 || $0 > $1 }
      case .equ: mask(T.self) { !($0 < $1 || $0 > $1) }
      case .neu: mask(T.self, !=)
      case .ltu: mask(T.self) { !($0 >= $1) }
      case .leu: mask(T.self) { !($0 > $1) }
      case .gtu: mask(T.self) { !($0 <= $1) }
      case .geu: mask(T.self) { !($0 < $1) }
      case .num: mask(T.self) { $0 == $0 && $1 == $1 }
      case .nan: mask(T.self) { $0 != $0 || $1 != $1 }
      default: ordered(T.self)
      }
    }
    // `lo`, `ls`, `hi` and `hs` compare without sign whatever the type.
    let isUnsigned = [.lo, .ls, .hi, .hs].contains(i.pointee.comparison)
    var result: UInt32 =
      switch i.pointee.type {
      case .f32: floating(Float.self)
      case .f64: floating(Double.self)
      case .s16 where !isUnsigned: ordered(Int16.self)
      case .s32 where !isUnsigned: ordered(Int32.self)
      case .s64 where !isUnsigned: ordered(Int64.self)
      case .u16, .b16, .s16: ordered(UInt16.self)
      case .u64, .b64, .s64: ordered(UInt64.self)
      default: ordered(UInt32.self)
      }
    var other = ~result
    if let combination = i.pointee.combination {
      var third = warp.lanes(i.pointee.c, UInt32.self)[0]
      if i.pointee.combinedIsNegated { third = ~third }
      switch combination {
      case .and: (result, other) = (result & third, other & third)
      case .or: (result, other) = (result | third, other | third)
      case .xor: (result, other) = (result ^ third, other ^ third)
      }
    }
    assign(warp, i.pointee.d, result, active)
    assign(warp, i.pointee.e, other, active)
  }

  private func select(_ warp: Warp, _ i: UnsafePointer<Instruction>, _ active: UInt32) {
    let chosen = warp.lanes(i.pointee.c, UInt32.self)[0]
    @inline(__always)
    func run<T>(_: T.Type) {
      let d: UnsafeMutablePointer<T> = warp.lanes(i.pointee.d)
      let (a, b): (UnsafeMutablePointer<T>, UnsafeMutablePointer<T>) = (
        warp.lanes(i.pointee.a), warp.lanes(i.pointee.b)
      )
      each(active) { d[$0] = chosen >> UInt32($0) & 1 != 0 ? a[$0] : b[$0] }
    }
    switch i.pointee.type.registerBytes {
    case 2: run(UInt16.self)
    case 4: run(UInt32.self)
    default: run(UInt64.self)
    }
  }

  // MARK: - Moves of parts

  private func repack(_ warp: Warp, _ i: UnsafePointer<Instruction>, _ active: UInt32) {
    let parts = [i.pointee.vector.0, i.pointee.vector.1, i.pointee.vector.2, i.pointee.vector.3]
    let count = Int(i.pointee.vectorCount)
    let bits = UInt64(i.pointee.sourceType.bytes * 8)
    let whole = i.pointee.type.bytes
    let isPack = i.pointee.operation == .pack
    each(active) { lane in
      if isPack {
        var value: UInt64 = 0
        for part in 0..<count {
          value |= get(warp, parts[part], Int(bits / 8), lane) << (bits * UInt64(part))
        }
        set(warp, i.pointee.d, whole, lane, value)
      } else {
        let value = get(warp, i.pointee.a, whole, lane)
        for part in 0..<count { set(warp, parts[part], Int(bits / 8), lane, value >> (bits * UInt64(part))) }
      }
    }
  }

  /// The bits of a register of `bytes` in one lane.
  @inline(__always)
  func get(_ warp: Warp, _ offset: Int32, _ bytes: Int, _ lane: Int) -> UInt64 {
    switch bytes {
    case 2: UInt64(warp.lanes(offset, UInt16.self)[lane])
    case 4: UInt64(warp.lanes(offset, UInt32.self)[lane])
    default: warp.lanes(offset, UInt64.self)[lane]
    }
  }

  @inline(__always)
  func set(_ warp: Warp, _ offset: Int32, _ bytes: Int, _ lane: Int, _ value: UInt64) {
    guard offset >= 0 else { return }
    switch bytes {
    case 2: warp.lanes(offset, UInt16.self)[lane] = UInt16(truncatingIfNeeded: value)
    case 4: warp.lanes(offset, UInt32.self)[lane] = UInt32(truncatingIfNeeded: value)
    default: warp.lanes(offset, UInt64.self)[lane] = value
    }
  }

  // MARK: - Floating point

  private func float(_ warp: Warp, _ i: UnsafePointer<Instruction>, _ active: UInt32) {
    let isApproximate = i.pointee.isApproximate
    switch i.pointee.operation {
    case .mov: unary(warp, i, active) { (a: UInt32) -> UInt32 in a }
    case .add: binary(warp, i, active) { (a: Float, b: Float) in a + b }
    case .sub: binary(warp, i, active) { (a: Float, b: Float) in a - b }
    case .mul: binary(warp, i, active) { (a: Float, b: Float) in a * b }
    case .fma: ternary(warp, i, active) { (a: Float, b: Float, c: Float) in fmaf(a, b, c) }
    case .div: binary(warp, i, active) { (a: Float, b: Float) in a / b }
    // 2 ulp: PTX ISA, div.full and div.approx.
    case .divApproximate:
      binary(warp, i, active) { (a: Float, b: Float) in Self.approximate(a / b, a, ulps: 2) }
    case .neg: unary(warp, i, active) { (a: UInt32) -> UInt32 in a ^ 0x8000_0000 }
    case .abs: unary(warp, i, active) { (a: UInt32) -> UInt32 in a & 0x7fff_ffff }
    // The other operand if one is a NaN, and -0 < +0.
    case .min: binary(warp, i, active) { (a: Float, b: Float) in Float.minimum(a, b) }
    case .max: binary(warp, i, active) { (a: Float, b: Float) in Float.maximum(a, b) }
    // PTX ISA: ex2.approx errs by 2 units in the last place, rcp.approx by 1; the others' errors, near 2^-22 relative or
    // absolute, are taken as 1 or 2 units.
    case .sqrt:
      unary(warp, i, active) { (a: Float) in
        isApproximate ? Self.approximate(a.squareRoot(), a, ulps: 2) : a.squareRoot()
      }
    case .rsqrt:
      unary(warp, i, active) { (a: Float) in Self.approximate(Float(1 / Double(a).squareRoot()), a, ulps: 2) }
    case .reciprocal:
      unary(warp, i, active) { (a: Float) in isApproximate ? Self.approximate(1 / a, a, ulps: 1) : 1 / a }
    case .exp2:
      let flushes = i.pointee.flushes
      unary(warp, i, active) { (a: Float) in
        let result = Float(exp2(Double(flushes && a.isSubnormal ? 0 : a)))
        return flushes && result.isSubnormal ? 0 : Self.approximate(result, a, ulps: 2)
      }
    case .log2: unary(warp, i, active) { (a: Float) in Self.approximate(Float(log2(Double(a))), a, ulps: 1) }
    case .sin: unary(warp, i, active) { (a: Float) in Self.approximate(Float(sin(Double(a))), a, ulps: 1) }
    case .cos: unary(warp, i, active) { (a: Float) in Self.approximate(Float(cos(Double(a))), a, ulps: 1) }
    default: preconditionFailure("the decoder lets no \(i.pointee.operation) of floats pass")
    }
  }

  /// `exact` off by up to `ulps` units in the last place, as a GPU's may be: by how much, its input decides. Exact at
  /// an input of 0, where the ISA demands it, and if not finite.
  @inline(__always)
  private static func approximate(_ exact: Float, _ input: Float, ulps: Int32) -> Float {
    guard exact.isFinite, exact != 0, input != 0 else { return exact }
    let mixed = input.bitPattern &* 0x9e37_79b1
    let off = Int32(mixed >> 16) % (2 * ulps + 1) - ulps
    return Float(bitPattern: UInt32(bitPattern: Int32(bitPattern: exact.bitPattern) &+ off))
  }

  private func double(_ warp: Warp, _ i: UnsafePointer<Instruction>, _ active: UInt32) {
    switch i.pointee.operation {
    case .mov: unary(warp, i, active) { (a: UInt64) -> UInt64 in a }
    case .add: binary(warp, i, active) { (a: Double, b: Double) in a + b }
    case .sub: binary(warp, i, active) { (a: Double, b: Double) in a - b }
    case .mul: binary(warp, i, active) { (a: Double, b: Double) in a * b }
    case .fma: ternary(warp, i, active) { (a: Double, b: Double, c: Double) in c.addingProduct(a, b) }
    case .div: binary(warp, i, active) { (a: Double, b: Double) in a / b }
    case .neg: unary(warp, i, active) { (a: Double) in -a }
    case .abs: unary(warp, i, active) { (a: Double) in abs(a) }
    case .min: binary(warp, i, active) { (a: Double, b: Double) in Double.minimum(a, b) }
    case .max: binary(warp, i, active) { (a: Double, b: Double) in Double.maximum(a, b) }
    case .sqrt: unary(warp, i, active) { (a: Double) in a.squareRoot() }
    case .reciprocal: unary(warp, i, active) { (a: Double) in 1 / a }
    default: preconditionFailure("the decoder lets no \(i.pointee.operation) of doubles pass")
    }
  }

  // MARK: - Conversions

  private func convert(_ warp: Warp, _ i: UnsafePointer<Instruction>, _ active: UInt32) {
    let (to, from) = (i.pointee.type, i.pointee.sourceType)
    let (d, a) = (i.pointee.d, i.pointee.a)
    let (dBytes, aBytes) = (Int(i.pointee.destinationBytes), Int(i.pointee.sourceBytes))
    let rounding = i.pointee.rounding
    each(active) { lane in
      let bits = get(warp, a, aBytes, lane)
      let result: UInt64
      if from.isFloat {
        let value: Double =
          switch from {
          case .f16: Double(Self.half(UInt16(truncatingIfNeeded: bits)))
          case .f32: Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits)))
          default: Double(bitPattern: bits)
          }
        result = to.isFloat ? Self.round(value, to, rounding) : Self.integer(value, to, rounding)
      } else {
        let value = Self.extended(bits, from)
        if to.isFloat {
          result = Self.float(value, isSigned: from.isSigned, to, rounding)
        } else {
          result = UInt64(bitPattern: value)
        }
      }
      // The register may be wider than the type: signs, or zeros.
      set(warp, d, dBytes, lane, to.isFloat ? result : UInt64(bitPattern: Self.extended(result, to)))
    }
  }

  /// The low bits of a value of `type`, with its sign or with zeros above.
  @inline(__always)
  static func extended(_ bits: UInt64, _ type: PTXType) -> Int64 {
    switch type {
    case .s8: Int64(Int8(truncatingIfNeeded: bits))
    case .u8, .b8: Int64(UInt8(truncatingIfNeeded: bits))
    case .s16: Int64(Int16(truncatingIfNeeded: bits))
    case .u16, .b16: Int64(UInt16(truncatingIfNeeded: bits))
    case .s32: Int64(Int32(truncatingIfNeeded: bits))
    case .u32, .b32: Int64(UInt32(truncatingIfNeeded: bits))
    default: Int64(bitPattern: bits)
    }
  }

  private static func rule(_ rounding: Rounding?) -> FloatingPointRoundingRule? {
    switch rounding {
    case .rni: .toNearestOrEven
    case .rzi: .towardZero
    case .rmi: .down
    case .rpi: .up
    default: nil
    }
  }

  private static func round(_ value: Double, _ to: PTXType, _ rounding: Rounding?) -> UInt64 {
    let value = rule(rounding).map { value.rounded($0) } ?? value
    switch to {
    case .f64: return value.bitPattern
    case .f32: return UInt64(Float(value).bitPattern)
    case .f16: return UInt64(halfBits(Float(value)))
    default:
      // bf16, ties to even.
      let bits = Float(value).bitPattern
      return Float(value).isNaN ? 0x7fff : UInt64((bits &+ 0x7fff &+ (bits >> 16 & 1)) >> 16)
    }
  }

  /// Rounded to an integer, and to the nearest end of the type's range beyond it; 0 for a NaN.
  private static func integer(_ value: Double, _ to: PTXType, _ rounding: Rounding?) -> UInt64 {
    let whole = value.rounded(rule(rounding) ?? .towardZero)
    func clamped<T: FixedWidthInteger>(_: T.Type) -> UInt64 {
      if whole.isNaN { return 0 }
      return UInt64(truncatingIfNeeded: T(exactly: whole) ?? (whole < 0 ? T.min : T.max))
    }
    return switch to {
    case .s8: clamped(Int8.self)
    case .u8: clamped(UInt8.self)
    case .s16: clamped(Int16.self)
    case .u16: clamped(UInt16.self)
    case .s32: clamped(Int32.self)
    case .u32: clamped(UInt32.self)
    case .s64: clamped(Int64.self)
    default: clamped(UInt64.self)
    }
  }

  private static func float(_ value: Int64, isSigned: Bool, _ to: PTXType, _ rounding: Rounding?) -> UInt64 {
    if to == .f64 { return (isSigned ? Double(value) : Double(UInt64(bitPattern: value))).bitPattern }
    var result = isSigned ? Float(value) : Float(UInt64(bitPattern: value))
    if rounding == .rz {
      let isAbove =
        isSigned
        ? abs(Double(result)) > abs(Double(value)) : Double(result) > Double(UInt64(bitPattern: value))
      if isAbove { result = result > 0 ? result.nextDown : result.nextUp }
    }
    return UInt64(result.bitPattern)
  }

  /// IEEE binary16 to binary32, exactly.
  static func half(_ bits: UInt16) -> Float {
    let sign: Float = bits & 0x8000 != 0 ? -1 : 1
    let (exponent, fraction) = (Int(bits >> 10 & 31), Float(bits & 1023))
    switch exponent {
    case 0: return sign * fraction * 0x1p-24
    case 31: return fraction == 0 ? sign * .infinity : .nan
    default:
      return sign * (1 + fraction * 0x1p-10) * Float(sign: .plus, exponent: exponent - 15, significand: 1)
    }
  }

  /// To the nearest binary16, ties to even.
  private static func halfBits(_ value: Float) -> UInt16 {
    let sign: UInt16 = value.sign == .minus ? 0x8000 : 0
    let magnitude = abs(value)
    if value.isNaN { return 0x7fff }
    if magnitude >= 65520 { return sign | 0x7c00 }
    // Units of the last place: 2^-24 below 2^-14, then ten bits below the leading one.
    let exponent = max(magnitude == 0 ? -14 : Int(magnitude.exponent), -14)
    let units = (magnitude * Float(sign: .plus, exponent: 10 - exponent, significand: 1)).rounded(
      .toNearestOrEven)
    return sign | UInt16(exponent + 14) << 10 &+ UInt16(units)
  }
}
