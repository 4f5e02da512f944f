import Results

/// What changed between two databases of the same studies, or of runs without a study: point by point, over the seeds that
/// both have.
public struct StudyDiff: Sendable {
  /// A contender in a cell, on one heat.
  public struct Name: Hashable, Sendable {
    /// `nil`: of no study.
    public var study: String?
    public var cell: Cell
    public var label: String
    public var heat: HeatKind

    /// "study, cell, label".
    public var text: String {
      (study.map { "\($0), " } ?? "") + "\(cell.text), \(label), \(heat.words)"
    }
  }

  /// A metric of a point before and after.
  public struct Change: Sendable {
    public var name: Name
    public var metric: String
    /// Means over the seeds; `nil` where some seed has no value, as a statistic of nothing.
    public var old: Double?
    public var new: Double?
    /// Half the old 95 % interval; `nil` with one seed.
    public var spread: Double?
    /// What of the manifests differs.
    public var reasons: [String]
  }

  /// Points whose runs have the fingerprints that they had.
  public private(set) var same = 0
  /// Points that changed, no metric by more than its spread.
  public private(set) var within = 0
  /// Points that changed, but none of the metrics has a value before or after.
  public private(set) var withoutValue: [Name] = []
  /// Metrics that moved beyond their spread, and of how many points.
  public private(set) var moved: [Change] = []
  public private(set) var movedPoints = 0
  /// Points that only one of the two has.
  public private(set) var onlyOld: [Name] = []
  public private(set) var onlyNew: [Name] = []
  /// "fits → data-sheet": how bases of points changed, each once.
  public private(set) var unlikeBases: [String] = []

  /// What `where` may name besides grid and seed.
  public private(set) var axes: Set<String> = []

  /// How many points both have.
  public var compared: Int { same + within + movedPoints + withoutValue.count }

  /// Compares `metrics` of the points that `selection` selects.
  public init(old: any StoredStudies, new: any StoredStudies, metrics: [String], selection: Selection) throws
  {
    let areRuns = try old.sweeps().isEmpty && new.sweeps().isEmpty
    let sides =
      areRuns
      ? try Self.runs(in: [old.runs(), new.runs()], selection, &axes)
      : try [Self.points(in: old, selection, &axes), Self.points(in: new, selection, &axes)]
    let (before, after) = (sides[0], sides[1])
    onlyOld = before.keys.filter { after[$0] == nil }.sorted { $0.text < $1.text }
    onlyNew = after.keys.filter { before[$0] == nil }.sorted { $0.text < $1.text }
    for name in before.keys.filter({ after[$0] != nil }).sorted(by: { $0.text < $1.text }) {
      let (old, new) = (before[name]!, after[name]!)
      let pairs = old.keys.filter { new[$0] != nil }.sorted().map { (old[$0]!, new[$0]!) }
      guard !pairs.isEmpty else {
        onlyOld.append(name)
        continue
      }
      compare(name, pairs, metrics)
    }
  }

  private mutating func compare(
    _ name: Name, _ pairs: [(old: StoredRun, new: StoredRun)], _ metrics: [String]
  ) {
    for (old, new) in pairs {
      guard let old = old.result?.mark.text, let new = new.result?.mark.text, old != new else { continue }
      if !unlikeBases.contains("\(old) → \(new)") { unlikeBases.append("\(old) → \(new)") }
    }
    if pairs.allSatisfy({ $0.result?.summary.fingerprint == $1.result?.summary.fingerprint }) {
      same += 1
      return
    }
    let reasons = Self.reasons(pairs)
    var changes: [Change] = []
    var hasValue = false
    for metric in metrics {
      let olds = pairs.map { Self.number(metric, $0.old) }
      let news = pairs.map { Self.number(metric, $0.new) }
      // A statistic of nothing before and after has not moved, and one that came or went has.
      guard olds.contains(where: { $0 != nil }) || news.contains(where: { $0 != nil }) else { continue }
      hasValue = true
      let change = Change(
        name: name, metric: metric, old: Self.mean(olds), new: Self.mean(news),
        spread: PairedInterval(olds.compactMap(\.self))?.halfWidth, reasons: reasons)
      let isMoved =
        if let old = change.old, let new = change.new {
          (new - old).magnitude > change.spread ?? 0
        } else {
          olds.map { $0 == nil } != news.map { $0 == nil }
        }
      if isMoved { changes.append(change) }
    }
    if !changes.isEmpty {
      movedPoints += 1
    } else if hasValue {
      within += 1
    } else {
      withoutValue.append(name)
    }
    moved += changes
  }

