import ArgumentParser
import Policies
import Studies
import Workloads

extension Vocabulary {
  /// What a study may set: the options of `run`, read off their declaration, less those that do not belong to a
  /// point, and the settings of the engine and the policies.
  package static let ofRuns: Vocabulary = {
    let excluded: Set = [
      "seed", "db", "force", "json", "timing", "quiet", "step-by-step", "option-arguments", "reading",
      "client",
    ]
    let declared =
      declaredOptions(of: RunOptions()) + declaredOptions(of: SendingOptions())
      + declaredOptions(of: ReadingOptions())
    func names(_ isFlag: Bool) -> Set<String> {
      Set(declared.filter { $0.isFlag == isFlag }.map(\.name)).subtracting(excluded)
    }
    return Vocabulary(
      options: names(false), flags: names(true),
      engine: Set(EngineOption.all.map(\.key) + ManagerOption.all.map(\.key)),
      policies: Dictionary(
        uniqueKeysWithValues: PolicyCatalog.all.map { ($0.name, Set($0.options.map(\.key))) }))
  }()

  /// Options that decide which requests are replayed.
  static let ofWorkloads: Set<String> =
    Set((declaredOptions(of: ReadingOptions()) + declaredOptions(of: SendingOptions())).map(\.name))
    .union(["trace", "load", "rate-scale", "limit", "clip-total", "at-once", "prefix-caching", "closed-loop"])

  /// The options' names as ArgumentParser makes them of the properties: "_gpusPerNode" is "gpus-per-node".
  private static func declaredOptions(of value: any ParsableArguments) -> [(name: String, isFlag: Bool)] {
    Mirror(reflecting: value).children.compactMap { child in
      guard let label = child.label else { return nil }
      let name = label.drop { $0 == "_" }.map { $0.isUppercase ? "-" + $0.lowercased() : String($0) }
      return (name.joined(), String(describing: type(of: child.value)).hasPrefix("Flag<"))
    }
  }
}

extension StudyPoint {
  /// The options of the point's run, paths relative to `folder`; throws `PointError` at the setting to blame.
  func runOptions(folder: String) throws -> RunOptions {
    let vocabulary = Vocabulary.ofRuns
    let own = vocabulary.policies[contender.policy] ?? []
    var arguments: [String] = []
    for setting in settings {
      if vocabulary.flags.contains(setting.key) {
        if setting.value == "true" { arguments.append("--\(setting.key)") }
      } else if vocabulary.options.contains(setting.key) {
        // One argument, so that a value that begins with a dash is a value.
        arguments.append("--\(setting.key)=\(Self.resolved(setting, folder))")
      } else if own.contains(setting.key) || vocabulary.engine.contains(setting.key) {
        arguments += ["--option", "\(setting.key)=\(setting.value)"]
      }
    }
    guard settings.contains(where: { $0.key == "trace" || $0.key == "load" }) else {
      throw StudyError(
        contender.place, found: "no option trace or load", expected: "one of them in options or an axis")
    }
    do { return try RunOptions.parse(arguments) } catch {
      throw PointError(self, CommandFailure(.usage, RunOptions.message(for: error)))
    }
  }

  private static func resolved(_ setting: Setting, _ folder: String) -> String {
    let value = setting.value
    let isPath =
      switch setting.key {
      case "trace": !GeneratedTrace.isRecipe(value) || GeneratedTrace.isFile(value)
      case "model": Machine.isPath(model: value)
      case "hardware": Machine.isPath(hardware: value)
      case "faults": true
      default: false
      }
    return isPath && !value.hasPrefix("/") ? folder + value : value
  }
}

/// A point that cannot be run, found before anything has been.
package struct PointError: Error, CustomStringConvertible {
  var point: StudyPoint
  package var underlying: any Error

  init(_ point: StudyPoint, _ underlying: any Error) { (self.point, self.underlying) = (point, underlying) }

  /// The setting whose name the error says, or that of the trace, or the contender.
  var place: Place {
    let text = " \(underlying) ".lowercased()
    let named = point.settings
      .filter { setting in
        let key = setting.key
        return ["--\(key) ", "--\(key)=", " \(key):", " \(key)=", "'--\(key)", " \(key) \(setting.value) "]
          .contains { text.contains($0.lowercased()) }
      }
      .max { $0.key.count < $1.key.count }
    let blamed =
      named ?? (underlying is TraceError ? point.settings.first { ["trace", "load"].contains($0.key) } : nil)
    return blamed?.place ?? point.contender.place
  }

  package var description: String {
    let place = place
    return
      "\(place.path):\(place.line):\(place.column): \(point.contender.label) in \(point.cell.text): \(underlying)"
  }
}
