/// What happens in the layer-by-layer reference.
enum LayerEvent {
  case arrival(request: Int)
  /// The host has done its part of a step: kernels may begin.
  case kernelsBegin(instance: Int)
  case workEnds(instance: Int)
  case queryLands(LayerAsk, home: Int, layer: Int)
  case answerLands(home: Int)
  case keysLand(request: Int, layer: Int)
  case stepEnds(instance: Int)
  /// The instance looks whether there is something to do.
  case stepMayBegin(instance: Int)
  /// The GPU looks whether there is something to do.
  case workMayBegin(instance: Int)

  /// At one time everything happens first, then steps begin, then GPUs choose their work, so that all that is there at
  /// that time is chosen from.
  var rank: Int {
    switch self {
    case .stepMayBegin: 1
    case .workMayBegin: 2
    default: 0
    }
  }
}

/// Events in order of (time, rank, order in which they were given).
struct LayerEvents {
  private struct Entry {
    var time: Int64
    var rank: Int
    var number: Int
    var event: LayerEvent

    func isBefore(_ other: Entry) -> Bool {
      (time, rank, number) < (other.time, other.rank, other.number)
    }
  }

  /// The next one is the last.
  private var entries: [Entry] = []
  private var given = 0
  /// The time of the event that was taken last.
  private(set) var now: Int64 = 0

  mutating func add(_ event: LayerEvent, at time: Int64) {
    precondition(time >= now, "nothing happens in the past: \(event) at \(time), now is \(now)")
    let entry = Entry(time: time, rank: event.rank, number: given, event: event)
    given += 1
    var place = entries.count
    while place > 0, entries[place - 1].isBefore(entry) { place -= 1 }
    entries.insert(entry, at: place)
  }

  mutating func next() -> LayerEvent? {
    guard let entry = entries.popLast() else { return nil }
    now = entry.time
    return entry.event
  }
}
