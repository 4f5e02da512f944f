import Foundation
import Sim
import Yams

/// Reads a `WorkloadSpec` from YAML, strictly: an unknown key, a missing one or a value out of range is an error
/// with its line. docs/workloads.md lists all keys.
public enum GeneratorYAML {
  /// Reads the file at `path`; paths in it are relative to its folder. Throws `missing`, `unreadable` or
  /// `malformed`.
  public static func read(path: String) throws(TraceError) -> WorkloadSpec {
    try parse(try text(path: path), path: path)
  }

  private static func text(path: String) throws(TraceError) -> String {
    guard FileManager.default.fileExists(atPath: path) else { throw .missing(path: path) }
    guard let data = FileManager.default.contents(atPath: path) else {
      throw .unreadable(path: path, reason: "it is no file that can be read")
    }
    guard data.count <= 16_777_216, let text = String(data: data, encoding: .utf8) else {
      throw .malformed(
        path: path, line: 1, column: nil, found: "no UTF-8 text of at most 16 MB", expected: "YAML")
    }
    return text
  }

  /// The other files that the generator at `path` reads, as far as it can be read itself.
  package static func inputs(path: String) -> [String] {
    guard let text = try? text(path: path), let top = try? Yams.compose(yaml: text) else { return [] }
    // A file whose aliases stand for more than this is refused when it is read.
    var (nodes, left, found) = ([top], 10_000, [] as [String])
    while left > 0, let node = nodes.popLast() {
      left -= 1
      nodes += node.mapping.map { Array($0.values) } ?? node.sequence.map { Array($0) } ?? []
      if let file = node.mapping?["path"]?.string { found.append(whole(file, beside: path)) }
    }
    return found
  }

  /// The path of a file that the generator at `path` names.
  static func whole(_ file: String, beside path: String) -> String {
    let folder = path.lastIndex(of: "/").map { path[...$0] } ?? ""
    return file.hasPrefix("/") ? file : folder + file
  }

  /// Reads `text`, which is called `path` in errors.
  package static func parse(_ text: String, path: String) throws(TraceError) -> WorkloadSpec {
    let node: Node?
    do { node = try Yams.compose(yaml: text) } catch {
      var line = 1
      if let error = error as? YamlError {
        switch error {
        case .scanner(_, _, let mark, _), .parser(_, _, let mark, _), .composer(_, _, let mark, _):
          line = mark.line
        case .duplicatedKeysInMapping(_, let context): line = context.mark.line
        default: break
        }
      }
      let found = "\(error)".split(separator: "\n").joined(separator: " ").prefix(200)
      throw .malformed(path: path, line: line, column: nil, found: "\(found)", expected: "YAML")
    }
    guard let node else {
      throw .malformed(path: path, line: 1, column: nil, found: "nothing", expected: "a generator")
    }
    let reader = YAMLReader(path: path)
    return try reader.spec(try reader.map(node, ""))
  }
}

/// A mapping whose keys are taken one by one.
private struct YAMLMap {
  var node: Node
  var name: String
  var values: [String: Node]
  var order: [String]
}

private struct YAMLReader {
  let path: String

  func fault(_ node: Node, _ name: String, _ found: String, _ expected: String) -> TraceError {
    .malformed(
      path: path, line: node.mark?.line ?? 1, column: name.isEmpty ? nil : name, found: found,
      expected: expected)
  }

  func map(_ node: Node, _ name: String) throws(TraceError) -> YAMLMap {
    guard let mapping = node.mapping else { throw fault(node, name, "no mapping", "keys and values") }
    var values: [String: Node] = [:]
    var order: [String] = []
    for (key, value) in mapping {
      guard let word = key.string, values[word] == nil else {
        throw fault(key, name, "a key that is no word or there twice", "each key once")
      }
      values[word] = value
      order.append(word)
    }
    return YAMLMap(node: node, name: name, values: values, order: order)
  }

  /// Throws unless every key is one of `known`.
  func require(_ map: YAMLMap, only known: [String]) throws(TraceError) {
    for key in map.order where !known.contains(key) {
      let value = map.values[key]!
      throw fault(
        value, join(map.name, key), "an unknown key", "one of \(known.joined(separator: ", "))")
    }
  }

