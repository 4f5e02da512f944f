import Foundation
import Sim
import Testing

import Workloads

@Suite struct ConversionTests {
  private func open(_ path: String) throws -> TraceFile {
    try TraceFile.open(path: path, options: FormatFixtures.options(nil))
  }

  /// Records with every detail that a trace can have.
  private func richRecords(_ count: Int, seed: UInt64) -> [TraceRecord] {
    let draws = RandomDraws(seed: seed, name: "rich")
    var arrival: Int64 = 0
    return (0..<count).map { index in
      if index > 0 { arrival += Int64(draws.unit(index, 0) * 3e12) }
      let prompt = Int(draws.unit(index, 1) * 3_000) + 1
      var details = TraceDetails()
      details.id = Int64(count - index)
      details.session = Int(draws.unit(index, 2) * 20)
      details.turn = index
      if index % 3 > 0 { details.think = SimDuration(picoseconds: Int64(draws.unit(index, 3) * 1e13)) }
      details.label = ["chat", "a, \"b\"", "ü\\n"][index % 3]
      details.blockTokens = 512
      details.hashes = (0..<(prompt + 511) / 512).map { UInt64($0 + index) }
      details.prefixTokens = prompt / 2
      return TraceRecord(
        TraceRequest(
          arrival: SimTime(picoseconds: arrival), prompt: prompt, output: Int(draws.unit(index, 4) * 900) + 1),
        details)
    }
  }

  @Test("Writing and reading plain JSONL gives every detail back; writing again gives the same bytes")
  func roundTrip() throws {
    let scratch = try Scratch()
    for seed in 1...5 as ClosedRange<UInt64> {
      let records = richRecords(300, seed: seed)
      let (path, again) = (scratch.folder + "/a.jsonl", scratch.folder + "/b.jsonl")
      try TraceConversion.write(records, as: .plainJSONL, to: path)
      let file = try open(path)
      #expect(try file.allRecords() == records, "seed \(seed)")
      _ = try TraceConversion(to: .plainJSONL).run(file, to: again)
      #expect(
        try Data(contentsOf: URL(fileURLWithPath: path)) == Data(contentsOf: URL(fileURLWithPath: again)))
      // All but the block identities, which CSV has no room for.
      let csv = scratch.folder + "/c.csv"
      _ = try TraceConversion(to: .plain, dropping: [.hashes]).run(file, to: csv)
      var bare = records
      for index in bare.indices { (bare[index].details.hashes, bare[index].details.blockTokens) = ([], nil) }
      #expect(try open(csv).allRecords() == bare, "seed \(seed)")
    }
  }

  @Test("Any format that is read can be written as any that is written, with the same requests")
  func anyToAny() throws {
    let scratch = try Scratch()
    var pairs = 0
    for source in TraceFormat.all {
      let file = try TraceFile.open(
        path: FormatFixtures.write(source.name, in: scratch), options: FormatFixtures.options(source.name))
      let requests = try file.all()
      for target in TraceFormat.all where target.isWritable {
        let path = scratch.folder + "/out"
        let rows = try TraceConversion(to: target, dropping: Set(TraceDetail.allCases)).run(file, to: path)
        let back = try TraceFile.open(path: path, options: FormatFixtures.options(target.name))
        #expect(rows == requests.count)
        let read = try back.all()
        #expect(
          read.map(\.prompt).sorted() == requests.map(\.prompt).sorted(), "\(source.name) to \(target.name)")
        if target.times != .none, target.clock != .milliseconds {
          #expect(read == requests, "\(source.name) to \(target.name)")
        }
        pairs += 1
      }
    }
    #expect(pairs == TraceFormat.all.count * TraceFormat.all.count { $0.isWritable })
  }

  @Test("A conversion that would lose something fails, names it, and writes nothing, unless it is dropped")
  func losses() throws {
    let scratch = try Scratch()
    let cases: [(String, TraceFormat, [TraceDetail])] = [
      ("mooncake", .plain, [.hashes]), ("mooncake", .azure2023, [.hashes]), ("mooncake", .bailian, [.hashes]),
      ("bailian", .plain, [.hashes]), ("bailian", .burstGPT, [.hashes, .id, .turn]),
      ("agentic", .vidur, [.class, .prefix, .session, .think, .turn]), ("plain", .mooncake, [.times]),
      ("plain", .lengths, [.times]), ("burstgpt", .azure2024, [.class]), ("servegen", .vidur, [.session]),
      ("vidur", .plain, []), ("vidur", .azure2023, []), ("vidur", .burstGPT, []),
      ("mooncake", .plainJSONL, []),
      ("bailian", .plainJSONL, []), ("agentic", .plain, []), ("agentic", .plainJSONL, []),
      ("bailian", .bailian, []),
      ("mooncake", .mooncake, []), ("servegen", .serveGen, []),
    ]
    for (source, target, lost) in cases {
      let file = try TraceFile.open(
        path: FormatFixtures.write(source, in: scratch), options: FormatFixtures.options(source))
      let path = scratch.folder + "/\(source)-\(target.name)"
      do {
        _ = try TraceConversion(to: target).run(file, to: path)
        #expect(lost.isEmpty, "\(source) to \(target.name)")
        #expect(try open(path).all() == file.all(), "\(source) to \(target.name)")
      } catch let error as LossyConversion {
        #expect(
          error.lost == lost.sorted { $0.rawValue < $1.rawValue }, "\(source) to \(target.name): \(error)")
        #expect(!FileManager.default.fileExists(atPath: path))
        _ = try TraceConversion(to: target, dropping: Set(lost)).run(file, to: path)
      }
    }
  }

  @Test("Sampling keeps whole sessions, about as many as asked for, and counts arrivals from the first left")
  func sampling() throws {
    let scratch = try Scratch()
    let path = scratch.folder + "/all.jsonl"
    var records = richRecords(2_000, seed: 9)
    for index in records.indices { records[index].details.session = index / 10 }
    try TraceConversion.write(records, as: .plainJSONL, to: path)
    let file = try open(path)
    let part = scratch.folder + "/part.jsonl"
    let rows = try TraceConversion(to: .plainJSONL, sessionShare: 0.3, seed: 2).run(file, to: part)
    let kept = try open(part).allRecords()
    #expect(kept.count == rows && (400...800).contains(rows) && kept[0].request.arrival == .zero)
    let sessions = Dictionary(grouping: kept) { $0.details.session ?? -1 }
    #expect(sessions.values.allSatisfy { $0.count == 10 })
  }

  @Test("Formats of words, texts and clients cannot be written")
  func unwritable() {
    for format in TraceFormat.all where !format.isWritable {
      #expect(throws: TraceError.self) { _ = try TraceConversion(to: format) }
    }
  }
}
