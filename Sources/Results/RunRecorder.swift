import Sim

/// Watches a run for `ResultStore.record`.
///
/// It copies what it is told into batches for the thread that writes the run, and does nothing else: the event loop pays
/// for a copy, and waits for SQLite only while as many batches wait as may. Valid inside the body of
/// `ResultStore.record` only.
public final class RunRecorder: RunObserver {
  private let messages: BoundedChannel<RunMessage>
  private let batchSize: Int
  /// Not checked for exclusive access: one thread appends, nothing is called meanwhile, and the check costs as much.
  @exclusivity(unchecked) private var batch = RunBatch()
  private var isOpen = true

  init(_ messages: BoundedChannel<RunMessage>, batchSize: Int) {
    self.messages = messages
    self.batchSize = batchSize
  }

  public var watchesAll: Bool { true }

  public func arrived(_ arrival: ArrivalRecord) {
    batch.arrivals.append(arrival)
    added(.arrival)
  }

  public func changed(_ change: RequestChange) {
    batch.changes.append(change)
    added(.change)
  }

  public func worked(_ work: WorkRecord) {
    batch.work.append(work)
    added(.work)
  }

  public func requestEnded(_ record: RequestRecord) {
    batch.ends.append(record)
    added(.end)
  }

  public func sampled(_ sample: InstanceSample) {
    batch.samples.append(sample)
    added(.sample)
  }

  public func decided(_ decision: DecisionRecord) {
    batch.decisions.append(decision)
    added(.decision)
  }

  /// The run is over.
  func complete(_ result: RunResult, finishedAt: String) {
    close()
    messages.send(.batch(batch))
    messages.send(.completed(result, finishedAt: finishedAt))
  }

  /// The run has failed: nothing of it is to be kept.
  func abandon() {
    close()
    messages.send(.abandoned)
  }

  private func close() {
    precondition(isOpen, "a run ends once")
    isOpen = false
  }

  private func added(_ kind: RunBatch.Kind) {
    precondition(isOpen, "a recorder records only while its run is simulated")
    batch.order.append(kind)
    guard batch.order.count == batchSize else { return }
    messages.send(.batch(batch))
    batch = RunBatch(roomAs: batch)
  }
}

/// What the thread that simulates a run tells the one that writes it. The last is `completed` or `abandoned`.
enum RunMessage: Sendable {
  case batch(RunBatch)
  case completed(RunResult, finishedAt: String)
  case abandoned
}

/// What an observer was told, each kind for itself, and the kinds in the order in which it was told.
struct RunBatch: Sendable {
  enum Kind: UInt8 { case arrival, change, work, end, sample, decision }

  var order: ContiguousArray<Kind> = []
  var arrivals: ContiguousArray<ArrivalRecord> = []
  var changes: ContiguousArray<RequestChange> = []
  var work: ContiguousArray<WorkRecord> = []
  var ends: ContiguousArray<RequestRecord> = []
  var samples: ContiguousArray<InstanceSample> = []
  var decisions: ContiguousArray<DecisionRecord> = []

  init() {}

  /// Empty, with room for what `previous` held and a quarter more of each of the frequent kinds.
  init(roomAs previous: RunBatch) {
    func room(_ count: Int) -> Int { count + count / 4 }
    order.reserveCapacity(previous.order.count)
    arrivals.reserveCapacity(room(previous.arrivals.count))
    changes.reserveCapacity(room(previous.changes.count))
    work.reserveCapacity(room(previous.work.count))
    ends.reserveCapacity(room(previous.ends.count))
  }
}
