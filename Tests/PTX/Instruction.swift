/// What an instruction does, apart from its type.
enum Operation {
  case mov, pack, unpack, selp, cvt
  case add, sub, mul, mulHigh, mulWide, mad, madHigh, madWide, fma, div, rem, neg, abs, min, max
  case sqrt, rsqrt, reciprocal, exp2, log2, sin, cos, divApproximate
  case and, or, xor, not, shl, shr, funnelLeft, funnelRight, lop3, permute
  case bitExtract, bitInsert, popc, clz, reverse
  case setp, addPointer
  case load, store, loadParameter, atomic, reduce
  case copyAsync, commitCopies, waitCopies
  case shuffleUp, shuffleDown, shuffleXor, shuffleIndex, ballot, voteAny, voteAll, activeMask
  case barrier, warpBarrier, fence, branch, exit, trap
}

/// Comparisons of `setp`; the last eight are true if an operand is a NaN (`num`: if none is).
enum Comparison: String {
  case eq, ne, lt, le, gt, ge, lo, ls, hi, hs
  case equ, neu, ltu, leu, gtu, geu, num, nan
}

/// How predicates are combined.
enum Combination: String {
  case and, or, xor
}

/// How a conversion rounds.
enum Rounding: String {
  /// To the nearest number, ties to even; toward zero; down; up.
  case rn, rz, rm, rp
  /// The same, to an integer.
  case rni, rzi, rmi, rpi
}

/// What an atomic does with the old value.
enum AtomicOperation: String {
  case add, min, max, and, or, xor, exch, cas
}

/// A decoded instruction. Operands are byte offsets into a warp's register file, where immediates lie as well.
struct Instruction {
  var operation: Operation
  var type: PTXType = .b32
  /// The source's type of a conversion.
  var sourceType: PTXType = .b32
  var line: Int32
  /// The predicate that guards it, -1 for none.
  var guardOffset: Int32 = -1
  var guardIsNegated = false
  /// Bytes of the registers that a load, store or conversion writes and reads.
  var destinationBytes: UInt8 = 0
  var sourceBytes: UInt8 = 0
  /// Destination and sources; -1 for none.
  var d: Int32 = -1
  var a: Int32 = -1
  var b: Int32 = -1
  var c: Int32 = -1
  var e: Int32 = -1
  /// The registers of a vector.
  var vector: (Int32, Int32, Int32, Int32) = (-1, -1, -1, -1)
  var vectorCount: Int32 = 1
  /// Offset of an address, target of a branch, a wait's count, a table.
  var immediate: Int = 0
  var space: Space = .generic
  var comparison: Comparison = .eq
  var combination: Combination?
  var combinedIsNegated = false
  var rounding: Rounding?
  var flushes = false
  /// Whether it errs as an approximation may.
  var isApproximate = false
  var isVolatile = false
  var atomic: AtomicOperation = .add

  init(_ operation: Operation, line: Int) {
    self.operation = operation
    self.line = Int32(line)
  }
}

/// A kernel, ready to run.
public struct Kernel: Sendable {
  /// A parameter: where it lies among the bytes of all, and its size.
  public struct Parameter: Hashable, Sendable {
    /// From the first byte of all.
    public var offset: Int
    /// Its size.
    public var bytes: Int
  }

  /// As in the text.
  public var name: String
  /// In their order.
  public internal(set) var parameters: [Parameter] = []
  /// Bytes of static shared memory.
  public internal(set) var sharedBytes = 0
  /// Bytes of local memory per thread.
  public internal(set) var localBytes = 0
  /// The largest block by `.maxntid` or `.reqntid`; nil if it does not say.
  public internal(set) var maxThreads: Int?
  var parameterNames: [String] = []
  var instructions: [Instruction] = []
  /// Bytes of a warp's register file.
  var registerBytes = 0
  /// Values that lie in the register file from the start, alike in all lanes: offset, bytes of a lane, value.
  var constants: [(offset: Int, bytes: Int, value: UInt64)] = []
  /// Special registers that it reads.
  var specials: [(name: String, offset: Int)] = []
  /// The smallest access to shared and to global memory: what races are told apart by.
  var sharedGranule = 4
  var globalGranule = 4

  /// Bytes of all parameters.
  public var parameterBytes: Int { parameters.last.map { $0.offset + $0.bytes } ?? 0 }
}
