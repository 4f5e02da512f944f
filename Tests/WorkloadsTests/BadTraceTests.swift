import Foundation
import Testing
import Workloads

/// Every way in which a file can be wrong, with the line, column and text that the error must name.
@Suite struct BadTraceTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var law: String
    var bytes: [UInt8]
    var line: Int
    var column: String?
    var found: String
    var expected: String

    init(
      _ law: String, _ text: String, line: Int, column: String? = nil, found: String, expected: String
    ) {
      self.init(law, Array(text.utf8), line: line, column: column, found: found, expected: expected)
    }

    init(
      _ law: String, _ bytes: [UInt8], line: Int, column: String? = nil, found: String, expected: String
    ) {
      (self.law, self.bytes, self.line, self.column) = (law, bytes, line, column)
      (self.found, self.expected) = (found, expected)
    }

    var testDescription: String { law }
  }

  static let header = "arrival_s,input_tokens,output_tokens\n"
  static let azure = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
  static let tokens = "a whole number of tokens from 1 to 100000000"
  static let seconds = "seconds as a decimal number of 0 or more, such as 12.25"
  static let calendar = "a time without a zone such as 2023-11-16 18:15:46.6805900"
  static let three = "3 fields, as in the header"

  static let files: [Case] = [
    Case("an empty file", "", line: 1, found: "an empty file", expected: "a header and rows"),
    Case("a header only", header, line: 2, found: "the end of the file", expected: "at least one row"),
    Case(
      "an unknown header", "a,b\n1,2\n", line: 1, found: "the header \"a,b\"",
      expected:
        "arrival_s,input_tokens,output_tokens (format plain), or what another format asks for: azure-2023, "),
    Case(
      "a header near to a format", "Arrived,Prefill,Decode\n0,1,2\n", line: 1,
      found: "the header \"Arrived,Prefill,Decode\"",
      expected:
        "arrived_at,num_prefill_tokens,num_decode_tokens (format vidur) or arrival_s,input_tokens,output_tokens (format plain), or "
    ),
    Case(
      "a few columns of a format that asks for many", "time_ms,user,in_tokens,out_tokens\n0,1,2,3\n", line: 1,
      found: "the header \"time_ms,user,in_tokens,out_tokens\"", expected: "(format plain), or "),
    Case(
      "a missing column", "arrival_s,input_tokens\n0,1\n", line: 1, column: "output_tokens",
      found: "no such column", expected: "the columns arrival_s,input_tokens,output_tokens"),
    Case(
      "a column twice", "arrival_s,input_tokens,output_tokens,input_tokens\n0,1,2,3\n", line: 1,
      column: "input_tokens", found: "the column twice", expected: "the columns arrival_s,"),
    Case(
      "a row without header", "0,1,2\n", line: 1, found: "the header \"0,1,2\"",
      expected: "arrival_s,input_tokens"),
    Case(
      "a UTF-16 file", [0xFF, 0xFE, 0x61, 0x00], line: 1, found: "a UTF-16 byte order mark",
      expected: "UTF-8 text"),
    Case(
      "a big-endian UTF-16 file", [0xFE, 0xFF, 0x00, 0x61], line: 1, found: "a UTF-16 byte order mark",
      expected: "UTF-8 text"),
    Case(
      "a header that is not UTF-8", [0xC3, 0x28, 0x0A], line: 1, found: "bytes that are not UTF-8",
      expected: "UTF-8 text"),
    Case(
      "a NUL byte in a header", [0x61, 0x00, 0x0A], line: 1, found: "a NUL byte", expected: "UTF-8 text"),
  ]

  static let rows: [Case] = [
    Case(
      "a missing field", header + "0,1,2\n1,5\n", line: 3, column: "output_tokens", found: "2 fields",
      expected: three),
    Case(
      "a cut last line", header + "0,1,2\n1", line: 3, column: "input_tokens", found: "1 field",
      expected: three),
    Case("too many fields", header + "0,1,2,3\n", line: 2, found: "4 fields", expected: three),
    Case(
      "an empty line", header + "0,1,2\n\n1,1,2\n", line: 3, column: "arrival_s", found: "an empty line",
      expected: three),
    Case(
      "an empty field", header + "0,,2\n", line: 2, column: "input_tokens", found: "\"\"", expected: tokens),
    Case(
      "a zero prompt", header + "0,0,2\n", line: 2, column: "input_tokens", found: "\"0\"", expected: tokens),
    Case(
      "a zero output", header + "0,1,0\n", line: 2, column: "output_tokens", found: "\"0\"", expected: tokens),
    Case(
      "a negative count", header + "0,1,-2\n", line: 2, column: "output_tokens", found: "\"-2\"",
      expected: tokens),
    Case(
      "an absurd count", header + "0,100000001,2\n", line: 2, column: "input_tokens", found: "\"100000001\"",
      expected: tokens),
    Case(
      "a count beyond 64 bits", header + "0,99999999999999999999,2\n", line: 2, column: "input_tokens",
      found: "\"99999999999999999999\"", expected: tokens),
    Case(
      "a fractional count", header + "0,1,2.0\n", line: 2, column: "output_tokens", found: "\"2.0\"",
      expected: tokens),
    Case(
      "a count that is NaN", header + "0,nan,2\n", line: 2, column: "input_tokens", found: "\"nan\"",
      expected: tokens),
    Case(
      "a count with a blank", header + "0, 1,2\n", line: 2, column: "input_tokens", found: "\" 1\"",
      expected: tokens),
    Case(
      "an arrival that is NaN", header + "0,1,2\nNaN,1,2\n", line: 3, column: "arrival_s", found: "\"NaN\"",
      expected: seconds),
    Case(
      "an infinite arrival", header + "inf,1,2\n", line: 2, column: "arrival_s", found: "\"inf\"",
      expected: seconds),
    Case(
      "a negative arrival", header + "-1,1,2\n", line: 2, column: "arrival_s", found: "\"-1\"",
      expected: seconds),
    Case(
      "an arrival with 19 digits", header + "1000000000000000000,1,2\n", line: 2, column: "arrival_s",
      found: "\"1000000000000000000\"", expected: seconds),
    Case(
      "unsorted arrivals", header + "5,1,2\n5,1,2\n4.9,1,2\n", line: 4, column: "arrival_s", found: "\"4.9\"",
      expected: "a time not before the row above; --sort takes rows in any order"),
    Case(
      "an arrival before the first", header + "5,1,2\n4,1,2\n", line: 3, column: "arrival_s", found: "\"4\"",
      expected: "a time not before the row above; --sort takes rows in any order"),
    Case(
      "an arrival long before the first", header + "999999999999999999,1,2\n0,1,2\n", line: 3,
      column: "arrival_s", found: "\"0\"",
      expected: "a time not before the row above; --sort takes rows in any order"),
    Case(
      "a span beyond 100 days", header + "7,1,2\n8640007.000000000001,1,2\n", line: 3, column: "arrival_s",
      found: "\"8640007.000000000001\"", expected: "a time within 100 days of the first"),
    Case(
      "a span far beyond 100 days", header + "0,1,2\n999999999999999999,1,2\n", line: 3, column: "arrival_s",
      found: "\"999999999999999999\"", expected: "a time within 100 days of the first"),
    Case(
      "a NUL byte", Array((header + "0,1,2\n1,").utf8) + [0x00] + Array(",2\n".utf8), line: 3,
      column: "input_tokens", found: "a NUL byte", expected: "UTF-8 text"),
    Case(
      "bytes that are not UTF-8",
      Array("arrival_s,input_tokens,output_tokens,client\n0,1,2,".utf8) + [0xC3, 0x28, 0x0A], line: 2,
      found: "bytes that are not UTF-8", expected: "UTF-8 text"),
    Case(
      "a quote inside a field", header + "0,1\"1,2\n", line: 2, column: "input_tokens",
      found: "a quote inside a field", expected: "quotes around a whole field or none"),
    Case(
      "text after a closing quote", header + "0,\"1\"1,2\n", line: 2, column: "input_tokens",
      found: "a quote inside a field", expected: "quotes around a whole field or none"),
    Case(
      "an open quote", header + "0,1,\"2\n", line: 2, column: "output_tokens", found: "an opening quote only",
      expected: "a closing quote on the same line"),
    Case(
      "a date that does not exist", azure + "2023-02-29 00:00:00,1,2\n", line: 2, column: "TIMESTAMP",
      found: "\"2023-02-29 00:00:00\"", expected: calendar),
    Case(
      "seconds where a date belongs", azure + "12.5,1,2\n", line: 2, column: "TIMESTAMP", found: "\"12.5\"",
      expected: calendar),
    Case(
      "a long strange field", header + "0,1,\u{1B}[31m0123456789012345678901234567890123456789\n", line: 2,
      column: "output_tokens", found: "\"\\x1B[31m01234567890123456789012345678901234…\"", expected: tokens),
    Case(
      "a line without end", header + "0,1,2\n" + String(repeating: "7", count: 400_000), line: 3,
      found: "a line of more than 65536 bytes", expected: "one short row per line"),
    Case(
      "a line just too long", header + String(repeating: "7", count: 65_537) + "\n", line: 2,
      found: "a line of more than 65536 bytes", expected: "one short row per line"),
  ]

  @Test(
    "A malformed file is refused with its line, column, what was found and what was expected",
    arguments: files + rows)
  func malformed(bad: Case) throws {
    let scratch = try Scratch()
    let path = try scratch.file(bad.bytes)
    let error = traceError { _ = try TraceFile.open(path: path) }
    guard case .malformed(let file, let line, let column, let found, let expected) = error else {
      Issue.record("\(bad.law): \(String(describing: error))")
      return
    }
    #expect(file == path)
    #expect(line == bad.line)
    #expect(column == bad.column)
    #expect(found == bad.found)
    #expect(expected.contains(bad.expected))
  }

  @Test("Rows beyond the limit are checked too")
  func beyondLimit() throws {
    let scratch = try Scratch()
    let path = try scratch.file(Self.header + "0,1,2\n1,1,2\n2,1,x\n")
    let error = traceError { _ = try TraceFile.open(path: path, options: TraceOptions(limit: 1)) }
    #expect(
      error
        == .malformed(path: path, line: 4, column: "output_tokens", found: "\"x\"", expected: Self.tokens))
  }

  @Test("A missing file, a folder and an unreadable path are told apart from bad content")
  func missing() throws {
    let scratch = try Scratch()
    let absent = scratch.folder + "/absent.csv"
    #expect(traceError { _ = try TraceFile.open(path: absent) } == .missing(path: absent))
    let beneathFile = try scratch.file("x") + "/trace.csv"
    #expect(traceError { _ = try TraceFile.open(path: beneathFile) } == .missing(path: beneathFile))
    #expect(
      traceError { _ = try TraceFile.open(path: scratch.folder) }
        == .notAFile(path: scratch.folder, found: "a directory"))
    guard case .notAFile = traceError({ _ = try TraceFile.open(path: "/dev/null") }) else {
      Issue.record("/dev/null was taken for a trace")
      return
    }
  }

  @Test("An error reads as one line that names file, line, column, what was found and expected")
  func text() {
    let error = TraceError.malformed(
      path: "t.csv", line: 7, column: "input_tokens", found: "\"0\"", expected: "a whole number")
    #expect("\(error)" == "t.csv:7: column input_tokens: found \"0\", expected a whole number")
  }
}
