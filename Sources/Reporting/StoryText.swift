import Formatting
import Results
import Sim

extension RequestStory {
  /// What `show request` prints.
  public var text: String {
    let parts = [heading, life, whereTimeWent, whyPlaced, whatWasDecided].compactMap(\.self)
    return parts.joined(separator: "\n")
  }

  private var heading: String {
    let outcome =
      switch request.outcome {
      case .completed: "completed"
      case .cutAtContext: "completed, cut at the end of the model's context"
      case .rejected(let reason): "rejected: \(reason.rawValue), \(reason.words)"
      }
    return """
      request \(request.id.index) of \(run.title)
      \(grouped(request.prompt)) prompt tokens, \(grouped(request.output)) output tokens, \
      \(grouped(request.generated)) generated; \(outcome)

      """
  }

  private var life: String {
    var rows = [["", "at, s", "since arrival, s"]]
    func add(_ name: String, _ time: SimTime?) {
      guard let time else { return }
      rows.append([name, seconds(time), seconds((time - request.arrival).picoseconds)])
    }
    add("arrived", request.arrival)
    add("admitted first", request.admitted)
    add("first token (TTFT)", request.firstToken)
    add(request.outcome.isServed ? "ended (E2E)" : "rejected", request.ended)
    var text = Table(rows).markdown
    if let tpot = request.tpotSeconds, request.outcome.isServed {
      text += "\ntime per output token (TPOT) \(figure(tpot)) s\n"
    }
    return text
  }

  private var whereTimeWent: String? {
    // A rejected request that never ran and never waited has spent no time anywhere.
    guard time?.total != .zero else { return nil }
    guard let time else {
      return
        "Where its time went is not known: the run was stored by an older program (--force runs it again).\n"
    }
    let total = time.total.picoseconds
    var rows = [["where its time went", "s", "share"]]
    for cause in TimeByCause.Cause.allCases where time[cause].picoseconds > 0 {
      let spent = time[cause].picoseconds
      rows.append([cause.words, seconds(spent), percent(Double(spent) / Double(max(1, total)))])
    }
    rows.append([request.outcome.isServed ? "together: E2E" : "together", seconds(total), percent(1)])
    return Table(rows).markdown
  }

  private var whyPlaced: String? {
    guard let routing else { return nil }
    var text =
      "Placed on instance \(routing.home) by \(run.router): \(routing.load) requests were queued or running there, "
      + "\(routing.leastLoad) to \(routing.mostLoad) on all instances; \(grouped(routing.freeBlocks)) KV blocks were free "
      + "there, at most \(grouped(routing.mostFreeBlocks)) anywhere.\n"
    if routing.queuedAhead > 0 { text += "\(routing.queuedAhead) requests were in the queue before it.\n" }
    if let wait {
      let blocks = run.blocksPerInstance.map { " of \(grouped($0))" } ?? ""
      text +=
        "While it waited (\(wait.samples) samples) instance \(request.home.index) ran \(words(wait.running)) requests, "
        + "\(words(wait.queued)) waited, and \(words(wait.usedBlocks))\(blocks) KV blocks were in use.\n"
    }
    if request.home.index != routing.home {
      text += "It ended on instance \(request.home.index).\n"
    }
    return text
  }

  private var whatWasDecided: String? {
    guard !events.isEmpty else { return "Nothing was decided about it after it was placed.\n" }
    var rows = [["at, s", "decision", "from", "to", "blocks", "why"]]
    for event in events {
      let d = event.decision
      let order = event.move.map { ", `show move \($0)`" } ?? ""
      rows.append([
        seconds(d.time), d.kind.words,
        // Of a rejection there is no destination; one for its context comes before it is routed.
        d.kind == .reject && routing == nil ? "–" : String(d.source.index),
        d.kind == .reject ? "–" : String(d.destination.index),
        d.kind == .reject && d.blocks == 0 ? "–" : grouped(d.blocks), d.reason + order,
      ])
    }
    return Table(rows, textColumns: [1, 5]).markdown
  }

