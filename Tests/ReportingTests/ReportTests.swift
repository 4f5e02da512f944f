import Foundation
import GRDB
import Policies
import Reporting
import Results
import Sim
import Storage
import TestSupport
import Testing
import Torture

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// Whether the programs that draw figures and read Markdown are here; `.ci/run` installs them.
let hasPrograms = ["gnuplot", "cmark-gfm"].allSatisfy { name in
  (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    .contains { FileManager.default.isExecutableFile(atPath: "\($0)/\(name)") }
}

/// A database of two runs with everything that names can do to a report.
private func database(_ path: String, policies: [String], trace: String) throws {
  let store = try ResultStore.open(path)
  for (index, policy) in policies.enumerated() {
    let scenario = try PolicyScenarios(policyName: "debtor-creditor", engine: .vllmV0).scenario(seed: 7)
    let manifest = Manifest(
      programVersion: "test",
      cluster: [
        "instances": .int(scenario.configuration.topology.count), "tp": 1, "pp": 1,
        "kv_blocks": .int(scenario.configuration.blocksPerInstance),
      ], model: ["name": "m"], hardware: ["name": "h"], policy: policy, policyOptions: [:],
      engine: EngineOptions(), engineProfile: ["name": "e"], slo: SLO(), trace: trace,
      workload: ["digest": "d"], seed: 0)
    _ = try store.record(manifest, startedAt: "2026-01-01T00:00:00Z") { recorder in
      var summary = try Simulation(
        scenario.configuration, policy: scenario.makePolicy(), observer: recorder
      ).run(SharingSource(scenario.requests, scenario.sharing))
      summary.outputTokensPerSecond = 1_000 * Double(index + 1)
      summary.rejected = 0
      return (RunResult(summary: summary, maxContextTTFTSeconds: nil), "2026-01-01T00:00:01Z")
    }
  }
}

@Suite("Reports", .enabled(if: hasPrograms, "gnuplot and cmark-gfm are not installed"))
struct ReportTests {
  private let template = """
    # A study
    The ratio is {{ ratio(fast, slow, output_tokens_per_s) | digits 3 }}.
    {{ if ratio(fast, slow, output_tokens_per_s) > 1 }}
    It pays.
    {{ else }}
    It costs.
    {{ end }}
    {{ table output_tokens_per_s }}
    {{ figure lines x=trace }}
    """

  @Test("A changed value in the database changes the number, the sentence, the table and the figure")
  func followsTheDatabase() throws {
    let folder = try Folder()
    try database(folder.file("r.db"), policies: ["slow", "fast"], trace: "t.csv")
    func make() throws -> [String: String] {
      let report = try ReportSource(ResultStore.openExisting(folder.file("r.db")))
        .report(template: (template, "t.md"))
      return Dictionary(uniqueKeysWithValues: try report.files().map { ($0.name, $0.text) })
    }
    let before = try make()
    #expect(try before == make(), "the same database gives the same bytes")
    #expect(before["report.md"]!.contains("The ratio is 2.000.\nIt pays.\n"))
    let queue = try DatabaseQueue(path: folder.file("r.db"))
    try queue.write { db in
      try db.execute(
        sql: """
          UPDATE run SET output_tokens_per_s = 500,
            summary = json_set(summary, '$.throughput.output_tokens_per_s', 500.0) WHERE policy = 'fast'
          """)
    }
    let after = try make()
    #expect(after["report.md"]!.contains("The ratio is 0.500.\nIt costs.\n"))
    for name in ["report.html", "report.md", "figures/figure-1-lines.svg", "figures/figure-1-lines.csv"] {
      #expect(before[name] != nil && before[name] != after[name], "\(name) follows the database")
    }
    #expect(before["report.md"]!.contains("2,000") && !after["report.md"]!.contains("2,000"))
  }

  @Test("A ratio map has the ratio of each cell's runs, and nothing where one is missing")
  func mapsRatios() throws {
    let folder = try Folder()
    try database(folder.file("r.db"), policies: ["slow", "fast"], trace: "t.csv")
    let store = try ResultStore.open(folder.file("r.db"))
    let study = """
      study: s
      axes: {nodes: [1, 2], tp: [1, 2]}
      contenders: [{label: one, policy: vllm-m}, {label: other, policy: debtor-creditor}]
      """
    let sweep = try store.openSweep(
      name: "s", question: "", study: study, programVersion: "test", startedAt: "2026-01-01T00:00:00Z")
    // The runs of "one" and of "other" in each cell: 1 is half as fast as 2.
    let cells: [(axes: String, one: Int64, other: Int64?)] = [
      (#"{"nodes":"1","tp":"1"}"#, 2, 1), (#"{"nodes":"2","tp":"1"}"#, 1, 1),
      (#"{"nodes":"1","tp":"2"}"#, 1, 2),
      (#"{"nodes":"2","tp":"2"}"#, 2, nil),
    ]
    for cell in cells {
      for (label, run) in [("one", cell.one), ("other", cell.other)] {
        guard let run else { continue }
        let point = SweepPointKey(
          sweep: sweep, grid: "main", label: label, axes: cell.axes, seed: 0, heat: "whole")
        try store.link([point], to: run)
      }
    }
    let files = try ReportSource(store, sweep: "s")
      .report(template: ("{{ figure ratio-map of=one to=other columns=nodes rows=tp }}\n", "t.md")).files()
    let rows = try #require(files.first { $0.name.hasSuffix("ratio-map.csv") }?.text)
      .split(separator: "\n").dropFirst().map { $0.split(separator: ",").prefix(3).joined(separator: " ") }
    #expect(rows.sorted() == ["1 1 2.000", "1 2 1.000", "2 1 0.500"], "row, column, ratio")
    let map = try #require(files.first { $0.name.hasSuffix("ratio-map.svg") }?.text)
    for shown in ["2.00", "1.00", "0.50"] { #expect(map.contains(">\(shown)<"), "\(shown) is in the figure") }
  }

  @Test("Names full of quotes, tags, pipes and SQL are shown as they are, and nothing of them is done")
  func escapesNames() throws {
    let folder = try Folder()
    let evil =
      "\"'><script>alert(1)</script> | `$(touch \(folder.path)/pwned)` '; DROP TABLE run; -- **b** @0@"
    try database(folder.file("r.db"), policies: [evil, "plain"], trace: evil)
    let files = try ReportSource(ResultStore.openExisting(folder.file("r.db"))).report().files()
    let page = try #require(files.first { $0.name == "report.html" }?.text)
    #expect(!page.contains("<script>alert"))
    #expect(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"))
    for (name, text) in files where name.hasSuffix(".svg") {
      #expect(!text.contains("<script"), "\(name)")
      #expect(XMLParser(data: Data(text.utf8)).parse(), "\(name) is XML")
    }
    let markdown = try #require(files.first { $0.name == "report.md" }?.text)
    #expect(markdown.contains("\\|"), "pipes in cells are escaped")
    #expect(!FileManager.default.fileExists(atPath: folder.file("pwned")))
    let runs = try DatabaseQueue(path: folder.file("r.db")).read {
      try Int.fetchOne($0, sql: "SELECT count(*) FROM run")
    }
    #expect(runs == 2)
  }

  @Test("The page refers to nothing outside of it")
  func standsAlone() throws {
    let folder = try Folder()
    try database(folder.file("r.db"), policies: ["slow", "fast"], trace: "t.csv")
    let page = try #require(
      ReportSource(ResultStore.openExisting(folder.file("r.db"))).report().files()
        .first { $0.name == "report.html" }?.text)
    for match in page.matches(of: /(?:src|href)=["']([^"']*)["']/) {
      #expect(match.1.hasPrefix("#") || match.1.hasPrefix("data:"), "\(match.1)")
    }
    let ids = page.matches(of: /\bid=["']([^"']*)["']/).map { String($0.1) }
    #expect(Set(ids).count == ids.count, "ids are unique")
  }

  @Test(
    "What cannot be answered is an error with the template's line",
    arguments: [
      "{{ value(nobody, makespan_s) }}", "{{ value(fast, makespan_s) where limit == 3 }}", "{{ if 1 > 0 }}x",
      "{{ figure nothing }}", "{{ table no_such_metric }}", "{{ sql DELETE FROM run }}", "{{ end }}",
      "{{ value(fast",
    ])
  func errorsNameTheLine(directive: String) throws {
    let folder = try Folder()
    try database(folder.file("r.db"), policies: ["slow", "fast"], trace: "t.csv")
    let source = try ReportSource(ResultStore.openExisting(folder.file("r.db")))
    let error = #expect(throws: ReportError.self) {
      _ = try source.report(template: ("one\ntwo \(directive)\n", "t.md"))
    }
    #expect(error?.description.hasPrefix("t.md:2: ") == true, "\(String(describing: error))")
  }

  @Test("A database without a completed run is an error, and so is none")
  func emptyIsAnError() throws {
    let folder = try Folder()
    let store = try ResultStore.open(folder.file("empty.db"))
    #expect(throws: ReportError.empty(path: folder.file("empty.db"))) { _ = try ReportSource(store) }
    #expect(throws: StoreError.missing(path: folder.file("none.db"))) {
      _ = try ResultStore.openExisting(folder.file("none.db"))
    }
  }

  @Test("Requests and moves are explained, and the parts of a request's time add up")
  func explains() throws {
    let folder = try Folder()
    try database(folder.file("r.db"), policies: ["one"], trace: "t.csv")
    let store = try ResultStore.openExisting(folder.file("r.db"))
    for record in try store.requests(run: 1) {
      let story = try RequestStory(record.id.index, run: nil, in: store)
      #expect(story.time?.total == record.e2e)
      #expect(story.text.contains("request \(record.id.index) of run 1"))
    }
    #expect(throws: ReportError.self) { _ = try RequestStory(1_000_000, run: nil, in: store) }
    let moves = try store.decisions(run: 1).filter { [.move, .recall, .moveRefused].contains($0.kind) }
    for (index, order) in moves.enumerated() {
      let story = try MoveStory(index + 1, run: nil, in: store)
      #expect(story.order.request == order.request && story.grounds != nil)
      #expect(story.grounds?.candidates.contains { $0.blocks == order.blocks } == true)
    }
    #expect(throws: ReportError.noSuchMove(run: 1, move: moves.count + 1, moves: moves.count)) {
      _ = try MoveStory(moves.count + 1, run: nil, in: store)
    }
  }
}
