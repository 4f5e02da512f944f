import Testing

import Reference

/// States as random subsets would have: some rows without a token, maxima near and far from each other.
private func randomState<Scalar: AttentionScalar>(
  _: Scalar.Type, rows: Int, headDim: Int, _ random: inout RandomNumbers
) -> AttentionState<Scalar> {
  var state = AttentionState<Scalar>(identity: rows, headDim: headDim)
  for row in 0..<rows where random.integer(0...5) > 0 {
    state.maximum[row] = Scalar(random.integer(-1000...1000)) / Scalar([1, 10, 1000][random.integer(0...2)])
    state.sum[row] = 1 + Scalar(random.integer(0...100_000)) / 1000
    for element in row * headDim..<(row + 1) * headDim {
      state.output[element] = Scalar(random.integer(-100_000...100_000)) / 1000
    }
  }
  return state
}

/// The largest difference of outputs, maxima and sums, relative to a row's sum.
private func distance<Scalar: AttentionScalar>(
  _ a: AttentionState<Scalar>, _ b: AttentionState<Scalar>
) -> Scalar {
  var largest: Scalar = 0
  for row in 0..<a.rows {
    guard a.maximum[row] == b.maximum[row] else { return .infinity }
    // Sums of exponentials are at least 1 where there is a token, and values here at most 100.
    let scale = max(a.sum[row], 1)
    largest = max(largest, abs(a.sum[row] - b.sum[row]) / scale)
    for element in row * a.headDim..<(row + 1) * a.headDim {
      largest = max(largest, abs(a.output[element] - b.output[element]) / (100 * scale))
    }
  }
  return largest
}

@Suite struct MergeLawTests {
  private static func check<Scalar: AttentionScalar>(_: Scalar.Type) {
    var random = RandomNumbers(seed: 1)
    for _ in 0..<2000 {
      let (rows, dim) = (random.integer(1...5), random.integer(1...9))
      let a = randomState(Scalar.self, rows: rows, headDim: dim, &random)
      let b = randomState(Scalar.self, rows: rows, headDim: dim, &random)
      let c = randomState(Scalar.self, rows: rows, headDim: dim, &random)
      let none = AttentionState<Scalar>(identity: rows, headDim: dim)
      #expect(a.merged(with: b) == b.merged(with: a))
      #expect(a.merged(with: none) == a)
      #expect(none.merged(with: a) == a)
      let left = a.merged(with: b).merged(with: c)
      let right = a.merged(with: b.merged(with: c))
      #expect(distance(left, right) <= 8 * Scalar.ulpOfOne)
    }
  }

  @Test func `Merging floats is commutative, has an identity, and is associative to within rounding`() {
    Self.check(Float.self)
  }

  @Test func `Merging doubles is commutative, has an identity, and is associative to within rounding`() {
    Self.check(Double.self)
  }

  @Test func `Merging is associative to the bit where nothing is rounded`() {
    var random = RandomNumbers(seed: 2)
    for _ in 0..<500 {
      // Equal maxima, whole numbers: every factor is 1 and every sum exact.
      let states = (0..<3).map { _ in
        var state = AttentionState<Float>(identity: 4, headDim: 3)
        for row in 0..<4 where random.integer(0...3) > 0 {
          state.maximum[row] = 7
          state.sum[row] = Float(random.integer(1...1000))
          for element in row * 3..<row * 3 + 3 { state.output[element] = Float(random.integer(-1000...1000)) }
        }
        return state
      }
      #expect(
        states[0].merged(with: states[1]).merged(with: states[2])
          == states[0].merged(with: states[1].merged(with: states[2])))
    }
  }

  @Test func `A NaN in either state is a NaN in the merged one`() {
    var good = AttentionState<Float>(identity: 1, headDim: 1)
    (good.maximum[0], good.sum[0], good.output[0]) = (1, 1, 1)
    for field in 0..<3 {
      var bad = good
      if field == 0 { bad.maximum[0] = .nan }
      if field == 1 { bad.sum[0] = .nan }
      if field == 2 { bad.output[0] = .nan }
      #expect(good.merged(with: bad).normalised()[0].isNaN)
      #expect(bad.merged(with: good).normalised()[0].isNaN)
    }
  }

  @Test func `States of other shapes do not merge`() async {
    await #expect(processExitsWith: .failure) {
      var state = AttentionState<Float>(identity: 1, headDim: 2)
      state.merge(AttentionState(identity: 2, headDim: 1))
    }
  }
}
