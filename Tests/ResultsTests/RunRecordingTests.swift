import GRDB
import Testing

import Results
import Sim
import Storage

@Suite("A run is written on a thread of its own")
struct RunRecordingTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func store(_ name: String = "runs") throws -> ResultStore {
    try ResultStore.open(folder.file("\(name).db"))
  }

  private func rows(_ store: ResultStore, _ table: String) throws -> [Row] {
    try store.read { try Row.fetchAll($0, sql: "SELECT * FROM \(table) ORDER BY 1, 2") }
  }

  @Test("However small the batches and however few may wait, every row is there and the same")
  func backPressure() throws {
    let tables = [
      "request", "request_account", "instance_sample", "decision", "move_grounds", "instance_work",
    ]
    var first: [[Row]]?
    for (size, waiting) in [(20_000, 1), (1, 1), (7, 2), (1_024, 64)] {
      let store = try store("\(size)")
      let teller = Teller(seed: 5)
      _ = try store.record(.sample(), startedAt: "s", batchSize: size, batchesWaiting: waiting) { recorder in
        teller.tell(recorder, requests: 3_000)
        return (.sample(), "f")
      }
      let found = try tables.map { try rows(store, $0) }
      #expect(found.map(\.count) == [3_000, 3_000, teller.samples, teller.decisions, teller.grounds, 3])
      #expect(teller.samples > 1_000 && teller.decisions > 1_000 && teller.grounds > 300)
      #expect(try store.integrity() == "ok")
      #expect(try rows(store, "pragma_foreign_key_check").isEmpty)
      // Rows that nobody checks are written only while a run is recorded.
      #expect(try store.read { try Bool.fetchOne($0, sql: "PRAGMA foreign_keys") } == true)
      #expect(found == first ?? found, "batches of \(size), \(waiting) waiting")
      first = first ?? found
    }
  }

  @Test("A row that cannot be written fails the run, which goes on to its end and waits for nobody")
  func rowThatCannotBeWritten() throws {
    let store = try store()
    try store.queue.writeWithoutTransaction { db in
      try db.execute(
        sql: """
          CREATE TRIGGER stop BEFORE INSERT ON request WHEN new.request_id = 700
          BEGIN SELECT RAISE(ABORT, 'not this one'); END
          """)
    }
    var told = false
    #expect(throws: StoreError.other(path: store.path, reason: "not this one")) {
      _ = try store.record(.sample(), startedAt: "s", batchSize: 2, batchesWaiting: 1) { recorder in
        Teller(seed: 1).tell(recorder, requests: 3_000)
        told = true
        return (.sample(), "f")
      }
    }
    #expect(told)
    try requireFailed(store, "not this one")
  }

  @Test("A file that cannot grow any more fails the run")
  func fullDisk() throws {
    let store = try store()
    try store.queue.writeWithoutTransaction { db in
      let pages = try Int.fetchOne(db, sql: "PRAGMA page_count")!
      try db.execute(sql: "PRAGMA max_page_count = \(pages + 20)")
    }
    #expect {
      _ = try store.record(.sample(), startedAt: "s", batchSize: 2, batchesWaiting: 1) { recorder in
        Teller(seed: 1).tell(recorder, requests: 3_000)
        return (.sample(), "f")
      }
    } throws: { error in
      guard case .notWritable = error as? StoreError else { return false }
      return true
    }
    try requireFailed(store, "full")
  }

  @Test("A run that fails while its rows wait leaves none of them, and says its own error")
  func failureOfTheRun() throws {
    let store = try store()
    #expect(throws: SimulationFailed.self) {
      _ = try store.record(.sample(), startedAt: "s", batchSize: 2, batchesWaiting: 1) { recorder in
        Teller(seed: 1).tell(recorder, requests: 500)
        recorder.requestEnded(.sample(id: 0))  // cannot be written
        recorder.requestEnded(.sample(id: 0))
        throw SimulationFailed()
      }
    }
    try requireFailed(store, SimulationFailed().description)
  }

  @Test("A run that cannot be begun in the database is not simulated")
  func noBeginning() throws {
    let store = try store()
    func rename(_ table: String, _ new: String) throws {
      try store.queue.writeWithoutTransaction { try $0.execute(sql: "ALTER TABLE \(table) RENAME TO \(new)") }
    }
    try rename("instance_work", "elsewhere")
    #expect(throws: StoreError.self) {
      _ = try store.record(.sample(), startedAt: "s") { _ in
        Issue.record("simulated")
        return (.sample(), "f")
      }
    }
    try rename("elsewhere", "instance_work")
    try requireFailed(store, "instance_work")
  }

  private func requireFailed(_ store: ResultStore, _ reason: String) throws {
    let runs = try store.runs()
    guard runs.count == 1, case .failed(let error) = runs[0].status else {
      Issue.record("not one failed run: \(runs)")
      return
    }
    #expect(error.contains(reason))
    #expect(try rows(store, "request").isEmpty && rows(store, "request_account").isEmpty)
    #expect(try store.read { try Bool.fetchOne($0, sql: "PRAGMA foreign_keys") } == true)
    // The store is as good as new.
    let id = try store.record(.sample(seed: 1), startedAt: "s") { _ in (.sample(), "f") }
    #expect(try store.completedRun(manifestHash: Manifest.sample(seed: 1).hash)?.id == id.id)
  }

  @Test("Every value is in its own column")
  func columns() throws {
    let store = try store()
    func time(_ ps: Int64) -> SimTime { SimTime(picoseconds: ps) }
    let (id, home) = (RequestID(41), InstanceID(1))
    _ = try store.record(.sample(), startedAt: "s") { recorder in
      recorder.arrived(
        ArrivalRecord(
          time: time(100), request: id, home: home, load: 31, leastLoad: 32, mostLoad: 33, queued: 34,
          freeBlocks: 35,
          mostFreeBlocks: 36))
      func change(_ kind: RequestChange.Kind, _ at: Int64) {
        recorder.changed(RequestChange(time: time(at), kind: kind, request: id, instance: home, blocks: 1))
      }
      func work(_ from: Int64, _ to: Int64, decoding: Int, prompts: Int) {
        recorder.worked(
          WorkRecord(
            instance: home, start: time(from), end: time(to), steps: 1, decoding: decoding, prompts: prompts,
            promptTokens: 1, usedBlocks: 0, hostedBlocks: 0))
      }
      change(.admitted, 101)
      work(101, 103, decoding: 0, prompts: 1)
      change(.firstToken, 103)
      work(103, 107, decoding: 1, prompts: 0)
      work(107, 115, decoding: 1, prompts: 1)
      work(115, 131, decoding: 0, prompts: 1)
      change(.preempted, 163)
      change(.admitted, 227)
      change(.resumed, 355)
      change(.completed, 355)
      recorder.requestEnded(.sample(id: 41))
      recorder.requestEnded(.sample(id: 42, outcome: .rejected(.exceedsCapacity)))
      recorder.decided(
        DecisionRecord(
          time: time(51), kind: .move, request: id, source: InstanceID(52), destination: InstanceID(53),
          blocks: 54,
          reason: "“gain”; é",
          grounds: MoveGrounds(
            throughputBefore: 61.5, gain: 62.25, sourceBatch: 63, sourceFreeBlocks: 64, sourceQueued: 65,
            destinationBatch: 66, destinationFreeBlocks: 67, candidates: [.init(blocks: 68, gain: 69.5)])))
      return (.sample(), "f")
    }
    #expect(
      try rows(store, "request_account") == [
        [
          "run_id": 1, "request_id": 41, "queued_ps": 1, "prefill_ps": 2, "decode_ps": 4,
          "decode_beside_prompts_ps": 8, "stalled_by_prompts_ps": 16, "requeued_ps": 64, "recompute_ps": 128,
          "lost_step_ps": 32, "routed_to": 1, "load": 31, "least_load": 32, "most_load": 33,
          "queued_ahead": 34,
          "free_blocks": 35, "most_free_blocks": 36,
        ]
      ])
    #expect(
      try rows(store, "decision") == [
        [
          "id": 1, "run_id": 1, "time_ps": 51, "kind": "move", "request_id": 41, "source": 52,
          "destination": 53,
          "blocks": 54, "reason": "“gain”; é",
        ]
      ])
    #expect(
      try rows(store, "move_grounds") == [
        [
          "decision_id": 1, "gain": 62.25, "throughput_before": 61.5, "source_batch": 63, "source_queued": 65,
          "source_free_blocks": 64, "destination_batch": 66, "destination_free_blocks": 67,
          "candidates": "[[68,69.5]]",
        ]
      ])
    #expect(
      try rows(store, "instance_work") == [
        ["run_id": 1, "instance": 0, "decode_ps": 0, "decode_and_prefill_ps": 0, "prefill_ps": 0],
        ["run_id": 1, "instance": 1, "decode_ps": 4, "decode_and_prefill_ps": 8, "prefill_ps": 18],
      ])
    #expect(
      try rows(store, "request").map { $0["rejected_because"] as String? } == [nil, "exceeds-capacity"])
  }
}

