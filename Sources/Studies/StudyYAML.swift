import Foundation
import Results
import Yams

/// Reads a `Study` from YAML, strictly: an unknown key, a missing one or a value of the wrong kind is a
/// `StudyError` with its line and column.
public enum StudyYAML {
  /// Reads the file at `path`. Throws `StudyMissing` or `StudyError`.
  public static func read(path: String) throws -> Study {
    try parse(try text(path: path), path: path)
  }

  static func text(path: String) throws -> String {
    guard let data = FileManager.default.contents(atPath: path) else { throw StudyMissing(path: path) }
    guard data.count <= 4_194_304, let text = String(data: data, encoding: .utf8) else {
      throw StudyError(Place(path: path), found: "no UTF-8 text of at most 4 MB", expected: "YAML")
    }
    return text
  }

  /// Reads `text`, which is called `path` in errors.
  public static func parse(_ text: String, path: String) throws -> Study {
    try StudyReader(path: path).study(try compose(text, path: path, expected: "a study"), text: text)
  }

  static func compose(_ text: String, path: String, expected: String) throws -> Node {
    let node: Node?
    do { node = try Yams.compose(yaml: text) } catch {
      var place = Place(path: path)
      if let error = error as? YamlError {
        switch error {
        case .scanner(_, _, let mark, _), .parser(_, _, let mark, _), .composer(_, _, let mark, _):
          (place.line, place.column) = (mark.line, mark.column)
        case .duplicatedKeysInMapping(let keys, let context):
          (place.line, place.column) = (context.mark.line, context.mark.column)
          let names = keys.joined(separator: ", ")
          throw StudyError(place, found: "\(names) given twice", expected: "each key once")
        default: break
        }
      }
      let found = "\(error)".split(separator: "\n").joined(separator: " ").prefix(200)
      throw StudyError(place, found: String(found), expected: "YAML")
    }
    guard let node else { throw StudyError(Place(path: path), found: "nothing", expected: expected) }
    return node
  }
}

extension Axis {
  /// A path is called by its file's name without folder and endings, anything else by its text.
  package static func valueName(_ value: String) -> String {
    let endings = [".gz", ".zst", ".csv", ".jsonl", ".json", ".yaml", ".yml"]
    // A rate such as 20/s is no path.
    guard !value.hasPrefix("load:"), value.contains("/") || endings.contains(where: value.hasSuffix) else {
      return value
    }
    var name = value.split(separator: "/").last.map(String.init) ?? value
    while let ending = endings.first(where: { name.hasSuffix($0) && name.count > $0.count }) {
      name.removeLast(ending.count)
    }
    return name
  }
}

/// Reads nodes of a YAML file strictly.
struct StudyReader {
  let path: String

  func study(_ node: Node, text: String) throws -> Study {
    let top = try mapping(node, "the study")
    let isSingle = top["grids"] == nil
    try top.require(
      only: ["study", "question", "baseline", "seeds", "rows", "on-reject", "options", "expect"]
        + (isSingle ? ["axes", "contenders"] : ["grids"]))
    let name = try top.word("study")
    guard name.wholeMatch(of: #/[A-Za-z0-9][A-Za-z0-9._-]{0,99}/#) != nil else {
      throw fault(top["study"] ?? node, quoted(name), "letters, digits, -, _ and . (at most 100)")
    }
    var grids: [Grid] = []
    if isSingle {
      grids = [try grid(top, in: nil, name: "main")]
    } else {
      for entry in try top.list("grids") {
        let inner = try mapping(entry, "a grid")
        try inner.require(
          only: [
            "grid", "baseline", "seeds", "rows", "on-reject", "options", "axes", "contenders", "expect",
          ])
        let name = try inner.word("grid")
        guard !grids.contains(where: { $0.name == name }) else {
          throw fault(inner["grid"] ?? entry, "a second grid \(name)", "each name once")
        }
        grids.append(try grid(inner, in: top, name: name))
      }
    }
    let total = grids.reduce(0) { $0 + ($1.checkedCount ?? 0) }
    guard total <= Study.mostPoints else {
      throw fault(top["grids"] ?? node, "grids of \(total) points", "at most \(Study.mostPoints)")
    }
    let study = Study(
      name: name, question: try top.optionalWord("question") ?? "", grids: grids,
      expectations: isSingle ? [] : try expectations(top), text: text)
    try study.checkNames()
    return study
  }

