import Results

/// What changed between two databases of the same studies: point by point, over the seeds that both have.
public struct StudyDiff: Sendable {
  /// A contender in a cell, on one heat.
  public struct Name: Hashable, Sendable {
    public var study: String
    public var cell: Cell
    public var label: String
    public var heat: HeatKind

    /// "study, cell, label".
    public var text: String {
      "\(study), \(cell.text), \(label)" + (heat == .common ? ", common trace" : "")
    }
  }

  /// A metric of a point before and after.
  public struct Change: Sendable {
    public var name: Name
    public var metric: String
    /// Means over the seeds.
    public var old: Double
    public var new: Double
    /// Half the old 95 % interval; `nil` with one seed.
    public var spread: Double?
    /// What of the manifests differs.
    public var reasons: [String]
  }

  /// Points whose runs have the fingerprints that they had.
  public private(set) var same = 0
  /// Points that changed, no metric by more than its spread.
  public private(set) var within = 0
  /// Metrics that moved beyond their spread, and of how many points.
  public private(set) var moved: [Change] = []
  public private(set) var movedPoints = 0
  /// Points that only one of the two has.
  public private(set) var onlyOld: [Name] = []
  public private(set) var onlyNew: [Name] = []

  /// Compares `metrics` of the points that `selection` selects.
  public init(old: any StoredStudies, new: any StoredStudies, metrics: [String], selection: Selection) throws
  {
    let before = try Self.points(in: old, selection)
    let after = try Self.points(in: new, selection)
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
    if pairs.allSatisfy({ $0.result?.summary.fingerprint == $1.result?.summary.fingerprint }) {
      same += 1
      return
    }
    let reasons = Self.reasons(pairs)
    var changes: [Change] = []
    for metric in metrics {
      let olds = pairs.compactMap { Self.number(metric, $0.old) }
      let news = pairs.compactMap { Self.number(metric, $0.new) }
      guard olds.count == pairs.count, news.count == pairs.count else { continue }
      let n = Double(pairs.count)
      let change = Change(
        name: name, metric: metric, old: olds.reduce(0, +) / n, new: news.reduce(0, +) / n,
        spread: PairedInterval(olds)?.halfWidth, reasons: reasons)
      if (change.new - change.old).magnitude > change.spread ?? 0 { changes.append(change) }
    }
    if changes.isEmpty { within += 1 } else { movedPoints += 1 }
    moved += changes
  }

  private static func number(_ metric: String, _ run: StoredRun) -> Double? {
    run.result.flatMap { Metric.find(metric, in: JSON($0))?.number }
  }

  /// Seed → run of every point.
  private static func points(
    in store: any StoredStudies, _ selection: Selection
  ) throws -> [Name: [Int: StoredRun]] {
    var found: [Name: [Int: StoredRun]] = [:]
    for sweep in try store.sweeps() {
      for point in try store.points(sweep: sweep.id) {
        let cell = Cell(grid: point.key.grid, axesText: try JSON(parsing: point.key.axes))
        guard let run = point.run, run.result != nil, let heat = HeatKind(rawValue: point.key.heat),
          selection.holds(in: cell), selection.holds(seed: point.key.seed)
        else { continue }
        let name = Name(study: sweep.name, cell: cell, label: point.key.label, heat: heat)
        found[name, default: [:]][point.key.seed] = run
      }
    }
    return found
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
