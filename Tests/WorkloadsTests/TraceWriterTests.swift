import Foundation
import Output
import Sim
import Testing

import Workloads

@Suite struct TraceWriterTests {
  @Test("A trace written and read back is equal, to the picosecond", arguments: 1...40 as ClosedRange<UInt64>)
  func roundTrip(seed: UInt64) throws {
    let scratch = try Scratch()
    let requests = randomRequests(seed: seed, count: 1 + Int(seed * seed))
    let path = scratch.folder + "/trace.csv"
    try TraceWriter.write(ArraySource(requests), to: path)
    #expect(try TraceFile.open(path: path).all() == requests)
  }

  @Test("The text is canonical: exact seconds without trailing zeros")
  func canonicalText() throws {
    let scratch = try Scratch()
    let path = scratch.folder + "/trace.csv"
    let requests = [
      request(0, 1, 2), request(1, 3, 4), request(1_500_000_000_000, 5, 6), request(20_000_000_000_000, 7, 8),
    ]
    try TraceWriter.write(ArraySource(requests), to: path)
    let text = try String(contentsOfFile: path, encoding: .utf8)
    #expect(text == "arrival_s,input_tokens,output_tokens\n0,1,2\n0.000000000001,3,4\n1.5,5,6\n20,7,8\n")
  }

  /// A source that fails in the middle.
  struct Failing: RequestSource {
    struct Failure: Error {}
    let info = RequestSourceInfo(count: 2, lastArrival: .zero)
    func next() throws -> TraceRequest? { throw Failure() }
  }

  @Test("A failed write leaves the old file and nothing beside it")
  func atomicity() throws {
    let scratch = try Scratch()
    let path = try scratch.file("old")
    #expect(throws: Failing.Failure.self) { try TraceWriter.write(Failing(), to: path) }
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "old")
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.folder) == ["trace.csv"])
    let nowhere = scratch.folder + "/absent/trace.csv"
    for path in [nowhere, scratch.folder] {
      #expect(throws: OutputError.self) { try TraceWriter.write(ArraySource([request(0, 1, 1)]), to: path) }
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.folder) == ["trace.csv"])
  }
}
