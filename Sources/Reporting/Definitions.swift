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
    "Load: overloaded = the mean queue of the last third of the arrivals is ≥ 1.5 × that of the middle third and "
      + "≥ 1 request per instance (its TTFT is then a queue's length, not a latency); saturated = not so, but KV "
      + "blocks or sequence slots ≥ 95 % busy through the window; else stable.",
    "Length classes by prompt + output: short ≤ 2,048 < medium ≤ 32,768 < long.",
    "Rejected: exceeds-capacity = prompt + 1 token does not fit the empty cluster; outgrew-capacity = alone on "
      + "its instance and no block to be had; over-budget = longer than the token budget. "
      + "Wasted = tokens computed for requests that were then rejected.",
    "Max context = the longest prompt + its first output token that the empty cluster admits, watermark kept "
      + "free, and the TTFT of that prompt alone on the cluster (– where that run would be too long).",
    "Whole trace = all requests. Common trace = those that all contenders of a comparison complete, run again alone. "
      + "– = a statistic of nothing: a latency where no request completed, a rate without a makespan.",
    "Goodput = completed requests that keep every given bound, per second. Per GPU = per GPU of the cluster. "
      + "Worst stall = the longest time between two tokens of one request.",
  ]
}
