/// A move of KV blocks that the gManager has ordered. Every message about it carries its number.
struct Move {
  /// Unique in a run: the epoch of the gManager that ordered it, then a count.
  var number: Int
  var order: MoveOrder

  init(epoch: Int, ordinal: Int, order: MoveOrder) {
    number = epoch << 32 | ordinal
    self.order = order
  }

  var epoch: Int { number >> 32 }
  var source: Int { order.source.index }
  var destination: Int { order.destination.index }
  var blocks: Int { order.blocks.count }
}

/// A message between the gManager and the rManagers, or between two rManagers; or an alarm, which its receiver has set
/// itself and which is never lost. Ordered as they are delivered: by time, receiver, sender, number.
struct Message: Comparable {
  enum Payload {
    /// rManager → gManager.
    case heartbeat(Heartbeat)
    /// gManager → rManager: the next heartbeat is to be a full one.
    case sendFull(epoch: Int)
    /// gManager → the rManager that holds the blocks.
    case moveKVCache(Move)
    /// Source → destination: reserve room, first come, first served. A recall goes back to the request's home.
    case tryMoveKVCache(Move, isRecall: Bool)
    /// Destination → source: reserved, or not.
    case tryMoveReply(Move, accepted: Bool)
    /// Source → destination: the move will not be made.
    case cancel(Move)
    /// Alarm of a source: no answer to its `tries`-th try.
    case answerDue(move: Int, tries: Int)
    /// Alarm of a destination: a reservation has expired.
    case reservationDue(move: Int)
    /// A planned outage of the gManager begins or ends.
    case outage(begins: Bool)
  }

  /// When it is delivered.
  var time: Int64
  /// Instances, or `gManager`.
  var receiver: Int
  var sender: Int
  /// How many messages its sender had sent with it.
  var number: Int
  var payload: Payload

  static let gManager = -1

  private var key: (Int64, Int, Int, Int) { (time, receiver, sender, number) }
  static func < (a: Message, b: Message) -> Bool { a.key < b.key }
  static func == (a: Message, b: Message) -> Bool { a.key == b.key }
}

/// What an rManager tells of its instance.
struct Heartbeat {
  /// Of its sender, from 1.
  var sequence: Int
  var sent: Int64
  /// Whether `rows` are all there are; else they are those that differ from the heartbeat before, without blocks where they
  /// are gone.
  var isFull: Bool
  var rows: ContiguousArray<PlacementRow>
  var report: InstanceReport
  /// The waiting requests that a planner might admit, first come first.
  var waiting: ContiguousArray<WaitingRequest>
}

/// What the manager of one instance remembers besides the instance itself.
struct RManager {
  /// The last heartbeat: its number and what all of them together have said.
  var sequence = 0
  var told: ContiguousArray<PlacementRow> = []
  var owesFull = false
  /// Messages sent.
  var sent = 0
  /// The newest gManager that it has heard of.
  var epoch = 0
  /// The moves that it was ordered or asked to make, or told to forget; looked up, never iterated.
  var known: Set<Int> = []
}

/// A move that its source has asked the destination for: from its first try until the answer, or until the source gives up.
/// Meanwhile its blocks stay where they are and no other move takes blocks of the request.
struct Departure {
  var move: Move
  var slot: Int
  var isRecall: Bool
  var tries = 0
}

/// Blocks that a destination keeps for a transfer that has not started. They count as used there.
struct Reservation {
  var move: Move
  var isRecall: Bool
}

/// What the gManager remembers: nothing of it survives a crash but the epoch.
struct GManager {
  /// What it knows of one instance.
  struct View {
    /// The last heartbeat that was taken in, 0 for none, and when that was sent and received.
    var sequence = 0
    var sent: Int64 = 0
    var received: Int64 = 0
    var report = InstanceReport()
    var waiting: ContiguousArray<WaitingRequest> = []
    /// By ascending request.
    var rows: ContiguousArray<PlacementRow> = []

    func row(of request: RequestID) -> PlacementRow? {
      var (low, high) = (0, rows.count)
      while low < high {
        let middle = (low + high) / 2
        if rows[middle].request < request { low = middle + 1 } else { high = middle }
      }
      return low < rows.count && rows[low].request == request ? rows[low] : nil
    }
  }

  var views: ContiguousArray<View>
  var isDown = false
  /// Counts its starts.
  var epoch = 1
  /// Moves ordered in this epoch.
  var orders = 0
  /// Until then it plans only if it has heard of every instance.
  var waitsUntil: Int64
  /// Messages sent.
  var sent = 0
}

extension ContiguousArray<PlacementRow> {
  /// The rows of `self` that differ from those in `old`, and those of `old` that are gone, without blocks; all by
  /// ascending request.
  func changes(since old: Self) -> Self {
    var changes = Self()
    var index = old.startIndex
    for row in self {
      while index < old.endIndex, old[index].request < row.request {
        changes.append(old[index].gone)
        index += 1
      }
      if index < old.endIndex, old[index].request == row.request {
        if old[index] != row { changes.append(row) }
        index += 1
      } else {
        changes.append(row)
      }
    }
    while index < old.endIndex {
      changes.append(old[index].gone)
      index += 1
    }
    return changes
  }

  /// The inverse of `changes(since:)`.
  func applying(_ changes: Self) -> Self {
    var result = Self()
    var index = startIndex
    for change in changes {
      while index < endIndex, self[index].request < change.request {
        result.append(self[index])
        index += 1
      }
      if index < endIndex, self[index].request == change.request { index += 1 }
      if change.blocks > .zero { result.append(change) }
    }
    result.append(contentsOf: self[index...])
    return result
  }
}

extension PlacementRow {
  fileprivate var gone: PlacementRow {
    PlacementRow(request: request, home: home, blocks: .zero, movable: .zero)
  }
}
