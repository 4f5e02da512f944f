import Foundation
import Testing
import Workloads

/// What becomes of columns and keys that a format does not read.
@Suite struct UnreadColumnsTests {
  private func options(ignoring names: String...) -> TraceOptions {
    var options = TraceOptions.unchanged
    options.ignoredColumns = Set(names)
    options.keepsDetails = true
    return options
  }

  private func column(_ text: String, _ options: TraceOptions = .unchanged) throws -> (column: String?, Int) {
    let scratch = try Scratch()
    let path = try scratch.file(text)
    let error = traceError { _ = try TraceFile.open(path: path, options: options) }
    guard case .malformed(_, let line, let column, _, let expected) = error else {
      Issue.record("\(text): \(String(describing: error))")
      return (nil, 0)
    }
    #expect(expected.contains("--ignore-columns"), "\(expected)")
    return (column, line)
  }

  @Test(
    "A column that carries a time, a length, a session or a class is not dropped without a word",
    arguments: [
      "timestamp", "created_at", "arrival", "Arrival_s", "time", "start_time", "arrived_at", "TIMESTAMP",
      "t_s", "ts",
      "sentAt", "event", "date", "Datetime", "requesttime", "epoch_ms", "submit", "at", "requestTs",
      "total_tokens", "promptlen", "context", "output", "max_output", "ISL", "session", "SESSION_ID",
      "conversation",
      "chat", "parent_id", "delay", "class", "priority", "Tenant", "client", "turn",
      "when", "received", "issued_hour", "clock", "ended", "turns", "dialog_id", "dialogue", "sid",
      "prev_request", "iat", "offset_ms", "seconds", "dependencies", "ms", "request_ms", "latencyMs", "us",
      "gap-ns", "wait_s", "sec", "think_secs", "millis", "service_usec", "minutes", "day",
      "queued", "enqueuedBy", "interval", "gap", "posted", "scheduled", "dispatched", "begin", "duration",
      "unix",
      "utc", "hrs", "in", "n_out", "tok", "prefill", "decode", "completion", "max_ctx", "thread_id",
      "NUMTURNS",
      "tier", "qos", "slo", "prio",
    ])
  func refused(name: String) throws {
    let csv = "\(name),input_tokens,output_tokens\n7,10,20\n8,10,20\n"
    #expect(try column(csv) == (name, 1))
    let plain = "arrival_s,input_tokens,output_tokens,\(name)\n0,10,20,1\n"
    // Those of plain, and that which makes a file of servegen of it.
    let isPlain = try name == "client" || #require(TraceFormat.named("plain")).readNames.contains(name)
    if !isPlain { #expect(try column(plain) == (name, 1)) }

    let row = "{\"arrival_s\": 0, \"input_tokens\": 10, \"output_tokens\": 20"
    if !isPlain { #expect(try column("\(row)}\n\(row), \"\(name)\": 1}\n") == (name, 2)) }

    // And is, where that is asked for.
    let scratch = try Scratch()
    let lengths = try TraceFile.open(path: try scratch.file(csv), options: options(ignoring: name))
    #expect(lengths.format.name == "lengths" && lengths.notes.isEmpty && lengths.unreadColumns.isEmpty)
    #expect(lengths.info.count == 2)
  }

  @Test(
    "Other columns are named and left unread, each once",
    arguments: ["foo", "model", "region", "gpu", "parts", "id2", "items", "status", "bus", "columns"])
  func named(name: String) throws {
    let scratch = try Scratch()
    let csv = "arrival_s,input_tokens,output_tokens,\(name),\(name)\n0,10,20,1,2\n1,10,20,1,2\n"
    let json = "{\"arrival_s\": 0, \"input_tokens\": 10, \"output_tokens\": 20, \"\(name)\": {}}\n"
    for text in [csv, json + json] {
      let trace = try TraceFile.open(path: try scratch.file(text))
      #expect(trace.unreadColumns == [name] && trace.info.count == 2)
      #expect(trace.notes == ["\(trace.path): not read: \(name)"])
      #expect(try TraceFile.open(path: trace.path, options: options(ignoring: name)).notes.isEmpty)
    }
  }

  @Test("Columns that a format documents are never spoken of")
  func documented() throws {
    let scratch = try Scratch()
    for format in TraceFormat.all {
      let path = try FormatFixtures.write(format.name, in: scratch)
      let trace = try TraceFile.open(path: path, options: FormatFixtures.options(format.name))
      #expect(trace.unreadColumns.isEmpty, "\(format.name)")
    }
  }

  @Test(
    "A key within another is refused by its own name, however deep, unless all around it is ignored",
    arguments: [
      ("extra", "{\"session_id\": 7}", "extra.session_id"),
      ("metadata", "{\"timestamp\": 1}", "metadata.timestamp"),
      ("extra", "{\"a\": {\"b\": [1, {\"sent\": 2}]}}", "extra.a.b.sent"),
      ("extra", "[{\"x\": 1}, {\"x\": {\"request_ms\": 5}}]", "extra.x.request_ms"),
      ("extra", "{\"ContextTokens\": 5}", "extra.ContextTokens"),
      ("extra", "{\"a\": 1, \"created\\u005fat\": 5}", "extra.created_at"),
    ])
  func nested(key: String, value: String, name: String) throws {
    let row = "{\"arrival_s\": 0, \"input_tokens\": 10, \"output_tokens\": 20"
    let text = "\(row)}\n\(row), \"\(key)\": \(value)}\n"
    #expect(try column(text) == (name, 2))
    let scratch = try Scratch()
    for ignored in [key, name] {
      let trace = try TraceFile.open(path: try scratch.file(text), options: options(ignoring: ignored))
      #expect(trace.info.count == 2 && trace.unreadColumns == (ignored == key ? [] : [key]))
    }
    let quiet =
      "\(row), \"\(key)\": {\"foo\": [1, {}, [], null, {\"sent\": null}], \"model\": {\"name\": \"x\"}}}\n"
    #expect(try TraceFile.open(path: try scratch.file(quiet)).unreadColumns == [key])
  }

  @Test("A column of another format is refused, whichever format is named or found")
  func foreign() throws {
    let cases = [
      ("arrival_s,input_tokens,output_tokens,ContextTokens\n0,1,2,3\n", "ContextTokens"),
      ("arrived_at,num_prefill_tokens,num_decode_tokens,client\n0,1,2,3\n", "client"),
      ("input_tokens,output_tokens,t_s\n1,2,3\n", "t_s"),
      ("TIMESTAMP,ContextTokens,GeneratedTokens,agent\n2023-11-16 18:15:46,1,2,a\n", "agent"),
      (
        "{\"timestamp\": 0, \"input_length\": 1, \"output_length\": 1, \"hash_ids\": [1], \"turn\": 1}\n",
        "turn"
      ),
    ]
    for (text, name) in cases { #expect(try column(text).column == name) }
  }

  @Test("Leniency does not drop a column")
  func lenient() throws {
    var options = FormatFixtures.options(nil, lenient: true)
    options.maximumSkippedShare = 1
    let row = "{\"arrival_s\": 0, \"input_tokens\": 10, \"output_tokens\": 20"
    #expect(try column("\(row)}\n\(row), \"sent\": 1}\n", options) == ("sent", 2))
    #expect(
      try column("[{\"conversations\": [{\"from\": \"human\", \"value\": \"a\", \"date\": 1}]}]", options)
        .column
        == "conversations.date")
  }

  @Test("The keys of multi-turn files are refused beside timestamps and hashes, unless they are null")
  func multiTurn() throws {
    let row = "{\"timestamp\": 0, \"input_length\": 1, \"output_length\": 1, \"hash_ids\": [1]"
    for key in ["session_id", "delay", "parent", "parent_session_id"] {
      #expect(try column("\(row), \"\(key)\": 7}\n").column == key)
      let scratch = try Scratch()
      let trace = try TraceFile.open(path: try scratch.file("\(row), \"\(key)\": null}\n"))
      #expect(trace.format.name == "mooncake" && trace.notes.isEmpty)
    }
    let plain = "{\"arrival_s\": 0, \"input_tokens\": 1, \"output_tokens\": 1"
    for key in ["session_id", "delay", "parent"] {
      #expect(try column("\(plain), \"\(key)\": 7}\n").column == key)
    }
  }

  @Test("What steers a terminal is not shown, and a long name is cut")
  func printable() throws {
    #expect(
      try column("input_tokens,output_tokens,\u{1B}[2Jdate\u{202E}\n1,2,3\n").column
        == "\\u{1b}[2Jdate\\u{202e}")
    let scratch = try Scratch()
    let name = String(repeating: "é", count: 100)
    let trace = try TraceFile.open(path: try scratch.file("input_tokens,output_tokens,\(name)\n1,2,3\n"))
    #expect(trace.unreadColumns == [String(repeating: "é", count: 60) + "…"])
  }

  @Test("Keys of conversations and messages are asked about too")
  func conversations() throws {
    let scratch = try Scratch()
    let text =
      "[{\"id\": \"a\", \"source\": \"x\", \"conversations\": "
      + "[{\"from\": \"human\", \"value\": \"a\", \"weight\": 1}, {\"from\": \"gpt\", \"value\": \"b\"}]}]"
    let trace = try TraceFile.open(path: try scratch.file(text))
    #expect(trace.unreadColumns == ["source", "conversations.weight"])
    #expect(try column(text.replacing("source", with: "created")).column == "created")
    let ignoring = options(ignoring: "created", "conversations.weight")
    let path = try scratch.file(text.replacing("source", with: "created"))
    #expect(try TraceFile.open(path: path, options: ignoring).notes.isEmpty)
  }

  @Test("A column that is read may be ignored, but for those that a format needs")
  func ignoredButRead() throws {
    let scratch = try Scratch()
    let path = try scratch.file("arrival_s,input_tokens,output_tokens,session\n0,1,2,3\n5,1,2,3\n")
    let trace = try TraceFile.open(path: path, options: options(ignoring: "session"))
    #expect(try trace.allRecords().allSatisfy { $0.details.session == nil })
    // Without its times it is a file of lengths.
    let lengths = try TraceFile.open(path: path, options: options(ignoring: "session", "arrival_s"))
    #expect(lengths.format.name == "lengths" && lengths.info.lastArrival == .zero)
    #expect(
      traceError { _ = try TraceFile.open(path: path, options: options(ignoring: "input_tokens")) } != nil)

    let json = try scratch.file(
      "{\"arrival_s\": 0, \"input_tokens\": 1, \"output_tokens\": 2, \"session\": 3, \"class\": \"a\"}\n")
    let record = try TraceFile.open(path: json, options: options(ignoring: "session")).record()
    #expect(record?.details.session == nil && record?.details.label == "a")
  }

