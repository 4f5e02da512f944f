import Foundation
import Sim
import Yams

/// A hardware profile as a YAML file: every constant with its unit in its key, nothing left out and nothing more.
///
/// Written and read back a profile is the same to the last bit. Reading is strict: a key that is missing, unknown
/// or twice there, and a value of another type or out of range are errors that name the line. Keys that came after the first
/// version may be missing: what they are for is then not charged.
public struct HardwareFile: Sendable {
  /// The profile.
  public var spec: HardwareSpec

  /// A profile to be written.
  public init(spec: HardwareSpec) { self.spec = spec }

  /// Reads the file at `path`. Throws `HardwareFileError`.
  public init(path: String) throws(HardwareFileError) {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw HardwareFileError(file: path, line: nil, problem: .unreadable)
    }
    guard let text = String(data: data, encoding: .utf8) else {
      throw HardwareFileError(file: path, line: nil, problem: .syntax("it is no UTF-8 text"))
    }
    try self.init(yaml: text, file: path)
  }

  /// Reads `yaml`; `file` is what errors call it. Throws `HardwareFileError`.
  public init(yaml: String, file: String) throws(HardwareFileError) {
    var entries = try HardwareEntries(yaml: yaml, file: file)
    spec = HardwareCatalog.a100Measured
    try entries.shape(&spec)
    spec.unvalidated = try entries.takeList("unvalidated")
    for field in HardwareField.all(of: spec) { try entries.take(field, into: &spec) }
    try entries.finish(spec)
  }

  /// The file's text.
  public var yaml: String {
    var text =
      "# A hardware profile of infinite-sim: --hardware FILE. Times in µs; rates and bytes in base units.\n"
    var open: [String] = []
    func write(_ name: String, _ value: String) {
      let keys = name.split(separator: ".").map(String.init)
      let common = zip(open, keys.dropLast()).prefix { $0 == $1 }.count
      for depth in common..<(keys.count - 1) {
        text += String(repeating: "  ", count: depth) + keys[depth] + ":\n"
      }
      open = Array(keys.dropLast())
      text += String(repeating: "  ", count: keys.count - 1) + keys[keys.count - 1] + ": " + value + "\n"
    }
    for field in HardwareField.all(of: spec) { write(field.name, Self.text(of: field, in: spec)) }
    if spec.customAllReduce == nil { write("custom_all_reduce", "none") }
    if spec.unvalidated.isEmpty { return text + "unvalidated: []\n" }
    return text + "unvalidated:\n" + spec.unvalidated.map { "  - \(Self.quoted($0))\n" }.joined()
  }

  private static func text(of field: HardwareField, in spec: HardwareSpec) -> String {
    switch field.value {
    // Swift's description is the shortest text that reads back as the same number.
    case .number(_, let get, _): get(spec) == .infinity ? ".inf" : get(spec).description
    case .integer(_, let get, _): get(spec).description
    case .text(_, let get, _): quoted(get(spec))
    case .flag(let get, _): get(spec).description
    }
  }

  /// A YAML double-quoted string.
  private static func quoted(_ text: String) -> String {
    var out = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\": out += "\\\(scalar)"
      case "\n": out += "\\n"
      case "\t": out += "\\t"
      case _ where scalar.value < 0x20 || scalar.value == 0x7F:
        out += "\\x" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out + "\""
  }
}

/// Why a hardware file cannot be used.
public struct HardwareFileError: Error, Hashable, CustomStringConvertible {
  /// What is wrong.
  public enum Problem: Hashable, Sendable {
    case unreadable
    case syntax(String)
    case unknownKey(String)
    case missingKey(String)
    case wrongValue(key: String, found: String, expected: String)
  }

  /// The file.
  public var file: String
  /// The line, from 1; `nil` when it is about the whole file.
  public var line: Int?
  /// What is wrong.
  public var problem: Problem

  /// Takes the parts as they are.
  public init(file: String, line: Int?, problem: Problem) {
    self.file = file
    self.line = line
    self.problem = problem
  }

  /// One sentence: where, what was found and what was expected.
  public var description: String {
    let place = line.map { "\(file):\($0)" } ?? file
    return switch problem {
    case .unreadable: "\(place): cannot be read"
    case .syntax(let message): "\(place): not a hardware file: \(message)"
    case .unknownKey(let key): "\(place): unknown key \(key)"
    case .missingKey(let key): "\(place): the key \(key) is missing"
    case .wrongValue(let key, let found, let expected): "\(place): \(key) is \(found), expected \(expected)"
    }
  }
}

