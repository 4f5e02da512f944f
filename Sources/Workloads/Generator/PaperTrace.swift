import Sim

/// Stand-ins for the nine unpublished traces of the Infinite-LLM paper (arXiv 2401.02669 v2, section 6).
///
/// Known: traces 0 to 2 span 1 to 60K tokens with ever smaller deviation, 3 to 8 span 1 to 200K and up to
/// 2,000K; they mix ShareGPT, L-Eval and lengths of the authors' service. Everything else is assumed, and says
/// so where it is set. All knobs are parameters.
public struct PaperTrace: Hashable, Sendable {
  /// 0 to 8.
  public let number: Int
  /// Mean tokens of a request, prompt + output.
  public let mean: Double
  /// Standard deviation of those over their mean.
  public let spread: Double
  /// Share of the tokens that is output.
  public let outputShare: Double
  /// Poisson arrivals per second.
  public let rate: Double
  public let requests: Int
  public let seed: UInt64
  /// The total lengths.
  private let totals: [LengthDistribution.Quantile]

  /// Longest request of each trace, in tokens. 60K and the first and last of the long ones are the paper's.
  /// Assumed: the four between (280K, 480K, 600K, 1,200K), from a note of low confidence on the trace table.
  public static let maxima = [
    60_000, 60_000, 60_000, 200_000, 280_000, 480_000, 600_000, 1_200_000, 2_000_000,
  ]
  /// Assumed: means. Short traces have the same, so that only the deviation differs; long ones grow with the
  /// range.
  public static let means: [Double] = [6_000, 6_000, 6_000, 12_000, 16_000, 24_000, 30_000, 50_000, 80_000]
  /// Assumed: deviations over means. The paper says that they fall from trace 0 to 2 and that ranges grow from
  /// 3 to 8.
  public static let spreads = [1.6, 1.1, 0.7, 1.8, 1.9, 2.1, 2.2, 2.4, 2.6]

  /// Throws `invalidOption` for a parameter out of range or a mean and spread that the range cannot have.
  public init(
    _ number: Int, mean: Double? = nil, spread: Double? = nil, outputShare: Double? = nil, rate: Double = 1,
    requests: Int = 500, seed: UInt64 = 1
  ) throws(TraceError) {
    func check(_ isGood: Bool, _ name: String, _ found: String, _ expected: String) throws(TraceError) {
      guard isGood else { throw .invalidOption(name: name, found: found, expected: expected) }
    }
    try check((0...8).contains(number), "paper", "\(number)", "a trace from 0 to 8")
    self.number = number
    self.mean = mean ?? Self.means[number]
    self.spread = spread ?? Self.spreads[number]
    // Assumed: chat answers dominate short requests, documents the long ones.
    self.outputShare = outputShare ?? (number < 3 ? 0.1 : 0.03)
    (self.rate, self.requests, self.seed) = (rate, requests, seed)
    let most = Double(Self.maxima[number])
    try check(
      (100...most / 2).contains(self.mean), "mean-tokens", "\(self.mean)", "100 to \(Int(most / 2)) tokens")
    try check((0.1...6).contains(self.spread), "spread", "\(self.spread)", "0.1 to 6 times the mean")
    try check(
      (0.001...0.5).contains(self.outputShare), "output-share", "\(self.outputShare)",
      "a share from 0.001 to 0.5")
    try check(ArrivalProcess.rates.contains(rate), "rate", "\(rate)", "0.000001 to 1000000 per second")
    try check(
      (1...WorkloadSpec.maximumRequests).contains(requests), "requests", "\(requests)",
      "1 to \(WorkloadSpec.maximumRequests)")
    let (points, reachedMean, reachedSpread) = Self.shape(most: most, mean: self.mean, spread: self.spread)
    totals = points
    try check(
      (reachedMean / self.mean - 1).magnitude < 0.02 && (reachedSpread / self.spread - 1).magnitude < 0.05,
      "spread", "a mean of \(self.mean) and a spread of \(self.spread)",
      "a pair that lengths from 1 to \(Int(most)) tokens can have")
  }

