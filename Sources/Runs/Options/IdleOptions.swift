import Foundation
import Policies
import Sim
import Workloads

/// An option that was given and changes nothing, and why. All that is known of such options is said in this file. What
/// cannot be is no idle option but an error.
package struct IdleOption: Hashable, Sendable {
  /// As on the command line: "--longest", "--option steal".
  package var option: String
  /// What follows "without effect".
  package var reason: String

  package init(_ option: String, _ reason: String) { (self.option, self.reason) = (option, reason) }

  /// Those of `options` that stand on the command line of this process: a parsed command does not tell what was given from
  /// what is so by default.
  package static func given(_ options: [String], _ reason: String) -> [IdleOption] {
    let arguments = ProcessInfo.processInfo.arguments.dropFirst()
    return options.filter { option in
      arguments.contains { $0 == option || $0.hasPrefix(option + "=") }
    }.map { IdleOption($0, reason) }
  }

  /// A sentence for each reason.
  package static func sentences(_ idle: [IdleOption]) -> [String] {
    unique(idle.map(\.reason)).map { reason in
      let options = unique(idle.filter { $0.reason == reason }.map(\.option))
      return "\(options.joined(separator: ", ")): without effect \(reason)"
    }
  }

  /// Says them on stderr.
  package static func warn(_ idle: [IdleOption]) {
    for sentence in sentences(idle) { writeToStandardError("warning: \(sentence)\n") }
  }

  /// A run of several that share options.
  package struct Sharer: Hashable {
    package var idle: [IdleOption]
    /// The options that it was given; `nil`: what all were.
    package var given: Set<String>?

    package init(_ idle: [IdleOption], given: Set<String>? = nil) { (self.idle, self.given) = (idle, given) }
  }

  /// The options that are idle in every run that was given them: what one makes nothing of may be meant for another.
  package static func inAll(_ runs: [Sharer]) -> [IdleOption] {
    let all = runs.flatMap(\.idle)
    return unique(all.map(\.option)).compactMap { option in
      let isIdle = runs.allSatisfy { run in
        run.given?.contains(option) == false || run.idle.contains { $0.option == option }
      }
      guard isIdle else { return nil }
      let reasons = unique(all.filter { $0.option == option }.map(\.reason))
      return IdleOption(option, reasons.joined(separator: ", "))
    }
  }

  private static func unique(_ words: [String]) -> [String] {
    var seen: Set<String> = []
    return words.filter { seen.insert($0).inserted }
  }
}

// MARK: - Of a run

extension IdleOption {
  /// Of a plan of faults that has none.
  static let faultsOfNone = IdleOption("--faults", "as the file has none")