  /// What `show request --json` prints; times in picoseconds.
  public var json: JSON {
    var members: [JSON.Member] = [
      .init("run", .int(Int(run.id))), .init("request", .int(request.id.index)),
      .init("policy", .string(run.policy)), .init("trace", .string(run.trace)), .init("seed", .int(run.seed)),
      .init("prompt_tokens", .int(request.prompt)), .init("output_tokens", .int(request.output)),
      .init("generated_tokens", .int(request.generated)),
      .init("arrival_ps", JSON(request.arrival)), .init("admitted_ps", JSON(request.admitted)),
      .init("first_token_ps", JSON(request.firstToken)), .init("ended_ps", JSON(request.ended)),
    ]
    if case .rejected(let reason) = request.outcome {
      members.append(.init("rejected_because", .string(reason.rawValue)))
    }
    if let time {
      members.append(
        .init(
          "time",
          .object(
            TimeByCause.Cause.allCases.map {
              .init(TimeByCause.column($0), .int(Int(time[$0].picoseconds)))
            })))
    }
    if let routing {
      members.append(
        .init(
          "routing",
          [
            "home": .int(routing.home), "load": .int(routing.load), "least_load": .int(routing.leastLoad),
            "most_load": .int(routing.mostLoad), "queued_ahead": .int(routing.queuedAhead),
            "free_blocks": .int(routing.freeBlocks), "most_free_blocks": .int(routing.mostFreeBlocks),
          ]))
    }
    members.append(
      .init(
        "decisions",
        .array(
          events.map { event in
            .object(event.decision.members + (event.move.map { [.init("move", .int($0))] } ?? []))
          })))
    return .object(members)
  }
}

extension MoveStory {
  /// What `show move` prints.
  public var text: String {
    [heading, weighed, tried, came].compactMap(\.self).joined(separator: "\n")
  }

  private var heading: String {
    let what =
      switch order.kind {
      case .recall: "back from its host"
      case .moveRefused: "refused"
      default: "to a host"
      }
    let size = request.map { ", \(grouped($0.prompt)) + \($0.output) tokens" } ?? ""
    return """
      move \(number) of \(count) of \(run.title)
      \(seconds(order.time)) s: \(grouped(order.blocks)) blocks of request \(order.request.index)\(size), \
      instance \(order.source.index) → \(order.destination.index), \(what)

      """
  }

  private var weighed: String {
    guard let grounds else {
      return "What the planner weighed is not known: \(order.reason).\n"
    }
    let relative = grounds.gain / max(grounds.throughputBefore, .leastNonzeroMagnitude)
    var rows = [["what the planner knew", "source", "destination"]]
    rows.append(["requests decoding", String(grounds.sourceBatch), String(grounds.destinationBatch)])
    rows.append([
      "KV blocks free", grouped(grounds.sourceFreeBlocks), grouped(grounds.destinationFreeBlocks),
    ])
    rows.append(["requests waiting, as far as it looks", String(grounds.sourceQueued), "–"])
    if let source, let destination {
      rows.append(["sampled before", "\(seconds(source.time)) s", "\(seconds(destination.time)) s"])
      rows.append(["running then", String(source.running), String(destination.running)])
      rows.append(["queued then", String(source.queued), String(destination.queued)])
      rows.append(["blocks in use then", grouped(source.usedBlocks), grouped(destination.usedBlocks)])
      rows.append(["of them hosted", grouped(source.hostedBlocks), grouped(destination.hostedBlocks)])
    }
    return Table(rows).markdown
      + "\nExpected of the pair: \(figure(grounds.throughputBefore)) tokens/s before, "
      + "\(figure(grounds.gain)) more after (\(percent(relative))).\n"
  }

