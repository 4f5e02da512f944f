import Results
import Sim
import Workloads

/// The requests that a run replays: a trace or its redraw, perhaps without some of its requests.
package struct Workload {
  /// The trace's file name, without its folder.
  package var name: String
  /// 0 is the trace as it is.
  package var seed: Int
  /// Digest and transformations, for the manifest.
  package var manifest: JSON
  package var requests: Int
  /// Whether requests wait for others, so that which come when depends on the run.
  package var isClosedLoop = false
  /// Tokens of the longest request of the trace itself, as `BlockLimits.total(prompt:output:)` counts them: a redraw of a file
  /// has none longer. `nil` where it is not known in advance: of a closed loop and of a generated trace drawn anew.
  package var longest: Int?
  /// How the arrivals were read, in a word or two; `nil` of a trace that was generated.
  package var times: String?
  /// What was changed in the trace, such as "arrivals 4 times as fast".
  package var changes: [String] = []
  /// What a user should know of the requests: sentences.
  package var notes: [String] = []
  /// What a user should know before trusting the result: sentences.
  package var warnings: [String] = []
  /// Options that changed nothing in the requests.
  package var idle: [IdleOption] = []
  /// Whether the trace was generated, not recorded.
  package var isGenerated = false
  /// The requests left out, by their ids in the whole trace, ascending.
  package var dropped: [Int] = []
  /// The most requests that are under way at a time, if so many only.
  package var concurrency: Int?
  /// Which requests count in latencies; `nil` if all do.
  package var latencyWindow: LatencyWindow?
  /// Opens the requests from the first, without that limit.
  private var openAll: () throws -> any RequestSource

  package init(
    name: String, seed: Int, manifest: JSON, requests: Int, isClosedLoop: Bool = false, longest: Int? = nil,
    dropped: [Int] = [], open: @escaping () throws -> any RequestSource
  ) {
    self.name = name
    self.seed = seed
    self.manifest = manifest
    self.requests = requests
    self.isClosedLoop = isClosedLoop
    self.longest = longest
    self.dropped = dropped
    openAll = open
  }

  /// Opens the requests from the first.
  package func open() throws -> any RequestSource {
    let all = try openAll()
    return concurrency.map { LimitedSource(all, most: $0) } ?? all
  }

  /// The trace that `options` names, validated as a whole; `recipe` is what it stands for, if that is known already. With
  /// `times` a file's requests come so many times, one time after another, and a recipe gives so many times as many.
  package static func load(
    _ options: RunOptions, seed: Int, recipe: WorkloadSpec? = nil, times: Int = 1
  ) throws -> Workload {
    let sending = try options.sending()
    var about = About()
    var workload = try load(options, sending, seed: seed, recipe: recipe, times: times, &about)
    (workload.times, workload.notes, workload.idle) = (about.times, about.notes, about.idle)
    workload.isGenerated = options.isGenerated
    workload.concurrency = sending.concurrency
    workload.changes = sending.changes
    if options.rateScale != "1", !about.idle.contains(where: { $0.option == "--rate-scale" }) {
      workload.changes.append("arrivals \(options.rateScale) times as fast")
    }
    if let most = options.clipTotal, !about.idle.contains(where: { $0.option == "--clip-total" }) {
      workload.changes.append("prompts clipped to \(most) tokens in all")
    }
    if sending.rounds > 1, options.prefixCaching {
      workload.warnings.append(
        "--repeat \(sending.rounds) with --prefix-caching: only the first round computes its prompts, the others find them cached; "
          + "so this measures decode, not what requests with prompts of their own would see")
    }
    try workload.leaveOut(try options.client.latencyWindow())
    return workload
  }

  /// Takes the requests beyond `window` out of the latencies.
  private mutating func leaveOut(_ window: LatencyWindow?) throws {
    guard let window else { return }
    guard window.leftOut < requests else {
      throw CommandFailure(
        .badData, "\(name): latencies \(window.text) would be of nothing: there are \(requests) requests")
    }
    latencyWindow = window
    changes.append("latencies \(window.text)")
    if case .object(var members) = manifest {
      members.append(.init("latency_window", window.json))
      manifest = .object(members)
    }
  }

  /// What is said of a trace, whatever is made of it.
  private struct About {
    var times: String?
    var notes: [String] = []
    var idle: [IdleOption] = []

    /// `requests` of `all` are taken, up to `limit`.
    mutating func add(
      _ name: String, _ requests: Int, of all: Int, limit: Int?, until last: SimTime, clipped: Int,
      _ options: RunOptions, _ sending: Sending
    ) {
      idle += options.idle(requests: all, limit: limit, until: last, clipped: clipped, sending)
      guard requests > 1, last == .zero, sending.isRecorded else { return }
      notes.append(
        "\(name): all \(requests) requests arrive at 0"
          + (times == TraceFormat.noTimes ? ", as there are no times; --arrivals gives them some" : ""))
    }
  }

  private static func load(
    _ options: RunOptions, _ sending: Sending, seed: Int, recipe: WorkloadSpec?, times: Int,
    _ about: inout About
  ) throws -> Workload {
    var reading = try options.traceOptions()
    let sessions = SessionTurns(
      closesLoop: options.closedLoop, sharesPrefixes: options.prefixCaching, rounds: sending.rounds)
    let wantsDetails = sessions.closesLoop || sessions.sharesPrefixes
    reading.keepsDetails = wantsDetails
    let drawn = reading.seed &+ UInt64(seed)
    if GeneratedTrace.isRecipe(options.source) {
      if let arrivals = options.reading.arrivals {
        throw CommandFailure(
          .usage,
          "--arrivals \(arrivals): \(options.source) is generated, with arrivals of its own (docs/workloads.md)"
        )
      }
      let spec = try recipe ?? GeneratedTrace.spec(options.source)
      reading.limit = reading.limit.map { $0 > .max / times ? .max : $0 * times }
      let trace = try GeneratedTrace(
        options.source, spec: spec.lasting(times: times), redraw: seed, options: reading)
      let longest = seed == 0 ? trace.longest : nil
      let last = trace.records.last?.request.arrival ?? .zero
      about.idle = options.reading.idleInGenerated(sending)
      about.add(
        trace.name, trace.records.count, of: trace.generated, limit: reading.limit, until: last,
        clipped: trace.clippedRequests, options, sending)
      let manifest = Self.manifest(trace.digest, reading, options, nil, about.idle, sending, until: last)
      let records = try sending.sent(
        trace.records, \.request.arrival, scale: reading.rateScale, seed: drawn)
      let source: any RequestSource =
        wantsDetails ? try sessions.source(of: records) : ArraySource(records.map(\.request))
      return Workload(name: trace.name, seed: seed, manifest: manifest, longest: longest, source)
    }
    let trace = try options.reading.open(options.source, reading)
    let name = options.source.split(separator: "/").last.map(String.init) ?? options.source
    let last = trace.info.lastArrival
    (about.times, about.notes) = (trace.timeText, trace.notes)
    about.idle = options.reading.idle(in: trace, sending)
    about.add(
      options.source, trace.info.count, of: trace.count.read, limit: reading.limit, until: last,
      clipped: trace.totals.clippedRequests, options, sending)
    let manifest = Self.manifest(
      trace.digest, trace.options, options, options.reading.manifest(of: trace, sending), about.idle, sending,
      until: last)
    if options.reading.lenient { writeToStandardError("note: \(trace.count.text)\n") }
    if wantsDetails {
      guard seed == 0 else {
        throw CommandFailure(
          .usage,
          "--seed \(seed) redraws arrivals and lengths, which would tear sessions and prefixes apart; use seed 0 with "
            + "--prefix-caching and --closed-loop, or a generated trace")
      }
      let records = try sending.sent(
        try trace.allRecords(), \.request.arrival, scale: reading.rateScale, seed: drawn)
      return Workload(
        name: name, seed: seed, manifest: manifest, longest: trace.longest,
        try sessions.source(of: records))
    }
    guard seed > 0 || times > 1 || sending.rounds > 1 || !sending.isRecorded else {
      return Workload(
        name: name, seed: seed, manifest: manifest, requests: trace.info.count, longest: trace.longest
      ) {
        try trace.rewind()
        return trace
      }
    }
    guard let repeated = Resampled.repeated(try trace.all(), times: times, arrival: \.arrival) else {
      throw CommandFailure(.badData, "\(options.source): repeated \(times) times it is longer than 100 days")
    }
    let requests = try sending.sent(
      Resampled.resample(repeated, seed: UInt64(seed)), \.arrival, scale: reading.rateScale, seed: drawn)
    return Workload(
      name: name, seed: seed, manifest: manifest, longest: trace.longest, ArraySource(requests))
  }

  /// Says on stderr what a user should know.
  package func writeNotes() {
    for note in notes { writeToStandardError("note: \(note)\n") }
    for warning in warnings { writeToStandardError("warning: \(warning)\n") }
  }

  /// The trace's digest and what is changed in it; not what is idle: runs of the same requests are the same run.
  private static func manifest(
    _ digest: String, _ trace: TraceOptions, _ options: RunOptions, _ reading: JSON?, _ idle: [IdleOption],
    _ sending: Sending, until last: SimTime
  ) -> JSON {
    let idle = Set(idle.map(\.option))
    let scale = idle.contains("--rate-scale") ? "1" : trace.rateScale.description
    var members: [JSON.Member] = [
      .init("digest", .string(digest)),
      .init("rate_scale", .string(scale)),
      .init("limit", .optional(idle.contains("--limit") ? nil : trace.limit)),
      .init("clip_total", .optional(idle.contains("--clip-total") ? nil : trace.clipTotal)),
    ]
    if let reading { members.append(.init("reading", reading)) }
    if options.closedLoop { members.append(.init("closed_loop", .bool(true))) }
    members += sending.manifest(seed: trace.seed, saysTogether: last == .zero)
    return .object(members)
  }

  /// The same requests without those of `ids`, which are ids of this workload; `nil` if none would be left.
  package func dropping(_ ids: [Int]) throws -> Workload? {
    guard ids.count < requests else { return nil }
    guard !isClosedLoop else {
      throw CommandFailure(
        .runFailed,
        "\(ids.count) requests were rejected, and a closed loop cannot be replayed without them: give every contender "
          + "the memory for the longest request, or leave it out of the trace (--limit, --clip-total)")
    }
    var rest = self
    rest.dropped = Self.merge(dropped, later: ids)
    rest.requests -= ids.count
    if case .object(var members) = manifest {
      members.removeAll { $0.key == "dropped" }
      members.append(.init("dropped", .string(JSON.array(rest.dropped.map(JSON.int)).digest)))
      rest.manifest = .object(members)
    }
    let (openAll, all) = (openAll, ids)
    rest.openAll = { try FilteredSource(dropping: all, from: openAll) }
    return rest
  }

  /// The ids in the whole trace of the requests that were dropped first (`earlier`) and, numbered in what was
  /// left, dropped then (`later`). Both ascending; so is the result.
  package static func merge(_ earlier: [Int], later: [Int]) -> [Int] {
    var all: [Int] = []
    var position = 0
    for id in later {
      // `position` ids were dropped before this one, so it is this much higher in the whole trace.
      while position < earlier.count, earlier[position] <= id + position {
        all.append(earlier[position])
        position += 1
      }
      all.append(id + position)
    }
    return all + earlier[position...]
  }
}

extension Workload {
  fileprivate init(
    name: String, seed: Int, manifest: JSON, longest: Int?, _ source: any RequestSource
  ) {
    self.init(
      name: name, seed: seed, manifest: manifest, requests: source.info.count,
      isClosedLoop: source.isClosedLoop, longest: source.isClosedLoop ? nil : longest
    ) { source }
  }
}
