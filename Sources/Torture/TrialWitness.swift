@_spi(Checking) import Sim
import Synchronization

/// Remembers how far a trial has come, for another thread to tell of it: which run, when, who holds what, what was decided
/// last, and what the policy was asked and has not answered.
final class TrialWitness: Sendable {
  private struct State {
    var runs = 0
    var run = ""
    var instants = 0
    var decided = 0
    var last: ClusterSnapshot?
    var decisions: [DecisionRecord] = []
    var question: String?
  }
  private let state = Mutex(State())
  private static let mostDecisions = 8

  func begin(_ run: String) {
    state.withLock {
      let runs = $0.runs
      $0 = State(runs: runs + 1, run: run)
    }
  }

  func note(_ snapshot: ClusterSnapshot) {
    state.withLock {
      $0.instants += 1
      $0.last = snapshot
    }
  }

  func note(_ decision: DecisionRecord) {
    state.withLock {
      $0.decided += 1
      if $0.decisions.count == Self.mostDecisions { $0.decisions.removeFirst() }
      $0.decisions.append(decision)
    }
  }

  func asked<Answer>(_ question: @autoclosure () -> String, _ answer: () -> Answer) -> Answer {
    let question = question()
    state.withLock { $0.question = question }
    defer { state.withLock { $0.question = nil } }
    return answer()
  }

  /// What is known, a line each.
  var story: String {
    let state = state.withLock { $0 }
    guard state.runs > 0 else { return "no run has begun\n" }
    let time = state.last.map { "\($0.time.picoseconds) ps" } ?? "the start"
    var lines = [
      "run \(state.runs) of the trial (\(state.run)): at \(time), after \(state.instants) instants and "
        + "\(state.decided) decisions"
    ]
    if let question = state.question { lines.append("the policy has not answered: \(question)") }
    if let last = state.last { lines += Self.holdings(last) }
    lines += state.decisions.map { decision in
      "decided at \(decision.time.picoseconds) ps: \(decision.kind.rawValue) request \(decision.request.index), "
        + "\(decision.source.index) to \(decision.destination.index), \(decision.blocks) blocks: \(decision.reason)"
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func holdings(_ snapshot: ClusterSnapshot) -> [String] {
    snapshot.instances.enumerated().map { i, instance in
      "instance \(i): \(instance.isUp ? "up" : "down"), \(instance.usedBlocks) of \(instance.capacity) blocks used, "
        + "\(instance.hostedBlocks) for others, \(instance.running) running, \(instance.queued) queued, "
        + (instance.busyUntil.map { "busy until \($0.picoseconds) ps" } ?? "idle")
    }
      // Who waits holds nothing.
      + snapshot.placements.filter { $0.phase == .prefilling || $0.phase == .decoding }.map { placement in
        let loans = placement.loans.map { ", \($0.blocks) blocks on \($0.host.index)" }.joined()
        return "request \(placement.request.index): \(placement.phase) at \(placement.home.index), "
          + "\(placement.storedTokens) tokens stored\(loans)"
      }
  }
}

/// Tells a witness what the policy is asked.
final class WitnessPolicy: ForwardingPolicy {
  private let witness: TrialWitness

  init(_ witness: TrialWitness, _ policy: any SchedulingPolicy) {
    self.witness = witness
    super.init(policy)
  }

  override func route(_ request: RequestView, _ cluster: borrowing ClusterView) -> InstanceID {
    witness.asked("route request \(request.id.index)") { super.route(request, cluster) }
  }

  override func lend(_ ask: LoanRequest, _ cluster: borrowing ClusterView) -> [LoanPiece]? {
    witness.asked("lend \(ask.blocks.count) blocks to request \(ask.request.id.index) at \(ask.home.index)") {
      super.lend(ask, cluster)
    }
  }

  override func plan(_ map: borrowing PlacementMap) -> [MoveOrder] {
    witness.asked("plan at \(map.now.picoseconds) ps") { super.plan(map) }
  }

  override func forgetPlans() { witness.asked("forget plans") { super.forgetPlans() } }
}

/// Tells a witness what is decided, and another observer everything.
final class WitnessObserver: RunObserver {
  private let witness: TrialWitness
  private let observer: (any RunObserver)?

  init(_ witness: TrialWitness, _ observer: (any RunObserver)?) {
    self.witness = witness
    self.observer = observer
  }

  func decided(_ decision: DecisionRecord) {
    witness.note(decision)
    observer?.decided(decision)
  }

  var watchesAll: Bool { observer?.watchesAll ?? false }
  func requestEnded(_ record: RequestRecord) { observer?.requestEnded(record) }
  func sampled(_ sample: InstanceSample) { observer?.sampled(sample) }
  func managed(_ record: ProtocolRecord) { observer?.managed(record) }
  func arrived(_ arrival: ArrivalRecord) { observer?.arrived(arrival) }
  func changed(_ change: RequestChange) { observer?.changed(change) }
  func worked(_ work: WorkRecord) { observer?.worked(work) }
  func faulted(_ fault: FaultRecord) { observer?.faulted(fault) }
}
