import Results
import Runs

/// The runs in a file of a benchmark's client, whose format is told by what is in it.
enum BenchmarkFiles {
  static func runs(_ path: String) throws -> [BenchmarkRun] {
    let runs = try all(path)
    for run in runs { try run.requireAnswers() }
    return runs
  }

  private static func all(_ path: String) throws -> [BenchmarkRun] {
    let documents = try documents(RunFiles.text(path), path: path)
    if documents.count == 1, GuideLLMBenchmark.isOne(documents[0].json) {
      return try GuideLLMBenchmark.read(documents[0])
    }
    if documents.allSatisfy({ AIPerfBenchmark.isRecord($0.json) }) {
      return [try AIPerfBenchmark.read(documents, place: path)]
    }
    return try documents.map { document in
      if VLLMBenchmark.isOne(document.json) { return try VLLMBenchmark.read(document) }
      if AIPerfBenchmark.isSummary(document.json) { return try AIPerfBenchmark.read(summary: document) }
      let keys = document.json.keys.prefix(6).joined(separator: ", ")
      throw CommandFailure(
        .badData,
        "\(document.place): keys are \(keys.isEmpty ? "none" : keys + "…"), expected a result of vllm bench serve (request_rate, completed, "
          + "duration), GuideLLM (benchmarks) or AIPerf (metadata with request_start_ns, or request_latency); see docs/benchmark-files.md"
      )
    }
  }

  /// One JSON text, or one a line.
  private static func documents(_ text: String, path: String) throws -> [BenchmarkFields] {
    switch parsed(text) {
    case .success(let json): return [BenchmarkFields(json: json, place: path)]
    case .failure(let whole):
      let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init).enumerated()
        .filter { !$0.element.allSatisfy(\.isWhitespace) }
      guard lines.count > 1, case .success = parsed(lines[0].element) else {
        throw CommandFailure(
          .badData, "\(path):\(whole.line): found \(whole.found), expected \(whole.expected)")
      }
      var documents: [BenchmarkFields] = []
      for (index, line) in lines {
        switch parsed(line) {
        case .success(let json):
          documents.append(BenchmarkFields(json: json, place: "\(path):\(index + 1)"))
        case .failure(let error):
          throw CommandFailure(
            .badData, "\(path):\(index + 1): found \(error.found), expected \(error.expected)")
        }
      }
      return documents
    }
  }

  private static func parsed(_ text: String) -> Result<JSON, JSONError> {
    do { return .success(try JSON(parsing: text)) } catch { return .failure(error) }
  }
}
