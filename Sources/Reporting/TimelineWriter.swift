import Output
import Results
import Sim

/// Writes what happens in a run as a trace that ui.perfetto.dev and chrome://tracing open (the Trace Event Format's JSON
/// object form).
///
/// A process is an instance. Its thread 1 has the steps: `prefill`, `decode` (a stretch of like steps), `prefill +
/// decode`; its thread 2 has what happened to KV blocks, with arrows from borrower to host and from source to
/// destination. Asynchronous slices are the phases of requests, moves under way and loans; counters are requests decoding,
/// being prefilled and queued, and KV blocks.
///
/// Events go to the file as they happen: memory follows the live requests. Times are whole nanoseconds, rounded down, so
/// that slices which touch do not overlap.
public final class TimelineWriter: RunObserver {
  /// Complete after `end`; then to be published.
  public let file: OutputWriter
  private var isFirst = true
  private var tracks: [Track] = []
  private var phases: [RequestID: Phase] = [:]
  /// The loans of a live request, by host.
  private var loans: [RequestID: [Loan]] = [:]
  /// The number of the move under way of a request, and where it began.
  private var moves: [RequestID: (number: Int, source: InstanceID)] = [:]
  private var number = 0

  private struct Track {
    /// The last stretch of work, not yet written: a like one may follow.
    var pending: WorkRecord?
    var queued = 0
    var hosted = 0
  }

  private struct Phase {
    var name: String
    var instance: InstanceID
    var wasPreempted = false
  }

  private struct Loan {
    var host: InstanceID
    var blocks: Int
    var number: Int
  }

  private enum Thread: Int { case steps = 1, blocks }

  /// - Parameters:
  ///   - target: where it goes.
  ///   - nodeOfInstance: the node of each instance, for the names of tracks.
  ///   - about: shown as the trace's metadata.
  public init(_ target: OutputFile, instances: Int, about: JSON) throws(OutputError) {
    file = try OutputWriter(target)
    tracks = Array(repeating: Track(), count: instances)
    file.write("{\"displayTimeUnit\":\"ms\",\"otherData\":\(about.text),\"traceEvents\":[")
    for i in 0..<instances {
      metadata("process_name", i, nil, ["name": .string("instance \(i)")])
      metadata("process_sort_index", i, nil, ["sort_index": .int(i)])
      metadata("thread_name", i, .steps, ["name": "steps"])
      metadata("thread_name", i, .blocks, ["name": "KV blocks"])
    }
  }

  /// Writes what is pending, and the end. Every request must have ended.
  public func end() {
    for i in tracks.indices { flush(i) }
    file.write("\n]}\n")
  }

  // MARK: - Work

  public func worked(_ work: WorkRecord) {
    let i = work.instance.index
    if let before = tracks[i].pending {
      if before.end == work.start, before.decoding == work.decoding, before.prompts == 0, work.prompts == 0 {
        tracks[i].pending?.end = work.end
        tracks[i].pending?.steps += work.steps
        return
      }
      flush(i, next: work.start)
    }
    tracks[i].pending = work
  }

  private func flush(_ i: Int, next: SimTime? = nil) {
    guard let work = tracks[i].pending else { return }
    tracks[i].pending = nil
    let name = work.prompts == 0 ? "decode" : work.decoding == 0 ? "prefill" : "prefill + decode"
    var arguments: [JSON.Member] = [.init("steps", .int(work.steps)), .init("decoding", .int(work.decoding))]
    if work.prompts > 0 {
      arguments += [.init("prompts", .int(work.prompts)), .init("prompt_tokens", .int(work.promptTokens))]
    }
    event(
      "X", name, i, .steps, at: work.start,
      [.init("dur", .microseconds(work.end, since: work.start)), .init("args", .object(arguments))])
    counter(
      "running", i, at: work.start,
      ["decoding": .int(work.decoding), "prefilling": .int(work.prompts)])
    counter(
      "KV blocks", i, at: work.start,
      ["own": .int(work.usedBlocks - work.hostedBlocks), "hosted": .int(work.hostedBlocks)])
    // Whoever is admitted is worked for: an idle instance runs nothing.
    guard next != work.end else { return }
    counter("running", i, at: work.end, ["decoding": 0, "prefilling": 0])
    counter("KV blocks", i, at: work.end, ["own": 0, "hosted": .int(tracks[i].hosted)])
  }

