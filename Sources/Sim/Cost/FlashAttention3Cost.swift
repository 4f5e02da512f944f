#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// FlashAttention-3's decode attention, which a scheduler on the GPU splits evenly, whatever the heads:
///
///     floor + (setUp^q + (bytes / bandwidth)^q)^(1/q) + [bytes > cache] · uncached
///     setUp = sequences · (KV heads · perSequenceKVHead + query heads · perSequenceHead)
///
/// The tables time the same call over and over: below `cacheBytes` its keys and values come from the L2 cache.
public struct FlashAttention3Cost: Hashable, Sendable {
  /// Launch floor, µs.
  public var floor: Double
  /// Memory bandwidth reached.
  public var bytesPerSecond: Double
  /// q: how softly setting up and reading overlap.
  public var exponent: Double
  /// µs per sequence and KV head.
  public var perSequenceKVHead: Double
  /// µs per sequence and query head.
  public var perSequenceHead: Double
  /// µs more where the keys and values are larger than the cache.
  public var uncached: Double
  /// Bytes of the L2 cache.
  public var cacheBytes: Int

  /// Takes the parts as they are.
  public init(
    floor: Double, bytesPerSecond: Double, exponent: Double, perSequenceKVHead: Double,
    perSequenceHead: Double,
    uncached: Double, cacheBytes: Int
  ) {
    self.floor = floor
    self.bytesPerSecond = bytesPerSecond
    self.exponent = exponent
    self.perSequenceKVHead = perSequenceKVHead
    self.perSequenceHead = perSequenceHead
    self.uncached = uncached
    self.cacheBytes = cacheBytes
  }

  /// µs of one layer on one rank.
  public func microseconds(_ batch: DecodeBatch) -> Double {
    let perSequence = perSequenceKVHead * Double(batch.kvHeads) + perSequenceHead * Double(batch.queryHeads)
    let setUp = perSequence * Double(batch.sequences)
    let reading = batch.bytes / bytesPerSecond * 1e6
    let larger = max(setUp, reading)
    let both =
      exponent.isFinite && larger > 0
      ? larger * pow(1 + pow(min(setUp, reading) / larger, exponent), 1 / exponent) : larger
    return floor + both + (batch.bytes > Double(cacheBytes) ? uncached : 0)
  }
}
