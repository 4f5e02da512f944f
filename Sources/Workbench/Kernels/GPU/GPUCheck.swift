import Runs
import Formatting
import Foundation
import Reference
import ReferenceCUDA
import Synchronization

/// The check of a GPU: what is done, in which order, and within the time.
///
/// Everything that the device does is asked of it by one thread. Another sees to the limit: what does not end, a kernel or a
/// driver, is named in the report, and the process ends.
final class GPUCheck: Sendable {
  enum Part: String, CaseIterable { case accuracy, speed, checker }

  struct Options: Sendable {
    var parts: [Part]
    var shapes: Int
    /// Of the first shape; the others follow.
    var seed: Int
    var isQuick: Bool
    /// Seconds for everything.
    var limit: Double
    /// Writes what was found so far.
    var write: @Sendable (GPUReport) throws -> Void
  }

  private struct State {
    var report: GPUReport
    /// What is being done, and the shape's seed if it is a shape.
    var running = "the start"
    var runningSeed: Int?
    var isOver = false
  }

  private let backend = CUDABackend()
  private let options: Options
  private let start = ContinuousClock.now
  private let state: Mutex<State>

  /// Nothing is done yet but that the driver is asked for its device.
  init(_ options: Options, program: String, commit: String?, date: String?) throws {
    if case .unavailable(let reason) = backend.availability { throw CommandFailure(.missingInput, reason) }
    self.options = options
    state = Mutex(
      State(
        report: GPUReport(
          program: program, commit: commit, date: date, machine: Self.machine, device: try backend.facts(),
          isQuick: options.isQuick, limitSeconds: options.limit)))
  }

  /// Does everything, writes it, and returns it.
  func run() throws -> GPUReport {
    watch()
    // Shares of the limit by the end of which a part has had its time; what one does not need is the next one's.
    if options.parts.contains(.accuracy) { accuracy(until: 0.5) }
    let checker = options.parts.contains(.checker) ? MemoryChecker() : nil
    if options.parts.contains(.speed) { speed(until: checker == nil ? 0.95 : 0.7) }
    if options.parts.contains(.checker) { check(checker, until: 0.95) }
    return try state.withLock { state in
      state.isOver = true
      state.report.seconds = elapsed
      try options.write(state.report)
      return state.report
    }
  }

  private var elapsed: Double { (ContinuousClock.now - start) / .seconds(1) }
  private func isPast(_ share: Double) -> Bool { elapsed > share * options.limit }

  private func change(_ change: (inout GPUReport) -> Void) { state.withLock { change(&$0.report) } }

  private func begin(_ what: String, seed: Int? = nil) {
    state.withLock { ($0.running, $0.runningSeed) = (what, seed) }
  }

  /// Ends the process when the limit is reached, with what was found so far.
  private func watch() {
    Thread.detachNewThread { [self] in
      Thread.sleep(forTimeInterval: max(0, options.limit - elapsed))
      state.withLock { state in
        if state.isOver { return }
        let words = "did not end within the limit of \(figure(options.limit)) s"
        if let seed = state.runningSeed {
          state.report.accuracy.append(
            GPUReport.Accuracy(seed: seed, shape: state.running, failure: words))
          fillAccuracy(&state.report)
        } else {
          state.report.broken.append("\(state.running): \(words)")
        }
        state.report.seconds = elapsed
        try? options.write(state.report)
        writeToStandardError("error: \(state.report.failures.joined(separator: "; "))\n")
        // Whatever hangs would hang what is done at a proper end as well.
        _exit(FailureStatus.runFailed.rawValue)
      }
    }
  }

  // MARK: - Accuracy

