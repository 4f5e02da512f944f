import Foundation
import Policies
import Results
import Sim
import Testing
import Workloads

/// Real traces whose prompts share beginnings and whose sessions wait, through the simulated ledger.
@Suite struct PrefixReplayTests {
  private static func trace(_ name: String) -> String? {
    let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let data =
      ProcessInfo.processInfo.environment["INFINITE_SIM_DATA"]
      ?? package.deletingLastPathComponent().appendingPathComponent("shared/data").path
    let path = "\(data)/traces/\(name)"
    if FileManager.default.fileExists(atPath: path) { return path }
    print("skipped: data not found: \(path)")
    return nil
  }

  /// One instance with memory for everything, and steps that take next to nothing.
  private func configuration(blocks: Int) -> SimulationConfiguration {
    var engine = EngineOptions()
    engine.prefixCaching = true
    engine.maxNumBatchedTokens = 1 << 20
    let link = LinkCosts(latency: 0, bytesPerSecond: 1e12)
    return SimulationConfiguration(
      topology: InstanceTopology(nodeOfInstance: [0], withinNode: link, acrossNodes: link, gpus: 1),
      costs: InstanceCosts(
        stages: 1, ranks: 1, layersPerStage: 1, hostBase: 1, hostPerSequence: 0, decodeFloor: 0,
        contextRate: 0,
        prefillFloor: 0, prefillTokenRate: 0, prefillPairRate: 0, linear: { _ in 1 }),
      blocksPerInstance: blocks, engine: engine)
  }

  @Test func `Mooncake's ideal hit rate comes out of the ledger and equals an independent count`() throws {
    guard let path = Self.trace("mooncake_fast25_conversation_trace.jsonl") else { return }
    var options = TraceOptions.unchanged
    options.keepsDetails = true
    let records = try TraceFile.open(path: path, options: options).allRecords()

    // By hand: leading blocks of 512 tokens that an earlier prompt had, all of them and those that a replay may take (whole
    // ones, and never the whole prompt).
    var seen: Set<UInt64> = []
    var (blocks, found, taken) = (0, 0, 0)
    for record in records {
      let leading = record.details.hashes.prefix { seen.contains($0) }.count
      blocks += record.details.hashes.count
      found += leading
      taken += min(leading, (record.request.prompt - 1) / 512)
      seen.formUnion(record.details.hashes.prefix(record.request.prompt / 512))
      // The partial block at a prompt's end is counted as its trace counts it.
      seen.formUnion(record.details.hashes)
    }
    #expect(abs(Double(found) / Double(blocks) - 0.366) < 0.0005)

    // Replayed one after the other, so that no prompt misses what another is still computing.
    let turns = records.enumerated().map { index, record in
      SessionSource.Turn(
        request: TraceRequest(
          arrival: SimTime(picoseconds: Int64(index) * 1_000_000), prompt: record.request.prompt, output: 1),
        prefix: ContiguousArray(record.details.hashes.prefix(record.request.prompt / 512)))
    }
    let summary = try Simulation(
      configuration(blocks: 1 << 24), policy: VLLMMultiple(router: .roundRobin)
    ).run(SessionSource(turns, prefixUnit: 512))
    #expect(summary.completed == records.count && summary.evictedUnits == 0)
    print(
      "Mooncake: \(found) of \(blocks) blocks seen before; \(summary.prefixHitTokens / 512) taken from the ledger"
    )
    #expect(summary.prefixHitTokens == taken * 512)
    #expect(abs(Double(summary.prefixHitTokens / 512) / Double(blocks) - 0.366) < 0.001)
  }

  @Test func `Agentic sessions close the loop: each turn waits, and slower engines delay the later ones`()
    throws
  {
    guard let path = Self.trace("agentic_coding_sessions.csv") else { return }
    var options = TraceOptions.unchanged
    options.keepsDetails = true
    options.isLenient = true
    let trace = try TraceFile.open(path: path, options: options)
    let sessions = SessionTurns(closesLoop: true, sharesPrefixes: true)
    func run(hostBase: Int64) throws -> (RunSummary, last: SimTime) {
      final class Recorder: RunObserver {
        var last = SimTime.zero
        func requestEnded(_ record: RequestRecord) { last = max(last, record.arrival) }
      }
      var slow = configuration(blocks: 1 << 24)
      slow.costs.hostBase = hostBase
      let recorder = Recorder()
      let summary = try Simulation(slow, policy: VLLMMultiple(router: .roundRobin), observer: recorder)
        .run(sessions.source(of: trace))
      return (summary, recorder.last)
    }
    let (fast, fastLast) = try run(hostBase: 1_000_000)
    let (slow, slowLast) = try run(hostBase: 1_000_000_000)
    #expect(fast.completed == slow.completed && fast.completed == trace.info.count)
    #expect(slowLast > fastLast)
    // data/README.md: 96 % of blocks are in-session prefix.
    let share = Double(fast.prefixHitTokens) / Double(fast.prefixAskedTokens)
    print("agentic sessions: \(share * 100) % of prompt tokens found cached")
    #expect(share > 0.9)
  }
}
