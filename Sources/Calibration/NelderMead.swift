/// Nelder and Mead's simplex search for a minimum, with their coefficients (The Computer Journal 7, 1965).
///
/// Deterministic. When it has settled it starts again around the best point, until that gains nothing: on a sum of
/// absolute values a simplex can lie down flat before the minimum.
struct NelderMead {
  /// The function to make small.
  let cost: ([Double]) -> Double
  /// Most evaluations.
  var budget = 4_000

  /// The point at which `cost` is least, starting at `start` with steps of `step`.
  func minimum(from start: [Double], step: Double = 0.15) -> [Double] {
    var best = start
    var value = cost(best)
    var left = budget
    var step = step
    for _ in 0..<6 where left > 0 {
      let found = settle(best, value, step: step, left: &left)
      let gain = value - found.value
      (best, value) = (found.point, found.value)
      if gain <= 1e-5 * abs(value) + 1e-12 { break }
      // The other way round, so that a simplex that lay down stands up again.
      step = -step * 0.6
    }
    return best
  }

  private func settle(_ start: [Double], _ value: Double, step: Double, left: inout Int) -> (
    point: [Double], value: Double
  ) {
    let n = start.count
    var points = [(point: start, value: value)]
    for i in 0..<n {
      var point = start
      point[i] += step
      points.append((point, cost(point)))
      left -= 1
    }
    while left > 0 {
      points.sort { $0.value < $1.value }
      let width = (0..<n).map { i in abs(points[n].point[i] - points[0].point[i]) }.max() ?? 0
      if points[n].value - points[0].value <= 1e-8 * abs(points[0].value) + 1e-14, width < 1e-3 { break }
      if width < 1e-6 { break }
      let centre = (0..<n).map { i in points[..<n].reduce(0) { $0 + $1.point[i] } / Double(n) }
      func along(_ t: Double) -> (point: [Double], value: Double) {
        left -= 1
        let point = (0..<n).map { centre[$0] + t * (points[n].point[$0] - centre[$0]) }
        return (point, cost(point))
      }
      let reflected = along(-1)
      if reflected.value < points[0].value {
        let expanded = along(-2)
        points[n] = expanded.value < reflected.value ? expanded : reflected
      } else if reflected.value < points[n - 1].value {
        points[n] = reflected
      } else {
        let contracted = along(reflected.value < points[n].value ? -0.5 : 0.5)
        if contracted.value < min(reflected.value, points[n].value) {
          points[n] = contracted
        } else {
          for i in 1...n {
            points[i].point = (0..<n).map { (points[i].point[$0] + points[0].point[$0]) / 2 }
            points[i].value = cost(points[i].point)
            left -= 1
          }
        }
      }
    }
    return points.min { $0.value < $1.value } ?? (start, value)
  }
}
