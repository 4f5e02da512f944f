import Results

extension StudyResults {
  /// The completed runs of a database that no sweep made, as one grid called `runs`.
  ///
  /// Contenders are policies, with those of their options that differ between runs of one policy. Axes are `trace`, what was
  /// given and differs (`nodes`, `rate_scale`, …), and whatever else differs between runs of one contender, by its last key.
  /// What has one name and another content is called by name and digest.
  /// Runs on the requests that all contenders complete are the common heat. Of equal points the last one counts.
  public init(runs: [StoredRun], in store: any StoredStudies) throws {
    var described: [DescribedRun] = []
    for run in runs {
      guard let outcome = try PointOutcome(run, in: store) else { continue }
      described.append(DescribedRun(run, outcome, try JSON(parsing: run.manifest)))
    }
    DescribedRun.tellApart(&described)
    func differing(_ part: (DescribedRun) -> [String: String], by key: (DescribedRun) -> String) -> [String] {
      // What is not there is a value too.
      let names = Set(described.flatMap { part($0).keys })
      let groups = Dictionary(grouping: described, by: key).values
      return names.filter { name in groups.contains { Set($0.map { part($0)[name] }).count > 1 } }.sorted()
    }
    let options = differing(\.options) { $0.run.policy }
    for index in described.indices {
      let own = options.compactMap { name in described[index].options[name].map { "\(name)=\($0)" } }
      described[index].label = ([described[index].run.policy] + own).joined(separator: " ")
    }
    // What a policy decides for itself may differ between contenders, what it is given may not.
    let given = differing({ run in run.settings.filter { run.given.contains($0.key) } }) { _ in "" }
    let names = Set(differing(\.settings) { $0.label } + given).sorted()
    var cells: [Cell] = []
    var outcomes: [PointKey: PointOutcome] = [:]
    var ids: [PointKey: Int64] = [:]
    for run in described {
      var axes = ["trace": run.trace]
      for name in names { axes[name] = run.settings[name] ?? "none" }
      let cell = Cell(grid: "runs", axes: axes)
      if !cells.contains(cell) { cells.append(cell) }
      let key = PointKey(cell: cell, label: run.label, seed: run.run.seed, heat: run.heat)
      outcomes[key] = run.outcome
      ids[key] = run.run.id
    }
    let place = Place(path: store.path)
    let axes = (["trace"] + names.filter { $0 != "trace" }).map { name in
      Axis(
        name: name, place: place,
        values: Self.unique(cells.compactMap { $0.axes[name] }).map { .init(name: $0, settings: []) })
    }
    let contenders = Self.unique(described.map(\.label)).map { label in
      Contender(
        label: label, policy: described.first { $0.label == label }?.run.policy ?? label, options: [],
        place: place)
    }
    let grid = Grid(
      name: "runs", place: place, baseline: contenders.first?.label ?? "",
      seeds: Self.unique(described.map(\.run.seed)).sorted(), kept: .all, onReject: .common, options: [],
      axes: axes, contenders: contenders, expectations: [])
    self.init(
      study: Study(name: "runs", question: "", grids: [grid], expectations: [], text: ""), outcomes: outcomes)
    self.runs = ids
  }

  private static func unique<Element: Hashable>(_ elements: [Element]) -> [Element] {
    var seen: Set<Element> = []
    return elements.filter { seen.insert($0).inserted }
  }
}

/// A run and what of its manifest may tell it from others.
private struct DescribedRun {
  var run: StoredRun
  var outcome: PointOutcome
  var heat: HeatKind
  var label = ""
  /// Options of the policy.
  var options: [String: String] = [:]
  /// Everything else but the names of trace and policy.
  var settings: [String: String] = [:]
  /// Those that a policy has no say in.
  var given: Set<String>
  var trace: String
  /// Digests of what is called by a name.
  private var digests: [String: String] = [:]

  init(_ run: StoredRun, _ outcome: PointOutcome, _ manifest: JSON) {
    (self.run, self.outcome, trace) = (run, outcome, run.trace)
    heat = Manifest.heat(of: manifest)
    options = Manifest.options(of: manifest)
    settings = Manifest.settings(of: manifest)
    digests["trace"] = manifest["workload"]?["digest"]?.plain
    given = Set(manifest["workload"]?.keys ?? []).union(settings.keys.filter { $0.hasPrefix("slo_") })
      .union(Manifest.named)
      .union(["nodes", "gpus_per_node", "kind", "max_model_len", "prefix_caching", "block_size", "faults"])
    settings["program_version"] = manifest["program_version"]?.plain
    for part in Manifest.named {
      // Hardware repeats the engine's profile, which is a part of its own.
      guard case .object(let members)? = manifest[part] else { continue }
      digests[part] = JSON.object(members.filter { $0.key != "engine" }).digest
    }
  }

  /// Adds digests to names that stand for several contents.
  static func tellApart(_ runs: inout [DescribedRun]) {
    for part in ["trace"] + Manifest.named {
      func name(_ run: DescribedRun) -> String? { part == "trace" ? run.trace : run.settings[part] }
      let contents = Dictionary(grouping: runs.filter { $0.digests[part] != nil }) { name($0) }
        .mapValues { Set($0.map { $0.digests[part]! }) }
      for index in runs.indices {
        guard let known = name(runs[index]), let digest = runs[index].digests[part],
          contents[known]!.count > 1
        else { continue }
        let told = "\(known) \(digest.prefix(8))"
        if part == "trace" { runs[index].trace = told } else { runs[index].settings[part] = told }
      }
    }
  }
}

extension Manifest {
  package static func heat(of manifest: JSON) -> HeatKind {
    manifest["workload"]?["dropped"] == nil ? .whole : .common
  }

  /// The options of the policy.
  static func options(of manifest: JSON) -> [String: String] {
    var options: [String: String] = [:]
    for name in manifest["policy_options"]?.keys ?? [] {
      options[name] = manifest["policy_options"]?[name]?.plain
    }
    return options
  }

  /// What else was chosen but policy and trace, by last keys: not the constants, which come with the names.
  static func settings(of manifest: JSON) -> [String: String] {
    var settings: [String: String] = [:]
    for part in ["cluster", "engine", "workload"] {
      for name in manifest[part]?.keys ?? [] where !["digest", "dropped"].contains(name) {
        // A link is called by its name.
        settings[name] = (manifest[part]?[name]?["name"] ?? manifest[part]?[name])?.plain
      }
    }
    for part in named { settings[part] = manifest[part]?["name"]?.plain }
    for bound in manifest["slo"]?.keys ?? [] { settings["slo_\(bound)"] = manifest["slo"]?[bound]?.plain }
    for part in ["faults", "managers"] { settings[part] = manifest[part]?.plain }
    return settings
  }

  /// What is called by its name.
  static let named = ["model", "hardware", "engine_profile"]
}

extension JSON {
  /// A scalar as a name; compound values as their canonical text.
  var plain: String {
    switch self {
    case .string(let text): text
    case .null: "none"
    default: canonical.text
    }
  }
}
