import Testing
import Workloads

@Suite struct LoadLineTests {
  private func parsed(_ text: String) throws -> LoadLine { try LoadLine(parsing: text) }

  @Test func `a line says lengths, when requests are sent, how many, and how far lengths spread`() throws {
    let rate = try parsed("1200:250@20/s")
    #expect(rate.prompt == 1200 && rate.output == 250 && rate.sending == .rate(20))
    #expect(rate.requests == LoadLine.defaultRequests && rate.rangeRatio == 0)
    #expect(try parsed("1024:128@concurrency=64,requests=640").sending == .concurrency(64))
    #expect(try parsed("1024:128@concurrency=64,requests=640").requests == 640)
    #expect(try parsed("1:1@inf").sending == .together)
    #expect(try parsed("1:1").sending == nil)
    #expect(try parsed("1:1@0.5/s,range-ratio=0.25").rangeRatio == 0.25)
  }

  @Test(
    arguments: [
      "", "1200", "1200:", ":250", "0:1", "1:0", "-1:1", "1:2:3", "1.5:2", "100000001:1",
      "1:99999999999999999999", "nan:1",
      "1:1@", "1:1@20", "1:1@0/s", "1:1@-1/s", "1:1@nan/s", "1:1@inf/s", "1:1@1e9/s", "1:1@concurrency=0",
      "1:1@concurrency=x", "1:1@concurrency=1000001", "1:1@now", "1:1@1/s@2/s", "1:1,", "1:1,requests",
      "1:1,requests=0",
      "1:1,requests=1e3", "1:1,requests=20000001", "1:1,requests=1,requests=1", "1:1,range-ratio=1",
      "1:1,range-ratio=-0.1",
      "1:1,range-ratio=nan", "1:1,speed=1", "1:1 @inf",
    ])
  func `anything else is an error that says what is expected`(text: String) {
    guard case .invalidOption("load", _, let expected)? = traceError({ _ = try parsed(text) }) else {
      Issue.record("\(text) is taken")
      return
    }
    #expect(!expected.isEmpty)
  }

  @Test func `lengths are those given, or every whole number of the range alike, as vLLM draws them`() throws
  {
    let same = try parsed("100:7,requests=50").spec.generate().map(\.request)
    #expect(same.count == 50 && same.allSatisfy { $0.prompt == 100 && $0.output == 7 && $0.arrival == .zero })

    let drawn = try parsed("10:3,requests=9000,range-ratio=0.25").spec.generate().map(\.request)
    // floor(10 · 0.75) to ceil(10 · 1.25), and floor(3 · 0.75) to ceil(3 · 1.25).
    for (lengths, range) in [(drawn.map(\.prompt), 7...13), (drawn.map(\.output), 2...4)] {
      #expect(Set(lengths) == Set(range))
      let share = 9000.0 / Double(range.count)
      for length in range {
        // Five standard deviations.
        #expect(abs(Double(lengths.count { $0 == length }) - share) < 5 * share.squareRoot())
      }
    }
    #expect(
      try parsed("1:1,requests=200,range-ratio=0.9").spec.generate().allSatisfy { $0.request.output >= 1 })
    #expect(
      try parsed("10:3,requests=9000,range-ratio=0.25").spec.generate()
        == parsed("10:3,requests=9000,range-ratio=0.25").spec
        .generate())
  }

  @Test func `as a recipe it is a load and no path`() throws {
    #expect(GeneratedTrace.isRecipe("load:1:2@3/s") && !GeneratedTrace.isFile("load:1:2.yaml"))
    let trace = try GeneratedTrace(
      "load:1:2@3/s,requests=5", spec: GeneratedTrace.spec("load:1:2@3/s,requests=5"))
    #expect(trace.name == "load:1:2@3/s,requests=5" && trace.records.count == 5 && trace.longest == 3)
  }
}