/// The values of a hardware file by their keys joined with dots, each taken once.
private struct HardwareEntries {
  private let file: String
  private var scalars: [String: Node.Scalar] = [:]
  private var lists: [String: Node.Sequence] = [:]
  private var lines: [String: Int] = [:]

  init(yaml: String, file: String) throws(HardwareFileError) {
    self.file = file
    let root: Node?
    do { root = try compose(yaml: yaml) } catch let error as YamlError {
      throw HardwareFileError(
        file: file, line: Self.line(of: error), problem: .syntax(Self.message(of: error)))
    } catch {
      throw HardwareFileError(file: file, line: nil, problem: .syntax("\(error)"))
    }
    guard let root, case .mapping(let mapping) = root else {
      throw HardwareFileError(file: file, line: nil, problem: .syntax("expected keys and values"))
    }
    try add(mapping, prefix: "")
  }

  private mutating func add(_ mapping: Node.Mapping, prefix: String) throws(HardwareFileError) {
    for (key, value) in mapping {
      guard let text = key.scalar?.string else {
        throw HardwareFileError(
          file: file, line: key.mark?.line, problem: .syntax("a key must be a word"))
      }
      let name = prefix + text
      guard lines[name] == nil else {
        throw HardwareFileError(file: file, line: key.mark?.line, problem: .syntax("\(name) is there twice"))
      }
      lines[name] = key.mark?.line
      switch value {
      case .scalar(let scalar): scalars[name] = scalar
      case .sequence(let sequence): lists[name] = sequence
      case .mapping(let inner): try add(inner, prefix: name + ".")
      case .alias: throw HardwareFileError(file: file, line: key.mark?.line, problem: .syntax("an alias"))
      }
    }
  }

  private static func line(of error: YamlError) -> Int? {
    switch error {
    case .scanner(_, _, let mark, _), .parser(_, _, let mark, _), .composer(_, _, let mark, _): mark.line
    case .duplicatedKeysInMapping(_, let context): context.mark.line
    default: nil
    }
  }

  private static func message(of error: YamlError) -> String {
    switch error {
    case .scanner(_, let problem, _, _), .parser(_, let problem, _, _), .composer(_, let problem, _, _):
      problem
    case .duplicatedKeysInMapping(let keys, _):
      "a key is there twice: \(keys.map { "\($0)" }.joined(separator: ", "))"
    default: "\(error)"
    }
  }

  /// Gives `spec` the sections that the file has, and the all-reduces for its group sizes.
  mutating func shape(_ spec: inout HardwareSpec) throws(HardwareFileError) {
    for section in HardwareField.optional {
      section.put(&spec, lines.keys.contains { $0.hasPrefix(section.name + ".") })
    }
    try tiling("gemm", &spec.gemm)
    if var gemm = spec.gemmFP8 {
      try tiling("gemm_fp8", &gemm)
      spec.gemmFP8 = gemm
    }
    if var gemm = spec.gemmFP8Block {
      try tiling("gemm_fp8_block", &gemm)
      spec.gemmFP8Block = gemm
    }
    if lines["all_reduce.ring_bytes_per_s"] != nil {
      spec.allReduce = .ring(bytesPerSecond: 1)
    } else {
      let ranks = try groupSizes("all_reduce")
      guard ranks.count >= 2 else {
        throw HardwareFileError(
          file: file, line: lines["all_reduce"],
          problem: .missingKey("all_reduce.ring_bytes_per_s, or ranks_N for two group sizes or more"))
      }
      spec.allReduce = .fits(ranks.map { AllReduceFit(ranks: $0, alpha: 1, bytesPerSecond: 1, exponent: 1) })
    }
    if let word = scalars.removeValue(forKey: "custom_all_reduce") {
      guard word.string == "none" else {
        throw wrong("custom_all_reduce", word.string, "none, or its constants")
      }
      lines["custom_all_reduce"] = nil
      spec.customAllReduce = nil
    } else {
      let line = AlphaBeta(alpha: 1, bytesPerSecond: 1)
      spec.customAllReduce = CustomAllReduce(
        mostBytes: 1, fits: try groupSizes("custom_all_reduce").map { .init(ranks: $0, line, line) })
    }
  }

