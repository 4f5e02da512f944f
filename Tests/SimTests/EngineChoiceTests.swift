import Sim
import Testing

@Suite struct EngineChoiceTests {
  @Test(arguments: [
    ("vllm-0.4", "vllm-0.4", nil, "engine profile vllm-0.4"),
    ("vLLM-0.6.1", "vllm-0.4", "vllm-0.6.1", "engine vllm-0.6.1 (profile vllm-0.4)"),
    ("VLLM-v0.6.3.post1", "vllm-0.4", "vllm-0.6.3.post1", "engine vllm-0.6.3.post1 (profile vllm-0.4)"),
    ("vllm-0.11.0rc2", "vllm-0.8", "vllm-0.11.0rc2", "engine vllm-0.11.0rc2 (profile vllm-0.8)"),
    ("sglang-0.5", "sglang-0.4", "sglang-0.5", "engine sglang-0.5 (profile sglang-0.4)"),
    (
      "SGLang-0.4.6.post1", "sglang-0.4", "sglang-0.4.6.post1",
      "engine sglang-0.4.6.post1 (profile sglang-0.4)"
    ),
    (
      "tensorrt-llm-1.1", "tensorrt-llm-1", "tensorrt-llm-1.1",
      "engine tensorrt-llm-1.1 (profile tensorrt-llm-1)"
    ),
    (
      "TensorRT-LLM-0.12", "tensorrt-llm-0", "tensorrt-llm-0.12",
      "engine tensorrt-llm-0.12 (profile tensorrt-llm-0)"
    ),
    (
      "trtllm-1.0.0rc3", "tensorrt-llm-1", "tensorrt-llm-1.0.0rc3",
      "engine tensorrt-llm-1.0.0rc3 (profile tensorrt-llm-1)"
    ),
  ])
  func `a profile or an engine's version is read in any case`(
    name: String, profile: String, asked: String?, title: String
  ) throws {
    let choice = try EngineChoice(name)
    #expect(choice.profile.name == profile && choice.asked == asked && choice.title == title)
    #expect(choice.warning == nil && choice.readAs == nil)
    #expect(EngineCatalog.named(name) == choice.profile)
  }

  /// Patches of 0.2 have two accounts, those of 0.5 two budgets, those of 0.6 both.
  @Test(arguments: [
    ("vllm-0.2", "0.2.0"), ("vllm-0.5", "0.5.0"), ("vllm-0.6", "0.6.0"), ("vllm-0.3", nil), ("vllm-0.7", nil),
    ("vllm-0.9", nil), ("vllm-0.6.0", nil), ("sglang-0.5", nil),
  ])
  func `a minor version whose patches differ says as which it is read`(name: String, readAs: String?) throws {
    let choice = try EngineChoice(name)
    #expect(choice.readAs == readAs)
    guard let readAs else { return }
    #expect(choice.title.contains("(read as \(readAs), profile "), "\(choice.title)")
    #expect(try EngineChoice("vllm-" + readAs).profile == choice.profile)
  }

  @Test(arguments: [
    ("vllm-0.34", "vllm 0.34 is later than 0.33"), ("vllm-0.66", "charged as vllm-0.21"),
    ("vllm-1.0", "vllm 1.0 is later"), ("sglang-0.6.1", "charged as sglang-0.4"),
    ("tensorrt-llm-2.0", "tensorrt-llm 2.0 is later than 1.2"),
  ])
  func `a version later than any known is the newest, with a warning`(name: String, words: String) throws {
    let warning = try #require(try EngineChoice(name).warning)
    #expect(warning.contains(words), "\(warning)")
    #expect(
      try EngineChoice("vllm-0.33.0").warning == nil && EngineChoice("tensorrt-llm-1.2.1").warning == nil)
  }

  @Test(arguments: [
    ("vllm-v1", "V1 is no version"), ("vllm-V1", "vllm-0.11"), ("v1", "from 0.8 on"), ("V0", "before 0.8"),
    ("vllm-v0", "vllm-0.6.6"), ("vllm-0.6.x", "“0.6.x” is no version of vllm"),
    ("vllm-0.6,vllm-0.21", "“0.6,vllm-0.21” is no version"), ("vllm-1", "“1” is no version"),
    ("vllm-0.6.6 ", "is no version"), ("vllm-0.6..1", "is no version"), ("vllm-0.6.1-rc", "is no version"),
    ("vllm-0.0.9", "is no version"), ("vllm-0.1.dev1+g1234567", "is no version"),
    ("vllm-٠.٦", "is no version"),
    ("vllm-99999999999999999999.1", "is no version"), ("sglang-v1.x", "no version of sglang"),
    ("0.6", "vllm-0.6 is vLLM's"), ("vllm-", "no engine profile"), ("vllm-new", "no engine profile"),
    ("SGLang", "such as sglang-0.5.4"), ("trtllm", "such as tensorrt-llm-1.1"), ("", "no engine profile"),
    ("somebody-1.0", "no engine profile"),
  ])
  func `what is no version is refused with a word why`(name: String, words: String) {
    do throws(EngineNameError) {
      let choice = try EngineChoice(name)
      Issue.record("\(name): \(choice.title)")
    } catch {
      #expect("\(error)".contains(words), "\(name): \(error)")
    }
    #expect(EngineCatalog.named(name) == nil)
  }

  @Test func `a file may say more than a version, and counts by the first`() {
    for (text, account) in [("0.5.4 to 0.6.1", "vllm-0.2.5"), ("v0.9.1 (nightly)", "vllm-0.8")] {
      let release = EngineReleases.release(of: "vllm", version: text)
      #expect(release?.accounting(version: text).name == account && KVAccounting(version: text) == nil)
      #expect(release?.profile(version: text).accounting.name == account)
    }
  }

  @Test func `a log's engine is titled by its version`() {
    #expect(EngineChoice(vLLM: "0.8.5", isV0: true)?.title == "engine vllm-0.8.5 V0 (profile vllm-0.4)")
    #expect(EngineChoice(vLLM: "0.8.5", isV0: false)?.title == "engine vllm-0.8.5 (profile vllm-0.8)")
    #expect(EngineChoice(vLLM: "0.1.dev1+g1234567", isV0: false) == nil)
  }
}