  /// The mean of values that are all there.
  private static func mean(_ values: [Double?]) -> Double? {
    let known = values.compactMap(\.self)
    return known.count == values.count ? known.reduce(0, +) / Double(known.count) : nil
  }

  private static func number(_ metric: String, _ run: StoredRun) -> Double? {
    run.result.flatMap { Metric.number(metric, in: JSON($0)) }
  }

  /// Seed → run of every point.
  private static func points(
    in store: any StoredStudies, _ selection: Selection, _ axes: inout Set<String>
  ) throws -> [Name: [Int: StoredRun]] {
    var found: [Name: [Int: StoredRun]] = [:]
    for sweep in try store.sweeps() {
      for point in try store.points(sweep: sweep.id) {
        let cell = Cell(grid: point.key.grid, axesText: try JSON(parsing: point.key.axes))
        axes.formUnion(cell.axes.keys)
        guard let run = point.run, run.result != nil, let heat = HeatKind(rawValue: point.key.heat),
          selection.holds(in: cell), selection.holds(seed: point.key.seed)
        else { continue }
        let name = Name(study: sweep.name, cell: cell, label: point.key.label, heat: heat)
        found[name, default: [:]][point.key.seed] = run
      }
    }
    return found
  }

  /// Seed → run of the completed runs of databases without studies. A run is named by what its manifest says was chosen:
  /// neither version nor constants, which may differ between the databases. Of equal ones in a database the last counts.
  private static func runs(
    in sides: [[StoredRun]], _ selection: Selection, _ axes: inout Set<String>
  ) throws -> [[Name: [Int: StoredRun]]] {
    let described = try sides.map { runs in
      try runs.filter { $0.result != nil }.map { run in
        (run: run, manifest: try JSON(parsing: run.manifest))
      }
    }
    func inputs(_ run: StoredRun, _ manifest: JSON) -> [String: String] {
      var inputs = Manifest.settings(of: manifest).merging(Manifest.options(of: manifest)) { $1 }
      inputs["trace"] = run.trace
      inputs["trace_digest"] = manifest["workload"]?["digest"]?.plain
      return inputs
    }
    let all = described.map { side in side.map { inputs($0.run, $0.manifest) } }
    axes = Set(all.joined().flatMap(\.keys))
    var differing: Set<String> = ["trace"]
    for name in Set(all.joined().flatMap(\.keys)) where name != "trace_digest" {
      if Set(all.joined().map { $0[name] }).count > 1 { differing.insert(name) }
    }
    // Another trace of the same name in the other database is a change; in one and the same it is another run.
    for side in all
    where Set(side.map { [$0["trace"], $0["trace_digest"]] }).count > Set(side.map { $0["trace"] }).count {
      differing.insert("trace_digest")
    }
    return zip(described, all).map { side, inputs in
      var found: [Name: [Int: StoredRun]] = [:]
      for ((run, manifest), inputs) in zip(side, inputs) {
        guard selection.holds(in: Cell(grid: "runs", axes: inputs)), selection.holds(seed: run.seed) else {
          continue
        }
        let cell = Cell(grid: "runs", axes: inputs.filter { differing.contains($0.key) })
        let name = Name(study: nil, cell: cell, label: run.policy, heat: Manifest.heat(of: manifest))
        found[name, default: [:]][run.seed] = run
      }
      return found
    }
  }

  // MARK: - Why

  /// What differs between the manifests of any pair, each once.
  private static func reasons(_ pairs: [(old: StoredRun, new: StoredRun)]) -> [String] {
    var seen: Set<String> = []
    var all: [String] = []
    for (old, new) in pairs {
      guard let a = try? JSON(parsing: old.manifest), let b = try? JSON(parsing: new.manifest) else {
        continue
      }
      for reason in differences(a, b, path: []) where seen.insert(reason).inserted { all.append(reason) }
    }
    return all.isEmpty ? ["nothing in the manifests: the same run gave another result"] : all
  }

  private static func differences(_ a: JSON, _ b: JSON, path: [String]) -> [String] {
    guard a != b else { return [] }
    let keys = Set(a.keys).union(b.keys).sorted()
    guard !keys.isEmpty, !a.keys.isEmpty, !b.keys.isEmpty else {
      return ["\(kind(path)) \(path.joined(separator: ".")): \(a.text) → \(b.text)"]
    }
    return keys.flatMap { differences(a[$0] ?? .null, b[$0] ?? .null, path: path + [$0]) }
  }

  /// What a part of the manifest is to a user.
  private static func kind(_ path: [String]) -> String {
    switch path.first {
    case "program_version", "manifest_version": "version"
    case "hardware", "engine_profile", "model": "cost constant"
    case "workload", "trace", "seed": "requests"
    default: "option"
    }
  }
}
