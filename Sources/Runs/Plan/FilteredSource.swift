import Sim

/// The requests of another source without some of them, arrivals counted from the first that is left.
struct FilteredSource: RequestSource {
  let info: RequestSourceInfo
  private var rest: Rest
  private let start: SimTime

  /// Leaves out the requests numbered `dropped` (ascending; not all of them). Reads the source once to the end.
  init(dropping dropped: [Int], from open: () throws -> any RequestSource) throws {
    var scan = Rest(base: try open(), dropped: dropped)
    guard let first = try scan.next() else {
      throw CommandFailure(.runFailed, "no request is left of the trace")
    }
    var (count, last) = (1, first)
    while let request = try scan.next() {
      count += 1
      last = request
    }
    start = first.arrival
    info = RequestSourceInfo(
      count: count, lastArrival: SimTime(picoseconds: (last.arrival - start).picoseconds),
      prefixUnit: scan.base.info.prefixUnit)
    rest = Rest(base: try open(), dropped: dropped)
  }

  mutating func next() throws -> TraceRequest? {
    guard var request = try rest.next() else { return nil }
    request.arrival = SimTime(picoseconds: (request.arrival - start).picoseconds)
    return request
  }

  var prefix: ContiguousArray<UInt64> { rest.base.prefix }

  /// One pass over what is left, arrivals as they are.
  private struct Rest {
    var base: any RequestSource
    var dropped: [Int]
    var id = 0
    var position = 0

    mutating func next() throws -> TraceRequest? {
      while let request = try base.next() {
        defer { id += 1 }
        guard position < dropped.count, dropped[position] == id else { return request }
        position += 1
      }
      return nil
    }
  }
}
