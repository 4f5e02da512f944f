/// How many requests have each length: exact percentiles, memory by the number of different lengths.
public struct LengthCounts: Sendable {
  /// Counts of lengths below 65,536 by length; of longer ones by length in `long`.
  private var short = [Int](repeating: 0, count: 65_536)
  private var long: [Int: Int] = [:]
  /// Lengths taken in.
  public private(set) var count = 0
  private var sum = 0
  private var sumOfSquares = 0.0
  private var largest = 0

  public init() {}

  /// Takes in a length, 0 or more.
  public mutating func add(_ length: Int) {
    if length < short.count { short[length] += 1 } else { long[length, default: 0] += 1 }
    count += 1
    sum += length
    sumOfSquares += Double(length) * Double(length)
    largest = max(largest, length)
  }

  /// The mean; 0 without lengths.
  public var mean: Double { count == 0 ? 0 : Double(sum) / Double(count) }
  /// The standard deviation over all lengths.
  public var deviation: Double {
    count == 0 ? 0 : max(sumOfSquares / Double(count) - mean * mean, 0).squareRoot()
  }
  /// The sum.
  public var total: Int { sum }
  /// The longest; 0 without lengths.
  public var maximum: Int { largest }

  /// Different lengths in ascending order with how many requests have each.
  public var ascending: [(length: Int, count: Int)] {
    let below = short.indices.lazy.filter { short[$0] > 0 }.map { (length: $0, count: short[$0]) }
    return Array(below) + long.sorted { $0.key < $1.key }.map { (length: $0.key, count: $0.value) }
  }

  /// The smallest lengths that at least such shares (ascending, above 0, at most 1) of all do not exceed:
  /// nearest-rank percentiles.
  public func percentiles(_ shares: [Double]) -> [Int] {
    var result: [Int] = []
    var seen = 0
    var index = 0
    let pairs = ascending
    for share in shares {
      let rank = max(Int((share * Double(count)).rounded(.up)), 1)
      while index < pairs.count, seen + pairs[index].count < rank {
        seen += pairs[index].count
        index += 1
      }
      result.append(index < pairs.count ? pairs[index].length : maximum)
    }
    return result
  }
}
