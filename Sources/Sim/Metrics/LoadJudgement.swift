/// Whether the cluster kept up with the arrivals (docs/decisions/0015).
public enum LoadLabel: String, Sendable, CaseIterable {
  /// The backlog of work does not grow.
  case stable
  /// It does not grow, and KV blocks or sequence slots are at least 95 % busy: there is next to nothing to spare.
  case saturated
  /// It grows for as long as requests arrive. Latencies are lengths of a queue.
  case overloaded
  /// All requests arrive at once: there is no rate to keep up with.
  case backlog
  /// The requests are too few, or the noise too great, to tell.
  case undecided
}

/// A label and what it rests on.
public struct LoadJudgement: Hashable, Sendable {
  public var label: LoadLabel
  /// Why there is no answer; `nil` where there is one.
  public var reason: String?
  /// Requests that a trace of this kind needs, where it is too short for an answer.
  public var requestsNeeded: Int?

  public init(_ label: LoadLabel, reason: String? = nil, requestsNeeded: Int? = nil) {
    (self.label, self.reason, self.requestsNeeded) = (label, reason, requestsNeeded)
  }

  /// The label, and the reason after a colon.
  public var text: String { label.rawValue + (reason.map { ": \($0)" } ?? "") }
}

/// What a cluster does while its warm-up is over and requests still arrive.
public struct SteadyState: Hashable, Sendable {
  /// The window: from the arrival that ends the warm-up to the last arrival, seconds.
  public var from, to: Double
  /// Completed in the window, per second.
  public var requestsPerSecond: Double
  /// Of these, those that keep every given bound; `nil` without bounds, and for one on TPOT if no request has a TPOT.
  public var goodputRequestsPerSecond: Double?
  /// Of the requests completed in the window, per second: their output tokens, and their prompts' as well.
  public var outputTokensPerSecond, totalTokensPerSecond: Double

  public init(
    from: Double, to: Double, requestsPerSecond: Double, goodputRequestsPerSecond: Double?,
    outputTokensPerSecond: Double, totalTokensPerSecond: Double
  ) {
    (self.from, self.to) = (from, to)
    self.requestsPerSecond = requestsPerSecond
    self.goodputRequestsPerSecond = goodputRequestsPerSecond
    (self.outputTokensPerSecond, self.totalTokensPerSecond) = (outputTokensPerSecond, totalTokensPerSecond)
  }
}

/// What is known of the load when a request arrives, before it counts.
struct LoadSample {
  var time: Int64
  /// Prompt and output tokens of all requests that have arrived and could be queued.
  var arrivedWork: Int
  /// Of these, those of requests that wait in a queue.
  var waitingWork: Int
  var arrived, ended, completed, good: Int
  /// Of the completed requests.
  var outputTokens, promptTokens: Int

  var live: Int { arrived - ended }
}

/// Judges the drift of the backlog of work, whose unit is a token of prompt or output, against its sampling noise
/// (docs/decisions/0015).
///
/// Samples are taken at arrivals, evenly by their number and not by time: so a burst of a thousand requests weighs a
/// thousand times what a straggler weighs.
///
/// 1. *Noise.* The arrivals are cut into 16 parts. Work that came in a part, less the mean rate times its length in time, is
///    the part's deviation; the root of the sum of their squares is the standard deviation of the work that arrives in
///    the whole. Long parts see that bursts go together; the same from as many parts as there are samples sees what comes in
///    batches as regular as a clock. The larger counts, and at least a mean request for each instance: so much waits for a step's end.
/// 2. *Overloaded:* the mean of the waiting work over the last eighth exceeds 3 times the noise. Work that arrives at up to
///    the rate that is served is, after n requests, a random walk that is reflected at 0, and its end is
///    normal at most: 3 standard deviations are exceeded in 0.3 % of cases.
/// 3. *Warm-up.* A cluster fills up before anybody waits: the first tenth of the requests, or five times as many as were
///    live in the mean if that is more, are left out of what follows. At least three quarters and at least 200 must be left.
/// 4. *Stable:* the mean of the waiting work over the rest is below a tenth of the noise of the rest, or below one mean
///    request. A random walk without drift stays that close to 0 in less than 1 % of cases, one that drifts upwards less
///    often still. But not if the mean over the last eighth is more than 4 times that, and 10 requests an instance: then the cluster kept up for most of the
///    trace and not to its end. And not if requests were rejected since no instance was up.
/// 5. *Undecided* else.
struct LoadJudge {
  static let samplesMost = 256
  static let parts = 16
  static let overloadedAbove = 3.0
  static let stableBelow = 0.1
  /// Requests without which nothing is said.
  static let requestsLeast = 50
  /// The warm-up, in multiples of the live requests; what must be left after it, in requests and as a share of all.
  static let warmUpInLive = 5.0
  static let judgedLeast = 200.0
  static let shareLeast = 0.75
  /// The backlog at the end, in multiples of the mean one, from which nothing is steady.
  static let endMost = 4.0
  /// And in mean requests for each instance.
  static let endLeast = 10.0