  /// Gives a matrix product the tiling that the file names, and so its fields.
  private func tiling(_ section: String, _ gemm: inout GEMMCost) throws(HardwareFileError) {
    guard let word = scalars[section + ".tiling"]?.string else { return }
    guard let found = GEMMTiling(name: word) else {
      throw wrong(section + ".tiling", word, GEMMTiling.names.joined(separator: ", "))
    }
    gemm.tiling = found
  }

  /// The N of the keys ranks_N under `section`, ascending.
  private func groupSizes(_ section: String) throws(HardwareFileError) -> [Int] {
    let prefix = section + ".ranks_"
    var sizes: [Int] = []
    for name in lines.keys.sorted()
    where name.hasPrefix(prefix) && !name.dropFirst(prefix.count).contains(".") {
      guard let size = Int(name.dropFirst(prefix.count)), size >= 2, name == prefix + String(size) else {
        throw HardwareFileError(file: file, line: lines[name], problem: .unknownKey(name))
      }
      sizes.append(size)
    }
    return sizes.sorted()
  }

  mutating func takeList(_ name: String) throws(HardwareFileError) -> [String] {
    guard let list = lists.removeValue(forKey: name) else {
      if let found = scalars[name] { throw wrong(name, found.string, "a list of sentences") }
      throw HardwareFileError(file: file, line: nil, problem: .missingKey(name))
    }
    var sentences: [String] = []
    for node in list {
      guard let text = node.scalar?.string else {
        throw wrong(name, "a list in a list", "a list of sentences")
      }
      sentences.append(text)
    }
    lines[name] = nil
    return sentences
  }

  /// Moves the value of `field` into `spec`.
  mutating func take(_ field: HardwareField, into spec: inout HardwareSpec) throws(HardwareFileError) {
    guard let scalar = scalars.removeValue(forKey: field.name) else {
      if lines[field.name] != nil { throw wrong(field.name, "not a single value", "one value") }
      if let set = field.whenAbsent {
        set(&spec)
        return
      }
      throw HardwareFileError(file: file, line: nil, problem: .missingKey(field.name))
    }
    let found = scalar.string
    let isPlain = scalar.style == .plain || scalar.style == .any
    switch field.value {
    case .number(let kind, _, let set):
      let expected = kind == .time ? "a time of at least 0" : "a number above 0 (or .inf)"
      let number = found == ".inf" ? Double.infinity : HardwareEntries.number(found)
      guard isPlain, let number, kind == .time ? number.isFinite && number >= 0 : number > 0 else {
        throw wrong(field.name, found, expected)
      }
      set(&spec, number)
    case .integer(let least, _, let set):
      guard isPlain, let number = Int(found), number >= least else {
        throw wrong(field.name, found, "a whole number of at least \(least)")
      }
      set(&spec, number)
    case .text(let choices, _, let set):
      guard choices.isEmpty || choices.contains(found) else {
        throw wrong(field.name, found, choices.joined(separator: ", "))
      }
      set(&spec, found)
    case .flag(_, let set):
      guard isPlain, let flag = Bool(found) else { throw wrong(field.name, found, "true or false") }
      set(&spec, flag)
    }
    lines[field.name] = nil
  }

  /// Digits, a point and an exponent: `Double` alone would take nan, infinity and hexadecimals.
  private static func number(_ text: String) -> Double? {
    text.utf8.allSatisfy { "0123456789+-.eE".utf8.contains($0) } ? Double(text) : nil
  }

  /// Throws if a key is left over, or a section that `spec` lacks has nothing in it.
  func finish(_ spec: HardwareSpec) throws(HardwareFileError) {
    let left = lines.filter { scalars[$0.key] != nil || lists[$0.key] != nil }
    if let (name, line) = left.min(by: { ($0.value, $0.key) < ($1.value, $1.key) }) {
      throw HardwareFileError(file: file, line: line, problem: .unknownKey(name))
    }
    // A section without anything in it.
    for (name, line) in lines.sorted(by: { ($0.value, $0.key) < ($1.value, $1.key) })
    where !HardwareField.all(of: spec).contains(where: { $0.name.hasPrefix(name + ".") })
      && !name.contains("ranks_")
    {
      throw HardwareFileError(file: file, line: line, problem: .unknownKey(name))
    }
  }

  private func wrong(_ key: String, _ found: String, _ expected: String) -> HardwareFileError {
    HardwareFileError(
      file: file, line: lines[key], problem: .wrongValue(key: key, found: found, expected: expected))
  }
}
