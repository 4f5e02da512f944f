import Sim
import Testing
import Workloads

@Suite struct RequestRateTests {
  private func gaps(_ arrivals: [SimTime]) -> [Double] {
    zip(arrivals.dropFirst(), arrivals).map { ($0 - $1).seconds }
  }

  private func cv(_ values: [Double]) -> Double {
    let mean = values.reduce(0, +) / Double(values.count)
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
    return variance.squareRoot() / mean
  }

  @Test(arguments: [1.0, 0.25, 4, .infinity])
  func `requests over the time from the client's start is the rate, and gaps have CV 1 / √burstiness`(
    burstiness: Double
  ) throws {
    let rate = try RequestRate(.constant(20), burstiness: burstiness)
    let times = rate.times(20_000, draws: RandomDraws(seed: 3, name: "test"))
    #expect(abs(times[19_999] - 1000) < 1e-6)
    let arrivals = try rate.arrivals(20_000, seed: 3)
    #expect(arrivals[0] == .zero && arrivals == arrivals.sorted())
    let wanted = 1 / burstiness.squareRoot()
    #expect(abs(cv(gaps(arrivals)) - wanted) < 0.05 * wanted + 1e-6)
  }

  @Test func `the same seed gives the same times, another seed others, and a scale divides them`() throws {
    let rate = try RequestRate(.constant(2), burstiness: 0.5)
    let arrivals = try rate.arrivals(500, seed: 1)
    #expect(try rate.arrivals(500, seed: 1) == arrivals)
    #expect(try rate.arrivals(500, seed: 2) != arrivals)
    let scale = try #require(RateScale("2"))
    #expect(
      try rate.arrivals(500, scale: scale, seed: 1)
        == arrivals.map { SimTime(picoseconds: $0.picoseconds / 2) })
    #expect(try rate.arrivals(1, seed: 1) == [.zero])
  }

  @Test func `a ramp goes from request to request, by equal steps or by equal factors`() throws {
    // All gaps alike: what is left is the ramp.
    let linear = try RequestRate(.ramp(.linear, from: 1, to: 5), burstiness: .infinity)
    let exponential = try RequestRate(.ramp(.exponential, from: 1, to: 16), burstiness: .infinity)
    #expect(gaps(try linear.arrivals(5, seed: 0)).map { (1 / $0).rounded() } == [2, 3, 4, 5])
    #expect(gaps(try exponential.arrivals(5, seed: 0)).map { (1 / $0).rounded() } == [2, 4, 8, 16])
    let falling = try RequestRate(.ramp(.linear, from: 5, to: 1), burstiness: .infinity)
    #expect(gaps(try falling.arrivals(5, seed: 0)).map { (1 / $0).rounded() } == [4, 3, 2, 1])
  }

  @Test func `what is out of range is refused by the name of its option`() throws {
    func name(_ body: () throws -> Void) -> String? {
      guard case .invalidOption(let name, _, _)? = traceError(body) else { return nil }
      return name
    }
    for rate in [0, -1, .nan, .infinity, 1e9, 1e-9] {
      #expect(name { _ = try RequestRate(.constant(rate)) } == "request-rate")
      #expect(name { _ = try RequestRate(.ramp(.linear, from: rate, to: 1)) } == "ramp-up-start-rps")
      #expect(name { _ = try RequestRate(.ramp(.linear, from: 1, to: rate)) } == "ramp-up-end-rps")
    }
    for burstiness in [0, -1, .nan, 1e-9, 1e9] {
      #expect(name { _ = try RequestRate(.constant(1), burstiness: burstiness) } == "burstiness")
    }
    let slow = try RequestRate(.constant(1e-6))
    #expect(name { _ = try slow.arrivals(100, seed: 0) } == "request-rate")
    #expect(slow.text == "1e-06 requests/s")
  }
}