  private func accuracy(until share: Double) {
    let limits: ShapeCase.Limits = options.isQuick ? .small : .large
    let cores = max(1, min(16, ProcessInfo.processInfo.activeProcessorCount))
    var seeds = (options.seed..<options.seed + options.shapes)[...]
    while !seeds.isEmpty {
      begin("the oracle")
      // What the processor has to do for some shapes, on all cores; then the device's part, shape by shape.
      let prepared = Mutex<[Int: (one: ShapeCase, judge: Judge)]>([:])
      let group = Array(seeds.prefix(isPast(share) ? 0 : cores))
      DispatchQueue.concurrentPerform(iterations: group.count) { index in
        let one = ShapeCase(group[index], limits)
        let judge = Judge(one.query, over: one.whole)
        prepared.withLock { $0[index] = (one, judge) }
      }
      for index in group.indices where !isPast(share) {
        guard let (one, judge) = prepared.withLock({ $0[index] }) else { continue }
        seeds.removeFirst()
        let row = result(one, judge)
        change { $0.accuracy.append(row) }
        if row.failure != nil, !backend.isUsable {
          change {
            $0.leftOut.append("shapes after that of --seed \(one.index): no call works after its fault")
          }
          return change(fillAccuracy)
        }
      }
      if isPast(share), !seeds.isEmpty {
        change {
          $0.leftOut.append(
            "\(seeds.count) shapes: the time for them, \(figure(share * options.limit)) s, was over")
        }
        break
      }
    }
    change(fillAccuracy)
    say("accuracy: \(state.withLock { $0.report.accuracy.count }) shapes")
  }

  private func result(_ one: ShapeCase, _ judge: Judge) -> GPUReport.Accuracy {
    begin("\(one)", seed: one.index)
    defer { begin("between shapes") }
    var row = GPUReport.Accuracy(seed: one.index, shape: "\(one)", properties: one.properties)
    do {
      let verdict = judge.verdict(try one.output(backend))
      (row.maxError, row.bound) = (verdict.maxError, verdict.bound)
    } catch { row.failure = "\(error)" }
    return row
  }

  /// Rows for the shapes whose turn never came.
  private func fillAccuracy(_ report: inout GPUReport) {
    for seed in options.seed + report.accuracy.count..<options.seed + options.shapes {
      report.accuracy.append(GPUReport.Accuracy(seed: seed, isNotRun: true))
    }
  }

  // MARK: - Speed

  /// Heads of models whose decoding matters: as many KV heads as query heads, groups of 4 and 8, one of eight GPUs of a TP
  /// group, a single KV head with large and with small heads.
  private static let models: [(name: String, heads: AttentionShape)] = [
    ("Llama-2-7B", AttentionShape(queryHeads: 32, kvHeads: 32, headDim: 128)),
    ("Llama-2-13B", AttentionShape(queryHeads: 40, kvHeads: 40, headDim: 128)),
    ("Llama-3.1-8B", AttentionShape(queryHeads: 32, kvHeads: 8, headDim: 128)),
    ("Llama-2-70B, Llama-3.1-70B", AttentionShape(queryHeads: 64, kvHeads: 8, headDim: 128)),
    ("the same, one of 8 GPUs", AttentionShape(queryHeads: 8, kvHeads: 1, headDim: 128)),
    ("StarCoder", AttentionShape(queryHeads: 48, kvHeads: 1, headDim: 128)),
    ("Falcon-7B", AttentionShape(queryHeads: 71, kvHeads: 1, headDim: 64)),
  ]

  private func speed(until share: Double) {
    guard backend.isUsable else {
      return change { $0.leftOut.append("speed: the device does not answer any more") }
    }
    let contexts = options.isQuick ? [64, 300] : [1024, 8192, 32_768, 131_072]
    let calls = (options.isQuick ? [1, 3] : [1, 8, 64]).flatMap { sequences in
      contexts.map { DecodeCall(sequences: sequences, tokens: $0) }
    }
    do {
      begin("a small call, timed")
      let costs = try backend.launchCosts(samples: options.isQuick ? 3 : 31)
      change { $0.launch = costs }
      for (name, heads) in Self.models where !options.isQuick || [64, 8, 71].contains(heads.queryHeads) {
        // The formats take the same time: one model shows it.
        for element in heads == Self.models[3].heads ? [ElementType.bf16, .fp16] : [.bf16] {
          try time(name, heads, element, calls, until: share)
        }
      }
    } catch {
      state.withLock { $0.report.broken.append("\($0.running): \(error)") }
    }
    say("speed: \(state.withLock { $0.report.speed.count }) calls")
  }