  private let count: Int
  private let stride: Int
  private(set) var samples: ContiguousArray<LoadSample> = []
  /// The number of the arrival, from 1, at which the next sample is taken; 0 when there is none left.
  private(set) var next: Int

  /// For `count` requests.
  init(count: Int) {
    self.count = count
    stride = min(count, Self.samplesMost)
    samples.reserveCapacity(stride)
    next = count / stride
  }

  /// To be called at the arrival of number `next`.
  mutating func add(_ sample: LoadSample) {
    samples.append(sample)
    next = samples.count == stride ? 0 : (samples.count + 1) * count / stride
  }

  /// The judgement, and the first sample of the steady state if there is one.
  /// - Parameter lost: requests that were rejected because no instance was up.
  func judge(instances: Int, isBusy: Bool, lost: Int) -> (judgement: LoadJudgement, from: Int?) {
    guard let last = samples.last, samples.count == stride, count > 1 else {
      return (
        LoadJudgement(.undecided, reason: count > 1 ? "not all requests arrived" : "there is one request"),
        nil
      )
    }
    guard last.time > 0 else {
      return (LoadJudgement(.backlog, reason: "all requests arrive at once"), nil)
    }
    let live = Self.mean(samples) { Double($0.live) }
    let warmUp = max(Double(count) / 10, Self.warmUpInLive * live)
    let judged = Double(count) - warmUp
    let needed = Int(
      max(
        Self.judgedLeast / 0.9, Self.judgedLeast + Self.warmUpInLive * live,
        Self.warmUpInLive * live / (1 - Self.shareLeast)
      )
      .rounded(.up))
    guard count >= Self.requestsLeast else {
      return (short(needed, "\(count) requests are too few"), nil)
    }
    let noise = max(noise(to: last, parts: Self.parts), noise(to: last, parts: stride))
    let request = Double(last.arrivedWork) / Double(max(last.arrived, 1))
    let least = request * Double(instances)
    let end = Self.mean(samples.suffix(max(stride / 8, 1))) { Double($0.waitingWork) }
    if end > Self.overloadedAbove * max(noise, least) { return (LoadJudgement(.overloaded), nil) }
    func isSmall(_ waiting: Double, _ share: Double) -> Bool {
      waiting < max(Self.stableBelow * max(noise * share.squareRoot(), least), request)
    }
    var waiting = Self.mean(samples) { Double($0.waitingWork) }
    if judged >= max(Self.judgedLeast, Self.shareLeast * Double(count)),
      let from = samples.firstIndex(where: { Double($0.arrived) >= warmUp }), from < stride - 1
    {
      waiting = Self.mean(samples[from...]) { Double($0.waitingWork) }
      if isSmall(waiting, judged / Double(count)) {
        if lost > 0 {
          return (
            LoadJudgement(.undecided, reason: "\(lost) requests were rejected since no instance was up"), nil
          )
        }
        if end > max(Self.endMost * waiting, Self.endLeast * least) {
          return (
            LoadJudgement(
              .undecided,
              reason:
                "the backlog of the last eighth is \(Int((end / waiting).rounded())) times the mean: the load rises to the end"
            ),
            nil
          )
        }
        return (LoadJudgement(isBusy ? .saturated : .stable), from)
      }
    } else if isSmall(waiting, 1) {
      return (
        short(needed, "\(count) requests with \(Int(live.rounded())) live in the mean are too few"), nil
      )
    }
    let waits = Int((waiting / max(request, 1)).rounded())
    return (
      LoadJudgement(
        .undecided,
        reason:
          "the backlog, \(waits) requests in the mean, is neither small beside its noise nor clearly growing"),
      nil
    )
  }

  private func short(_ needed: Int, _ what: String) -> LoadJudgement {
    LoadJudgement(
      .undecided, reason: "\(what); about \(needed) are needed", requestsNeeded: needed)
  }

  /// The standard deviation of the work that arrives up to `last`, from so many consecutive parts.
  private func noise(to last: LoadSample, parts: Int) -> Double {
    let rate = Double(last.arrivedWork) / Double(last.time)
    var (work, time, sum) = (0, Int64(0), 0.0)
    for part in 1...parts {
      let end = samples[part * stride / parts - 1]
      let deviation = Double(end.arrivedWork - work) - rate * Double(end.time - time)
      sum += deviation * deviation
      (work, time) = (end.arrivedWork, end.time)
    }
    // The mean rate is that of the parts: one degree of freedom less.
    return (sum * Double(parts) / Double(parts - 1)).squareRoot()
  }

  private static func mean(
    _ samples: some Collection<LoadSample>, _ value: (LoadSample) -> Double
  ) -> Double {
    samples.reduce(0) { $0 + value($1) } / Double(samples.count)
  }
}
