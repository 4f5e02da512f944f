import Experiments
import Runs
import Formatting
import Foundation
import Output
import Reporting
import Results
import Sim
import Storage
import Testing

@Suite struct ReportTests {
  /// Every key that a script may rely on: the fixed form of `run --json`.
  @Test(arguments: [
    "fingerprint", "policy", "requests.arrived", "requests.completed", "requests.rejected",
    "requests.unfinished", "requests.preemptions", "requests.longest_preemption_chain", "tokens.prompt",
    "tokens.output", "makespan_s",
    "throughput.output_tokens_per_s", "throughput.total_tokens_per_s", "throughput.requests_per_s",
    "throughput.makespan_requests_per_s", "throughput.steady_output_tokens_per_s",
    "throughput.steady_total_tokens_per_s", "throughput.steady_from_s", "throughput.steady_to_s",
    "load_reason",
    "load_requests_needed",
    "throughput.per_gpu_output_tokens_per_s", "throughput.window_output_tokens_per_s", "load",
    "goodput_requests_per_s", "wasted_tokens", "worst_stall_s", "ttft_s.mean", "ttft_s.p50", "ttft_s.p90",
    "ttft_s.p99", "ttft_s.max", "tpot_s.mean", "tpot_s.p50", "tpot_s.p90", "tpot_s.p99", "tpot_s.max",
    "e2e_s.mean", "e2e_s.p50", "e2e_s.p90", "e2e_s.p99", "e2e_s.max", "steps", "events",
    "kv.blocks_per_instance", "kv.peak_utilisation", "kv.borrowed_blocks_peak", "kv.moved_blocks",
    "max_context_tokens",
  ])
  func `the JSON of an empty run has the key`(path: String) throws {
    var value: JSON? = JSON(RunResult(summary: RunSummary(), maxContextTTFTSeconds: nil))
    for key in path.split(separator: ".") { value = value?[String(key)] }
    #expect(value != nil)
  }

  @Test func `without an SLO goodput is null and not absent`() {
    let json = JSON(RunResult(summary: RunSummary(), maxContextTTFTSeconds: nil))
    #expect(json["goodput_requests_per_s"] == .null && json["max_context_ttft_s"] == .null)
  }

  @Test func `numbers are written for readers, without a locale`() {
    #expect(grouped(0) == "0" && grouped(999) == "999" && grouped(-1_234_567) == "-1,234,567")
    #expect(figure(0) == "0" && figure(1234.4) == "1,234" && figure(999.96) == "1,000")
    #expect(figure(123.45) == "123.5" && figure(12.345678) == "12.35" && figure(0.00123456) == "0.001235")
    #expect(figure(1e-9) == "1.000e-09" && figure(.nan) == "–")
  }

  @Test func `a table's columns are aligned and its rows have equal length`() {
    let text = Table([["", "vllm-m", "µ"], ["requests", "12", "3"], ["x", "1,234,567", "4"]]).markdown
    let lines = text.split(separator: "\n")
    #expect(lines.count == 4 && Set(lines.map(\.count)).count == 1)
  }

  @Test func `the comparison names its baseline, its reading and what is not comparable`() throws {
    let plans = [fakePlan("vllm-m", rate: 100, longestPrompt: 50), fakePlan("vllm-s", rate: 150)]
    let executor = quietExecutor()
    let comparison = try FairComparison.make(
      policies: plans.map(\.policy), workload: fakeWorkload(prompts: [10, 70, 20]), onReject: .common
    ) { try executor.execute(plans[$0], on: $1) }
    let report = CompareReport(plans: plans, baseline: 0, onReject: .common, comparisons: [comparison])
    for words in [
      "ratio to vllm-m (makespan, whole trace)", "ratio to vllm-m (window, common trace)", "n/c", "1.500",
      "no replication", "| whole trace ", "| common trace ", "costs rest on", "- vllm-m: fits",
      "## Common trace: the 2 requests", "1 requests that some contender rejects", "prefill-attention",
    ] {
      #expect(report.text.contains(words), "\(words)")
    }
    let json = report.json
    #expect(json["baseline"] == "vllm-m")
    let seed = try #require(json["seeds"]?.elements?.first)
    #expect(seed["whole"]?["runs"]?.elements?[1]["ratio"]?["makespan"] == .null)
    #expect(seed["common"]?["runs"]?.elements?[1]["ratio"]?["makespan"] == 1.5)
    #expect(json["intervals"]?.elements?[1]["makespan"]?["mean"] == .null)
    #expect(json["intervals"]?.elements?[1]["heats"] == ["common"])
    for heat in ["whole", "common"] {
      #expect(seed[heat]?["runs"]?.elements?.allSatisfy { $0["heat"] == .string(heat) } == true)
      #expect(seed[heat]?["runs"]?.elements?.allSatisfy { $0["run"]?["heat"] == .string(heat) } == true)
    }
  }

