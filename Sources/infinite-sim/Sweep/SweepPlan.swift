import Results
import Sim
import Studies
import Workloads

/// A study with every point checked: what is to be run, and under which manifest.
struct SweepPlan {
  let study: Study
  /// Of all grids, those of the shard.
  private(set) var heats: [PlannedHeat] = []
  /// What users should know, each sentence once.
  private(set) var warnings: [String] = []
  private(set) var unvalidated: [String] = []
  /// The points of other shards.
  private(set) var elsewhere: [StudyPoint] = []
  /// Options that name each file that some run reads.
  private(set) var fileOptions: [RunOptions] = []

  /// Makes the options, plan and workload of every point of the shard, and nothing else. Throws at the first that
  /// cannot be run.
  init(_ study: Study, path: String, shard: Shard = .whole) throws {
    self.study = study
    try study.check(.ofRuns)
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
    var said: Set<String> = []
    var files: Set<String> = []
    var workloads: [String: Workload] = [:]
    var recipes: [String: WorkloadSpec] = [:]
    let share = shard.share(of: study.heats)
    for grid in study.grids {
      var heats: [HeatName: PlannedHeat] = [:]
      var order: [HeatName] = []
      for point in grid.points {
        let name = HeatName(cell: point.cell, seed: point.seed)
        guard share.contains(name) else {
          elsewhere.append(point)
          continue
        }
        var heat: PlannedHeat
        if let known = heats[name] {
          heat = known
        } else {
          order.append(name)
          heat = PlannedHeat(name: name, onReject: grid.onReject)
        }
        var job = RunJob(
          policy: point.contender.policy, options: try point.runOptions(folder: folder), seed: point.seed,
          kept: grid.kept)
        do {
          let plan = try job.plan()
          let (options, known) = (job.options, files.count)
          files.formUnion([options.trace, options.model, options.hardware])
          if files.count > known { fileOptions.append(options) }
          job.recipe = try Self.recipe(job.options.trace, &recipes)
          let workload = try Self.workload(of: point, job, &workloads)
          heat.members.append(
            PlannedRun(
              label: point.contender.label, job: job, manifest: plan.manifest(workload), workload: workload,
              measured: plan.measured))
          for warning in plan.warnings where said.insert(warning).inserted { warnings.append(warning) }
          for sentence in plan.unvalidated where said.insert(sentence).inserted {
            unvalidated.append(sentence)
          }
        } catch {
          throw PointError(point, error)
        }
        heats[name] = heat
      }
      self.heats += order.map { heats[$0]! }
    }
    try requireCommonRequests()
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

  /// The workload that the point's manifest names; each trace is read once here, and again where it is run.
  private static func workload(
    of point: StudyPoint, _ job: RunJob, _ known: inout [String: Workload]
  ) throws -> Workload {
    let settings = point.settings.filter { Vocabulary.ofWorkloads.contains($0.key) }
    // A redraw of a file is named by its seed alone, if it can be redrawn; what is generated anew has its own digest.
    let isNamedBySeed = job.recipe == nil && !job.options.prefixCaching && !job.options.closedLoop
    let seed = isNamedBySeed ? 0 : job.seed
    let key = "\(seed) " + settings.map { "\($0.key)=\($0.value)" }.joined(separator: "\n")
    var workload: Workload
    if let found = known[key] {
      workload = found
    } else {
      workload = try Workload.load(job.options, seed: seed, recipe: job.recipe)
      // Only what names it is kept.
      workload.open = { throw CommandFailure(.runFailed, "this workload is not to be replayed") }
      known[key] = workload
    }
    workload.seed = job.seed
    return workload
  }
}

/// A cell and a seed: its contenders replay the same requests.
struct HeatName: Hashable, Sendable {
  var cell: Cell
  var seed: Int
}

extension Study {
  /// All heats, once each.
  var heats: [HeatName] {
    grids.flatMap { grid in
      grid.rows.flatMap { row in grid.seeds.map { HeatName(cell: row.cell, seed: $0) } }
    }
  }
}

/// All contenders of a heat.
struct PlannedHeat {
  var name: HeatName
  var onReject: OnReject
  var members: [PlannedRun] = []
}

/// A contender in a heat.
struct PlannedRun {
  var label: String
  var job: RunJob
  var manifest: Manifest
  /// Names the requests; cannot be opened.
  var workload: Workload
  var measured: MeasuredRange

  /// The same on fewer requests; `nil` if none is left.
  func dropping(_ ids: [Int]) throws -> PlannedRun? {
    guard let rest = try workload.dropping(ids) else { return nil }
    var run = self
    run.workload = rest
    run.job.dropped = rest.dropped
    run.manifest.workload = rest.manifest
    return run
  }
}
