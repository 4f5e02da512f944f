import Sim

/// A generator that behaves like a trace, and how well it does.
///
/// Lengths become tables of 200 quantiles each, tied by their rank correlation. Arrivals become gamma or
/// exponential gaps under a rate that varies on scales of 1, 10 and 60 s, whose variances follow from the
/// dispersions of the counts at those scales: lognormal factors that hold for s seconds add
/// rate · cv² · min(T, s) to the dispersion in windows of T. Of the ways to split the dispersion at 1 s between
/// gaps and rate, the one whose gaps come closest is taken. Arrivals on a grid are spread before and rounded
/// again after. What is lost: daily rhythm, sessions, prefixes, and any tie between lengths and times.
public enum TraceFit {
  /// The specification fitted to `requests`, which are in order; at least 50 are needed.
  public static func fit(_ requests: [TraceRequest], seed: UInt64 = 1) throws(TraceError) -> WorkloadSpec {
    guard requests.count >= 50 else {
      throw .invalidOption(
        name: "trace", found: "\(requests.count) requests", expected: "at least 50 to fit a generator to")
    }
    let kind = RequestClass(
      name: "fitted", source: .open(try arrivals(like: requests, seed: seed)),
      prompt: .quantiles(table(requests.map(\.prompt))),
      output: .quantiles(table(requests.map(\.output))),
      correlation: Distance.rankCorrelation(
        requests.map { Double($0.prompt) }, requests.map { Double($0.output) }))
    return WorkloadSpec(seed: seed, requests: requests.count, classes: [kind])
  }

  /// Poisson arrivals and independent lognormal lengths with the means and variances of the logarithms: what a
  /// fit must beat.
  public static func strawman(_ requests: [TraceRequest], seed: UInt64 = 1) -> WorkloadSpec {
    func lognormal(_ values: [Int]) -> LengthDistribution {
      let logs = values.map { Elementary.ln(Double($0)) }
      let mean = logs.reduce(0, +) / Double(logs.count)
      let variance = logs.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(logs.count)
      return .lognormal(median: Elementary.exp(mean), sigma: variance.squareRoot())
    }
    let rate = TraceFit.rate(requests)
    let process = rate.map { ArrivalProcess(pattern: .constant(rate: $0)) } ?? .together
    let kind = RequestClass(
      name: "strawman", source: .open(process), prompt: lognormal(requests.map(\.prompt)),
      output: lognormal(requests.map(\.output)))
    return WorkloadSpec(seed: seed, requests: requests.count, classes: [kind])
  }

  /// 200 intervals of equal share; the ends are the extremes.
  static func table(_ lengths: [Int]) -> [LengthDistribution.Quantile] {
    let sorted = lengths.map(Double.init).sorted()
    return (0...200).map { step in
      let share = Double(step) / 200
      return LengthDistribution.Quantile(
        share: share, value: step == 0 ? sorted[0] : Distance.percentile(sorted, share))
    }
  }

  private static func rate(_ requests: [TraceRequest]) -> Double? {
    let span = requests[requests.count - 1].arrival.seconds
    return span > 0 ? Double(requests.count - 1) / span : nil
  }

  // MARK: Arrivals