/// Tells the lives of requests, many at a time, with samples and decisions in between.
private final class Teller {
  private let random: RandomStream
  private var drawn = 0
  private(set) var samples = 0
  private(set) var decisions = 0
  private(set) var grounds = 0

  init(seed: UInt64) { random = RandomStream(seed: seed, name: "teller") }

  private func below(_ bound: Int) -> Int {
    drawn += 1
    return Int(random.bits(entity: 0, ordinal: drawn) % UInt64(bound))
  }
  private func instance() -> InstanceID { InstanceID(below(3)) }

  func tell(_ observer: some RunObserver, requests: Int) {
    var (before, now) = (SimTime(picoseconds: 0), SimTime(picoseconds: 0))
    var live: [RequestID] = []
    var next = 0
    while next < requests || !live.isEmpty {
      before = now
      now = SimTime(picoseconds: now.picoseconds + 1 + Int64(below(1_000)))
      observer.worked(
        WorkRecord(
          instance: instance(), start: before, end: now, steps: 1, decoding: below(2), prompts: below(2),
          promptTokens: 0, usedBlocks: 0, hostedBlocks: 0))
      if next < requests, live.count < 40 {
        arrive(RequestID(next), now, observer)
        live.append(RequestID(next))
        next += 1
      }
      if below(3) == 0, !live.isEmpty {
        let id = live.remove(at: below(live.count))
        observer.changed(
          RequestChange(time: now, kind: .completed, request: id, instance: instance(), blocks: 1))
        observer.requestEnded(
          .sample(id: id.index, outcome: below(5) == 0 ? .rejected(.overBudget) : .completed))
      }
      if below(4) == 0 { sample(now, observer) }
      if below(5) == 0 { decide(now, RequestID(below(next)), observer) }
    }
  }

