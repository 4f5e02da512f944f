import Foundation
import Sim
import Testing

import Workloads

@Suite struct TraceFileTests {
  @Test("The format is found from the header, and all formats of one trace give the same requests")
  func formats() throws {
    let scratch = try Scratch()
    let expected = [
      request(0, 374, 44), request(4_314_579_000_000, 396, 109), request(4_314_579_000_000, 1, 1),
    ]
    let texts = [
      "azure-2023": """
      TIMESTAMP,ContextTokens,GeneratedTokens\r
      2023-12-31 23:59:58.6805900,374,44\r
      2024-01-01 00:00:02.9951690,396,109\r
      2024-01-01 00:00:02.9951690,1,1
      """,
      "azure-2024": """
      TIMESTAMP,ContextTokens,GeneratedTokens
      2024-05-10 00:00:00+00:00,374,44
      2024-05-10 00:00:04.314579+00:00,396,109
      2024-05-10 01:00:04.314579+01:00,1,1

      """,
      "vidur": """
      pd_ratio,num_total_tokens,num_decode_tokens,num_prefill_tokens,arrived_at
      8.5,418,44,374,0.0
      3.6,505,109,396,4.3145789999999999
      1,2,1,1,4.314579

      """,
      "plain": """
      \u{FEFF}arrival_s,input_tokens,output_tokens,note
      1700000000.5,"374",44,"a, b"
      1700000004.814579,396,"109","said ""ü""\"
      1700000004.814579,1,1,
      """,
    ]
    for (name, text) in texts {
      var options = TraceOptions.unchanged
      // Its times count from 1970.
      if name == "plain" { options.timeUnit = .s }
      let file = try TraceFile.open(path: scratch.file(text), options: options)
      #expect(try file.all() == expected, "\(name)")
      #expect(name == file.format.name)
      #expect(file.info == RequestSourceInfo(count: 3, lastArrival: expected[2].arrival))
      #expect(file.totals == TraceTotals(promptTokens: 771, outputTokens: 154))
    }
  }

  @Test("A file longer than the buffer reads the same as its rows, wherever a buffer ends")
  func longFiles() throws {
    let scratch = try Scratch()
    for seed in 1...3 as ClosedRange<UInt64> {
      let requests = randomRequests(seed: seed, count: 20_000)
      let path = scratch.folder + "/long.csv"
      try TraceWriter.write(ArraySource(requests), to: path)
      let file = try TraceFile.open(path: path)
      #expect(try file.all() == requests, "seed \(seed)")
    }
  }

  @Test("A line of exactly the longest length is accepted")
  func longestLine() throws {
    let row = "0,1,2,"
    let filler = String(repeating: "x", count: 65_536 - row.utf8.count)
    for end in ["", "\n", "\r\n"] {
      let text = "arrival_s,input_tokens,output_tokens,note\n" + row + filler + end
      #expect(try Scratch().requests(text) == [request(0, 1, 2)])
    }
  }

  @Test("A replay ends with nil, again and again, and starts over after a rewind")
  func rewinding() throws {
    let scratch = try Scratch()
    let file = try TraceFile.open(path: scratch.file("arrival_s,input_tokens,output_tokens\n3,1,2\n4,3,4\n"))
    for _ in 0..<2 {
      #expect(try file.next() == request(0, 1, 2))
      #expect(try file.next() == request(1_000_000_000_000, 3, 4))
      #expect(try file.next() == nil)
      #expect(try file.next() == nil)
      try file.rewind()
    }
  }

  @Test("The digest is the SHA-256 of the whole file, whatever the options")
  func digest() throws {
    let scratch = try Scratch()
    let path = try scratch.file("arrival_s,input_tokens,output_tokens\n0,1,2\n1,3,4\n")
    // By sha256sum of GNU coreutils.
    let expected = "c8cac8aaff84b5d19ccb28804d946ebe4e70a4303d0b640446a51c8bd1111488"
    #expect(try TraceFile.open(path: path).digest == expected)
    #expect(try TraceFile.open(path: path, options: TraceOptions(limit: 1)).digest == expected)
  }

  @Test("A file that changes between validation and replay is an error, not other results")
  func changedFile() throws {
    let scratch = try Scratch()
    let text = "arrival_s,input_tokens,output_tokens\n0,1,2\n1,3,4\n"
    let edits = [
      text + "2,1,1\n", text.replacing("3,4", with: "3,5"), text.replacing("3,4", with: "4,3"),
      text.replacing("1,3,4\n", with: ""), text.replacing("1,3,4", with: "1.5,3,4"),
    ]
    for changed in edits {
      let file = try TraceFile.open(path: scratch.file(text), options: .unchanged, keepingAtMost: 1)
      let kept = try TraceFile.open(path: scratch.file(text))
      let path = try scratch.file(changed)
      #expect(traceError { _ = try file.all() } == .changed(path: path))
      #expect(try kept.all() == scratch.requests(text))
    }
  }

  // MARK: Options

