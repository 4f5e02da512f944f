import Foundation
import Sim
import Testing
import Workloads

/// Real traces, which are not part of the project: looked for in `$INFINITE_SIM_DATA` or `../shared/data`.
@Suite struct PublicTraceTests {
  /// Path of a trace, or `nil` (said on the output) when the data is not on this machine.
  private func trace(_ name: String) -> String? {
    let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let data =
      ProcessInfo.processInfo.environment["INFINITE_SIM_DATA"]
      ?? package.deletingLastPathComponent().appendingPathComponent("shared/data").path
    let path = "\(data)/traces/\(name)"
    if FileManager.default.fileExists(atPath: path) { return path }
    print("skipped: data not found: \(path)")
    return nil
  }

  @Test("Azure's own file and Vidur's copy are the same 19,366 requests to the picosecond")
  func azureAndVidur() throws {
    guard let azure = trace("AzureLLMInferenceTrace_conv_2023.csv"),
      let vidur = trace("vidur_splitwise_conv.csv")
    else { return }
    let original = try TraceFile.open(path: azure)
    #expect(original.format.name == "azure-2023")
    #expect(
      original.info
        == RequestSourceInfo(count: 19_366, lastArrival: SimTime(picoseconds: 3_501_721_937_000_000)))
    #expect(try original.all() == TraceFile.open(path: vidur).all())
  }

  @Test("Clipping the Azure trace to 4,096 tokens gives the speed workload W1")
  func clippedAzure() throws {
    guard let azure = trace("AzureLLMInferenceTrace_conv_2023.csv"),
      let w1 = trace("w1_azure_conv_clip4096.csv")
    else { return }
    let clipped = try TraceFile.open(path: azure, options: TraceOptions(clipTotal: 4_096))
    #expect(clipped.totals.clippedRequests == 1_612)
    let reference = try TraceFile.open(path: w1)
    #expect(reference.totals.promptTokens == 22_083_063)
    #expect(reference.totals.outputTokens == 4_088_665)
    #expect(try clipped.all() == reference.all())
  }

  @Test("Further public traces read whole, extra columns ignored")
  func others() throws {
    let counts = [
      "servegen_sample_m-large_day3_15h-16h_scale0.05.csv": 18_229, "apexplus_lmsys_05.csv": 1_024,
    ]
    for (name, count) in counts {
      guard let path = trace(name) else { continue }
      #expect(try TraceFile.open(path: path).info.count == count)
    }
  }
}