  @Test func `a comparison of unlike bases says so in its heading`() throws {
    var bound = fakePlan("b", rate: 150)
    (bound.costs, bound.unvalidated) = (.dataSheet, ["a guess"])
    let executor = quietExecutor()
    func report(_ plans: [RunPlan], prompts: [Int]) throws -> String {
      let comparison = try FairComparison.make(
        policies: plans.map(\.policy), workload: fakeWorkload(prompts: prompts), onReject: .raw
      ) { try executor.execute(plans[$0], on: $1) }
      return CompareReport(plans: plans, baseline: 0, onReject: .raw, comparisons: [comparison]).text
    }
    let unlike = try report([fakePlan("a", rate: 100, longestPrompt: 50), bound], prompts: [10, 8_192])
    let heading =
      "# a, b on fake.csv (unlike bases: data-sheet and fits, 0 to 1 unvalidated costs, 1 of 2 extrapolated)\n"
    #expect(unlike.hasPrefix(heading), "\(unlike.prefix(200))")
    #expect(unlike.contains("| data-sheet, 1 unvalidated, extrapolated 2.0× |"))
    #expect(
      unlike.contains(
        "- extrapolated: a prompt of 8192 tokens is beyond the measured 4096 by 4096, 2.0 times"))
    #expect(
      try report([fakePlan("a", rate: 100), fakePlan("b", rate: 1)], prompts: [1]).hasPrefix(
        "# a, b on fake.csv\n"))
  }

  @Test func `several seeds give an interval of their paired ratios`() throws {
    let executor = quietExecutor()
    let comparisons = try [100.0, 110, 120].enumerated().map { seed, rate in
      let plans = [fakePlan("a", rate: 100), fakePlan("b", rate: rate)]
      return try FairComparison.make(
        policies: ["a", "b"], workload: fakeWorkload(prompts: [1], seed: seed), onReject: .common
      ) { try executor.execute(plans[$0], on: $1) }
    }
    let report = CompareReport(
      plans: [fakePlan("a", rate: 1), fakePlan("b", rate: 1)], baseline: 0, onReject: .common,
      comparisons: comparisons)
    // 1.0, 1.1, 1.2: mean 1.1, standard error 0.1/√3, t(2) = 4.303.
    let makespan = try #require(report.json["intervals"]?.elements?[1]["makespan"])
    #expect(abs(try #require(makespan["mean"]?.number) - 1.1) < 1e-12)
    #expect(abs(try #require(makespan["half_width_95"]?.number) - 4.303 * 0.1 / 3.0.squareRoot()) < 1e-9)
    #expect(report.text.contains("1.100 ± 0.248") && report.text.contains("over 3 seeds"))
  }

  @Test func `progress says how far, how fast and how long still`() {
    let text = ProgressLine.text(
      "vllm-m", ended: 1_000, total: 4_000, elapsed: 0.5)
    #expect(text == "vllm-m  1,000 of 4,000 requests (25 %), 2,000 requests/s, 2.000 s left")
  }
}

@Suite struct ExecutorTests {
  let folder: String

  init() throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  @Test func `the same manifest is run once unless forced`() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let store = try ResultStore.open(folder + "/runs.db")
    var runs = 0
    var plan = fakePlan("a", rate: 100, longestPrompt: 50)
    let simulate = plan.simulate
    plan.simulate = { source, observer, progress in
      // The probe of the longest context is no run of the trace.
      if source.info.count > 1 { runs += 1 }
      return try simulate(source, observer, progress)
    }
    let workload = fakeWorkload(prompts: [10, 70, 20])
    let first = try quietExecutor(store: store).execute(plan, on: workload)
    let again = try quietExecutor(store: store).execute(plan, on: workload)
    #expect(runs == 1 && again.isReused && again.rejected == [1] && again.longest == first.longest)
    #expect(JSON(again.result) == JSON(first.result))
    let forced = try quietExecutor(store: store, force: true).execute(plan, on: workload)
    let stored = try store.runs().count
    #expect(runs == 2 && !forced.isReused && stored == 2)
  }

  @Test func `a forced run that differs from the stored one fails`() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let store = try ResultStore.open(folder + "/runs.db")
    var plan = fakePlan("a", rate: 100)
    _ = try quietExecutor(store: store).execute(plan, on: fakeWorkload(prompts: [1]))
    plan.simulate = fakePlan("another", rate: 100).simulate
    #expect(throws: CommandFailure.self) {
      _ = try quietExecutor(store: store, force: true).execute(plan, on: fakeWorkload(prompts: [1]))
    }
  }

  @Test func `a report in a folder that does not exist is refused before anything runs`() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    #expect(throws: OutputError.self) { _ = try OutputFile(folder + "/no/r.md", option: "--report") }
    #expect(throws: OutputError.self) { _ = try OutputFile(folder, option: "--report") }
    let file = try OutputFile(folder + "/r.md", option: "--report")
    #expect(!FileManager.default.fileExists(atPath: file.path))
    try file.write("text\n")
    #expect(try String(contentsOfFile: file.path, encoding: .utf8) == "text\n")
  }

  @Test func `requests are written in order of arrival`() throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    defer { try? FileManager.default.removeItem(atPath: path) }
    let csv = try RequestCSV(OutputFile(path))
    for id in [1, 0] {
      csv.requestEnded(
        RequestRecord(
          id: RequestID(id), arrival: SimTime(picoseconds: 5), prompt: 3, output: 2, generated: 0,
          home: InstanceID(0), admitted: nil, firstToken: nil, ended: SimTime(picoseconds: 9),
          outcome: .rejected(.overBudget), preemptions: 0, borrowedBlocksPeak: 0))
    }
    try OutputWriter.publish([csv.file])
    let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
    #expect(lines[1] == "0,5,3,2,0,0,,,9,over-budget,0,0,2" && lines[2].hasPrefix("1,"))
    #expect(lines.allSatisfy { $0.split(separator: ",", omittingEmptySubsequences: false).count == 13 })
  }
}
