import Sim

/// Arrivals that a source rounded to buckets, spread again: each is drawn evenly over its bucket.
///
/// A bucket is the nearest multiple of the width, since sources round up and down (Mooncake's times are
/// multiples of 3 s, give or take 3 ms). Requests come out in order of their drawn arrivals, counted from the
/// first; memory follows the fullest bucket.
struct BucketSpread {
  private let width: Int64
  private let draws: RandomDraws
  private var bucket: Int64 = 0
  private var filling: [TraceRecord] = []
  /// The last full bucket, latest first.
  private var ready: [TraceRecord] = []
  private var count = 0
  private var start: SimTime?

  init(width: Int64, seed: UInt64) {
    self.width = width
    draws = RandomDraws(seed: seed, name: "jitter")
  }

  /// Whether `take` has something without another `add`.
  var isReady: Bool { !ready.isEmpty }

  /// Takes in the next request in order of recorded arrival. Only while nothing is ready.
  mutating func add(_ record: TraceRecord) {
    var record = record
    let index = (record.request.arrival.picoseconds + width / 2) / width
    if index != bucket {
      finish()
      bucket = index
    }
    let offset = Int64(draws.unit(count, 0) * Double(width)) - 1
    record.request.arrival = SimTime(picoseconds: index * width + max(offset, 0))
    count += 1
    filling.append(record)
  }

  /// Makes ready what is there.
  mutating func finish() {
    let order = filling.indices.sorted {
      (filling[$1].request.arrival, $1) < (filling[$0].request.arrival, $0)
    }
    ready = order.map { filling[$0] } + ready
    filling.removeAll(keepingCapacity: true)
    if start == nil { start = ready.last?.request.arrival }
  }

  /// The earliest ready request.
  mutating func take() -> TraceRecord? {
    guard var record = ready.popLast(), let start else { return nil }
    record.request.arrival = SimTime(picoseconds: (record.request.arrival - start).picoseconds)
    return record
  }
}
