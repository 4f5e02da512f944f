import Foundation
@_spi(Checking) import Sim
import TestSupport
import Testing
import Torture

/// Prefix caching and closed loops in small cases; their agreement with the oracle is in suites (`prefix/`, `sessions/`).
@Suite struct PrefixTests {
  @Test func `Slower hardware makes later turns arrive later`() throws {
    let turns = (0..<4).map { turn in
      SessionSource.Turn(
        request: WorkedExample.request(5, 8, 3), follows: turn == 0 ? nil : turn - 1,
        think: SimDuration(picoseconds: 100))
    }
    func arrivals(slowdown: Int64) throws -> [Int64] {
      final class Recorder: RunObserver {
        var arrivals: [Int64] = []
        func requestEnded(_ record: RequestRecord) { arrivals.append(record.arrival.picoseconds) }
      }
      var configuration = WorkedExample.cluster(instances: 1, blocks: 40)
      configuration.costs.hostBase *= slowdown
      let recorder = Recorder()
      _ = try ScenarioRun.simulate(configuration, SessionSource(turns), observer: recorder)
      return recorder.arrivals
    }
    let (fast, slow) = (try arrivals(slowdown: 1), try arrivals(slowdown: 2))
    #expect(fast[0] == 5 && slow[0] == 5)
    #expect(zip(fast, slow).dropFirst().allSatisfy { $0 < $1 })
  }

  @Test func `A cached prompt computes its last token only, and says so`() throws {
    // Units of 8 tokens; the second prompt of 16 tokens has both units cached, but must compute one token at least, so
    // it takes one hit: 8 of 16 tokens.
    var configuration = WorkedExample.cluster(instances: 1, blocks: 40)
    configuration.engine.prefixCaching = true
    let turns = [
      SessionSource.Turn(request: WorkedExample.request(0, 16, 1), prefix: [1, 2]),
      SessionSource.Turn(request: WorkedExample.request(0, 16, 1), follows: 0, prefix: [1, 2]),
      SessionSource.Turn(request: WorkedExample.request(0, 17, 1), follows: 1, prefix: [1, 2]),
    ]
    let summary = try ScenarioRun.simulate(
      configuration, SessionSource(turns, prefixUnit: 8), observer: nil)
    #expect(summary.prefixAskedTokens == 16 + 16 + 17 && summary.prefixHitTokens == 0 + 8 + 16)
  }

  @Test func `A unit that is no whole number of blocks is refused`() {
    var configuration = WorkedExample.cluster(instances: 1, blocks: 40)
    configuration.engine.prefixCaching = true
    let turns = [SessionSource.Turn(request: WorkedExample.request(0, 16, 1), prefix: [1])]
    #expect(throws: ConfigurationError.self) {
      try ScenarioRun.simulate(configuration, SessionSource(turns, prefixUnit: 6), observer: nil)
    }
  }
}