  private func grid(_ map: Mapping, in study: Mapping?, name: String) throws -> Grid {
    func inherited(_ key: String) -> Node? { map[key] ?? study?[key] }
    let contenders = try self.contenders(map)
    var baseline = contenders[0].label
    if let node = inherited("baseline") {
      baseline = try text(node)
      guard contenders.contains(where: { $0.label == baseline }) else {
        throw fault(
          node, quoted(baseline),
          "a label of grid \(name): \(contenders.map(\.label).joined(separator: ", "))")
      }
    }
    let grid = Grid(
      name: name, place: place(map.node), baseline: baseline, seeds: try seeds(inherited("seeds")),
      kept: try choice(inherited("rows"), KeptRows.summary),
      onReject: try choice(inherited("on-reject"), OnReject.common),
      options: try (study.map { try settings($0["options"]) } ?? []) + settings(map["options"]),
      axes: try axes(map["axes"]), contenders: contenders, expectations: try expectations(map))
    guard let count = grid.checkedCount, count <= Study.mostPoints else {
      throw fault(
        map["axes"] ?? map.node, "a grid of \(grid.checkedCount.map(String.init) ?? "more than 2^63") points",
        "at most \(Study.mostPoints)")
    }
    return grid
  }

  private func contenders(_ map: Mapping) throws -> [Contender] {
    var found: [Contender] = []
    for node in try map.list("contenders") {
      let contender: Contender
      if node.scalar != nil {
        let name = try text(node)
        contender = Contender(label: name, policy: name, options: [], place: place(node))
      } else {
        let inner = try mapping(node, "a contender")
        try inner.require(only: ["label", "policy", "options"])
        let policy = try inner.word("policy")
        contender = Contender(
          label: try inner.optionalWord("label") ?? policy, policy: policy,
          options: try settings(inner["options"]), place: place(inner["policy"] ?? node))
      }
      guard !found.contains(where: { $0.label == contender.label }) else {
        throw fault(node, "a second contender \(contender.label)", "each label once")
      }
      found.append(contender)
    }
    return found
  }

  private func axes(_ node: Node?) throws -> [Axis] {
    guard let node else { return [] }
    let map = try mapping(node, "axes")
    return try map.keys.map { name in
      guard !["grid", "seed", "label", "policy", "heat"].contains(name) else {
        throw fault(map.keyNode(name), "an axis \(name)", "another name; this one has a meaning of its own")
      }
      let values = map[name]!
      var found: [Axis.Value] = []
      func add(_ value: Axis.Value, _ node: Node) throws {
        guard !found.contains(where: { $0.name == value.name }) else {
          throw fault(node, "a second value \(value.name) of \(name)", "each name once")
        }
        found.append(value)
      }
      if let list = values.sequence, !list.isEmpty {
        for entry in list {
          let value = try text(entry)
          try add(
            .init(
              name: name == "load" ? value : Axis.valueName(value),
              settings: [Setting(key: name, value: value, place: place(entry))]), entry)
        }
      } else if values.mapping != nil {
        let named = try mapping(values, "axis \(name)")
        for key in named.keys {
          try add(.init(name: key, settings: try settings(named[key])), named[key]!)
        }
      }
      guard !found.isEmpty else {
        throw fault(values, "no values of axis \(name)", "a list of values, or names with their options")
      }
      return Axis(name: name, place: place(map.keyNode(name)), values: found)
    }
  }

  private func settings(_ node: Node?) throws -> [Setting] {
    guard let node else { return [] }
    let map = try mapping(node, "options")
    return try map.keys.map { Setting(key: $0, value: try text(map[$0]!), place: place(map[$0]!)) }
  }

