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
      throw .invalidOption(
        name: "load", found: "\(source.dropFirst(GeneratedTrace.loadPrefix.count)) and a rate by option",
        expected: "one of the two")
    }
    if let most = client.concurrency {
      guard LoadLine.concurrencies.contains(most) else {
        throw .invalidOption(
          name: "concurrency", found: "\(most)",
          expected: "1 to \(LoadLine.concurrencies.upperBound) requests")
      }
      guard result.concurrency == nil else {
        throw .invalidOption(
          name: "concurrency", found: "\(most), and another in --load", expected: "one of the two")
      }
      result.concurrency = most
    }
    let rate = try client.rate(ofLoad)
    result.rounds = client.repeat ?? 1
    guard (1...Sending.mostRounds).contains(result.rounds) else {
      throw .invalidOption(
        name: "repeat", found: "\(result.rounds)", expected: "1 to \(Sending.mostRounds) rounds")
    }
    if let rate {
      result.times = .rate(rate)
    } else if atOnce {
      result.times = .together(by: "--at-once")
    } else if result.concurrency != nil {
      result.times = .together(by: "--concurrency")
    } else if saysRate {
      result.times = .together(by: "--request-rate")
    } else if line == .together {
      result.times = .together(by: "--load")
    }
    try requireOneWord(
      others: [
        ("a concurrency", result.concurrency != nil), ("a rate", rate != nil || saysRate),
      ].filter(\.1).map(\.0), rounds: result.rounds)
    return result
  }

  /// Throws if several options say when requests are sent; `others` are so besides those named here.
  private func requireOneWord(others: [String], rounds: Int) throws(TraceError) {
    func require(_ name: String, _ isGiven: Bool, without others: [String], _ why: String) throws(TraceError)
    {
      guard isGiven, !others.isEmpty else { return }
      throw .invalidOption(
        name: name, found: "it beside \(others.joined(separator: " and "))", expected: "one of them: " + why)
    }
    try require("at-once", atOnce, without: others, "both say when requests are sent")
    try require(
      "arrivals", reading.arrivals != nil, without: others,
      "--request-rate says when those of any trace are sent")
    try require(
      "closed-loop", closedLoop,
      without: others + (atOnce ? ["--at-once"] : []) + (rounds > 1 ? ["--repeat"] : []),
      "a session's turns wait for answers")
  }
}
