import Results
import Testing

import Studies

@Suite struct ExpressionTests {
  /// vllm-m emits 100, 200, 300 by seed; ours so many times that: 2, 3, 4 at rate-scale 1, the double at 4.
  private func results() throws -> StudyResults {
    .sample(try sampleStudy()) { label, cell, seed in
      let base = Double(seed + 1) * 100
      return label == "vllm-m" ? base : base * Double(seed + 2) * (cell.axes["rate-scale"] == "4" ? 2 : 1)
    }
  }

  private static let values: [(String, Double)] = [
    ("ratio(ours, vllm-m, output_tokens_per_s) where rate-scale == 1", 3.0),
    ("min(ratio(ours, vllm-m, output_tokens_per_s)) where rate-scale == 1", 2),
    ("max(ratio(ours, vllm-m, output_tokens_per_s)) where rate-scale == 4", 8),
    ("count(value(ours, output_tokens_per_s)) where rate-scale == 4", 3),
    ("value(vllm-m, throughput.output_tokens_per_s) where rate-scale in (1)", 200),
    ("value(vllm-m, output_tokens_per_s) where rate-scale == 1.0 and seed >= 1", 250),
    ("value(vllm-m, ttft_p99_s) + 2 * 3 - 1 where rate-scale < 2", 6.5),
    ("-(1 + 2) * 2 where rate-scale != 1", -6),
    ("lowest(ratio(ours, vllm-m, output_tokens_per_s))", 3),
    ("highest(ratio(ours, vllm-m, output_tokens_per_s))", 6),
    ("median(ratio(ours, vllm-m, output_tokens_per_s))", 4.5),
    ("share(ratio(ours, vllm-m, output_tokens_per_s) > 5)", 0.5),
    ("highest(value(ours, output_tokens_per_s)) / lowest(value(vllm-m, output_tokens_per_s))", 20.0 / 3),
  ]

  @Test(arguments: values)
  func `an expression has the value that one computes by hand`(text: String, expected: Double) throws {
    let found = try results().value(of: quantity(text))
    #expect((found - expected).magnitude < 1e-9, "\(text): \(found)")
  }

  @Test
  func `the bounds of a ratio are those of the paired interval and of a difference those of differences`()
    throws
  {
    let interval = try #require(PairedInterval([2, 3, 4]))
    let at = " where rate-scale == 1"
    let ratio = "ratio(ours, vllm-m, output_tokens_per_s)"
    let results = try results()
    #expect(try results.value(of: quantity("low(\(ratio))" + at)) == interval.mean - interval.halfWidth)
    #expect(try results.value(of: quantity("high(\(ratio))" + at)) == interval.mean + interval.halfWidth)
    let differences = try #require(PairedInterval([100, 400, 900]))
    let low = try results.value(
      of: quantity("low(value(ours, output_tokens_per_s) - value(vllm-m, output_tokens_per_s))" + at))
    #expect((low - differences.mean + differences.halfWidth).magnitude < 1e-9)
  }

  @Test(arguments: [
    ("1 > 0 where rate-scale == 3", "selects no cell"),
    ("1 > 0 where seed == 9 and rate-scale == 2", "no cell"),
    ("value(ours, output_tokens_per_s) > 0 where seed == 9", "no seed"),
    (
      "value(ours, goodput_requests_per_s) > 0",
      "absent: goodput_requests_per_s of ours: no SLO was given; expected slo-ttft or slo-tpot"
    ),
    ("value(ours, e2e_s.p99) < 1", "10 requests completed"), ("value(ours, e2e_s.p99) != 1", "absent"),
    ("max(value(ours, e2e_p99_s)) < 1", "absent"), ("ratio(ours, vllm-m, e2e_p99_s) < 1", "absent"),
    ("share(value(ours, e2e_s.p99) < 1) >= 0", "absent"), ("count(value(ours, e2e_s.p99)) < 9", "absent"),
    ("value(ours, makespan_s) >= 0", "no metric"),
    ("value(ours, output_tokens_per_s) / 0 > 0", "division by zero"),
    ("low(value(ours, output_tokens_per_s)) > 0 where seed == 1", "two seeds"),
    ("lowest(1) + value(ours, output_tokens_per_s) > 0", "2 cells"),
  ])
  func `an expectation without a value fails and says why`(text: String, why: String) throws {
    let outcomes = try results().check(expectation(text))
    #expect(!outcomes.isEmpty && outcomes.allSatisfy { !$0.holds && $0.finding.contains(why) }, "\(outcomes)")
  }

