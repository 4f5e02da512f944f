import Foundation
import GRDB
import Sim
import Synchronization
import Testing

import Results
import Storage

@Suite struct ResultStoreTests {
  let folder: TemporaryFolder
  var path: String { folder.file("runs.db") }

  init() throws { folder = try TemporaryFolder() }

  @Test("A reader of an empty file says that no runs are in it, and leaves it empty")
  func emptyFile() throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).db").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    #expect(FileManager.default.createFile(atPath: path, contents: nil))
    #expect(throws: StoreError.notADatabase(path: path)) { try ResultStore.openExisting(path) }
    #expect(FileManager.default.contents(atPath: path) == Data())
  }

  @Test func `a merge knows every table`() throws {
    let tables = try ResultStore.open(path).read { db in
      try String.fetchSet(
        db, sql: "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    }
    #expect(
      tables == Set(Schema.tablesOfRuns.map(\.name)).union(["run", "move_grounds", "sweep", "sweep_point"]))
  }

  @Test func `a reader makes nothing beside the file and says if somebody writes it`() throws {
    let writer = try ResultStore.open(path)
    _ = try writer.record(.sample(), startedAt: "start") { _ in (.sample(), "end") }
    try writer.close()
    let before = try folder.names
    let reader = try ResultStore.openExisting(path)
    #expect(try reader.runs().count == 1)
    #expect(try folder.names == before)

    let other = try ResultStore.open(path)
    _ = try other.record(.sample(), startedAt: "start", again: true) { _ in (.sample(), "end") }
    // It is in the log, and the file as it was.
    #expect(try reader.runs().count == 1)
    #expect(try ResultStore.openExisting(path).runs().count == 2)
    try other.close()
    #expect(throws: StoreError.changed(path: path)) { _ = try reader.runs() }
    #expect(try ResultStore.openExisting(path).runs().count == 2)
  }

  @Test func `what is recorded of a run is read back unchanged`() throws {
    let store = try ResultStore.open(path)
    let requests = [
      RequestRecord.sample(id: 1), .sample(id: 0, outcome: .rejected(.outgrewCapacity)), .sample(id: 2),
    ]
    let sample = InstanceSample(
      time: SimTime(picoseconds: 8), instance: InstanceID(1), running: 2, queued: 3, usedBlocks: 4,
      hostedBlocks: 5)
    let decision = DecisionRecord(
      time: SimTime(picoseconds: 8), kind: .moveRefused, request: RequestID(2), source: InstanceID(1),
      destination: InstanceID(0), blocks: 16, reason: "no free block")
    let id = try store.record(.sample(), startedAt: "2026-01-01T00:00:00Z") { recorder in
      for request in requests { recorder.requestEnded(request) }
      recorder.sampled(sample)
      recorder.decided(decision)
      return (.sample(), "2026-01-01T00:00:01Z")
    }

    let run = try #require(try store.completedRun(manifestHash: Manifest.sample().hash))
    #expect(id.isNew && run.id == id.id)
    #expect(run.manifest == Manifest.sample().json.text)
    #expect(run.policy == "vllm-m" && run.trace == "trace.csv" && run.seed == 0)
    #expect(run.startedAt == "2026-01-01T00:00:00Z" && run.finishedAt == "2026-01-01T00:00:01Z")
    #expect(JSON(try #require(run.result)) == JSON(.sample()))
    #expect(try store.requests(run: run.id) == requests.sorted { $0.id < $1.id })
    #expect(try store.rejectedRequests(run: run.id) == [0])
    #expect(try store.samples(run: run.id) == [sample])
    #expect(try store.decisions(run: run.id) == [decision])
    #expect(try store.integrity() == "ok")
  }

  @Test func `a failed run leaves a row with its error and nothing else`() throws {
    let store = try ResultStore.open(path)
    #expect(throws: SimulationFailed.self) {
      _ = try store.record(.sample(), startedAt: "start") { recorder in
        recorder.requestEnded(.sample(id: 0))
        throw SimulationFailed()
      }
    }
    let run = try #require(try store.runs().first)
    guard case .failed(let error) = run.status else {
      Issue.record("the run is not marked as failed")
      return
    }
    #expect(error == "the trace ends in mid-row")
    #expect(try store.requests(run: run.id).isEmpty)
    #expect(try store.completedRun(manifestHash: Manifest.sample().hash) == nil)
  }

  @Test func `a row that cannot be written fails the run instead of being dropped`() throws {
    let store = try ResultStore.open(path)
    #expect(throws: StoreError.self) {
      _ = try store.record(.sample(), startedAt: "start") { recorder in
        recorder.requestEnded(.sample(id: 0))
        recorder.requestEnded(.sample(id: 0))  // the same request cannot end twice
        return (.sample(), "end")
      }
    }
    #expect(try store.runs().map { $0.result == nil } == [true])
  }

  @Test func `a stored manifest is found by its hash, the newest run first`() throws {
    let store = try ResultStore.open(path)
    for policy in ["vllm-m", "vllm-s", "vllm-m"] {
      _ = try store.record(.sample(policy: policy), startedAt: "s", again: true) { _ in (.sample(), "f") }
    }
    #expect(try store.completedRun(manifestHash: Manifest.sample(policy: "vllm-m").hash)?.id == 3)
    #expect(try store.completedRun(manifestHash: Manifest.sample(policy: "vllm-s").hash)?.id == 2)
    #expect(try store.completedRun(manifestHash: Manifest.sample(seed: 9).hash) == nil)
  }

  @Test func `a run that is there already is not made a second time unless asked for`() throws {
    let store = try ResultStore.open(path)
    _ = try store.record(.sample(), startedAt: "s") { _ in (.sample(), "f") }
    let second = try store.record(.sample(), startedAt: "s") { _ in
      Issue.record("made again")
      return (.sample(), "f")
    }
    #expect(second.id == 1 && !second.isNew)
    let third = try store.record(.sample(), startedAt: "s", again: true) { _ in (.sample(), "f") }
    #expect(third.id == 2 && third.isNew)
    #expect(try store.runs().count == 2)
  }

  @Test func `a run waits for another as long as it takes, if it is told to, and says so once`() throws {
    _ = try ResultStore.open(path)
    func whileLocked(_ body: () throws -> Void) throws {
      let other = try DatabaseQueue(path: path)
      let (locked, free) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
      Thread.detachNewThread {
        try? other.inTransaction(.immediate) { _ in
          locked.signal()
          Thread.sleep(forTimeInterval: 1)
          return .rollback
        }
        free.signal()
      }
      locked.wait()
      try body()
      free.wait()
    }
    let said = Mutex(0)
    try whileLocked {
      let store = try ResultStore.open(path, steps: Schema.steps, patience: 0.2) { said.withLock { $0 += 1 } }
      _ = try store.record(.sample(), startedAt: "s") { _ in (.sample(), "f") }
      #expect(try store.runs().count == 1)
    }
    #expect(said.withLock { $0 } == 1)
    try whileLocked {
      #expect(throws: StoreError.busy(path: path)) {
        _ = try ResultStore.open(path, steps: Schema.steps, patience: 0.2)
      }
    }
  }

  @Test func `runs survive closing and reopening, and opening twice migrates once`() throws {
    _ = try ResultStore.open(path).record(.sample(), startedAt: "s") { _ in (.sample(), "f") }
    #expect(try ResultStore.open(path).runs().count == 1)
    #expect(try folder.names.filter { $0.contains("backup") } == [])
  }

  @Test func `a database with a newer schema is refused with both versions and left as it is`() throws {
    _ = try ResultStore.open(path)
    let newer = ResultStore.schemaVersion + 3
    try DatabaseQueue(path: path).writeWithoutTransaction {
      try $0.execute(sql: "PRAGMA user_version = \(newer)")
    }
    let before = try Data(contentsOf: URL(fileURLWithPath: path))
    #expect(
      throws: StoreError.newerSchema(path: path, found: newer, supported: ResultStore.schemaVersion)
    ) { _ = try ResultStore.open(path) }
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)
  }

  @Test func `an older schema is migrated after a copy of the file was made`() throws {
    _ = try ResultStore.open(path).record(.sample(), startedAt: "s") { _ in (.sample(), "f") }
    let old = ResultStore.schemaVersion
    let steps =
      Schema.steps + [
        SchemaStep(name: "note") { try $0.execute(sql: "ALTER TABLE run ADD COLUMN note TEXT") }
      ]
    #expect(try ResultStore.open(path, steps: steps).runs().count == 1)

    let backup = path + ".backup-v\(old)"
    #expect(try ResultStore.open(backup).runs().count == 1)
    #expect(throws: StoreError.newerSchema(path: path, found: old + 1, supported: old)) {
      _ = try ResultStore.open(path)
    }
  }

  @Test func `a database of schema 1 keeps its runs, whose rows are all there, and takes sweeps`() throws {
    _ = try ResultStore.open(path, steps: Array(Schema.steps.prefix(1)))
    try DatabaseQueue(path: path).write { db in
      try db.execute(
        sql: """
          INSERT INTO run (manifest, manifest_hash, status, fingerprint, program_version, policy, trace, seed,
            started_at, summary)
          VALUES (?, 'hash', 'completed', 'f', '0', 'vllm-m', 't', 0, 's', ?)
          """, arguments: [Manifest.sample().json.text, JSON(RunResult.sample()).text])
    }
    let store = try ResultStore.open(path)
    #expect(try store.completedRun(manifestHash: "hash", with: .all)?.requests == nil)
    #expect(try ResultStore.open(path + ".backup-v1").integrity() == "ok")
    let sweep = try store.openSweep(name: "s", question: "", study: "", programVersion: "0", startedAt: "s")
    let key = SweepPointKey(sweep: sweep, grid: "g", label: "l", axes: "{}", seed: 0, heat: "whole")
    try store.link([key], to: 1)
    #expect(try store.points(sweep: sweep).map(\.run?.id) == [1])
    try store.fail([key], error: "why")
    #expect(try store.points(sweep: sweep).map(\.error) == ["why"])
    try store.prune(sweep: sweep, keeping: [])
    #expect(try store.points(sweep: sweep).isEmpty)
  }

  /// What a program before schema 4 wrote of a run that served nobody, one of one-token outputs and one as it should be.
  @Test func `zeros that meant nothing become NULL when an old database is migrated, and others stay`() throws
  {
    let zeros: JSON = ["mean": 0.0, "p50": 0.0, "p90": 0.0, "p99": 0.0, "max": 0.0, "count": 0]
    let some: JSON = ["mean": 0.0, "p50": 0.0, "p90": 0.5, "p99": 0.5, "max": 0.5, "count": 3]
    func old(completed: Int, ttft: JSON, tpot: JSON, makespan: Double) throws -> String {
      guard case .object(var members) = JSON(RunResult(summary: RunSummary(), maxContextTTFTSeconds: nil))
      else {
        return ""
      }
      members.removeAll { ["heat", "basis", "extrapolated", "max_context_over_measured"].contains($0.key) }
      func put(_ key: String, _ value: JSON) {
        members[members.firstIndex { $0.key == key }!].value = value
      }
      put(
        "requests",
        ["arrived": 3, "completed": .int(completed), "rejected": 0, "unfinished": 0, "preemptions": 0])
      put("makespan_s", .double(makespan))
      put(
        "throughput",
        [
          "output_tokens_per_s": .double(makespan), "total_tokens_per_s": .double(makespan),
          "requests_per_s": .double(makespan), "per_gpu_output_tokens_per_s": .double(makespan),
          "window_output_tokens_per_s": 0.0,
        ])
      put("load", "stable")
      put("extrapolated_share", 0.0)
      put("worst_stall_s", 0.0)
      put("ttft_s", ttft)
      put("e2e_s", ttft)
      put("tpot_s", tpot)
      put(
        "kv",
        ["blocks_per_instance": 9, "peak_utilisation": 0.0, "borrowed_blocks_peak": 0, "moved_blocks": 0])
      return JSON.object(members).text
    }
    _ = try ResultStore.open(path, steps: Array(Schema.steps.prefix(3)))
    let bounds: JSON = [
      "gemm": ["floor": 0, "exponent": nil],
      "measured": ["prefill": .int(.max), "decodeContext": .int(.max)],
    ]
    let fits: JSON = [
      "gemm": ["floor": 5.7, "exponent": 2.1], "measured": ["prefill": 100, "decodeContext": 1_000],
    ]
    let rows: [(manifest: JSON, summary: String)] = [
      (
        ["hardware": bounds, "workload": ["dropped": "x"]],
        try old(completed: 0, ttft: zeros, tpot: zeros, makespan: 0)
      ),
      (["hardware": fits, "workload": [:]], try old(completed: 3, ttft: some, tpot: zeros, makespan: 2)),
      (["hardware": [:], "workload": [:]], try old(completed: 3, ttft: some, tpot: some, makespan: 2)),
    ]
    try DatabaseQueue(path: path).write { db in
      for row in rows {
        try db.execute(
          sql: """
            INSERT INTO run (manifest, manifest_hash, status, fingerprint, program_version, policy, trace, seed,
              started_at, summary, makespan_s, load, output_tokens_per_s, window_output_tokens_per_s, ttft_p50_s,
              tpot_p99_s, kept, longest_prompt_tokens, longest_context_tokens)
            VALUES (?, 'h', 'completed', 'f', '0', 'p', 't', 0, 's', ?, 0, 'stable', 0, 0, 0, 0, 'summary', 250, 300)
            """, arguments: [row.manifest.text, row.summary])
      }
    }
    let store = try ResultStore.open(path)
    let results = try store.runs().compactMap(\.result)
    let (nobody, oneToken, plain) = (results[0].summary, results[1].summary, results[2].summary)
    #expect(nobody.makespanSeconds == nil && nobody.load == nil && nobody.outputTokensPerSecond == nil)
    #expect(
      nobody.ttft == Distribution() && nobody.extrapolatedShare == nil && nobody.worstStallSeconds == nil)
    #expect(nobody.peakUtilisation == nil && nobody.windowOutputTokensPerSecond == nil)
    #expect(oneToken.ttft.p50 == 0 && oneToken.tpot == Distribution() && oneToken.load?.label == .stable)
    #expect(oneToken.makespanSeconds == 2 && oneToken.worstStallSeconds == nil)
    #expect(plain.tpot.p50 == 0 && plain.worstStallSeconds == 0 && plain.windowOutputTokensPerSecond == 0)
    #expect(results.map(\.heat) == [.common, .whole, .whole])
    #expect(results.map(\.basis.costs) == [.dataSheet, .fits, nil])
    #expect(results.map(\.overMeasured) == [nil, 2.5, nil])
    #expect(results[1].extrapolations.count == 1)
    // The migrated summary is what this program would have written.
    for run in try store.runs() {
      let summary = try store.read { db in
        try String.fetchOne(db, sql: "SELECT summary FROM run WHERE id = ?", arguments: [run.id])
      }
      let basis = try JSON(parsing: #require(summary))["basis"]
      #expect(basis?.canonical == JSON(try #require(run.result))["basis"]?.canonical)
    }
    let columns = try store.read { db in
      try Row.fetchAll(db, sql: "SELECT * FROM run ORDER BY id").map { row in
        [
          row["makespan_s"], row["load"], row["ttft_p50_s"], row["tpot_p99_s"], row["replayed"], row["costs"],
          row["over_measured"],
        ] as [DatabaseValue]
      }
    }
    #expect(columns[0][..<4].allSatisfy(\.isNull) && columns[0][4] == "common".databaseValue)
    #expect(
      columns[1][..<3].allSatisfy { !$0.isNull } && columns[1][3].isNull && columns[1][6] == 2.5.databaseValue
    )
    #expect(columns[2][..<4].allSatisfy { !$0.isNull } && columns[2][5].isNull && columns[2][6].isNull)
  }

  @Test func `a migration never overwrites an earlier copy`() throws {
    _ = try ResultStore.open(path)
    let backup = path + ".backup-v\(ResultStore.schemaVersion)"
    try Data("precious".utf8).write(to: URL(fileURLWithPath: backup))
    #expect(throws: StoreError.backupExists(path: path, backup: backup)) {
      _ = try ResultStore.open(path, steps: Schema.steps + [SchemaStep(name: "x") { _ in }])
    }
  }

  @Test func `a file that is not a database is refused and left as it is`() throws {
    let text = Data(String(repeating: "arrival_s,input_tokens,output_tokens\n", count: 40).utf8)
    try text.write(to: URL(fileURLWithPath: path))
    #expect(throws: StoreError.notADatabase(path: path)) { _ = try ResultStore.open(path) }
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == text)
    #expect(try folder.names == ["runs.db"])
  }

  @Test func `one byte is not a database, none is, and a folder is called a folder`() throws {
    try Data("x".utf8).write(to: URL(fileURLWithPath: path))
    #expect(throws: StoreError.notADatabase(path: path)) { _ = try ResultStore.open(path) }
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data("x".utf8))
    try Data().write(to: URL(fileURLWithPath: path))
    #expect(try ResultStore.open(path).runs().isEmpty)
    let parent = (path as NSString).deletingLastPathComponent
    #expect(throws: StoreError.isAFolder(path: parent)) { _ = try ResultStore.open(parent) }
  }

  @Test func `another program's database is refused and left as it is`() throws {
    try DatabaseQueue(path: path).writeWithoutTransaction { try $0.execute(sql: "CREATE TABLE theirs (a)") }
    let before = try Data(contentsOf: URL(fileURLWithPath: path))
    #expect(throws: StoreError.foreignDatabase(path: path)) { _ = try ResultStore.open(path) }
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)
  }

  @Test(arguments: ["missing/runs.db", "file/runs.db"])
  func `a path where no file can be made is refused when it is opened`(name: String) throws {
    try Data().write(to: URL(fileURLWithPath: folder.file("file")))
    let path = folder.file(name)
    #expect { _ = try ResultStore.open(path) } throws: { error in
      guard case .notWritable(path, _) = error as? StoreError else { return false }
      return true
    }
    #expect(try folder.names == ["file"])
  }

  @Test(.enabled(if: getuid() != 0, "root may write anywhere"))
  func `a folder that may not be written is refused when the database is opened`() throws {
    try FileManager.default.setAttributes([.posixPermissions: 0o500], ofItemAtPath: folder.path)
    defer { try? FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: folder.path) }
    #expect(throws: StoreError.self) { _ = try ResultStore.open(path) }
  }

  @Test func `the main figures are columns that agree with the summary`() throws {
    _ = try ResultStore.open(path).record(.sample(), startedAt: "s") { _ in (.sample(), "f") }
    let row = try #require(
      try DatabaseQueue(path: path).read { try Row.fetchOne($0, sql: "SELECT * FROM run") })
    let s = RunResult.sample().summary
    #expect(row["completed"] == s.completed && row["rejected"] == s.rejected)
    #expect(row["output_tokens_per_s"] == s.outputTokensPerSecond)
    #expect(row["ttft_p99_s"] == s.ttft.p99 && row["tpot_p50_s"] == s.tpot.p50)
    #expect(row["load"] == "saturated" && row["max_context_tokens"] == s.maxContextTokens)
    #expect(row["costs"] == "fits" && row["unvalidated"] == 1)
    #expect(row["over_measured"] as Double? == RunResult.sample().overMeasured)
  }

  @Test func `a statistic of nothing is NULL in its column and null in the summary`() throws {
    _ = try ResultStore.open(path).record(.sample(), startedAt: "s") { _ in
      (RunResult(summary: RunSummary(), maxContextTTFTSeconds: nil), "f")
    }
    let row = try #require(
      try DatabaseQueue(path: path).read { try Row.fetchOne($0, sql: "SELECT * FROM run") })
    for column in [
      "makespan_s", "output_tokens_per_s", "window_output_tokens_per_s", "load", "ttft_p50_s", "ttft_p99_s",
      "tpot_p50_s", "tpot_p99_s", "e2e_p50_s", "e2e_p99_s", "over_measured",
    ] {
      #expect((row[column] as DatabaseValue).isNull, "\(column)")
    }
  }
}
