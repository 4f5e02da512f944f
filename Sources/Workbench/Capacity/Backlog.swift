import Sim

/// How many requests would tell whether the backlog of a run grows, where they were too few (docs/decisions/0015).
///
/// The noise of the work that arrives grows with the root of the requests. A backlog that stays as it is becomes small beside
/// it, and one that grows with every request becomes large; both are told apart from it by a factor that grows with that root.
struct Backlog {
  private var requests: [(arrival: Int64, start: Int64, work: Double)] = []

  /// Counts in a request that has ended. One that was never admitted, and was not rejected, waits for ever.
  mutating func add(_ record: RequestRecord) {
    guard record.outcome.isServed || record.admitted != nil else { return }
    requests.append(
      (
        record.arrival.picoseconds, record.admitted?.picoseconds ?? .max,
        Double(record.prompt) + Double(record.output)
      ))
  }

  /// Shares of the noise below which a mean backlog is small, and above which its end is large.
  private static let (small, large) = (0.1, 3.0)
  private static let parts = 16

  /// Requests after which the likelier answer would be given, which is the nearer one; twice as many as the backlog seen would
  /// need, as near the limit it is itself still growing. `nil` where nothing waits, or nothing can be said.
  var requestsToDecide: Int? {
    let arrivals = requests.sorted { $0.arrival < $1.arrival }
    let starts = requests.sorted { $0.start < $1.start }
    guard arrivals.count >= Self.parts, let last = arrivals.last, last.arrival > 0 else { return nil }
    var waiting: [Double] = []
    var (arrived, started, next) = (0.0, 0.0, 0)
    for request in arrivals {
      while next < starts.count, starts[next].start < request.arrival {
        started += starts[next].work
        next += 1
      }
      waiting.append(max(0, arrived - started))
      arrived += request.work
    }
    // As the judgement has it: the first tenth is warm-up, the last eighth the end.
    let mean = Self.mean(waiting[(waiting.count / 10)...])
    let end = Self.mean(waiting.suffix(max(waiting.count / 8, 1)))
    let noise = max(noise(arrivals, parts: Self.parts), noise(arrivals, parts: min(256, arrivals.count)))
    guard noise > 0, mean > 0 else { return nil }
    let toBeSmall = mean / (Self.small * noise)
    let toBeLarge = end > 0 ? Self.large * noise / end : .infinity
    let factor = max(min(toBeSmall, toBeLarge), 1)
    let needed = Double(arrivals.count) * factor * factor * 2
    return needed < 1e15 ? Int(needed.rounded(.up)) : nil
  }

  /// The standard deviation of the work that arrives, from so many parts of equal numbers of arrivals.
  private func noise(_ arrivals: [(arrival: Int64, start: Int64, work: Double)], parts: Int) -> Double {
    let span = Double(arrivals[arrivals.count - 1].arrival)
    let rate = arrivals.reduce(0) { $0 + $1.work } / span
    var (first, since, sum) = (0, 0.0, 0.0)
    for part in 1...parts {
      let end = part * arrivals.count / parts
      let until = Double(arrivals[end - 1].arrival)
      let deviation = arrivals[first..<end].reduce(0) { $0 + $1.work } - rate * (until - since)
      sum += deviation * deviation
      (first, since) = (end, until)
    }
    return (sum * Double(parts) / Double(parts - 1)).squareRoot()
  }

  private static func mean(_ values: some Collection<Double>) -> Double {
    values.reduce(0, +) / Double(values.count)
  }
}
