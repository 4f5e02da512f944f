import Formatting
import Foundation
import Results
import Runs
import Sim
import Storage
import Studies
import Synchronization

/// Runs what is missing of a study and keeps it: simulations on several threads, one writer, one transaction a
/// run. What is stored does not depend on the number of threads.
final class SweepRunner {
  private let plan: SweepPlan
  private let store: ResultStore
  private let sweep: Int64
  private let jobs: Int
  private let force: Bool
  private let progress: SweepProgress
  private(set) var results: StudyResults
  /// How many runs were made, and how many were there already.
  private(set) var made = 0, reused = 0
  /// The longest requests that were served, by the range in which the costs were measured.
  private var longest: [MeasuredRange: LongestRequests] = [:]
  /// What the study has, so that what it no longer has can be removed.
  private var keys: Set<SweepPointKey> = []
  private var stored: [SweepPointKey: Int64]

  init(_ plan: SweepPlan, store: ResultStore, jobs: Int, force: Bool, progress: SweepProgress) throws {
    (self.plan, self.store, self.jobs, self.force, self.progress) = (plan, store, jobs, force, progress)
    results = StudyResults(study: plan.study)
    sweep = try store.openSweep(
      name: plan.study.name, question: plan.study.question, study: plan.study.text,
      programVersion: ThisProgram.version, startedAt: Date.now.ISO8601Format())
    let sweep = sweep
    keys = Set(
      plan.elsewhere.flatMap { point in
        [HeatKind.whole, .common].map { point.storeKey(sweep: sweep, heat: $0) }
      })
    stored = [:]
    for point in try store.points(sweep: sweep) { stored[point.key] = point.run?.id }
  }

  func run() throws {
    let whole = try run(plan.heats, heat: .whole)
    var open: [OpenHeat] = []
    for (heat, outcomes) in zip(plan.heats, whole) {
      try record(heat, outcomes, .whole)
      if let figures = Self.figures(outcomes), heat.onReject != .raw, !Self.isFair(figures) {
        if heat.onReject == .fail {
          try failUnfair(heat, figures)
        } else {
          // What differs in outputs that are cut alone has no requests to leave out.
          if figures.contains(where: { !$0.served.rejected.isEmpty }) { open.append((heat, figures)) }
        }
      }
    }
    try runCommon(open)
    try store.prune(sweep: sweep, keeping: keys)
    progress.clear()
  }

  // MARK: - The common trace

  private typealias OpenHeat = (heat: PlannedHeat, figures: [PointOutcome.Figures])

  /// Leaves out what some contender rejects and runs all again, as `FairComparison` does.
  private func runCommon(_ heats: [OpenHeat]) throws {
    var open = heats
    for _ in 0..<FairComparison.mostRounds where !open.isEmpty {
      let rounds = open.compactMap { open -> PlannedHeat? in
        let rejected = Set(open.figures.flatMap(\.served.rejected)).sorted()
        var heat = open.heat
        // A closed loop cannot be replayed without some of its requests: then there is no common trace.
        let members = heat.members.map { try? $0.dropping(rejected) }
        heat.members = members.compactMap(\.self)
        return heat.members.count == members.count ? heat : nil
      }
      let outcomes = try run(rounds, heat: .common)
      open = []
      for (heat, outcomes) in zip(rounds, outcomes) {
        guard let figures = Self.figures(outcomes) else { continue }
        if figures.allSatisfy({ $0.served.rejected.isEmpty }) {
          try record(heat, outcomes, .common)
        } else {
          open.append((heat, figures))
        }
      }
    }
  }

  private func failUnfair(_ heat: PlannedHeat, _ figures: [PointOutcome.Figures]) throws {
    let list = zip(heat.members, figures).filter { !$1.served.rejected.isEmpty }
      .map { "\($0.label) \($1.served.rejected.count)" }
    let reason =
      list.isEmpty
      ? "outputs were cut at other contexts" : "requests were rejected (\(list.joined(separator: ", ")))"
    let error = "\(reason) and on-reject is fail"
    for member in heat.members {
      results.outcomes[pointKey(heat, member, .whole)] = .failed(error)
      try store.fail([storeKey(heat, member, .whole)], error: error)
    }
  }

  private static func figures(_ outcomes: [StoredOutcome]) -> [PointOutcome.Figures]? {
    var all: [PointOutcome.Figures] = []
    for outcome in outcomes {
      guard case .completed(let figures) = outcome.outcome else { return nil }
      all.append(figures)
    }
    return all
  }

  private static func isFair(_ figures: [PointOutcome.Figures]) -> Bool {
    figures.allSatisfy { $0.served.isComparable(to: figures[0].served) }
  }

  // MARK: - Running

  private struct StoredOutcome: Sendable {
    var outcome: PointOutcome
    /// `nil` for a failed one.
    var run: Int64?
    var longest = LongestRequests()
  }

