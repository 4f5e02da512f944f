import Results
import Sim
import Studies
import Synchronization
import Workloads

/// A study with every point checked: what is to be run, and under which manifest.
package struct SweepPlan {
  package let study: Study
  /// Of all grids, those of the shard.
  package private(set) var heats: [PlannedHeat] = []
  /// What users should know, each sentence once.
  package private(set) var warnings: [String] = []
  /// What is to be known of the traces, each sentence once.
  package private(set) var notes: [String] = []
  package private(set) var unvalidated: [String] = []
  /// The points of other shards.
  package private(set) var elsewhere: [StudyPoint] = []
  /// Options that name each file that some run reads.
  package private(set) var fileOptions: [RunOptions] = []

  /// Makes the options, plan and workload of every point of the shard, and nothing else, on so many threads at most. Throws
  /// at the first that cannot be run.
  package init(_ study: Study, path: String, shard: Shard = .whole, jobs: Int = 1) throws {
    self.study = study
    try study.check(.ofRuns)
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
    var said: Set<String> = []
    var files: Set<String> = []
    var recipes: [String: WorkloadSpec] = [:]
    var workloads: [String: Result<NamedWorkload, any Error>] = [:]
    var sharers: [IdleOption.Sharer] = []
    var knownSharers: Set<IdleOption.Sharer> = []
    let share = shard.share(of: study.heats)
    for grid in study.grids {
      var places: [HeatName: Int] = [:]
      let all = grid.points
      // The seeds of a contender follow each other: their options and their plan are the same.
      for start in stride(from: 0, to: all.count, by: grid.seeds.count) {
        let seeds = all[start..<(start + grid.seeds.count)]
        elsewhere += seeds.filter { !share.contains(HeatName(cell: $0.cell, seed: $0.seed)) }
        let points = seeds.filter { share.contains(HeatName(cell: $0.cell, seed: $0.seed)) }
        guard let first = points.first else { continue }
        let options = try first.runOptions(folder: folder)
        var job = RunJob(policy: first.contender.policy, options: options, seed: first.seed, kept: grid.kept)
        let plan: RunPlan
        var drafts: [Draft] = []
        do {
          job.recipe = try Self.recipe(options.source, &recipes)
          drafts = points.map { Draft(point: $0, job: job) }
          plan = try job.plan {
            // One plan for all seeds, in all shards.
            if job.recipe != nil, seeds.contains(where: { $0.seed > 0 }) { return nil }
            Self.load(drafts, jobs: jobs, &workloads)
            return try workloads[drafts[0].workloadKey]!.get().longest
          }
        } catch {
          throw PointError(first, error)
        }
        let known = files.count
        files.formUnion([options.source, options.model, options.hardware])
        if files.count > known { fileOptions.append(options) }
        for warning in plan.warnings where said.insert(warning).inserted { warnings.append(warning) }
        for sentence in plan.unvalidated where said.insert(sentence).inserted { unvalidated.append(sentence) }

        Self.load(drafts, jobs: jobs, &workloads)
        for draft in drafts {
          let named: NamedWorkload
          do { named = try workloads[draft.workloadKey]!.get() } catch {
            throw PointError(draft.point, error)
          }
          let workload = named.workload(seed: draft.job.seed)
          // The two names that a setting may have on the command line.
          let given = draft.point.settings.flatMap { ["--\($0.key)", "--option \($0.key)"] }
          let sharer = IdleOption.Sharer(plan.idle + named.idle, given: Set(given))
          if knownSharers.insert(sharer).inserted { sharers.append(sharer) }
          for warning in named.warnings where said.insert(warning).inserted { warnings.append(warning) }
          for note in named.notes where said.insert(note).inserted { notes.append(note) }
          let name = HeatName(cell: draft.point.cell, seed: draft.point.seed)
          if places[name] == nil {
            places[name] = heats.count
            heats.append(PlannedHeat(name: name, onReject: grid.onReject))
          }
          heats[places[name]!].members.append(
            PlannedRun(
              label: draft.point.contender.label, job: draft.job, manifest: plan.manifest(workload),
              workload: workload, measured: plan.measured))
        }
      }
    }
    try requireCommonRequests()
    warnings = IdleOption.sentences(IdleOption.inAll(sharers)) + warnings
  }

  /// All contenders of a heat must replay the same requests, or nothing could be compared.
  private func requireCommonRequests() throws {
    for heat in heats {
      guard
        let odd = heat.members.first(where: { $0.workload.manifest != heat.members[0].workload.manifest }),
        let contender = study.grids.first(where: { $0.name == heat.name.cell.grid })?.contenders
          .first(where: { $0.label == odd.label })
      else { continue }
      throw StudyError(
        contender.place, found: "\(odd.label) replays other requests than \(heat.members[0].label)",
        expected: "one trace for all contenders of a cell: set what changes it in options or an axis")
    }
  }

  private static func recipe(_ trace: String, _ known: inout [String: WorkloadSpec]) throws -> WorkloadSpec? {
    guard GeneratedTrace.isRecipe(trace) else { return nil }
    if let spec = known[trace] { return spec }
    let spec = try GeneratedTrace.spec(trace)
    known[trace] = spec
    return spec
  }

  /// Loads the workloads that are not known yet; each trace is read once here, and again where it is run.
  private static func load(
    _ drafts: [Draft], jobs: Int, _ known: inout [String: Result<NamedWorkload, any Error>]
  ) {
    var keys: Set<String> = []
    let missing = drafts.filter { known[$0.workloadKey] == nil && keys.insert($0.workloadKey).inserted }
    let found = Mutex<[String: Result<NamedWorkload, any Error>]>([:])
    // Nothing is thrown: a workload that cannot be loaded is the error of the first point that asks for it.
    try? forEachInParallel(missing, jobs: jobs) { draft in
      let workload = Result { try NamedWorkload(draft) }
      found.withLock { $0[draft.workloadKey] = workload }
    }
    known.merge(found.withLock { $0 }) { $1 }
  }
}

