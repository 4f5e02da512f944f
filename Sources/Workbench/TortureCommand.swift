import Runs
import ArgumentParser
import Foundation
import Sim
import Synchronization
import Torture

/// `infinite-sim torture`: random clusters under faults and a lossy network, with a checker outside the engine.
struct TortureCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "torture", abstract: "Attack random clusters with faults and check every record.",
    discussion: """
      Each seed is a random cluster, model, policy, workload, network of the managers and fault schedule. A checker \
      rebuilds from the records of the run who has which blocks. A seed that fails is shrunk and printed with the command \
      that replays it. Exit code 1 if a law was broken, or if the scenarios went through too little to count (docs/faults.md).
      """)

  @Option(help: ArgumentHelp("Seeds to try, one after the other.", valueName: "n"))
  var seeds: UInt64 = 10_000
  @Option(help: ArgumentHelp("Stop after so many minutes, whatever is left.", valueName: "minutes"))
  var minutes: Double?
  @Option(help: ArgumentHelp("The first seed.", valueName: "seed"))
  var from: UInt64 = 0
  @Option(help: ArgumentHelp("Threads. (default: one for each processor)", valueName: "n"))
  var jobs: Int?
  @Option(
    help: ArgumentHelp("Try this seed alone, step by step as well, and say what it is.", valueName: "seed"))
  var replay: UInt64?

  func validate() throws {
    if seeds == 0 { throw ValidationError("--seeds is 0, expected at least 1") }
    if let minutes, !(minutes > 0 && minutes < 1e6) {
      throw ValidationError("--minutes is \(minutes), expected more than 0 and less than a million")
    }
    if let jobs, !(1...256).contains(jobs) {
      throw ValidationError("--jobs is \(jobs), expected 1 to 256")
    }
    if from.addingReportingOverflow(seeds).overflow {
      throw ValidationError("--from is \(from), expected at most 2^64 less --seeds")
    }
  }

  func run() throws {
    if let replay {
      try replayAlone(replay)
      return
    }
    let end = minutes.map { Date(timeIntervalSinceNow: $0 * 60) }
    let jobs = jobs ?? ProcessInfo.processInfo.activeProcessorCount
    let outcome = TortureRun(next: from, last: from + seeds - 1, end: end)
    TrapReport.install(workers: jobs)
    try forEachInParallel(Array(0..<jobs), jobs: jobs) { worker in
      TrapReport.enter(worker)
      outcome.work(worker)
    }
    let (coverage, violations) = outcome.result
    for violation in violations { try Self.report(violation) }
    try writeToStandardOutput("\(coverage)\n")
    // A single seed or a few say nothing about shares.
    let shortfalls = coverage.scenarios < 1_000 ? [] : coverage.shortfalls
    for shortfall in shortfalls { try writeToStandardOutput("too little coverage: \(shortfall)\n") }
    try writeToStandardOutput("scenarios: \(coverage.scenarios), violations: \(violations.count)\n")
    guard violations.isEmpty, shortfalls.isEmpty else {
      throw CommandFailure(
        .runFailed, violations.isEmpty ? "too little coverage" : "\(violations.count) laws broken")
    }
  }

  private func replayAlone(_ seed: UInt64) throws {
    TrapReport.install(workers: 1)
    TrapReport.enter(0)
    TrapReport.begin(seed, worker: 0)
    let scenario = try Torture.scenario(seed: seed)
    try writeToStandardOutput("\(scenario.replay)\n\(scenario.story)")
    do {
      var coverage = TortureCoverage()
      coverage.add(try Torture.check(scenario, alsoStepByStep: true, onHang: TortureRun.giveUp))
      try writeToStandardOutput("\(coverage)\nscenarios: 1, violations: 0\n")
    } catch let violation as TortureViolation {
      try Self.report(violation)
      try writeToStandardOutput("scenarios: 1, violations: 1\n")
      throw CommandFailure(.runFailed, "1 law broken")
    }
  }

  /// Writes a violation and how to see it again; then the smallest scenario found that breaks the same law, if the search
  /// for it ends.
  private static func report(_ violation: TortureViolation) throws {
    try writeToStandardOutput("\(violation)\nreplay: \(TrapReport.replayCommand) \(violation.seed)\n")
    TrapReport.begin(violation.seed, worker: 0)
    // What broke may be the drawing of the scenario itself.
    guard let scenario = try? Torture.scenario(seed: violation.seed) else { return }
    let smaller = Torture.shrink(scenario, law: violation.law, onHang: TortureRun.giveUp)
    try writeToStandardOutput("shrunk to: \(smaller.replay)\n\(smaller.story)")
  }
}