  private func seeds(_ node: Node?) throws -> [Int] {
    guard let node else { return [0] }
    let most = 1 << 53
    if let list = node.sequence, !list.isEmpty {
      var seeds: [Int] = []
      for entry in list {
        guard let seed = Int(try text(entry)), (0...most).contains(seed), !seeds.contains(seed) else {
          throw fault(entry, quoted(try text(entry)), "a whole number from 0 on, each once")
        }
        seeds.append(seed)
      }
      return seeds
    }
    guard let count = node.scalar.flatMap({ Int($0.string) }), (1...10_000).contains(count) else {
      throw fault(node, quoted(node.scalar?.string ?? "no number"), "1 to 10000 seeds, or a list of seeds")
    }
    return Array(0..<count)
  }

  private func expectations(_ map: Mapping) throws -> [Expectation] {
    guard map["expect"] != nil else { return [] }
    return try map.list("expect").map { node in
      let text = try text(node)
      let style = node.scalar?.style
      // The text of a quoted scalar begins after its quote.
      let isQuoted = style == .doubleQuoted || style == .singleQuoted
      let start = place(node).moved(by: isQuoted ? 1 : 0)
      return Expectation(text: text, place: start, check: try ExpressionParser.check(text, at: start))
    }
  }

  private func choice<Choice: RawRepresentable<String> & CaseIterable>(
    _ node: Node?, _ fallback: Choice
  ) throws -> Choice {
    guard let node else { return fallback }
    guard let found = Choice(rawValue: try text(node)) else {
      throw fault(
        node, quoted(try text(node)), Choice.allCases.map(\.rawValue).joined(separator: ", "))
    }
    return found
  }

  // MARK: - Nodes

  func mapping(_ node: Node, _ what: String) throws -> Mapping {
    guard let mapping = node.mapping else {
      throw fault(node, "no mapping for \(what)", "keys and values")
    }
    var map = Mapping(reader: self, node: node)
    for (key, value) in mapping {
      guard let name = key.scalar?.string, !name.isEmpty, map[name] == nil else {
        throw fault(key, "a key that is no word or there twice", "each key once")
      }
      map.keys.append(name)
      map.keyNodes.append(key)
      map.values.append(value)
    }
    return map
  }

  func text(_ node: Node) throws -> String {
    guard let text = node.scalar?.string, !text.isEmpty, text.utf8.count <= 4_096 else {
      throw fault(node, "no word", "a word of at most 4096 bytes")
    }
    return text
  }

  func place(_ node: Node) -> Place {
    Place(path: path, line: node.mark?.line ?? 1, column: node.mark?.column ?? 1)
  }

  func fault(_ node: Node, _ found: String, _ expected: String) -> StudyError {
    StudyError(place(node), found: found, expected: expected)
  }

  /// A mapping's keys in the order of the file.
  struct Mapping {
    let reader: StudyReader
    let node: Node
    var keys: [String] = []
    var keyNodes: [Node] = []
    var values: [Node] = []

    subscript(key: String) -> Node? { keys.firstIndex(of: key).map { values[$0] } }

    func keyNode(_ key: String) -> Node { keys.firstIndex(of: key).map { keyNodes[$0] } ?? node }

    func require(only known: [String]) throws {
      for key in keys where !known.contains(key) {
        throw reader.fault(
          keyNode(key), "an unknown key \(quoted(key))", "one of \(known.joined(separator: ", "))")
      }
    }

    func word(_ key: String) throws -> String {
      guard let value = self[key] else { throw reader.fault(node, "no key \(key)", "a word for \(key)") }
      return try reader.text(value)
    }

    func optionalWord(_ key: String) throws -> String? { try self[key].map(reader.text) }

    func list(_ key: String) throws -> [Node] {
      guard let value = self[key], let list = value.sequence, !list.isEmpty else {
        throw reader.fault(self[key] ?? node, "no list of \(key)", "\(key): a list that is not empty")
      }
      return Array(list)
    }
  }
}

/// The text in quotes, cut to a length that fits a message.
func quoted(_ text: String) -> String { "\"\(text.prefix(80))\"" }
