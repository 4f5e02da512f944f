import Runs
import Sim

/// A user's own whole iterations: one row each, in milliseconds.
package enum IterationCSV {
  /// `model` is a preset; `batch` requests decode, each attending to `context` tokens; `prefill` new tokens of one
  /// prompt join after `cached` ones (0 for none).
  package static let header = "model,tp,pp,batch,context,prefill,cached,ms"

  /// The rows of `text` as measurements of `engine`.
  static func measurements(file: String, text: String, engine: EngineProfile) throws -> [EngineMeasurement] {
    try SimpleCSV(file: file, text: text, header: header).rows.map { line, fields in
      guard let model = ModelCatalog.named(fields[0]) else {
        throw CommandFailure(.badData, "\(file):\(line): model \"\(fields[0])\" is no preset")
      }
      let numbers = fields[1...6].map { Int($0) }
      guard let ms = Double(fields[7]), ms > 0, ms.isFinite, !numbers.contains(nil) else {
        throw CommandFailure(.badData, "\(file):\(line): expected six whole numbers and milliseconds above 0")
      }
      let n = numbers.compactMap(\.self)
      let iteration = Iteration(
        sequences: n[2], context: n[3], prompts: n[4] > 0 ? 1 : 0, newTokens: max(1, n[4]), cachedTokens: n[5]
      )
      do { try iteration.validate() } catch {
        throw CommandFailure(.badData, "\(file):\(line): \(error)")
      }
      return EngineMeasurement(
        operation: n[4] > 0 ? n[2] > 0 ? "mixed iteration" : "prefill iteration" : "decode iteration",
        group: "\(file), \(engine.name), \(model.name) TP\(n[0]) PP\(n[1])", model: model,
        shape: InstanceShape(tp: n[0], pp: n[1]), iteration: iteration, engine: engine,
        microseconds: ms * 1e3,
        isHeldOut: true)
    }
  }
}