  /// What changes nothing under a policy, on the instances that it was given. `remade` is the policy with an option of its
  /// own set otherwise, `nil` where that cannot be.
  static func of(
    _ options: RunOptions, _ pairs: OptionPairs, _ managers: ProtocolOptions, _ placed: PlacedPolicy,
    scope: LayoutScope, remade: (_ key: String, _ value: String) -> PlacedPolicy?
  ) -> [IdleOption] {
    var idle: [IdleOption] = []
    let policy = placed.name
    func add(_ option: String, _ isGiven: Bool, _ reason: String) {
      if isGiven { idle.append(IdleOption(option, reason)) }
    }
    func add(_ keys: [String], _ reason: String) {
      for key in keys { add("--option \(key)", pairs.values[key] != nil, reason) }
    }
    if PolicyCatalog[policy]?.sizedByLongest != true {
      add("--longest", options.longest != nil, "as \(policy) is not sized by it")
      add(
        "--gpu-memory-utilization", options.kvBlocks != nil && options.gpuMemoryUtilization != 0.9,
        "as --kv-blocks says how many blocks there are")
      add(
        "--kv-accounting", options.kvBlocks != nil && options.kvAccounting != nil,
        "as --kv-blocks says how many blocks there are")
    }
    if options.nodes == 1 {
      add("--inter-node", options.interNode != nil, "on one node")
      add(["vllm-s-across"], "on one node")
    } else {
      add(
        "--inter-node", options.interNode != nil && !placed.usesInterNodeLink,
        "as \(policy) sends nothing between nodes here")
      if let across = placed.options["vllm-s-across"],
        let other = remade("vllm-s-across", across == "tp" ? "pp" : "tp"),
        other.layout.shape == placed.layout.shape
      {
        add(["vllm-s-across"], "as its instance is the same either way")
      }
    }
    add("--expert-parallel", options.expertParallel && placed.layout.shape.tp == 1, "with TP 1")
    if scope == .itself {
      add("--tp", options.tp != nil && pairs.values["vllm-s-tp"] != nil, "with --option vllm-s-tp")
      add("--pp", options.pp != nil && pairs.values["vllm-s-pp"] != nil, "with --option vllm-s-pp")
    }
    add(
      "--max-num-seqs", options.maxNumSeqs != nil && placed.maxNumSeqs != nil,
      "with --option vllm-s-max-num-seqs")
    if placed.layout.count == 1 {
      add("--router", options.router != nil, "on one instance")
      add(["pool-routing"], "on one instance")
    } else if options.router != nil {
      add("--router", options.router?.rawValue != placed.router, "as \(policy) routes by itself")
    }
    switch options.engine {
    case .chunked:
      add(["watermark", "append-check", "over-budget", "padded"], "under --engine chunked")
    case .vllmV0: add(["chunked-watermark", "reserve-isl"], "under --engine vllm-v0")
    case nil: preconditionFailure("a plan knows its scheduler")
    }
    let mode = placed.lending.mode
    let messages = ManagerOption.all.map(\.key)
    if placed.layout.count == 1 || mode == .off {
      let reason = placed.layout.count == 1 ? "on one instance" : "as \(policy) does not lend here"
      add(borrowing + planning + messages + hosting + spreading, reason)
      // Free is free everywhere.
      if pairs.values["prefill-attention"] != PrefillAttention.free.rawValue {
        add(["prefill-attention"], reason)
      }
      if placed.layout.count == 1 { add(["steal"], reason) }
      return idle
    }
    if mode.borrows {
      if placed.nodeClasses.count == 1 { add(["node-first"], "as all instances are on one node") }
    } else {
      add(borrowing, "with lending=\(mode.rawValue): nobody borrows")
    }
    if let reason = placed.whyNothingIsShared {
      add(["share-from"], reason)
      // That nothing is spread may be its own doing, and who routes by the lengths of prompts has a further use for it.
      if !placed.mayShare, !placed.routesByLength { add(["spread-from"], reason) }
    }
    if mode == .passive {
      add(planning + messages, "with lending=\(mode.rawValue): nobody plans moves")
    } else {
      idle += Self.ofMessages(managers, pairs, period: placed.lending.period, faults: options.faults != nil)
    }
    return idle
  }

  /// What changes nothing in the managers' messages. Where they take no time, none is lost and each is answered at once.
  private static func ofMessages(
    _ managers: ProtocolOptions, _ pairs: OptionPairs, period: SimDuration, faults: Bool
  ) -> [IdleOption] {
    var idle: [IdleOption] = []
    func add(_ keys: [String], _ reason: String) {
      for key in keys where pairs.values[key] != nil { idle.append(IdleOption("--option \(key)", reason)) }
    }
    let takesTime = managers.delay > .zero
    let luck = managers.unreliableUntil > .zero
    let loses = luck && managers.lossPermille > 0
    let holdsBack = luck && managers.reorderPermille > 0
    if !takesTime {
      add(
        ["try-timeout", "try-retries", "reservation-expiry"], "without message-delay: answers come at once")
    }
    if !takesTime, managers.heartbeatPeriod == nil {
      add(
        ["silence", "full-heartbeat-every"],
        "without message-delay or heartbeat-period: the gManager reads the instances' own state")
    } else if !loses, !holdsBack, !faults, managers.jitter <= managers.heartbeatPeriod ?? period {
      add(["full-heartbeat-every"], "as no heartbeat is lost or overtaken")
    }
    if !luck {
      add(
        ["unreliable-until", "message-loss", "message-duplicates", "message-reorder"],
        "with unreliable-until=0: messages are never unreliable")
    } else if !loses, !holdsBack, managers.duplicatePermille == 0 {
      add(["unreliable-until"], "as no message is lost, doubled or held back")
    }
    return idle
  }

  /// What only those use who borrow, what only the planner uses, what both do, and what long prompts are spread by.
  private static let borrowing = ["borrow-chunk", "placement", "reserve-giants", "node-first"]
  private static let planning = [
    "beta-threshold", "min-gain", "cooldown", "period", "move-tokens-per-step",
  ]
  private static let hosting = ["u-threshold", "lend-while-queueing", "coupling"]
  private static let spreading = ["share-from", "spread-from"]
}

