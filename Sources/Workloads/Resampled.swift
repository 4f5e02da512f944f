import Sim

/// Replications of a trace, for intervals over seeds: the same load and the same mix of lengths, other luck.
///
/// Seed 0 is the file itself. For seed k ≥ 1 arrivals are redrawn as a Poisson process with the trace's mean
/// gap (a trace whose requests all arrive at once stays so), and (prompt, output) pairs are drawn in blocks
/// of 64 consecutive rows, each starting at any row with equal chance (the moving-block bootstrap of Künsch,
/// Annals of Statistics 1989), so that neighbours keep their likeness. What is lost: bursts and daily rhythm
/// of the arrivals, and any tie between lengths and arrival times.
///
/// The same file, options and seed give the same requests on every machine.
public enum Resampled {
  /// Rows drawn together. Assumed: long enough for a user's session or a batch job, short beside a trace.
  public static let blockLength = 64

  /// Replication number `seed` of `trace`, in memory. Reads the trace from its start and leaves it at its
  /// end; throws what reading throws.
  public static func source(of trace: TraceFile, seed: UInt64) throws(TraceError) -> ArraySource {
    ArraySource(try requests(of: trace, seed: seed))
  }

  /// The same as an array.
  public static func requests(of trace: TraceFile, seed: UInt64) throws(TraceError) -> [TraceRequest] {
    resample(try trace.all(), seed: seed)
  }

  /// Replication number `seed` of `requests`, which are sorted by arrival and not empty.
  package static func resample(_ requests: [TraceRequest], seed: UInt64) -> [TraceRequest] {
    guard seed > 0 else { return requests }
    let arrivals = arrivals(like: requests, seed: seed)
    let rows = rows(of: requests.count, seed: seed)
    return zip(arrivals, rows).map { arrival, row in
      TraceRequest(arrival: arrival, prompt: requests[row].prompt, output: requests[row].output)
    }
  }

  private static func arrivals(like requests: [TraceRequest], seed: UInt64) -> [SimTime] {
    let span = requests[requests.count - 1].arrival.picoseconds
    let meanGap = Double(span) / Double(max(requests.count - 1, 1))
    let stream = RandomStream(seed: seed, name: "resampled-gaps")
    var arrival: Int64 = 0
    return requests.indices.map { index in
      if index > 0 {
        // A trace near 100 days that also draws long gaps stops there instead of leaving the range of time.
        let room = Instant.longestSpan - arrival
        let gap = -Elementary.ln(stream.unit(entity: index, ordinal: 0)) * meanGap
        arrival += gap < Double(room) ? Int64(gap) : room
      }
      return SimTime(picoseconds: arrival)
    }
  }

  /// `count` row numbers in blocks of consecutive ones.
  private static func rows(of count: Int, seed: UInt64) -> [Int] {
    let stream = RandomStream(seed: seed, name: "resampled-blocks")
    let length = min(blockLength, count)
    return (0..<count).map { index in
      let (block, offset) = index.quotientAndRemainder(dividingBy: length)
      return stream.integer(below: count - length + 1, entity: block, ordinal: 0) + offset
    }
  }

  /// `requests`, sorted by arrival and not empty, so many times one after another, with the trace's mean gap in between;
  /// `nil` if that takes more than 100 days.
  package static func repeated<Request>(
    _ requests: [Request], times: Int, arrival: WritableKeyPath<Request, SimTime>
  ) -> [Request]? {
    if times == 1 { return requests }
    let span = requests[requests.count - 1][keyPath: arrival].picoseconds
    let period = span + span / Int64(max(requests.count - 1, 1))
    let (start, isBeyond) = period.multipliedReportingOverflow(by: Int64(times - 1))
    guard !isBeyond, start <= Instant.longestSpan - span else { return nil }
    return (0..<times).flatMap { time in
      requests.map { request in
        var request = request
        request[keyPath: arrival] = SimTime(
          picoseconds: request[keyPath: arrival].picoseconds + Int64(time) * period)
        return request
      }
    }
  }
}
