import Foundation
import Results
import Sim
import Studies
import Workloads

/// One simulation, told by values alone: whatever it needs is made anew on the thread that runs it.
package struct RunJob: Sendable {
  package var policy: String
  package var options: RunOptions
  package var seed: Int
  /// Requests to be left out, by their ids in the whole trace, ascending.
  package var dropped: [Int] = []
  package var kept = KeptRows.summary
  /// What a generated trace stands for, so that it is worked out once.
  package var recipe: WorkloadSpec?
  /// How often the trace is repeated (`Workload.load`).
  package var times = 1

  package init(
    policy: String, options: RunOptions, seed: Int, kept: KeptRows = .summary, recipe: WorkloadSpec? = nil
  ) {
    (self.policy, self.options, self.seed, self.kept, self.recipe) = (policy, options, seed, kept, recipe)
  }

  /// The contender's plan; in studies, layout options describe vllm-m's instance (semantics.md 33).
  /// `longest` is asked for the tokens of the trace's longest request if the policy is sized by it.
  package func plan(_ scope: LayoutScope = .vllmM, longest: () throws -> Int?) throws -> RunPlan {
    try RunPlan.make(
      policy: policy, options: options, pairs: try OptionPairs(options.optionArguments), scope: scope,
      longest: longest)
  }

  /// The requests; throws if none is left.
  package func workload() throws -> Workload {
    let whole = try Workload.load(options, seed: seed, recipe: recipe, times: times)
    guard !dropped.isEmpty else { return whole }
    guard let rest = try whole.dropping(dropped) else {
      throw CommandFailure(.runFailed, "no request is left of the trace")
    }
    return rest
  }

  /// Simulates, and holds in memory what is to be kept: nothing else has to wait meanwhile.
  package func run() throws -> FinishedRun {
    let started = Date.now.ISO8601Format()
    let workload = try workload()
    let plan = try plan { workload.longest }
    let spool = RunSpool(kept)
    let source = try workload.open()
    let bound = BoundCollector(plan, arrivalsAreFixed: !source.isClosedLoop)
    let latencies = workload.windowedLatencies()
    let present: [any RunEventHandler] =
      (kept == .summary ? [] : [spool]) + [latencies].compactMap(\.self) + [bound]
    let observer: any RunEventHandler = present.count > 1 ? ObserverList(present) : bound
    let summary = try plan.simulate(source, observer, nil)
    var finished = FinishedRun(
      manifest: plan.manifest(workload),
      result: plan.result(summary, on: workload, bound: bound.result, latencies: latencies),
      digest: RequestDigest(rejected: summary.rejectedIDs, longest: summary.longest), kept: kept,
      startedAt: started, finishedAt: Date.now.ISO8601Format())
    (finished.requests, finished.samples, finished.decisions) = (
      spool.requests, spool.samples, spool.decisions
    )
    finished.work = spool.work
    return finished
  }
}

/// Collects what is kept of a run.
private final class RunSpool: RunObserver {
  private let kept: KeptRows
  private(set) var requests: [EndedRequest] = []
  private(set) var samples: [InstanceSample] = []
  private(set) var decisions: [DecisionRecord] = []
  private var account = TimeAccount()

  init(_ kept: KeptRows) { self.kept = kept }

  func requestEnded(_ record: RequestRecord) {
    requests.append(EndedRequest(record: record, account: account.take(record.id)))
  }

  var work: [TimeAccount.Spent] { account.spent }
  var watchesAll: Bool { true }
  func arrived(_ arrival: ArrivalRecord) { account.arrived(arrival) }
  func changed(_ change: RequestChange) { account.changed(change) }
  func worked(_ work: WorkRecord) { account.worked(work) }
  func sampled(_ sample: InstanceSample) { if kept == .all { samples.append(sample) } }
  func decided(_ decision: DecisionRecord) { if kept == .all { decisions.append(decision) } }
}
