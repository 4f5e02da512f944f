/// Request slots by the decode clock at which something happens to them, the next one first; ties to the lower slot.
///
/// An entry is one word, clock · 2²⁴ + slot, so one comparison orders it; and which of two children is the smaller is
/// added to an index, not branched on: such a branch is missed every other time, which is what a heap's time is
/// (Heap of swift-collections took three times as long here). `insert` and `removeMin` are O(log count).
struct ClockQueue {
  private var entries: ContiguousArray<UInt64> = []

  var isEmpty: Bool { entries.isEmpty }
  /// The entry that is next, if there is one.
  var first: Entry? { entries.isEmpty ? nil : Entry(word: entries[0]) }

  struct Entry: Equatable {
    fileprivate var word: UInt64

    init(clock: Int64, slot: Int) {
      precondition(clock < 1 << 40 && slot < 1 << 24, "a decode clock is below 2^40, a slot below 2^24")
      word = UInt64(clock) << 24 | UInt64(slot)
    }

    fileprivate init(word: UInt64) { self.word = word }

    var clock: Int64 { Int64(word >> 24) }
    var slot: Int { Int(word & 0xFF_FFFF) }
  }

  mutating func insert(_ entry: Entry) {
    entries.append(entry.word)
    entries.withUnsafeMutableBufferPointer { heap in
      Self.rise(entry.word, from: heap.count - 1, in: heap)
    }
  }

  /// Takes out the entry that is next. There must be one.
  mutating func removeFirst() {
    let last = entries.removeLast()
    guard !entries.isEmpty else { return }
    entries.withUnsafeMutableBufferPointer { heap in
      // The hole sinks to the bottom along the smaller children; the last entry, most likely large, rises from there.
      var hole = 0
      var child = 2
      while child < heap.count {
        child -= heap[child - 1] < heap[child] ? 1 : 0
        heap[hole] = heap[child]
        hole = child
        child = 2 * hole + 2
      }
      if child == heap.count {
        heap[hole] = heap[child - 1]
        hole = child - 1
      }
      Self.rise(last, from: hole, in: heap)
    }
  }

  private static func rise(_ word: UInt64, from bottom: Int, in heap: UnsafeMutableBufferPointer<UInt64>) {
    var hole = bottom
    while hole > 0 {
      let parent = (hole - 1) / 2
      if heap[parent] <= word { break }
      heap[hole] = heap[parent]
      hole = parent
    }
    heap[hole] = word
  }
}
