import Results
import Sim
import Workloads

/// When the requests of a trace are sent, how many at a time, and how often.
package struct Sending {
  enum Times {
    /// When the trace says.
    case recorded
    /// All at once, or as soon as a place is free, as this option says.
    case together(by: String)
    case rate(RequestRate)
  }

  var times = Times.recorded
  /// The most that may be under way at a time.
  package var concurrency: Int?
  /// How often the same requests are sent.
  var rounds = 1

  static let mostRounds = 1_000_000

  /// Whether requests are sent when the trace says.
  var isRecorded: Bool {
    if case .recorded = times { true } else { false }
  }

  /// Whether something is drawn by `--trace-seed`.
  var isDrawn: Bool {
    if case .rate = times { true } else { false }
  }

  package var isRamp: Bool {
    if case .rate(let rate) = times, case .ramp = rate.course { true } else { false }
  }

  /// `requests`, sorted by arrival and not empty, as they are sent; the draws are those of the seed.
  func sent<Request>(
    _ requests: [Request], _ arrival: WritableKeyPath<Request, SimTime>, scale: RateScale, seed: UInt64
  ) throws -> [Request] {
    guard rounds == 1 || requests.count <= Self.mostRequests / rounds else {
      throw CommandFailure(
        .badData, "--repeat \(rounds): \(requests.count) requests so often are more than \(Self.mostRequests)"
      )
    }
    guard var sent = Resampled.repeated(requests, times: rounds, arrival: arrival) else {
      throw CommandFailure(.badData, "--repeat \(rounds): the trace takes more than 100 days so often")
    }
    switch times {
    case .recorded: break
    case .together: for index in sent.indices { sent[index][keyPath: arrival] = .zero }
    case .rate(let rate):
      let arrivals = try rate.arrivals(sent.count, scale: scale, seed: seed)
      for index in sent.indices { sent[index][keyPath: arrival] = arrivals[index] }
    }
    return sent
  }

  /// All rounds are held in memory.
  private static let mostRequests = 20_000_000

  /// What a reader is told.
  var changes: [String] {
    var all: [String] = []
    if rounds > 1 { all.append("sent \(rounds) times") }
    switch times {
    case .recorded: break
    case .together: if concurrency == nil { all.append("all at once") }
    case .rate(let rate): all.append("sent at \(rate.text)")
    }
    if let concurrency { all.append("at most \(concurrency) at a time") }
    return all
  }

  /// The manifest's part; that all are sent at once is left out where the trace says so.
  func manifest(seed: UInt64, saysTogether: Bool) -> [JSON.Member] {
    var members: [JSON.Member] = []
    switch times {
    case .recorded: break
    case .together:
      if concurrency == nil, !saysTogether { members.append(.init("at_once", .bool(true))) }
    case .rate(let rate):
      var rates: [JSON.Member]
      switch rate.course {
      case .constant(let rate): rates = [.init("per_s", .double(rate))]
      case .ramp(let ramp, let first, let last):
        rates = [
          .init("ramp", .string(ramp.rawValue)), .init("from_per_s", .double(first)),
          .init("to_per_s", .double(last)),
        ]
      }
      // JSON has no infinity.
      rates.append(
        .init("burstiness", rate.burstiness == .infinity ? .string("inf") : .double(rate.burstiness)))
      if seed != 0 { rates.append(.init("seed", .int(Int(seed)))) }
      members.append(.init("request_rate", .object(rates)))
    }
    if let concurrency { members.append(.init("concurrency", .int(concurrency))) }
    if rounds > 1 { members.append(.init("repeat", .int(rounds))) }
    return members
  }
}
