import Foundation
import Results
import Testing

import Studies

@Suite struct StudyYAMLTests {
  @Test func `the example of the documentation is a study`() throws {
    let docs = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("docs/sweeps.md")
    let text = try String(contentsOf: docs, encoding: .utf8)
    let start = try #require(text.range(of: "```yaml\nstudy:"))
    let block = text[text.index(start.lowerBound, offsetBy: 8)...]
    let end = try #require(block.range(of: "```"))
    let study = try StudyYAML.parse(String(block[..<end.lowerBound]), path: "docs/sweeps.md")
    #expect(study.name == "lending-small" && study.grids.map(\.name) == ["backlog", "latency"])
    #expect(study.grids.map(\.checkedCount) == [2 * 2 * 3 * 5, 3 * 3 * 2 * 5])
    #expect(
      study.grids[1].axes[0].values.map(\.name) == ["paper-0", "bursts", "paper:5,requests=400,spread=1.5"])
    #expect(study.grids[0].baseline == "vllm-m" && study.grids[0].seeds == [0, 1, 2, 3, 4])
  }

  @Test(arguments: [
    ("study: s\nrowz: all\ncontenders: [a]", 2, 1, "rowz"), ("study: s", 1, 1, "contenders"),
    ("study: a/b\ncontenders: [a]", 1, 8, "a/b"), ("study: s\ncontenders: [a, a]", 2, 17, "second contender"),
    ("study: s\nrows: some\ncontenders: [a]", 2, 7, "some"),
    ("study: s\nseeds: 0\ncontenders: [a]", 2, 8, "\"0\""),
    ("study: s\nseeds: [1, 1]\ncontenders: [a]", 2, 12, "\"1\""),
    ("study: s\naxes:\n  x: []\ncontenders: [a]", 3, 6, "no values"),
    ("study: s\naxes:\n  x: [1, 1]\ncontenders: [a]", 3, 10, "second value"),
    ("study: s\naxes:\n  seed: [1]\ncontenders: [a]", 3, 3, "an axis seed"),
    ("study: s\nbaseline: b\ncontenders: [a]", 2, 11, "\"b\""),
    ("study: s\ncontenders: [{policy: a, label: b, color: c}]", 2, 36, "color"),
    ("study: s\ncontenders: [a]\nexpect:\n  - value(a, makespan_s) >", 4, 27, "the end"),
    ("study: s\ncontenders: [a]\nexpect:\n  - value(b, makespan_s) > 1", 4, 5, "label \"b\""),
    ("study: s\ncontenders: [a]\nexpect:\n  - 1 > 0 where x == 1", 4, 17, "\"x\""),
    (
      "study: s\ngrids:\n  - {grid: g, contenders: [a]}\n  - {grid: g, contenders: [a]}", 4, 12, "second grid"
    ),
    ("study: s\nstudy: t\ncontenders: [a]", 1, 1, "twice"), ("- a", 1, 1, "no mapping"),
    ("{", 2, 1, "parser"),
  ])
  func `a wrong study is told by line, column and what was found`(
    text: String, line: Int, column: Int, found: String
  ) throws {
    let error = try #require(throws: StudyError.self) { _ = try StudyYAML.parse(text, path: "s.yaml") }
    #expect(error.place.path == "s.yaml" && error.found.contains(found), "\(error)")
    #expect(error.place.line == line && error.place.column == column, "\(error)")
  }

  @Test func `the set of points does not depend on the order of axes, and settings only on later ones`()
    throws
  {
    let contenders = "contenders: [a, {label: b, policy: a, options: {y: 9}}]"
    let one = "study: s\noptions: {z: 0}\naxes:\n  x: [1, 2]\n  y: [3, 4, 5]\n\(contenders)"
    let other = "study: s\noptions: {z: 0}\naxes:\n  y: [5, 3, 4]\n  x: [2, 1]\n\(contenders)"
    func points(_ text: String) throws -> Set<String> {
      let all = try StudyYAML.parse(text, path: "s").grids[0].points
      #expect(all.count == 12)
      return Set(
        all.map { point in
          "\(point.cell.text) \(point.contender.label) "
            + point.settings.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
        })
    }
    let found = try points(one)
    #expect(try points(other) == found)
    #expect(found.contains("main: x=1 y=3 b x=1 y=9 z=0"))
  }

  @Test func `a path is called by its file's name, and anything else by its text`() {
    let names = ["../a/paper-0.csv", "b.jsonl.zst", "mistral-7b-v0.1", "0.5", "paper:5,rate=0.5", "c/.csv"]
    #expect(
      names.map(Axis.valueName)
        == ["paper-0", "b", "mistral-7b-v0.1", "0.5", "paper:5,rate=0.5", ".csv"])
  }

  @Test func `an option that no contender can use is refused where it stands`() throws {
    let vocabulary = Vocabulary(
      options: ["trace"], flags: ["fast"], engine: ["block"], policies: ["a": ["lending"], "b": []])
    func check(_ text: String) throws { try StudyYAML.parse(text, path: "s").check(vocabulary) }
    try check("study: s\noptions: {lending: on, fast: true, block: 1}\ncontenders: [a, b]")
    for (text, found) in [
      ("options: {trase: t}\ncontenders: [a]", "trase"), ("options: {fast: yes}\ncontenders: [a]", "yes"),
      ("contenders: [c]", "policy"), ("options: {lending: on}\ncontenders: [b]", "no policy here"),
      ("contenders: [a, {policy: b, options: {lending: on}}]", "no policy here"),
    ] {
      let error = try #require(throws: StudyError.self) { try check("study: s\n" + text) }
      #expect(error.found.contains(found), "\(error)")
    }
  }
}