  func join(_ a: String, _ b: String) -> String { a.isEmpty ? b : "\(a).\(b)" }

  func number(
    _ map: YAMLMap, _ key: String, _ range: ClosedRange<Double>, default fallback: Double? = nil
  ) throws(TraceError) -> Double {
    guard let node = map.values[key] else {
      if let fallback { return fallback }
      throw fault(map.node, join(map.name, key), "no such key", "a number from \(range.lowerBound) on")
    }
    return try number(node, join(map.name, key), range)
  }

  func number(_ node: Node, _ name: String, _ range: ClosedRange<Double>) throws(TraceError) -> Double {
    guard let text = node.scalar?.string, let value = Double(text), value.isFinite, range.contains(value)
    else {
      throw fault(
        node, name, quoted((node.scalar?.string ?? "no number").utf8),
        "a number from \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }

  func integer(
    _ map: YAMLMap, _ key: String, _ range: ClosedRange<Int>, default fallback: Int? = nil
  ) throws(TraceError) -> Int {
    guard let node = map.values[key] else {
      if let fallback { return fallback }
      throw fault(map.node, join(map.name, key), "no such key", "a whole number from \(range.lowerBound) on")
    }
    guard let text = node.scalar?.string, let value = Int(text), range.contains(value) else {
      throw fault(
        node, join(map.name, key), quoted((node.scalar?.string ?? "no number").utf8),
        "a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }

  func word(_ map: YAMLMap, _ key: String, default fallback: String? = nil) throws(TraceError) -> String {
    guard let node = map.values[key] else {
      if let fallback { return fallback }
      throw fault(map.node, join(map.name, key), "no such key", "a word")
    }
    guard let text = node.scalar?.string, !text.isEmpty, text.utf8.count <= 100 else {
      throw fault(node, join(map.name, key), "no word", "a word of at most 100 bytes")
    }
    return text
  }

  func list(_ map: YAMLMap, _ key: String) throws(TraceError) -> [Node] {
    guard let node = map.values[key], let sequence = node.sequence, !sequence.isEmpty else {
      throw fault(map.values[key] ?? map.node, join(map.name, key), "no list", "a list that is not empty")
    }
    return Array(sequence)
  }

  // MARK: The workload

  static let classKeys = ["name", "arrivals", "prompt", "output", "correlation", "slo", "sessions"]

  func spec(_ map: YAMLMap) throws(TraceError) -> WorkloadSpec {
    let seed = UInt64(try integer(map, "seed", 0...(1 << 53), default: 0))
    let top = ["seed", "requests", "duration_s"]
    var classes: [RequestClass] = []
    if map.values["classes"] != nil {
      try require(map, only: top + ["classes"])
      for (index, node) in try list(map, "classes").enumerated() {
        let kind = try self.map(node, "classes[\(index)]")
        try require(kind, only: Self.classKeys)
        let name = try word(kind, "name")
        guard !classes.contains(where: { $0.name == name }) else {
          throw fault(node, kind.name + ".name", quoted(name.utf8), "a name that no class above has")
        }
        classes.append(try requestClass(kind, name))
      }
    } else {
      try require(map, only: top + Self.classKeys)
      classes = [try requestClass(map, try word(map, "name", default: "all"))]
    }
    let requests =
      map.values["requests"] == nil
      ? nil : try integer(map, "requests", 1...WorkloadSpec.maximumRequests)
    let duration = map.values["duration_s"] == nil ? nil : try number(map, "duration_s", 1e-6...8_640_000)
    guard requests != nil || duration != nil else {
      throw fault(map.node, "requests", "no end", "requests or duration_s")
    }
    if requests == nil {
      for kind in classes {
        if case .open(let process) = kind.source, case .together = process.pattern {
          throw fault(map.node, "requests", "no such key", "a number of requests that arrive together")
        }
        if case .closed(_, let think, let service) = kind.source, service == 0, think.value(at: 0.5) <= 0 {
          throw fault(map.node, "requests", "no such key", "an end for users who never wait")
        }
      }
    }
    return WorkloadSpec(seed: seed, requests: requests, duration: duration, classes: classes)
  }

  private func requestClass(_ map: YAMLMap, _ name: String) throws(TraceError) -> RequestClass {
    var slo = SLO()
    if let node = map.values["slo"] {
      let bounds = try self.map(node, join(map.name, "slo"))
      try require(bounds, only: ["ttft_s", "tpot_s"])
      if bounds.values["ttft_s"] != nil { slo.ttftSeconds = try number(bounds, "ttft_s", 1e-6...1e6) }
      if bounds.values["tpot_s"] != nil { slo.tpotSeconds = try number(bounds, "tpot_s", 1e-6...1e6) }
    }
    var sessions: SessionSpec?
    if let node = map.values["sessions"] {
      let talk = try self.map(node, join(map.name, "sessions"))
      try require(talk, only: ["turns", "think_s", "service_s", "max_prompt"])
      sessions = SessionSpec(
        turns: try distribution(talk, "turns", default: .fixed(1)),
        think: try distribution(talk, "think_s", default: .fixed(0)),
        service: try number(talk, "service_s", 0...1e6, default: 0),
        maximumPrompt: try integer(
          talk, "max_prompt", 1...RowRules.maximumTokens, default: RowRules.maximumTokens))
    }
    return RequestClass(
      name: name, source: try source(map), prompt: try distribution(map, "prompt"),
      output: try distribution(map, "output"),
      correlation: try number(map, "correlation", -1...1, default: 0), slo: slo, sessions: sessions)
  }

  // MARK: Arrivals

  private func source(_ parent: YAMLMap) throws(TraceError) -> RequestClass.Source {
    let name = join(parent.name, "arrivals")
    guard let node = parent.values["arrivals"] else {
      throw fault(parent.node, name, "no such key", "an arrival process")
    }
    let map = try self.map(node, name)
    let process = try word(map, "process", default: "poisson")
    if process == "closed-loop" {
      try require(map, only: ["process", "users", "think_s", "service_s"])
      return .closed(
        users: try integer(map, "users", 1...1_000_000),
        think: try distribution(map, "think_s", default: .fixed(0)),
        service: try number(map, "service_s", 0...1e6, default: 0))
    }
    let patterns = ["rate", "on_off", "diurnal", "steps", "ramp", "modulated"]
    var gaps = ArrivalProcess.Gaps.exponential
    var shape: [String] = []
    switch process {
    case "poisson": break
    case "fixed": gaps = .fixed
    case "gamma":
      gaps = .gamma(cv: try number(map, "cv", ArrivalProcess.cvs))
      shape = ["cv"]
    case "weibull":
      gaps = .weibull(shape: try number(map, "shape", ArrivalProcess.shapes))
      shape = ["shape"]
    case "together":
      try require(map, only: ["process"])
      return .open(.together)
    default:
      throw fault(
        map.values["process"] ?? node, name + ".process", quoted(process.utf8),
        "poisson, gamma, weibull, fixed, together or closed-loop")
    }
    try require(map, only: ["process", "quantum_s"] + shape + patterns)
    let given = patterns.filter { map.values[$0] != nil }
    guard given.count == 1 else {
      throw fault(node, name, "\(given.count) rates", "exactly one of \(patterns.joined(separator: ", "))")
    }
    let pattern = try pattern(map, given[0])
    let quantum = try number(map, "quantum_s", 0...86_400, default: 0)
    return .open(ArrivalProcess(gaps: gaps, pattern: pattern, quantum: quantum))
  }

  private func pattern(_ map: YAMLMap, _ key: String) throws(TraceError) -> ArrivalProcess.Pattern {
    let rates = ArrivalProcess.rates
    let orNone = 0...rates.upperBound
    if key == "rate" { return .constant(rate: try number(map, key, rates)) }
    let node = map.values[key]!
    let name = join(map.name, key)
    if key == "steps" {
      var steps: [ArrivalProcess.Step] = []
      for (index, entry) in try list(map, key).enumerated() {
        let step = try self.map(entry, "\(name)[\(index)]")
        try require(step, only: ["at_s", "rate"])
        let start = try number(step, "at_s", 0...8_640_000)
        guard index == 0 ? start == 0 : start > steps[index - 1].start else {
          throw fault(entry, step.name + ".at_s", "\(start)", "0 first, then ever later seconds")
        }
        steps.append(ArrivalProcess.Step(start: start, rate: try number(step, "rate", orNone)))
      }
      guard steps.contains(where: { $0.rate > 0 }) else {
        throw fault(node, name, "only rates of 0", "a rate above 0")
      }
      return .steps(steps)
    }
    let inner = try self.map(node, name)
    switch key {
    case "on_off":
      try require(inner, only: ["on_rate", "off_rate", "on_s", "off_s"])
      return .onOff(
        onRate: try number(inner, "on_rate", rates),
        offRate: try number(inner, "off_rate", orNone, default: 0),
        on: try number(inner, "on_s", 1e-3...1e6), off: try number(inner, "off_s", 1e-3...1e6))
    case "diurnal":
      try require(inner, only: ["rate", "amplitude", "period_s"])
      return .diurnal(
        rate: try number(inner, "rate", rates), amplitude: try number(inner, "amplitude", 0...1),
        period: try number(inner, "period_s", 1...8_640_000, default: 86_400))
    case "ramp":
      try require(inner, only: ["from", "to", "over_s"])
      let (first, last) = (try number(inner, "from", orNone), try number(inner, "to", orNone))
      guard first > 0 || last > 0 else { throw fault(node, name, "only rates of 0", "a rate above 0") }
      return .ramp(from: first, to: last, over: try number(inner, "over_s", 1e-3...8_640_000))
    default:
      try require(inner, only: ["rate", "scales"])
      var scales: [ArrivalProcess.Scale] = []
      for (index, entry) in try list(inner, "scales").enumerated() {
        let scale = try self.map(entry, "\(name).scales[\(index)]")
        try require(scale, only: ["every_s", "cv"])
        scales.append(
          ArrivalProcess.Scale(
            seconds: try number(scale, "every_s", 1e-2...8_640_000),
            cv: try number(scale, "cv", 0...ArrivalProcess.cvs.upperBound)))
      }
      return .modulated(rate: try number(inner, "rate", rates), scales: scales)
    }
  }

  // MARK: Lengths

  private func distribution(
    _ map: YAMLMap, _ key: String, default fallback: LengthDistribution? = nil
  ) throws(TraceError) -> LengthDistribution {
    let name = join(map.name, key)
    guard let node = map.values[key] else {
      if let fallback { return fallback }
      throw fault(map.node, name, "no such key", "a distribution")
    }
    if node.scalar != nil { return .fixed(try number(node, name, 0...Self.most)) }
    return try distribution(try self.map(node, name), extra: [])
  }

  private static let most = Double(RowRules.maximumTokens)

  private func distribution(
    _ map: YAMLMap, extra: [String]
  ) throws(TraceError) -> LengthDistribution {
    let most = Self.most
    let positive = 1e-6...most
    let kind = try word(map, "kind")
    func only(_ keys: [String]) throws(TraceError) { try require(map, only: ["kind"] + extra + keys) }
    var low = 0.0
    var high = most
    func readClamp() throws(TraceError) {
      low = try number(map, "min", 0...most, default: 0)
      high = try number(map, "max", 0...most, default: most)
      try ordered()
    }
    func ordered() throws(TraceError) {
      guard low <= high else {
        throw fault(map.node, join(map.name, "min"), "\(low)", "at most max, \(high)")
      }
    }
    func clamped(_ base: LengthDistribution) -> LengthDistribution {
      map.values["min"] == nil && map.values["max"] == nil ? base : .clamped(base, low, high)
    }
    switch kind {
    case "fixed":
      try only(["value"])
      return .fixed(try number(map, "value", 0...most))
    case "uniform":
      try only(["min", "max"])
      (low, high) = (try number(map, "min", 0...most), try number(map, "max", 0...most))
      try ordered()
      return .uniform(low, high)
    case "log-uniform":
      try only(["min", "max"])
      (low, high) = (try number(map, "min", positive), try number(map, "max", positive))
      try ordered()
      return .logUniform(low, high)
    case "lognormal":
      let hasMean = map.values["mean"] != nil
      try only((hasMean ? ["mean", "cv"] : ["median", "sigma"]) + ["min", "max"])
      try readClamp()
      if hasMean {
        let cv = try number(map, "cv", 0...100)
        let variance = Elementary.ln(1 + cv * cv)
        let mean = try number(map, "mean", positive)
        return clamped(
          .lognormal(median: mean * Elementary.exp(-variance / 2), sigma: variance.squareRoot()))
      }
      return clamped(
        .lognormal(
          median: try number(map, "median", positive), sigma: try number(map, "sigma", 0...10)))
    case "exponential":
      try only(["mean", "min", "max"])
      try readClamp()
      return clamped(.exponential(mean: try number(map, "mean", positive)))
    case "zipf":
      try only(["exponent", "min", "max"])
      let first = try integer(map, "min", 1...RowRules.maximumTokens, default: 1)
      let last = try integer(map, "max", first...min(first + 999_999, RowRules.maximumTokens))
      let exponent = try number(map, "exponent", 0...20)
      return .zipf(
        LengthDistribution.ZipfTable(first: first, count: last - first + 1, exponent: exponent))
    case "pareto":
      try only(["alpha", "min", "max"])
      low = try number(map, "min", positive)
      high = try number(map, "max", positive, default: most)
      try ordered()
      return .clamped(.pareto(minimum: low, alpha: try number(map, "alpha", 0.01...100)), low, high)
    case "quantiles":
      try only(["points"])
      return .quantiles(try points(map))
    case "empirical":
      try only(["path", "field", "format", "ignore_columns"])
      return try empirical(map)
    case "mixture":
      try only(["of", "min", "max"])
      try readClamp()
      var components: [LengthDistribution.Component] = []
      for (index, entry) in try list(map, "of").enumerated() {
        let part = try self.map(entry, "\(join(map.name, "of"))[\(index)]")
        guard part.values["kind"]?.scalar?.string != "mixture" else {
          throw fault(entry, part.name, "a mixture in a mixture", "a plain distribution")
        }
        components.append(
          LengthDistribution.Component(
            weight: try number(part, "weight", 1e-9...1e9),
            distribution: try distribution(part, extra: ["weight"])))
      }
      return clamped(.mixture(components))
    default:
      throw fault(
        map.values["kind"]!, join(map.name, "kind"), quoted(kind.utf8),
        "fixed, uniform, log-uniform, lognormal, exponential, zipf, pareto, quantiles, empirical or mixture")
    }
  }

  private func points(_ map: YAMLMap) throws(TraceError) -> [LengthDistribution.Quantile] {
    var points: [LengthDistribution.Quantile] = []
    for (index, node) in try list(map, "points").enumerated() {
      let name = "\(join(map.name, "points"))[\(index)]"
      guard let pair = node.sequence, pair.count == 2 else {
        throw fault(node, name, "no pair", "[share, value]")
      }
      let point = LengthDistribution.Quantile(
        share: try number(pair[0], name, 0...1), value: try number(pair[1], name, 0...Self.most))
      if let last = points.last, last.share > point.share || last.value > point.value {
        throw fault(node, name, "[\(point.share), \(point.value)]", "shares and values that never fall")
      }
      points.append(point)
    }
    return points
  }

  /// The lengths of a trace as they are, each with its share.
  private func empirical(_ map: YAMLMap) throws(TraceError) -> LengthDistribution {
    let field = try word(map, "field")
    guard field == "prompt" || field == "output" else {
      throw fault(map.values["field"]!, join(map.name, "field"), quoted(field.utf8), "prompt or output")
    }
    let file = try word(map, "path")
    var options = TraceOptions.unchanged
    if map.values["format"] != nil { options.format = try word(map, "format") }
    if map.values["ignore_columns"] != nil {
      options.ignoredColumns = TraceOptions.columns(try word(map, "ignore_columns"))
    }
    // Its times are not used.
    options.acceptsTimes = true
    let trace = try TraceFile.open(path: GeneratorYAML.whole(file, beside: path), options: options)
    var counts = LengthCounts()
    while let request = try trace.next() { counts.add(field == "prompt" ? request.prompt : request.output) }
    return .quantiles(counts.steps)
  }
}

extension LengthCounts {
  /// The distribution of these very lengths: a step for each.
  var steps: [LengthDistribution.Quantile] {
    var points: [LengthDistribution.Quantile] = []
    var seen = 0
    for (length, times) in ascending {
      let value = Double(length)
      points.append(LengthDistribution.Quantile(share: Double(seen) / Double(count), value: value))
      seen += times
      points.append(LengthDistribution.Quantile(share: Double(seen) / Double(count), value: value))
    }
    return points
  }
}