/// Seeds that threads take one by one, and what came of them.
private final class TortureRun: Sendable {
  private struct State {
    var next: UInt64
    var isOver = false
    var coverage = TortureCoverage()
    var violations: [TortureViolation] = []
  }
  private let state: Mutex<State>
  private let last: UInt64
  private let end: Date?
  /// After so many broken laws there is enough to look at.
  private static let mostViolations = 8
  private static let chunk: UInt64 = 64

  init(next: UInt64, last: UInt64, end: Date?) {
    state = Mutex(State(next: next))
    self.last = last
    self.end = end
  }

  var result: (TortureCoverage, [TortureViolation]) {
    state.withLock { ($0.coverage, $0.violations.sorted { $0.seed < $1.seed }) }
  }

  func work(_ worker: Int) {
    while let seeds = take() {
      var coverage = TortureCoverage()
      var violations: [TortureViolation] = []
      for seed in seeds {
        TrapReport.begin(seed, worker: worker)
        do {
          let scenario = try Torture.scenario(seed: seed)
          coverage.add(
            try Torture.check(scenario, alsoStepByStep: seed.isMultiple(of: 8), onHang: Self.giveUp))
        } catch {
          coverage.addFailed()
          violations.append(
            error as? TortureViolation
              ?? TortureViolation(law: "every scenario runs", seed: seed, details: "\(error)"))
        }
      }
      state.withLock { state in
        state.coverage.add(coverage)
        state.violations += violations
        if state.violations.count >= Self.mostViolations { state.isOver = true }
      }
    }
  }

  private func take() -> ClosedRange<UInt64>? {
    state.withLock { state in
      if let end, Date() >= end { state.isOver = true }
      guard !state.isOver else { return nil }
      let first = state.next
      let upTo = last - first < Self.chunk ? last : first + Self.chunk - 1
      state.isOver = upTo == last
      state.next = upTo &+ 1
      return first...upTo
    }
  }

  /// A run that does not end cannot be left: the program says which, and ends.
  static func giveUp(_ violation: TortureViolation) {
    print("\(violation)\nreplay: \(TrapReport.replayCommand) \(violation.seed)")
    print("scenarios: the run was given up, violations: 1")
    exit(FailureStatus.runFailed.rawValue)
  }
}

/// Names the seed of a thread that traps: a precondition of the engine is a law as well. What a signal handler reads is
/// laid out before, and it calls nothing but what may be called there.
private enum TrapReport {
  static let replayCommand: StaticString = "infinite-sim torture --replay"

  private nonisolated(unsafe) static var threads: UnsafeMutablePointer<pthread_t> = .allocate(capacity: 256)
  private nonisolated(unsafe) static var seeds: UnsafeMutablePointer<UInt64> = .allocate(capacity: 256)
  private nonisolated(unsafe) static var count = 0

  static func install(workers: Int) {
    threads.initialize(repeating: pthread_self(), count: 256)
    seeds.initialize(repeating: 0, count: 256)
    count = workers
    for number in [SIGILL, SIGTRAP, SIGSEGV, SIGABRT] {
      signal(number) { number in
        TrapReport.tell()
        signal(number, SIG_DFL)
        raise(number)
      }
    }
  }

  static func enter(_ worker: Int) { threads[worker] = pthread_self() }
  static func begin(_ seed: UInt64, worker: Int) { seeds[worker] = seed }

  private static func tell() {
    for worker in 0..<count where pthread_equal(threads[worker], pthread_self()) != 0 {
      write("law violated: a precondition of the engine, seed ")
      writeNumber(seeds[worker])
      write("\nreplay: ")
      write(replayCommand)
      write(" ")
      writeNumber(seeds[worker])
      write("\nscenarios: the run was given up, violations: 1\n")
    }
  }

  private static func write(_ text: StaticString) {
    _ = Foundation.write(1, text.utf8Start, text.utf8CodeUnitCount)
  }

  private static func writeNumber(_ number: UInt64) {
    var power: UInt64 = 1
    while number / power >= 10 { power *= 10 }
    while power > 0 {
      var digit = UInt8(48 + number / power % 10)
      _ = Foundation.write(1, &digit, 1)
      power /= 10
    }
  }
}
