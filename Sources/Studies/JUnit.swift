/// Expectations and failed points as JUnit XML: a case per expectation and cell, a case per failed point.
public struct JUnit {
  private let results: StudyResults
  private let outcomes: [CheckOutcome]

  public init(results: StudyResults, outcomes: [CheckOutcome]) {
    (self.results, self.outcomes) = (results, outcomes)
  }

  public var text: String {
    let name = results.study.name
    let points = results.failedPoints
    let broken = outcomes.count { !$0.holds }
    var cases = ""
    for point in points {
      cases += testCase(name, "points", point.key.text, failure: ("point failed", point.error))
    }
    for outcome in outcomes {
      let title = outcome.expectation + (outcome.cell.map { " [\($0.text)]" } ?? "")
      cases += testCase(
        name, outcome.cell?.grid ?? outcome.grid ?? "study", title,
        failure: outcome.holds ? nil : ("expectation does not hold", outcome.finding),
        // What is compared with what is no less worth knowing where it holds.
        note: outcome.unlikeBases.isEmpty ? nil : outcome.finding)
    }
    return """
      <?xml version="1.0" encoding="UTF-8"?>
      <testsuites>
      <testsuite name=\(attribute(name)) tests="\(points.count + outcomes.count)" failures="\(points.count + broken)">
      \(cases)</testsuite>
      </testsuites>

      """
  }

  private func testCase(
    _ study: String, _ group: String, _ name: String, failure: (message: String, text: String)?,
    note: String? = nil
  ) -> String {
    let start = "<testcase classname=\(attribute("\(study).\(group)")) name=\(attribute(name))"
    guard let failure else {
      return start + (note.map { "><system-out>\(escaped($0))</system-out></testcase>\n" } ?? "/>\n")
    }
    return start
      + "><failure message=\(attribute(failure.message))>\(escaped(failure.text))</failure></testcase>\n"
  }

  private func attribute(_ text: String) -> String { "\"\(escaped(text))\"" }

  /// Text that XML 1.0 takes anywhere; characters that it has no form for become "?".
  private func escaped(_ text: String) -> String {
    var out = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": out += "&amp;"
      case "<": out += "&lt;"
      case ">": out += "&gt;"
      case "\"": out += "&quot;"
      case "\n", "\t": out += " "
      case _ where scalar.value < 0x20 || scalar.value & 0xFFFE == 0xFFFE: out += "?"
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out
  }
}
