import Testing
import Workloads

/// Turns and think times need a session, and turns rise with time within it.
@Suite struct TurnTests {
  private func fault(_ text: String, sorted: Bool = false, lenient: Bool = false) throws -> TraceError? {
    let scratch = try Scratch()
    var options = TraceOptions.unchanged
    (options.sorts, options.isLenient, options.maximumSkippedShare) = (sorted, lenient, 1)
    let path = try scratch.file(text)
    return traceError { _ = try TraceFile.open(path: path, options: options) }
  }

  private static let row = "{\"arrival_s\": 0, \"input_tokens\": 10, \"output_tokens\": 20"

  @Test(
    "A turn, a think time or a shared prefix without a session is an error that says so",
    arguments: [
      ("arrival_s,input_tokens,output_tokens,turn\n0,1,1,\n0,1,1,2\n", 3, "turn"),
      ("arrival_s,input_tokens,output_tokens,think_s\n0,1,1,5\n", 2, "think_s"),
      ("arrival_s,input_tokens,output_tokens,session,turn,think_s\n0,1,1,7,1,\n1,1,1,,2,5\n", 3, "turn"),
      ("arrival_s,input_tokens,output_tokens,prefix_tokens\n0,9,1,0\n0,9,1,5\n", 3, "prefix_tokens"),
      ("\(row)}\n\(row), \"think_s\": 1}\n", 2, "think_s"),
      ("\(row), \"session\": null, \"turn\": 1}\n", 1, "turn"),
    ])
  func noSession(text: String, line: Int, column: String) throws {
    let found = try fault(text)
    guard case .malformed(_, line, column, let what, let expected) = found else {
      Issue.record("\(text): \(String(describing: found))")
      return
    }
    #expect(what.hasSuffix("and no session") && expected.contains("session that"))
    #expect(try fault(text, lenient: true) == nil || text.split(separator: "\n").count < 3)
  }

  @Test(
    "A turn that is not above the one before in its session is an error",
    arguments: [
      ("0,1,1,7,2\n1,1,1,7,1\n", 3, "turn 1 of session 7 after turn 2"),
      ("0,1,1,7,1\n1,1,1,8,1\n2,1,1,7,1\n", 4, "turn 1 of session 7 again"),
    ])
  func order(rows: String, line: Int, words: String) throws {
    let head = "arrival_s,input_tokens,output_tokens,session,turn\n"
    for sorted in [false, true] {
      let found = try fault(head + rows, sorted: sorted)
      guard case .malformed(_, line, "turn", words, let expected) = found else {
        Issue.record("\(rows): \(String(describing: found))")
        return
      }
      #expect(expected == "turns that rise with time within a session")
    }
    #expect(try fault(head + rows, lenient: true) == nil)
  }

  @Test(
    "Rows in any order of time are put in order first, turns may be missing, and sessions do not touch each other"
  )
  func rising() throws {
    let head = "arrival_s,input_tokens,output_tokens,session,turn\n"
    #expect(try fault(head + "5,1,1,7,2\n1,1,1,7,1\n", sorted: true) == nil)
    #expect(try fault(head + "0,1,1,7,3\n1,1,1,8,1\n2,1,1,7,9\n2,1,1,,\n3,1,1,8,2\n") == nil)
  }
}
