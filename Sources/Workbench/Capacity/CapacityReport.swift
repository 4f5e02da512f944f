import Formatting
import Results
import Sim
import Studies

/// What `capacity` prints.
struct CapacityReport {
  var policy: String
  var trace: String
  var slo: CapacitySLO
  /// Of a GPU for an hour.
  var price: Double?
  /// The trace's own, requests per second.
  var rate: Double
  /// Of the search for a rate; `nil` where nodes were sought.
  var outcome: CapacitySearch.Outcome?
  /// The answer where nodes were sought; `nil` if none was enough.
  var fewestNodes: Int?
  /// By multiple of the trace's rate, or by nodes, ascending.
  var trials: [(at: Double, trial: CapacityTrial)]
  /// Of the trace, and how often it was replayed.
  var requests = 0, times = 1

  /// Requests that the trace needs before the answer can be trusted; `nil` if it can. The answer stands on the trial that
  /// passes, and on the one that fails next to it, or on the lowest.
  var requestsNeeded: Int? {
    let decisive: [CapacityTrial]
    switch outcome?.answer {
    case .bracket(let passes, let fails):
      decisive = trials.filter { $0.at == passes || $0.at == fails }.map(\.trial)
    case .belowLowest: decisive = [trials[0].trial]
    case .aboveHighest: decisive = [trials[trials.count - 1].trial]
    case nil: decisive = trials.map(\.trial)
    }
    return decisive.compactMap(\.requestsNeeded).max()
  }

  var text: String {
    let bounds = slo.bounds.map { "\($0.name) ≤ \(figure($0.seconds)) s" }.joined(separator: " and ")
    return "\(policy) on \(trace): \(bounds) at percentile \(figure(slo.percentile)), "
      + "mean over \(trials[0].trial.runs.count) seeds"
      + (times > 1 ? ", the trace replayed \(grouped(times)) times" : "") + "\n\n" + table + "\n" + answer
      + cost + "Costs rest on \(basis.text).\n"
  }

  /// Of the run that went furthest beyond what was measured.
  private var basis: BasisMark {
    let all = trials.flatMap { $0.trial.runs.map(\.basis) }
    return all.max { ($0.extrapolated ?? 0) < ($1.extrapolated ?? 0) }!
  }

  /// Said if the model's context decided in some run what was served.
  var contextNote: String? { trials.lazy.flatMap { $0.trial.runs }.compactMap(\.contextNote).first }

  private var table: String {
    let heading =
      outcome == nil ? ["nodes", "GPUs"] : ["× trace", "requests/s"]
    return markdownTable(
      [heading + slo.bounds.map { "\($0.name), s" } + ["load of the seeds", "passes", "why not"]]
        + trials.map { at, trial in
          [
            outcome == nil ? grouped(Int(at)) : "\(at)",
            outcome == nil ? grouped(trial.runs[0].gpus) : figure(at * rate),
          ]
            + slo.bounds.indices.map(trial.text)
            + [trial.loads, trial.passes ? "yes" : "no", trial.objections.joined(separator: "; ")]
        }, leftColumns: [2 + slo.bounds.count, 3 + slo.bounds.count, 4 + slo.bounds.count])
  }

  private var answer: String {
    guard let outcome else { return nodesAnswer }
    let lowest = trials[0].at
    let highest = trials[trials.count - 1].at
    var text: String
    switch outcome.answer {
    case .belowLowest:
      text =
        trials[0].trial.isUndecided
        ? "Undecided even at the lowest rate tried, \(rates(lowest)). A longer trace\(length(trials[0].trial)) or a lower "
          + "--from decides.\n"
        : "Not sustained even at the lowest rate tried, \(rates(lowest)): "
          + "\(trials[0].trial.objections.joined(separator: "; ")). There is no capacity in this range.\n"
    case .aboveHighest:
      text =
        "Sustained at the highest rate tried, \(rates(highest)): the capacity is that or more. Raise --to.\n"
    case .bracket(let passes, let fails):
      let failing = trials.first { $0.at == fails }?.trial
      let isOpen = failing?.isUndecided == true
      text = "Capacity: \(rates(passes)) passes, \(rates(fails)) \(isOpen ? "is undecided" : "fails").\n"
      if isOpen {
        text +=
          "The capacity is that or more: above, some seeds are undecided. A longer trace decides\(length(failing)); "
          + "--requests says how long, and --repeat-trace replays a shorter one.\n"
      }
      text += "5 % below: \(outcome.passesBelow == true ? "passes, as it should" : "FAILS and should pass"); "
      text +=
        "5 % above: "
        + (outcome.failsAbove == true
          ? (isOpen ? "does not pass" : "fails, as it should") : "PASSES and should fail") + ".\n"
    }
    if !outcome.isMonotone {
      let failing = trials.filter { !$0.trial.passes }.map(\.at)
      let odd = trials.filter { trial in trial.trial.passes && failing.contains { $0 < trial.at } }.map(\.at)
      text +=
        "NOT MONOTONE: \(odd.map { "\($0)" }.joined(separator: ", ")) × the trace's rate pass above a rate that "
        + "fails. Seeds, not load, decide there: use more seeds or a longer trace.\n"
    }
    return text
  }

  /// How long a trace that decides is, as far as its noise tells.
  private func length(_ trial: CapacityTrial?) -> String {
    guard let (needed, given) = trial?.requestsToDecide, needed > given else { return "" }
    return ", of about \(rounded(needed)) requests instead of \(grouped(given))"
  }

