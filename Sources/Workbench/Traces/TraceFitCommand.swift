import Runs
import Formatting
import ArgumentParser
import Output
import Results
import Sim
import Workloads

/// `infinite-sim trace fit`: a generator that behaves like a trace.
struct TraceFitCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fit", abstract: "Fit a generator to a trace, and say how well it does on a half not seen.",
    discussion: """
      The score comes from a generator fitted to the first half and held against the second, beside the first half \
      itself and beside Poisson arrivals with lognormal lengths. The YAML is fitted to the whole trace. With \
      --holdout the command ends with code 1 unless each distance is at most 0.05 above that of the halves and the \
      strawman is worse.
      """)

  @Argument(help: "Trace.") var path: String
  @Option(help: "Write the generator (YAML) here.") var out: String?
  @Flag(help: "Fail unless the fit to the first half passes on the second.") var holdout = false
  @Flag(help: "Print JSON.") var json = false
  @Option(help: "Seed of the generator.") var seed = 1
  @OptionGroup var reading: ReadingOptions

  mutating func validate() throws {
    guard (0...RunOptions.lastSeed).contains(seed) else {
      throw ValidationError("--seed is \(seed), expected 0 to \(RunOptions.lastSeed).")
    }
    guard out != nil || holdout || json else { throw ValidationError("Give --out, --holdout or --json.") }
  }

  func run() throws {
    var files = FileRoles()
    files.addTrace("PATH", path)
    files.addOutput("--out", out)
    try files.requireDistinct()
    let file = try out.map { try OutputFile($0, option: "--out") }
    let trace = try reading.open(path, try reading.apply(to: .unchanged))
    trace.writeNotes()
    IdleOption.warn(
      reading.idle(in: trace) + (out == nil ? IdleOption.given(["--seed"], "without --out") : []))
    let requests = try trace.all()
    let spec = try TraceFit.fit(requests, seed: UInt64(seed))
    let score = try HoldOut(requests)
    try files.finish {
      try file?.write(
        "# Fitted to \(requests.count) requests by `infinite-sim trace fit`.\n" + GeneratorYAML.text(spec))
      return json ? Self.json(score).prettyText : Self.text(score)
    }
    if holdout, !score.isGood {
      throw CommandFailure(.runFailed, "\(path): the fit does not hold on the second half")
    }
  }

  private static let names = ["fitted to the first half", "strawman", "the first half itself"]

  static func text(_ score: HoldOut) -> String {
    let scores = [score.fitted, score.strawman, score.halves]
    var rows = [["against the second half", "KS prompt", "KS output", "KS gap", "rank correlation", "score"]]
    for (name, one) in zip(names, scores) {
      rows.append([name] + [one.prompt, one.output, one.gap, one.correlation, one.total].map(ratioText))
    }
    rows.append(["the second half", "", "", "", ratioText(score.halves.referenceCorrelation), ""])
    var more = [
      ["", "prompt p50", "p90", "p99", "output p50", "p90", "p99", "dispersion 1 s", "10 s", "60 s"]
    ]
    for (name, one) in zip(names, scores) {
      more.append(
        [name] + (one.promptPercentiles + one.outputPercentiles).map { grouped(Int($0)) }
          + one.dispersions.map { $0.map(figure) ?? "–" })
    }
    let last = score.halves
    more.append(
      ["the second half"]
        + (last.referencePromptPercentiles + last.referenceOutputPercentiles).map { grouped(Int($0)) }
        + last.referenceDispersions.map { $0.map(figure) ?? "–" })
    return markdownTable(rows) + "\n" + markdownTable(more)
      + "\nKS = Kolmogorov–Smirnov distance. Score = the sum of "
      + "these, the difference in rank correlation, and the mean |ln| of the ratios of dispersion; less is better.\n"
      + (score.isGood
        ? "The fit holds: no distance is more than 0.05 above that of the halves, and the strawman is worse.\n"
        : "The fit does not hold.\n")
  }

  static func json(_ score: HoldOut) -> JSON {
    func object(_ one: FitScore) -> JSON {
      [
        "ks_prompt": .double(one.prompt), "ks_output": .double(one.output), "ks_gap": .double(one.gap),
        "rank_correlation": .double(one.correlation),
        "prompt_percentiles": .array(one.promptPercentiles.map(JSON.double)),
        "output_percentiles": .array(one.outputPercentiles.map(JSON.double)),
        "index_of_dispersion": .array(one.dispersions.map { .optional($0) }), "score": .double(one.total),
      ]
    }
    let last = score.halves
    let reference: JSON = [
      "rank_correlation": .double(last.referenceCorrelation),
      "prompt_percentiles": .array(last.referencePromptPercentiles.map(JSON.double)),
      "output_percentiles": .array(last.referenceOutputPercentiles.map(JSON.double)),
      "index_of_dispersion": .array(last.referenceDispersions.map { .optional($0) }),
    ]
    return [
      "fitted": object(score.fitted), "strawman": object(score.strawman), "halves": object(last),
      "second_half": reference, "holds": .bool(score.isGood),
    ]
  }
}
