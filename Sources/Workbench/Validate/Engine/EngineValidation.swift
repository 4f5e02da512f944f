import Runs
import Foundation
import Results
import Sim

/// The measurements of a folder and what the model says of them.
package struct EngineValidation {
  let hardware: HardwareSpec
  /// DistServe's coefficients with the profile that they are scored by.
  private var profiles: [(file: String, profile: DistServeProfile, engine: EngineProfile)] = []
  private var ownIterations: [EngineMeasurement] = []
  private(set) var capacities: [ScoredPoint] = []
  /// What was left out and why.
  private(set) var skipped: [String] = []
  /// The files that were scored.
  private(set) var files: [String] = []
  /// Profiles fitted anew, with those they replace.
  package private(set) var fits: [(before: EngineProfile, after: EngineProfile, points: Int)] = []
  var scored: [ScoredPoint] = []

  /// Reads all files in `data` that have a known form. Throws when there is no such folder or no such file.
  package init(data: String, hardware: HardwareSpec, ownEngine: EngineProfile) throws {
    self.hardware = hardware
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: data).sorted() else {
      throw CommandFailure(.missingInput, "--data \(data): there is no such folder")
    }
    for name in names {
      let path = data + "/" + name
      if name.hasSuffix(".json") {
        let json: JSON
        let text = try Self.text(path)
        do { json = try JSON(parsing: text) } catch {
          throw CommandFailure(
            .badData, "\(path):\(error.line): found \(error.found), expected \(error.expected)")
        }
        guard DistServeProfile.recognises(json) else { continue }
        let engine =
          name.contains("vllm")
          ? EngineCatalog.vllm2023Eager : name.contains("distserve") ? EngineCatalog.cudaGraph : ownEngine
        // "distserve_profiler….vllm.json" has both words: the engine is the last.
        profiles.append((name, try DistServeProfile(json, file: path), engine))
      } else if name.hasSuffix(".csv") {
        let text = try Self.text(path)
        switch SimpleCSV.header(of: text) {
        case BlockCounts.header:
          let (points, skipped) = try BlockCounts.score(file: path, text: text, hardware: hardware)
          capacities += points
          self.skipped += skipped.map { "\(name): \($0)" }
        case IterationCSV.header:
          ownIterations += try IterationCSV.measurements(file: name, text: text, engine: ownEngine)
        default: continue
        }
      } else {
        continue
      }
      files.append(name)
    }
    guard !files.isEmpty else {
      throw CommandFailure(.missingInput, "--data \(data): no file has a known form; see --help")
    }
  }

  static func text(_ path: String) throws -> String {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw CommandFailure(.missingInput, "\(path): cannot be read")
    }
    guard let text = String(data: data, encoding: .utf8) else {
      throw CommandFailure(.badData, "\(path): is not UTF-8 text")
    }
    return text
  }

  /// Fits each engine profile to the decode iterations of OPT-13B in its file.
  package mutating func fitProfiles() throws {
    for index in profiles.indices {
      let engine = profiles[index].engine
      guard !EngineFit.parameters(of: engine).isEmpty else { continue }
      let fitted = try profiles[index].profile.measurements(engine: engine, hardware: hardware)
        .filter { !$0.isHeldOut }
      guard !fitted.isEmpty else { continue }
      let after = try EngineFit.fit(engine, to: fitted, on: hardware)
      fits.append((engine, after, fitted.count))
      profiles[index].engine = after
    }
  }

  /// Predicts everything.
  mutating func score() throws {
    var measurements: [EngineMeasurement] = []
    for (_, profile, engine) in profiles {
      measurements += try profile.measurements(engine: engine, hardware: hardware)
    }
    for measurement in measurements + ownIterations + PublishedIterations.measurements {
      let i = measurement.iteration
      scored.append(
        ScoredPoint(
          operation: measurement.operation, group: measurement.group,
          label: i.prompts > 0
            ? "prefill \(i.newTokens)" : "batch \(i.sequences), context \(i.context)",
          measured: measurement.microseconds, predicted: try measurement.predicted(on: hardware),
          isHeldOut: measurement.isHeldOut))
    }
    scored += capacities
  }
}
