import Sim
import Testing

/// Those of random models are a suite (`costs`).
@Suite("Laws of the costs")
struct CostLawTests {
  @Test func `the catalogue keeps the laws of operators: a layer's operators add to the layer`() throws {
    for model in ModelCatalog.all {
      for tp in InstanceShape.legalTP(model: model, maximum: 8) {
        let hardware = HardwareCatalog.a100Measured
        let linear = LinearCost(
          model: model, hardware: hardware, shape: InstanceShape(tp: tp), wiring: .inOneNode(hardware))
        for tokens in [1, 64, 65, 128, 4_096] {
          let sum = linear.operators(tokens: tokens).reduce(0) { $0 + $1.microseconds }
          #expect(abs(sum / linear.layer(tokens: tokens) - 1) < 1e-12, "\(model.name) TP\(tp)")
        }
      }
    }
  }
}
