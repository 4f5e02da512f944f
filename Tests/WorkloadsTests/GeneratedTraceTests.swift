import Foundation
import Sim
import Testing

import Workloads

@Suite struct GeneratedTraceTests {
  @Test("The trace in Traces/ is what its recipe generates, byte for byte")
  func sampleTrace() throws {
    let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let kept = package.appendingPathComponent("Traces/mixed-chat-and-documents.csv")
    let scratch = try Scratch()
    let path = scratch.folder + "/sample.csv"
    let recipe = try MixedTrace(seed: 1, requests: 3_000, rate: 12, longShare: 0.04, longMaximum: 500_000)
    try TraceWriter.write(ArraySource(recipe.generate()), to: path)
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data(contentsOf: kept))
  }

  @Test("The sample trace has documents too long for one instance, and an Azure-like rest")
  func sampleShape() throws {
    let requests = try MixedTrace(seed: 1).generate()
    let long = requests.filter { $0.prompt >= MixedTrace.longMinimum }
    let chat = requests.filter { $0.prompt < MixedTrace.longMinimum }
    #expect((90...150).contains(long.count))
    // 7,424 blocks of 16 tokens: the KV capacity of Llama-2-7B on one A100-80GB.
    #expect(long.count { $0.prompt + $0.output > 7_424 * 16 } >= 10)
    #expect(long.allSatisfy { $0.prompt <= 500_000 && (16...512).contains($0.output) })
    #expect(chat.allSatisfy { (32...4_096).contains($0.prompt) && (10...600).contains($0.output) })
    let span = requests[2_999].arrival.seconds
    // Five standard errors of 2,999 exponential gaps.
    #expect(abs(span / (2_999.0 / 12) - 1) < 5 / 2_999.0.squareRoot())
  }

  @Test("More requests only add to the end; another seed or share changes the trace")
  func prefixes() throws {
    let short = try MixedTrace(seed: 5, requests: 100).generate()
    #expect(try MixedTrace(seed: 5, requests: 200).generate().prefix(100) == short[...])
    #expect(try MixedTrace(seed: 6, requests: 100).generate() != short)
    #expect(try MixedTrace(seed: 5, requests: 100, longShare: 0).generate().allSatisfy { $0.prompt <= 4_096 })
    #expect(try MixedTrace(seed: 5, requests: 100, longShare: 1).generate().allSatisfy { $0.prompt >= 8_192 })
  }

  @Test("Generator parameters out of range are refused by name")
  func badParameters() {
    func name(_ body: () throws -> MixedTrace) -> String? {
      guard case .invalidOption(let name, _, _) = traceError({ _ = try body() }) else { return nil }
      return name
    }
    #expect(name { try MixedTrace(seed: 1, requests: 0) } == "requests")
    #expect(name { try MixedTrace(seed: 1, requests: 5_000_000, rate: 1) } == "requests")
    #expect(name { try MixedTrace(seed: 1, rate: 0) } == "rate")
    #expect(name { try MixedTrace(seed: 1, rate: .nan) } == "rate")
    #expect(name { try MixedTrace(seed: 1, longShare: 1.01) } == "long-share")
    #expect(name { try MixedTrace(seed: 1, longMaximum: 8_191) } == "long-maximum")
  }

  // MARK: Resampling

  @Test("Seed 0 is the file itself")
  func seedZero() throws {
    let scratch = try Scratch()
    let requests = randomRequests(seed: 1, count: 300)
    let path = scratch.folder + "/trace.csv"
    try TraceWriter.write(ArraySource(requests), to: path)
    var source = try Resampled.source(of: TraceFile.open(path: path), seed: 0)
    #expect(source.info.count == 300)
    #expect(source.info.lastArrival == requests[299].arrival)
    for request in requests { #expect(source.next() == request) }
  }

  @Test("A replication keeps the count, the order and the mean gap, and is its seed's alone")
  func replications() {
    let requests = randomRequests(seed: 2, count: 5_000)
    let span = requests[4_999].arrival.seconds
    for seed in 1...10 as ClosedRange<UInt64> {
      let drawn = Resampled.resample(requests, seed: seed)
      #expect(drawn == Resampled.resample(requests, seed: seed))
      #expect(drawn.count == 5_000)
      #expect(drawn[0].arrival == .zero)
      #expect(zip(drawn, drawn.dropFirst()).allSatisfy { $0.arrival <= $1.arrival })
      #expect(abs(drawn[4_999].arrival.seconds / span - 1) < 5 / 4_999.0.squareRoot(), "seed \(seed)")
      #expect(drawn != Resampled.resample(requests, seed: seed + 1))
    }
  }

  @Test("Lengths come in blocks of 64 consecutive rows of the file")
  func blocks() {
    let requests = (0..<1_000).map { request(Int64($0), $0 + 1, 1_000 - $0) }
    for seed in 1...10 as ClosedRange<UInt64> {
      let drawn = Resampled.resample(requests, seed: seed)
      for (index, request) in drawn.enumerated() {
        #expect(request.prompt + request.output == 1_001)
        if index % 64 != 0 { #expect(request.prompt == drawn[index - 1].prompt + 1, "seed \(seed)") }
      }
      #expect(Set(drawn.indices.filter { $0 % 64 == 0 }.map { drawn[$0].prompt }).count > 10)
    }
  }

  @Test("A trace that arrives all at once stays so, and a single request stays at zero")
  func allAtOnce() {
    let requests = (1...100).map { request(0, $0, $0) }
    #expect(Resampled.resample(requests, seed: 3).allSatisfy { $0.arrival == .zero })
    #expect(Resampled.resample([request(0, 7, 8)], seed: 3) == [request(0, 7, 8)])
  }

  @Test("Redrawn arrivals of the longest trace stay within 100 days")
  func longestTrace() {
    for seed in 1...50 as ClosedRange<UInt64> {
      let drawn = Resampled.resample([request(0, 1, 1), request(Instant.longestSpan, 1, 1)], seed: seed)
      #expect(drawn[1].arrival.picoseconds <= Instant.longestSpan)
    }
  }

  @Test("A replication never changes: fixed requests of seed 1")
  func fixedReplication() {
    let requests = (0..<200).map { request(Int64($0) * 1_000_000_000_000, $0 + 1, $0 + 2) }
    let drawn = Resampled.resample(requests, seed: 1)
    let expected = [
      request(2_300_450_419_878, 13, 14), request(72_524_159_333_115, 38, 39),
      request(212_438_473_105_143, 132, 133),
    ]
    #expect([drawn[1], drawn[64], drawn[199]] == expected)
  }
}
