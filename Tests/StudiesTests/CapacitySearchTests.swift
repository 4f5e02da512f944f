import Testing

import Studies

@Suite struct CapacitySearchTests {
  private let search = CapacitySearch(from: 0.1, to: 10, scan: 6, precision: 0.02)

  @Test func `a threshold is found within the precision, from below, wherever it lies`() throws {
    for step in 0..<200 {
      let threshold = 0.1001 * (1 + Double(step) * 0.45)
      let outcome = search.run { $0.map { $0 <= threshold } }
      guard threshold < 10, case .bracket(let passes, let fails) = outcome.answer else {
        #expect(
          threshold >= 10 && outcome.answer == .aboveHighest, "threshold \(threshold): \(outcome.answer)")
        continue
      }
      #expect(passes <= threshold && threshold < fails && fails / passes <= 1.021, "threshold \(threshold)")
      #expect(outcome.isMonotone && outcome.passesBelow == true && outcome.failsAbove == true)
    }
  }

  @Test func `what fails at the lowest or passes at the highest rate is said, not rounded to a rate`() {
    #expect(search.run { $0.map { _ in false } }.answer == .belowLowest)
    #expect(search.run { $0.map { _ in true } }.answer == .aboveHighest)
  }

  @Test func `a pass above a failure is flagged and the answer lies below the first failure`() {
    let outcome = search.run { $0.map { $0 < 0.5 || (2...5).contains($0) } }
    #expect(!outcome.isMonotone)
    guard case .bracket(let passes, let fails) = outcome.answer else {
      Issue.record("no bracket: \(outcome.answer)")
      return
    }
    #expect(passes < 0.5 && fails >= 0.5 && fails < 0.52)
  }

  @Test func `no rate is tried twice, and tried rates are those that are printed`() {
    var asked: [Double] = []
    let outcome = search.run { rates in
      asked += rates
      return rates.map { $0 < 1.7 }
    }
    #expect(Set(asked).count == asked.count && asked.sorted() == outcome.tried.map(\.rate))
    #expect(asked.allSatisfy { $0 == Double("\($0)") && "\($0)".count <= 8 })
  }
}
