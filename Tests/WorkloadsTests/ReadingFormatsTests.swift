import CZlib
import CZstd
import Foundation
import Sim
import Testing

import Workloads

/// What the formats say, beyond arrival and lengths, and how files are read in other ways.
@Suite struct ReadingFormatsTests {
  private func records(
    _ format: String, _ text: String? = nil, _ change: (inout TraceOptions) -> Void = { _ in }
  )
    throws -> [TraceRecord]
  {
    let scratch = try Scratch()
    var options = FormatFixtures.options(format)
    change(&options)
    let path = try text.map { try scratch.file($0) } ?? FormatFixtures.write(format, in: scratch)
    return try TraceFile.open(path: path, options: options).allRecords()
  }

  @Test("Mooncake's milliseconds and block identities are read")
  func mooncake() throws {
    let all = try records("mooncake")
    #expect(all.map(\.request) == [request(0, 1000, 52), request(3_000_000_000_000, 513, 26)])
    #expect(all.map(\.details.hashes) == [[46, 47], [46, 2353]] && all[0].details.blockTokens == 512)
  }

  @Test("A chat of Bailian belongs to its parent's session")
  func bailian() throws {
    let all = try records("bailian")
    #expect(all.map(\.details.session) == [0, 0] && all.map(\.details.turn) == [1, 2])
    #expect(all.map(\.details.id) == [159, 160] && all.map(\.details.label) == ["text", "search"])
    #expect(all[1].request.arrival.picoseconds == 886_000_000_000)
  }

  @Test(
    "Agents' rows are merged by time, with sessions, think times and prefixes; api_time_s changes nothing")
  func agentic() throws {
    let all = try records("agentic")
    #expect(all.map(\.request.prompt) == [71_175, 9_000, 100, 72_762])
    #expect(all.map(\.request.arrival.seconds) == [0, 0, 3.5, 19])
    #expect(all.map(\.details.session) == [0, 1, 2, 0] && all[3].details.turn == 2)
    #expect(all[3].details.think == .seconds(12) && all[3].details.prefixTokens == 1112 * 64)
    let text = FormatFixtures.text("agentic").replacing("7.34", with: "999").replacing("9.19", with: "")
    #expect(try records("agentic", text) == all)
    let spread = try records("agentic") {
      $0.arrivals = ArrivalProcess(gaps: .fixed, pattern: .constant(rate: 0.1))
    }
    #expect(spread.map(\.request.arrival.seconds) == [0, 10, 19, 23.5])
  }

  @Test("Conversations become a request per answer, whose prompt is all before it")
  func shareGPT() throws {
    let all = try records("sharegpt")
    // 12 characters are 3 tokens; "four" 1; an escape 1 and "!" 1; two Chinese characters 2.
    #expect(all.map { [$0.request.prompt, $0.request.output] } == [[3, 1], [6, 2], [7, 9]])
    #expect(all.map(\.details.session) == [0, 0, 1] && all[1].details.prefixTokens == 4)
    // What stands before the first message counts to every prompt, wherever the key is.
    let text = """
      [{"system": "four, and eight more", "conversations": [{"from": "human", "value": "four"}, \
      {"from": "gpt", "value": "four"}, {"from": "human", "value": "four"}, {"from": "gpt", "value": "four"}],
      "tools": "four"}]
      """
    #expect(try records("sharegpt", text).map(\.request.prompt) == [7, 9])
  }

  @Test("Lengths without arrivals take those of a process; the same seed gives the same")
  func lengths() throws {
    let poisson = ArrivalProcess(pattern: .constant(rate: 2))
    let all = try records("lengths") { ($0.arrivals, $0.seed) = (poisson, 3) }
    #expect(all[0].request.arrival == .zero && all[1].request.arrival > .zero)
    #expect(try records("lengths") { ($0.arrivals, $0.seed) = (poisson, 3) } == all)
    #expect(try records("lengths") { ($0.arrivals, $0.seed) = (poisson, 4) } != all)
    #expect(try records("lengths").map(\.request.arrival) == [.zero, .zero])
  }

