import Runs
import ArgumentParser
import Output
import Results
import Sim
import Storage
import Studies

extension OnReject: ExpressibleByArgument {}

/// `infinite-sim compare`: several policies on one trace, side by side.
struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare", abstract: "Replay a trace under several policies and compare them.",
    discussion: """
      --tp, --pp, --kv-blocks and --max-num-seqs describe an instance of vllm-m. vllm-s derives its layout; its \
      sequences and an explicit --kv-blocks are multiplied by the number of vllm-m's instances. vllm-m-fit ignores --tp: it \
      takes the smallest TP within a node whose instance holds the longest request of the trace (seed 0), or of --longest \
      tokens; if none does, the largest, and says so. It reads hidden output lengths, as a planner reads a trace's history. \
      Its sequences and an explicit --kv-blocks are multiplied by its TP over --tp.
      """)

  @Option(help: "Policies, separated by commas; see `infinite-sim policies`.")
  var policies = "vllm-m,vllm-m-fit,vllm-s,debtor-creditor"
  @Option(help: "The policy that ratios are to. (default: the first)")
  var baseline: String?
  @Option(help: "When not all complete the same requests: fail, common (run again on those) or raw.")
  var onReject = OnReject.common
  @Option(help: "Paired runs on so many seeds, from --seed on, and intervals of the ratios.")
  var seeds = 1
  @Option(help: "Write the comparison to this Markdown file too.")
  var report: String?
  @OptionGroup var options: RunOptions
  @OptionGroup var execution: ExecutionOptions

  mutating func validate() throws {
    options.stepByStep = execution.stepByStep
    guard (1...10_000).contains(seeds) else {
      throw ValidationError("--seeds is \(seeds), expected 1 to 10000.")
    }
    let names = policyNames
    guard !names.isEmpty else { throw ValidationError("--policies names no policy.") }
    guard Set(names).count == names.count else { throw ValidationError("--policies names one twice.") }
    if let baseline, !names.contains(baseline) {
      throw ValidationError("--baseline \(baseline) is not one of --policies \(policies).")
    }
  }

  private var policyNames: [String] { policies.split(separator: ",").map(String.init) }

  func run() throws {
    var files = FileRoles(options, execution)
    files.addOutput("--report", report)
    try files.requireDistinct()
    let pairs = try OptionPairs(options.optionArguments)
    try pairs.requireKnown(RunPlan.optionKeys(policies: policyNames))
    var loaded: Workload?
    let plans = try policyNames.map {
      try RunPlan.make(policy: $0, options: options, pairs: pairs, scope: .vllmM) {
        // One plan for all seeds.
        if options.isGenerated, seeds > 1 { return nil }
        if loaded == nil { loaded = try Workload.load(options, seed: options.seed) }
        return loaded?.longest
      }
    }
    let first = try loaded ?? Workload.load(options, seed: options.seed)
    if !options.quiet { first.writeNotes() }
    let reportFile = try report.map { try OutputFile($0, option: "--report") }
    if let db = execution.db { Interruption.keepsRuns(in: db) }
    let store = try execution.openStore(quiet: options.quiet)

    let executor = RunExecutor(
      store: store, force: execution.force, stepByStep: execution.stepByStep,
      progress: ProgressLine(quiet: options.quiet))
    let comparisons = try (options.seed..<options.seed + seeds).map { seed in
      try FairComparison.make(
        policies: policyNames,
        workload: seed == options.seed ? first : Workload.load(options, seed: seed), onReject: onReject
      ) { contender, workload in
        try executor.execute(plans[contender], on: workload)
      }
    }

    let comparison = CompareReport(
      plans: plans, baseline: policyNames.firstIndex(of: baseline ?? policyNames[0]) ?? 0,
      onReject: onReject, comparisons: comparisons)
    if !options.quiet {
      let shared = IdleOption.inAll(plans.map { IdleOption.Sharer($0.idle) })
      IdleOption.warn(execution.idle + shared + first.idle)
      var said: Set<String> = []
      for sentence in plans.flatMap(\.unvalidated) where said.insert(sentence).inserted {
        writeToStandardError("unvalidated: \(sentence)\n")
      }
      let reused = comparisons.flatMap(\.whole.runs).count(where: \.isReused)
      if reused > 0, let db = execution.db {
        writeToStandardError(
          "note: \(reused) runs are taken from \(db), already there; --force runs them again\n")
      }
      for (plan, run) in zip(plans, comparisons[0].whole.runs) {
        let notes =
          run.result.extrapolations.map { "costs are extrapolated: \($0)" }
          + [run.summary.contextNote].compactMap(\.self)
        for warning in plan.warnings + notes {
          writeToStandardError("warning: \(plan.policy): \(warning)\n")
        }
      }
    }
    try files.finish {
      try reportFile?.write(comparison.text)
      return options.json ? comparison.json.prettyText : comparison.text
    }
    if execution.timing { writeToStandardError(executor.timing.json.text + "\n") }
  }
}
