import Foundation
import Testing

import Studies

@Suite struct JUnitTests {
  @Test func `hostile text stays text, and failures are counted`() throws {
    let study = try sampleStudy("expect: ['value(ours, output_tokens_per_s) < 0']")
    var results = StudyResults.sample(study, rate: { _, _, _ in 1 })
    let key = try #require(results.outcomes.keys.first { $0.label == "vllm-m" })
    results.outcomes[key] = .failed("<script>\"&'\u{1}\u{FFFE}]]>")
    let text = JUnit(results: results, outcomes: results.checkAll()).text
    #expect(text.contains("tests=\"3\" failures=\"3\""))
    #expect(text.contains("&lt;script&gt;&quot;&amp;'??]]&gt;") && !text.contains("<script>"))
    #expect(text.contains("found 1.0, expected &lt; 0.0"))
  }
}