  // MARK: - Requests

  public var watchesAll: Bool { true }

  public func arrived(_ arrival: ArrivalRecord) {
    let phase = Phase(name: "queued", instance: arrival.home)
    phases[arrival.request] = phase
    begin(phase, of: arrival.request, at: arrival.time)
    queue(arrival.home, by: 1, at: arrival.time)
  }

  public func changed(_ change: RequestChange) {
    guard var phase = phases[change.request] else { return }
    let isQueued = phase.name.hasSuffix("queued")
    switch change.kind {
    case .placed, .moved, .landed: return
    case .admitted, .firstToken, .resumed, .preempted, .completed, .rejected:
      end(phase, of: change.request, at: change.time)
    }
    if isQueued { queue(phase.instance, by: -1, at: change.time) }
    phase.instance = change.instance
    switch change.kind {
    case .admitted: phase.name = phase.wasPreempted ? "recompute" : "prefill"
    case .firstToken, .resumed: phase.name = "decode"
    case .preempted:
      phase.name = "requeued"
      phase.wasPreempted = true
      queue(phase.instance, by: 1, at: change.time)
      endLoans(of: change.request, at: change.time)
    default:
      endLoans(of: change.request, at: change.time)
      phases[change.request] = nil
      return
    }
    phases[change.request] = phase
    begin(phase, of: change.request, at: change.time)
  }

  public func requestEnded(_ record: RequestRecord) {}

  private func begin(_ phase: Phase, of request: RequestID, at time: SimTime) {
    async(
      "b", "request", phase.name, phase.instance, id: request.index, at: time,
      ["request": .int(request.index)])
  }

  private func end(_ phase: Phase, of request: RequestID, at time: SimTime) {
    async("e", "request", phase.name, phase.instance, id: request.index, at: time, [:])
  }

  private func queue(_ instance: InstanceID, by change: Int, at time: SimTime) {
    tracks[instance.index].queued += change
    counter("queue", instance.index, at: time, ["waiting": .int(tracks[instance.index].queued)])
  }

  // MARK: - Blocks

  public func decided(_ decision: DecisionRecord) {
    let request = decision.request
    switch decision.kind {
    case .borrow:
      lend(decision.blocks, of: request, on: decision.destination, at: decision.time)
      number += 1
      mark("borrows", decision.source, decision, flow: "flow_out", number)
      mark("lends", decision.destination, decision, flow: "flow_in", number)
    case .move, .recall:
      number += 1
      moves[request] = (number, decision.source)
      mark(
        decision.kind == .move ? "sends" : "sends back", decision.source, decision, flow: "flow_out", number)
      async(
        "b", "move", "move", decision.source, id: number, at: decision.time,
        [
          "request": .int(request.index), "blocks": .int(decision.blocks),
          "to_instance": .int(decision.destination.index), "why": .string(decision.reason),
        ])
    case .landed:
      guard let move = moves.removeValue(forKey: request) else { return }
      async("e", "move", "move", move.source, id: move.number, at: decision.time, [:])
      mark("receives", decision.destination, decision, flow: "flow_in", move.number)
      let isRecall = loans[request]?.contains { $0.host == decision.source } ?? false
      lend(
        isRecall ? -decision.blocks : decision.blocks, of: request,
        on: isRecall ? decision.source : decision.destination, at: decision.time)
    case .moveAborted:
      guard let move = moves.removeValue(forKey: request) else { return }
      async("e", "move", "move", move.source, id: move.number, at: decision.time, ["aborted": true])
      mark("move aborted", decision.source, decision)
    case .moveRefused: mark("move refused", decision.source, decision)
    case .preempt: mark("preempted", decision.source, decision)
    case .lost: mark("loses its blocks", decision.source, decision)
    case .reject: mark("rejected", decision.source, decision)
    case .reserve: mark("waits for memory elsewhere", decision.source, decision)
    case .steal, .restart:
      guard var phase = phases[request] else { return }
      end(phase, of: request, at: decision.time)
      queue(decision.source, by: -1, at: decision.time)
      phase.instance = decision.destination
      phases[request] = phase
      begin(phase, of: request, at: decision.time)
      queue(decision.destination, by: 1, at: decision.time)
      mark("steals", decision.destination, decision)
    }
  }

