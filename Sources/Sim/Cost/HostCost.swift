/// CPU time of one iteration: scheduling, input preparation, sampling, post-processing, and telling the workers.
public struct HostCost: Hashable, Sendable {
  /// One GPU: constant, µs.
  public var single: Double
  /// One GPU: per sequence of the batch, µs.
  public var singlePerSequence: Double
  /// More than one GPU: constant, µs.
  public var sharded: Double
  /// More than one GPU: per sequence of the batch, µs.
  public var shardedPerSequence: Double

  /// Takes the parts as they are.
  public init(single: Double, singlePerSequence: Double, sharded: Double, shardedPerSequence: Double) {
    self.single = single
    self.singlePerSequence = singlePerSequence
    self.sharded = sharded
    self.shardedPerSequence = shardedPerSequence
  }

  /// No host time at all: a bound.
  public static let none = HostCost(single: 0, singlePerSequence: 0, sharded: 0, shardedPerSequence: 0)

  /// Constant part for an instance of `gpus` GPUs, µs.
  public func base(gpus: Int) -> Double { gpus == 1 ? single : sharded }

  /// Part of each sequence of the batch for an instance of `gpus` GPUs, µs.
  public func perSequence(gpus: Int) -> Double { gpus == 1 ? singlePerSequence : shardedPerSequence }
}