  @Test(arguments: [
    ("value(a, no_such) > 1", 10, "no_such"), ("common(a, p99) > 1", 11, "p99"),
    ("value(a, load) > 1", 10, "load"),
    ("ratio(a, b, ttft_s.p98) > 1", 13, "perhaps ttft_s.p9"), ("1 < value(a, ttft_s)", 14, "ttft_s"),
    ("value(a, outputtokens_per_s) > 1", 10, "perhaps output_tokens_per_s"),
    ("value(a, unvalidatd) > 1", 10, "perhaps unvalidated"),
  ])
  func `a metric that no run has is told where it stands, before anything runs`(
    text: String, column: Int, words: String
  ) throws {
    let error = try #require(throws: StudyError.self) {
      _ = try ExpressionParser.check(text, at: Place(path: "f", line: 7, column: 1))
    }
    #expect(error.place.column == column && error.description.contains(words), "\(error)")
  }

  @Test(arguments: [
    "ttft_s.p99", "ttft_p99_s", "makespan_s", "classes.long.tpot_s.mean", "goodput_requests_per_s",
    "moved_blocks",
    "max_context_ttft_s", "bound_reached", "right_sizing.longest_tokens", "over_measured", "unvalidated",
    "basis.measured_context_tokens", "extrapolated", "is_data_sheet", "right_sizing.is_held",
    "faults.recomputed_tokens.home-crash", "extrapolated_share", "landed",
  ])
  func `what some run may have is known`(metric: String) { #expect(Metric.isKnown(metric)) }

  @Test func `all seeds of a cell are compared on one heat, and it is known which`() throws {
    let study = try sampleStudy()
    var results = StudyResults.sample(study, rate: { label, _, _ in label == "ours" ? 300 : 100 }) {
      label, _, seed in
      label == "ours" && seed == 2 ? [7] : []
    }
    let cell = study.grids[0].rows[0].cell
    for (label, rate) in [("ours", 200.0), ("vllm-m", 100.0)] {
      for seed in [1, 2] {
        results.outcomes[PointKey(cell: cell, label: label, seed: seed, heat: .common)] = .completed(
          .init(
            summary: ["throughput": ["output_tokens_per_s": .double(rate)]],
            served: Served(rejected: [], unfinished: 0, outputTokens: 1)))
      }
    }
    let text = "ratio(ours, vllm-m, output_tokens_per_s) where rate-scale == 1"
    // Seed 0 was fair on the whole trace; seed 1 has a common trace of its own, though these two were fair there.
    #expect(try results.value(of: quantity(text)) == (3.0 + 2 + 2) / 3)
    #expect(try results.value(of: quantity(text + " and seed < 2")) == 3)
    #expect(try results.ratioHeat("ours", to: "vllm-m", in: cell) == .common)
    let finding = try results.check(expectation("\(text.prefix(40)) > 0 where rate-scale == 1")).map(
      \.finding)
    #expect(finding.allSatisfy { $0.hasSuffix("(common trace)") } && finding.count == 1, "\(finding)")
    let early = try ExpressionParser.selection("seed < 2", at: Place(path: "w"))
    #expect(try results.ratioHeat("ours", to: "vllm-m", in: cell, where: early) == .whole)
    #expect(throws: NoValue.self) {
      _ = try results.value(of: .ratio("ours", "vllm-m", metric: "output_tokens_per_s", on: .whole), in: cell)
    }
  }

  @Test func `an expectation must hold in each cell, and says found and expected where it does not`() throws {
    let outcomes = try results().check(expectation("ratio(ours, vllm-m, output_tokens_per_s) >= 5"))
    #expect(outcomes.map(\.holds) == [false, true])
    #expect(outcomes[0].finding == "found 3.0, expected >= 5.0 (whole trace)")
    #expect(outcomes[0].cell?.text == "main: rate-scale=1")
  }

  @Test func `a ratio of runs that completed other requests is n/c and fails, also over cells`() throws {
    var results = try results()
    let unfair = StudyResults.sample(results.study, rate: { _, _, _ in 100 }) { label, _, seed in
      label == "ours" && seed == 2 ? [7] : []
    }
    results.outcomes = unfair.outcomes
    for text in [
      "ratio(ours, vllm-m, output_tokens_per_s) > 0", "lowest(ratio(ours, vllm-m, output_tokens_per_s)) > 0",
    ] {
      #expect(
        try results.check(expectation(text)).allSatisfy {
          $0.finding.contains("same requests with the same outputs (seed 2)")
        })
    }
    // The seeds that are fair still compare, and a common trace makes the others so.
    #expect(
      try results.check(expectation("ratio(ours, vllm-m, output_tokens_per_s) == 1 where seed < 2"))
        .allSatisfy(\.holds))
    for (key, outcome) in unfair.outcomes where key.seed == 2 {
      guard case .completed(var figures) = outcome else { continue }
      figures.served.rejected = []
      results.outcomes[PointKey(cell: key.cell, label: key.label, seed: 2, heat: .common)] = .completed(
        figures)
    }
    #expect(
      try results.check(expectation("ratio(ours, vllm-m, output_tokens_per_s) == 1")).allSatisfy(\.holds))
  }

  @Test func `a point that failed or has not run fails what rests on it`() throws {
    let study = try sampleStudy()
    var results = StudyResults.sample(
      study, rate: { label, _, seed in label == "ours" && seed == 1 ? nil : 1 })
    let check = try expectation("value(ours, output_tokens_per_s) == 1")
    #expect(results.check(check).allSatisfy { $0.finding.contains("has not run (seed 1)") })
    for cell in study.grids[0].rows.map(\.cell) {
      results.outcomes[PointKey(cell: cell, label: "ours", seed: 1, heat: .whole)] = .failed("no memory")
    }
    #expect(results.check(check).allSatisfy { $0.finding.contains("no memory") })
    #expect(results.failedPoints.count == 2)
  }

  @Test(arguments: [
    ("value(a b)", 9, "\"b\"", ","), ("ratio(a, b) > 1", 11, "\")\"", ","), ("1 >", 4, "the end", "a number"),
    ("1 2", 3, "\"2\"", "comparison"), ("foo(1) > 1", 1, "\"foo\"", "value, common"),
    ("1 > 2 where", 12, "the end", "axis"), ("1 > 2 where x", 14, "the end", "=="),
    ("1 > 2 where x == 1 or y == 2", 20, "\"or\"", "end"), ("1 > 2 # no", 7, "\"#\"", "operator"),
    ("\"a", 1, "an opening quote", "closing"),
  ])
  func `a wrong expression is told by column, found and expected`(
    text: String, column: Int, found: String, expected: String
  ) throws {
    let error = try #require(throws: StudyError.self) {
      _ = try ExpressionParser.check(text, at: Place(path: "f", line: 7, column: 1))
    }
    #expect(error.place == Place(path: "f", line: 7, column: column), "\(error)")
    #expect(error.found == found && error.expected.contains(expected), "\(error)")
  }

  @Test func `nesting without end is an error and no crash`() throws {
    #expect(throws: StudyError.self) { _ = try quantity(String(repeating: "(", count: 100_000) + "1") }
    #expect(throws: StudyError.self) { _ = try quantity(String(repeating: "-", count: 100_000) + "1") }
    #expect(throws: StudyError.self) {
      _ = try quantity(String(repeating: "min(", count: 100_000) + "1")
    }
  }
}
