import Results
import Sim

/// Finds figures in a run's summary by name.
public enum Metric {
  /// The columns of `run` that are called otherwise in the summary.
  private static let columns = [
    "arrived": "requests.arrived", "completed": "requests.completed", "rejected": "requests.rejected",
    "cut_at_context": "requests.cut_at_context", "unfinished": "requests.unfinished",
    "preemptions": "requests.preemptions",
    "output_tokens": "tokens.output", "prompt_tokens": "tokens.prompt",
    "ttft_p50_s": "ttft_s.p50", "ttft_p99_s": "ttft_s.p99", "tpot_p50_s": "tpot_s.p50",
    "tpot_p99_s": "tpot_s.p99", "e2e_p50_s": "e2e_s.p50", "e2e_p99_s": "e2e_s.p99",
    "unvalidated": "basis.unvalidated", "extrapolated": "basis.extrapolated",
  ]

  /// A summary with a number wherever a run may have one.
  private static let specimen: JSON = {
    var summary = RunSummary()
    let figures = Distribution(mean: 0, p50: 0, p90: 0, p99: 0, max: 0)
    (summary.ttft, summary.tpot, summary.e2e) = (figures, figures, figures)
    for index in summary.classes.indices {
      (summary.classes[index].ttft, summary.classes[index].tpot, summary.classes[index].e2e) = (
        figures, figures, figures
      )
    }
    (summary.makespanSeconds, summary.outputTokensPerSecond, summary.totalTokensPerSecond) = (0, 0, 0)
    (summary.requestsPerSecond, summary.outputTokensPerSecondPerGPU) = (0, 0)
    summary.windowOutputTokensPerSecond = 0
    summary.load = LoadJudgement(.undecided, requestsNeeded: 0)
    summary.steady = SteadyState(
      from: 0, to: 0, requestsPerSecond: 0, goodputRequestsPerSecond: 0, outputTokensPerSecond: 0,
      totalTokensPerSecond: 0)
    (summary.extrapolatedShare, summary.worstStallSeconds, summary.peakUtilisation) = (0, 0, 0)
    summary.longestChain = 0
    summary.longest = LongestRequests(prompt: 2, context: 2)
    summary.maxContextTokens = 3
    return JSON(
      RunResult(
        summary: summary, maxContextTTFTSeconds: 0,
        bound: BoundResult(outputTokensPerSecond: 1, inFullOutputTokensPerSecond: 1),
        basis: RunBasis(costs: .fits, measuredPrompt: 1, measuredContext: 1),
        sizing: RightSizing(longest: 0, isHeld: true)))
  }()

  /// Whether runs have a number of that name.
  public static func isKnown(_ name: String) -> Bool { number(name, in: specimen) != nil }

  /// The number of that name, true being 1 and false 0; `nil` if there is none.
  public static func number(_ name: String, in summary: JSON) -> Double? {
    find(name, in: summary).flatMap(number)
  }

  static func number(_ value: JSON) -> Double? {
    if case .bool(let isTrue) = value { isTrue ? 1 : 0 } else { value.number }
  }

  /// What was expected of a name that is not known.
  public static func expected(insteadOf name: String) -> String {
    let paths = numbers(in: specimen).filter(isKnown)
    let last = name.split(separator: ".").last.map(String.init) ?? name
    let near = closest(to: name, among: paths + columns.keys.sorted()) ?? closest(to: last, among: paths)
    return (near.map { "perhaps \($0); " } ?? "")
      + "a metric: a column of the table run, or a key of a run's JSON that has a number (docs/sweeps.md)"
  }

  /// The paths of all numbers, and their last keys.
  private static func numbers(in json: JSON) -> [String] {
    json.keys.flatMap { key -> [String] in
      guard let value = json[key] else { return [] }
      return number(value) != nil ? [key] : numbers(in: value).flatMap { [$0, "\(key).\($0)"] }
    }
  }

  /// Throws a `StudyError` at `place` if runs have no number of that name.
  public static func require(_ name: String, at place: Place) throws(StudyError) {
    guard !isKnown(name) else { return }
    throw StudyError(place, found: "metric \(quoted(name))", expected: expected(insteadOf: name))
  }

  /// What the summary says under the name: a path with dots, a column of `run`, or a last key that is there
  /// once. `nil` if there is no such figure, `null` if this run has none.
  public static func find(_ name: String, in summary: JSON) -> JSON? {
    if let column = columns[name] { return at(column, in: summary) }
    if let value = at(name, in: summary) { return value }
    let found = leaves(named: name, in: summary)
    guard found.count == 1 else { return nil }
    return found[0]
  }

  private static func at(_ path: String, in json: JSON) -> JSON? {
    var value = json
    for key in path.split(separator: ".", omittingEmptySubsequences: false) {
      guard let inner = value[String(key)] else { return nil }
      value = inner
    }
    return value
  }

  private static func leaves(named name: String, in json: JSON) -> [JSON] {
    json.keys.flatMap { key -> [JSON] in
      guard let value = json[key] else { return [] }
      return (key == name ? [value] : []) + leaves(named: name, in: value)
    }
  }
}
