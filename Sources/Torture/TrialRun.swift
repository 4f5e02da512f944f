import Dispatch
import Foundation
import Synchronization

/// Tries suites on seeds, on several threads. What it reports does not depend on how many.
///
/// A trial in which no run ends for as long as the limit is tried again under a witness; if it sticks again, what it is doing
/// is printed and the program ends with status 1: a thread cannot be stopped. A trial that traps ends the program too, and
/// says how it is replayed.
public final class TrialRun: Sendable {
  /// What came of a suite.
  public struct Outcome: Sendable {
    public let suite: LawSuite
    public fileprivate(set) var coverage = Coverage()
    /// The first, by ascending seed; after so many there is enough to look at.
    public fileprivate(set) var violations: [LawViolation] = []
    public fileprivate(set) var trials = 0
    /// Over the fingerprints of its trials by ascending seed.
    public fileprivate(set) var fingerprint = Digest()

    fileprivate mutating func add(_ other: Outcome) {
      coverage.add(other.coverage)
      violations += other.violations
      trials += other.trials
      fingerprint.fold(other.fingerprint)
    }
  }

  /// What came of all suites.
  public struct Verdict: Sendable {
    public private(set) var trials = 0, violations = 0, shortfalls = 0
    public private(set) var fingerprint = Digest()

    /// No law was broken, and enough was tried.
    public var isGood: Bool { violations == 0 && shortfalls == 0 }

    fileprivate init(_ outcomes: [Outcome]) {
      for outcome in outcomes {
        trials += outcome.trials
        violations += outcome.violations.count
        shortfalls += outcome.coverage.shortfalls.count
        fingerprint.fold(outcome.fingerprint)
      }
    }
  }

  public struct Settings: Sendable {
    public var seeds: ClosedRange<UInt64>
    public var jobs = ProcessInfo.processInfo.activeProcessorCount
    /// How long a run of a trial may take, time of its processor: so a busy machine does not matter. Ten times as long if
    /// it waits.
    public var limit = standardLimit
    /// When no further trial is begun.
    public var end: ContinuousClock.Instant?
    /// The command that tries a suite on one seed.
    public var replay: @Sendable (LawSuite, _ seed: UInt64) -> String

    /// The longest runs take half a second, and twenty times that in debug.
    #if DEBUG
      public static let standardLimit = Duration.seconds(200)
    #else
      public static let standardLimit = Duration.seconds(10)
    #endif

    public init(seeds: ClosedRange<UInt64>, replay: @escaping @Sendable (LawSuite, UInt64) -> String) {
      self.seeds = seeds
      self.replay = replay
    }
  }

  private struct Progress {
    /// The next to be begun.
    var suite = 0
    var seed: UInt64
    /// Results by the first seed of their chunk that those before them still lack.
    var early: [[UInt64: Outcome]]
    var due: [UInt64?]
    var outcomes: [Outcome]
    var reported = 0
  }

  private struct Watched {
    var suite: LawSuite
    var seed: UInt64
    var trial: Trial
    var clock: ThreadClock
  }

  private let suites: [LawSuite]
  private let settings: Settings
  private let progress: Mutex<Progress>
  private let watched: Mutex<[Watched?]>
  private let report: @Sendable (Outcome) -> Void

  private static let chunk: UInt64 = 16
  private static let mostViolations = 5

  /// - Parameter report: is called once for every suite, in their order, as soon as it and those before it are done.
  public init(_ suites: [LawSuite], _ settings: Settings, report: @escaping @Sendable (Outcome) -> Void) {
    self.suites = suites
    self.settings = settings
    self.report = report
    progress = Mutex(
      Progress(
        seed: settings.seeds.lowerBound, early: Array(repeating: [:], count: suites.count),
        due: Array(repeating: settings.seeds.lowerBound, count: suites.count),
        outcomes: suites.map { Outcome(suite: $0) }))
    watched = Mutex(Array(repeating: nil, count: settings.jobs))
  }

  /// Returns when everything is reported.
  public func run() -> Verdict {
    TrapReport.install(workers: settings.jobs + 1)
    let isOver = DispatchSemaphore(value: 0)
    let watchdog = Thread { [self] in watch(until: isOver) }
    watchdog.stackSize = 8 << 20
    watchdog.start()
    let workers = DispatchGroup()
    for worker in 0..<settings.jobs {
      workers.enter()
      let thread = Thread { [self] in
        TrapReport.enter(worker)
        while let (suite, seeds) = take() { finish(suite, seeds, trials(suite, seeds, worker)) }
        workers.leave()
      }
      thread.stackSize = 8 << 20
      thread.start()
    }
    workers.wait()
    isOver.signal()
    return progress.withLock { progress in
      reportDone(&progress, all: true)
      return Verdict(progress.outcomes)
    }
  }

  // MARK: - Trials

  private func trials(_ suite: Int, _ seeds: ClosedRange<UInt64>, _ worker: Int) -> Outcome {
    let law = suites[suite]
    let clock = ThreadClock()
    var outcome = Outcome(suite: law)
    for seed in seeds where outcome.violations.count < Self.mostViolations {
      TrapReport.begin(settings.replay(law, seed), worker: worker)
      let trial = Trial()
      watched.withLock { $0[worker] = Watched(suite: law, seed: seed, trial: trial, clock: clock) }
      do { outcome.coverage.add(try trial.run { try law.check(seed) }) } catch {
        outcome.violations.append(LawViolation(error, seed: seed))
      }
      outcome.trials += 1
      outcome.fingerprint.fold(trial.fingerprint)
      watched.withLock { $0[worker] = nil }
    }
    return outcome
  }

