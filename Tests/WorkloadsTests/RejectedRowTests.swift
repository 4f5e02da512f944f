import Foundation
import Testing

import Workloads

/// Ten and more bad rows of every format: each error names the line and the column or key.
@Suite struct RejectedRowTests {
  /// A format, and changes of its fixture: the text to replace (its last occurrence), by what, and the column.
  struct Table: Sendable, CustomTestStringConvertible {
    var format: String
    var cases: [(old: String, new: String, line: Int, column: String)]
    var testDescription: String { format }
  }

  private static func numbers(_ old: String, _ line: Int, _ column: String) -> [(String, String, Int, String)]
  {
    ["0", "-1", "1.5", "x", "", "99999999999999999999", "100000001", " 7"].map { new in
      (old, old.replacing(/[0-9]+/, with: new, maxReplacements: 1), line, column)
    }
  }

  static let tables: [Table] = [
    Table(
      format: "plain",
      cases: numbers("12,7", 4, "input_tokens").map { ($0.0, $0.1, $0.2, $0.3) } + [
        ("5,12", "4,12", 4, "arrival_s"), ("5,12", "x,12", 4, "arrival_s"), ("5,12", "-5,12", 4, "arrival_s"),
        ("12,7", "12", 4, "output_tokens"), ("12,7", "12,0", 4, "output_tokens"),
        ("12,7", "12,\"7", 4, "output_tokens"),
      ]),
    Table(
      format: "azure-2023",
      cases: numbers("396,109", 3, "ContextTokens") + [
        ("2023-11-16 18:15:50.9951690", "2023-11-16 18:15:45", 3, "TIMESTAMP"),
        ("2023-11-16 18:15:50.9951690", "2023-11-31 18:15:50", 3, "TIMESTAMP"),
        ("2023-11-16 18:15:50.9951690", "2023-11-16 18:15:50+00:00", 3, "TIMESTAMP"),
        ("2023-11-16 18:15:50.9951690", "17.5", 3, "TIMESTAMP"), (",109", "", 3, "GeneratedTokens"),
      ]),
    Table(
      format: "azure-2024",
      cases: numbers("2399,6", 3, "ContextTokens") + [
        ("2024-05-10 00:00:01+00:00", "2024-05-10 00:00:01", 3, "TIMESTAMP"),
        ("2024-05-10 00:00:01+00:00", "2024-05-10 00:00:01+01:00", 3, "TIMESTAMP"),
        ("2024-05-10 00:00:01+00:00", "2024-13-10 00:00:01+00:00", 3, "TIMESTAMP"),
      ]),
    Table(
      format: "burstgpt",
      cases: numbers("1087,230,1317", 3, "Request tokens") + [
        ("230,1317", "0,1087", 3, "Response tokens"), ("1317,API", "1318,API", 3, "Total tokens"),
        ("45,GPT", "4,GPT", 3, "Timestamp"), ("45,GPT", "noon,GPT", 3, "Timestamp"),
        (",API log", "", 3, "Log Type"),
      ]),
    Table(
      format: "vidur",
      cases: numbers("396,109", 3, "num_prefill_tokens") + [
        ("4.314579", "NaN", 3, "arrived_at"), ("4.314579", "8640001", 3, "arrived_at"),
        (",109", ",-9", 3, "num_decode_tokens"),
      ]),
    Table(
      format: "servegen",
      cases: numbers("662,3", 3, "input_tokens") + [
        ("0.7189", "0.1", 3, "arrival_s"), (",143", ",abc", 3, "client"), (",143", "", 3, "client"),
        ("3,143", "0,143", 3, "output_tokens"),
      ]),
    Table(
      format: "agentic",
      cases: numbers("72762,296", 3, "in_tokens") + [
        ("72762,296", "72762,0", 3, "out_tokens"), ("19.0,n", "1e9,n", 3, "t_s"),
        ("19.0,n", "soon,n", 3, "t_s"),
        ("1136,1112", "1136,1137", 3, "prefix_hit_blocks"), ("1136,1112", "x,1112", 3, "hash_blocks"),
        ("9.19,12.0", "9.19,later", 3, "think_time_s"), ("trace_2,main", ",main", 5, "session"),
      ]),
    Table(
      format: "lengths",
      cases: numbers("30,40", 3, "input_tokens") + [
        ("30,40", "30,0", 3, "output_tokens"), ("30,40", "30", 3, "output_tokens"),
      ]),
    Table(
      format: "vidur-lengths",
      cases: numbers("290,905", 3, "num_prefill_tokens") + [
        ("905,1195", "905,1196", 3, "num_total_tokens"), ("905,1195", "x,1195", 3, "num_decode_tokens"),
      ]),
    Table(
      format: "mooncake",
      cases: numbers("513, \"output", 2, "input_length").filter { $0.1.first != "," && !$0.1.hasPrefix(" ") }
        + [
          ("3000", "\"3000\"", 2, "timestamp"), ("3000", "-1", 2, "timestamp"),
          ("26,", "0,", 2, "output_length"),
          ("[46, 2353]", "[46]", 2, "hash_ids"), ("[46, 2353]", "[46, 1.5]", 2, "hash_ids"),
          ("[46, 2353]", "[46, -3]", 2, "hash_ids"), ("[46, 2353]", "\"46\"", 2, "hash_ids"),
          ("[46, 2353]", "[46, [2]]", 2, "hash_ids"),
          ("[46, 2353]", "[46, 99999999999999999999]", 2, "hash_ids"),
          ("\"hash_ids\"", "\"hash_idz\"", 2, "hash_ids"), ("\"timestamp\"", "\"time\"", 2, "timestamp"),
        ]),
    Table(
      format: "bailian",
      cases: [
        ("\"chat_id\": 160", "\"chat_id\": 159", 2, "chat_id"),
        ("\"chat_id\": 160", "\"chat_id\": \"a\"", 2, "chat_id"),
        (": 159, \"time", ": -2, \"time", 2, "parent_chat_id"), ("62,", "61,", 2, "timestamp"),
        ("62,", "true,", 2, "timestamp"), (": 16,", ": 17,", 2, "hash_ids"),
        (": 16,", ": 0,", 2, "input_length"),
        (": 2, \"type", ": 0, \"type", 2, "output_length"), ("\"search\"", "7", 2, "type"),
        ("\"turn\": 2", "\"turn\": 1.5", 2, "turn"), ("\"turn\": 2", "\"turm\": 2", 2, "turn"),
        ("[1089]", "[x]", 2, "hash_ids"), ("[1089]", "{}", 2, "hash_ids"),
      ]),
    Table(
      format: "plain-jsonl",
      cases: [
        ("1.5", "\"1.5\"", 2, "arrival_s"), ("1.5", "-1", 2, "arrival_s"), ("33", "0", 2, "input_tokens"),
        ("33", "33.0", 2, "input_tokens"), ("33", "\"33\"", 2, "input_tokens"),
        ("33", "[33]", 2, "input_tokens"),
        (": 6", ": 0", 2, "output_tokens"), (": 6", ": null", 2, "output_tokens"),
        ("\"chat\"", "7", 2, "class"),
        ("\"class\": \"chat\"", "\"session\": -1", 2, "session"),
        ("\"class\": \"chat\"", "\"turn\": \"1\"", 2, "turn"),
        ("\"class\": \"chat\"", "\"think_s\": \"1\"", 2, "think_s"),
        ("\"class\": \"chat\"", "\"prefix_tokens\": 34", 2, "prefix_tokens"),
        ("\"class\": \"chat\"", "\"hash_ids\": [1]", 2, "hash_ids"),
      ]),
    Table(
      format: "narrativeqa",
      cases: ["0", "-1", "x", "", "1e9", "99999999999999999999", "nan", " 7", "1.5.2", "100000001"].map {
        ("10,9", "\($0),9", 3, "story_word_count")
      }),
    Table(
      format: "longbench",
      cases: ["0", "-1", "x", "", "1e9", "99999999999999999999", "nan", " 7", "1235\"", "100000001"].map {
        ("1235,", "\($0),", 3, "avg_len_words_or_zh_chars")
      }),
    Table(
      format: "infinitebench",
      cases: ["0", "-1", "x", "", "1e10", "99999999999999999999", "nan", " 7"].map {
        ("2068600,", "\($0),", 3, "avg_input_tokens")
      } + [
        ("6.3", "0", 3, "avg_output_tokens"), ("6.3", "many", 3, "avg_output_tokens"),
        (",6.3", "", 3, "avg_output_tokens"),
      ]),
    Table(
      format: "sharegpt",
      cases: [
        ("\"tokens\": 7", "\"tokens\": -7", 4, "conversations.tokens"),
        ("\"tokens\": 7", "\"tokens\": 1.5", 4, "conversations.tokens"),
        ("\"tokens\": 7", "\"tokens\": \"7\"", 4, "conversations.tokens"),
        ("\"tokens\": 7", "\"tokens\": 100000001", 4, "conversations.tokens"),
        ("\"tokens\": 7", "\"token\": 7", 4, "conversations"),
        ("\"value\": \"four\"", "\"value\": 4", 2, "conversations.value"),
        ("\"value\": \"four\"", "\"value\": \"f\\x\"", 2, "conversations"),
        ("\"from\": \"human\", \"tokens\"", "\"from\": 1, \"tokens\"", 4, "conversations.from"),
        ("\"from\": \"human\", \"tokens\"", "\"from\": \"\", \"tokens\"", 4, "conversations.from"),
        ("{\"from\": \"human\", \"tokens\": 7}", "{}", 4, "conversations"),
        ("{\"from\": \"human\", \"tokens\": 7}", "7", 4, "conversations"),
        ("\"b\", \"conversations\"", "\"b\", \"conversation\"", 4, "conversations"),
        ("\"b\", \"conversations\": [", "\"b\", \"conversations\": 1, \"x\": [", 4, "conversations"),
      ]),
  ]

