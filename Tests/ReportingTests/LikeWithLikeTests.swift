import Foundation
import Reporting
import Results
import Sim
import Storage
import Testing

/// What reports say of values that are not there, of runs on parts of a trace, and of what costs rest on.
@Suite("Like with like", .enabled(if: hasPrograms, "gnuplot and cmark-gfm are not installed"))
struct LikeWithLikeTests {
  /// "slow" rejects request 1 of t.csv, so both ran again without it; nobody is served of none.csv.
  private func database(
    _ path: String, allFits: Bool = false, twoMachines: Bool = false, oneName: Bool = false
  ) throws -> ResultStore {
    let store = try ResultStore.open(path)
    func record(
      _ policy: String, _ trace: String, rate: Double?, rejected: [Int], dropped: Bool = false,
      longest: Int = 250, digest: JSON = "d", slo: SLO = SLO(), nodes: Int? = nil,
      basis: RunBasis = RunBasis(costs: .fits, measuredPrompt: 100)
    ) throws {
      let manifest = Manifest(
        programVersion: "test",
        cluster: nodes.map { ["instances": 1, "tp": 1, "pp": 1, "nodes": .int($0), "kv_blocks": 9] }
          ?? ["instances": 1, "tp": 1, "pp": 1, "kv_blocks": 9],
        model: ["name": "m"],
        hardware: ["name": twoMachines && basis.costs != .fits ? "sheet" : "h"], policy: policy,
        policyOptions: [:],
        engine: EngineOptions(),
        engineProfile: ["name": "e"], slo: slo, trace: trace,
        workload: dropped ? ["digest": digest, "dropped": "x"] : ["digest": digest], seed: 0)
      _ = try store.record(manifest, startedAt: "2026-01-01T00:00:00Z") { recorder in
        var summary = RunSummary()
        summary.fingerprint = "f"
        summary.policy = policy
        (summary.completed, summary.rejected) = (rate == nil ? 0 : 9, rejected.count)
        (summary.outputTokensPerSecond, summary.load) = (rate, rate.map { _ in LoadJudgement(.stable) })
        summary.longest = LongestRequests(prompt: rate == nil ? 0 : longest, context: longest + 50)
        for id in rejected {
          recorder.requestEnded(
            RequestRecord(
              id: RequestID(id), arrival: .zero, prompt: 1, output: 1, generated: 0, home: InstanceID(0),
              admitted: nil, firstToken: nil, ended: .zero, outcome: .rejected(.exceedsCapacity),
              preemptions: 0,
              borrowedBlocksPeak: 0))
        }
        return (
          RunResult(
            summary: summary, maxContextTTFTSeconds: nil, heat: dropped ? .common : .whole, basis: basis),
          "2026-01-01T00:00:01Z"
        )
      }
    }
    let bound = RunBasis(costs: .dataSheet, unvalidated: ["a guess"])
    if oneName {
      // On another cluster, and without an option that the others have: with nobody to compare it with.
      try record("slow", "t.csv", rate: 5_000, rejected: [], nodes: 2)
      for (policy, rates) in [("slow", [100.0, 300, 500]), ("fast", [200, 900, 2_000])] {
        try record(policy, "t.csv", rate: rates[0], rejected: [])
        try record(policy, "t.csv", rate: rates[1], rejected: [], digest: "e")
        try record(policy, "t.csv", rate: rates[2], rejected: [], slo: SLO(ttftSeconds: 2, tpotSeconds: nil))
      }
      return store
    }
    if allFits {
      // Extrapolated on the whole trace alone.
      for policy in ["slow", "fast"] {
        try record(policy, "t.csv", rate: 100, rejected: policy == "slow" ? [1] : [])
        try record(policy, "t.csv", rate: 200, rejected: [], dropped: true, longest: 50)
      }
      return store
    }
    try record("slow", "t.csv", rate: 4_667, rejected: [1])
    try record("fast", "t.csv", rate: 142, rejected: [], basis: bound)
    try record("slow", "t.csv", rate: 200, rejected: [], dropped: true)
    try record("fast", "t.csv", rate: 300, rejected: [], dropped: true, basis: bound)
    try record("slow", "none.csv", rate: nil, rejected: [0, 1])
    try record("fast", "none.csv", rate: nil, rejected: [0, 1])
    return store
  }

