/// What a launch did, counted.
public struct LaunchStatistics: Hashable, Sendable {
  /// Instructions of warps, and of threads (a warp's instruction counts once per active thread).
  public var warpInstructions = 0
  /// As above.
  public var threadInstructions = 0
  /// Warp shuffles, block barriers (per warp) and warp barriers.
  public var shuffles = 0
  /// As above.
  public var barriers = 0
  /// As above.
  public var warpBarriers = 0
  /// Bytes that threads asked of global memory, asynchronous copies included.
  public var globalBytesRead = 0
  /// Bytes that threads wrote there.
  public var globalBytesWritten = 0
  /// Sectors of 32 bytes that warps touched reading, neighbouring lanes together.
  public var globalSectorsRead = 0
  /// Passes over the 32 banks that loads and stores of shared memory took, and those that they would take without two
  /// lanes wanting different words of a bank: one for each 128 bytes of all lanes. Counted in detailed runs.
  public var sharedPasses = 0
  /// As above.
  public var sharedPassesNeeded = 0
  /// Blocks that ran.
  public var blocks = 0

  /// Nothing yet.
  public init() {}

  /// Adds what another launch did.
  public static func += (left: inout LaunchStatistics, right: LaunchStatistics) {
    left.warpInstructions += right.warpInstructions
    left.threadInstructions += right.threadInstructions
    left.shuffles += right.shuffles
    left.barriers += right.barriers
    left.warpBarriers += right.warpBarriers
    left.globalBytesRead += right.globalBytesRead
    left.globalBytesWritten += right.globalBytesWritten
    left.globalSectorsRead += right.globalSectorsRead
    left.sharedPasses += right.sharedPasses
    left.sharedPassesNeeded += right.sharedPassesNeeded
    left.blocks += right.blocks
  }
}
