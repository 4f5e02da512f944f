import ArgumentParser
import Results
import Sim
import Workloads

extension RequestRate.Ramp: ExpressibleByArgument {}

/// How requests are sent and which of them count, as the clients of benchmarks have it.
package struct SendingOptions: ParsableArguments, Sendable {
  @Option(
    name: [.customLong("concurrency"), .customLong("max-concurrency")],
    help: ArgumentHelp(
      "At most N requests at a time, the next as soon as any ends. Without --request-rate the trace's own times do not count.",
      valueName: "n"))
  var concurrency: Int?
  @Option(
    help: ArgumentHelp(
      "Send so many requests per second instead of when the trace says, as `vllm bench serve` does; inf: all at once.",
      valueName: "rate|inf"))
  var requestRate: String?
  @Option(
    help: ArgumentHelp(
      "Of --request-rate and ramps: the shape of the gamma distributed gaps. 1 is a Poisson process, less is burstier, inf is a clock. (default: 1)",
      valueName: "shape|inf"))
  var burstiness: String?
  @Option(help: "A rate that rises or falls from the first request to the last: linear or exponential.")
  var rampUpStrategy: RequestRate.Ramp?
  @Option(help: ArgumentHelp("Of a ramp: requests per second at its start.", valueName: "rate"))
  var rampUpStartRps: Double?
  @Option(help: ArgumentHelp("Of a ramp: requests per second at its end.", valueName: "rate"))
  var rampUpEndRps: Double?
  @Option(
    help: ArgumentHelp(
      "Send all requests K times, one round after another, each with the same prompts: --prefix-caching finds them from the second on.",
      valueName: "k"))
  var `repeat`: Int?
  @Option(
    help: ArgumentHelp(
      "Leave the first requests out of TTFT, TPOT and E2E: 100 of them, or those of the first 30s.",
      valueName: "n|seconds"))
  var warmup: String?
  @Option(
    help: ArgumentHelp("Leave the last requests out of them, as --warmup the first.", valueName: "n|seconds"))
  var cutoff: String?

  package init() {}

  /// Which requests count in latencies; `nil` if all do.
  package func latencyWindow() throws(TraceError) -> LatencyWindow? {
    func margin(_ name: String, _ text: String?) throws(TraceError) -> LatencyWindow.Margin? {
      guard let text else { return nil }
      guard let margin = LatencyWindow.Margin(text) else {
        throw .invalidOption(
          name: name, found: text, expected: "requests such as 100, or seconds such as 30s, above 0")
      }
      return margin
    }
    return LatencyWindow(warmup: try margin("warmup", warmup), cutoff: try margin("cutoff", cutoff))
  }

  /// The rate that the options say; `nil` if none or no limit to it.
  fileprivate func rate(_ ofLoad: Double?) throws(TraceError) -> RequestRate? {
    func number(_ name: String, _ text: String) throws(TraceError) -> Double {
      // A number too large for a Double is not meant as infinity.
      guard let number = Double(text), number.isFinite || text == "inf" else {
        throw .invalidOption(name: name, found: text, expected: "a number, or inf")
      }
      return number
    }
    let shape = try burstiness.map { text throws(TraceError) in try number("burstiness", text) }
    var course: RequestRate.Course?
    let rate = try requestRate.map { text throws(TraceError) in try number("request-rate", text) } ?? ofLoad
    if let rate, rate != .infinity { course = .constant(rate) }
    if rampUpStrategy != nil || rampUpStartRps != nil || rampUpEndRps != nil {
      guard let rampUpStrategy, let rampUpStartRps, let rampUpEndRps else {
        throw .invalidOption(
          name: "ramp-up-strategy", found: "a part of a ramp",
          expected: "--ramp-up-strategy, --ramp-up-start-rps and --ramp-up-end-rps together")
      }
      guard rate == nil else {
        throw .invalidOption(
          name: "ramp-up-strategy", found: "a ramp and a rate",
          expected: "one of the two: the ramp says the rate")
      }
      course = .ramp(rampUpStrategy, from: rampUpStartRps, to: rampUpEndRps)
    }
    guard let course else {
      guard shape == nil else {
        throw .invalidOption(
          name: "burstiness", found: "no rate", expected: "--request-rate, which is not inf, or a ramp")
      }
      return nil
    }
    return try RequestRate(course, burstiness: shape ?? 1)
  }
}

extension RunOptions {
  /// When requests are sent; throws if the options contradict each other.
  package func sending() throws(TraceError) -> Sending {
    func contradiction(_ name: String, _ found: String, _ expected: String) -> TraceError {
      .invalidOption(name: name, found: found, expected: expected)
    }
    let line = try GeneratedTrace.load(source)?.sending
    let saysRate = client.requestRate != nil || client.rampUpStrategy != nil
    var result = Sending()
    var ofLoad: Double?
    switch line {
    case .rate(let rate): ofLoad = rate
    case .concurrency(let most): result.concurrency = most
    case .together, nil: break
    }
    if saysRate, ofLoad != nil || line == .together {
      throw contradiction(
        "load", "\(source.dropFirst(GeneratedTrace.loadPrefix.count)) and a rate by option", "one of the two")
    }
    if let most = client.concurrency {
      guard LoadLine.concurrencies.contains(most) else {
        throw contradiction("concurrency", "\(most)", "1 to \(LoadLine.concurrencies.upperBound) requests")
      }
      guard result.concurrency == nil else {
        throw contradiction("concurrency", "\(most), and another in --load", "one of the two")
      }
      result.concurrency = most
    }
    let rate = try client.rate(ofLoad)
    result.rounds = client.repeat ?? 1
    guard (1...Sending.mostRounds).contains(result.rounds) else {
      throw contradiction("repeat", "\(result.rounds)", "1 to \(Sending.mostRounds) rounds")
    }
    if let rate {
      result.times = .rate(rate)
    } else if atOnce {
      result.times = .together(by: "--at-once")
    } else if result.concurrency != nil {
      result.times = .together(by: "--concurrency")
    } else if saysRate {
      result.times = .together(by: "--request-rate")
    }
    let given = result.concurrency != nil || rate != nil || saysRate
    if atOnce, given {
      throw contradiction("at-once", "another word on when requests are sent", "one of the two")
    }
    if closedLoop, given || atOnce || result.rounds > 1 {
      throw contradiction(
        "closed-loop", "it with --at-once, --concurrency, --request-rate, a ramp or --repeat",
        "one of the two: a session's turns wait for answers")
    }
    if given, let arrivals = reading.arrivals {
      throw contradiction(
        "arrivals", arrivals, "--request-rate alone, which says when the requests of any trace are sent")
    }
    return result
  }
}
