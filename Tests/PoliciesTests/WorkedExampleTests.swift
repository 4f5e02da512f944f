import Sim
import TestSupport
import Testing

/// The engine against numbers worked out by hand (in `WorkedExamples.swift`) and by queueing theory.
@Suite struct WorkedExampleTests {
  @Test func `A borrow between two instances is exact to the picosecond`() throws {
    #expect(try WorkedExample.borrow() == WorkedExample.borrowEnds)
  }

  @Test func `A tenth of the link's bandwidth slows remote-bound steps by the longer transfers`() throws {
    // Messages of 2 + 2 bytes a request: 8 ps become 80 in the step of both, 4 become 40 in the step of one.
    let slow = try WorkedExample.borrow(bytesPerSecond: 1e11)
    #expect(slow == [WorkedExample.borrowEnds[0] + 72 + 36, WorkedExample.borrowEnds[1] + 72])
  }

  @Test(arguments: 1...3)
  func `Hosted blocks lengthen the host's step by rate times hosted tokens times stages`(stages: Int) throws {
    #expect(try WorkedExample.hostedDelay(stages: stages) == Int64(3 * stages * 100 * 24))
  }

  @Test func `In D/D/1 every wait is exact`() throws {
    let service = WorkedExample.service
    let late = try WorkedExample.waits(arrivals: (0..<1_000).map { $0 * (service - 4) })
    #expect(late == (0..<1_000).map { $0 * 4 })
    let idle = try WorkedExample.waits(arrivals: (0..<1_000).map { $0 * (service + 4) })
    #expect(idle.allSatisfy { $0 == 0 })
  }

  @Test(arguments: [0.3, 0.5, 0.7])
  func `In M/D/1 the mean wait is Pollaczek and Khinchine's`(load: Double) throws {
    let waits = try WorkedExample.waits(arrivals: WorkedExample.poisson(count: 200_000, load: load, seed: 1))
    let mean = Double(waits.reduce(0, +)) / Double(waits.count)
    let theory = load * Double(WorkedExample.service) / (2 * (1 - load))
    #expect(abs(mean / theory - 1) < 0.03, "mean \(mean) ps, theory \(theory) ps")
  }
}