  private static func arrivals(like requests: [TraceRequest], seed: UInt64) throws(TraceError)
    -> ArrivalProcess
  {
    var statistics = TraceStatistics()
    for request in requests { statistics.add(TraceRecord(request)) }
    guard let rate = statistics.rate else { return .together }
    let quantum = statistics.quantum
    if let quantum {
      // Spread over the grid first: the process behind it is what is fitted.
      var spread = BucketSpread(width: Int64(quantum * 1e12), seed: seed)
      statistics = TraceStatistics()
      for request in requests {
        while let ready = spread.take() { statistics.add(ready) }
        spread.add(TraceRecord(request))
      }
      spread.finish()
      while let ready = spread.take() { statistics.add(ready) }
    }
    let dispersions = statistics.windows.map { max($0.dispersion ?? 1, 0) }
    let candidates = splits(dispersions, rate: rate, gapCV: statistics.gapCV ?? 1).map { gaps, scales in
      ArrivalProcess(
        gaps: gaps,
        pattern: scales.isEmpty ? .constant(rate: rate) : .modulated(rate: rate, scales: scales),
        quantum: quantum ?? 0)
    }
    let real = gaps(requests.map(\.arrival))
    func distance(_ process: ArrivalProcess) -> Double {
      var clock = ArrivalSampler(process, seed: seed, stream: "fit")
      let drawn = requests.map { _ in SimTime(picoseconds: clock.next()) }
      return Distance.kolmogorovSmirnov(real, gaps(drawn))
    }
    let distances = candidates.map(distance)
    let best = candidates.indices.min { (distances[$0], $0) < (distances[$1], $1) }!
    return candidates[best]
  }

  /// Ways to explain dispersions at 1, 10 and 60 s.
  private static func splits(
    _ d: [Double], rate: Double, gapCV: Double
  ) -> [(ArrivalProcess.Gaps, [ArrivalProcess.Scale])] {
    let slow = max((d[2] - d[1]) / (50 * rate), 0)
    let middle = max((d[1] - d[0]) / (9 * rate) - slow, 0)
    // What gaps and the scale of 1 s have to explain at 1 s.
    let rest = max(d[0] - rate * (slow + middle), 0.01)
    func scales(_ fast: Double) -> [ArrivalProcess.Scale] {
      [(1.0, fast), (10, middle), (60, slow)].filter { $0.1 > 1e-4 }
        .map { ArrivalProcess.Scale(seconds: $0.0, cv: min($0.1.squareRoot(), 20)) }
    }
    func gamma(_ variance: Double) -> ArrivalProcess.Gaps {
      (variance - 1).magnitude < 0.02 ? .exponential : .gamma(cv: min(max(variance.squareRoot(), 0.05), 20))
    }
    let shares = rest > 1 ? [0, 0.25, 0.5, 0.75, 1] : [0.0]
    var all = shares.map { share in
      let fast = (rest - 1) * share
      return (gamma(rest - max(fast, 0)), scales(max(fast, 0) / rate))
    }
    all.append((gamma(gapCV * gapCV), scales(max(rest - gapCV * gapCV, 0) / rate)))
    return all
  }

  static func gaps(_ arrivals: [SimTime]) -> [Double] {
    zip(arrivals.dropFirst(), arrivals).map { ($0 - $1).seconds }
  }
}

/// How well one set of requests stands for another.
public struct FitScore: Hashable, Sendable {
  /// Kolmogorov–Smirnov distances of prompts, outputs and gaps between arrivals.
  public var prompt = 0.0
  public var output = 0.0
  public var gap = 0.0
  /// Dispersions at 1, 10 and 60 s of the candidate (mean over its draws) and of the reference; `nil` where a
  /// half is too short.
  public var dispersions: [Double?] = []
  public var referenceDispersions: [Double?] = []
  /// Rank correlations of prompt and output.
  public var correlation = 0.0
  public var referenceCorrelation = 0.0
  /// p50, p90 and p99 of prompts and outputs: the candidate's and the reference's.
  public var promptPercentiles: [Double] = []
  public var referencePromptPercentiles: [Double] = []
  public var outputPercentiles: [Double] = []
  public var referenceOutputPercentiles: [Double] = []

  /// One number, smaller is better: the three distances, the difference of the correlations, and the mean
  /// |ln| of the ratios of the dispersions.
  public var total: Double {
    let ratios = zip(dispersions, referenceDispersions).compactMap { a, b -> Double? in
      guard let a, let b, a > 0, b > 0 else { return nil }
      return Elementary.ln(a / b).magnitude
    }
    let burst = ratios.isEmpty ? 0 : ratios.reduce(0, +) / Double(ratios.count)
    return prompt + output + gap + (correlation - referenceCorrelation).magnitude + burst
  }