  private var tried: String? {
    guard let grounds, !grounds.candidates.isEmpty else { return nil }
    var rows = [["sizes tried, blocks", "gain, tokens/s", ""]]
    for candidate in grounds.candidates {
      rows.append([
        grouped(candidate.blocks), figure(candidate.gain), candidate.blocks == order.blocks ? "ordered" : "",
      ])
    }
    return Table(rows, textColumns: [2]).markdown
  }

  private var came: String {
    guard let end else {
      return order.kind == .moveRefused
        ? "It was refused: \(order.reason).\n" : "The run ended before it landed.\n"
    }
    let after = seconds((end.time - order.time).picoseconds)
    return end.kind == .landed
      ? "It landed after \(after) s.\n" : "It was aborted after \(after) s: \(end.reason).\n"
  }

  /// What `show move --json` prints; times in picoseconds, rates in tokens per second.
  public var json: JSON {
    var members: [JSON.Member] = [
      .init("run", .int(Int(run.id))), .init("move", .int(number)), .init("moves", .int(count)),
    ]
    members += order.members
    if let grounds {
      members.append(
        .init(
          "planner",
          [
            "throughput_before": .double(grounds.throughputBefore), "gain": .double(grounds.gain),
            "source_batch": .int(grounds.sourceBatch), "source_free_blocks": .int(grounds.sourceFreeBlocks),
            "source_queued": .int(grounds.sourceQueued), "destination_batch": .int(grounds.destinationBatch),
            "destination_free_blocks": .int(grounds.destinationFreeBlocks),
            "candidates": .array(
              grounds.candidates.map { ["blocks": .int($0.blocks), "gain": .double($0.gain)] }),
          ]))
    }
    members.append(.init("end", end.map { .object($0.members) } ?? .null))
    return .object(members)
  }
}

extension DecisionRecord {
  fileprivate var members: [JSON.Member] {
    [
      .init("time_ps", JSON(time)), .init("kind", .string(kind.rawValue)),
      .init("request", .int(request.index)), .init("source", .int(source.index)),
      .init("destination", .int(destination.index)), .init("blocks", .int(blocks)),
      .init("reason", .string(reason)),
    ]
  }
}

extension DecisionRecord.Kind {
  fileprivate var words: String {
    switch self {
    case .borrow: "borrows"
    case .move: "move ordered"
    case .moveRefused: "move refused"
    case .moveAborted: "move aborted"
    case .landed: "move landed"
    case .recall: "recall ordered"
    case .preempt: "preempted"
    case .reject: "rejected"
    case .steal: "stolen from a queue"
    case .reserve: "memory reserved"
    case .lost: "lost its blocks to a fault"
    case .restart: "queued at another instance"
    }
  }
}

extension RejectionReason {
  fileprivate var words: String {
    switch self {
    case .exceedsContext: "its prompt fills the context that the model serves (--max-model-len)"
    case .exceedsCapacity: "its prompt and one token do not fit the empty cluster under this policy"
    case .outgrewCapacity: "it grew until no block could be had, alone where it was"
    case .overBudget: "its prompt is longer than the token budget, and over-budget=ignore was asked for"
    case .noLiveInstance: "no live instance could hold it, and none was going to return"
    }
  }
}

extension JSON {
  fileprivate init(_ time: SimTime?) { self = time.map { .int(Int($0.picoseconds)) } ?? .null }
}

private func words(_ range: ClosedRange<Int>) -> String {
  range.lowerBound == range.upperBound
    ? grouped(range.lowerBound) : "\(grouped(range.lowerBound)) to \(grouped(range.upperBound))"
}

/// Exact: twelve decimals, as time is counted in picoseconds.
private func seconds(_ time: SimTime) -> String { seconds(time.picoseconds) }

private func seconds(_ picoseconds: Int64) -> String {
  let unit: Int64 = 1_000_000_000_000
  let digits = String(picoseconds.magnitude % unit.magnitude)
  let decimals = String(repeating: "0", count: 12 - digits.count) + digits
  return "\(picoseconds < 0 ? "-" : "")\(grouped(Int(picoseconds.magnitude / unit.magnitude))).\(decimals)"
}
