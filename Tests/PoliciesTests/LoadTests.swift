import Policies
import Sim
import TestSupport
import Testing

/// The label of the load and the steady state, on queues whose load is known.
@Suite struct LoadTests {
  private static let service = WorkedExample.service

  /// One request at a time, each `service` ps long, on so many instances.
  private func run(_ arrivals: [Int64], slo: SLO = SLO(), instances: Int = 1) throws -> RunSummary {
    var configuration = WorkedExample.cluster(instances: instances, blocks: 100) { $0.maxNumSeqs = 1 }
    configuration.slo = slo
    let requests = arrivals.map { WorkedExample.request($0, 1, 1) }
    return try Simulation(configuration, policy: VLLMMultiple(router: .roundRobin)).run(ArraySource(requests))
  }

  private func label(_ load: Double, _ count: Int, _ seed: UInt64) throws -> LoadLabel? {
    try run(WorkedExample.poisson(count: count, load: load, seed: seed)).load?.label
  }

  @Test(arguments: [500, 2_000, 5_000])
  func `M/D/1 is never called overloaded below its capacity, nor stable above`(count: Int) throws {
    for seed in 0..<16 as Range<UInt64> {
      for load in [0.5, 0.8, 0.9] {
        let label = try label(load, count, seed)
        #expect(label == .stable || label == .undecided, "ρ \(load), seed \(seed): \(label as Any)")
        if count == 5_000, load < 0.9 { #expect(label == .stable, "ρ \(load), seed \(seed)") }
      }
      for load in [1.1, 1.2, 1.5] {
        let label = try label(load, count, seed)
        #expect(label == .overloaded || label == .undecided, "ρ \(load), seed \(seed): \(label as Any)")
        if count == 5_000, load > 1.1 { #expect(label == .overloaded, "ρ \(load), seed \(seed)") }
      }
    }
  }

  @Test func `without any noise the label is exact`() throws {
    #expect(try run((0..<1_000).map { $0 * (Self.service + 1) }).load?.label == .stable)
    #expect(try run((0..<1_000).map { $0 * Self.service * 3 / 2 }).load?.label == .stable)
    #expect(try run((0..<1_000).map { $0 * Self.service * 9 / 10 }).load?.label == .overloaded)
  }

  @Test func `a burst before a few stragglers is not stable`() throws {
    let burst = (0..<500).map { Int64($0) * Self.service / 10 }
    let stragglers = (1...3).map { Self.service * 1_000 * Int64($0) }
    let summary = try run(burst + stragglers)
    #expect(summary.load?.label == .undecided || summary.load?.label == .overloaded)
    #expect(summary.steady == nil)
  }

  @Test(arguments: [(0.2, 1.5), (0.15, 2), (0.1, 5)])
  func `a load that rises above capacity at the end is not stable`(share: Double, load: Double) throws {
    for seed in 0..<8 as Range<UInt64> {
      let count = 6_000
      let many = Int(Double(count) * share)
      let calm = WorkedExample.poisson(count: count - many, load: 0.3, seed: seed)
      let rush = WorkedExample.poisson(count: many, load: load, seed: seed + 100)
      let summary = try run(calm + rush.map { $0 + calm[calm.count - 1] })
      #expect(summary.load?.label != .stable && summary.steady == nil, "\(summary.load as Any), seed \(seed)")
    }
  }

  @Test(arguments: [16, 64])
  func `batches as regular as a clock that are done before the next are stable`(batch: Int) throws {
    for load in [0.1, 0.5] {
      let period = Int64(Double(batch) * Double(Self.service) / load)
      let arrivals = (0..<9_600).map { Int64($0 / batch) * period }
      #expect(try run(arrivals).load?.label == .stable, "ρ \(load)")
      let faster = (0..<9_600).map { Int64($0 / batch) * Int64(Double(batch) * Double(Self.service) * 0.8) }
      #expect(try run(faster).load?.label == .overloaded)
    }
  }

  @Test func `a cluster that dies is not stable`() throws {
    var configuration = WorkedExample.cluster(instances: 1, blocks: 100) { $0.maxNumSeqs = 1 }
    let arrivals = WorkedExample.poisson(count: 3_000, load: 0.3, seed: 1)
    configuration.faults.timed = [
      TimedFault(.crash(InstanceID(0)), start: SimTime(picoseconds: arrivals[800]))
    ]
    let requests = arrivals.map { WorkedExample.request($0, 1, 1) }
    let summary = try Simulation(configuration, policy: VLLMMultiple(router: .roundRobin)).run(
      ArraySource(requests))
    #expect(summary.rejectedByReason[.noLiveInstance, default: 0] > 2_000)
    #expect(summary.load?.label != .stable && summary.steady == nil, "\(summary.load as Any)")
  }

  @Test func `one request says nothing, and requests that come at once are a backlog`() throws {
    let one = try run([0])
    #expect(one.load?.label == .undecided && one.load?.reason != nil && one.steady == nil)
    let all = try run(Array(repeating: 0, count: 1_000))
    #expect(all.load?.label == .backlog && all.steady == nil)
  }

  @Test func `a short trace says how long it should be`() throws {
    let short = try run(WorkedExample.poisson(count: 100, load: 0.5, seed: 1))
    let needed = try #require(short.load?.requestsNeeded)
    #expect(short.load?.label == .undecided && (101...500).contains(needed))
    #expect(try label(0.5, needed, 1) == .stable)
    // 100 instances that are half busy: 50 requests live among 300, most of which is filling up.
    let filling = WorkedExample.poisson(count: 300, load: 50, seed: 1)
    #expect(try run(filling, instances: 100).load?.label == .undecided)
  }

  @Test func `more instances than the load needs are stable`() throws {
    let arrivals = WorkedExample.poisson(count: 5_000, load: 6, seed: 3)
    #expect(try run(arrivals, instances: 5).load?.label == .overloaded)
    for instances in [12, 13, 14, 16] {
      #expect(try run(arrivals, instances: instances).load?.label == .stable, "\(instances)")
    }
  }

  @Test(arguments: [400, 4_000])
  func `rates of the steady state do not depend on how long the trace is`(count: Int) throws {
    // The last request takes a hundred times as long: the makespan has a drain.
    let gap = Self.service * 3 / 2
    let requests = (0..<count).map {
      WorkedExample.request(Int64($0) * gap, 1, $0 == count - 1 ? 100 : 1)
    }
    var configuration = WorkedExample.cluster(instances: 1, blocks: 100) { $0.maxNumSeqs = 1 }
    configuration.slo = SLO(ttftSeconds: 1)
    let summary = try Simulation(configuration, policy: VLLMMultiple(router: .roundRobin)).run(
      ArraySource(requests))
    let steady = try #require(summary.steady)
    let rate = 1e12 / Double(gap)
    #expect(abs(steady.requestsPerSecond / rate - 1) < 1e-9)
    #expect(steady.goodputRequestsPerSecond == steady.requestsPerSecond)
    #expect(abs(steady.outputTokensPerSecond / rate - 1) < 1e-9)
    #expect(abs(steady.totalTokensPerSecond / rate / 2 - 1) < 1e-9)
    #expect(steady.from > 0 && steady.to == Double(requests[count - 1].arrival.picoseconds) * 1e-12)
    #expect(try #require(summary.requestsPerSecond) < rate)
  }
}
