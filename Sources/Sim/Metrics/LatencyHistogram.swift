/// Counts of durations in logarithmic buckets: percentiles with a relative error of at most 0.1 %.
///
/// Each power of two is cut into 1,024 equal buckets and a value is reported as the middle of its bucket, so
/// the error is at most 1/2,048. Values below 2,048 ps are exact. Pages of buckets are made when first used.
struct LatencyHistogram {
  private static let bits = 10
  private var pages: ContiguousArray<ContiguousArray<UInt32>> = []
  private(set) var count = 0
  private var sum: Int128 = 0
  private var maximum: Int64 = 0

  mutating func record(_ picoseconds: Int64) {
    precondition(picoseconds >= 0, "a latency is never negative")
    let (page, bucket) = Self.place(picoseconds)
    while pages.count <= page { pages.append([]) }
    if pages[page].isEmpty { pages[page] = ContiguousArray(repeating: 0, count: 1 << Self.bits) }
    pages[page][bucket] += 1
    count += 1
    sum += Int128(picoseconds)
    maximum = max(maximum, picoseconds)
  }

  mutating func merge(_ other: LatencyHistogram) {
    while pages.count < other.pages.count { pages.append([]) }
    for page in other.pages.indices where !other.pages[page].isEmpty {
      if pages[page].isEmpty {
        pages[page] = other.pages[page]
      } else {
        for bucket in 0..<(1 << Self.bits) { pages[page][bucket] += other.pages[page][bucket] }
      }
    }
    count += other.count
    sum += other.sum
    maximum = max(maximum, other.maximum)
  }

  /// Page 0 holds 0..<1024, page 1 holds 1024..<2048 (both exact), page p > 1 holds 2^(9+p)..<2^(10+p).
  private static func place(_ value: Int64) -> (page: Int, bucket: Int) {
    let exponent = max(0, 63 - value.leadingZeroBitCount - bits)
    let scaled = Int(value >> Int64(exponent))
    return scaled < 1 << bits ? (0, scaled) : (exponent + 1, scaled - 1 << bits)
  }

  /// The value that `permille` thousandths of the values do not exceed (nearest rank), ps.
  func percentile(permille: Int) -> Double {
    guard count > 0 else { return 0 }
    let rank = max(1, (count * permille + 999) / 1000)
    var seen = 0
    for page in pages.indices {
      for bucket in pages[page].indices where pages[page][bucket] > 0 {
        seen += Int(pages[page][bucket])
        if seen >= rank {
          if page == 0 { return Double(bucket) }
          let width = Int64(1) << Int64(page - 1)
          let low = (Int64(bucket) + 1 << Self.bits) * width
          return min(Double(low) + Double(width - 1) / 2, Double(maximum))
        }
      }
    }
    return Double(maximum)
  }

  var distribution: Distribution {
    guard count > 0 else { return Distribution() }
    return Distribution(
      count: count, mean: Double(sum) / Double(count) * 1e-12, p50: percentile(permille: 500) * 1e-12,
      p90: percentile(permille: 900) * 1e-12, p99: percentile(permille: 990) * 1e-12,
      max: Double(maximum) * 1e-12)
  }
}
