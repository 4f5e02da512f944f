import Results

import Studies

/// A study of two contenders on one axis over three seeds.
func sampleStudy(_ extra: String = "") throws -> Study {
  try StudyYAML.parse(
    """
    study: sample
    seeds: 3
    options: {trace: t.csv}
    axes:
      rate-scale: [1, 4]
    contenders: [vllm-m, {label: ours, policy: debtor-creditor}]
    \(extra)
    """, path: "sample.yaml")
}

func quantity(_ text: String) throws -> Quantity {
  try ExpressionParser.quantity(text, at: Place(path: "q"))
}

func expectation(_ text: String) throws -> Expectation {
  let place = Place(path: "e")
  return Expectation(text: text, place: place, check: try ExpressionParser.check(text, at: place))
}

extension StudyResults {
  /// Rates of the contenders per cell and seed; `nil` is a point that has not run.
  static func sample(
    _ study: Study, rate: (_ label: String, _ cell: Cell, _ seed: Int) -> Double?,
    rejected: (_ label: String, _ cell: Cell, _ seed: Int) -> [Int] = { _, _, _ in [] }
  ) -> StudyResults {
    var results = StudyResults(study: study)
    for point in study.grids.flatMap(\.points) {
      guard let value = rate(point.contender.label, point.cell, point.seed) else { continue }
      let served = Served(
        rejected: rejected(point.contender.label, point.cell, point.seed), unfinished: 0, outputTokens: 1)
      results.outcomes[
        PointKey(cell: point.cell, label: point.contender.label, seed: point.seed, heat: .whole)] =
        .completed(
          .init(
            summary: [
              "requests": ["completed": 10], "throughput": ["output_tokens_per_s": .double(value)],
              "ttft_s": ["p99": 1.5], "tpot_s": ["p99": 0.5], "e2e_s": ["p99": nil],
              "goodput_requests_per_s": nil,
            ], served: served))
    }
    return results
  }
}
