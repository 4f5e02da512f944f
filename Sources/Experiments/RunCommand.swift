import Runs
import ArgumentParser
import Output
import Reporting
import Results
import Sim
import Storage

extension JSON {
  /// An object with `member` before its own.
  fileprivate func led(by member: Member) -> JSON {
    guard case .object(let members) = self else { return self }
    return .object([member] + members)
  }
}

/// `infinite-sim run`: one policy on one trace.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Replay a trace under one policy.")

  @Option(
    help: "Policy: vllm-m is plain vLLM, one or more instances each on its own; see `infinite-sim policies`.")
  var policy: String
  @Option(help: "Write every request as CSV to this path.")
  var requestsOut: String?
  @Option(help: "Write the run as a trace for ui.perfetto.dev to this path (JSON).")
  var timeline: String?
  @Option(
    help: ArgumentHelp(
      "Write the run as a result of a benchmark's client: vllm, guidellm, aiperf (records) or aiperf-summary, and a path. May "
        + "be repeated. The run is made once more, step by step, for the time of each token.",
      valueName: "client=file"))
  var benchOut: [ClientOutput] = []
  @OptionGroup var options: RunOptions
  @OptionGroup var execution: ExecutionOptions

  mutating func validate() throws { options.stepByStep = execution.stepByStep }

  func run() throws {
    var files = FileRoles(options, execution)
    files.addOutput("--requests-out", requestsOut)
    files.addOutput("--timeline", timeline)
    for output in benchOut { files.addOutput("--bench-out", output.path) }
    try files.requireDistinct()
    let pairs = try OptionPairs(options.optionArguments)
    try pairs.requireKnown(RunPlan.optionKeys(policies: [policy]))
    var loaded: Workload?
    let plan = try RunPlan.make(policy: policy, options: options, pairs: pairs, scope: .itself) {
      loaded = try Workload.load(options, seed: options.seed)
      return loaded?.longest
    }
    let workload = try loaded ?? Workload.load(options, seed: options.seed)
    if !options.quiet { workload.writeNotes() }
    let requestsFile = try requestsOut.map { try OutputFile($0, option: "--requests-out") }
    let timelineFile = try timeline.map { try OutputFile($0, option: "--timeline") }
    let benchFiles = try benchOut.map { ($0, try OutputFile($0.path, option: "--bench-out")) }
    if let db = execution.db { Interruption.keepsRuns(in: db, goesOn: false) }
    let store = try execution.openStore(quiet: options.quiet)
    let executor = RunExecutor(
      store: store, force: execution.force, stepByStep: execution.stepByStep,
      progress: ProgressLine(quiet: options.quiet))
    let requests = try requestsFile.map { try RequestCSV($0) }
    let timelineWriter = try timelineFile.map {
      try TimelineWriter($0, instances: plan.instances, about: plan.timelineTitle(workload))
    }
    let executed = try executor.execute(plan, on: workload, requests: requests, watcher: timelineWriter)
    if let db = execution.db, executed.storedRun != nil {
      Interruption.keeps { Interruption.Kept("the run is kept in \(db)") }
    }

    timelineWriter?.end()
    let seen = benchFiles.isEmpty ? nil : try clientRun(plan, pairs, workload, like: executed)
    try files.finish {
      let clientFiles = try seen.map { run in try benchFiles.map { try $0.write(run, to: $1) } } ?? []
      try OutputWriter.publish([timelineWriter?.file, requests?.file].compactMap(\.self) + clientFiles)
      if !options.quiet { writeNotes(executed, plan, workload) }
      return options.json
        ? JSON(executed.result).led(by: JSON.Member("run", plan.header(workload))).prettyText
        : TextReport(plan: plan, workload: workload, result: executed.result).text
    }
    if execution.timing { writeToStandardError(executor.timing.json.text + "\n") }
  }

  /// The run once more, step by step, as its clients see it.
  private func clientRun(
    _ plan: RunPlan, _ pairs: OptionPairs, _ workload: Workload, like executed: ExecutedRun
  ) throws -> ClientRun {
    var options = options
    options.stepByStep = true
    let walk = try RunPlan.make(policy: policy, options: options, pairs: pairs, scope: .itself) {
      workload.longest
    }
    let log = ClientLog()
    let progress = ProgressLine(quiet: options.quiet)
    let summary = try walk.simulate(
      try workload.open(), log, progress.start("\(plan.policy), step by step"))
    progress.clear()
    try RunExecutor.requireSame(executed.summary.fingerprint, summary.fingerprint)
    return ClientRun(model: plan.model, about: plan.timelineTitle(workload), requests: log.requests)
  }

  private func writeNotes(_ executed: ExecutedRun, _ plan: RunPlan, _ workload: Workload) {
    let result = executed.result
    let notes =
      result.extrapolations.map { "costs are extrapolated: \($0)" }
      + [result.summary.contextNote].compactMap(\.self)
    let idle = IdleOption.sentences(execution.idle + plan.idle + workload.idle)
    for warning in idle + plan.warnings + notes {
      writeToStandardError("warning: \(warning)\n")
    }
    for sentence in result.basis.unvalidated { writeToStandardError("unvalidated: \(sentence)\n") }
    if executed.isReused, let id = executed.storedRun, let db = execution.db {
      writeToStandardError("note: already there, shown from run \(id) of \(db); --force runs it again\n")
    }
  }
}
