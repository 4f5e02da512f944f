/// Who last touched a granule of memory, in 64 bits: a time in the upper 48, the thread and flags in the lower 16.
///
/// Time counts the memory and barrier instructions of all warps and never repeats, so records of earlier blocks and
/// launches need no clearing: their times are before the present one's start.
enum Access {
  static let threadMask: UInt64 = 0x7ff
  /// More than one thread of a warp, of a block, or of the grid.
  static let manyLanes: UInt64 = 1 << 11
  static let manyWarps: UInt64 = 1 << 12
  static let manyBlocks: UInt64 = 1 << 13
  /// By an atomic instruction.
  static let atomic: UInt64 = 1 << 14
  /// By an asynchronous copy that has not been waited for.
  static let pending: UInt64 = 1 << 15
}

/// What the present thread may rely on: accesses at or before these times are ordered before its own.
struct Order {
  /// The present.
  var now: UInt64 = 0
  /// The start of the launch and of the block.
  var launch: UInt64 = 0
  var block: UInt64 = 0
  /// The last barrier of the block.
  var barrier: UInt64 = 0
  /// The last barrier of all threads of the warp.
  var warp: UInt64 = 0
  var thread: UInt64 = 0
  /// Between which of the warp's lanes barriers of some lanes set an order: the time of lane b that lane a has seen, at
  /// 32 a + b; nil if there were none.
  var lanes: UnsafeMutablePointer<UInt64>?

  /// Whether the accesses of a record are ordered before this thread's next.
  @inline(__always)
  func follows(_ record: UInt64) -> Bool {
    let time = record >> 16
    if time <= barrier {
      // Before the block's start nothing but the end of a launch sets an order.
      return time < launch || time >= block || record == 0
    }
    if record & (Access.manyWarps | Access.manyBlocks) != 0 { return false }
    let other = record & Access.threadMask
    if other == thread && record & Access.manyLanes == 0 { return true }
    guard other >> 5 == thread >> 5 else { return false }
    if time <= warp { return true }
    guard let lanes, record & Access.manyLanes == 0 else { return false }
    return time <= lanes[Int((thread & 31) * 32 + (other & 31))]
  }

  /// The record of readers after this thread has read at `time`.
  @inline(__always)
  func reading(_ record: UInt64, at time: UInt64) -> UInt64 {
    let mine = time << 16 | thread
    let other = record & Access.threadMask
    if record & (Access.manyLanes | Access.manyWarps | Access.manyBlocks) == 0 && other == thread
      && record >> 16 >= block
    {
      return mine
    }
    if follows(record) { return mine }
    if record >> 16 < block || record & Access.manyBlocks != 0 { return mine | Access.manyBlocks }
    if record & Access.manyWarps != 0 || other >> 5 != thread >> 5 { return mine | Access.manyWarps }
    return mine | Access.manyLanes
  }
}

extension Access {
  /// What a record says, for an error.
  static func describe(_ record: UInt64, in order: Order) -> String {
    if record >> 16 < order.block || record & manyBlocks != 0 { return "a thread of another block" }
    if record & manyWarps != 0 { return "threads of several warps" }
    if record & manyLanes != 0 { return "threads of warp \((record & threadMask) >> 5)" }
    return "thread \(record & threadMask)"
  }
}