  @Test(
    "A column that is to be ignored must be there",
    arguments: ["plain", "mooncake", "sharegpt", "servegen-pool"])
  func absent(format: String) throws {
    let scratch = try Scratch()
    let path = try FormatFixtures.write(format, in: scratch)
    let error = traceError { _ = try TraceFile.open(path: path, options: options(ignoring: "tiem")) }
    guard case .invalidOption("ignore-columns", "\"tiem\"", _) = error else {
      Issue.record("\(format): \(String(describing: error))")
      return
    }
  }

  @Test(
    "A key that is twice in a row is refused, whether it is read or not",
    arguments: [
      "\"input_tokens\": 3", "\"session\": null, \"session\": 1", "\"session\": null, \"session\": null",
      "\"foo\": 1, \"foo\": 2", "\"hash_ids\": [1], \"hash_ids\": [1]", "\"arrival_s\": 0",
    ])
  func twice(keys: String) throws {
    let scratch = try Scratch()
    let path = try scratch.file(
      "{\"arrival_s\": 0, \"input_tokens\": 1, \"output_tokens\": 2, \"block_tokens\": 16, \(keys)}\n")
    guard case .malformed(_, 1, _, let found, _) = traceError({ _ = try TraceFile.open(path: path) }) else {
      Issue.record("\(keys) was read")
      return
    }
    #expect(found.contains("twice"), "\(found)")
  }