  private func markdown(
    _ template: String?, allFits: Bool = false, twoMachines: Bool = false, oneName: Bool = false
  ) throws -> String {
    let folder = try Folder()
    let store = try database(
      folder.file("r.db"), allFits: allFits, twoMachines: twoMachines, oneName: oneName)
    return try #require(
      ReportSource(store).report(template: template.map { ($0, "t.md") }).files().first {
        $0.name == "report.md"
      }
    ).text
  }

  @Test("A statistic of nothing is a dash in numbers, tables and queries, and no condition holds on it")
  func dashes() throws {
    let text = try markdown(
      """
      one {{ value(slow, output_tokens_per_s) where trace == none }},
      two {{ ratio(fast, slow, output_tokens_per_s) where trace == none | gain }},
      three {{ sql SELECT avg(output_tokens_per_s) FROM run WHERE trace = 'none.csv' | digits 1 }}.
      {{ table output_tokens_per_s, requests.rejected by trace }}
      {{ table ratio output_tokens_per_s to slow by trace }}
      """.replacingOccurrences(of: "== none", with: "== none.csv"))
    #expect(text.contains("one –,") && text.contains("two –,") && text.contains("three –."), "\(text)")
    #expect(text.contains(#/\| none.csv \| slow +\| +– \| +2/#), "a run of nobody is a row: \(text)")
    let folder = try Folder()
    let source = try ReportSource(database(folder.file("r.db")))
    #expect(throws: ReportError.self) {
      _ = try source.report(
        template: ("{{ if value(slow, output_tokens_per_s) < 1 where trace == none.csv }}x{{ end }}", "t.md"))
    }
    #expect(throws: ReportError.self) {
      _ = try source.report(template: ("{{ value(slow, nothing) }}", "t.md"))
    }
  }

  @Test(
    "Runs of the common trace beside those of the whole one are no unlike bases; hardware is a column where it differs"
  )
  func alike() throws {
    let ratios = "{{ table ratio output_tokens_per_s to slow where trace == t.csv }}"
    let text = try markdown(nil, allFits: true) + markdown(ratios, allFits: true)
    #expect(
      text.contains("(common)") && text.contains("extrapolated 2.5×") && !text.contains("unlike bases"),
      "\(text)")
    #expect(!text.contains("| hardware"), "\(text)")
    #expect(try markdown(nil, twoMachines: true).contains(#/\| fast +\| t.csv +\| sheet +\|/#))
  }

  @Test(
    "Runs on another trace of the same name, or with another SLO, are points of their own, and the report says what they are"
  )
  func oneNameForTwo() throws {
    let text = try markdown(nil, oneName: true)
    #expect(text.contains("7 completed runs of\n2 traces"), "\(text)")
    for (trace, nodes, slo, ratio) in [
      ("t.csv d", "none", "none", "2.000"), ("t.csv e", "none", "none", "3.000"),
      ("t.csv d", "2", "none", "[^0-9]+"),
      ("t.csv d", "none", "2", "4.000"),
    ] {
      let row = "\\| \(trace) +\\| +\(nodes) +\\| +\(slo) +\\| +\(ratio) \\|"
      #expect(text.contains(try Regex(row)), "\(row): \(text)")
    }
    #expect(text.contains("contexts of any length (5 of 7 runs)"), "\(text)")
    #expect(
      text.contains("SLO: TTFT within 2 s (2 of 7 runs)") && text.contains("| slo ttft s |"), "\(text)")
  }

  @Test("Every run is labelled by what it replayed and rests on, ratios by what they are of")
  func labels() throws {
    let text = try markdown(nil)
    let rows = text.split(separator: "\n").filter { $0.contains("t.csv") && $0.contains(" trace ") }
    #expect(rows.count == 4, "\(text)")
    for row in rows {
      let isCommon = row.contains(" 200 |") || row.contains(" 300 |")
      #expect(
        row.contains("| common trace |") == isCommon && row.contains("| whole trace ") != isCommon, "\(row)")
      #expect(
        row.contains(row.contains("| fast ") ? "| data-sheet, 1 unvalidated" : "| fits, extrapolated 2.5×"))
    }
    #expect(text.contains("1.500 (common)") && text.contains("the requests that all contenders complete"))
    #expect(!text.contains("0.030"), "142 over 4,667 is a ratio of nothing alike")
    #expect(
      text.contains("## Results (unlike bases: data-sheet and fits, 0 to 1 unvalidated costs"), "\(text)")
    #expect(text.contains("- unvalidated: a guess (2 of 6 runs)"))
    let figures = try markdown(
      """
      {{ figure ratios x=trace to=slow title="Mine" where trace == t.csv }}
      {{ table ratio output_tokens_per_s to slow where trace == t.csv }}
      """)
    #expect(figures.contains("*Figure 1.* Mine (unlike bases: data-sheet and fits"), "\(figures)")
    #expect(figures.contains("All are of the common trace."))
    #expect(figures.contains("to slow (unlike bases: data-sheet and fits"))
    #expect(
      text.contains("- extrapolated: a prompt of 250 tokens is beyond the measured 100 by 150, 2.5 times"))
  }
}
