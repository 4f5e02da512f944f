import Sim

/// What the numbers mean, printed beside them.
package enum Definitions {
  package static let lines = [
    "TTFT = first token − arrival. TPOT = (completion − first token) / (output − 1), without one-token outputs. "
      + "E2E = completion − arrival. Latencies are of completed requests.",
    "Makespan = first arrival to last completion. Throughput = output tokens of completed requests / makespan. "
      + "At a rate that the cluster keeps up with it is the arrival rate.",
    "Window = output tokens between the arrival of the first tenth of the requests and the last arrival, per second.",
    "Bound = output tokens/s over the makespan that no placement on these instances could exceed for the completed "
      + "requests (docs/bound.md). Charged in full = hosted attention counted as work of the hosts, as in a machine.",
    "Load: overloaded = the backlog of work grows beyond its sampling noise while requests arrive (its TTFT is a queue's "
      + "length, not a latency); stable = it stays within a tenth of that noise; saturated = stable, but KV blocks or "
      + "sequence slots are ≥ 95 % busy; backlog = all requests arrive at once; undecided = too few requests, or too much "
      + "noise, to tell (docs/load.md).",
    "Steady state = of stable and saturated runs, from the end of the warm-up (a tenth of the requests, or 5 × those "
      + "live in the mean) to the last arrival. There is none in other runs, and no requests/s or goodput.",
    "Length classes by prompt + output: short ≤ 2,048 < medium ≤ 32,768 < long.",
    "Rejected: exceeds-context = the prompt fills the context that is served (--max-model-len); exceeds-capacity = prompt + 1 "
      + "token does not fit what the policy could give it in an empty cluster; outgrew-capacity = alone on its instance and no block to be had; over-budget = longer than the token budget. "
      + "Wasted = tokens computed for requests that were then rejected.",
    "Max context = the longest prompt + its first output token that the empty cluster admits, watermark kept "
      + "free, and the TTFT of that prompt alone on the cluster (– where that run would be too long).",
    "Whole trace = all requests. Common trace = those that all contenders of a comparison complete, run again alone. "
      + "– = a statistic of nothing: a latency where no request completed, a rate without a makespan.",
    "Goodput = requests completed in the steady state that keep every given bound, per second. Per GPU = per GPU of the cluster. "
      + "Worst stall = the longest time between two tokens of one request.",
  ]

  /// What stands for a figure of the steady state where there is none.
  package static func noSteadyState(_ summary: RunSummary) -> String {
    summary.load.map { "– (\($0.label.rawValue))" } ?? "–"
  }
}
