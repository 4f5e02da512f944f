import Results
import Sim

/// Watches a run for `ResultStore.record`.
///
/// It keeps the live requests' accounts of time and copies what is to be kept into batches for the thread that writes the
/// run: the event loop waits for SQLite only while as many batches wait as may. Valid inside the body of
/// `ResultStore.record` only.
public final class RunRecorder: RunObserver {
  private let messages: BoundedChannel<RunMessage>
  private let spares: BoundedChannel<RunBatch>
  private let batchSize: Int
  // Not checked for exclusive access: one thread tells, nothing is called meanwhile, and the check costs as much.
  @exclusivity(unchecked) private var accounts = TimeAccount()
  @exclusivity(unchecked) private var batch = RunBatch()
  private var isOpen = true

  init(_ messages: BoundedChannel<RunMessage>, spares: BoundedChannel<RunBatch>, batchSize: Int) {
    self.messages = messages
    self.spares = spares
    self.batchSize = batchSize
  }

  public var watchesAll: Bool { true }

  public func arrived(_ arrival: ArrivalRecord) { accounts.arrived(arrival) }
  public func changed(_ change: RequestChange) { accounts.changed(change) }
  public func worked(_ work: WorkRecord) { accounts.worked(work) }

  public func requestEnded(_ record: RequestRecord) {
    batch.requests.append(EndedRequest(record: record, account: accounts.take(record.id)))
    added()
  }

  public func sampled(_ sample: InstanceSample) {
    batch.samples.append(sample)
    added()
  }

  public func decided(_ decision: DecisionRecord) {
    batch.decisions.append(decision)
    added()
  }

  /// The run is over.
  func complete(_ result: RunResult, finishedAt: String) {
    close()
    messages.send(.batch(batch))
    messages.send(.completed(result, work: accounts.spent, finishedAt: finishedAt))
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

  private func added() {
    precondition(isOpen, "a recorder records only while its run is simulated")
    guard batch.count == batchSize else { return }
    messages.send(.batch(batch))
    batch = spares.poll() ?? RunBatch()
  }
}

/// What the thread that simulates a run tells the one that writes it. The last is `completed` or `abandoned`.
enum RunMessage: Sendable {
  case batch(RunBatch)
  case completed(RunResult, work: [TimeAccount.Spent], finishedAt: String)
  case abandoned
}

/// Rows to be written, each kind in the order in which it was told.
struct RunBatch: Sendable {
  var requests: ContiguousArray<EndedRequest> = []
  var samples: ContiguousArray<InstanceSample> = []
  var decisions: ContiguousArray<DecisionRecord> = []

  init() {}

  /// Empty, with memory for so many requests that has been touched: the first touch of a page is a fault, which the event loop
  /// would wait for.
  init(roomFor requests: Int) {
    self.requests = ContiguousArray(unsafeUninitializedCapacity: requests) { memory, count in
      let bytes = UnsafeMutableRawBufferPointer(memory)
      for page in stride(from: 0, to: bytes.count, by: 4_096) { bytes[page] = 0 }
      count = 0
    }
  }

  /// Forgets all rows and keeps their room.
  mutating func removeAll() {
    requests.removeAll(keepingCapacity: true)
    samples.removeAll(keepingCapacity: true)
    decisions.removeAll(keepingCapacity: true)
  }

  var count: Int { requests.count + samples.count + decisions.count }
}