/// A point whose options are known.
private struct Draft: Sendable {
  var point: StudyPoint
  var job: RunJob

  init(point: StudyPoint, job: RunJob) {
    (self.point, self.job) = (point, job)
    self.job.seed = point.seed
  }

  /// Equal for points that replay the same requests.
  var workloadKey: String {
    let settings = point.settings.filter { Vocabulary.ofWorkloads.contains($0.key) }
    return "\(redraw) " + settings.map { "\($0.key)=\($0.value)" }.joined(separator: "\n")
  }

  /// A redraw of a file is named by its seed alone, if it can be redrawn; what is generated anew has its own digest.
  var redraw: Int {
    job.recipe == nil && !job.options.prefixCaching && !job.options.closedLoop ? 0 : job.seed
  }
}

/// What names a workload, without its requests.
private struct NamedWorkload: Sendable {
  private let name: String
  private let manifest: JSON
  private let requests: Int
  private let isClosedLoop: Bool
  let longest: Int?
  let notes: [String]
  let warnings: [String]
  let idle: [IdleOption]

  init(_ draft: Draft) throws {
    let whole = try Workload.load(draft.job.options, seed: draft.redraw, recipe: draft.job.recipe)
    (name, manifest) = (whole.name, whole.manifest)
    (requests, isClosedLoop, longest) = (whole.requests, whole.isClosedLoop, whole.longest)
    (notes, warnings, idle) = (whole.notes, whole.warnings, whole.idle)
  }

  func workload(seed: Int) -> Workload {
    Workload(name: name, seed: seed, manifest: manifest, requests: requests, isClosedLoop: isClosedLoop) {
      throw CommandFailure(.runFailed, "this workload is not to be replayed")
    }
  }
}

/// A cell and a seed: its contenders replay the same requests.
package struct HeatName: Hashable, Sendable {
  package var cell: Cell
  package var seed: Int
}

extension Study {
  /// All heats, once each.
  package var heats: [HeatName] {
    grids.flatMap { grid in
      grid.rows.flatMap { row in grid.seeds.map { HeatName(cell: row.cell, seed: $0) } }
    }
  }
}

/// All contenders of a heat.
package struct PlannedHeat {
  package var name: HeatName
  package var onReject: OnReject
  package var members: [PlannedRun] = []
}

/// A contender in a heat.
package struct PlannedRun {
  package var label: String
  package var job: RunJob
  package var manifest: Manifest
  /// Names the requests; cannot be opened.
  package var workload: Workload
  package var measured: MeasuredRange

  /// The same on fewer requests; `nil` if none is left.
  package func dropping(_ ids: [Int]) throws -> PlannedRun? {
    guard let rest = try workload.dropping(ids) else { return nil }
    var run = self
    run.workload = rest
    run.job.dropped = rest.dropped
    run.manifest.workload = rest.manifest
    return run
  }
}