  @Test(
    "Keys and numbers of a conversation and of a client pool are there once, and no comma stands before a bracket"
  )
  func twiceElsewhere() throws {
    let scratch = try Scratch()
    let message = "{\"from\": \"human\", \"value\": \"a\"}"
    for bad in [
      "[{\"conversations\": [\(message),]}]", "[{\"conversations\": [\(message)],}]",
      "[{\"conversations\": [\(message)]},]", "[{\"id\": 1, \"id\": 2, \"conversations\": [\(message)]}]",
      "[{\"conversations\": [{\"from\": \"human\", \"value\": \"a\", \"value\": \"b\"}]}]",
    ] {
      let path = try scratch.file(bad)
      #expect(traceError { _ = try TraceFile.open(path: path) } != nil, "\(bad)")
    }
    let pool = try FormatFixtures.write("servegen-pool", in: scratch)
    for (old, new) in [
      ("143: 0.25, 148: 0.75", "143: 0.25, 143: 0.75"), ("\"1200\"", "\"0\""),
      ("\"output_tokens\": \"{3: 1.0}\"", "\"output_tokens\": \"{3: 1.0}\", \"output_tokens\": \"{3: 1.0}\""),
      ("148: 0.75}", "148: 0.75,}"),
    ] {
      let text = FormatFixtures.pool.dataset.replacing(old, with: new)
      #expect(text != FormatFixtures.pool.dataset)
      _ = try scratch.file(text, named: "pool/chunk-7-dataset.json")
      #expect(traceError { _ = try TraceFile.open(path: pool) } != nil, "\(new)")
    }
  }

  @Test("A generator takes the lengths of a file whose times are odd, and may ignore its columns")
  func empirical() throws {
    let scratch = try Scratch()
    var rows = "created,input_tokens,output_tokens\n"
    for row in 0..<30 { rows += "\(1_700_000_000_000 + row),10,20\n" }
    _ = try scratch.file(rows, named: "e.csv")
    let length = "{kind: empirical, path: e.csv, field: prompt"
    let text = "requests: 3\narrivals: {rate: 1}\noutput: 1\nprompt: \(length)"
    let bad = try scratch.file(text + "}\n", named: "bad.yaml")
    #expect(traceError { _ = try GeneratorYAML.read(path: bad) } != nil)
    let good = try scratch.file(text + ", ignore_columns: created}\n", named: "good.yaml")
    #expect(try GeneratorYAML.read(path: good).generate().allSatisfy { $0.request.prompt == 10 })
  }
}
