import Runs
import Sim
import Workloads

/// What the simulator makes of a client's run: the requests that it completed, sent as it sent them.
struct BenchmarkReplay {
  /// Of a run step by step: when each token appears is compared as well.
  let plan: RunPlan

  /// - Throws: `CommandFailure` with the reason if the run cannot be replayed, or a request of it does not fit.
  func figures(of run: BenchmarkRun) throws -> ClientFigures {
    if case .unknown(let reason) = run.load {
      throw CommandFailure(.badData, "\(run.place): cannot be replayed: \(reason)")
    }
    let requests = requests(of: run)
    let log = ClientLog()
    _ = try plan.simulate(source(requests, load: run.load), log, nil)
    if let refused = log.requests.map(\.record).first(where: { !($0.outcome == .completed) }) {
      throw CommandFailure(
        .badData,
        "\(run.place): a request of \(refused.prompt) + \(refused.output) tokens is \(refused.outcome.text) in the simulation: "
          + "--max-model-len, --kv-blocks or other GPUs may be what the engine had")
    }
    // Ids are in the order in which requests were sent.
    return ClientFigures(log.requests) { requests[$0.record.id.index].output == 0 }
  }

  /// Those that did not fail, as they were sent; of a file without requests, so many of its mean lengths.
  private func requests(of run: BenchmarkRun) -> [BenchmarkRequest] {
    if run.requests.isEmpty, let means = run.means {
      return Array(
        repeating: BenchmarkRequest(
          prompt: max(1, Int(means.prompt.rounded())), output: max(1, Int(means.output.rounded()))),
        count: means.requests)
    }
    let served = run.requests.filter { !$0.failed }
    guard run.load == .timed else { return served }
    return served.enumerated().sorted {
      ($0.element.sent ?? 0, $0.offset) < ($1.element.sent ?? 0, $1.offset)
    }
    .map(\.element)
  }

  private func source(_ requests: [BenchmarkRequest], load: OfferedLoad) -> any RequestSource {
    var arrivals = Array(repeating: 0.0, count: requests.count)
    switch load {
    case .timed:
      let first = requests.compactMap(\.sent).min() ?? 0
      arrivals = requests.map { ($0.sent ?? 0) - first }
    case .rate(let rate):
      // As the client draws them: gaps first, then scaled so that the last comes at count / rate.
      let draws = RandomDraws(seed: 0, name: "arrivals of a benchmark")
      var time = 0.0
      for index in arrivals.indices {
        time += Elementary.ln(1 / draws.unit(index, 0))
        arrivals[index] = time
      }
      let scale = time > 0 ? Double(requests.count) / rate / time : 0
      arrivals = arrivals.map { $0 * scale }
    case .atOnce, .concurrency, .unknown: break
    }
    let turns = zip(requests, arrivals).map { request, arrival in
      TraceRequest(
        arrival: SimTime(picoseconds: Int64((arrival * 1e12).rounded())), prompt: max(1, request.prompt),
        // The model ended at once, after a prompt that it had computed.
        output: max(1, request.output))
    }
    if case .concurrency(let most) = load { return LimitedSource(turns, most: most) }
    return ArraySource(turns)
  }
}

/// Requests of which so many are under way at a time: the next is sent when one has ended, whichever that is.
struct LimitedSource: RequestSource {
  let info: RequestSourceInfo
  let isClosedLoop = true
  private let requests: [TraceRequest]
  /// The next one, and when those that may go may do so, descending.
  private var upcoming = 0
  private var free: [Int64]

  /// All of `requests` wait for nothing but a place.
  init(_ requests: [TraceRequest], most: Int) {
    precondition(!requests.isEmpty && most > 0, "a request source holds at least one request")
    self.requests = requests
    free = Array(repeating: 0, count: min(most, requests.count))
    info = RequestSourceInfo(count: requests.count, lastArrival: .zero)
  }

  mutating func next() -> TraceRequest? {
    guard upcoming < requests.count, let time = free.popLast() else { return nil }
    var request = requests[upcoming]
    request.arrival = SimTime(picoseconds: time)
    upcoming += 1
    return request
  }

  mutating func putBack(_ request: TraceRequest) {
    upcoming -= 1
    free.append(request.arrival.picoseconds)
  }

  mutating func ended(_ index: Int, at time: SimTime) {
    // Ends come in order of time: a later one goes before those that may go earlier.
    let at = time.picoseconds + 1
    free.insert(at, at: free.firstIndex { $0 <= at } ?? free.endIndex)
  }
}
