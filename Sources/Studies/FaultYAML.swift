import Foundation
import Sim
import Yams

/// Reads a `FaultPlan` from YAML, strictly: an unknown key, a missing one or a value of the wrong kind is a `StudyError`
/// with its line and column (docs/faults.md).
///
///     seed: 7
///     faults:
///       - {crash: 3, at-s: 10, for-s: 20}
///       - {link-slowdown: 0, to: 1, one-way: true, factor: 4, at-s: 5}
///     random:
///       - {crash: all, mean-between-s: 600, mean-repair-s: 30, last-s: 3600}
public enum FaultYAML {
  /// Reads the file at `path` for a cluster of so many instances and nodes. Throws `StudyMissing` or `StudyError`.
  public static func read(path: String, instances: Int, nodes: Int) throws -> FaultPlan {
    try parse(try StudyYAML.text(path: path), path: path, instances: instances, nodes: nodes)
  }

  /// Reads `text`, which is called `path` in errors.
  public static func parse(_ text: String, path: String, instances: Int, nodes: Int) throws -> FaultPlan {
    let reader = StudyReader(path: path)
    let top = try reader.mapping(
      try StudyYAML.compose(text, path: path, expected: "a fault plan"), "the fault plan")
    try top.require(only: ["seed", "faults", "random"])
    var plan = FaultPlan()
    if let seed = top["seed"] { plan.seed = UInt64(try reader.integer(seed, 0...1 << 53)) }
    if top["faults"] != nil {
      for node in try top.list("faults") {
        let map = try reader.mapping(node, "a fault")
        try map.require(only: FaultEntry.keys + ["at-s", "for-s"])
        let start = try map.time("at-s")
        let length = map["for-s"] == nil ? nil : try map.duration("for-s")
        // Beyond the clock's range it has no end.
        let end = length.flatMap { length -> SimTime? in
          let (end, isBeyond) = start.picoseconds.addingReportingOverflow(length.picoseconds)
          return isBeyond ? nil : SimTime(picoseconds: end)
        }
        for fault in try FaultEntry(map).faults(instances: instances, nodes: nodes) {
          plan.timed.append(TimedFault(fault, start: start, end: end))
        }
      }
    }
    if top["random"] != nil {
      for node in try top.list("random") {
        let map = try reader.mapping(node, "a random fault")
        try map.require(only: FaultEntry.keys + ["mean-between-s", "mean-repair-s", "last-s"])
        let last = map["last-s"] == nil ? nil : try map.time("last-s")
        for fault in try FaultEntry(map).faults(instances: instances, nodes: nodes) {
          plan.random.append(
            RandomFault(
              fault, meanBetween: try map.duration("mean-between-s"),
              meanRepair: try map.duration("mean-repair-s"), last: last))
        }
      }
    }
    return plan
  }
}

/// What is wrong, as an entry of the file says it: a key that names the kind, and those that belong to it.
private struct FaultEntry {
  static let kinds = [
    "crash", "node-loss", "link-loss", "link-slowdown", "manager-crash", "straggler", "memory-shrink",
  ]
  static let keys = kinds + ["to", "one-way", "factor", "blocks"]

  let map: StudyReader.Mapping
  let kind: String

  init(_ map: StudyReader.Mapping) throws {
    self.map = map
    let given = Self.kinds.filter { map[$0] != nil }
    guard given.count == 1 else {
      throw map.reader.fault(
        map.node, given.isEmpty ? "no fault" : given.joined(separator: " and "),
        "one of \(Self.kinds.joined(separator: ", "))")
    }
    kind = given[0]
    let own: [String: [String]] = [
      "link-loss": ["to", "one-way"], "link-slowdown": ["to", "one-way", "factor"], "straggler": ["factor"],
      "memory-shrink": ["blocks"],
    ]
    for key in ["to", "one-way", "factor", "blocks"]
    where map[key] != nil && !own[kind, default: []].contains(key) {
      throw map.reader.fault(map.keyNode(key), "\(key) of a \(kind)", "no such key there")
    }
  }

  /// The fault, or one for every instance.
  func faults(instances: Int, nodes: Int) throws -> [Fault] {
    let reader = map.reader
    let node = map[kind]!
    switch kind {
    case "crash": return try targets(instances).map { .crash($0) }
    case "node-loss": return [.nodeLoss(try reader.integer(node, 0...(nodes - 1)))]
    case "link-loss": return [.linkLoss(try ends(nodes))]
    case "link-slowdown": return [.linkSlowdown(try ends(nodes), permille: try factor())]
    case "manager-crash":
      guard try reader.text(node) == "true" else {
        throw reader.fault(node, quoted(try reader.text(node)), "true")
      }
      return [.managerCrash]
    case "straggler":
      let permille = try factor()
      return try targets(instances).map { .straggler($0, permille: permille) }
    default:
      guard let count = map["blocks"] else { throw reader.fault(map.node, "no key blocks", "KV blocks lost") }
      let blocks = try reader.integer(count, 1...1 << 36)
      return try targets(instances).map { .memoryShrink($0, blocks: blocks) }
    }
  }

  private func targets(_ instances: Int) throws -> [InstanceID] {
    let node = map[kind]!
    if node.scalar?.string == "all" { return (0..<instances).map(InstanceID.init) }
    return [InstanceID(try map.reader.integer(node, 0...(instances - 1)))]
  }

  private func ends(_ nodes: Int) throws -> LinkEnds {
    let reader = map.reader
    var isOneWay = false
    if let node = map["one-way"] {
      guard let value = Bool(try reader.text(node)) else {
        throw reader.fault(node, quoted(try reader.text(node)), "true or false")
      }
      isOneWay = value
    }
    return LinkEnds(
      from: try reader.integer(map[kind]!, 0...(nodes - 1)),
      to: try map["to"].map { try reader.integer($0, 0...(nodes - 1)) },
      isOneWay: isOneWay)
  }

  private func factor() throws -> Int {
    guard let node = map["factor"] else {
      throw map.reader.fault(map.node, "no key factor", "how many times as long, from 1 to 1,000")
    }
    guard let value = Double(try map.reader.text(node)), (1...1_000).contains(value) else {
      throw map.reader.fault(node, quoted(try map.reader.text(node)), "a number from 1 to 1,000")
    }
    return Int((value * 1_000).rounded())
  }
}

extension StudyReader {
  fileprivate func integer(_ node: Node, _ range: ClosedRange<Int>) throws -> Int {
    guard let value = Int(try text(node)), range.contains(value) else {
      throw fault(
        node, quoted(try text(node)), "a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }

  fileprivate func picoseconds(_ node: Node, from least: Double = 0) throws -> Int64 {
    guard let seconds = Double(try text(node)), (least...8_640_000).contains(seconds) else {
      throw fault(node, quoted(try text(node)), "seconds from \(least == 0 ? "0" : "\(least)") to 8,640,000")
    }
    // Whole nanoseconds: a decimal fraction of a second is one.
    return Int64((seconds * 1e9).rounded()) * 1_000
  }
}

extension StudyReader.Mapping {
  fileprivate func time(_ key: String) throws -> SimTime {
    guard let node = self[key] else { throw reader.fault(self.node, "no key \(key)", "seconds for \(key)") }
    return SimTime(picoseconds: try reader.picoseconds(node))
  }

  fileprivate func duration(_ key: String) throws -> SimDuration {
    guard let node = self[key] else { throw reader.fault(self.node, "no key \(key)", "seconds for \(key)") }
    return SimDuration(picoseconds: try reader.picoseconds(node, from: 1e-9))
  }
}