  @Test("Every bad row is refused with its line and its column", arguments: tables)
  func rejected(table: Table) throws {
    let scratch = try Scratch()
    let good = FormatFixtures.text(table.format)
    #expect(table.cases.count { !$0.column.isEmpty } >= 10, "\(table.format)")
    for bad in table.cases {
      let range = try #require(good.range(of: bad.old, options: .backwards), "\(table.format): \(bad.old)")
      let path = try scratch.file(good.replacingCharacters(in: range, with: bad.new))
      let error = traceError {
        var options = FormatFixtures.options(table.format)
        options.maximumSkippedShare = 0
        _ = try TraceFile.open(path: path, options: options)
      }
      var cause = error
      // Approximate sources are always read leniently: the first skipped row is then the error.
      if case .tooManySkipped(_, let count, _) = error { cause = count.firstSkipped }
      guard case .malformed(_, let line, let column, _, _) = cause else {
        Issue.record("\(table.format): \(bad.new): \(String(describing: error))")
        continue
      }
      #expect(line == bad.line, "\(table.format): \(bad.new)")
      if !bad.column.isEmpty, !(bad.column == "conversations" && column?.hasPrefix(bad.column) == true) {
        #expect(column == bad.column, "\(table.format): \(bad.new)")
      }
    }
  }

