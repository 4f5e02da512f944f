import Sim
import TestSupport
import Testing
import Torture

/// The throughput bound (docs/bound.md) is not far above the best placement; that it is above every run is a suite (`bound/`).
@Suite struct BoundTests {
  @Test(arguments: EngineKind.allCases, [false, true])
  func `On tiny clusters the bound is at least the exhaustive optimum and near it`(
    engine: EngineKind, lending: Bool
  ) throws {
    var distances: [Double] = []
    for seed in UInt64(0)..<25 {
      let optimum = try BoundLaw.optimum(engine: engine, lending: lending, seed: seed)
      guard optimum.placements > 0 else { continue }
      #expect(optimum.bound <= optimum.makespan, "seed \(seed)")
      #expect(optimum.excess <= 0, "seed \(seed)")
      distances.append(optimum.makespan / optimum.bound)
    }
    distances.sort()
    let near = distances.filter { $0 <= 1.25 }.count
    let median = distances[distances.count / 2]
    print(
      "\(engine.rawValue)\(lending ? " lending" : ""): \(distances.count) optima, median \(median) of the bound's "
        + "makespan, \(near) within 25 %")
    // Of both engines together 40 of 50.
    #expect(median <= 1.15)
    #expect(near >= (lending ? engine == .chunked ? 21 : 19 : 20))
  }
}
