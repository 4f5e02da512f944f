import Experiments
import Runs
import Results
import Sim
import Studies
import Testing

@Suite struct FairComparisonTests {
  private func compare(
    _ plans: [RunPlan], _ workload: Workload, _ onReject: OnReject
  ) throws -> FairComparison {
    let executor = quietExecutor()
    return try FairComparison.make(policies: plans.map(\.policy), workload: workload, onReject: onReject) {
      try executor.execute(plans[$0], on: $1)
    }
  }

  @Test func `contenders that complete the same requests are compared as they are`() throws {
    let comparison = try compare(
      [fakePlan("a", rate: 100), fakePlan("b", rate: 150)], fakeWorkload(prompts: [1, 2, 3]), .common)
    #expect(comparison.common == nil)
    #expect(comparison.judged.ratio(1, to: 0, \.outputTokensPerSecond) == 1.5)
    #expect(comparison.judged.ratio(0, to: 1, \.outputTokensPerSecond) == 100.0 / 150)
  }

  @Test func `if one rejects, all run again on the requests that all complete`() throws {
    let comparison = try compare(
      [fakePlan("a", rate: 100, longestPrompt: 50), fakePlan("b", rate: 150, longestPrompt: 80)],
      fakeWorkload(prompts: [99, 10, 70, 20, 90]), .common)
    #expect(comparison.whole.runs.map(\.rejected) == [[0, 2, 4], [0, 4]])
    #expect(comparison.whole.ratio(1, to: 0, \.outputTokensPerSecond) == nil)
    let common = try #require(comparison.common)
    #expect(common.workload.dropped == [0, 2, 4])
    #expect(common.runs.map(\.summary.completed) == [2, 2])
    #expect(common.ratio(1, to: 0, \.outputTokensPerSecond) == 1.5)
  }

  @Test func `raw shows the runs and no ratio`() throws {
    let comparison = try compare(
      [fakePlan("a", rate: 100, longestPrompt: 50), fakePlan("b", rate: 150)],
      fakeWorkload(prompts: [10, 70]), .raw)
    #expect(comparison.common == nil && comparison.judged.ratio(1, to: 0, \.outputTokensPerSecond) == nil)
  }

  @Test func `fail fails when anybody rejects`() {
    #expect(throws: CommandFailure.self) {
      _ = try compare(
        [fakePlan("a", rate: 100), fakePlan("b", rate: 150, longestPrompt: 50)],
        fakeWorkload(prompts: [10, 70]), .fail)
    }
  }

  @Test func `a trace of which nothing is common has no ratio`() throws {
    let comparison = try compare(
      [fakePlan("a", rate: 100, longestPrompt: 5), fakePlan("b", rate: 150)],
      fakeWorkload(prompts: [10, 70]), .common)
    #expect(comparison.common == nil && comparison.judged.ratio(1, to: 0, \.outputTokensPerSecond) == nil)
  }

  @Test func `ids dropped in several rounds are ids of the whole trace`() {
    #expect(Workload.merge([], later: [0, 3]) == [0, 3])
    // Of 0…9 without 0, 3, 4 there are left 1 2 5 6 7 8 9, of which numbers 0, 2 and 6 are 1, 5 and 9.
    #expect(Workload.merge([0, 3, 4], later: [0, 2, 6]) == [0, 1, 3, 4, 5, 9])
    #expect(Workload.merge([5], later: [0]) == [0, 5])
  }

  @Test(arguments: 0..<200)
  func `dropping in two rounds is dropping at once`(seed: Int) throws {
    var state = UInt64(seed) &* 0x9E37_79B9_7F4A_7C15 | 1
    func chance() -> Bool {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return state >> 62 == 0
    }
    let prompts = Array(1...20)
    let first = prompts.indices.filter { _ in chance() }
    let left = prompts.indices.filter { !first.contains($0) }
    let second = left.indices.filter { _ in chance() }
    let expected = left.indices.filter { !second.contains($0) }.map { prompts[left[$0]] }
    guard !expected.isEmpty else { return }

    let once = try #require(try fakeWorkload(prompts: prompts).dropping(first))
    let twice = try #require(try once.dropping(second))
    #expect(twice.dropped == (first + second.map { left[$0] }).sorted())
    var source = try twice.open()
    #expect(source.info.count == expected.count && twice.requests == expected.count)
    var requests: [TraceRequest] = []
    while let request = try source.next() { requests.append(request) }
    #expect(requests.map(\.prompt) == expected)
    #expect(requests.first?.arrival == .zero && requests.last?.arrival == source.info.lastArrival)
  }
}

@Suite struct PairedIntervalTests {
  @Test func `the interval of five values is the one computed by hand`() throws {
    // Mean 3, variance 10/4, standard error √(2.5/5) = 0.70711, t(4) = 2.776: ± 1.96293.
    let interval = try #require(PairedInterval([1, 2, 3, 4, 5]))
    #expect(interval.mean == 3)
    #expect(abs(interval.halfWidth - 1.962_928) < 1e-6)
  }

  @Test func `two values have one degree of freedom`() throws {
    // Mean 1.5, standard error 0.5, t(1) = 12.706.
    #expect(try #require(PairedInterval([1, 2])).halfWidth == 6.353)
  }

  @Test func `one value has no interval`() {
    #expect(PairedInterval([1]) == nil && PairedInterval([]) == nil)
  }

  @Test func `t falls as the degrees of freedom grow and never below the normal's 1.96`() {
    let values = (1...300).map(PairedInterval.t(freedom:))
    #expect(zip(values, values.dropFirst()).allSatisfy { $0 >= $1 })
    #expect(values.allSatisfy { $0 > 1.96 } && PairedInterval.t(freedom: 45) == 2.021)
  }
}
