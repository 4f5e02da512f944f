/// Counts of durations in logarithmic buckets: percentiles with a relative error of at most 0.1 %.
///
/// Each power of two is cut into 1,024 equal buckets and a value is reported as the middle of its bucket, so
/// the error is at most 1/2,048. Values below 2,048 ps are exact. Pages of buckets are made when first used.
struct LatencyHistogram: ~Copyable {
  private static let bits = 10
  private static let pageSize = 1 << bits
  /// Pages for every Int64.
  private static let pageCount = 64 - bits

  /// Where a page begins in `counts`, −1 if it has not been used.
  private var starts = Slab<Int32>(repeating: -1, count: pageCount)
  private var counts = Slab<UInt32>()
  private(set) var count = 0
  private var sum: Int128 = 0
  private var maximum: Int64 = 0

  mutating func record(_ picoseconds: Int64) {
    precondition(picoseconds >= 0, "a latency is never negative")
    let (page, bucket) = Self.place(picoseconds)
    let start = starts[page] >= 0 ? Int(starts[page]) : addPage(page)
    counts[start + bucket] += 1
    count += 1
    sum += Int128(picoseconds)
    maximum = max(maximum, picoseconds)
  }

  private mutating func addPage(_ page: Int) -> Int {
    let start = counts.count
    for _ in 0..<Self.pageSize { counts.append(0) }
    starts[page] = Int32(start)
    return start
  }

  mutating func merge(_ other: borrowing LatencyHistogram) {
    for page in 0..<Self.pageCount where other.starts[page] >= 0 {
      let mine = starts[page] >= 0 ? Int(starts[page]) : addPage(page)
      let theirs = Int(other.starts[page])
      for bucket in 0..<Self.pageSize { counts[mine + bucket] += other.counts[theirs + bucket] }
    }
    count += other.count
    sum += other.sum
    maximum = max(maximum, other.maximum)
  }

  /// Page 0 holds 0..<1024, page 1 holds 1024..<2048 (both exact), page p > 1 holds 2^(9+p)..<2^(10+p).
  private static func place(_ value: Int64) -> (page: Int, bucket: Int) {
    let exponent = max(0, 63 - value.leadingZeroBitCount - bits)
    let scaled = Int(value >> Int64(exponent))
    return scaled < pageSize ? (0, scaled) : (exponent + 1, scaled - pageSize)
  }

  /// The values, in ps, that each of these thousandths of the recorded values do not exceed (nearest rank).
  /// `permilles` ascends.
  func percentiles(_ permilles: [Int]) -> [Double] {
    guard count > 0 else { return permilles.map { _ in 0 } }
    let ranks = permilles.map { max(1, (count * $0 + 999) / 1000) }
    var found: [Double] = []
    var seen = 0
    for page in 0..<Self.pageCount where starts[page] >= 0 {
      let start = Int(starts[page])
      for bucket in 0..<Self.pageSize where counts[start + bucket] > 0 {
        seen += Int(counts[start + bucket])
        while seen >= ranks[found.count] {
          found.append(min(Self.middle(page: page, bucket: bucket), Double(maximum)))
          if found.count == ranks.count { return found }
        }
      }
    }
    preconditionFailure("every rank is at most the count")
  }

  private static func middle(page: Int, bucket: Int) -> Double {
    if page == 0 { return Double(bucket) }
    let width = Int64(1) << Int64(page - 1)
    let low = (Int64(bucket) + Int64(pageSize)) * width
    return Double(low) + Double(width - 1) / 2
  }

  var distribution: Distribution {
    guard count > 0 else { return Distribution() }
    let p = percentiles([500, 900, 990])
    return Distribution(
      count: count, mean: Double(sum) / Double(count) * 1e-12, p50: p[0] * 1e-12, p90: p[1] * 1e-12,
      p99: p[2] * 1e-12, max: Double(maximum) * 1e-12)
  }
}
