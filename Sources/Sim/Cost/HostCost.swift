/// CPU time of one iteration: scheduling, input preparation, sampling, post-processing.
public struct HostCost: Hashable, Sendable {
  /// One GPU: constant, µs.
  public var single: Double
  /// One GPU: per sequence of the batch, µs.
  public var singlePerSequence: Double
  /// More than one GPU: constant, µs.
  public var sharded: Double
  /// More than one GPU: per sequence of the batch, µs.
  public var shardedPerSequence: Double
  /// Ray's part with one GPU, µs: added, as the next one, while `usesRay`.
  public var singleRay: Double
  /// Ray's part with more than one GPU, µs.
  public var shardedRay: Double
  /// vLLM of 2023 drove its workers through Ray; later ones need not. On by default.
  public var usesRay: Bool

  /// Takes the parts as they are.
  public init(
    single: Double, singlePerSequence: Double, sharded: Double, shardedPerSequence: Double,
    singleRay: Double, shardedRay: Double, usesRay: Bool
  ) {
    self.single = single
    self.singlePerSequence = singlePerSequence
    self.sharded = sharded
    self.shardedPerSequence = shardedPerSequence
    self.singleRay = singleRay
    self.shardedRay = shardedRay
    self.usesRay = usesRay
  }

  /// Constant part for an instance of `gpus` GPUs, µs.
  public func base(gpus: Int) -> Double {
    gpus == 1 ? single + (usesRay ? singleRay : 0) : sharded + (usesRay ? shardedRay : 0)
  }

  /// Part of each sequence of the batch for an instance of `gpus` GPUs, µs.
  public func perSequence(gpus: Int) -> Double { gpus == 1 ? singlePerSequence : shardedPerSequence }
}
