import Runs
import Foundation
import Results
import Sim

/// Whole-iteration times in the form of DistServe's profiler (LLMServe/DistServe, Apache-2.0):
///
///     prefill ms = a + b · Σ tokens + c · Σ length²
///     decode ms  = a + b · Σ context + c · batch     (one set for small batches, one for large ones)
struct DistServeProfile {
  /// One model on one number of ranks.
  struct Row {
    var model: ModelSpec
    var tp: Int
    /// The smallest batch of the large set.
    var threshold: Int
    var prefill: [Double]
    var small: [Double]
    var large: [Double]

    /// Decode iteration, µs.
    func decode(batch: Int, context: Int) -> Double {
      let c = batch < threshold ? small : large
      return (c[0] + c[1] * Double(batch * context) + c[2] * Double(batch)) * 1e3
    }

    /// Prefill iteration of one prompt, µs.
    func prefill(tokens: Int) -> Double {
      let x = Double(tokens)
      return (prefill[0] + prefill[1] * x + prefill[2] * x * x) * 1e3
    }
  }

  var rows: [Row]

  /// Whether `json` has this form: objects of objects with decoding coefficients.
  static func recognises(_ json: JSON) -> Bool {
    guard let model = json.keys.first, let ranks = json[model]?.keys.first else { return false }
    return json[model]?[ranks]?["decoding_smallbs"] != nil
  }

  /// Models are Hugging Face names whose last part, in lower case, is a preset.
  init(_ json: JSON, file: String) throws {
    rows = []
    for name in json.keys {
      let preset = name.split(separator: "/").last.map { $0.lowercased() } ?? name
      guard let model = ModelCatalog.named(preset) else {
        throw CommandFailure(.badData, "\(file): model \(name) is no preset; see `infinite-sim models`")
      }
      for ranks in json[name]?.keys ?? [] {
        guard let tp = Int(ranks), let row = json[name]?[ranks] else {
          throw CommandFailure(.badData, "\(file): \(name): key \"\(ranks)\", expected a number of ranks")
        }
        func coefficients(_ key: String) throws -> [Double] {
          guard let found = row[key]?.elements?.map(\.number), found.count == 3, !found.contains(nil) else {
            throw CommandFailure(.badData, "\(file): \(name), \(ranks): \"\(key)\", expected three numbers")
          }
          return found.compactMap(\.self)
        }
        guard let threshold = row["decoding_large_small_bs_threshold"]?.integer else {
          throw CommandFailure(.badData, "\(file): \(name), \(ranks): no decoding_large_small_bs_threshold")
        }
        rows.append(
          Row(
            model: model, tp: tp, threshold: threshold, prefill: try coefficients("prefill"),
            small: try coefficients("decoding_smallbs"), large: try coefficients("decoding_largebs")))
      }
    }
    rows.sort { ($0.model.name, $0.tp) < ($1.model.name, $1.tp) }
  }

  /// Batches and contexts at which decode iterations are compared (issue 3).
  static let batches = [1, 8, 32, 64, 128]
  static let contexts = [256, 1_024, 2_048]
  /// Prompts at which prefill iterations are compared.
  static let prompts = [128, 256, 512, 1_024, 2_048]

  /// The comparison of `engine` on the grid, where the instance's memory holds it. Fitted: OPT-13B.
  func measurements(engine: EngineProfile, hardware: HardwareSpec) throws -> [EngineMeasurement] {
    var all: [EngineMeasurement] = []
    for row in rows {
      let shape = InstanceShape(tp: row.tp)
      let capacity = try KVCapacity(
        model: row.model, hardware: hardware, shape: shape, settings: BlockCounts.distServe)
      func add(_ operation: String, _ iteration: Iteration, _ measured: Double) {
        all.append(
          EngineMeasurement(
            operation: operation, group: "\(engine.name), \(row.model.name) TP\(row.tp)", model: row.model,
            shape: shape, iteration: iteration, engine: engine, microseconds: measured,
            isHeldOut: row.model.name != EngineFit.fitted || operation != EngineFit.operation))
      }
      for batch in Self.batches {
        for context in Self.contexts where batch * context <= capacity.tokens {
          add(
            EngineFit.operation, Iteration(sequences: batch, context: context),
            row.decode(batch: batch, context: context))
        }
      }
      for prompt in Self.prompts {
        add("prefill iteration", Iteration(prompts: 1, newTokens: prompt), row.prefill(tokens: prompt))
      }
    }
    return all
  }
}
