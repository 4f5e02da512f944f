import Runs
import Sim

/// The model whose cache is explained: that of the options, and where they say nothing that of the log.
struct LoggedModel {
  var spec: ModelSpec
  /// What the model's file says and is left out.
  var notes: [String]
  /// Where it may be another than the log's.
  var doubts: [String] = []

  /// The model without a log.
  static let byDefault = "llama2-7b"

  init(model name: String?, weights: WeightFormat?, kvType: KVType?, log: StartUpLog?) throws {
    let logged = log?.settings.model.map { ($0, ModelName.preset($0)) }
    if name == nil, let preset = logged?.1 {
      (spec, notes) = (preset, [])
    } else {
      (spec, notes) = try Machine.model(name ?? Self.byDefault)
      if log != nil, logged == nil, name == nil {
        doubts.append("the log does not name its model: give --model, here it is \(spec.name)")
      }
      if let (found, preset) = logged {
        if let preset, preset.name != spec.name {
          doubts.append("the log is of \(found), here it is \(spec.name)")
        } else if preset == nil, name == nil {
          doubts.append("the log's model \(found) is no preset: give --model, here it is \(spec.name)")
        }
      }
    }
    take(weights, of: log)
    take(kvType, of: log)
  }

  /// Stores the weights as given, else as the log says.
  private mutating func take(_ given: WeightFormat?, of log: StartUpLog?) {
    let logged = log?.settings.weights(of: spec) ?? .notSaid
    switch (given, logged) {
    case (let given?, .known(let format)) where given != format:
      doubts.append(
        "the log has quantization=\(log?.settings.quantization ?? ""), --weights is \(given.rawValue)")
    case (nil, .unknown(let why)): doubts.append(why)
    default: break
    }
    if let given {
      spec.store(as: given)
    } else if case .known(let format) = logged, format != spec.experts?.weights ?? spec.weights {
      spec.store(as: format)
    }
  }

  /// The same of the cache.
  private mutating func take(_ given: KVType?, of log: StartUpLog?) {
    let logged = log?.settings.cacheIsByte ?? .notSaid
    switch (given, logged) {
    case (let given?, .known(let isByte)) where spec.kvBytesPerElement > 1 && isByte != (given != .model):
      doubts.append(
        "the log has kv_cache_dtype=\(log?.settings.kvCacheType ?? ""), --kv-dtype is \(given.rawValue)")
    case (nil, .unknown(let why)): doubts.append(why)
    default: break
    }
    let isByte =
      if case (nil, .known(true)) = (given, logged) { true } else { given.map { $0 != .model } ?? false }
    if isByte { spec.kvBytesPerElement = 1 }
  }
}