  /// Holds several draws of a candidate, pooled, against the reference.
  init(_ draws: [[TraceRequest]], against reference: [TraceRequest]) {
    let pooled = draws.flatMap(\.self)
    func values(_ requests: [TraceRequest], _ field: (TraceRequest) -> Int) -> [Double] {
      requests.map { Double(field($0)) }
    }
    let shares = [0.5, 0.9, 0.99]
    func percentiles(_ values: [Double]) -> [Double] {
      let sorted = values.sorted()
      return shares.map { Distance.percentile(sorted, $0) }
    }
    let (p, q) = (values(pooled, \.prompt), values(reference, \.prompt))
    let (o, r) = (values(pooled, \.output), values(reference, \.output))
    prompt = Distance.kolmogorovSmirnov(p, q)
    output = Distance.kolmogorovSmirnov(o, r)
    gap = Distance.kolmogorovSmirnov(
      draws.flatMap { TraceFit.gaps($0.map(\.arrival)) }, TraceFit.gaps(reference.map(\.arrival)))
    (promptPercentiles, referencePromptPercentiles) = (percentiles(p), percentiles(q))
    (outputPercentiles, referenceOutputPercentiles) = (percentiles(o), percentiles(r))
    correlation = Distance.rankCorrelation(p, o)
    referenceCorrelation = Distance.rankCorrelation(q, r)
    func dispersions(_ requests: [TraceRequest]) -> [Double?] {
      var windows = [1, 10, 60].map { ArrivalWindows(seconds: $0) }
      let start = requests[0].arrival
      for request in requests {
        for index in windows.indices {
          windows[index].add(SimTime(picoseconds: (request.arrival - start).picoseconds))
        }
      }
      return windows.map(\.dispersion)
    }
    let each = draws.map(dispersions)
    self.dispersions = (0..<3).map { index in
      let known = each.compactMap { $0[index] }
      return known.isEmpty ? nil : known.reduce(0, +) / Double(known.count)
    }
    referenceDispersions = dispersions(reference)
  }
}

/// A fit to the first half of a trace, scored on the second.
public struct HoldOut: Sendable {
  /// The fitted generator.
  public var fitted: FitScore
  /// Poisson and lognormal, fitted to the same half.
  public var strawman: FitScore
  /// The first half itself: how much the trace differs from itself.
  public var halves: FitScore

  /// What a distance may exceed that of the halves by.
  public static let bound = 0.05

  /// Whether each of the fit's distances is at most 0.05 above that of the halves, and the strawman is worse.
  public var isGood: Bool {
    fitted.prompt <= halves.prompt + Self.bound && fitted.output <= halves.output + Self.bound
      && fitted.gap <= halves.gap + Self.bound && fitted.total < strawman.total
  }

  /// Splits `requests`, which are in order, at the middle one; generators are drawn with 8 seeds.
  public init(_ requests: [TraceRequest]) throws(TraceError) {
    guard requests.count >= 100 else {
      throw .invalidOption(
        name: "trace", found: "\(requests.count) requests", expected: "at least 100 to hold half of them out")
    }
    let middle = requests.count / 2
    let first = Array(requests[..<middle])
    let start = requests[middle].arrival
    let second = requests[middle...].map { request in
      TraceRequest(
        arrival: SimTime(picoseconds: (request.arrival - start).picoseconds), prompt: request.prompt,
        output: request.output)
    }
    func draws(_ spec: WorkloadSpec) throws(TraceError) -> [[TraceRequest]] {
      var all: [[TraceRequest]] = []
      for seed in 1...8 as ClosedRange<UInt64> {
        var spec = spec
        spec.seed = seed
        spec.requests = second.count
        all.append(try spec.generate().map(\.request))
      }
      return all
    }
    fitted = FitScore(try draws(try TraceFit.fit(first)), against: second)
    strawman = FitScore(try draws(TraceFit.strawman(first)), against: second)
    halves = FitScore([first], against: second)
  }
}
