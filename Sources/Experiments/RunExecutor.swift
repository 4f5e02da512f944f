import Runs
import Formatting
import Foundation
import Results
import Sim
import Storage
import Studies

/// What one run gave.
package struct ExecutedRun {
  package var result: RunResult
  /// Ids of the rejected requests, ascending.
  package var rejected: [Int]
  /// Its row in the database, if there is one.
  var storedRun: Int64?
  /// It was found in the database and not run.
  package var isReused = false

  package var summary: RunSummary { result.summary }
  /// The longest requests that were served: they say whether costs were extrapolated.
  package var longest: LongestRequests { summary.longest }
  var served: Served { Served(rejected: rejected, summary) }
}

extension ExecutionOptions {
  /// The database, if there is to be one; it is said if another run holds it. Step by step nothing is written.
  func openStore(quiet: Bool) throws -> ResultStore? {
    try db.flatMap { path -> ResultStore? in
      if stepByStep {
        let isThere = FileManager.default.fileExists(atPath: path)
        if !quiet {
          writeToStandardError(
            "note: nothing is kept of a run step by step; "
              + (isThere ? "one that \(path) holds must have its fingerprint\n" : "\(path) is not made\n"))
        }
        return isThere ? try .openExisting(path) : nil
      }
      return try ResultStore.open(path) {
        if !quiet { writeToStandardError("note: \(path) is being written by another run, waiting for it\n") }
      }
    }
  }
}

extension Interruption {
  /// Says, if the process is stopped, which runs the database at `path` holds then.
  static func keepsRuns(
    in path: String, goesOn: Bool = true, besides: @escaping @Sendable () -> String = { "" }
  ) {
    keeps { keptRuns(in: path).map { Kept($0 + besides(), goesOn: goesOn) } }
  }

  /// "12 complete runs are kept in runs.db"; `nil` if there is none.
  static func keptRuns(in path: String) -> String? {
    guard let runs = ResultStore.completeRuns(in: path), runs > 0 else { return nil }
    return (runs == 1 ? "1 complete run is" : "\(grouped(runs)) complete runs are") + " kept in \(path)"
      + (FileManager.default.fileExists(atPath: path + "-wal") ? ", with \(path)-wal beside it" : "")
  }
}

/// Runs plans: takes from the database what it holds already, keeps in it what is new.
package final class RunExecutor {
  private let store: ResultStore?
  private let force: Bool
  private let stepByStep: Bool
  private let progress: ProgressLine
  /// Wall time of the event loops and the requests that they replayed.
  private(set) var timing = LoopTiming()

  package init(store: ResultStore?, force: Bool, stepByStep: Bool = false, progress: ProgressLine) {
    self.store = store
    (self.force, self.stepByStep) = (force, stepByStep)
    self.progress = progress
  }

  /// The run of `plan` on `workload`; `requests` sees its requests, of a stored run as well. A `watcher` sees everything,
  /// for which a stored run is made again, and must have the same fingerprint.
  package func execute(
    _ plan: RunPlan, on workload: Workload, requests: RequestCSV? = nil,
    watcher: (any RunObserver)? = nil
  ) throws -> ExecutedRun {
    guard let store else { return try run(plan, on: workload, requests, [watcher]) }
    let manifest = plan.manifest(workload)
    let known = try store.completedRun(manifestHash: manifest.hash)
    if stepByStep {
      // An oracle: it must compute. Its count of events is its own, so it is no run that others may be answered with.
      let run = try run(plan, on: workload, requests, [watcher])
      if let known = known?.result {
        try Self.requireSame(known.summary.fingerprint, run.summary.fingerprint)
      }
      return run
    }
    if !force, let known { return try reuse(known, in: store, plan, on: workload, requests, watcher) }
    var executed: ExecutedRun?
    let recorded = try store.record(manifest, startedAt: now(), again: force) { recorder in
      let run = try run(plan, on: workload, requests, [recorder, watcher])
      executed = run
      return (run.result, now())
    }
    guard var executed else {
      // Another process has made it meanwhile.
      guard let made = try store.completedRun(manifestHash: manifest.hash) else {
        throw CommandFailure(.runFailed, "\(store.path): run \(recorded.id) is no longer there")
      }
      return try reuse(made, in: store, plan, on: workload, requests, watcher)
    }
    executed.storedRun = recorded.id
    if let before = known?.result?.summary.fingerprint {
      try Self.requireSame(before, executed.summary.fingerprint)
    }
    return executed
  }

  /// A run that the database holds.
  private func reuse(
    _ known: StoredRun, in store: ResultStore, _ plan: RunPlan, on workload: Workload,
    _ requests: RequestCSV?, _ watcher: (any RunObserver)?
  ) throws -> ExecutedRun {
    guard let result = known.result else { preconditionFailure("a completed run has a result") }
    // What a request that was cut asked for is not stored.
    let sees = requests != nil && result.summary.cutAtContext > 0
    if watcher != nil || sees {
      let again = try run(plan, on: workload, sees ? requests : nil, [watcher]).summary.fingerprint
      try Self.requireSame(result.summary.fingerprint, again)
    }
    if !sees, let requests { try store.requests(run: known.id).forEach(requests.requestEnded) }
    return ExecutedRun(
      result: result, rejected: try store.rejectedRequests(run: known.id), storedRun: known.id, isReused: true
    )
  }

  static func requireSame(_ before: String, _ now: String) throws {
    guard before != now else { return }
    throw CommandFailure(
      .runFailed, "the same manifest gave fingerprint \(before) before and \(now) now")
  }

  private func run(
    _ plan: RunPlan, on workload: Workload, _ requests: RequestCSV?, _ observers: [(any RunObserver)?]
  ) throws -> ExecutedRun {
    var source = try workload.open()
    if let requests { source = requests.asked.noting(source) }
    let bound = BoundCollector(plan, arrivalsAreFixed: !source.isClosedLoop)
    let latencies = workload.windowedLatencies()
    let present = ([requests as (any RunObserver)?, latencies] + observers).compactMap(\.self) + [bound]
    let observer: (any RunEventHandler)? = present.count > 1 ? ObserverList(present) : present.first
    let begin = ContinuousClock.now
    let summary = try plan.simulate(source, observer, progress.start(plan.policy))
    timing.add(loop: ContinuousClock.now - begin, requests: summary.arrived)
    progress.clear()
    return ExecutedRun(
      result: plan.result(summary, on: workload, bound: bound.result, latencies: latencies),
      rejected: summary.rejectedIDs)
  }

  /// The wall time as the database keeps it: ISO 8601, UTC.
  private func now() -> String { Date.now.ISO8601Format() }
}
