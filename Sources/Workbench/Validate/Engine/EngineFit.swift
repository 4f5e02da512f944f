import Sim

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Fits an engine profile to decode iterations: least squares of log(predicted / measured).
package struct EngineFit {
  /// The model that profiles are fitted on; all others are held out.
  static let fitted = "opt-13b"
  /// What they are fitted to.
  package static let operation = "decode iteration"

  /// A constant of a profile that is fitted.
  package struct Parameter: Sendable {
    package var name: String
    var unit: String
    package var get: @Sendable (EngineProfile) -> Double
    package var set: @Sendable (inout EngineProfile, Double) -> Void
  }

  private static let hostSingle = Parameter(
    name: "host, 1 GPU", unit: "µs", get: { $0.host.single }, set: { $0.host.single = $1 })
  private static let hostSharded = Parameter(
    name: "host, more GPUs", unit: "µs", get: { $0.host.sharded }, set: { $0.host.sharded = $1 })
  private static let perSequence = Parameter(
    name: "host, per sequence", unit: "µs", get: { $0.host.singlePerSequence },
    set: { ($0.host.singlePerSequence, $0.host.shardedPerSequence) = ($1, $1) })
  private static let gap = Parameter(
    name: "gap per layer", unit: "µs", get: { $0.gapPerLayer }, set: { $0.gapPerLayer = $1 })
  private static let bandwidth = Parameter(
    name: "share of the decode kernel's bandwidth", unit: "", get: { $0.decodeBandwidthShare },
    set: { $0.decodeBandwidthShare = $1 })

  /// The free parameters of a profile of the catalogue; empty for those that no whole iteration was fitted to.
  package static func parameters(of engine: EngineProfile) -> [Parameter] {
    switch engine.name {
    case EngineCatalog.vllm2023Eager.name: [hostSingle, hostSharded, perSequence]
    case EngineCatalog.cudaGraph.name: [gap, perSequence, bandwidth]
    default: []
    }
  }

  /// The profile whose free parameters fit `measurements` best: from its present ones, a search along each
  /// parameter in turn, in steps that are halved from 32 % to 0.05 %.
  package static func fit(
    _ engine: EngineProfile, to measurements: [EngineMeasurement], on hardware: HardwareSpec
  )
    throws
    -> EngineProfile
  {
    var best = engine
    var least = try loss(best, measurements, hardware)
    var step = 0.32
    while step > 0.0005 {
      var improved = false
      for parameter in parameters(of: engine) {
        for factor in [1 + step, 1 / (1 + step)] {
          var candidate = best
          parameter.set(&candidate, parameter.get(best) * factor)
          let found = try loss(candidate, measurements, hardware)
          if found < least {
            (best, least, improved) = (candidate, found, true)
          }
        }
      }
      if !improved { step /= 2 }
    }
    return best
  }

  private static func loss(
    _ engine: EngineProfile, _ measurements: [EngineMeasurement], _ hardware: HardwareSpec
  ) throws -> Double {
    var sum = 0.0
    var costs: [InstanceShape: InstanceCosts] = [:]
    for measurement in measurements {
      let shape = measurement.shape
      let known =
        try costs[shape]
        ?? InstanceCosts(
          model: measurement.model, hardware: hardware, shape: shape, wiring: .inOneNode(hardware),
          engine: engine)
      costs[shape] = known
      guard let time = known.time(of: measurement.iteration) else { throw IterationTooLong() }
      let error = log(Double(time) * 1e-6 / measurement.microseconds)
      sum += error * error
    }
    return sum / Double(measurements.count)
  }
}
