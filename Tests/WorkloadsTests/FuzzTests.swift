import Foundation
import Sim
import Testing

import Workloads

/// Hostile files: whatever the bytes, a reader reads or throws an error with a line, soon and in little memory.
@Suite struct FuzzTests {
  private func outcome(_ path: String, _ options: TraceOptions) -> (rows: Int?, error: TraceError?) {
    do { return (try TraceFile.open(path: path, options: options).count.all, nil) } catch {
      return (nil, error)
    }
  }

  private func checkLine(_ error: TraceError?, _ what: String) {
    guard let error else { return }
    switch error {
    case .malformed(_, let line, _, let found, let expected):
      #expect(line >= 1 && !found.isEmpty && !expected.isEmpty, "\(what)")
    case .tooManySkipped(_, let count, _): #expect(count.firstSkipped != nil, "\(what)")
    default: Issue.record("\(what): \(error)")
    }
  }

  @Test("Mutated files of every format are read or refused with a line, strictly and leniently")
  func mutations() throws {
    let scratch = try Scratch()
    let inserts: [[UInt8]] = [
      [0], [0xFF], [0xC3, 0x28], Array("\r".utf8), Array("\n".utf8), Array("\r\n\n".utf8), Array("\"".utf8),
      Array("\\".utf8), Array("{".utf8), Array("[".utf8), Array("]".utf8), Array("}".utf8), Array(",".utf8),
      Array("-".utf8), Array("99999999999999999999999999".utf8), Array("1e400".utf8), [0xEF, 0xBB, 0xBF],
      Array("null".utf8), Array(String(repeating: "[", count: 500).utf8), Array("\\u12".utf8),
      Array(" ".utf8),
    ]
    for (format, text) in FormatFixtures.texts {
      for seed in 0..<250 as Range<UInt64> {
        let draws = RandomDraws(seed: seed, name: format)
        func pick(_ bound: Int, _ ordinal: Int) -> Int {
          min(Int(draws.unit(0, ordinal) * Double(bound)), bound - 1)
        }
        var bytes = Array(text.utf8)
        for change in 0...pick(3, 0) {
          let place = pick(bytes.count + 1, 10 * change + 1)
          switch pick(4, 10 * change + 2) {
          case 0: bytes.removeLast(bytes.count - place)
          case 1 where place < bytes.count:
            bytes[place] = UInt8(truncatingIfNeeded: pick(256, 10 * change + 3))
          case 2 where place < bytes.count: bytes.remove(at: place)
          default: bytes.insert(contentsOf: inserts[pick(inserts.count, 10 * change + 4)], at: place)
          }
        }
        let path = try scratch.file(bytes, named: "fuzz")
        for options in [
          FormatFixtures.options(format), FormatFixtures.options(nil),
          FormatFixtures.options(nil, lenient: true),
        ] {
          checkLine(outcome(path, options).error, "\(format), seed \(seed)")
        }
      }
    }
  }

  @Test("Every prefix of a file is read or refused with a line")
  func prefixes() throws {
    let scratch = try Scratch()
    for (format, text) in FormatFixtures.texts {
      for length in 0..<text.utf8.count {
        let path = try scratch.file(text.utf8.prefix(length), named: "prefix")
        checkLine(outcome(path, FormatFixtures.options(format)).error, "\(format), \(length) bytes")
      }
    }
  }

  @Test("Mixed line ends and a byte order mark change nothing")
  func lineEnds() throws {
    let scratch = try Scratch()
    for (format, text) in FormatFixtures.texts {
      let good = try TraceFile.open(
        path: FormatFixtures.write(format, in: scratch), options: FormatFixtures.options(format)
      ).allRecords()
      var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map {
        $0.filter { $0 != "\r" }
      }
      for index in lines.indices where index % 2 == 0 && index < lines.count - 1 { lines[index] += "\r" }
      let path = try scratch.file("\u{FEFF}" + lines.joined(separator: "\n"))
      #expect(
        try TraceFile.open(path: path, options: FormatFixtures.options(format)).allRecords() == good,
        "\(format)")
    }
  }

  @Test("Other encodings, nesting, large numbers and repeated ids are refused with their line")
  func particular() throws {
    let scratch = try Scratch()
    func refused(_ bytes: some Sequence<UInt8>, _ line: Int, _ what: String) throws {
      let path = try scratch.file(bytes)
      guard case .malformed(_, line, _, _, _) = outcome(path, .unchanged).error else {
        Issue.record("\(what): \(outcome(path, .unchanged))")
        return
      }
    }
    let header = "arrival_s,input_tokens,output_tokens\n"
    try refused(
      [0xFF, 0xFE] + Array(header.utf16).flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }, 1, "UTF-16")
    try refused(Array((header + "0,1,").utf8) + [0xE9, 0x0A], 2, "Latin-1")
    let row = "\"arrival_s\": 0, \"input_tokens\": 1, \"output_tokens\": 1"
    let deep = String(repeating: "[", count: 100_000) + String(repeating: "]", count: 100_000)
    try refused("{\(row)}\n{\(row), \"x\": \(deep)}\n".utf8, 2, "deep JSON")
    let objects = String(repeating: "{\"a\":", count: 30_000)
    try refused("{\(row)}\n{\"x\": \(objects)\n".utf8, 2, "deep objects")
    try refused("{\(row), \"id\": 99999999999999999999}\n".utf8, 1, "a number beyond 64 bits")
    try refused("{\(row), \"id\": 4}\n{\(row), \"id\": 5}\n{\(row), \"id\": 4}\n".utf8, 3, "an id twice")
    try refused("{\(row), \"input_tokens\": 2}\n".utf8, 1, "a key twice")
    try refused("{\(row)} x\n".utf8, 1, "text after an object")
    try refused((header.replacing("\n", with: ",id\n") + "0,1,1,3\n0,1,1,3\n").utf8, 3, "an id twice in CSV")
    try refused((header + "5,1,1\n4,1,1\n").utf8, 3, "time going back")
    let levels = String(repeating: "[", count: 60) + String(repeating: "]", count: 60)
    #expect(outcome(try scratch.file("{\(row), \"x\": \(levels)}\n"), .unchanged).rows == 1)
  }
}
