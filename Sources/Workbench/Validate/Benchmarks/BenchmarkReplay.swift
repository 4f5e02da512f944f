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
    _ = try plan.simulate(try source(requests, load: run.load), log, nil)
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

  private func source(_ requests: [BenchmarkRequest], load: OfferedLoad) throws -> any RequestSource {
    var arrivals = Array(repeating: 0.0, count: requests.count)
    switch load {
    case .timed:
      let first = requests.compactMap(\.sent).min() ?? 0
      arrivals = requests.map { ($0.sent ?? 0) - first }
    case .rate(let rate):
      arrivals = try RequestRate(.constant(rate))
        .times(requests.count, draws: RandomDraws(seed: 0, name: "arrivals of a benchmark"))
    case .atOnce, .concurrency, .unknown: break
    }
    let turns = zip(requests, arrivals).map { request, arrival in
      TraceRequest(
        arrival: SimTime(picoseconds: Int64((arrival * 1e12).rounded())), prompt: max(1, request.prompt),
        // The model ended at once, after a prompt that it had computed.
        output: max(1, request.output))
    }
    if case .concurrency(let most) = load { return LimitedSource(ArraySource(turns), most: most) }
    return ArraySource(turns)
  }
}
