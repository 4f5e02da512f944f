import Sim
import TestSupport
import Testing

@Suite("Laws of the costs")
struct CostLawTests {
  @Test func `any model on any hardware costs more for more tokens, never nothing, and as explained`() throws {
    let seeds: Range<UInt64> = 0..<150
    print("cost laws: seeds \(seeds)")
    var met: [CostScenario.Kind: Int] = [:]
    var (pipelines, groups, kernels) = (0, 0, Set<DecodeKernel>())
    for seed in seeds {
      let scenario = CostScenario(seed: seed)
      met[scenario.kind, default: 0] += 1
      if scenario.shape.pp > 1 { pipelines += 1 }
      if scenario.shape.tp > 1 { groups += 1 }
      kernels.insert(scenario.engine.decodeKernel)
      try CostLaws.check(seed: seed)
    }
    print("cost laws: met \(met), \(pipelines) pipelines, \(groups) TP groups")
    for kind in CostScenario.Kind.allCases { #expect(met[kind, default: 0] >= 10, "\(kind)") }
    #expect(pipelines >= 50 && groups >= 50 && kernels.count == DecodeKernel.allCases.count)
  }

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