  private func lend(_ blocks: Int, of request: RequestID, on host: InstanceID, at time: SimTime) {
    var held = loans[request] ?? []
    tracks[host.index].hosted += blocks
    if let index = held.firstIndex(where: { $0.host == host }) {
      held[index].blocks += blocks
      if held[index].blocks == 0 { end(held.remove(at: index), at: time) }
    } else {
      number += 1
      let loan = Loan(host: host, blocks: blocks, number: number)
      held.append(loan)
      async(
        "b", "loan", "hosted for others", host, id: loan.number, at: time, ["request": .int(request.index)])
    }
    loans[request] = held.isEmpty ? nil : held
  }

  private func end(_ loan: Loan, at time: SimTime) {
    async("e", "loan", "hosted for others", loan.host, id: loan.number, at: time, [:])
  }

  private func endLoans(of request: RequestID, at time: SimTime) {
    for loan in loans.removeValue(forKey: request) ?? [] {
      tracks[loan.host.index].hosted -= loan.blocks
      end(loan, at: time)
    }
  }

  /// A slice without length among an instance's events of KV blocks; the ends of an arrow have the same number.
  private func mark(
    _ name: String, _ instance: InstanceID, _ decision: DecisionRecord, flow: String? = nil, _ number: Int = 0
  ) {
    var members: [JSON.Member] = [.init("dur", 0)]
    if let flow {
      members += [.init("bind_id", .string(String(number))), .init(flow, true)]
    }
    members.append(
      .init(
        "args",
        [
          "request": .int(decision.request.index), "blocks": .int(decision.blocks),
          "why": .string(decision.reason),
        ]))
    event("X", name, instance.index, .blocks, at: decision.time, members)
  }

  // MARK: - Events

  private func metadata(_ name: String, _ instance: Int, _ thread: Thread?, _ arguments: JSON) {
    var members = head("M", name, instance)
    if let thread { members.append(.init("tid", .int(thread.rawValue))) }
    put(members + [.init("args", arguments)])
  }

  private func event(
    _ phase: String, _ name: String, _ instance: Int, _ thread: Thread, at time: SimTime,
    _ rest: [JSON.Member]
  ) {
    put(
      head(phase, name, instance)
        + [.init("tid", .int(thread.rawValue)), .init("cat", "instance"), .init("ts", .microseconds(time))]
        + rest)
  }

  private func async(
    _ phase: String, _ category: String, _ name: String, _ instance: InstanceID, id: Int, at time: SimTime,
    _ arguments: JSON
  ) {
    put(
      head(phase, name, instance.index)
        + [
          .init("tid", .int(Thread.steps.rawValue)), .init("cat", .string(category)),
          .init("id", .string("\(category) \(id)")), .init("ts", .microseconds(time)),
          .init("args", arguments),
        ])
  }

  private func counter(_ name: String, _ instance: Int, at time: SimTime, _ values: JSON) {
    put(head("C", name, instance) + [.init("ts", .microseconds(time)), .init("args", values)])
  }

  private func head(_ phase: String, _ name: String, _ instance: Int) -> [JSON.Member] {
    // Process 0 is the idle one to some viewers.
    [.init("ph", .string(phase)), .init("name", .string(name)), .init("pid", .int(instance + 1))]
  }

  private func put(_ members: [JSON.Member]) {
    file.write((isFirst ? "\n" : ",\n") + JSON.object(members).text)
    isFirst = false
  }
}

extension JSON {
  /// A point in time in microseconds, the format's unit, down to the nanosecond.
  fileprivate static func microseconds(_ time: SimTime) -> JSON {
    .double(Double(time.picoseconds / 1_000) / 1_000)
  }

  /// The length of a slice such that it ends where the next begins.
  fileprivate static func microseconds(_ end: SimTime, since start: SimTime) -> JSON {
    .double(Double(end.picoseconds / 1_000 - start.picoseconds / 1_000) / 1_000)
  }
}