  @Test("A rate scale divides arrivals exactly and rounds down")
  func rateScale() throws {
    let text = "arrival_s,input_tokens,output_tokens\n1,1,1\n2,1,1\n2.000000000001,1,1\n"
    let scaled = try Scratch().requests(text, options: TraceOptions(rateScale: "3"))
    #expect(scaled.map(\.arrival.picoseconds) == [0, 333_333_333_333, 333_333_333_333])
    let slowed = try Scratch().requests(text, options: TraceOptions(rateScale: "0.1"))
    #expect(slowed.map(\.arrival.picoseconds) == [0, 10_000_000_000_000, 10_000_000_000_010])
  }

  @Test(
    "Scaling a trace by 1/k and then by k gives it back",
    arguments: [("0.5", "2"), ("0.4", "2.5"), ("0.08", "12.5")])
  func scaleAndBack(slower: String, faster: String) throws {
    let scratch = try Scratch()
    for seed in 1...20 as ClosedRange<UInt64> {
      let requests = randomRequests(seed: seed, count: 50)
      let path = scratch.folder + "/\(seed).csv"
      try TraceWriter.write(ArraySource(requests), to: path)
      try TraceWriter.write(
        TraceFile.open(path: path, options: TraceOptions(rateScale: slower)), to: path + ".slow")
      let back = try TraceFile.open(path: path + ".slow", options: TraceOptions(rateScale: faster))
      // 1/k is a decimal, so slowing is exact when k·arrival is whole: 2.5 and 12.5 may round by a picosecond.
      let differences = try zip(back.all(), requests).map { $1.arrival.picoseconds - $0.arrival.picoseconds }
      #expect(differences.allSatisfy { $0 == 0 || $0 == 1 }, "seed \(seed)")
      if faster == "2" { #expect(differences.allSatisfy { $0 == 0 }, "seed \(seed)") }
    }
  }

  @Test("Scaling keeps order and lengths, for any scale")
  func scalingKeepsOrder() throws {
    let scratch = try Scratch()
    for seed in 1...20 as ClosedRange<UInt64> {
      let requests = randomRequests(seed: seed, count: 50)
      let path = scratch.folder + "/trace.csv"
      try TraceWriter.write(ArraySource(requests), to: path)
      let scale = "\(1 + seed * 37 % 11).\(seed * 7919 % 1000)"
      let scaled = try TraceFile.open(path: path, options: TraceOptions(rateScale: scale)).all()
      #expect(zip(scaled, scaled.dropFirst()).allSatisfy { $0.arrival <= $1.arrival }, "seed \(seed)")
      #expect(scaled.map(\.prompt) == requests.map(\.prompt), "seed \(seed)")
    }
  }

  @Test("A scale that stretches the trace beyond 100 days is refused")
  func tooSlow() throws {
    let scratch = try Scratch()
    let path = try scratch.file("arrival_s,input_tokens,output_tokens\n0,1,1\n8640,1,1\n")
    #expect(
      try TraceFile.open(path: path, options: TraceOptions(rateScale: "0.001")).info.lastArrival.seconds
        == 8.64e6)
    let error = traceError {
      _ = try TraceFile.open(path: path, options: TraceOptions(rateScale: "0.000999"))
    }
    #expect(
      error
        == .invalidOption(
          name: "rate-scale", found: "999/1000000", expected: "a scale that keeps \(path) within 100 days"))
  }

  @Test("A limit takes the first requests; one beyond the end takes all")
  func limit() throws {
    let text = "arrival_s,input_tokens,output_tokens\n0,1,1\n5,2,2\n9,3,3\n"
    let scratch = try Scratch()
    let file = try TraceFile.open(path: scratch.file(text), options: TraceOptions(limit: 2))
    #expect(file.info == RequestSourceInfo(count: 2, lastArrival: SimTime(picoseconds: 5_000_000_000_000)))
    #expect(try file.all().map(\.prompt) == [1, 2])
    #expect(try scratch.requests(text, options: TraceOptions(limit: 4)).count == 3)
  }

  @Test("Clipping shortens the prompt first, and the output only when it leaves the prompt no token")
  func clipping() throws {
    let text = "arrival_s,input_tokens,output_tokens\n0,60,40\n0,60,41\n0,5,99\n0,5,100\n0,1,200\n0,1,1\n"
    let scratch = try Scratch()
    let file = try TraceFile.open(path: scratch.file(text), options: TraceOptions(clipTotal: 100))
    let pairs = try file.all().map { [$0.prompt, $0.output] }
    #expect(pairs == [[60, 40], [59, 41], [1, 99], [1, 99], [1, 99], [1, 1]])
    #expect(file.totals.clippedRequests == 4)
  }

  @Test("Options that make no sense are refused by name")
  func badOptions() {
    func name(_ body: () throws -> TraceOptions) -> String? {
      guard case .invalidOption(let name, _, _) = traceError({ _ = try body() }) else { return nil }
      return name
    }
    for scale in ["0", "-1", "nan", "inf", "", "fast"] {
      #expect(name { try TraceOptions(rateScale: scale) } == "rate-scale")
    }
    #expect(name { try TraceOptions(limit: 0) } == "limit")
    #expect(name { try TraceOptions(clipTotal: 1) } == "clip-total")
    #expect(name { try TraceOptions(rateScale: "1", limit: 1, clipTotal: 2) } == nil)
  }
}
