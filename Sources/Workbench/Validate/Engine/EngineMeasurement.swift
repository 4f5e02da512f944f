import Sim

/// One measured iteration of a serving engine, or another figure of it that the model predicts.
package struct EngineMeasurement {
  /// What is compared: "decode iteration", "prefill iteration".
  var operation: String
  /// Rows of a table that belong together.
  var group: String
  var model: ModelSpec
  var shape: InstanceShape
  var iteration: Iteration
  var engine: EngineProfile
  /// Measured, µs.
  package var microseconds: Double
  /// Whether the engine profile was fitted without it.
  var isHeldOut: Bool

  package init(
    operation: String, group: String, model: ModelSpec, shape: InstanceShape, iteration: Iteration,
    engine: EngineProfile, microseconds: Double, isHeldOut: Bool
  ) {
    self.operation = operation
    self.group = group
    self.model = model
    self.shape = shape
    self.iteration = iteration
    self.engine = engine
    self.microseconds = microseconds
    self.isHeldOut = isHeldOut
  }

  /// What the engine of a run would charge on `hardware`, µs.
  package func predicted(on hardware: HardwareSpec) throws -> Double {
    let costs = try InstanceCosts(
      model: model, hardware: hardware, shape: shape, wiring: .inOneNode(hardware), engine: engine)
    guard let time = costs.time(of: iteration) else { throw IterationTooLong() }
    return Double(time) * 1e-6
  }
}

/// A measured figure and what the model says.
struct ScoredPoint {
  var operation: String
  var group: String
  /// What tells it from others of its group.
  var label: String
  var measured: Double
  var predicted: Double
  var isHeldOut: Bool

  /// predicted / measured − 1.
  var error: Double { predicted / measured - 1 }
}
