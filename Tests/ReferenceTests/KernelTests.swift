import Foundation
import Testing

import Reference

/// What was covered and how near the bounds the kernels came.
private struct Coverage: Sendable {
  var counts: [String: Int] = [:]
  var failures: [String] = []
  /// The largest error in units of the bound, by kind.
  var nearest: [String: Double] = [:]

  mutating func count(_ name: String, _ isSo: Bool = true) { counts[name, default: 0] += isSo ? 1 : 0 }

  mutating func merge(_ other: Coverage) {
    counts.merge(other.counts, uniquingKeysWith: +)
    failures += other.failures
    nearest.merge(other.nearest, uniquingKeysWith: max)
  }

  /// Runs one case on every instruction set of this processor.
  mutating func run(_ index: Int) throws {
    let one = RandomCase(index)
    let (query, tokens) = (one.query, one.whole.count)
    let judge = Judge(query, over: one.whole)
    count("shapes")
    count(query.values.element.rawValue)
    count(one.partition.rawValue)
    count("1M tokens and more", tokens >= 1_000_000)
    count("8Ki tokens and more", tokens >= 8192)
    count("no token", tokens == 0)
    count("one token", tokens == 1)
    count("paged and shuffled", one.isPaged)
    count("several query tokens", query.shape.queries > 1)
    count("an empty part", one.shares.contains { $0.part.count == 0 })
    count("extreme logits", one.isExtreme && judge.largestLogit > 1000)
    count("logits of 10,000 and more", judge.largestLogit >= 10_000)
    count("window", query.window != nil)
    count("−∞ in a bias", query.bias != nil)
    count("MQA", query.shape.kvHeads == 1 && query.shape.group > 1)
    count("GQA", query.shape.kvHeads > 1 && query.shape.group > 1)
    count("MHA", query.shape.group == 1)
    count("head size not a power of two", query.shape.headDim & (query.shape.headDim - 1) != 0)
    for level in CPUBackend.Level.available {
      let verdict = judge.verdict(try one.output(CPUBackend(level: level, threads: 1)))
      let kind = query.values.element.rawValue + (one.isExtreme ? " extreme" : "")
      if judge.naiveBound! > 0 {
        nearest["2 × naive, " + kind] = max(
          nearest["2 × naive, " + kind] ?? 0, verdict.maxError / judge.naiveBound!)
        nearest["max|v|, " + kind] = max(
          nearest["max|v|, " + kind] ?? 0, verdict.maxError / judge.absoluteBound)
      }
      count("runs (shapes × instruction sets)")
      count("runs that need the last-place allowance", verdict.maxError > 2 * judge.naiveError!)
      if !verdict.isGood {
        failures.append(
          "case \(index) \(level): error \(verdict.maxError), bound \(verdict.bound), naive \(judge.naiveError!), logit \(judge.largestLogit), \(query.shape), \(tokens) tokens"
        )
      }
    }
  }
}

@Suite struct KernelTests {
  /// INFINITE_SIM_SHAPES sets how many: `scripts/full` takes 10,000.
  private static var shapes: Int {
    ProcessInfo.processInfo.environment["INFINITE_SIM_SHAPES"].flatMap(Int.init) ?? 2_000
  }

  @Test func `On every instruction set the error is within bounds over random shapes`() async throws {
    let workers = ProcessInfo.processInfo.activeProcessorCount
    let coverage = try await withThrowingTaskGroup(of: Coverage.self) { group in
      for worker in 0..<workers {
        group.addTask {
          var coverage = Coverage()
          for index in stride(from: worker, to: Self.shapes, by: workers) { try coverage.run(index) }
          return coverage
        }
      }
      return try await group.reduce(into: Coverage()) { $0.merge($1) }
    }
    print("random shapes, on \(CPUBackend.Level.available.map(\.rawValue).joined(separator: ", ")):")
    for (name, count) in coverage.counts.sorted(by: { $0.key < $1.key }) { print("  \(count)\t\(name)") }
    for (name, share) in coverage.nearest.sorted(by: { $0.key < $1.key }) {
      print("  largest error / bound (\(name)): \(String(format: "%.3f", share))")
    }
    #expect(coverage.failures.isEmpty, "\(coverage.failures.count): \(coverage.failures.prefix(20))")
    // Of 10,000. Of fewer half of the share is asked, since small counts scatter.
    let floors = [
      "1M tokens and more": 20, "8Ki tokens and more": 1000, "paged and shuffled": 2000,
      "several query tokens": 1000, "an empty part": 1000, "extreme logits": 500,
      "logits of 10,000 and more": 50,
      "no token": 50, "one token": 100, "window": 500, "−∞ in a bias": 200,
    ]
    for (name, floor) in floors {
      let least = Self.shapes >= 10_000 ? floor : floor * Self.shapes / 20_000
      #expect(coverage.counts[name, default: 0] >= least, "\(name)")
    }
  }
}