  private func time(
    _ name: String, _ heads: AttentionShape, _ element: ElementType, _ calls: [DecodeCall],
    until share: Double
  ) throws {
    func words(_ call: DecodeCall) -> String { "\(call.sequences) × \(grouped(call.tokens))" }
    var (tooLarge, tooLate): ([String], [String]) = ([], [])
    begin("\(name), \(element): its cache")
    try backend.decode(heads, element, calls, samples: options.isQuick ? 3 : 9) { call in
      begin("\(name), \(element), \(words(call)) tokens")
      if isPast(share) { tooLate.append(words(call)) }
      return !isPast(share)
    } done: { call, timing in
      guard let timing else { return tooLarge.append(words(call)) }
      change {
        $0.speed.append(
          GPUReport.Speed(
            model: name, queryHeads: heads.queryHeads, kvHeads: heads.kvHeads, headDim: heads.headDim,
            dtype: element.rawValue, batch: call.sequences, context: call.tokens, bytes: timing.bytes,
            seconds: timing.seconds, readRate: timing.readRate, clock: timing.clock,
            maxError: timing.verdict?.maxError, bound: timing.verdict?.bound))
      }
    }
    for (list, reason) in [
      (tooLarge, "more than 48 GiB or three quarters of the free memory"), (tooLate, "the time was over"),
    ]
    where !list.isEmpty {
      change {
        $0.leftOut.append("speed of \(name), \(element), \(list.joined(separator: ", ")) tokens: \(reason)")
      }
    }
  }

  // MARK: - The memory checker

  private func check(_ checker: MemoryChecker?, until share: Double) {
    guard let checker else {
      return change { report in
        report.checkers = MemoryChecker.tools.map {
          .init(
            tool: $0, outcome: .notFound, words: "compute-sanitizer not found in PATH or /usr/local/cuda*/bin"
          )
        }
      }
    }
    for (index, tool) in MemoryChecker.tools.enumerated() {
      begin("compute-sanitizer, \(tool)")
      let left = Int(share * options.limit - elapsed) / (MemoryChecker.tools.count - index)
      // A second for each shape, in which a checker can do little, is none for the start.
      guard left >= 5 else {
        change { $0.checkers.append(.init(tool: tool, outcome: .notDone, words: "no time was left")) }
        continue
      }
      let arguments = [
        "validate", "gpu", "--only", "accuracy", "--quick", "--shapes", tool == "memcheck" ? "24" : "12",
        // Past the time after which it is ended, so that it is slow and does not fail.
        "--seed", "\(options.seed)", "--limit", "\(left * 3 / 2)",
      ]
      do {
        let found = try checker.run(tool, Self.program, arguments, limit: left)
        change { $0.checkers.append(found) }
      } catch {
        change {
          $0.checkers.append(.init(tool: tool, outcome: .notDone, words: "could not be started: \(error)"))
        }
      }
      say(tool)
    }
  }

  // MARK: - The host

  private static var program: String {
    URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().path
  }

  private static var machine: String {
    let lines = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8))?.split(separator: "\n") ?? []
    let model = lines.first { $0.hasPrefix("model name") }?.split(separator: ":").last
    let name = model.map { $0.trimmingCharacters(in: .whitespaces) } ?? "unknown processor"
    return "\(name), \(ProcessInfo.processInfo.activeProcessorCount) cores"
  }

  private func say(_ what: String) { writeToStandardError("\(what), \(figure(elapsed)) s since the start\n") }
}
