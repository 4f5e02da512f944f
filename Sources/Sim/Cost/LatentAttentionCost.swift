/// Decode attention on a latent (MLA):
///
///     max(least, base + blocks + sequences · (perSequence + heads · perSequenceHead)
///              + keys · max(bytes per key / bandwidth, flops per key / rate))
///
/// Blocks are those of vLLM's Triton kernel, of one (sequence, group of 16 heads, quarter of the context) each, in
/// waves over 108 multiprocessors: waves · context / 4 · perKey. On Hopper the kernels (FlashAttention-3, FlashMLA) read
/// a key once for all heads of the rank, and are bound by memory or by arithmetic.
public struct LatentAttentionCost: Hashable, Sendable {
  /// The shortest time seen, µs.
  public var least: Double
  /// Launch and set-up, µs.
  public var base: Double
  /// µs per key of one thread block.
  public var perKey: Double
  /// µs per sequence.
  public var perSequence: Double
  /// µs per sequence and query head.
  public var perSequenceHead: Double
  /// Memory bandwidth at which the latent is read; infinite where `perKey` counts it.
  public var bytesPerSecond: Double
  /// Arithmetic rate; infinite where `perKey` counts it.
  public var flopsPerSecond: Double

  /// Takes the parts as they are.
  public init(
    least: Double, base: Double, perKey: Double, perSequence: Double = 0, perSequenceHead: Double,
    bytesPerSecond: Double = .infinity, flopsPerSecond: Double = .infinity
  ) {
    self.least = least
    self.base = base
    self.perKey = perKey
    self.perSequence = perSequence
    self.perSequenceHead = perSequenceHead
    self.bytesPerSecond = bytesPerSecond
    self.flopsPerSecond = flopsPerSecond
  }

  /// µs of one layer on one rank that has `heads` query heads, of a latent of `keyBytes` per token, which costs each
  /// head `headFlops` per key.
  public func microseconds(
    sequences: Int, context: Int, heads: Int, keyBytes: Int, headFlops: Int
  ) -> Double {
    let blocks = sequences * ((heads + 15) / 16) * 4
    let waves = Double((blocks + 107) / 108)
    let keys = Double(sequences) * Double(context)
    let perKeyOfAll = max(
      Double(keyBytes) / bytesPerSecond, Double(heads * headFlops) / flopsPerSecond)
    return max(
      least,
      base + waves * Double(context) / 4 * perKey + perSequence * Double(sequences)
        + perSequenceHead * Double(sequences * heads) + keys * perKeyOfAll * 1e6)
  }
}