  /// To two digits: it is an estimate.
  private func rounded(_ number: Int) -> String {
    var unit = 1
    while number / unit >= 100 { unit *= 10 }
    return grouped((number + unit - 1) / unit * unit)
  }

  private var nodesAnswer: String {
    guard let fewestNodes, let found = chosen else {
      return "Not sustained with \(grouped(Int(trials[trials.count - 1].at))) nodes, the most tried, "
        + "at \(figure(rate)) requests/s.\n"
    }
    var text =
      "Fewest nodes: \(fewestNodes), \(grouped(found.runs[0].gpus)) GPUs, at \(figure(rate)) requests/s.\n"
    if let last = trials.last, last.at > Double(fewestNodes), !last.trial.passes {
      text += "NOT MONOTONE: \(grouped(Int(last.at))) nodes fail.\n"
    }
    return text
  }

  /// The trial that the answer stands on.
  private var chosen: CapacityTrial? {
    let at: Double?
    switch outcome?.answer {
    case .bracket(let passes, _): at = passes
    case .aboveHighest: at = trials[trials.count - 1].at
    case .belowLowest: at = nil
    case nil: at = fewestNodes.map(Double.init)
    }
    return trials.first { $0.at == at }?.trial
  }

  /// What the answer means in the steady state, and what it costs.
  private var cost: String {
    guard let trial = chosen, let rate = trial.rate, let costs else { return "" }
    var text =
      "In the steady state there: \(figure(rate.mean)) ± \(figure(rate.halfWidth)) requests/s completed"
    if let good = trial.steady(\.goodputRequestsPerSecond) {
      text += ", goodput \(figure(good.mean)) requests/s"
    }
    text += ", \(figure(costs.output)) output tokens/s (means over the seeds, ± for 95 %).\n"
    text +=
      "\(grouped(costs.gpus)) GPUs: \(figure(costs.hoursPerMillionOutput)) GPU-hours per million output tokens, "
    text += "\(figure(costs.hoursPerMillion)) per million tokens in all"
    if let price {
      text +=
        "; at \(figure(price)) a GPU-hour: \(figure(price * costs.hoursPerMillionOutput)) per million output tokens, "
      text += "\(figure(price * costs.hoursPerMillion)) per million tokens in all"
    }
    return text + ".\n"
  }

  private typealias Costs = (
    gpus: Int, output: Double, hoursPerMillionOutput: Double, hoursPerMillion: Double, hoursOfTrace: Double
  )

  /// Of the steady state, so that they do not depend on how long the trace is.
  private var costs: Costs? {
    guard let trial = chosen, let rate = trial.rate, let output = trial.steady(\.outputTokensPerSecond),
      let total = trial.steady(\.totalTokensPerSecond)
    else { return nil }
    let gpus = trial.runs[0].gpus
    let hours = Double(gpus) / 3_600
    return (
      gpus, output.mean, hours / output.mean * 1e6, hours / total.mean * 1e6,
      hours * Double(requests) / rate.mean
    )
  }

  private func rates(_ factor: Double) -> String {
    "\(figure(factor * rate)) requests/s (\(factor) × the trace)"
  }

  // MARK: - JSON

  /// The same as one JSON object; what has no answer is null.
  var json: JSON {
    var passes: Double?
    var fails: Double?
    var kind = outcome == nil ? (fewestNodes == nil ? "none" : "nodes") : "bracket"
    switch outcome?.answer {
    case .bracket(let low, let high): (passes, fails) = (low, high)
    case .belowLowest: kind = "below-lowest"
    case .aboveHighest: kind = "above-highest"
    case nil: break
    }
    let costs = costs
    let steady = chosen?.rate
    return [
      "policy": .string(policy), "answer": .string(kind),
      "percentile": .double(slo.percentile),
      "costs_rest_on": .string(basis.text),
      "trace_requests_per_s": .double(rate),
      "passes_rate_scale": .optional(passes), "fails_rate_scale": .optional(fails),
      "capacity_requests_per_s": .optional(passes.map { $0 * rate }),
      "passes_5_percent_below": outcome?.passesBelow.map(JSON.bool) ?? .null,
      "fails_5_percent_above": outcome?.failsAbove.map(JSON.bool) ?? .null,
      "monotone": outcome.map { .bool($0.isMonotone) } ?? .null,
      "fewest_nodes": .optional(fewestNodes),
      "requests": .int(requests), "trace_replays": .int(times),
      "steady_requests_per_s": .optional(steady?.mean),
      "steady_requests_per_s_half_width": .optional(steady?.halfWidth),
      "steady_goodput_requests_per_s": .optional(chosen?.steady(\.goodputRequestsPerSecond)?.mean),
      "steady_output_tokens_per_s": .optional(costs?.output),
      "gpus": .optional(costs?.gpus), "gpu_hours": .optional(costs?.hoursOfTrace),
      "cost_per_million_output_tokens": .optional(
        price.flatMap { p in costs.map { p * $0.hoursPerMillionOutput } }),
      "cost_per_million_tokens": .optional(price.flatMap { p in costs.map { p * $0.hoursPerMillion } }),
      "trials": .array(
        trials.map { at, trial in
          [
            outcome == nil ? "nodes" : "rate_scale": .double(at), "passes": .bool(trial.passes),
            "seeds": .array(
              trial.runs.map { run in
                .object(
                  [.init("load", .string(run.load.label.rawValue)), .init("completed", .int(run.completed))]
                    + zip(slo.bounds, run.latencies).map { .init("\($0.name), s", .double($1)) })
              }),
          ]
        }),
    ]
  }
}