  static let poolCases: [(isTrace: Bool, old: String, new: String, line: Int, column: String)] = [
    (true, "1200,", "600,", 3, "time"), (true, "1200,", "x,", 3, "time"), (true, "0.1,", "-0.1,", 3, "rate"),
    (true, "0.1,", "inf,", 3, "rate"), (true, ",1,Weibull", ",-1,Weibull", 3, "cv"),
    (true, "Weibull", "Pareto", 3, "pattern"), (true, "1.2,", "0,", 3, "shape"),
    (true, "1.2,", "nan,", 3, "shape"),
    (true, ",10.0", ",x", 3, "scale"), (true, ",10.0", "", 3, "time"),
    (false, "{143: 0.25", "{143: 0.5", 3, "input_tokens"),
    (false, "{143: 0.25", "{143.5: 0.25", 3, "input_tokens"),
    (false, "{3: 1.0}", "{3: 2.0}", 3, "output_tokens"), (false, "\"{3: 1.0}\"", "{}", 3, "output_tokens"),
    (false, "\"1200\"", "\"noon\"", 3, "time"),
    (false, "output_tokens\": \"{3", "outputs\": \"{3", 3, "output_tokens"),
  ]

  @Test("Every bad row of a client pool is refused with its line and its column")
  func pool() throws {
    let scratch = try Scratch()
    let folder = try FormatFixtures.write("servegen-pool", in: scratch)
    for bad in Self.poolCases {
      let (name, good) =
        bad.isTrace
        ? ("chunk-7-trace.csv", FormatFixtures.pool.trace)
        : ("chunk-7-dataset.json", FormatFixtures.pool.dataset)
      let range = try #require(good.range(of: bad.old, options: .backwards), "\(bad.old)")
      _ = try scratch.file(good.replacingCharacters(in: range, with: bad.new), named: "pool/\(name)")
      let error = traceError { _ = try TraceFile.open(path: folder) }
      _ = try scratch.file(good, named: "pool/\(name)")
      guard case .malformed(let path, let line, let column, _, _) = error else {
        Issue.record("\(bad.new): \(String(describing: error))")
        continue
      }
      #expect(path.hasSuffix(name))
      // The dataset's fixture has two lines before.
      #expect(line == bad.line && column == bad.column, "\(bad.new): \(line) \(column ?? "")")
    }
  }
}