  private func arrive(_ id: RequestID, _ now: SimTime, _ observer: some RunObserver) {
    let home = instance()
    observer.arrived(
      ArrivalRecord(
        time: now, request: id, home: home, load: below(9), leastLoad: below(9), mostLoad: below(9),
        queued: below(9),
        freeBlocks: below(99), mostFreeBlocks: below(99)))
    for kind in [RequestChange.Kind.admitted, .firstToken] {
      observer.changed(RequestChange(time: now, kind: kind, request: id, instance: home, blocks: 1))
    }
  }

  private func sample(_ now: SimTime, _ observer: some RunObserver) {
    samples += 1
    observer.sampled(
      InstanceSample(
        time: now, instance: instance(), running: below(9), queued: below(9), usedBlocks: below(9),
        hostedBlocks: below(9)))
  }

  private func decide(_ now: SimTime, _ request: RequestID, _ observer: some RunObserver) {
    let why = MoveGrounds(
      throughputBefore: 1.5, gain: Double(below(100)) / 7, sourceBatch: below(9), sourceFreeBlocks: below(9),
      sourceQueued: below(9), destinationBatch: below(9), destinationFreeBlocks: below(9),
      candidates: (0..<below(3)).map { .init(blocks: $0, gain: Double($0) / 3) })
    let isKnown = below(2) == 0
    decisions += 1
    if isKnown { grounds += 1 }
    observer.decided(
      DecisionRecord(
        time: now, kind: .move, request: request, source: instance(), destination: instance(),
        blocks: below(9),
        reason: below(2) == 0 ? "" : "a gain", grounds: isKnown ? why : nil))
  }
}
