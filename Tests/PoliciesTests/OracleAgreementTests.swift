import Foundation
import Sim
import TestSupport
import Testing
import Torture
import Workloads

/// The engine against the per-token oracle, which was written separately from the rules.
@Suite struct OracleAgreementTests {
  /// The speed workload of the issue: Azure's conversations clipped to 4,096 tokens, on one A100.
  @Test(arguments: EngineKind.allCases)
  func `On all of W1 engine and oracle agree to the picosecond`(engine: EngineKind) throws {
    guard let requests = try Self.w1() else { return }
    var options = EngineOptions()
    options.kind = engine
    options.maxNumSeqs = 128
    options.maxNumBatchedTokens = 4_096
    let hardware = HardwareCatalog.a100Measured
    let configuration = SimulationConfiguration(
      topology: InstanceTopology(
        nodeOfInstance: [0], withinNode: hardware.inNodeLink.costs, acrossNodes: hardware.interNodeLink.costs,
        gpus: 1),
      costs: try InstanceCosts(
        model: ModelCatalog.llama7B, hardware: hardware, shape: InstanceShape(), wiring: .inOneNode(hardware)),
      blocksPerInstance: 7_424, engine: options)
    try OracleLaw.check(
      Scenario(
        seed: 0, configuration: configuration, requests: requests, router: .roundRobin,
        lending: LendingOptions()))
  }

  /// `nil`, and a word on the output, where the data is not at hand.
  private static func w1() throws -> [TraceRequest]? {
    let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let data =
      ProcessInfo.processInfo.environment["INFINITE_SIM_DATA"]
      ?? package.deletingLastPathComponent().appendingPathComponent("shared/data").path
    let path = "\(data)/traces/w1_azure_conv_clip4096.csv"
    guard FileManager.default.fileExists(atPath: path) else {
      print("skipped: data not found: \(path)")
      return nil
    }
    return try TraceFile.open(path: path).all()
  }
}
