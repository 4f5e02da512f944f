/// Distances between samples and ties within them.
package enum Distance {
  /// The Kolmogorov–Smirnov distance: the largest difference of the two distribution functions, 0 to 1.
  package static func kolmogorovSmirnov(_ a: [Double], _ b: [Double]) -> Double {
    guard !a.isEmpty, !b.isEmpty else { return 1 }
    let (a, b) = (a.sorted(), b.sorted())
    var (i, j, largest) = (0, 0, 0.0)
    while i < a.count, j < b.count {
      let value = min(a[i], b[j])
      while i < a.count, a[i] <= value { i += 1 }
      while j < b.count, b[j] <= value { j += 1 }
      largest = max(largest, (Double(i) / Double(a.count) - Double(j) / Double(b.count)).magnitude)
    }
    return largest
  }

  /// Spearman's rank correlation, equal values sharing their mean rank; 0 where one sample does not vary.
  package static func rankCorrelation(_ a: [Double], _ b: [Double]) -> Double {
    let (x, y) = (ranks(a), ranks(b))
    let mean = Double(a.count + 1) / 2
    var (xy, xx, yy) = (0.0, 0.0, 0.0)
    for index in x.indices {
      xy += (x[index] - mean) * (y[index] - mean)
      xx += (x[index] - mean) * (x[index] - mean)
      yy += (y[index] - mean) * (y[index] - mean)
    }
    return xx > 0 && yy > 0 ? xy / (xx * yy).squareRoot() : 0
  }

  private static func ranks(_ values: [Double]) -> [Double] {
    let order = values.indices.sorted { (values[$0], $0) < (values[$1], $1) }
    var ranks = [Double](repeating: 0, count: values.count)
    var start = 0
    while start < order.count {
      var end = start
      while end < order.count, values[order[end]] == values[order[start]] { end += 1 }
      for index in start..<end { ranks[order[index]] = Double(start + end + 1) / 2 }
      start = end
    }
    return ranks
  }

  /// The smallest value that a share `p` of an ascending sample does not exceed.
  static func percentile(_ ascending: [Double], _ p: Double) -> Double {
    guard !ascending.isEmpty else { return 0 }
    let rank = Int((p * Double(ascending.count)).rounded(.up))
    return ascending[min(max(rank, 1), ascending.count) - 1]
  }
}