  /// Chat, documents and the service, before they are shaped to mean and spread. Assumed: weights; chat as
  /// ShareGPT (median 600 tokens, σ 1.2); documents as L-Eval (evenly on a logarithmic scale from 2.7K to 210K,
  /// the range that LoongServe reports of it); the service as a power law (α 1.1) that fills the range.
  private static func base(_ most: Double) -> LengthDistribution {
    .mixture([
      .init(weight: 0.6, distribution: .clamped(.lognormal(median: 600, sigma: 1.2), 1, 4_000)),
      .init(weight: 0.25, distribution: .logUniform(2_700, min(210_000, most))),
      .init(weight: 0.15, distribution: .clamped(.pareto(minimum: 1_000, alpha: 1.1), 1_000, most)),
    ])
  }

  /// The mixture's quantiles x, sorted, turned into a·x^b, cut to the range, with a and b such that mean and
  /// spread are those asked for; and what they came to. The longest of a thousand is `most`: the range is
  /// filled.
  private static func shape(
    most: Double, mean wanted: Double, spread: Double
  ) -> (points: [LengthDistribution.Quantile], mean: Double, spread: Double) {
    let grid = 1_000
    let base = base(most)
    let logs = (0..<grid).map { Elementary.ln(max(base.value(at: (Double($0) + 0.5) / Double(grid)), 1)) }
      .sorted()
    func lengths(_ a: Double, _ b: Double) -> [Double] {
      logs.dropLast().map { min(max(Elementary.exp(min(max(a + b * $0, -600), 600)), 1), most) } + [most]
    }
    func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(grid) }
    /// The logarithm of a that gives the mean for this b.
    func level(_ b: Double) -> Double {
      var (low, high) = (-100.0, 100.0)
      for _ in 0..<40 {
        let middle = (low + high) / 2
        if mean(lengths(middle, b)) < wanted { low = middle } else { high = middle }
      }
      return (low + high) / 2
    }
    func cv(_ values: [Double]) -> Double {
      let m = mean(values)
      return (values.reduce(0) { $0 + ($1 - m) * ($1 - m) } / Double(grid)).squareRoot() / m
    }
    var (low, high) = (0.02, 8.0)
    for _ in 0..<40 {
      let middle = (low + high) / 2
      if cv(lengths(level(middle), middle)) < spread { low = middle } else { high = middle }
    }
    let b = (low + high) / 2
    let values = lengths(level(b), b)
    let points = values.enumerated().map { index, value in
      LengthDistribution.Quantile(
        share: index == grid - 1 ? 1 : (Double(index) + 0.5) / Double(grid), value: value)
    }
    return (points, mean(values), cv(values))
  }

  /// The generator. Prompts are the total lengths less the mean output's share; outputs are lognormal with
  /// σ = 0.8 and a rank correlation of 0.3 with the prompts. Assumed, both; arrivals are a Poisson process, as
  /// the paper's open-loop rates suggest.
  public var spec: WorkloadSpec {
    let most = Double(Self.maxima[number])
    let longestOutput = max(min(mean * outputShare * 20, most / 2).rounded(.down), 1)
    let prompt = totals.map { point in
      LengthDistribution.Quantile(
        share: point.share, value: min(max(point.value * (1 - outputShare), 1), most - longestOutput))
    }
    let sigma = 0.8
    let median = mean * outputShare * Elementary.exp(-sigma * sigma / 2)
    let kind = RequestClass(
      name: "paper-\(number)", source: .open(ArrivalProcess(pattern: .constant(rate: rate))),
      prompt: .quantiles(prompt),
      output: .clamped(.lognormal(median: median, sigma: sigma), 1, longestOutput), correlation: 0.3)
    return WorkloadSpec(seed: seed, requests: requests, classes: [kind])
  }
}
