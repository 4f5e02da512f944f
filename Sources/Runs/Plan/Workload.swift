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
  /// Options that changed nothing in the requests.
  package var idle: [IdleOption] = []
  /// Whether the trace was generated, not recorded.
  package var isGenerated = false
  /// The requests left out, by their ids in the whole trace, ascending.
  package var dropped: [Int] = []
  /// Opens the requests from the first.
  package var open: () throws -> any RequestSource

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
    self.open = open
  }

  /// The trace that `options` names, validated as a whole; `recipe` is what it stands for, if that is known already. With
  /// `times` a file's requests come so many times, one time after another, and a recipe gives so many times as many.
  package static func load(
    _ options: RunOptions, seed: Int, recipe: WorkloadSpec? = nil, times: Int = 1
  ) throws -> Workload {
    var about = About()
    var workload = try load(options, seed: seed, recipe: recipe, times: times, &about)
    (workload.times, workload.notes, workload.idle) = (about.times, about.notes, about.idle)
    workload.isGenerated = options.isGenerated
    if options.atOnce { workload.changes.append("all at once") }
    if options.rateScale != "1", !about.idle.contains(where: { $0.option == "--rate-scale" }) {
      workload.changes.append("arrivals \(options.rateScale) times as fast")
    }
    if let most = options.clipTotal, !about.idle.contains(where: { $0.option == "--clip-total" }) {
      workload.changes.append("prompts clipped to \(most) tokens in all")
    }
    return workload
  }

  /// What is said of a trace, whatever is made of it.
  private struct About {
    var times: String?
    var notes: [String] = []
    var idle: [IdleOption] = []

    /// `requests` of `all` are taken, up to `limit`.
    mutating func add(
      _ name: String, _ requests: Int, of all: Int, limit: Int?, until last: SimTime, clipped: Int,
      _ options: RunOptions
    ) {
      idle += options.idle(requests: all, limit: limit, until: last, clipped: clipped)
      guard requests > 1, last == .zero, !options.atOnce else { return }
      notes.append(
        "\(name): all \(requests) requests arrive at 0"
          + (times == TraceFormat.noTimes ? ", as there are no times; --arrivals gives them some" : ""))
    }
  }

  private static func load(
    _ options: RunOptions, seed: Int, recipe: WorkloadSpec?, times: Int, _ about: inout About
  ) throws -> Workload {
    var reading = try options.traceOptions()
    let sessions = SessionTurns(closesLoop: options.closedLoop, sharesPrefixes: options.prefixCaching)
    let wantsDetails = sessions.closesLoop || sessions.sharesPrefixes
    reading.keepsDetails = wantsDetails
    if GeneratedTrace.isRecipe(options.trace) {
      if let arrivals = options.reading.arrivals {
        throw CommandFailure(
          .usage,
          "--arrivals \(arrivals): \(options.trace) is generated, with arrivals of its own (docs/workloads.md)"
        )
      }
      let spec = try recipe ?? GeneratedTrace.spec(options.trace)
      reading.limit = reading.limit.map { $0 > .max / times ? .max : $0 * times }
      let trace = try GeneratedTrace(
        options.trace, spec: spec.lasting(times: times), redraw: seed, options: reading)
      let longest = seed == 0 ? trace.longest : nil
      about.idle = options.reading.idleInGenerated
      about.add(
        trace.name, trace.records.count, of: trace.generated, limit: reading.limit,
        until: trace.records.last?.request.arrival ?? .zero, clipped: trace.clippedRequests, options)
      let manifest = Self.manifest(trace.digest, reading, options, nil, about.idle)
      if wantsDetails {
        return Workload(
          name: trace.name, seed: seed, manifest: manifest, longest: longest,
          sessions: try sessions.source(of: arriving(trace.records, options)))
      }
      return Workload(
        name: trace.name, seed: seed, manifest: manifest, longest: longest,
        requests: trace.records.map(\.request), options)
    }
    let trace = try options.reading.open(options.trace, reading)
    let name = options.trace.split(separator: "/").last.map(String.init) ?? options.trace
    (about.times, about.notes, about.idle) = (trace.timeText, trace.notes, options.reading.idle(in: trace))
    about.add(
      options.trace, trace.info.count, of: trace.count.read, limit: reading.limit,
      until: trace.info.lastArrival, clipped: trace.totals.clippedRequests, options)
    let manifest = Self.manifest(
      trace.digest, trace.options, options, options.reading.manifest(of: trace), about.idle)
    if options.reading.lenient { writeToStandardError("note: \(trace.count.text)\n") }
    if wantsDetails {
      guard seed == 0 else {
        throw CommandFailure(
          .usage,
          "--seed \(seed) redraws arrivals and lengths, which would tear sessions and prefixes apart; use seed 0 with "
            + "--prefix-caching and --closed-loop, or a generated trace")
      }
      return Workload(
        name: name, seed: seed, manifest: manifest, longest: trace.longest,
        sessions: try sessions.source(of: arriving(try trace.allRecords(), options)))
    }
    if times > 1 {
      guard let requests = Resampled.repeated(try trace.all(), times: times) else {
        throw CommandFailure(.badData, "\(options.trace): repeated \(times) times it is longer than 100 days")
      }
      return Workload(
        name: name, seed: seed, manifest: manifest, longest: trace.longest,
        requests: Resampled.resample(requests, seed: UInt64(seed)), options)
    }
    if seed > 0 {
      let redrawn = try Resampled.requests(of: trace, seed: UInt64(seed))
      return Workload(
        name: name, seed: seed, manifest: manifest, longest: trace.longest, requests: redrawn, options)
    }
    if options.atOnce {
      return Workload(
        name: name, seed: seed, manifest: manifest, longest: trace.longest, requests: try trace.all(), options
      )
    }
    return Workload(
      name: name, seed: seed, manifest: manifest, requests: trace.info.count, longest: trace.longest
    ) {
      try trace.rewind()
      return trace
    }
  }

  /// The records, at 0 if that is asked for.
  private static func arriving(_ records: [TraceRecord], _ options: RunOptions) -> [TraceRecord] {
    guard options.atOnce else { return records }
    var records = records
    for index in records.indices { records[index].request.arrival = .zero }
    return records
  }

  /// Says on stderr what a user should know.
  package func writeNotes() { for note in notes { writeToStandardError("note: \(note)\n") } }

  /// The trace's digest and what is changed in it; not what is idle: runs of the same requests are the same run.
  private static func manifest(
    _ digest: String, _ trace: TraceOptions, _ options: RunOptions, _ reading: JSON?, _ idle: [IdleOption]
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
    if options.atOnce, !idle.contains("--at-once") { members.append(.init("at_once", .bool(true))) }
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
    let (open, all) = (open, ids)
    rest.open = { try FilteredSource(dropping: all, from: open) }
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
  fileprivate init(name: String, seed: Int, manifest: JSON, longest: Int?, sessions: SessionSource) {
    self.init(
      name: name, seed: seed, manifest: manifest, requests: sessions.info.count,
      isClosedLoop: sessions.isClosedLoop, longest: sessions.isClosedLoop ? nil : longest
    ) { sessions }
  }

  fileprivate init(
    name: String, seed: Int, manifest: JSON, longest: Int?, requests: [TraceRequest], _ options: RunOptions
  ) {
    var requests = requests
    if options.atOnce { for index in requests.indices { requests[index].arrival = .zero } }
    let source = ArraySource(requests)
    self.init(name: name, seed: seed, manifest: manifest, requests: requests.count, longest: longest) {
      source
    }
  }
}

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
