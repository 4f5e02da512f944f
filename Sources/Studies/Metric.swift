import Results

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
  ]

  /// What the summary says under the name: a path with dots, a column of `run`, or a last key that is there
  /// once. `nil` if there is no such figure.
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