  private func lastSeed(of suite: Int) -> UInt64 {
    let (first, last) = (settings.seeds.lowerBound, settings.seeds.upperBound)
    return last - first < suites[suite].seeds ? last : first + suites[suite].seeds - 1
  }

  private func take() -> (suite: Int, seeds: ClosedRange<UInt64>)? {
    progress.withLock { progress in
      if let end = settings.end, .now >= end { progress.suite = suites.count }
      // A suite that has enough violations is over.
      while progress.suite < suites.count, progress.due[progress.suite] == nil {
        progress.suite += 1
        progress.seed = settings.seeds.lowerBound
      }
      guard progress.suite < suites.count else { return nil }
      let (suite, first, last) = (progress.suite, progress.seed, lastSeed(of: progress.suite))
      let upTo = last - first < Self.chunk ? last : first + Self.chunk - 1
      if upTo == last {
        progress.suite += 1
        progress.seed = settings.seeds.lowerBound
      } else {
        progress.seed = upTo + 1
      }
      return (suite, first...upTo)
    }
  }

  private func finish(_ suite: Int, _ seeds: ClosedRange<UInt64>, _ outcome: Outcome) {
    progress.withLock { progress in
      progress.early[suite][seeds.lowerBound] = outcome
      while let due = progress.due[suite], let next = progress.early[suite].removeValue(forKey: due) {
        progress.outcomes[suite].add(next)
        let last = lastSeed(of: suite)
        let isOver =
          last - due < Self.chunk || progress.outcomes[suite].violations.count >= Self.mostViolations
        progress.due[suite] = isOver ? nil : due + Self.chunk
      }
      reportDone(&progress, all: false)
    }
  }

  private func reportDone(_ progress: inout Progress, all: Bool) {
    while progress.reported < suites.count, all || progress.due[progress.reported] == nil {
      report(progress.outcomes[progress.reported])
      progress.reported += 1
    }
  }

  // MARK: - The limit

  /// Looks for trials in which no run ends.
  private func watch(until isOver: DispatchSemaphore) {
    /// By worker: the trial, how many runs of it had ended, when that was first seen, and whether it was looked at closer.
    var seen: [(trial: Trial, runs: Int, since: Duration, ended: Bool)?] = Array(
      repeating: nil, count: settings.jobs)
    while isOver.wait(timeout: .now() + 0.02) == .timedOut {
      for (worker, slot) in watched.withLock({ $0 }).enumerated() {
        guard let slot else { continue }
        let (runs, now) = (slot.trial.runs, slot.clock.now)
        if let last = seen[worker], last.trial === slot.trial, last.runs == runs {
          guard now - last.since > settings.limit else { continue }
          // It may have been only just too slow.
          if last.ended {
            giveUp(slot, "tried again it ended: what it does depends on more than its seed\n")
          }
          lookCloser(slot)
          seen[worker] = (slot.trial, runs, slot.clock.now, true)
        } else {
          seen[worker] = (slot.trial, runs, now, false)
        }
      }
    }
  }

  /// Tries a trial again under a witness, on a thread of its own. Gives up if it sticks; returns if it does not.
  private func lookCloser(_ stuck: Watched) {
    let witness = TrialWitness()
    let trial = Trial(witness: witness)
    let clock = Mutex<ThreadClock?>(nil)
    let isOver = DispatchSemaphore(value: 0)
    let thread = Thread { [settings] in
      clock.withLock { $0 = ThreadClock() }
      TrapReport.enter(settings.jobs)
      TrapReport.begin(settings.replay(stuck.suite, stuck.seed), worker: settings.jobs)
      _ = try? trial.run { try stuck.suite.check(stuck.seed) }
      isOver.signal()
    }
    thread.stackSize = 8 << 20
    thread.start()
    var (runs, since) = (0, Duration.zero)
    while isOver.wait(timeout: .now() + 0.02) == .timedOut {
      let now = clock.withLock { $0?.now } ?? .zero
      if trial.runs > runs { (runs, since) = (trial.runs, now) }
      if now - since > settings.limit { giveUp(stuck, witness.story) }
    }
  }

  private func giveUp(_ stuck: Watched, _ story: String) -> Never {
    let violation = LawViolation(
      law: "every run ends", seed: stuck.seed,
      details:
        "one of \(stuck.suite.name) has not within \(settings.limit); tried again under a witness:")
    print("\(violation)\n\(story)replay: \(settings.replay(stuck.suite, stuck.seed))")
    print("the run was given up, violations: 1")
    exit(1)
  }
}

/// The time that a thread has had a processor, or a tenth of the time that has passed if that is more.
private struct ThreadClock {
  private let start = ContinuousClock.now
  #if os(Linux)
    private let id: clockid_t

    /// That of the calling thread, which must live as long as it is asked.
    init() {
      var id = clockid_t()
      pthread_getcpuclockid(pthread_self(), &id)
      self.id = id
    }
  #endif

  var now: Duration {
    let waited = (ContinuousClock.now - start) / 10
    #if os(Linux)
      var time = timespec()
      clock_gettime(id, &time)
      return max(waited, .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec))
    #else
      return waited
    #endif
  }
}

/// FNV-1a over 64-bit numbers.
public struct Digest: Hashable, Sendable, CustomStringConvertible {
  private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

  public init() {}

  mutating func fold(_ number: UInt64) {
    for byte in 0..<UInt64(8) {
      value = (value ^ (number >> (8 * byte) & 0xFF)) &* 0x100_0000_01B3
    }
  }

  public mutating func fold(_ other: Digest) { fold(other.value) }

  /// Sixteen hexadecimal digits.
  public var description: String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