extension PlacedPolicy {
  /// The nodes that its instances are on, as far as they differ.
  fileprivate var nodeClasses: Set<Int> { Set(RunPlan.nodeClasses(layout)) }

  /// Whether prompts that their home could hold may lie on hosts as well.
  fileprivate var mayShare: Bool { lending.mode.borrows && lending.placement == .balanced }

  /// Why no such prompt is shared; `nil` if some may be.
  fileprivate var whyNothingIsShared: String? {
    if !lending.mode.borrows { return "with lending=\(lending.mode.rawValue): nobody borrows" }
    if !mayShare { return "with placement=\(lending.placement.rawValue): only balanced ones are spread" }
    if lending.spreadFrom == .max { return "with spread-from=0: no prompt is spread" }
    return nodeClasses.count == layout.count ? "as no two instances are on one node" : nil
  }

  /// Whether `spread-from` decides where a prompt goes.
  fileprivate var routesByLength: Bool {
    name == "pooled" ? router == "its own" : router == Router.leastWork.rawValue
  }
}

extension OptionPairs {
  /// Those that are not idle.
  func without(_ idle: [IdleOption]) -> OptionPairs {
    var rest = self
    for option in idle where option.option.hasPrefix("--option ") {
      rest.remove(String(option.option.dropFirst("--option ".count)))
    }
    return rest
  }
}

// MARK: - Of a trace

extension ReadingOptions {
  /// What changes nothing in any trace.
  private var idleAnywhere: [IdleOption] {
    maxSkipped != nil && !lenient ? [IdleOption("--max-skipped", "without --lenient")] : []
  }

  /// What changes nothing in a trace that is generated: of most options that is an error.
  func idleInGenerated(_ sending: Sending) -> [IdleOption] {
    idleAnywhere
      + (traceSeed == nil || sending.isDrawn
        ? [] : [IdleOption("--trace-seed", "in a generated trace, which has its own; --seed draws it anew")])
  }

  /// What changes nothing in the trace that was read and sent so. `draws`: something else is drawn by `--trace-seed`.
  package func idle(
    in trace: TraceFile, _ sending: Sending = Sending(), draws: Bool = false
  ) -> [IdleOption] {
    var idle = idleAnywhere
    let isPool = trace.format.isPool
    let drawn = trace.options.arrivals.map { $0.gaps != .fixed && $0.pattern != .together } ?? false
    if jitter != nil, !sending.isRecorded {
      idle.append(IdleOption("--jitter", "as requests are not sent when the trace says"))
    }
    let spreads = jitter != nil && sending.isRecorded
    if traceSeed != nil, !drawn, !isPool, !spreads, !draws, !sending.isDrawn {
      idle.append(IdleOption("--trace-seed", "as nothing is drawn"))
    }
    if poolSpan != nil, !isPool {
      idle.append(IdleOption("--pool-span", "on a trace that is no client pool"))
    }
    if acceptTimes, isPool || trace.format.timeText == TraceFormat.noTimes {
      idle.append(
        IdleOption(
          "--accept-times", isPool ? "on a client pool, whose times are drawn" : "on a trace without times"))
    }
    return idle
  }
}

extension TraceFormat {
  /// Whether its requests are drawn from clients.
  fileprivate var isPool: Bool { name == "servegen-pool" }
}

extension RunOptions {
  /// What changes nothing in the first `limit` of `requests` requests, of which the last arrives at `last` and so many were
  /// clipped.
  func idle(requests: Int, limit: Int?, until last: SimTime, clipped: Int, _ sending: Sending) -> [IdleOption]
  {
    var idle: [IdleOption] = []
    if last == .zero, !sending.isDrawn {
      idle = [
        ("--at-once", atOnce), ("--request-rate", client.requestRate != nil && sending.concurrency == nil),
        ("--rate-scale", rateScale != "1"),
      ].filter(\.1).map { IdleOption($0.0, "as all requests arrive at 0") }
    } else if case .together(let option) = sending.times, rateScale != "1" {
      idle.append(IdleOption("--rate-scale", "with \(option)"))
    }
    if let limit, requests <= limit {
      idle.append(IdleOption("--limit", "as there are \(requests) requests"))
    }
    if clipTotal != nil, clipped == 0 { idle.append(IdleOption("--clip-total", "as no request is longer")) }
    return idle
  }
}