  @Test("Words become tokens only when asked for")
  func words() throws {
    // ⌈11,499 × 1.35⌉.
    #expect(try records("narrativeqa")[0].request.prompt == 15_524)
    #expect(try records("infinitebench").map(\.request.output) == [5, 6])
    let scratch = try Scratch()
    let path = try FormatFixtures.write("narrativeqa", in: scratch)
    guard case .malformed(_, 1, "story_word_count", _, _) = traceError({ _ = try TraceFile.open(path: path) })
    else {
      Issue.record("words were taken for tokens")
      return
    }
  }

  @Test("A client pool is drawn with its rates and lengths, and again the same")
  func pool() throws {
    let all = try records("servegen-pool")
    #expect(all.allSatisfy { [143, 148].contains($0.request.prompt) && $0.request.output == 3 })
    // 0.05 · 600 + 0.1 · 600 = 90 expected.
    #expect((60...125).contains(all.count))
    #expect(all.allSatisfy { $0.details.session == 7 })
    #expect(try records("servegen-pool") == all)
    let part = try records("servegen-pool") { $0.poolSpan = 1200...1200 }
    #expect(part.count < all.count && part[part.count - 1].request.arrival.seconds <= 600)
  }

  @Test("BurstGPT's third version adds sessions")
  func burstGPT3() throws {
    let all = try records(
      "burstgpt",
      """
      Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type
      19440110.0,1722ac82,43,GPT-4,906,446,1352,Conversation log
      19440161.5,d5983bf9,2,ChatGPT,36,29,65,Conversation log
      19440161.5,1722ac82,2,ChatGPT,36,29,65,Conversation log
      """)
    #expect(all.map(\.details.session) == [0, 1, 0])
    #expect(all.map(\.request.arrival.seconds) == [0, 51.5, 51.5])
  }

  // MARK: Leniency

