import Foundation
import Sim
import Testing

import Workloads

/// The public traces, where they are on this machine.
enum PublicData {
  /// Path of a trace, or `nil` (said on the output).
  static func trace(_ name: String) -> String? {
    let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let data =
      ProcessInfo.processInfo.environment["INFINITE_SIM_DATA"]
      ?? package.deletingLastPathComponent().appendingPathComponent("shared/data").path
    let path = "\(data)/traces/\(name)"
    if FileManager.default.fileExists(atPath: path) { return path }
    print("skipped: data not found: \(path)")
    return nil
  }
}

@Suite struct StatisticsTests {
  private func statistics(_ name: String, lenient: Bool = false) throws -> (TraceFile, TraceStatistics)? {
    guard let path = PublicData.trace(name) else { return nil }
    var options = TraceOptions.unchanged
    options.keepsDetails = true
    options.isLenient = lenient
    let file = try TraceFile.open(path: path, options: options)
    return (file, try TraceStatistics(of: file))
  }

  @Test("Azure 2023: the published mean, p50, p99, maximum and rate")
  func azure() throws {
    guard let (file, s) = try statistics("AzureLLMInferenceTrace_conv_2023.csv") else { return }
    #expect(file.format.name == "azure-2023" && s.rows == 19_366)
    #expect(s.prompts.mean.rounded() == 1155 && s.outputs.mean.rounded() == 211)
    #expect(s.prompts.percentiles([0.5, 0.99]) == [1020, 4142] && s.prompts.maximum == 14_050)
    #expect(s.outputs.percentiles([0.5, 0.99]) == [129, 601] && s.outputs.maximum == 1000)
    let rate = try #require(s.rate)
    #expect(s.last.seconds.rounded() == 3502 && (rate * 100).rounded() == 553)
  }

  @Test("Mooncake: rows, lengths, 36.6 % ideal prefix hits by an independent count, 3 s buckets")
  func mooncake() throws {
    guard let (file, s) = try statistics("mooncake_fast25_conversation_trace.jsonl") else { return }
    #expect(s.rows == 12_031 && s.prompts.mean.rounded() == 12_035 && s.prompts.maximum == 126_195)
    let rate = try #require(s.prefixes.blockHitRate)
    #expect((rate * 1000).rounded() == 366)
    // Independently: each block by where it was first seen, without stopping at the first miss, which is the
    // same here because identities name whole prefixes.
    var firstRow: [UInt64: Int] = [:]
    var (hits, blocks) = (0, 0)
    for (row, record) in try file.allRecords().enumerated() {
      for hash in record.details.hashes {
        if let first = firstRow[hash], first < row { hits += 1 } else { firstRow[hash] = row }
        blocks += 1
      }
    }
    #expect(s.prefixes.hitBlocks == hits && s.prefixes.blocks == blocks && blocks == 288_500)
    #expect(s.quantum == 3 && s.warnings.contains { $0.contains("quantised") && $0.contains("90 %") })
  }

  @Test("Agentic sessions: ten rows without output, prompts of some 122K tokens up to 0.9M, 96 % prefix")
  func agentic() throws {
    guard let path = PublicData.trace("agentic_coding_sessions.csv") else { return }
    guard case .malformed(_, 2688, "out_tokens", _, _) = traceError({ _ = try TraceFile.open(path: path) })
    else {
      Issue.record("a row without output was accepted")
      return
    }
    guard let (file, s) = try statistics("agentic_coding_sessions.csv", lenient: true) else { return }
    #expect(file.count.all == 24_015 && file.count.skipped == [.noOutput: 10])
    #expect(
      (s.prompts.mean / 122_000 - 1).magnitude < 0.03 && (850_000...900_000).contains(s.prompts.maximum))
    let hits = try #require(s.prefixes.tokenHitRate)
    #expect((hits * 100).rounded() == 96)
  }

  @Test("Every public file reads, length sources with --lenient only, with the rows that it has")
  func everyFile() throws {
    let files: [(String, String, Int, Bool)] = [
      ("w1_azure_conv_clip4096.csv", "plain", 19_366, false),
      ("vidur_splitwise_conv.csv", "vidur", 19_366, false),
      ("servegen_sample_m-large_day3_15h-16h_scale0.05.csv", "servegen", 18_229, false),
      ("etalon_sharegpt_8k_filtered_stats_llama2_tokenizer.csv", "vidur-lengths", 30_731, false),
      ("apexplus_lmsys_05.csv", "plain", 1_024, false),
      ("narrativeqa_story_lengths.csv", "narrativeqa", 1_572, true),
      ("longbench_v1_task_lengths.csv", "longbench", 21, true),
      ("infinitebench_task_lengths.csv", "infinitebench", 12, true),
    ]
    for (name, format, rows, lenient) in files {
      guard let (file, s) = try statistics(name, lenient: lenient) else { continue }
      #expect(file.format.name == format && s.rows == rows && file.count.all == rows, "\(name)")
      if lenient { #expect(traceError { _ = try TraceFile.open(path: file.path) } != nil) }
    }
    if let (_, stories) = try statistics("narrativeqa_story_lengths.csv", lenient: true) {
      #expect((stories.prompts.maximum / 1000) == 580)
    }
    if let (_, tasks) = try statistics("infinitebench_task_lengths.csv", lenient: true) {
      #expect(tasks.prompts.maximum == 2_068_600)
    }
  }

  @Test("A Poisson process has gaps of CV 1 and dispersions of 1; a fixed one of 0")
  func poisson() throws {
    for (gaps, expected, slack) in [(ArrivalProcess.Gaps.exponential, 1.0, 0.1), (.fixed, 0, 0.05)] {
      let spec = WorkloadSpec(
        seed: 4, requests: 60_000,
        classes: [
          RequestClass(
            name: "a", source: .open(ArrivalProcess(gaps: gaps, pattern: .constant(rate: 10))),
            prompt: .fixed(5),
            output: .fixed(6))
        ])
      var s = TraceStatistics()
      for record in try spec.generate() { s.add(record) }
      let (cv, rate) = (try #require(s.gapCV), try #require(s.rate))
      #expect((cv - expected).magnitude < 0.02)
      for window in s.windows.prefix(2) {
        let dispersion = try #require(window.dispersion)
        #expect((dispersion - expected).magnitude < slack, "\(window.seconds) s")
      }
      #expect((rate / 10 - 1).magnitude < 0.02 && (s.warnings.isEmpty || gaps == .fixed))
    }
  }

  @Test("Percentiles are nearest ranks, counted exactly, of short and of long lengths")
  func percentiles() {
    var counts = LengthCounts()
    for length in [3, 1, 2, 70_000, 4, 5, 6, 7, 8, 1_000_000] { counts.add(length) }
    #expect(
      counts.percentiles([0.1, 0.5, 0.8, 0.81, 0.9, 0.99, 1]) == [
        1, 5, 8, 70_000, 70_000, 1_000_000, 1_000_000,
      ])
    #expect(counts.mean == 107_003.6 && counts.maximum == 1_000_000)
  }

  @Test("Empty stretches and roundings are warned of")
  func warnings() {
    var s = TraceStatistics()
    for index in 0..<100 {
      let seconds = Int64(index) + (index >= 50 ? 300 : 0)
      s.add(TraceRecord(request(seconds * 1_000_000_000_000, 1, 1)))
    }
    #expect(s.quantum == 1 && s.warnings.count == 2)
    #expect(s.warnings[1].contains("an empty stretch of 301.0 s begins at 49.0 s"))
  }
}
