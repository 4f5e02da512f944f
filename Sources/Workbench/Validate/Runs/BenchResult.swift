import Foundation
import Results
import Runs

/// A result of `vllm bench serve --save-result --save-detailed` (before: `benchmark_serving.py`): all requests at once.
enum BenchResult {
  static let format = RunFormat(
    name: "vllm-bench",
    summary: "One JSON object a file, of requests sent all at once; its name says GPU and TP: …a100…_tp4….",
    columns: ["model_id", "duration", "input_lens", "output_lens", "request_rate"],
    optional: ["backend", "date", "engine_version", "gpu", "tensor_parallel", "max_concurrency"])

  static func read(_ json: JSON, path: String) throws -> ReadRun {
    func failure(_ key: String, _ expected: String) -> CommandFailure {
      CommandFailure(.badData, "\(path): \"\(key)\", expected \(expected)")
    }
    func lengths(_ key: String) throws -> [Int] {
      guard let found = json[key]?.elements?.map(\.integer), !found.isEmpty else {
        throw failure(key, "the lengths of requests (--save-detailed)")
      }
      return try found.map { length in
        guard let length, (0...(1 << 30)).contains(length) else {
          throw failure(key, "whole numbers of tokens")
        }
        return length
      }
    }
    guard let model = json["model_id"]?.string, !model.isEmpty else { throw failure("model_id", "a name") }
    guard let duration = json["duration"]?.number, duration > 0 else {
      throw failure("duration", "seconds above 0")
    }
    let (inputs, outputs) = (try lengths("input_lens"), try lengths("output_lens"))
    guard inputs.count == outputs.count else {
      throw CommandFailure(
        .badData, "\(path): \(inputs.count) input_lens and \(outputs.count) output_lens, expected as many")
    }
    guard json["request_rate"]?.string == "inf" else {
      return .leftOut("request_rate is not \"inf\": when requests arrived is not in the file")
    }
    if let most = json["max_concurrency"]?.integer, most < inputs.count {
      return .leftOut("max_concurrency is below the number of requests")
    }
    let words = words(of: path)
    guard let gpu = json["gpu"]?.string ?? words.first(where: { GPUName($0).isKnown }) else {
      return .leftOut("neither the file nor its name says on which GPU")
    }
    let named = words.lazy.filter { $0.hasPrefix("tp") }.compactMap { Int($0.dropFirst(2)) }.first
    guard let tp = json["tensor_parallel"]?.integer ?? named, tp >= 1 else {
      return .leftOut("neither the file nor its name says which TP")
    }
    return .run(
      MeasuredRun(
        set: "vllm-bench", place: path, engine: json["backend"]?.string ?? "vllm",
        version: json["engine_version"]?.string ?? "",
        date: json["date"]?.string.flatMap { Int($0.prefix(8)) }, model: model, gpu: gpu, tp: tp,
        // An output of no tokens: the model ended at once, after a prompt that it had computed.
        load: .atOnce(zip(inputs, outputs).map { .init(prompt: max(1, $0), output: max(1, $1)) }),
        measured: [(.duration, duration)]))
  }

  private static func words(of path: String) -> [String] {
    RunFiles.stem(path).lowercased().split { $0 == "_" || $0 == "." }.map(String.init)
  }
}