  @Test("Skipped rows are counted by reason, and read + skipped = rows of the file")
  func lenient() throws {
    let scratch = try Scratch()
    var text = "arrival_s,input_tokens,output_tokens\n"
    for row in 0..<95 { text += "\(row),1,1\n" }
    text += "94,5,0\n95,x,1\n3,1,1\n95,1\nnan,1,1\n"
    let path = try scratch.file(text)
    var options = FormatFixtures.options(nil, lenient: true)
    options.maximumSkippedShare = 0.05
    let file = try TraceFile.open(path: path, options: options)
    #expect(file.count.read == 95 && file.count.allSkipped == 5 && file.count.all == 100)
    #expect(
      file.count.skipped == [.noOutput: 1, .badNumber: 1, .timeGoingBack: 1, .fieldCount: 1, .badTime: 1])
    #expect(file.count.text.hasPrefix("95 read + 5 skipped (no-output 1"))
    options.maximumSkippedShare = 0.0499
    guard
      case .tooManySkipped(_, let count, 0.0499) = traceError({
        _ = try TraceFile.open(path: path, options: options)
      })
    else {
      Issue.record("too many skipped rows were accepted")
      return
    }
    #expect(count.all == 100)
  }

  @Test("Rows in any order are sorted when asked for, and only then")
  func sorting() throws {
    let text = "arrival_s,input_tokens,output_tokens\n5,1,1\n2,2,2\n9,3,3\n2,4,4\n"
    #expect(traceError { _ = try records("plain", text) } != nil)
    let all = try records("plain", text) { $0.sorts = true }
    #expect(all.map(\.request.prompt) == [2, 4, 1, 3])
    #expect(all.map(\.request.arrival.seconds) == [0, 0, 3, 7])
  }

  @Test("Jitter spreads arrivals within their buckets, keeps every request, and is its seed's alone")
  func jitter() throws {
    var text = ""
    for row in 0..<600 {
      // 3 s buckets, three milliseconds off either way.
      let time = row / 10 * 3000 + (row % 10 == 0 ? 2 : 0)
      text +=
        "{\"timestamp\": \(max(time, 0)), \"input_length\": \(row + 1), \"output_length\": 1, \"hash_ids\": "
      text += "[\((0...(row / 512)).map(String.init).joined(separator: ", "))]}\n"
    }
    // Within a bucket the recorded times must not fall.
    text = text.split(separator: "\n").map(String.init).enumerated().sorted {
      ($0.offset / 10, $0.offset % 10 == 0 ? 1 : 0) < ($1.offset / 10, $1.offset % 10 == 0 ? 1 : 0)
    }.map(\.element).joined(separator: "\n")
    let spread = try records("mooncake", text) { ($0.jitter, $0.seed) = (3_000_000_000_000, 1) }
    #expect(spread.count == 600 && Set(spread.map(\.request.prompt)).count == 600)
    #expect(zip(spread, spread.dropFirst()).allSatisfy { $0.request.arrival <= $1.request.arrival })
    let zero = zip(spread, spread.dropFirst()).count { $0.request.arrival == $1.request.arrival }
    #expect(zero == 0)
    for record in spread {
      let bucket = Double((record.request.prompt - 1) / 10) * 3
      #expect(record.request.arrival.seconds > bucket - 3.1 && record.request.arrival.seconds < bucket + 3.1)
    }
    #expect(try records("mooncake", text) { ($0.jitter, $0.seed) = (3_000_000_000_000, 1) } == spread)
    #expect(try records("mooncake", text) { ($0.jitter, $0.seed) = (3_000_000_000_000, 2) } != spread)
  }

  // MARK: Compression

  private func gzip(_ bytes: [UInt8]) -> [UInt8] {
    var stream = z_stream()
    deflateInit2_(&stream, 6, Z_DEFLATED, 31, 8, 0, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    var input = bytes
    var output = [UInt8](repeating: 0, count: bytes.count + 1_000)
    let count = input.withUnsafeMutableBufferPointer { source in
      output.withUnsafeMutableBufferPointer { target in
        stream.next_in = source.baseAddress
        stream.avail_in = UInt32(source.count)
        stream.next_out = target.baseAddress
        stream.avail_out = UInt32(target.count)
        deflate(&stream, Z_FINISH)
        return target.count - Int(stream.avail_out)
      }
    }
    deflateEnd(&stream)
    return Array(output[..<count])
  }

  private func zstd(_ bytes: [UInt8]) -> [UInt8] {
    var output = [UInt8](repeating: 0, count: ZSTD_compressBound(bytes.count))
    let count = ZSTD_compress(&output, output.count, bytes, bytes.count, 3)
    return Array(output[..<count])
  }

  @Test("gzip and zstd files read as what they hold, in one member or several")
  func compressed() throws {
    let scratch = try Scratch()
    for format in ["plain", "mooncake", "sharegpt", "azure-2024"] {
      let text = Array(FormatFixtures.text(format).utf8)
      let half = text.count / 2
      let plain = try records(format)
      let files = [
        gzip(text), zstd(text), gzip(Array(text[..<half])) + gzip(Array(text[half...])),
        zstd(Array(text[..<half])) + zstd(Array(text[half...])),
      ]
      for bytes in files {
        let path = try scratch.file(bytes, named: "trace.bin")
        let file = try TraceFile.open(path: path, options: FormatFixtures.options(nil))
        #expect(try file.allRecords() == plain)
      }
    }
  }

  @Test("A compressed file that is cut short or damaged is refused with a line")
  func damaged() throws {
    let scratch = try Scratch()
    var text = "arrival_s,input_tokens,output_tokens\n"
    for row in 0..<5_000 { text += "\(row),\(row * 7919 % 5000 + 1),\(row % 77 + 1)\n" }
    for bytes in [gzip(Array(text.utf8)), zstd(Array(text.utf8))] {
      var damaged = bytes
      for index in bytes.count / 2..<bytes.count / 2 + 40 { damaged[index] ^= 0x5A }
      for bad in [Array(bytes.dropLast(bytes.count / 3)), damaged, Array(bytes.prefix(6))] {
        let path = try scratch.file(bad)
        guard case .malformed(_, let line, _, _, _) = traceError({ _ = try TraceFile.open(path: path) })
        else {
          Issue.record("a damaged file was read")
          continue
        }
        #expect(line >= 1)
      }
    }
  }
}