  /// A manifest, how to run it, and the points that it is for.
  private struct Unit: Sendable {
    var hash: String
    var job: RunJob
    var points: [SweepPointKey]
  }

  /// The outcomes of all members, heat by heat; equal manifests are run once.
  private func run(_ heats: [PlannedHeat], heat kind: HeatKind) throws -> [[StoredOutcome]] {
    var units: [Unit] = []
    var places: [String: Int] = [:]
    let hashes = heats.map { heat in heat.members.map { $0.manifest.hash } }
    for (heat, hashes) in zip(heats, hashes) {
      for (member, hash) in zip(heat.members, hashes) {
        let place: Int
        if let known = places[hash] {
          place = known
        } else {
          place = units.count
          places[hash] = place
          units.append(Unit(hash: hash, job: member.job, points: []))
        }
        if member.job.kept.includes(units[place].job.kept) { units[place].job.kept = member.job.kept }
        // Rounds on the way to a common trace are runs, but no points.
        if kind == .whole { units[place].points.append(storeKey(heat, member, kind)) }
      }
    }
    var known: [String: StoredOutcome] = [:]
    var missing: [Unit] = []
    for unit in units {
      if !force, let run = try store.completedRun(manifestHash: unit.hash, with: unit.job.kept),
        let outcome = try PointOutcome(run, in: store)
      {
        known[unit.hash] = StoredOutcome(
          outcome: outcome, run: run.id,
          longest: try run.requests?.longest ?? store.longestRequests(run: run.id))
      } else {
        missing.append(unit)
      }
    }
    reused += known.count
    made += missing.count
    progress.expect(missing.count)
    let found = Mutex(known)
    let (store, progress, force) = (store, progress, force)
    try forEachInParallel(missing, jobs: jobs) { unit in
      let outcome = try Self.execute(unit, store, force: force)
      found.withLock { $0[unit.hash] = outcome }
      progress.advance()
    }
    let all = found.withLock { $0 }
    return hashes.map { hashes in hashes.map { all[$0]! } }
  }

  /// A run that cannot be finished is an outcome; a database that cannot be written is an error.
  private static func execute(_ unit: Unit, _ store: ResultStore, force: Bool) throws -> StoredOutcome {
    let finished: FinishedRun
    do { finished = try unit.job.run() } catch {
      let text = String(describing: error)
      try store.fail(unit.points, error: text)
      return StoredOutcome(outcome: .failed(text))
    }
    guard finished.manifest.hash == unit.hash else {
      throw CommandFailure(.badData, "\(unit.job.options.source) changed while the study was running")
    }
    let id = try store.keep(finished, for: unit.points, again: force)
    let served = Served(rejected: finished.digest.rejected, finished.result.summary)
    return StoredOutcome(
      outcome: .completed(.init(summary: JSON(finished.result), served: served)), run: id,
      longest: finished.digest.longest)
  }

  // MARK: - Points

  private func record(_ heat: PlannedHeat, _ outcomes: [StoredOutcome], _ kind: HeatKind) throws {
    for (member, outcome) in zip(heat.members, outcomes) {
      results.outcomes[pointKey(heat, member, kind)] = outcome.outcome
      let key = storeKey(heat, member, kind)
      keys.insert(key)
      if let run = outcome.run, stored[key] != run { try store.link([key], to: run) }
      let known = longest[member.measured] ?? LongestRequests()
      longest[member.measured] = LongestRequests(
        prompt: max(known.prompt, outcome.longest.prompt),
        context: max(known.context, outcome.longest.context))
    }
  }

  /// One sentence for each measured range that some run left.
  var extrapolations: [String] {
    longest.flatMap { measured, longest in
      measured.extrapolations(decodeContext: longest.context, prefill: longest.prompt)
    }
    .sorted()
  }

  /// Said if the context of a model decided in some run what was served.
  var contextNote: String? {
    let limited = results.outcomes.values.count { outcome in
      guard case .completed(let figures) = outcome else { return false }
      return ["cut_at_context", "exceeds-context"].contains {
        Metric.number($0, in: figures.summary).map { $0 > 0 } ?? false
      }
    }
    guard limited > 0 else { return nil }
    return
      "in \(grouped(limited)) of \(grouped(results.outcomes.count)) points the context that is served is shorter than the trace: prompts "
      + "were rejected (exceeds-context) or outputs cut; max-model-len serves longer ones"
  }

  private func pointKey(_ heat: PlannedHeat, _ member: PlannedRun, _ kind: HeatKind) -> PointKey {
    PointKey(cell: heat.name.cell, label: member.label, seed: heat.name.seed, heat: kind)
  }

  private func storeKey(_ heat: PlannedHeat, _ member: PlannedRun, _ kind: HeatKind) -> SweepPointKey {
    SweepPointKey(
      sweep: sweep, grid: heat.name.cell.grid, label: member.label, axes: heat.name.cell.axesText,
      seed: heat.name.seed, heat: kind.rawValue)
  }
}
