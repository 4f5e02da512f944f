import Sim
import Testing
import Workloads

@Suite struct LimitedSourceTests {
  /// Sends all requests of `source`, each of which takes its prompt in picoseconds, as the engine's loop does.
  private func sent(_ source: LimitedSource) throws -> [(request: TraceRequest, at: Int64)] {
    var source = source
    var all: [(request: TraceRequest, at: Int64)] = []
    var live: [(end: Int64, index: Int)] = []
    var pending = try source.next()
    while pending != nil || !live.isEmpty {
      let now = min(pending?.arrival.picoseconds ?? .max, live.map(\.end).min() ?? .max)
      while let request = pending, request.arrival.picoseconds == now {
        live.append((now + Int64(request.prompt), all.count))
        all.append((request, now))
        pending = try source.next()
      }
      let ended = live.filter { $0.end == now }
      live.removeAll { $0.end == now }
      guard !ended.isEmpty else { continue }
      for one in ended { source.ended(one.index, at: SimTime(picoseconds: now)) }
      if let request = pending { source.putBack(request) }
      pending = try source.next()
    }
    return all
  }

  @Test func `each request is sent at its own time or a picosecond after a place is free, in their order`()
    throws
  {
    for seed in 0..<200 {
      let stream = RandomStream(seed: UInt64(seed), name: "limited")
      func draw(_ below: Int, _ entity: Int, _ ordinal: Int) -> Int {
        stream.integer(below: below, entity: entity, ordinal: ordinal)
      }
      let (count, most) = (1 + draw(60, 0, 9), 1 + draw(8, 1, 9))
      var arrival: Int64 = 0
      let requests = (0..<count).map { index in
        if index > 0 { arrival += Int64(draw(seed % 3 == 0 ? 1 : 30, index, 0)) }
        return request(arrival, 1 + draw(100, index, 1), 1 + index)
      }
      let sent = try sent(LimitedSource(ArraySource(requests), most: most))
      #expect(sent.map(\.request.output) == requests.map(\.output), "seed \(seed)")

      // A fair semaphore: each takes the place that is free first.
      var free = Array(repeating: Int64(0), count: most)
      for (request, sent) in zip(requests, sent) {
        let place = free.indices.min { free[$0] < free[$1] }!
        let at = max(request.arrival.picoseconds, free[place])
        #expect(sent.at == at, "seed \(seed)")
        free[place] = at + Int64(request.prompt) + 1
      }
    }
  }

  @Test func `as many places as requests change nothing, and one place sends one after another`() throws {
    let requests = (0..<20).map { request(Int64($0 * 7), 50, 1) }
    #expect(
      try sent(LimitedSource(ArraySource(requests), most: 20)).map(\.at)
        == requests.map(\.arrival.picoseconds))
    #expect(
      try sent(LimitedSource(ArraySource(requests), most: 1)).map(\.at) == (0..<20).map { Int64($0) * 51 })
  }

  @Test func `the prefix is that of the request last handed out, put back or not`() throws {
    let turns = (0..<3).map { index in
      SessionSource.Turn(
        request: request(Int64(index) * 10, 16, 1), prefix: [UInt64(index)])
    }
    var source = LimitedSource(SessionSource(turns, prefixUnit: 16), most: 2)
    #expect(source.info.prefixUnit == 16 && source.isClosedLoop)
    _ = try source.next()
    #expect(source.prefix == [0])
    let second = try #require(try source.next())
    #expect(source.prefix == [1])
    #expect(try source.next() == nil)
    source.ended(0, at: SimTime(picoseconds: 5))
    source.putBack(second)
    #expect(try source.next() == second && source.prefix == [1])
    #expect(try source.next()?.arrival == SimTime(picoseconds: 20) && source.prefix == [2])
  }

  @Test func `prompts of which nothing is told are named once and share their names between rounds alone`()
    throws
  {
    let records = (0..<6).map { TraceRecord(request(Int64($0), 40 + 16 * ($0 % 3), 1)) }
    var source = try SessionTurns(closesLoop: false, sharesPrefixes: true, rounds: 2).source(of: records)
    #expect(source.info.prefixUnit == EngineOptions().blockSize)
    var names: [ContiguousArray<UInt64>] = []
    while source.next() != nil { names.append(source.prefix) }
    #expect(names.map(\.count) == [2, 3, 4, 2, 3, 4])
    #expect(Array(names[..<3]) == Array(names[3...]))
    #expect(Set(names[..<3].joined()).count == 9)
    #expect(
      traceError { _ = try SessionTurns(closesLoop: false, sharesPrefixes: true).source(of: records) } != nil)
  }
}
